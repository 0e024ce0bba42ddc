"""HTTP of plugins over the egress: `hub.sdk.session.Http`, with redirects that lead to declared hosts only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from hub.core import tls
from hub.core.errors import DecodeError, HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.sdk.http import CertificateRefused, HttpClient, OwnAddress, ProxyRefused, TooLong, Unanswered
from hub.sdk.session import Reply
from hub.store_and_forward.egress import Egress, server_of

_REDIRECTS = 5
_LEADING = (301, 302, 303, 307, 308)

MAX_REPLY = 1 << 20
"""Largest body in bytes of a reply to a plugin."""


class EgressHttp:
    """HTTP client of a plugin (`Session.http`): small replies, and only hosts declared for `whose`, redirects included.
    Cookies are not kept, and no proxy or netrc of the environment counts."""

    def __init__(self, egress: Egress, whose: str = "", client: HttpClient | None = None) -> None:
        self._egress, self._whose = egress, whose
        self._client = client or HttpClient()

    def of(self, whose: str) -> EgressHttp:
        """Return the client for a plugin of this name. It has no connections of its own to close."""
        return EgressHttp(self._egress, whose, self._client)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
        anonymous: bool = False,
    ) -> Reply:
        """Send one request; GET and HEAD follow up to five redirects, to where `Egress.lead` lets them. After a
        redirect to another origin neither the client certificate nor private headers are sent. A 303 is followed
        without the body (RFC 9110 §15.4.4). Any other method, and a body that would have to be sent again, gets the
        redirect itself: the first server may have acted already. `anonymous`: see `connection`.

        Raises NotDeclared, LedElsewhere, NotReady (no answer, certificate refused) and DecodeError (more than 1 MiB).
        """
        said = dict(_SAID if body is None else _SAID | _BYTES)
        named = {name.lower() for name in headers or ()}
        given = {name: value for name, value in said.items() if name.lower() not in named} | dict(headers or {})
        for _ in range(_REDIRECTS + 1):
            context, proxy = self._egress.connection(url, anonymous=anonymous, whose=self._whose)
            client, there = self._client, server_of(url)
            if not anonymous and (lent := self._egress.borrowed(url)) is not None:
                client, context = lent
            try:
                answer = await client.call(
                    method,
                    url,
                    context=context,
                    proxy=proxy,
                    headers=given,
                    body=body,
                    limit=MAX_REPLY,
                    timeout_s=timeout.total_seconds(),
                )
            except TooLong as error:
                raise DecodeError(
                    "too-large",
                    phrase(
                        "answer-not-http",
                        "{server} gives no valid HTTP answer: {reason}",
                        server=there,
                        reason=reason_of(error),
                    ),
                ) from error
            except ProxyRefused as error:
                says = error.status or phrase("no-answer", "no answer")
                raise NotReady(
                    phrase(
                        "server-not-reached-through-proxy",
                        "{server} is not reached through the proxy ({answer}): see link.proxy",
                        server=there,
                        answer=says,
                    )
                ) from error
            except CertificateRefused as error:
                why = tls.refusal(error)
                raise NotReady(
                    phrase(
                        "certificate-refused",
                        "{server} shows a certificate that is refused: {reason}",
                        server=there,
                        reason=why.told() if why else reason_of(error),
                    )
                ) from error
            except TimeoutError as error:
                raise NotReady(
                    phrase(
                        "does-not-answer-within",
                        "{server} does not answer within {seconds:g} s",
                        server=there,
                        seconds=timeout.total_seconds(),
                    )
                ) from error
            except OwnAddress as error:
                raise self._egress.named_wrongly(url, error, self._whose) from error
            except Unanswered as error:
                raise NotReady(
                    phrase(
                        "does-not-answer", "{server} does not answer: {reason}", server=there, reason=reason_of(error)
                    )
                ) from error
            target = next((value for name, value in answer.headers.items() if name.lower() == "location"), "")
            if not target or answer.status not in _LEADING:
                return Reply(*answer)
            if method not in ("GET", "HEAD") or (body is not None and answer.status != 303):
                with suppress(HubError):  # counted and told, where it may not lead
                    self._egress.lead(url, target, whose=self._whose)
                return Reply(*answer)
            url, elsewhere = self._egress.lead(url, target, whose=self._whose)
            if body is not None:
                body, given = None, {name: one for name, one in given.items() if name.lower()[:8] != "content-"}
            if elsewhere:
                anonymous, given = True, {name: one for name, one in given.items() if name.lower() in _FOR_ANYBODY}
        raise NotReady(
            phrase("too-many-redirects", "{server} redirects more than {times} times", server=there, times=_REDIRECTS)
        )

    async def close(self) -> None:
        await self._client.close()


_SAID = {"Accept": "*/*", "User-Agent": "ilot"}
_BYTES = {"Content-Type": "application/octet-stream"}
_FOR_ANYBODY = ("accept", "accept-language", "user-agent")
"""Headers that follow a redirect to another host: an API key has whatever name its service gave it."""
