"""Gets a certificate for the hub's own pages signed by the district's authority, so that browsers trust them.

Until then, and whenever it has lapsed, the pages use the hub's self-signed one.

    GET  {url}/v1/renewal                              → {nonce}
    POST {url}/v1/hubs/{hub}/page-certificate          {nonce, csr, names, signature} → {certificate}
    signature = IDENTITY over lp("ilot/page-certificate/1\\0", nonce, hub, csr, names…)

It has the same key as the self-signed one. The authority is separate (`backend.owner.page_authority`): hubs do not
accept its certificates from a backend. Renewal is due after two thirds of the validity, and when the hub's addresses
change.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from hub.core import tls
from hub.core.clock import Clock
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import AuthFailed, HubError, StorageError
from hub.core.text import phrase, reason_of, system_error
from hub.identity.certificate_request import CertificateRequester, Http
from hub.identity.certificate_validity import Validity, validity
from hub.identity.keys import HubKeys, page_password
from hub.protocol.enrolment import page_certificate_statement

FILE, NAMES = "web-district.crt", "web-district.names"
LOOK_S, AGAIN_S = 30.0, 6 * 3600.0

_log = logging.getLogger("hub.certificate")


class Pages(Protocol):
    """The pages as their certificate needs them."""

    def names(self) -> list[str]:
        """Return the addresses and names under which they are reached, empty while they are not served."""
        ...

    async def recertify(self) -> None:
        """Use the certificate that lies in the directory now: it is another one, or the present one has expired."""
        ...


class PageCertificate:
    """The district's certificate of the pages. It lies beside `key`, that of their self-signed certificate."""

    def __init__(
        self,
        key: Path,
        hub: str,
        url: str,
        keys: HubKeys,
        *,
        http: Http,
        clock: Clock,
        up: Callable[[], bool],
        pages: Pages,
    ) -> None:
        self.error = ""
        self._path, self._names_path, self._key = key.with_name(FILE), key.with_name(NAMES), key
        self._hub, self._keys = hub, keys
        self._certifying = CertificateRequester(
            http,
            url.rstrip("/"),
            phrase("backend-certifies-no-page", "the backend certifies no page here"),
            (401, 403, 404),
        )
        self._clock, self._up, self._pages = clock, up, pages
        self._tried = -AGAIN_S
        self._asked: list[str] = []
        self._lapsed = False

    async def run(self) -> None:
        """Check periodically whether renewal is due."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.turn()

    async def turn(self) -> None:
        """Request a certificate if one is due, at once for other names."""
        names = self._pages.names()
        if not names:
            return
        if await asyncio.to_thread(self._lapses):
            _log.warning(
                phrase(
                    "pages-certificate-expired",
                    "the district's certificate of the pages has expired: the self-signed one is shown",
                )
            )
            await self._pages.recertify()
        if not self._up():
            return
        now = self._clock.monotonic()
        if now - self._tried < AGAIN_S and names == self._asked:
            return
        if not await asyncio.to_thread(self._due, names):
            return
        self._tried, self._asked = now, list(names)
        try:
            await self._fetch(names)
        except HubError as error:
            if reason_of(error) != self.error:
                _log.warning(
                    phrase(
                        "pages-not-certified",
                        "the district does not certify the pages, the self-signed certificate stays: {reason}",
                        reason=reason_of(error),
                    )
                )
            self.error = reason_of(error)
        else:
            self.error = ""

    def status(self) -> dict[str, Any]:
        """Return why there is no district certificate, "" if there is one."""
        return {"error": self.error}

    def complaints(self) -> list[str]:
        return []

    def _lapses(self) -> bool:
        """Return whether it has lapsed since the last check."""
        try:
            end, date = validity(self._path.read_text(encoding="ascii"))[1], self._clock.date()
        except (OSError, ValueError):
            return False
        former, self._lapsed = self._lapsed, date is not None and date >= end
        return self._lapsed and not former

    def _due(self, names: list[str]) -> bool:
        try:
            life = Validity(*validity(self._path.read_text(encoding="ascii")))
            known = self._names_path.read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return True
        date = self._clock.date()
        return known != names or (date is not None and life.due(date))

    async def _fetch(self, names: list[str]) -> None:
        nonce = await self._certifying.nonce()
        csr = await asyncio.to_thread(self._request)
        signature = self._keys.identity.sign(page_certificate_statement(nonce, self._hub, csr, names))
        body = {"nonce": nonce, "csr": csr.decode(), "names": names, "signature": signature}
        given = await self._certifying.certificate(f"/v1/hubs/{self._hub}/page-certificate", body)
        await asyncio.to_thread(self._take, given, names)
        _log.info(phrase("pages-certified", "the district certified the hub's pages"))
        await self._pages.recertify()

    def _request(self) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        from hub.protocol.enrolment import make_csr

        try:
            key = load_pem_private_key(self._key.read_bytes(), page_password(self._keys))
        except (
            OSError,
            ValueError,
            TypeError,
        ) as error:  # TypeError: the key is not encrypted, which holds until the pages open
            raise StorageError(
                phrase("file-cannot-be-read", "cannot read {path}: {reason}", path=self._key, reason=reason_of(error))
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise StorageError(phrase("page-key-not-ecdsa", "{path} is not an ECDSA key", path=self._key))
        return make_csr(key, self._hub)

    def _take(self, certificate: str, names: list[str]) -> None:
        """Store the certificate if it fits the key of the pages. Raises AuthFailed, StorageError."""
        trial = tls.server()
        coming = self._path.with_suffix(".new")
        try:
            write_atomically(coming, certificate.encode("ascii", errors="replace"))
            trial.load_cert_chain(coming, self._key, page_password(self._keys))
            coming.replace(self._path)
            # after the certificate: otherwise names it lacks would count as certified until renewal
            write_atomically(self._names_path, "\n".join(names).encode())
        except ssl.SSLError as error:
            coming.unlink(missing_ok=True)
            raise AuthFailed(
                phrase(
                    "page-certificate-of-another-key",
                    "the backend answered with a certificate of another key, or none ({reason})",
                    reason=reason_of(error),
                )
            ) from error
        except OSError as error:
            raise StorageError(
                phrase(
                    "file-cannot-be-written",
                    "cannot write {path}: {reason}",
                    path=self._path,
                    reason=system_error(error),
                )
            ) from error


def fingerprint(pem: str) -> str:
    """Return SHA-256 of the first certificate, AB:CD:… Raises ValueError."""
    end = pem.find(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[:end])).digest().hex(":").upper()
