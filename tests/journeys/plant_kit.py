"""A plant: a libmodbus server, a hub that reads and writes it, and its backend, each a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

from hub.cli.demo.scene import Scene

from ..faults.rig import run
from .patience import PATIENCE_S

SERVER = Path(__file__).parents[1] / "integrations/modbus/peer.c"


class Plant:
    def __init__(self, root: Path) -> None:
        self.scene = Scene(root, lambda text: None)

    def prepare(self, config: str, port: int) -> None:
        self.scene.found()
        url = self.scene.backend["url"].rstrip("/")
        self.scene.config.write_text(config.format(state=self.scene.state, url=url, port=port))
        self.scene.enrol()

    def start(self) -> None:
        self.scene._start("hub", "-m", "hub", "run", "--config", str(self.scene.config), "--json", "--drain", "2")

    async def ilot(self, *arguments: str, codes: tuple[int, ...] = (0, 6)) -> Any:
        done = await asyncio.to_thread(run, *arguments, "--config", self.scene.config, "--json")
        assert done.returncode in codes, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout else done.stderr.decode()

    async def call(self, name: str) -> Any:
        return await asyncio.to_thread(self.scene.ask, name)

    async def reads(self, value: float) -> None:
        """Wait until the last set point is this one."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                last = {one["metric"]: one["value"] for one in (await self.call("status"))["last"]}
                if last.get("setpoint") == value:
                    return
                await asyncio.sleep(0.2)


P = TypeVar("P", bound=Plant)


@contextlib.asynccontextmanager
async def running(directory: Path, config: str, kind: type[P] = Plant) -> AsyncIterator[P]:  # type: ignore[assignment]
    """A plant whose hub has this configuration; `state`, `url` and `port` are filled in."""
    server = directory / "peer"
    subprocess.run(["gcc", "-I/usr/include/modbus", str(SERVER), "-o", str(server), "-lmodbus"], check=True)
    process = await asyncio.create_subprocess_exec(str(server), stdout=subprocess.PIPE)
    assert process.stdout is not None
    plant = kind(directory / "scene")
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        await asyncio.to_thread(plant.prepare, config, port)
        await asyncio.to_thread(plant.start)
        yield plant
    finally:
        await asyncio.to_thread(plant.scene.close)
        process.kill()
        await process.wait()
