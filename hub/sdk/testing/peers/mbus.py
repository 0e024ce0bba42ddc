"""An M-Bus slave behind a line (EN 13757-2: link layer; EN 13757-3: application layer). It needs nothing else."""

from __future__ import annotations

import struct

from hub.sdk.testing.peers.beginning import Beginning
from hub.sdk.testing.peers.line import Line

ACK = b"\xe5"
SND_NKE, REQ_UD2 = 0x40, 0x5B
NETWORK = 0xFD


class MbusMeter(Beginning):
    """A meter with the number `number` (8 digits), of `maker` (three letters) and `medium`, that gives `records`: data
    records as they stand in a telegram, `04 13 …` for a volume. `port` is the line. It is asked by its primary
    `address`."""

    def __init__(
        self, records: bytes, *, number: str = "12345678", maker: str = "ACW", medium: int = 0x07, address: int = 1
    ) -> None:
        self.records, self.address = records, address
        code = sum((ord(letter) - 64) << shift for letter, shift in zip(maker, (10, 5, 0), strict=True))
        self._header = bytes.fromhex(number)[::-1] + struct.pack("<H", code) + bytes((0x14, medium))
        self._count = 0
        self._heard = b""
        self._line = Line(self._hear)

    @property
    def port(self) -> str:
        """Its line, as an option has it."""
        return self._line.port

    async def begin(self) -> None:
        """Connect it to the line."""
        await self._line.begin()

    async def end(self) -> None:
        """Take it off the line."""
        await self._line.end()

    def _hear(self, data: bytes) -> bytes:
        self._heard += data
        said = b""
        while len(self._heard) >= 5:
            start = self._heard[0]
            size = 5 if start == 0x10 else 6 + self._heard[1] if start == 0x68 else 1
            if len(self._heard) < size:
                break
            frame, self._heard = self._heard[:size], self._heard[size:]
            if start == 0x10:
                said += self._short(frame[1] & ~0x20, frame[2])
        return said

    def _short(self, control: int, address: int) -> bytes:
        if address not in (self.address, 0xFE):
            return b""
        if control == SND_NKE:
            return ACK
        return self._telegram() if control == REQ_UD2 & ~0x20 else b""

    def _telegram(self) -> bytes:
        self._count = (self._count + 1) % 256
        body = bytes((0x08, self.address, 0x72)) + self._header + bytes((self._count, 0, 0, 0)) + self.records
        return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
