"""`python -m integrations.mbus.sim`: meters on one bus, as slaves behind a TCP level converter, until SIGTERM.

Prints one JSON line when ready: {"port", "meters": [{"address", "device"}]}. Telegrams are built here from the
standard, apart from the decoder: nothing of it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import dataclass, field

ACK = b"\xe5"


@dataclass
class Meter:
    """One slave: its primary address, its own address as sent (id, maker, version, medium), its telegrams' records."""

    address: int
    own: bytes
    records: list[bytes]
    status: int = 0
    silent: bool = False
    access: int = 0
    bit: int | None = None
    page: int = field(default=0)

    @property
    def device(self) -> str:
        word = int.from_bytes(self.own[4:6], "little")
        maker = "".join(chr((word >> shift & 31) + 64) for shift in (10, 5, 0))
        return f"mbus:{maker}-{self.own[:4][::-1].hex()}-{self.own[6]:02x}-{self.own[7]:02x}"

    def reset(self) -> None:
        self.bit, self.page = None, 0

    def answer(self, bit: int) -> bytes:
        """The next telegram, or the last one again when the frame count bit did not change."""
        if self.bit is not None and bit != self.bit:
            self.page = (self.page + 1) % len(self.records)
        self.bit = bit
        self.access = (self.access + 1) & 0xFF
        more = b"\x1f" if self.page + 1 < len(self.records) else b""
        head = self.own + bytes([self.access, self.status, 0, 0])
        body = bytes([0x08, self.address, 0x72]) + head + self.records[self.page] + more
        return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])


def house() -> list[Meter]:
    """A heat meter that needs two telegrams, a water meter, and a meter that does not answer."""
    heat = bytes.fromhex("175885062d2c0804")
    water = bytes.fromhex("1234567877041407")
    dead = bytes.fromhex("999999992d2c0804")
    return [
        Meter(1, heat, [bytes.fromhex("0406e791000004142cdb0000"), bytes.fromhex("025a6500025e2e00")]),
        Meter(2, water, [bytes.fromhex("0c1345230100")], status=0x04),
        Meter(3, dead, [b""], silent=True),
    ]


class Bus:
    """All meters hear everything; each answers what is meant for it."""

    def __init__(self, meters: list[Meter]) -> None:
        self.meters = meters
        self.selected: Meter | None = None

    def hear(self, telegram: bytes) -> bytes:
        """What the bus answers to one telegram of the master; empty when nobody does."""
        control, address = (telegram[4], telegram[5]) if telegram[0] == 0x68 else (telegram[1], telegram[2])
        if telegram[0] == 0x68 and address == 0xFD and telegram[6] == 0x52:
            self.selected = None
            for meter in self.meters:
                if not meter.silent and _matches(meter.own, telegram[7:15]):
                    meter.reset()
                    self.selected = meter
                    return ACK
            return b""
        if address == 0xFD:
            meters = [self.selected] if self.selected else []
        else:
            meters = [meter for meter in self.meters if address == meter.address]
        for meter in meters:
            if meter.silent:
                continue
            if control == 0x40:
                meter.reset()
                if address == 0xFD:
                    self.selected = None
                return ACK
            if control & 0xDF == 0x5B:
                return meter.answer(control & 0x20)
        return b""


def _matches(own: bytes, wanted: bytes) -> bool:
    """F is any digit of the number, FF any maker, version or medium."""
    digits = zip(own[:4].hex(), wanted[:4].hex(), strict=True)
    rest = zip(own[4:], wanted[4:], strict=True)
    return all(want in ("f", have) for have, want in digits) and all(want in (0xFF, have) for have, want in rest)


async def serve(bus: Bus, host: str, port: int) -> asyncio.Server:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"\x10":
                    telegram = first + await reader.readexactly(4)
                elif first == b"\x68":
                    size = await reader.readexactly(3)
                    telegram = first + size + await reader.readexactly(size[0] + 2)
                else:
                    continue
                answer = bus.hear(telegram)
                for at in range(0, len(answer), 16):  # as a slow line gives it
                    writer.write(answer[at : at + 16])
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(talk, host, port)


async def simulate(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bus = Bus(house())
    async with await serve(bus, "127.0.0.1", port) as server:
        bound = server.sockets[0].getsockname()[1]
        meters = [{"address": meter.address, "device": meter.device} for meter in bus.meters]
        sys.stdout.write(json.dumps({"port": f"tcp://127.0.0.1:{bound}", "meters": meters}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.mbus.sim", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    asyncio.run(simulate(parser.parse_args(arguments).port))


if __name__ == "__main__":
    main()
