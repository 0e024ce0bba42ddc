"""The serial line under a customer output: opened at the right speed, read for ever. All the I/O there is."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import serialx

import hub
from integrations.linky.frames import Frame, Framer

SPEEDS = {"historic": 1200, "standard": 9600}
DETECT_S = 6.0
"""A frame of the historic mode takes up to 2 s, and one may be cut by the start."""
SILENT_S = 60.0


@asynccontextmanager
async def opened(port: str, speed: int) -> AsyncIterator[asyncio.StreamReader]:
    """7 bits, even parity, one stop bit; 8 bits without where the port knows no parity (a pseudo-terminal that brings
    a remote port here): the framer ignores the eighth. Raises NotReady, or AuthFailed where rights are missing."""
    try:
        try:
            reader, writer = await _open(port, speed, 7, serialx.Parity.EVEN)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            reader, writer = await _open(port, speed, 8, serialx.Parity.NONE)
    except PermissionError as error:
        raise hub.AuthFailed(f"this user may not open {port}: add it to the group dialout, restart the hub") from error
    except (OSError, ValueError, serialx.SerialException) as error:
        raise hub.NotReady(f"{port} cannot be opened: {error}") from error
    try:
        yield reader
    finally:
        writer.close()
        with suppress(OSError, serialx.SerialException):  # it may have gone first
            await writer.wait_closed()


async def _open(port: str, speed: int, bits: int, parity: serialx.Parity) -> tuple[asyncio.StreamReader, Any]:
    return await serialx.open_serial_connection(port, baudrate=speed, byte_size=bits, parity=parity, exclusive=True)


async def frames(port: str, speeds: Sequence[int], found: list[int]) -> AsyncGenerator[Frame]:
    """Every frame of the line, at the first of `speeds` at which one can be read; that one is put into `found`.

    Raises NotReady when nothing can be read at any of them, or nothing for a minute afterwards.
    """
    heard = 0
    for speed in speeds:
        framer = Framer()
        async with opened(port, speed) as reader:
            patience = DETECT_S if len(speeds) > 1 else SILENT_S
            while True:
                try:
                    async with asyncio.timeout(patience):
                        fresh: list[Frame] = []
                        while not fresh:
                            data = await _read(reader, port)
                            heard += len(data)
                            fresh = list(framer.feed(data))
                except TimeoutError:
                    if speed in found:
                        raise hub.NotReady(f"{port} has said nothing that can be read for {patience:.0f} s") from None
                    break
                if speed not in found:
                    found.append(speed)
                    patience = SILENT_S
                for frame in fresh:
                    yield frame
    what = f"{heard} bytes that are no frame came" if heard else "nothing came"
    raise hub.NotReady(f"{port}: {what}: is the module wired to I1 and I2 of the meter, and is the port the right one?")


async def _read(reader: asyncio.StreamReader, port: str) -> bytes:
    try:
        data = await reader.read(1024)
    except (OSError, serialx.SerialException) as error:
        raise hub.NotReady(f"{port} is gone: {error}") from error
    if not data:
        raise hub.NotReady(f"{port} is gone: was it unplugged?")
    return data
