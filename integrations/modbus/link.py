"""Connection to one Modbus TCP host. MODBUS Messaging on TCP/IP Implementation Guide V1.0b.

Frames and PDUs are pymodbus's, the connection is asyncio's: pymodbus's own client imports three other transports and a
synchronous client: 0.6 MiB of a running hub, 75.8 instead of 76.4.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, cast

from pymodbus.framer import FramerSocket
from pymodbus.pdu import ModbusPDU

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.asking import Asker, Decoder
from integrations.modbus.faults import Silent
from integrations.modbus.settings import Config

LONGEST = 260
"""Maximum bytes of a frame: a header of 7 and a PDU of 253 (§4.1)."""
LAST = 0xFFFF


class Link(Asker):
    """The connection: `async with Link(config) as link` connects; leaving closes. Raises NotReady whenever the host
    cannot be reached."""

    def __init__(
        self,
        config: Config,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(config.max_rate, config.timeout.total_seconds(), sleep=sleep, monotonic=monotonic)
        self.peer = f"{config.host}:{config.port}"
        self._config = config
        self._framer = FramerSocket(Decoder(False))
        self._line: _Line | None = None
        self._number = 0
        self._left = False

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        if self._line is not None:
            self._line.close()

    @property
    def connected(self) -> bool:
        return self._line is not None and self._line.open

    async def _connected(self) -> _Line:
        if self._line is not None and self._line.open:
            return self._line
        if self._left:  # a search had borrowed it
            raise hub.NotReady(phrase("modbus.line-was-stopped", "the line to {peer} was stopped", peer=self.peer))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                _, self._line = await loop.create_connection(
                    lambda: _Line(self._framer), self._config.host, self._config.port
                )
        except (OSError, UnicodeError) as error:
            raise hub.NotReady(
                phrase(
                    "modbus.accepts-no-connection",
                    "{peer} accepts no connection: check its power, the network, host and port",
                    peer=self.peer,
                )
            ) from error
        return self._line

    async def _settled(self, pdu: ModbusPDU) -> None:
        """Return at once: requests have transaction numbers here."""

    async def _ask(self, pdu: ModbusPDU, timeout_s: float) -> ModbusPDU:
        line = await self._connected()  # many servers close an idle connection between two polls
        self._number = self._number % LAST + 1  # never 0: some servers always answer with 0
        pdu.transaction_id = self._number
        try:
            async with asyncio.timeout(timeout_s):
                return await line.asked(pdu)
        except TimeoutError as error:
            if not line.numbers:  # a late answer would be taken for that to the next request
                line.close()
            raise Silent(
                phrase("modbus.unit-silent", "unit {unit} at {peer} does not answer", unit=pdu.dev_id, peer=self.peer)
            ) from error
        except ConnectionError as error:
            raise hub.NotReady(
                phrase("modbus.closed-connection", "{peer} closed the connection", peer=self.peer)
            ) from error


class _Line(asyncio.Protocol):
    """Protocol for one request at a time. An answer has the unit and the transaction number of the request, or no
    number: then `numbers` is false."""

    def __init__(self, framer: FramerSocket) -> None:
        self._framer = framer
        self._transport: asyncio.Transport | None = None
        self._question: ModbusPDU | None = None
        self._answer: asyncio.Future[ModbusPDU] | None = None
        self._came = b""
        self.numbers = True

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def asked(self, pdu: ModbusPDU) -> ModbusPDU:
        """Send a request and return the answer, without a time-out. Raises ConnectionError when the connection is
        lost."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError
        self._came, self._question = b"", pdu  # discard the rest of an earlier answer
        self._answer = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(self._framer.buildFrame(pdu))
            return await self._answer
        finally:
            self._question = self._answer = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._question is None or self._answer is None or self._answer.done():
            return
        came = self._came + data
        used, answer = self._framer.handleFrame(came, self._question.dev_id, self._question.transaction_id)
        self._came = came[used:]
        if answer is not None:
            self.numbers = answer.transaction_id != 0
            self._answer.set_result(answer)
        elif len(self._came) > LONGEST:  # it can no longer become a frame
            self._came = b""

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError())
