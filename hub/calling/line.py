"""One connection, and one call over it at a time."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import h11

from hub.calling.form import FORMS, Answer, TooLong, unpacked

HEAD = 64 * 1024
"""Bytes of a reply before its body, at most."""
_RECORD = 16 * 1024


class Line(asyncio.Protocol):
    """One connection, and what h11 knows of it. One call at a time."""

    def __init__(self) -> None:
        self.idle_since = 0.0
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
        if self._news is None:
            self.close()  # nobody asked for it: whatever it is, it is not the answer to what is asked next
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
        if not done or self._over or self.http.trailing_data[0]:
            return False
        self.http.start_next_cycle()
        self._news, self.idle_since = None, time.monotonic()
        return True

    def usable(self, keep_s: float) -> bool:
        return not self._over and time.monotonic() - self.idle_since < keep_s

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
    request = h11.Request(method=method, target=target, headers=[(n.encode(), v.encode()) for n, v in given])
    head = http.send(request) or b""
    data = (http.send(h11.Data(data=body)) or b"") if body else b""
    line.write(head, data + (http.send(h11.EndOfMessage()) or b""))
    answer = await response(line)
    headers: dict[str, str] = {}
    for name, value in answer.headers.raw_items():
        headers.setdefault(name.decode("ascii"), value.decode("utf-8", "surrogateescape"))
    form = next((value.decode().lower() for name, value in answer.headers if name == b"content-encoding"), "")
    most = limit if cut is None or answer.status_code == 200 else min(cut, limit)
    got = bytearray()
    while not isinstance(event := await line.event(), h11.EndOfMessage):
        got += event.data
        if len(got) > most:
            if most == limit:
                raise TooLong(f"more than {limit} bytes")
            return Answer(answer.status_code, headers, bytes(got[:most]))
    return Answer(answer.status_code, headers, unpacked(bytes(got), form, most) if form in FORMS else bytes(got))


async def response(line: Line) -> h11.Response:
    while isinstance(event := await line.event(), h11.InformationalResponse):
        pass
    if not isinstance(event, h11.Response):
        raise h11.RemoteProtocolError("the connection ended without an answer")
    return event
