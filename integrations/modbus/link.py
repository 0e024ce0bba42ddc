"""One connection to one Modbus TCP host: one request at a time, at a polite pace. Reads only.

MODBUS Messaging on TCP/IP Implementation Guide V1.0b.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU

import hub
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.plan import Request
from integrations.modbus.settings import BITS, Config

_FUNCTION_CODES = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


class Link:
    """`async with Link(config) as link` connects; leaving closes. Raises NotReady whenever the host is away."""

    def __init__(
        self,
        config: Config,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.peer = f"{config.host}:{config.port}"
        self._config = config
        self._sleep = sleep
        self._monotonic = monotonic
        self._free_at = 0.0
        self._line = asyncio.Lock()  # first come, first served: a dead unit holds it for one time-out, not for all
        self._exchange: asyncio.Timeout | None = None

    async def __aenter__(self) -> Self:
        # pymodbus logs whole frames when it logs at all, and what it says is raised here in our words
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
        self._client = AsyncModbusTcpClient(
            self._config.host,
            port=self._config.port,
            timeout=self._config.timeout.total_seconds(),
            retries=0,  # retried here, under the pace and with a fresh transaction number
            reconnect_delay=0,  # the supervisor reconnects
            trace_connect=self._connection_changed,
        )
        self._client.ctx.framer.decoder = _Decoder(False)
        self._client.set_max_no_responses(1 << 30)  # who is away is judged by the poller
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    async def read(self, unit: int, request: Request, *, attempts: int = 1) -> list[int]:
        """The words of one request: registers as 0..65535, bits as 0 or 1, exactly `request.count` of them.

        Raises Silent (no answer after `attempts`), Refused (an exception response), DecodeError (an answer that
        is none) or NotReady (the connection is lost).
        """
        for left in reversed(range(attempts)):
            try:
                async with self._line:
                    await self._pace()
                    return _words(request, await self._ask(unit, request))
            except Silent:
                if not left:
                    raise
        raise ValueError("attempts must be 1 or more")

    async def _connect(self) -> None:
        if not await self._client.connect():
            self._client.close()
            raise hub.NotReady(f"{self.peer} accepts no connection: check its power, the network, host and port")

    async def _pace(self) -> None:
        wait = self._free_at - self._monotonic()
        if wait > 0:
            await self._sleep(wait)
        self._free_at = self._monotonic() + 1 / self._config.max_rate

    async def _ask(self, unit: int, request: Request) -> ModbusPDU:
        client = self._client
        ask = {
            "coil": client.read_coils,
            "discrete": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input": client.read_input_registers,
        }[request.table]
        lost = f"{self.peer} closed the connection"
        if not client.connected:  # many servers close a connection that is idle between two polls
            await self._connect()
        try:
            # pymodbus would wait for its time-out on a connection that is already gone
            async with asyncio.timeout(None) as self._exchange:
                return await ask(request.address, count=request.count, device_id=unit)
        except (TimeoutError, ConnectionException) as error:
            raise hub.NotReady(lost) from error
        except ModbusException as error:
            raise Silent(f"unit {unit} at {self.peer} does not answer") from error
        finally:
            self._exchange = None

    def _connection_changed(self, connected: bool) -> None:
        if not connected and self._exchange is not None:
            self._exchange.reschedule(0)


class _Unreadable(ModbusPDU):
    """Stands for an answer that no PDU class could read."""


class _Decoder(DecodePDU):
    """pymodbus raises into the event loop on an unreadable answer, which logs a traceback and breaks the
    connection for all units; here it is an answer like another, and `_words` refuses it."""

    def decode(self, frame: bytes) -> ModbusPDU:
        return super().decode(frame) or _Unreadable()


def _words(request: Request, response: ModbusPDU) -> list[int]:
    if isinstance(response, ExceptionResponse):
        raise Refused(response.exception_code, request)
    if response.isError() or response.function_code != _FUNCTION_CODES[request.table]:
        raise hub.DecodeError("bad-answer", f"{request}: not an answer to what was asked")
    words = [int(word) for word in (response.bits if request.table in BITS else response.registers)]
    spare = 7 if request.table in BITS else 0  # bits come in whole bytes
    if not request.count <= len(words) <= request.count + spare:
        raise hub.DecodeError("truncated", f"{request}: {request.count} asked, {len(words)} came")
    return words[: request.count]
