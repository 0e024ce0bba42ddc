"""The worker's side of the connection to the server: bytes from the hub, cut into whole chunks.

OPC 10000-6, 7.1.2: a chunk is `type[3] | C F or A | size u32 little-endian, all of it | body`. An invalid chunk, one
larger than agreed, or a message of too many chunks ends the connection before asyncua sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.client.ua_client import UaClient, UaClientState, UASocketProtocol
from asyncua.ua.ua_binary import uatcp_to_binary

from integrations.opcua import messages as m

BUFFER = 65535
"""Maximum bytes of one chunk, in either direction."""

LEAST_BUFFER = 8192
"""Bytes of a chunk that either side must accept (OPC 10000-6, 7.1.2.3)."""

MESSAGE = 2 << 20
"""Maximum bytes of one message."""

_TYPES = (b"ACK", b"ERR", b"OPN", b"MSG", b"CLO")


class Nonsense(Exception):
    """The data received are no OPC UA connection."""


class Cutter:
    """Cuts bytes into whole chunks."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._message = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes and yield whole chunks. Raises Nonsense."""
        self._rest += data
        chunks = []
        while len(self._rest) >= 8:
            kind, final = bytes(self._rest[:3]), bytes(self._rest[3:4])
            size = int.from_bytes(self._rest[4:8], "little")
            if kind not in _TYPES or final not in (b"F", b"C", b"A"):
                raise Nonsense(m.NOT_OPC_UA)
            if not 8 <= size <= BUFFER:
                raise Nonsense(f"{m.CHUNK_SIZE} {size}")
            if len(self._rest) < size:
                break
            self._message += size
            if self._message > MESSAGE:
                raise Nonsense(f"{m.MESSAGE_SIZE} {MESSAGE}")
            if final != b"C":
                self._message = 0
            chunks.append(bytes(self._rest[:size]))
            del self._rest[:size]
        return chunks


class Relay(asyncio.Transport):
    """A connection. `send` passes bytes to the server, `over` is called with the reason when the worker ends it."""

    def __init__(self, send: Callable[[bytes], None], over: Callable[[str], None]) -> None:
        super().__init__()
        self._send, self._over = send, over
        self._protocol: Protocol | None = None
        self._cutter = Cutter()
        self._closing = False

    def attach(self, protocol: Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def feed(self, data: bytes) -> None:
        """Process bytes from the server."""
        if self._closing or self._protocol is None:
            return
        try:
            for chunk in self._cutter.feed(data):
                self._protocol.data_received(chunk)
        except Nonsense as error:
            self._end(str(error))

    def lost(self) -> None:
        """Handle the end of the connection by the server or the network."""
        if not self._closing:
            self._closing = True
            self._tell()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._send(bytes(data))

    def close(self) -> None:
        self._end(self._protocol.unread if self._protocol else "")

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def _end(self, why: str) -> None:
        if not self._closing:
            self._closing = True
            self._over(why)
            self._tell()

    def _tell(self) -> None:
        if self._protocol is not None:
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class Protocol(UASocketProtocol):
    """asyncua's protocol, with limits that a server cannot lift, and a hook for messages that it could not read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.unread = ""
        self.logger: Any = _ParseErrorHook(self)

    async def send_hello(self, url: str, max_messagesize: int = 0, max_chunkcount: int = 0) -> ua.Acknowledge:
        hello = ua.Hello(
            ReceiveBufferSize=BUFFER, SendBufferSize=BUFFER, MaxMessageSize=MESSAGE, MaxChunkCount=0, EndpointUrl=url
        )
        answer: asyncio.Future[ua.Acknowledge] = asyncio.get_running_loop().create_future()
        self._callbackmap[0] = answer
        if self.transport is not None:
            self.transport.write(uatcp_to_binary(ua.MessageType.Hello, hello))
        async with asyncio.timeout(self.timeout):
            agreed = await answer
        # asyncua takes over the server's limits, with the directions swapped
        limits = self._connection._limits
        limits.max_recv_buffer, limits.max_message_size, limits.max_chunk_count = BUFFER, MESSAGE, 0
        limits.max_send_buffer = max(LEAST_BUFFER, min(BUFFER, agreed.ReceiveBufferSize))
        return agreed


class _ParseErrorHook:
    """A substitute for asyncua's logger, its only notice that it could not read a message and will end the
    connection."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def exception(self, text: str, *_: object) -> None:
        if "parsing" in text:
            self._protocol.unread = m.UNREAD

    def _nothing(self, *_: object) -> None:
        pass

    debug = info = warning = error = fatal = _nothing


class Transport(UaClient):
    """asyncua's client over a relay instead of a socket."""

    def __init__(self, timeout: float, dial: Callable[[], Relay]) -> None:
        super().__init__(timeout)
        self._dial = dial

    async def connect_socket(self, host: str, port: int) -> None:
        self._set_state(UaClientState.CONNECTING)
        self._dial().attach(self._make_protocol())
        self._set_state(UaClientState.SOCKET_OPEN)

    def _make_protocol(self) -> Protocol:
        protocol = Protocol(self._timeout, security_policy=self.security_policy)
        protocol.pre_request_hook = self._pre_request_hook
        protocol.on_connection_lost = self._on_transport_lost
        protocol.is_session_closing = self._is_session_closing
        self.protocol = protocol
        return protocol
