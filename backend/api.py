"""The routes. What hubs call, and what the operator asks; every answer that is no record is JSON.

    GET  /v1/trust                              the signed TRUST document, to anybody
    POST /v1/enroll                             JSON {token_id, identity, csr, name, mac} → {hub, certificate, trust}
    POST /v1/hubs/{hub}/records  …/state        by client certificate, common name = {hub}
    POST /v1/hubs/{hub}/backup                  likewise; a sealed state backup (`hub.backup`), {"generation"}
    GET  /v1/renewal                            {nonce}, to anybody
    POST /v1/hubs/{hub}/renewal                 without certificate; JSON {nonce, csr, signature} → {certificate}
    GET  /v1/pages-ca                           the authority of the hubs' own pages (PEM), to anybody
    POST /v1/hubs/{hub}/page-certificate        without certificate; JSON {nonce, csr, names, signature} → {certificate}
    GET  /v1/badges/revoked                     the signed list of withdrawn badges, to anybody; 404 while there is none
    GET  /v1/alerts                             by client certificate; {acts}: what was answered here (`backend.alerts`)
    POST /v1/whereabouts                        by client certificate; {devices} → which other hub heard each last
    GET  /v1/erasures                           by client certificate; {done}: erasures executed (`backend.erasures`)
    GET, POST /v1/sigfox                        by client certificate; Sigfox callbacks (`backend.callbacks`)
    GET  /v1/hubs /v1/series /v1/series/{id}/latest /v1/series/{id}/history?from&to&limit /v1/gaps /v1/forks
         /v1/raised?hub&all (alerts)  POST /v1/raised/{alert} JSON {state, by, why, seconds}
         /v1/erased (erasures) /v1/retention (days by privacy class)
         /v1/callbacks /v1/alarms /v1/stats /v1/verify?hub&run&stream    Authorization: Bearer, the token in api.token

A series id is "<hub>/<place>/<metric>"; its slashes may stand as they are or as %2F.
Errors are {"error": text}: 400 unreadable · 401 no token · 403 refused · 404 · 405 · 413 too large · 503 come again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from backend import alerts, backups, callbacks, erasures, pages, pki, whereabouts
from backend.badging import REVOKED as REVOKED_BADGES
from backend.ingest import RECORDS, STATE, Ingest, Message, NotAdmitted
from backend.nonces import NONCE_BYTES, Nonces, verify
from backend.owner import Owner
from backend.views import MAX_LIMIT, Unknown, Views, parse_number
from backend.worker import Worker
from hub import enrolment, page_certificate
from hub.backup import MAX_DOCUMENT
from hub.errors import AuthFailed, DecodeError, NotReady, StorageError
from hub.wire import MAX_MESSAGE, MAX_SIGNED

log = logging.getLogger(__name__)

MAX_ENROLMENT = 32768
_MSGPACK = "application/vnd.msgpack"
_MAX_TIME = 2**53

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Enrolment(msgspec.Struct, frozen=True):
    token_id: str
    identity: str
    csr: str
    mac: str
    name: str = ""


class _Answer(msgspec.Struct, frozen=True):
    state: Literal["acknowledged", "muted", "cleared"]
    by: Annotated[str, Meta(min_length=1, max_length=64)]
    why: Annotated[str, Meta(max_length=200)] = ""
    seconds: Annotated[float, Meta(gt=0, le=31 * 86_400)] | None = None


class _Renewal(msgspec.Struct, frozen=True):
    nonce: str
    csr: str
    signature: str


T = TypeVar("T")


class _Page(msgspec.Struct, frozen=True):
    nonce: str
    csr: str
    names: list[Annotated[str, Meta(max_length=253)]]
    signature: str


class Api:
    """The handlers over one owner, worker and database."""

    def __init__(self, owner: Owner, worker: Worker) -> None:
        self._owner = owner
        self._worker = worker
        self._nonces = Nonces()
        self._views = Views(owner.database)
        self._started = time.time()

    def adopt(self, owner: Owner) -> None:
        """The owner's directory has changed."""
        self._owner = owner

    def application(self) -> web.Application:
        app = web.Application(middlewares=[_errors], client_max_size=MAX_MESSAGE)
        app.on_response_prepare.append(_plainly)
        app.router.add_get("/v1/trust", self.trust)
        app.router.add_post("/v1/enroll", self.enroll)
        app.router.add_post("/v1/hubs/{hub}/records", self.records)
        app.router.add_post("/v1/hubs/{hub}/state", self.state)
        app.router.add_post("/v1/hubs/{hub}/backup", self.backup)
        app.router.add_get("/v1/renewal", self.nonce)
        app.router.add_post("/v1/hubs/{hub}/renewal", self.renew)
        app.router.add_get("/v1/pages-ca", self.pages_ca)
        app.router.add_post("/v1/hubs/{hub}/page-certificate", self.certify_page)
        app.router.add_get("/v1/badges/revoked", self.revoked_badges)
        app.router.add_get("/v1/alerts", self.alerts)
        app.router.add_post("/v1/whereabouts", self.whereabouts)
        app.router.add_get("/v1/erasures", self.erasures)
        app.router.add_get("/v1/sigfox", self.fetched)
        app.router.add_post("/v1/sigfox", self.told)
        for path, handler in (
            ("/v1/hubs", self.hubs),
            ("/v1/callbacks", self.callbacks),
            ("/v1/verify", self.verify),
            ("/v1/series", self.series),
            ("/v1/series/{id:.+}/latest", self.latest),
            ("/v1/series/{id:.+}/history", self.history),
            ("/v1/gaps", self.gaps),
            ("/v1/forks", self.forks),
            ("/v1/alarms", self.alarms),
            ("/v1/raised", self.raised),
            ("/v1/erased", self.erased),
            ("/v1/retention", self.retention),
            ("/v1/stats", self.stats),
        ):
            app.router.add_get(path, self._for_operator(handler))
        app.router.add_post("/v1/raised/{alert}", self._for_operator(self.answer))
        return app

    # hubs

    async def trust(self, request: web.Request) -> web.Response:
        return web.Response(body=self._owner.trust_document, content_type="application/octet-stream")

    async def revoked_badges(self, request: web.Request) -> web.Response:
        """The owner's signed list of withdrawn badges, as it lies in the directory."""
        try:
            document = await asyncio.to_thread((self._owner.directory / REVOKED_BADGES).read_bytes)
        except FileNotFoundError:
            raise web.HTTPNotFound from None
        return web.Response(body=document, content_type="application/octet-stream")

    async def enroll(self, request: web.Request) -> web.Response:
        asked = _read(await _body(request, MAX_ENROLMENT), _Enrolment)
        identity, mac, csr = _base64(asked.identity, 32), _base64(asked.mac, 32), asked.csr.encode()

        def admit(ingest: Ingest) -> tuple[str, str]:
            # the certificate first: a request that cannot be certified must not use the token up
            self._owner.certify(csr, "hub")
            hub = ingest.registry.admit(
                token_id=asked.token_id, identity=identity, csr=csr, name=asked.name, mac=mac, now=time.time()
            )
            return hub, self._owner.certify(csr, hub).decode()

        hub, certificate = await self._worker.call(admit)
        log.info("%s enrolled", hub)
        trust = base64.b64encode(self._owner.trust_document).decode()
        return _json({"hub": hub, "certificate": certificate, "trust": trust})

    async def nonce(self, request: web.Request) -> web.Response:
        return _json({"nonce": base64.b64encode(self._nonces.make()).decode()})

    async def renew(self, request: web.Request) -> web.Response:
        asked = _read(await _body(request, MAX_ENROLMENT), _Renewal)
        hub, nonce, csr = request.match_info["hub"], _base64(asked.nonce, NONCE_BYTES), asked.csr.encode()
        identity = await self._worker.call(lambda ingest: ingest.admitted(hub).identity)
        self._nonces.check(nonce)
        verify(identity, enrolment.renewal(nonce, hub, csr), _base64(asked.signature, 64))
        certificate = self._owner.certify(csr, hub).decode()
        log.info("%s has a new certificate", hub)
        return _json({"certificate": certificate})

    async def pages_ca(self, request: web.Request) -> web.Response:
        ca, _ = await asyncio.to_thread(pages.authority, self._owner.directory, self._owner.settings.owner)
        return web.Response(body=pki.pem(ca), content_type="application/x-pem-file")

    async def certify_page(self, request: web.Request) -> web.Response:
        asked = _read(await _body(request, MAX_ENROLMENT), _Page)
        hub, nonce, csr = request.match_info["hub"], _base64(asked.nonce, NONCE_BYTES), asked.csr.encode()
        identity = await self._worker.call(lambda ingest: ingest.admitted(hub).identity)
        self._nonces.check(nonce)
        verify(identity, page_certificate.signed(nonce, hub, csr, asked.names), _base64(asked.signature, 64))
        owner = self._owner
        made = await asyncio.to_thread(
            pages.certify, owner.directory, owner.settings.owner, hub, csr, asked.names
        )  # fmt: skip
        return _json({"certificate": made.decode()})

    async def records(self, request: web.Request) -> web.Response:
        return await self._post(request, RECORDS, MAX_MESSAGE)

    async def state(self, request: web.Request) -> web.Response:
        return await self._post(request, STATE, MAX_SIGNED)

    async def backup(self, request: web.Request) -> web.Response:
        hub = _of_path(request)
        body = await _body(request, MAX_DOCUMENT)
        identity = await self._worker.call(lambda ingest: ingest.admitted(hub).identity)
        generation = await asyncio.to_thread(backups.take, self._owner.backups, hub, identity, body)
        return _json({"generation": generation})

    async def alerts(self, request: web.Request) -> web.Response:
        hub = _certified(request)

        def asked(ingest: Ingest) -> list[dict[str, Any]]:
            ingest.admitted(hub)
            return alerts.wanted(ingest.storage.connection, hub)

        return _json({"acts": await self._worker.call(asked)})

    async def whereabouts(self, request: web.Request) -> web.Response:
        hub, asked = _certified(request), _read(await _body(request, 32768), whereabouts.Asked)

        def last(ingest: Ingest) -> dict[str, Any]:
            ingest.admitted(hub)
            return whereabouts.last(ingest.storage.connection, hub, asked.devices)

        return _json({"devices": await self._worker.call(last)})

    async def erasures(self, request: web.Request) -> web.Response:
        hub = _certified(request)

        def done(ingest: Ingest) -> list[dict[str, Any]]:
            ingest.admitted(hub)
            return erasures.done(ingest.storage.connection, hub)

        return _json({"done": await self._worker.call(done)})

    async def fetched(self, request: web.Request) -> web.Response:
        return _json(await callbacks.fetched(self._worker, _certified(request)))

    async def told(self, request: web.Request) -> web.Response:
        hub = _certified(request)
        return _json(await callbacks.told(self._worker, hub, await _body(request, callbacks.MAX_TOLD)))

    async def _post(self, request: web.Request, what: str, limit: int) -> web.Response:
        hub = _of_path(request)
        message = Message(hub, what, await _body(request, limit))
        return web.Response(body=await self._worker.post(message), content_type=_MSGPACK)

    # operator

    async def hubs(self, request: web.Request) -> Any:
        return {"hubs": await asyncio.to_thread(self._views.hubs)}

    async def callbacks(self, request: web.Request) -> Any:
        return await callbacks.overview(self._worker)

    async def verify(self, request: web.Request) -> Any:
        query = request.query
        streams = self._views.verify
        arguments = (query.get("hub", ""), query.get("run", ""), query.get("stream", ""))
        return {"streams": await asyncio.to_thread(streams, *arguments)}

    async def series(self, request: web.Request) -> Any:
        query = request.query
        arguments = (query.get("hub", ""), query.get("place", ""), query.get("metric", ""))
        return {"series": await asyncio.to_thread(self._views.series, *arguments)}

    async def latest(self, request: web.Request) -> Any:
        return await asyncio.to_thread(self._views.latest, request.match_info["id"])

    async def history(self, request: web.Request) -> Any:
        query = request.query
        start = parse_number(query.get("from", "0"), "from", 0, _MAX_TIME)
        end = parse_number(query.get("to", str(_MAX_TIME)), "to", 0, _MAX_TIME)
        limit = parse_number(query.get("limit", "1000"), "limit", 1, MAX_LIMIT)
        return await asyncio.to_thread(self._views.history, request.match_info["id"], start, end, limit)

    async def gaps(self, request: web.Request) -> Any:
        return {"gaps": await asyncio.to_thread(self._views.gaps, request.query.get("hub", ""))}

    async def forks(self, request: web.Request) -> Any:
        return {"forks": await asyncio.to_thread(self._views.forks)}

    async def alarms(self, request: web.Request) -> Any:
        return {"alarms": await asyncio.to_thread(self._views.alarms)}

    async def raised(self, request: web.Request) -> Any:
        query = request.query
        arguments = (query.get("hub", ""), query.get("all", "") not in ("", "0"))
        return {"alerts": await asyncio.to_thread(self._views.raised, *arguments)}

    async def erased(self, request: web.Request) -> Any:
        return {"erasures": await asyncio.to_thread(self._views.erased)}

    async def retention(self, request: web.Request) -> Any:
        return {"classes": await asyncio.to_thread(self._views.retention)}

    async def answer(self, request: web.Request) -> Any:
        asked, alert = _read(await _body(request, MAX_ENROLMENT), _Answer), request.match_info["alert"]

        def ask(ingest: Ingest) -> str:
            with ingest.storage.transaction():
                until = None if asked.seconds is None else time.time() + asked.seconds
                return alerts.want(ingest.storage.connection, alert, asked.state, asked.by, asked.why, until)

        return {"alert": alert, "hub": await self._worker.call(ask), "wanted": asked.state}

    async def stats(self, request: web.Request) -> Any:
        def running(ingest: Ingest) -> dict[str, Any]:
            counts, journal = ingest.counts, ingest.journal
            return {
                "duplicates": counts.duplicates,
                "refused": counts.refused,
                "stale_states": ingest.states.stale,
                "messages": counts.messages,
                "journal_pending": 0 if journal is None else journal.pending_records,
                "journal_pending_readings": 0 if journal is None else journal.pending_readings,
                "journal_pending_bytes": 0 if journal is None else journal.pending_bytes,
                "db": ingest.storage.db.hex(),
            }

        totals = await asyncio.to_thread(self._views.stats)
        more = {"uptime": time.time() - self._started, "demo_grade": self._owner.demo_grade}
        return totals | await self._worker.call(running) | more

    def _for_operator(self, handler: Callable[[web.Request], Awaitable[Any]]) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._owner.api_token.encode()):
                return _json({"error": "the operator API needs Authorization: Bearer and the token in api.token"}, 401)
            return _json(await handler(request))

        return guarded


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as JSON, with the status that tells the other end who must act."""
    try:
        return await handler(request)
    except (NotAdmitted, AuthFailed) as error:
        return _json({"error": str(error)}, 403)
    except DecodeError as error:
        return _json({"error": str(error)}, 413 if error.reason == "too-large" else 400)
    except (Unknown, alerts.NoAlert) as error:
        return _json({"error": str(error)}, 404)
    except (NotReady, StorageError) as error:
        return _json({"error": str(error)}, 503, {"Retry-After": "5"})
    except web.HTTPException as error:
        return _json({"error": error.reason}, error.status)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return _json({"error": "a fault in this backend; its log says more"}, 500)


def _certified(request: web.Request) -> str:
    """The common name of the client certificate, which TLS has checked against our CA."""
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    raise NotAdmitted("a hub shows the client certificate that it was given at enrolment")


async def _plainly(request: web.Request, response: web.StreamResponse) -> None:
    """Not which programs answer, in which versions: nobody needs it, and each answer pays for it on a metered line."""
    response.headers.pop("Server", None)


def _of_path(request: web.Request) -> str:
    """The hub in the path, which the client certificate must name too."""
    hub = _certified(request)
    if hub != request.match_info["hub"]:
        raise NotAdmitted("the client certificate is not of the hub in the path")
    return hub


async def _body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises DecodeError as soon as it is longer than `limit`."""
    if (request.content_length or 0) > limit:
        raise DecodeError("too-large", f"a body has at most {limit} bytes here")
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > limit:
            raise DecodeError("too-large", f"a body has at most {limit} bytes here")
    return bytes(data)


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("bad-enrolment", str(error)) from error


def _base64(text: str, size: int) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("bad-enrolment", "keys, nonces and signatures are base64") from error
    if len(data) != size:
        raise DecodeError("bad-enrolment", f"{len(data)} bytes where there must be {size}")
    return data


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, headers=headers, content_type="application/json"
    )
