"""A real hub and backend under a fake org.bluez that the test itself speaks through."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from hub.cli.demo.scene import Scene
from integrations.bluetooth.sim.bluez import FakeBluez, fake_bluez, private_bus

from ..faults.rig import asked, ilot
from .patience import PATIENCE_S

HUB = Path(__file__).with_name("replay_hub.py")


class BleHouse:
    """The processes, what is on the air, and the backend's database. `config` is the hub's file, with {state} and
    {url}; `secrets` what it refers to."""

    config = ""

    def __init__(self, root: Path, bluez: FakeBluez) -> None:
        self.secrets: Mapping[str, str] = {}
        self.scene = Scene(root, lambda text: None)
        self.bluez = bluez
        self.twin = ""

    async def prepare(self, bus: str) -> None:
        scene = self.scene
        scene.radio = {"bus_address": bus}
        await asyncio.to_thread(scene.found)
        scene.config.write_text(self.config.format(state=scene.state, url=scene.backend["url"].rstrip("/")))
        secrets = scene.root / "secrets.yaml"
        secrets.touch(mode=0o600)
        secrets.write_text("".join(f'{name}: "{value}"\n' for name, value in self.secrets.items()))
        await asyncio.to_thread(scene.enrol)

    async def start(self) -> None:
        arguments = (str(HUB), "run", "--config", str(self.scene.config), "--json", "--drain", "45")
        bus = self.scene.radio["bus_address"]
        await asyncio.to_thread(
            lambda: self.scene._start("hub", *arguments, DBUS_SYSTEM_BUS_ADDRESS=bus, REPLAY_TWIN=self.twin)
        )
        async with asyncio.timeout(PATIENCE_S):
            while not self.bluez.heard:
                await asyncio.sleep(0.02)

    async def end(self, *, kill: bool = False) -> None:
        if kill:
            process = self.scene.processes.pop("hub")
            process.kill()
            await asyncio.to_thread(process.wait)
            if process.stdout is not None:
                process.stdout.close()  # not to its end: a worker of it may hold the other one for a while
        else:
            await asyncio.to_thread(self.scene.stop, "hub")
        for radio in self.bluez.radios.values():  # BlueZ forgets a client that is gone
            radio.monitors.registered.clear()
            radio.adapter.scanning = False

    async def ilot(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        """One command on this hub's configuration, and the JSON it ends with."""
        where = ("--config", str(self.scene.config))
        return await asyncio.to_thread(lambda: ilot(*arguments, *where, "--json", stdin=stdin))

    async def status(self) -> dict[str, Any]:
        return await self.ilot("status")

    async def taken(self, goal: int, devices: Iterable[str]) -> None:
        """Wait until this life of the hub has taken so many frames of these devices: as reports, or counted as refused.
        What is said faster than a hub reads is lost on the air, by right: see `integrations.bluetooth.intake`."""
        names, found = list(devices), 0
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            status = await asyncio.to_thread(self.scene.ask, "status")
            found = status["reports"] + sum(sum(status["counts"].get(name, {}).values()) for name in names)
            if found >= goal:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"of {goal} frames the hub has taken {found}: {status['counts']}")

    async def output(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Any command, on the fake BlueZ."""
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": self.scene.radio["bus_address"]}
        return await asyncio.to_thread(
            lambda: subprocess.run(
                [sys.executable, "-m", "hub", *arguments],
                input=stdin,
                capture_output=True,
                timeout=120,
                check=False,
                env={**os.environ, **environment},
            )
        )

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with asked(self.scene.root / "backend" / "backend.db") as db:
            return db.execute(statement).fetchall()


House = TypeVar("House", bound=BleHouse)


@asynccontextmanager
async def house(made_of: type[House], root: Path) -> AsyncIterator[House]:
    async with private_bus() as bus, fake_bluez([], bus) as bluez:
        # dbus-fast takes a full socket for a broken one
        bluez._bus._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        made = made_of(root, bluez)
        try:
            await made.prepare(bus)
            yield made
        finally:
            await asyncio.to_thread(made.scene.close)
