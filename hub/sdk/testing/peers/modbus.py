"""A Modbus TCP server (Modbus Application Protocol 1.1b3, Messaging on TCP/IP 1.0b). It needs nothing else."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from hub.sdk.testing.peers.beginning import Beginning
from hub.sdk.testing.peers.missing import free_port

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


class ModbusServer(Beginning):
    """Holding registers in `registers`, coils in `coils`, by address; what is not there is an exception 2. `host` and
    `port` are where it listens, `requests` how many came, `written` each write as (address, values)."""

    def __init__(self, registers: dict[int, int] | None = None, coils: dict[int, bool] | None = None) -> None:
        self.registers, self.coils = dict(registers or {}), dict(coils or {})
        self.host, self.port = "127.0.0.1", free_port()
        self.requests = 0
        self.written: list[tuple[int, tuple[int, ...]]] = []
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def begin(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._talk, self.host, self.port)

    async def end(self) -> None:
        """Hang up and listen no more."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await server.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                number, protocol, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                asked = await reader.readexactly(length - 1)
                self.requests += 1
                said = self._answer(asked)
                writer.write(struct.pack(">HHHB", number, protocol, len(said) + 1, unit) + said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    def _answer(self, asked: bytes) -> bytes:
        does: dict[int, Callable[[bytes], bytes]] = {
            1: self._read_bits, 2: self._read_bits, 3: self._read, 4: self._read,
            5: self._write_bit, 6: self._write_one, 16: self._write,
        }  # fmt: skip
        function = asked[0]
        if function not in does:
            return bytes((function | 0x80, ILLEGAL_FUNCTION))
        try:
            return bytes((function,)) + does[function](asked[1:])
        except (KeyError, struct.error):
            return bytes((function | 0x80, ILLEGAL_ADDRESS))

    def _read(self, asked: bytes) -> bytes:
        first, count = struct.unpack(">HH", asked)
        values = [self.registers[at] for at in range(first, first + count)]
        return bytes((2 * count,)) + struct.pack(f">{count}H", *values)

    def _read_bits(self, asked: bytes) -> bytes:
        first, count = struct.unpack(">HH", asked)
        packed = sum(self.coils[first + n] << n for n in range(count))
        size = (count + 7) // 8
        return bytes((size,)) + packed.to_bytes(size, "little")

    def _write_bit(self, asked: bytes) -> bytes:
        at, value = struct.unpack(">HH", asked)
        self.coils[at] = value == 0xFF00
        self.written.append((at, (int(self.coils[at]),)))
        return asked

    def _write_one(self, asked: bytes) -> bytes:
        at, value = struct.unpack(">HH", asked)
        self._put(at, (value,))
        return asked

    def _write(self, asked: bytes) -> bytes:
        first, count = struct.unpack(">HH", asked[:4])
        self._put(first, struct.unpack(f">{count}H", asked[5:]))
        return asked[:4]

    def _put(self, first: int, values: tuple[int, ...]) -> None:
        if any(first + n not in self.registers for n in range(len(values))):
            raise KeyError(first)
        self.registers |= {first + n: value for n, value in enumerate(values)}
        self.written.append((first, values))
