"""`ilot sim mbus`: meters on one bus, as slaves behind a TCP or a serial level converter, until
SIGTERM.

Prints one JSON line when ready: {"port", "meters": [{"address", "device"}]}. Telegrams are built here from the
standard, apart from the decoder: nothing of it is used. Meters that answer together are mixed as a wire mixes them: bit
by bit, each with its own delay, a space winning over a mark.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tty
from dataclasses import dataclass, field

ACK = b"\xe5"


@dataclass
class Meter:
    """A slave: its primary address, its own address as sent (id, maker, version, medium), its telegrams' records."""

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
        """Return the next telegram, or the last one again when the frame count bit did not change."""
        if self.bit is not None and bit != self.bit:
            self.page = (self.page + 1) % len(self.records)
        self.bit = bit
        self.access = (self.access + 1) & 0xFF
        more = b"\x1f" if self.page + 1 < len(self.records) else b""
        head = self.own + bytes([self.access, self.status, 0, 0])
        body = bytes([0x08, self.address, 0x72]) + head + self.records[self.page] + more
        return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])


def house() -> list[Meter]:
    """Return a heat meter that needs two telegrams, a water meter, and a meter that does not answer."""
    heat = bytes.fromhex("175885062d2c0804")
    water = bytes.fromhex("1234567877041407")
    dead = bytes.fromhex("999999992d2c0804")
    return [
        Meter(1, heat, [bytes.fromhex("0406e791000004142cdb0000"), bytes.fromhex("025a6500025e2e00")]),
        Meter(2, water, [bytes.fromhex("0c1345230100")], status=0x04),
        Meter(3, dead, [b""], silent=True),
    ]


def crowd(count: int) -> list[Meter]:
    """Return meters as an installer left them: with the factory's primary address, and numbers that differ late or not
    at all."""
    meters = []
    for n in range(count):
        number = f"{12345600 + n // 2 * 7 + n % 2 * 40000:08}"
        medium, maker = (0x07, "7704") if n % 3 else (0x04, "2d2c")
        own = bytes.fromhex(number)[::-1] + bytes.fromhex(maker) + bytes([0x08, medium])
        meters.append(Meter(0, own, [bytes.fromhex(f"0c13{n:02d}230100")]))
    return meters


def mix(answers: list[tuple[int, bytes]]) -> bytes:
    """Return the bytes that a receiver reads when several answer at once, each after its delay in bit times. EN
    13757-2: a byte is a space, eight bits from the lowest on, even parity, a mark."""
    if len(answers) == 1:
        return answers[0][1]
    line: list[int] = [1] * (max(delay + 11 * len(data) for delay, data in answers) + 22)
    for delay, data in answers:
        for n, byte in enumerate(data):
            bits = [byte >> i & 1 for i in range(8)]
            for i, bit in enumerate([0, *bits, sum(bits) & 1, 1]):
                line[delay + 11 * n + i] &= bit
    heard, at = bytearray(), 0
    while at < len(line) - 11:
        if line[at]:
            at += 1
            continue
        heard.append(sum(bit << i for i, bit in enumerate(line[at + 1 : at + 9])))
        at += 11
    return bytes(heard)


class Bus:
    """The bus: all meters receive everything; each answers its own requests."""

    def __init__(self, meters: list[Meter]) -> None:
        self.meters = meters
        self.selected: list[Meter] = []

    def hear(self, telegram: bytes) -> bytes:
        """Return the bus's answer to one telegram of the master; empty when there is none."""
        control, address = (telegram[4], telegram[5]) if telegram[0] == 0x68 else (telegram[1], telegram[2])
        if telegram[0] == 0x68 and address == 0xFD and telegram[6] == 0x52:
            self.selected = [m for m in self.meters if not m.silent and _matches(m.own, telegram[7:15])]
            for meter in self.selected:
                meter.reset()
            return self._together([(meter, ACK) for meter in self.selected])
        meters = self.selected if address == 0xFD else [m for m in self.meters if address == m.address]
        meters = [meter for meter in meters if not meter.silent]
        if control == 0x40:
            for meter in meters:
                meter.reset()
            if address == 0xFD:
                self.selected = []
            return self._together([(meter, ACK) for meter in meters])
        if control & 0xDF == 0x5B:
            return self._together([(meter, meter.answer(control & 0x20)) for meter in meters])
        return b""

    def _together(self, answers: list[tuple[Meter, bytes]]) -> bytes:
        """Mix the answers, each meter with a delay of its own of a few bits."""
        delays = [(meter.own[0] + 3 * meter.own[7] + 5 * meter.own[6]) % 8 for meter, _ in answers]
        return mix([(delay, data) for delay, (_, data) in zip(delays, answers, strict=True)]) if answers else b""


def _matches(own: bytes, wanted: bytes) -> bool:
    """Return whether an address matches, where F is any digit of the number, FF any maker, version or medium."""
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
                for at in range(0, len(answer), 16):  # in pieces, as from a slow line
                    writer.write(answer[at : at + 16])
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(talk, host, port)


async def serve_pty(bus: Bus) -> str:
    """Serve the bus behind a pseudo-terminal until the loop ends; returns its path."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    heard = bytearray()

    def readable() -> None:
        heard.extend(os.read(ours, 512))
        while heard:
            size = {0x10: 5, 0x68: (heard[1] + 6) if len(heard) > 1 else 999}.get(heard[0], 0)
            if size == 0:
                del heard[0]
            elif len(heard) < size:
                return
            else:
                answer = bus.hear(bytes(heard[:size]))
                del heard[:size]
                os.write(ours, answer)

    asyncio.get_running_loop().add_reader(ours, readable)
    return os.ttyname(theirs)


async def simulate(port: int, bus: Bus, pty: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await serve(bus, "127.0.0.1", port)
    with contextlib.closing(server):  # `async with` would wait until the hub hangs up
        address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        if pty:
            address = await serve_pty(bus)
        meters = [{"address": meter.address, "device": meter.device} for meter in bus.meters]
        sys.stdout.write(json.dumps({"port": address, "meters": meters}) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="ilot sim mbus", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--pty", action="store_true", help="behind a pseudo-terminal instead of a TCP port")
    parser.add_argument("--crowd", type=int, default=0, help="so many meters at address 0 instead of the house's three")
    options = parser.parse_args(arguments)
    bus = Bus(crowd(options.crowd) if options.crowd else house())
    asyncio.run(simulate(options.port, bus, options.pty))


if __name__ == "__main__":
    main()
