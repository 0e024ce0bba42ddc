"""The serial line of a gateway. All the I/O of this integration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import serialx

import hub
from integrations.enocean.esp3 import COMMON_COMMAND, RESPONSE, Splitter, pack

BAUDRATE = 57600  # ESP3 1.51, 1.3: 8 data bits, no parity, one stop bit
CO_RD_VERSION = 0x03
ANSWER_S = 3.0


class Line:
    def __init__(self, name: str, reader: asyncio.StreamReader, writer: Any) -> None:
        self.name = name
        self._reader, self._writer = reader, writer

    @staticmethod
    def now() -> float:
        return time.monotonic()

    async def receive(self) -> bytes:
        """Whatever comes next. Raises NotReady when the gateway is gone."""
        try:
            data = await self._reader.read(4096)
        except (OSError, serialx.SerialException) as error:
            raise hub.NotReady(f"{self.name} is gone: {error}") from error
        if not data:
            raise hub.NotReady(f"{self.name} is gone: was it unplugged?")
        return data

    async def version(self) -> str:
        """The gateway's own words about itself (CO_RD_VERSION). Raises NotReady when it gives none."""
        self._writer.write(pack(COMMON_COMMAND, bytes([CO_RD_VERSION])))
        splitter = Splitter()
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                while True:
                    for packet in splitter.feed(await self.receive()):
                        if packet.type == RESPONSE and packet.data[:1] == b"\0" and len(packet.data) >= 33:
                            application = ".".join(str(byte) for byte in packet.data[1:5])
                            name = packet.data[17:33].split(b"\0")[0].decode("ascii", "replace")
                            chip = packet.data[9:13].hex().upper()
                            return f"{name or 'a gateway'} {application}, chip {chip}, answers on {self.name}"
        raise hub.NotReady(f"{self.name} does not answer: is it an EnOcean gateway (ESP3)?")


@asynccontextmanager
async def opened(port: str) -> AsyncIterator[Line]:
    """`port` is a device file, or tcp://host:port. Raises NotReady, or AuthFailed where rights are missing."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await _open(port)
    except PermissionError as error:
        raise hub.AuthFailed(f"this user may not open {port}: add it to the group dialout, restart the hub") from error
    except TimeoutError:
        raise hub.NotReady(f"{port} does not accept a connection within 10 s") from None
    except (OSError, ValueError, serialx.SerialException) as error:
        raise hub.NotReady(f"{port} cannot be opened: {error}") from error
    try:
        yield Line(port, reader, writer)
    finally:
        writer.close()
        with suppress(OSError, serialx.SerialException):  # it may have gone first
            await writer.wait_closed()


async def _open(port: str) -> tuple[asyncio.StreamReader, Any]:
    if port.startswith("tcp://"):
        parts = urlsplit(port)
        return await asyncio.open_connection(parts.hostname, parts.port)
    return await serialx.open_serial_connection(port, baudrate=BAUDRATE, exclusive=True)
