"""Requests certificates from the backend with the identity key alone: a fresh nonce, then a signed request.

Sent without client certificate, so that a lapsed one does not lock the hub out.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from hub.core.errors import AuthFailed, NotReady
from hub.core.nesting import shallow_json
from hub.core.text import phrase
from hub.sdk.session import Reply

TIMEOUT = timedelta(seconds=30)
NONCE = "/v1/renewal"

T = TypeVar("T")


class Http(Protocol):
    """The part of `hub.store_and_forward.egress_http.EgressHttp` that is needed here."""

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta, anonymous: bool
    ) -> Reply: ...


class _Nonce(msgspec.Struct):
    nonce: bytes


class _Given(msgspec.Struct):
    certificate: str


class CertificateRequester:
    """A requester at `url`. `refusal` starts the error, with status and the backend's text, where it answers one of
    `refused`."""

    def __init__(self, http: Http, url: str, refusal: str, refused: Collection[int]) -> None:
        self._http, self._url, self._refusal, self._refused = http, url, refusal, refused

    async def nonce(self) -> bytes:
        """Fetch a nonce. Raises as `certificate` does."""
        return (await self._ask("GET", NONCE, None, _Nonce)).nonce

    async def certificate(self, path: str, body: dict[str, Any]) -> str:
        """POST a request and return the certificate as PEM, unverified. Raises AuthFailed when refused, NotReady
        otherwise."""
        return (await self._ask("POST", path, msgspec.json.encode(body), _Given)).certificate

    async def _ask(self, method: str, path: str, body: bytes | None, shape: type[T]) -> T:
        url = f"{self._url}{path}"
        reply = await self._http.request(method, url, body=body, timeout=TIMEOUT, anonymous=True)
        said = reply.body[:300].decode(errors="replace").strip()
        if reply.status in self._refused:
            raise AuthFailed(
                phrase(
                    "refusal-with-status",
                    "{refusal} ({status}): {reason}",
                    refusal=self._refusal,
                    status=reply.status,
                    reason=said,
                )
            )
        if reply.status != 200:
            raise NotReady(
                phrase(
                    "backend-answers-status", "{url} answers {status}: {said}", url=url, status=reply.status, said=said
                )
            )
        try:
            return msgspec.json.decode(shallow_json(reply.body), type=shape)
        except (msgspec.DecodeError, ValueError) as error:
            raise NotReady(
                phrase(
                    "answer-not-a-certificate",
                    "{url} answers something other than a certificate: is this the backend?",
                    url=url,
                )
            ) from error
