"""Calls over HTTP/1.1 (RFC 9112): what a hub needs of a client, and no more. h11 keeps the protocol's rules, asyncio
the TLS, aiohappyeyeballs the race between IPv4 and IPv6 (RFC 8305).

aiohttp's client does the same for 11 MiB more, as long as nobody looks at the pages. Connections are kept and used
again; a proxy is asked with CONNECT (RFC 9110, 9.3.6). No redirect is followed, no cookie kept, no variable of the
environment counts.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aiohappyeyeballs
import h11

from hub.core.text import phrase
from hub.sdk.http.connection import Line, exchanged, response
from hub.sdk.http.messages import (
    Answer,
    CertificateRefused,
    OwnAddress,
    Place,
    ProxyRefused,
    TooLong,
    Unanswered,
    asked,
    basic,
    bracketed,
    elsewhere,
    refusal,
    said,
)

_STAGGER_S = 0.25

Socket = Callable[[tuple[Any, ...]], Any]
"""One entry of `getaddrinfo` → a socket that is not connected and does not block."""


class HttpClient:
    """Keeps at most `keep` idle connections, each for `keep_s` seconds. `sockets` makes them, where somebody
    counts what goes through them. `await close()` it in the end."""

    Answer: TypeAlias = Answer
    Unanswered: TypeAlias = Unanswered
    CertificateRefused: TypeAlias = CertificateRefused
    OwnAddress: TypeAlias = OwnAddress
    ProxyRefused: TypeAlias = ProxyRefused
    TooLong: TypeAlias = TooLong

    def __init__(
        self, *, keep: int = 8, keep_s: float = 15.0, connect_s: float = 10.0, sockets: Socket | None = None
    ) -> None:
        self._keep, self._keep_s, self._connect_s, self._socket = keep, keep_s, connect_s, sockets
        self._idle: dict[Place, list[Line]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        context: ssl.SSLContext | None,
        limit: int,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        proxy: str | None = None,
        cut: int | None = None,
    ) -> Answer:
        """Ask once. `context` is that of TLS, for https, and `proxy` the URL of an HTTP proxy on the way there. A body
        of more than `limit` bytes is TooLong; where the status is not 200 and `cut` is given, what is beyond so many
        bytes is left unread instead.

        Raises Unanswered, and TimeoutError after `timeout_s`. What was asked may have been heard all the same."""
        place, target, given = asked(method, url, context, proxy, headers, body)
        async with asyncio.timeout(timeout_s):
            line = self._kept(place) or await self._connected(place)
            try:
                answer = await exchanged(line, method, target, given, body, limit, cut)
            except (h11.ProtocolError, OSError) as error:
                line.close()
                raise Unanswered(said(error)) from error
            except BaseException:
                line.close()
                raise
        if line.rest():
            self._hold(place, line)
        else:
            line.close()
        return answer

    def idle(self, scheme: str, host: str, port: int, proxy: str | None) -> ssl.SSLContext | None:
        """The context of a connection to there that is kept and idle: a call with it goes over that one."""
        for place, lines in self._idle.items():
            there = (place.scheme, place.host, place.port, place.proxy) == (scheme, host, port, proxy)
            if there and lines and lines[-1].usable(self._keep_s):
                return place.context
        return None

    async def close(self) -> None:
        """Close what is idle; calls that are under way end by themselves. It may be used again."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for lines in self._idle.values():
            for line in lines:
                line.close()
        self._idle.clear()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _kept(self, place: Place) -> Line | None:
        lines = self._idle.get(place, [])
        while lines:
            line = lines.pop()
            if line.usable(self._keep_s):
                return line
            line.close()
        return None

    def _hold(self, place: Place, line: Line) -> None:
        self._idle.setdefault(place, []).append(line)
        if sum(map(len, self._idle.values())) > self._keep:
            self._drop(min((one for lines in self._idle.values() for one in lines), key=lambda one: one.idle_since))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._keep_s, self._swept)

    def _swept(self) -> None:
        """Close what was idle for too long, and come back for the next."""
        self._sweep = None
        for line in [line for lines in self._idle.values() for line in lines]:
            if not line.usable(self._keep_s):
                self._drop(line)
        if left := [line.idle_since for lines in self._idle.values() for line in lines]:
            wait = max(0.1, min(left) + self._keep_s - time.monotonic())
            self._sweep = asyncio.get_running_loop().call_later(wait, self._swept)

    def _drop(self, line: Line) -> None:
        for place, lines in list(self._idle.items()):
            if line in lines:
                lines.remove(line)
            if not lines:
                del self._idle[place]
        line.close()

    async def _connected(self, place: Place) -> Line:
        if place.proxy is not None and place.context is not None:
            return await self._through_proxy(place, place.proxy, place.context)
        tls: dict[str, Any] = {"ssl": place.context, "server_hostname": place.host.encode()} if place.context else {}
        try:
            # a certificate says who answers; in clear only the address does
            return await self._opened(place.host, place.port, abroad=place.context is None, **tls)
        except (OSError, ValueError) as error:  # ValueError: no name for TLS, such as .example.org
            raise refusal(error) from error

    async def _opened(self, host: str, port: int, *, abroad: bool = False, **tls: Any) -> Line:
        """Raises OSError; OwnAddress where only another machine will do (`abroad`). Names are ASCII by now: as bytes
        they do without the codec for others, and its tables."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                addresses = await loop.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
                if abroad:
                    addresses = elsewhere(host, socket.gethostname().partition(".")[0], addresses)
                made = await aiohappyeyeballs.start_connection(
                    addresses, happy_eyeballs_delay=_STAGGER_S, interleave=1, loop=loop, socket_factory=self._socket
                )
        except TimeoutError as error:
            raise TimeoutError(
                errno.ETIMEDOUT,
                phrase("no-connection-in-time", "no connection within {seconds:g} s", seconds=self._connect_s),
            ) from error
        try:
            _, line = await loop.create_connection(Line, sock=made, **tls)
        except ValueError as error:
            if not isinstance(error, OSError):  # no name for TLS: there was nobody yet whose socket it was
                made.close()
            raise
        return line

    async def _through_proxy(self, place: Place, proxy: str, context: ssl.SSLContext) -> Line:
        parts = urlsplit(proxy)
        try:
            line = await self._opened(parts.hostname or "", parts.port or 80)
        except (OSError, ValueError) as error:
            raise ProxyRefused(said(error)) from None
        try:
            there = f"{bracketed(place.host)}:{place.port}"
            given = [("Host", there)]
            if parts.username is not None:
                given.append(("Proxy-Authorization", basic(parts.username, parts.password)))
            line.write(line.http.send(h11.Request(method="CONNECT", target=there, headers=given)) or b"", b"")
            status = (await response(line)).status_code
            if not 200 <= status < 300:
                raise ProxyRefused(phrase("proxy-answers-status", "the proxy answers {status}", status=status), status)
            if line.http.trailing_data[0]:
                raise ProxyRefused(
                    phrase("proxy-says-too-much", "the proxy says more than that it has connected"), status
                )
            await line.start_tls(context, place.host)
        except h11.ProtocolError as error:
            line.close()
            raise ProxyRefused(said(error)) from None
        except (OSError, ValueError) as error:
            line.close()
            raise refusal(error) from error
        except BaseException:
            line.close()
            raise
        return line


__all__ = ["Answer", "CertificateRefused", "HttpClient", "OwnAddress", "ProxyRefused", "TooLong", "Unanswered"]
