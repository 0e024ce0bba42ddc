"""Serial lines and their like, opened for a plugin by the core: one holder a line, one set of errors for all.

`port` is a device file, best by its name in /dev/serial/by-id, or tcp://host:port for a line behind a converter. Two
plugins that name the same port would fight over it: the second one is told who has it.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from hub.core.errors import AuthFailed, NotReady
from hub.core.text import phrase, reason_of

OPEN_S = 10.0
CLOSE_S = 5.0

Parity = Literal["N", "E", "O"]
"""None, even or odd."""

_ANOTHER = phrase("another-plugin", "another plugin")

_held: dict[str, str] = {}  # port → who holds it


class SerialLine:
    """An open line. Every method raises NotReady when it is gone."""

    def __init__(self, port: str, reader: asyncio.StreamReader, writer: Any) -> None:
        self.port = port
        self._reader, self._writer = reader, writer

    async def receive(self) -> bytes:
        """Whatever comes next: at least one byte, at most 4,096."""
        try:
            data = await self._reader.read(4096)
        except Exception as error:  # OSError, or the serial library's own
            raise NotReady(
                phrase("serial-port-gone", "{port} is gone: {reason}", port=self.port, reason=reason_of(error))
            ) from error
        if not data:
            raise NotReady(
                phrase(
                    "serial-port-gone-unplugged", "{port} is gone: was it unplugged or switched off?", port=self.port
                )
            )
        return data

    async def send(self, data: bytes) -> None:
        """Write all bytes. Raises NotReady when the line is gone."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except Exception as error:
            raise NotReady(
                phrase("serial-port-gone", "{port} is gone: {reason}", port=self.port, reason=reason_of(error))
            ) from error


@asynccontextmanager
async def open_serial_line(
    port: str,
    *,
    baudrate: int = 9600,
    bits: Literal[7, 8] = 8,
    parity: Parity = "N",
    holder: str = "",
) -> AsyncIterator[SerialLine]:
    """`async with open_serial_line(config.port, baudrate=2400, parity="E") as line`.

    `holder` is who has it, for a second one that asks; "another plugin" where it is not given. One stop bit. A port
    without parity (a pseudo-terminal that brings a remote line here) is opened with 8 bits: the eighth then is the
    parity bit, or nothing. Raises NotReady when it cannot be opened, AuthFailed where rights are missing.
    """
    if port in _held:
        raise NotReady(
            phrase(
                "serial-port-held",
                "{port} is held by {holder} already: one line has one reader",
                port=port,
                holder=_held[port],
            )
        )
    _held[port] = holder or _ANOTHER
    try:
        reader, writer = await _opened(port, baudrate, bits, parity)
        try:
            yield SerialLine(port, reader, writer)
        finally:
            writer.close()
            try:
                async with asyncio.timeout(CLOSE_S):  # it waits until all is sent, and the other end need not read
                    await writer.wait_closed()
            except Exception:  # noqa: S110 - it may have gone first
                pass
            finally:
                writer.transport.abort()
    finally:
        del _held[port]


async def _opened(port: str, baudrate: int, bits: int, parity: str) -> tuple[asyncio.StreamReader, Any]:
    try:
        if not port.startswith("tcp://"):
            import serialx  # noqa: F401 - its time is not the port's
        async with asyncio.timeout(OPEN_S):
            if port.startswith("tcp://"):
                parts = urlsplit(port)
                if not parts.hostname or not parts.port:
                    raise NotReady(
                        phrase("serial-port-no-address", "{port} is no address: expected tcp://host:port", port=port)
                    )
                return await asyncio.open_connection(parts.hostname, parts.port)
            return await _serial(port, baudrate, bits, parity)
    except NotReady:
        raise
    except PermissionError as error:
        raise AuthFailed(
            phrase(
                "serial-port-not-permitted",
                "this user may not open {port}: add it to the group dialout, restart the hub",
                port=port,
            )
        ) from error
    except TimeoutError:
        raise NotReady(
            phrase(
                "serial-port-not-open-in-time", "{port} does not open within {seconds:.0f} s", port=port, seconds=OPEN_S
            )
        ) from None
    except Exception as error:  # OSError, ValueError, or the serial library's own
        raise NotReady(
            phrase(
                "serial-port-cannot-be-opened", "{port} cannot be opened: {reason}", port=port, reason=reason_of(error)
            )
        ) from error


async def _serial(port: str, baudrate: int, bits: int, parity: str) -> tuple[asyncio.StreamReader, Any]:
    import serialx  # only where a line is used

    try:
        return await serialx.open_serial_connection(
            port, baudrate=baudrate, byte_size=bits, parity=serialx.Parity(parity), exclusive=True
        )
    except OSError as error:
        if error.errno != errno.EINVAL or (bits, parity) == (8, "N"):
            raise
        return await serialx.open_serial_connection(
            port, baudrate=baudrate, byte_size=8, parity=serialx.Parity.NONE, exclusive=True
        )
