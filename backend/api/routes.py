"""HTTP routes: calls of hubs, which ingest's process answers, and requests of the operator, which the API's does.
Answers are JSON, except records, states and documents.

    GET  /v1/trust                              the signed TRUST document, public
    POST /v1/enroll                             JSON {token_id, identity, csr, name, mac} → {hub, certificate, trust}
    DELETE /v1/hubs/{hub}                       client certificate; a hub on trial is deleted (`backend.ingest.trials`)
    POST /v1/hubs/{hub}/records  …/state        client certificate, common name = {hub}
    POST /v1/hubs/{hub}/backup                  likewise; a sealed state backup (`hub.protocol.documents.backup`),
                                                {"generation"}
    GET  /v1/renewal                            {nonce}, public
    POST /v1/hubs/{hub}/renewal                 without certificate; JSON {nonce, csr, signature} → {certificate}
    GET  /v1/pages-ca                           the authority of the hubs' own pages (PEM), public
    POST /v1/hubs/{hub}/page-certificate        without certificate; JSON {nonce, csr, names, signature} → {certificate}
    GET  /v1/badges/revoked                     the signed list of withdrawn badges, public; 404 while there is none
    GET  /v1/alerts                             client certificate; {acts}: the operator's answers
                                                (`backend.hubs.alerts`)
    POST /v1/whereabouts                        client certificate; {devices} → their sites
                                                (`backend.ingest.other_hubs`)
    GET  /v1/erasures                           client certificate; {done}: erasures executed
                                                (`backend.readings.erasures`)
    GET, POST /v1/sigfox                        client certificate; Sigfox callbacks (`backend.ingest.sigfox.callbacks`)
    any other path                              passed on to the operator's server (`backend.processes.api_forwarding`)

The operator's operations are listed in `backend.api.operations` and described by docs/reference/openapi.json; they need
Authorization: Bearer, with the token in api.token.

A series id is "<hub>/<place>/<metric>"; its slashes may stand as they are or as %2F. Errors are {"error": text,
"error_text": {"code", "params"}}: 400 unreadable · 401 no token · 403 refused · 404 · 405 · 413 too large · 503 retry
later; the operator's are problem details (RFC 9457), which hold these two also.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from aiohttp import web

from backend.api.guard import Guard
from backend.api.hubs import HubApi
from backend.api.nonces import Nonces
from backend.api.operator import OperatorApi
from backend.api.reading import ReadingApi
from backend.api.requests import MAX_FORM, Handler, errors, strip_headers
from backend.ingest.worker import Worker
from backend.owner.directory import Owner
from backend.storage.opening import open_queries
from backend.storage.shared import SharedStorage
from hub.core.request_log import RequestLog
from hub.protocol.link_messages import MAX_MESSAGE

log = logging.getLogger(__name__)


class _Server:
    """Log and counts of a server of HTTP."""

    def __init__(self) -> None:
        self.malformed = malformed = Counter[str]()
        self.log = RequestLog(log, lambda reason: malformed.update([reason]))

    def _application(self, most: int = MAX_MESSAGE) -> web.Application:
        app = web.Application(middlewares=[errors(self.log)], client_max_size=most)
        app.on_response_prepare.append(strip_headers)
        return app


class HubServer(_Server):
    """Routes of the hubs of one owner and worker; what is none of them is for `pass_on`."""

    def __init__(self, owner: Owner, worker: Worker, nonces: Nonces, pass_on: Handler) -> None:
        super().__init__()
        self._hubs, self._pass_on = HubApi(owner, worker, nonces), pass_on

    @property
    def owner(self) -> Owner:
        return self._hubs.owner

    @owner.setter
    def owner(self, owner: Owner) -> None:
        self._hubs.owner = owner

    def application(self) -> web.Application:
        app = self._application()
        app.middlewares.append(self._others_passed_on)
        self._hubs.route(app.router)
        return app

    @web.middleware
    async def _others_passed_on(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hand over what is no call of a hub: another path, and of the same ones what reads or comes with a token."""
        missing = request.match_info.http_exception
        other = request.method in ("GET", "HEAD") or "Authorization" in request.headers
        asked = other and isinstance(missing, web.HTTPMethodNotAllowed)
        return await (self._pass_on if asked or isinstance(missing, web.HTTPNotFound) else handler)(request)


class OperatorServer(_Server):
    """Routes of the operator of one owner, over the database at an address and `storage`, which writes it."""

    def __init__(self, owner: Owner, database: Path | str, storage: SharedStorage) -> None:
        super().__init__()
        self._guard, queries = Guard(owner), open_queries(database)
        self._operator = OperatorApi(self._guard, queries, storage)
        self._reading = ReadingApi(self._guard, queries)

    @property
    def owner(self) -> Owner:
        return self._guard.owner

    @owner.setter
    def owner(self, owner: Owner) -> None:
        self._guard.owner = owner

    def application(self) -> web.Application:
        app = self._application(MAX_FORM)
        self._operator.route(app.router)
        self._reading.route(app.router)
        app.on_shutdown.append(self._reading.events.stop)
        return app
