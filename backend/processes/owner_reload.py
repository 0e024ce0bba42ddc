"""Following of the owner's directory: a process takes up a new TRUST and a new certificate of the server within
seconds. Ingest renews the certificate after two thirds of its life."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable

from backend.owner import directory as owners
from backend.owner.directory import Owner
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""Seconds between two looks at the files."""
CERTIFICATE_EVERY_S = 6 * 3600.0

Adopt = Callable[[Owner], Awaitable[None]]


class Following:
    """Follows the directory of `owner`. `adopt` is called with it as it is after a change; `context` shows the
    certificate; only who `renews` makes another one."""

    def __init__(self, owner: Owner, adopt: Adopt, context: ssl.SSLContext | None, *, renews: bool) -> None:
        self._owner, self._adopt = owner, adopt
        self._context, self._renews = context, renews
        self._shown = self._certificate() if context is not None else b""
        self._renewed = time.monotonic()

    async def run(self) -> None:
        """Look again and again; an error is logged once, and the former values stay."""
        trouble = ""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
                trouble = ""
            except (HubError, OSError) as error:
                if str(error) != trouble:
                    log.error(
                        phrase(
                            "owner-directory-not-followed",
                            "the owner's directory changed and cannot be followed, the former keys stay: {reason}",
                            reason=reason_of(error),
                        )
                    )
                trouble = str(error)

    async def _look(self) -> None:
        trust = self._owner.directory / "trust.bin"
        if await asyncio.to_thread(trust.read_bytes) != self._owner.trust_document:
            changed = await asyncio.to_thread(owners.load, self._owner.directory)
            await self._adopt(changed)
            self._owner = changed
            log.info(
                phrase(
                    "new-trust-adopted",
                    "the owner signed a new trust document, version {version}",
                    version=changed.trust.version,
                )
            )
        if self._renews and time.monotonic() - self._renewed >= CERTIFICATE_EVERY_S:
            self._renewed = time.monotonic()
            await asyncio.to_thread(self._owner.renew_own_certificate, time.time())
        if self._context is not None and (found := await asyncio.to_thread(self._certificate)) != self._shown:
            self._context.load_cert_chain(self._owner.directory / "server.pem", self._owner.directory / "server.key")
            self._shown = found
            log.info(phrase("server-certificate-renewed", "the server's certificate was renewed"))

    def _certificate(self) -> bytes:
        return (self._owner.directory / "server.pem").read_bytes()
