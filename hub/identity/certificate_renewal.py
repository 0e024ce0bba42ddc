"""Renews the client certificate with the identity key, before it lapses and after.

    GET  {url}/v1/renewal                    → {nonce}
    POST {url}/v1/hubs/{hub}/renewal         {nonce, csr, signature} → {certificate}

Both requests go without client certificate, so that a lapsed one does not lock the hub out. Renewal is due after two
thirds of the validity, and also four times a day while no transport has been connected for ten minutes: a hub with a
wrong clock cannot tell that its certificate lapsed. The key stays the same: a certificate and its key are two files,
which cannot be replaced atomically.

The request goes through the egress to the address of the enrolment, like the state backup. If that does not answer,
every STATE message asks for a certificate too (`hub.protocol.link_messages`), and the answer comes by whichever
transport is connected: thus a hub that reaches its owner through a broker alone renews while its certificate is valid.
A broker refuses a lapsed one; such a hub needs the address of its enrolment once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import HubError, StorageError
from hub.core.text import phrase, reason_of, system_error
from hub.identity import enrolment
from hub.identity.certificate_request import CertificateRequester, Http
from hub.identity.certificate_validity import Validity, validity
from hub.identity.enrolment import Enrolment
from hub.identity.keys import HubKeys
from hub.protocol.enrolment import make_csr, renewal_statement

LOOK_S = 60.0
SILENT_S = 600.0
AGAIN_S = 6 * 3600.0

_log = logging.getLogger("hub.certificate")


class Link(Protocol):
    """The link to the backend as the renewal needs it (`hub.store_and_forward.link.Link`)."""

    def up(self) -> bool: ...
    def reconnect(self) -> None:
        """Connect anew: another certificate lies in the state directory."""

    def ask_certificate(self, csr: bytes) -> None:
        """Have states carry this request from now on; b"" ends that."""


class CertificateRenewal:
    """The renewal of one hub. `cas` returns the CAs of the trust document in force, in PEM."""

    def __init__(
        self,
        state: Path,
        enrolled: Enrolment,
        hub_keys: HubKeys,
        *,
        http: Http,
        clock: Clock,
        link: Link,
        cas: Callable[[], Iterable[str]],
    ) -> None:
        self.error = ""
        self._path, self._keys, self._clock = state / enrolment.CERTIFICATE, hub_keys, clock
        self._hub = enrolled.hub
        self._certifying = CertificateRequester(
            http,
            enrolled.url,
            phrase("backend-refuses-renewal", "the backend refuses another certificate"),
            (401, 403),
        )
        self._link, self._cas = link, cas
        self._asked = False
        self._offered: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._life: Validity | None = None
        self._heard = self._tried = clock.monotonic()

    def offer(self, certificate: bytes) -> None:
        """Take a certificate that came in answer to a STATE message. It is verified by `run`."""
        if self._asked and not self._offered.full():
            self._offered.put_nowait(certificate)

    async def run(self) -> None:
        """Check periodically whether renewal is due, and renew; verify offered certificates."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._judge())

    async def _judge(self) -> None:
        while True:
            certificate = (await self._offered.get()).decode("ascii", errors="replace")
            ends = self._life.end if self._life is not None else 0.0
            try:
                enrolment.check_certificate(certificate, self._hub, self._keys, cas=self._cas(), after=ends)
                await self._take(certificate)
            except HubError as error:
                _log.error(
                    phrase(
                        "certificate-of-answer-refused",
                        "the certificate that came with an answer is refused: {reason}",
                        reason=reason_of(error),
                    )
                )
                self.error = reason_of(error)
            else:
                self.error = ""

    async def _look(self) -> None:
        backoff = Backoff(LOOK_S, AGAIN_S)
        self._life = await asyncio.to_thread(read_validity, self._path)
        self._tried = -AGAIN_S
        while True:
            pause = self._pause()
            if self._due():
                self._tried = self._clock.monotonic()
                if await self._try():
                    backoff.reset()
                else:
                    pause = backoff.next()
            await self._clock.sleep(pause)

    def status(self) -> dict[str, Any]:
        """Return the end of validity in Unix seconds (None: unreadable), and why renewal failed."""
        return {"ends": self._life.end if self._life is not None else None, "error": self.error}

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, from the last sixth of the validity on."""
        life, now = self._life, self._clock.now()
        if life is None or not self._clock.sure() or now < life.end - (life.end - life.begin) / 6:
            return []
        left = life.end - now
        reason = self.error or phrase("not-tried-yet", "not tried yet")
        if left > 0:
            return [
                phrase(
                    "client-certificate-ends",
                    "the client certificate ends in {count} [day|days] and was not renewed: {reason}",
                    count=round(left / 86400),
                    reason=reason,
                )
            ]
        return [
            phrase(
                "client-certificate-expired",
                "the client certificate has expired and was not renewed: {reason}",
                reason=reason,
            )
        ]

    def _pause(self) -> float:
        """Return the seconds until the next check: a minute, or until renewal is due if that is sooner."""
        left = self._life.renew_at - self._clock.now() if self._life is not None and self._clock.sure() else LOOK_S
        return min(left, LOOK_S) if left > 0 else LOOK_S

    def _due(self) -> bool:
        now = self._clock.monotonic()
        if self._link.up():
            self._heard = now
        if self._clock.sure() and self._life is not None and self._life.due(self._clock.now()):
            return True
        return now - self._heard >= SILENT_S and now - self._tried >= AGAIN_S

    async def _try(self) -> bool:
        life = self._life
        try:
            await self._renew()
        except HubError as error:
            if self._life is not life:  # meanwhile one came in answer to a STATE message
                return True
            if reason_of(error) != self.error:
                _log.warning(
                    phrase(
                        "client-certificate-not-renewed",
                        "the client certificate was not renewed: {reason}",
                        reason=reason_of(error),
                    )
                )
            self.error = reason_of(error)
            if not isinstance(error, StorageError):
                await self._have_states_ask(life)
            return False
        self.error = ""
        return True

    async def _have_states_ask(self, life: Validity | None) -> None:
        try:
            csr = await asyncio.to_thread(self._csr)
        except HubError as error:  # the key is unreadable: it was fine at the start, and is tried again
            _log.warning(
                phrase(
                    "certificate-request-impossible",
                    "no certificate can be requested: {reason}",
                    reason=reason_of(error),
                )
            )
            self.error = reason_of(error)
            return
        if self._life is life:
            self._asked = True
            self._link.ask_certificate(csr)

    async def _renew(self) -> None:
        nonce = await self._certifying.nonce()
        csr = await asyncio.to_thread(self._csr)
        signature = self._keys.identity.sign(renewal_statement(nonce, self._hub, csr))
        body = {"nonce": nonce, "csr": csr.decode(), "signature": signature}
        given = await self._certifying.certificate(f"/v1/hubs/{self._hub}/renewal", body)
        enrolment.check_certificate(given, self._hub, self._keys)
        await self._take(given)

    def _csr(self) -> bytes:
        return make_csr(enrolment.certificate_key(self._keys), self._hub)

    async def _take(self, certificate: str) -> None:
        """Store a verified certificate and use it from now on."""
        try:
            await asyncio.to_thread(write_atomically, self._path, certificate.encode())
        except OSError as error:
            raise StorageError(
                phrase(
                    "file-cannot-be-written",
                    "cannot write {path}: {reason}",
                    path=self._path,
                    reason=system_error(error),
                )
            ) from error
        self._life = await asyncio.to_thread(read_validity, self._path)
        self._asked = False
        self._link.ask_certificate(b"")
        _log.info(phrase("client-certificate-renewed", "the client certificate was renewed"))
        self._link.reconnect()


def read_validity(path: Path) -> Validity | None:
    """Read the validity of a certificate; None without a readable one."""
    try:
        return Validity(*validity(path.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return None
