"""Plays meters of an M-Bus pack for `ilot sim --pack`: slaves on a bus behind a TCP level converter, or meters by radio
behind a receiver that prints telegrams. Telegrams are built here and in `sim` from the standard, apart from the
decoder."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub.sdk.simulation import Fault, Message, Play, Played, Script
from integrations.mbus.sim import Bus, Meter, serve

MAKER = (9 << 10 | 12 << 5 | 15).to_bytes(2, "little")  # ILO
VERSION, ELECTRICITY = 1, 2
SPEAKS_S = 2.0


def records_of(message: Message) -> bytes:
    return bytes.fromhex(str(message.heard.get("records", "")))


class Slave(Meter):
    """A meter on the wire that can lose an answer, or spoil one."""

    lost = 0
    wrong_sum = False

    def answer(self, bit: int) -> bytes:
        if self.lost:
            self.lost -= 1
            return b""
        told = super().answer(bit)
        return told[:-2] + bytes((told[-2] ^ 0xFF,)) + told[-1:] if self.wrong_sum else told


class WiredPlayer:
    """Slaves at primary addresses 1, 2, …"""

    faults: frozenset[Fault] = frozenset({"silence", "bad-mic", "drop", "wrong-payload"})
    secrets: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    environment: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, slaves: list[Slave], port: int) -> None:
        self._slaves = slaves
        self.devices = [Played(slave.device, {"address": slave.address}) for slave in slaves]
        self.options: dict[str, Any] = {"port": f"tcp://127.0.0.1:{port}", "interval": "10s"}

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        pass

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        slave, records = self._slaves[device], records_of(message)
        slave.silent, slave.wrong_sum, slave.lost = fault == "silence", fault == "bad-mic", int(fault == "drop")
        slave.records = [records[: len(records) // 2]] if fault == "wrong-payload" else [records]
        slave.page = 0


def _numbers(script: Script) -> list[bytes]:
    """Return the numbers of the meters, as they are sent."""
    rng = random.Random(f"{script.pack} {script.seed}")  # noqa: S311 - a simulation
    return [bytes.fromhex(f"{rng.randrange(100_000_000):08}")[::-1] for _ in range(script.devices)]


@asynccontextmanager
async def play_wired(script: Script) -> AsyncIterator[WiredPlayer]:
    first = records_of(script.messages[0])
    tail = MAKER + bytes((VERSION, ELECTRICITY))
    slaves = [Slave(address, number + tail, [first]) for address, number in enumerate(_numbers(script), 1)]
    server = await serve(Bus(list(slaves)), "127.0.0.1", script.port)
    with contextlib.closing(server):  # `async with` would wait until the hub hangs up
        yield WiredPlayer(slaves, server.sockets[0].getsockname()[1])


class RadioPlayer:
    """Meters around one receiver. Each repeats what it said last, as meters do."""

    faults: frozenset[Fault] = frozenset({"silence", "repeat", "drop", "wrong-payload"})
    secrets: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    environment: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, script: Script) -> None:
        self._own = [MAKER + number + bytes((VERSION, ELECTRICITY)) for number in _numbers(script)]
        self._access = [0] * script.devices
        self._clients: set[asyncio.StreamWriter] = set()
        self._heard = asyncio.Event()
        self.devices = [Played(f"mbus:ILO-{own[2:6][::-1].hex()}-{own[6]:02x}-{own[7]:02x}") for own in self._own]
        self.options: dict[str, Any] = {}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self._heard.set()
        try:
            while await reader.read(1024):
                pass
        except ConnectionError:
            pass
        finally:
            self._clients.discard(writer)
            writer.close()

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        await self._heard.wait()

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        self._access[device] = (self._access[device] + 1) & 0xFF
        if fault in ("silence", "drop"):
            return
        records = records_of(message)
        if fault == "wrong-payload":
            records = records[: len(records) // 2]
        body = b"\x44" + self._own[device] + bytes((0x7A, self._access[device], 0, 0, 0)) + records
        line = (bytes((len(body),)) + body).hex().upper().encode() + b"\r\n"
        for writer in list(self._clients):
            writer.write(line * (2 if fault == "repeat" else 1))


@asynccontextmanager
async def play_wireless(script: Script) -> AsyncIterator[RadioPlayer]:
    player = RadioPlayer(script)
    server = await asyncio.start_server(player.talk, "127.0.0.1", script.port)
    player.options["port"] = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with contextlib.closing(server):
        yield player


PLAYERS: dict[str, Play] = {"mbus": play_wired, "wmbus": play_wireless}
