"""Plays devices of a KNX pack for `ilot sim --pack`: telegrams through a simulated KNX/IP interface, each object of the
pack at a group address of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hub.sdk.simulation import Fault, Message, Play, Played, Script
from integrations.knx.packs import SMALL
from integrations.knx.sim.__main__ import Sim
from integrations.knx.sim.building import telegram

_WRITE = 0x80
_SOURCE = 0x1150  # 1.1.80


class _Quiet:
    """A building where nothing happens by itself."""

    def hear(self, cemi: bytes) -> list[bytes]:
        return []

    def speaks(self) -> list[bytes]:
        return []


class KnxPlayer:
    """Devices on one bus."""

    faults: frozenset[Fault] = frozenset({"silence", "repeat", "drop", "wrong-payload"})
    secrets: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    environment: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, script: Script, sim: Sim, port: int) -> None:
        self._script, self._sim = script, sim
        names = sorted({name for message in script.messages for name in message.heard})
        self._addresses = [
            {name: f"{device // 32 + 16}/{device % 8}/{number}" for number, name in enumerate(names, 1)}
            for device in range(script.devices)
        ]
        self.devices = [
            Played(f"knx:{script.pack}-{number}", {"addresses": addresses})
            for number, addresses in enumerate(self._addresses, 1)
        ]
        self.options: dict[str, Any] = {"connection": "tunnelling", "host": "127.0.0.1", "port": port}

    def speaks(self, device: int, message: Message) -> bool:
        return True

    async def joined(self, device: int) -> None:
        while self._sim.server is None or not self._sim.server.channels:  # noqa: ASYNC110 - it knows no loop
            await asyncio.sleep(0.05)

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        if fault in ("silence", "drop") or self._sim.server is None:
            return
        for name, said in message.heard.items():
            octets = bytes.fromhex(str(said))
            group = None if self._script.part is None else self._script.part.groups.get(name)
            small = group is not None and group.dpt.partition(".")[0] in SMALL and len(octets) == 1
            if fault == "wrong-payload":
                octets, small = octets + octets + b"\xff", False
            address = self._addresses[device][name]
            cemi = telegram(_SOURCE + device, address, _WRITE, octets[0] if small else octets)
            for _ in range(2 if fault == "repeat" else 1):
                self._sim.deliver(self._sim.server.spread(cemi))


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[tuple[Sim, int]]:
    """Serve an interface where nothing happens by itself; yield it and its port."""
    sim, stop = Sim(), asyncio.Event()
    sim.building = _Quiet()  # type: ignore[assignment]
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(sim.serve("127.0.0.1", port, 3600.0, listening.set_result, stop))
    waiting: set[asyncio.Future[Any]] = {running, listening}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    try:
        if running.done():
            running.result()
        yield sim, listening.result()
    finally:
        stop.set()
        await running


@asynccontextmanager
async def play(script: Script) -> AsyncIterator[KnxPlayer]:
    async with serving(script.port) as (sim, port):
        yield KnxPlayer(script, sim, port)


PLAYERS: dict[str, Play] = {"knx": play}
