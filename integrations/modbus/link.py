"""One connection to one Modbus TCP host. MODBUS Messaging on TCP/IP Implementation Guide V1.0b."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ModbusPDU

import hub
from integrations.modbus.asking import Asker, Decoder
from integrations.modbus.faults import Silent
from integrations.modbus.settings import Config


class Link(Asker):
    """`async with Link(config) as link` connects; leaving closes. Raises NotReady whenever the host is away."""

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
        self._exchange: asyncio.Timeout | None = None

    async def __aenter__(self) -> Self:
        self._client = AsyncModbusTcpClient(
            self._config.host,
            port=self._config.port,
            timeout=self._config.timeout.total_seconds(),
            retries=0,  # retried by whoever asks, under the pace and with a fresh transaction number
            reconnect_delay=0,  # the supervisor reconnects
            trace_connect=self._connection_changed,
        )
        self._client.ctx.framer.decoder = Decoder(False)
        self._client.set_max_no_responses(1 << 30)  # who is away is judged by the poller
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    async def _connect(self) -> None:
        self._client.ctx.comm_params.timeout_connect = self._timeout_s
        if not await self._client.connect():
            self._client.close()
            raise hub.NotReady(f"{self.peer} accepts no connection: check its power, the network, host and port")

    async def _ask(self, pdu: ModbusPDU, timeout_s: float) -> ModbusPDU:
        lost = f"{self.peer} closed the connection"
        if not self._client.connected:  # many servers close a connection that is idle between two polls
            await self._connect()
        self._client.ctx.comm_params.timeout_connect = timeout_s  # which is also how long it waits for an answer
        try:
            # pymodbus would wait for its time-out on a connection that is already gone
            async with asyncio.timeout(None) as self._exchange:
                answer: ModbusPDU = await self._client.execute(False, pdu)
                return answer
        except (TimeoutError, ConnectionException) as error:
            raise hub.NotReady(lost) from error
        except ModbusException as error:
            raise Silent(f"unit {pdu.dev_id} at {self.peer} does not answer") from error
        finally:
            self._exchange = None

    def _connection_changed(self, connected: bool) -> None:
        if not connected and self._exchange is not None:
            self._exchange.reschedule(0)
