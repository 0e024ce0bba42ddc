"""HTTP routes: calls of hubs and requests of the operator. Answers are JSON, except records, states and documents.

    GET  /v1/trust                              the signed TRUST document, public
    POST /v1/enroll                             JSON {token_id, identity, csr, name, mac} → {hub, certificate, trust}
    POST /v1/hubs/{hub}/records  …/state        client certificate, common name = {hub}
    POST /v1/hubs/{hub}/backup                  likewise; a sealed state backup (`hub.protocol.documents.backup`),
                                                {"generation"}
    GET  /v1/renewal                            {nonce}, public
    POST /v1/hubs/{hub}/renewal                 without certificate; JSON {nonce, csr, signature} → {certificate}
    GET  /v1/pages-ca                           the authority of the hubs' own pages (PEM), public
    POST /v1/hubs/{hub}/page-certificate        without certificate; JSON {nonce, csr, names, signature} → {certificate}
    GET  /v1/badges/revoked                     the signed list of withdrawn badges, public; 404 while there is none
    GET  /v1/alerts                             client certificate; {acts}: the operator's answers (`backend.alerts`)
    POST /v1/whereabouts                        client certificate; {devices} → their sites (`backend.other_hubs`)
    GET  /v1/erasures                           client certificate; {done}: erasures executed (`backend.erasures`)
    GET, POST /v1/sigfox                        client certificate; Sigfox callbacks (`backend.sigfox_callbacks`)
    GET  /v1/hubs /v1/series /v1/series/{id}/latest /v1/series/{id}/history?from&to&limit /v1/gaps /v1/forks
         /v1/raised?hub&all (alerts)  POST /v1/raised/{alert} JSON {state, by, why, seconds, hub}
         /v1/erased?hub (erasures) /v1/retention (days by class)  /v1/whereabouts?hub (requests of hubs)
         /v1/callbacks /v1/alarms /v1/stats /v1/verify?hub&run&stream    Authorization: Bearer, the token in api.token

A series id is "<hub>/<place>/<metric>"; its slashes may stand as they are or as %2F. Errors are {"error": text,
"error_text": {"code", "params"}}: 400 unreadable · 401 no token · 403 refused · 404 · 405 · 413 too large · 503 retry
later.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from backend.api.hubs import HubApi
from backend.api.operator import OperatorApi
from backend.api.requests import errors, strip_headers
from backend.owner import Owner
from backend.worker import Worker
from hub.core.request_log import RequestLog
from hub.protocol.link_messages import MAX_MESSAGE

log = logging.getLogger(__name__)


class Api:
    """Routes of one owner, worker and database. `gave_way` counts the evicted connections by hub."""

    def __init__(self, owner: Owner, worker: Worker, gave_way: Mapping[str, int]) -> None:
        malformed = Counter[str]()
        self.log = RequestLog(log, lambda reason: malformed.update([reason]))
        self._hubs = HubApi(owner, worker)
        self._operator = OperatorApi(owner, worker, gave_way, malformed)

    def adopt(self, owner: Owner) -> None:
        """Use the owner's directory as it is after a change."""
        self._hubs.owner = self._operator.owner = owner

    def application(self) -> web.Application:
        app = web.Application(middlewares=[errors(self.log)], client_max_size=MAX_MESSAGE)
        app.on_response_prepare.append(strip_headers)
        self._hubs.route(app.router)
        self._operator.route(app.router)
        return app
