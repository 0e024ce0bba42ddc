"""The bytes under a bus or a receiver: a serial line, or a TCP level converter. All the I/O of this integration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import serialx

import hub


class Line:
    """An open line. Raises NotReady whenever it is gone."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: Any) -> None:
        self.name = name
        self._reader, self._writer = reader, writer

    async def receive(self) -> bytes:
        """Whatever comes next, at least one byte."""
        try:
            data = await self._reader.read(4096)
        except (OSError, serialx.SerialException) as error:
            raise hub.NotReady(f"{self.name} is gone: {error}") from error
        if not data:
            raise hub.NotReady(f"{self.name} is gone: was it unplugged or switched off?")
        return data

    async def send(self, raw: bytes) -> None:
        try:
            self._writer.write(raw)
            await self._writer.drain()
        except (OSError, serialx.SerialException) as error:
            raise hub.NotReady(f"{self.name} is gone: {error}") from error


@asynccontextmanager
async def opened(port: str, baudrate: int, parity: str) -> AsyncIterator[Line]:
    """`port` is a device file, or tcp://host:port. Raises NotReady, or AuthFailed where rights are missing."""
    try:
        async with asyncio.timeout(10):
            reader, writer = await _open(port, baudrate, parity)
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


async def _open(port: str, baudrate: int, parity: str) -> tuple[asyncio.StreamReader, Any]:
    if port.startswith("tcp://"):
        parts = urlsplit(port)
        return await asyncio.open_connection(parts.hostname, parts.port)
    return await serialx.open_serial_connection(
        port, baudrate=baudrate, byte_size=8, parity=serialx.Parity(parity), exclusive=True
    )
