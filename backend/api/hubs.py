"""Handlers of the hubs' calls: enrolment, records, state, renewal, backups, and documents to fetch."""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from backend.api.nonces import NONCE_BYTES, Nonces, verify
from backend.api.requests import MAX_REQUEST, answer, base64_of, body_of, certified, hub_of_path, read
from backend.hubs import alerts, backups
from backend.ingest import other_hubs
from backend.ingest.core import RECORDS, STATE, Ingest, Message
from backend.ingest.sigfox import callbacks as sigfox_callbacks
from backend.ingest.worker import MAX_PER_HUB, Worker
from backend.owner import page_authority, pki
from backend.owner.badges import REVOKED as REVOKED_BADGES
from backend.owner.directory import Owner
from backend.readings import erasures
from hub.core.errors import NotReady
from hub.core.text import phrase
from hub.protocol.documents.backup import MAX_DOCUMENT
from hub.protocol.enrolment import enrolment_statement, page_certificate_statement, renewal_statement
from hub.protocol.link_messages import MAX_MESSAGE, MAX_SIGNED

log = logging.getLogger(__name__)


class _Enrolment(msgspec.Struct, frozen=True):
    token_id: str
    identity: str
    csr: str
    mac: str
    name: str = ""
    signature: str = ""


class _Renewal(msgspec.Struct, frozen=True):
    nonce: str
    csr: str
    signature: str


class _Page(msgspec.Struct, frozen=True):
    nonce: str
    csr: str
    names: list[Annotated[str, Meta(max_length=253)]]
    signature: str


TRIAL_TRIES, TRIAL_PAUSE_S = 100, 0.1
"""A hub on trial is deleted in pieces, in this many tries."""


class HubApi:
    """Handlers of the hubs' calls, over one owner and worker."""

    def __init__(self, owner: Owner, worker: Worker, nonces: Nonces) -> None:
        self.owner = owner
        self._worker = worker
        self._nonces = nonces
        self._reading: Counter[str] = Counter()  # bytes of bodies that are being read, by hub

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/trust", self.trust)
        router.add_post("/v1/enroll", self.enroll)
        router.add_post("/v1/hubs/{hub}/records", self.records)
        router.add_post("/v1/hubs/{hub}/state", self.state)
        router.add_post("/v1/hubs/{hub}/backup", self.backup)
        router.add_delete("/v1/hubs/{hub}", self.end_trial)
        router.add_get("/v1/renewal", self.nonce)
        router.add_post("/v1/hubs/{hub}/renewal", self.renew)
        router.add_get("/v1/pages-ca", self.pages_ca)
        router.add_post("/v1/hubs/{hub}/page-certificate", self.certify_page)
        router.add_get("/v1/badges/revoked", self.revoked_badges)
        router.add_get("/v1/alerts", self.alerts)
        router.add_post("/v1/whereabouts", self.whereabouts)
        router.add_get("/v1/erasures", self.erasures)
        router.add_get("/v1/sigfox", self.sigfox_fetch)
        router.add_post("/v1/sigfox", self.sigfox_update)

    async def trust(self, request: web.Request) -> web.Response:
        return web.Response(body=self.owner.trust_document, content_type="application/octet-stream")

    async def revoked_badges(self, request: web.Request) -> web.Response:
        """Return the owner's signed list of withdrawn badges, byte for byte from its file."""
        try:
            document = await asyncio.to_thread((self.owner.directory / REVOKED_BADGES).read_bytes)
        except FileNotFoundError:
            raise web.HTTPNotFound from None
        return web.Response(body=document, content_type="application/octet-stream")

    async def enroll(self, request: web.Request) -> web.Response:
        asked = read(await body_of(request, MAX_REQUEST), _Enrolment)
        identity, mac, csr = base64_of(asked.identity, 32), base64_of(asked.mac, 32), asked.csr.encode()
        if asked.signature:
            verify(identity, enrolment_statement(asked.token_id, csr), base64_of(asked.signature, 64))

        def admit(ingest: Ingest) -> tuple[str, str]:
            # check the token first: a stranger may cost the one database thread no more than a look-up
            ingest.registry.vouch(asked.token_id, identity, csr, mac, time.time())
            ingest.trials.check(asked.token_id, identity)
            # make the certificate before the token is spent: a bad request must not use it up
            self.owner.certify(csr, "hub")
            hub = ingest.registry.admit(
                token_id=asked.token_id,
                identity=identity,
                csr=csr,
                name=asked.name,
                mac=mac,
                now=time.time(),
                proven=bool(asked.signature),
            )
            return hub, self.owner.certify(csr, hub).decode()

        hub, certificate = await self._worker.call(admit)
        log.info(phrase("hub-enrolled", "{hub} enrolled", hub=hub))
        trust = base64.b64encode(self.owner.trust_document).decode()
        return answer({"hub": hub, "certificate": certificate, "trust": trust})

    async def end_trial(self, request: web.Request) -> web.Response:
        """Delete the hub, which is on trial, and all that it sent; 202 where its rows are still being made."""
        hub = hub_of_path(request)
        for _ in range(TRIAL_TRIES):
            if await self._worker.call(lambda ingest: ingest.trials.end(hub, time.time())):
                return answer({"hub": hub})
            await asyncio.sleep(TRIAL_PAUSE_S)
        return web.Response(status=202)

    async def nonce(self, request: web.Request) -> web.Response:
        return answer({"nonce": base64.b64encode(self._nonces.make()).decode()})

    async def renew(self, request: web.Request) -> web.Response:
        asked = read(await body_of(request, MAX_REQUEST), _Renewal)
        hub, nonce, csr = request.match_info["hub"], base64_of(asked.nonce, NONCE_BYTES), asked.csr.encode()
        self._nonces.check(nonce)
        identity = await self._worker.call(lambda ingest: ingest.admitted(hub).identity)
        verify(identity, renewal_statement(nonce, hub, csr), base64_of(asked.signature, 64))
        certificate = self.owner.certify(csr, hub).decode()
        log.info(phrase("hub-has-new-certificate", "{hub} has a new certificate", hub=hub))
        return answer({"certificate": certificate})

    async def pages_ca(self, request: web.Request) -> web.Response:
        ca, _ = await asyncio.to_thread(page_authority.authority, self.owner.directory, self.owner.settings.owner)
        return web.Response(body=pki.pem(ca), content_type="application/x-pem-file")

    async def certify_page(self, request: web.Request) -> web.Response:
        asked = read(await body_of(request, MAX_REQUEST), _Page)
        hub, nonce, csr = request.match_info["hub"], base64_of(asked.nonce, NONCE_BYTES), asked.csr.encode()
        self._nonces.check(nonce)
        identity = await self._worker.call(lambda ingest: ingest.admitted(hub).identity)
        verify(identity, page_certificate_statement(nonce, hub, csr, asked.names), base64_of(asked.signature, 64))
        owner = self.owner
        made = await asyncio.to_thread(
            page_authority.certify, owner.directory, owner.settings.owner, hub, csr, asked.names
        )
        return answer({"certificate": made.decode()})

    async def records(self, request: web.Request) -> web.Response:
        return await self._post(request, RECORDS, MAX_MESSAGE)

    async def state(self, request: web.Request) -> web.Response:
        return await self._post(request, STATE, MAX_SIGNED)

    async def backup(self, request: web.Request) -> web.Response:
        hub = hub_of_path(request)
        with self._room(request, hub, MAX_DOCUMENT):
            body = await body_of(request, MAX_DOCUMENT)
            identity = await self._worker.call(lambda ingest: ingest.admitted(hub).identity)
            generation = await asyncio.to_thread(backups.take, self.owner.backups, hub, identity, body)
        return answer({"generation": generation})

    async def alerts(self, request: web.Request) -> web.Response:
        hub = certified(request)

        def asked(ingest: Ingest) -> list[dict[str, Any]]:
            ingest.admitted(hub)
            return alerts.requested_changes(ingest.storage.alerts, hub)

        return answer({"acts": await self._worker.call(asked)})

    async def whereabouts(self, request: web.Request) -> web.Response:
        hub, asked = certified(request), read(await body_of(request, 32768), other_hubs.LookupRequest)

        def found(ingest: Ingest) -> dict[str, Any]:
            ingest.admitted(hub)
            return ingest.whereabouts.answer(hub, asked.devices, time.time())

        return answer({"devices": await self._worker.call(found)})

    async def erasures(self, request: web.Request) -> web.Response:
        hub = certified(request)

        def done(ingest: Ingest) -> list[dict[str, Any]]:
            ingest.admitted(hub)
            return erasures.done(ingest.storage, hub)

        return answer({"done": await self._worker.call(done)})

    async def sigfox_fetch(self, request: web.Request) -> web.Response:
        return answer(await sigfox_callbacks.fetch(self._worker, certified(request)))

    async def sigfox_update(self, request: web.Request) -> web.Response:
        hub = certified(request)
        with self._room(request, hub, sigfox_callbacks.MAX_UPDATE):
            return answer(
                await sigfox_callbacks.update(self._worker, hub, await body_of(request, sigfox_callbacks.MAX_UPDATE))
            )

    async def _post(self, request: web.Request, what: str, limit: int) -> web.Response:
        hub = hub_of_path(request)
        with self._room(request, hub, limit):
            message = Message(hub, what, await body_of(request, limit))
        return web.Response(body=await self._worker.post(message))

    @contextmanager
    def _room(self, request: web.Request, hub: str, limit: int) -> Iterator[None]:
        """Reserve memory for a body of this hub, so that its parallel requests cannot fill it. Raises NotReady."""
        size = min(limit, limit if request.content_length is None else request.content_length)
        if self._reading[hub] + size > MAX_PER_HUB:
            raise NotReady(phrase("too-much-of-hub", "too much of this hub is on its way; come again"))
        self._reading[hub] += size
        try:
            yield
        finally:
            self._reading[hub] -= size
            if not self._reading[hub]:
                del self._reading[hub]
