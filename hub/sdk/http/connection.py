"""One connection, and one call over it at a time."""

from __future__ import annotations

import asyncio
import errno
import select
import ssl
import time
from typing import Any

import h11

from hub.core.text import phrase
from hub.sdk.http.messages import FORMS, Answer, TooLong, Unanswered, unpacked

HEAD = 64 * 1024
"""Bytes of a reply before its body, at most."""
INTERIM = 16
"""Answers of 1xx before the one that counts, at most."""
PORTION = 128
"""Pieces of an answer that are read in one turn of the loop: a server may cut a megabyte into a million chunks."""
_RECORD = 16 * 1024
_UNASKED = phrase("connection-speaks-unasked", "it speaks before it is asked")


class Line(asyncio.Protocol):
    """One connection, and what h11 knows of it. One call at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.last = False
        """Nothing is to be asked on it any more."""
        self._pieces = 0
        self._transport: Any = None
        self._news: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._over = False
        self.begin()

    def begin(self) -> None:
        """Nothing was said yet."""
        self.http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._news is None:  # nobody asked for it: whatever it is, it is not the answer to what is asked next
            self._lost = ConnectionAbortedError(errno.ECONNABORTED, _UNASKED)
            self.close()
            return
        self.http.receive_data(data)
        self._wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error)

    def write(self, head: bytes, body: bytes) -> None:
        """In the transport's hands: what comes back is heard meanwhile."""
        self._news = self._news or asyncio.get_running_loop().create_future()
        if len(body) <= _RECORD:
            self._transport.write(head + body)  # one record of TLS, where it has room
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def event(self) -> Any:
        """What h11 makes of what is heard. Raises OSError, h11.RemoteProtocolError."""
        self._pieces += 1
        if self._pieces % PORTION == 0:
            self._transport.pause_reading()  # what comes meanwhile waits at the server, not here
            await asyncio.sleep(0)
            self._transport.resume_reading()
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self._lost is not None:
                raise self._lost
            assert self._news is not None  # noqa: S101 - something was written
            await self._news
            self._news = asyncio.get_running_loop().create_future()
        return event

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=host.encode())  # type: ignore[arg-type]
        self.begin()

    def rest(self) -> bool:
        """Was the last answer whole? It may be asked again then, as long as it is `usable`."""
        done = self.http.our_state is h11.DONE and self.http.their_state is h11.DONE
        if not done or self._over or self.last or self.http.trailing_data[0]:
            return False
        self.http.start_next_cycle()
        self._news, self.idle_since = None, time.monotonic()
        return True

    def usable(self, keep_s: float) -> bool:
        """Nothing may have come meanwhile either, though the loop has not looked yet: it would be taken for the
        answer to what is asked next."""
        return not self._over and time.monotonic() - self.idle_since < keep_s and not self._waits()

    def _waits(self) -> bool:
        """Is there anything to read?"""
        looking = select.poll()
        looking.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(looking.poll(0))

    def close(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.abort()  # no farewell: whoever is called may be gone

    def _end(self, error: Exception | None) -> None:
        if self._over:
            return
        self._over = True
        if error is not None:
            self._lost = error
        else:
            self.http.receive_data(b"")
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


async def exchanged(
    line: Line, method: str, target: str, given: list[tuple[str, str]], body: bytes | None, limit: int, cut: int | None
) -> Answer:
    """See `HttpClient.call`. Raises OSError, h11.ProtocolError, TooLong; the line is to be closed then."""
    http = line.http
    head = http.send(_request(method, target, given)) or b""
    data = (http.send(h11.Data(data=body)) or b"") if body else b""
    line.write(head, data + (http.send(h11.EndOfMessage()) or b""))
    answer = await response(line)
    headers: dict[str, str] = {}
    for name, value in answer.headers.raw_items():
        headers.setdefault(name.decode("ascii"), value.decode("utf-8", "surrogateescape"))
    named = dict(answer.headers)
    # where both say how long it is, somebody on the way may have read the other one: RFC 9112, 6.3
    line.last = b"content-length" in named and b"transfer-encoding" in named
    form = named.get(b"content-encoding", b"").decode("latin-1").lower()
    most = limit if cut is None or answer.status_code == 200 else min(cut, limit)
    got = bytearray()
    while not isinstance(event := await line.event(), h11.EndOfMessage):
        got += event.data
        if len(got) > most:
            if most == limit:
                raise TooLong(phrase("answer-too-long", "more than {most} bytes", most=limit))
            return Answer(answer.status_code, headers, bytes(got[:most]))
    body = unpacked(bytes(got), form, limit)[:most] if got and form in FORMS else bytes(got)
    return Answer(answer.status_code, headers, body)


def _request(method: str, target: str, given: list[tuple[str, str]]) -> h11.Request:
    """Raises Unanswered, which does not say the value: it may be a credential."""
    try:
        headers = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in given]
        return h11.Request(method=method, target=target, headers=headers)
    except (h11.LocalProtocolError, UnicodeError):
        odd = [name for name, value in given if value != value.strip() or not value.isprintable()]
        raise Unanswered(
            phrase(
                "header-holds-forbidden",
                "it cannot be asked: the header {header!r} holds what no header may, such as a line's end",
                header=odd[0],
            )
            if odd
            else phrase(
                "headers-hold-forbidden",
                "it cannot be asked: its headers hold what no header may, such as a line's end",
            )
        ) from None


async def response(line: Line) -> h11.Response:
    for _ in range(INTERIM + 1):
        if not isinstance(event := await line.event(), h11.InformationalResponse):
            break
    if isinstance(event, h11.InformationalResponse):
        raise h11.RemoteProtocolError(
            phrase("too-many-interim-answers", "more than {most} answers before the one that counts", most=INTERIM)
        )
    if not isinstance(event, h11.Response):
        raise h11.RemoteProtocolError(phrase("connection-ended-unanswered", "the connection ended without an answer"))
    return event
