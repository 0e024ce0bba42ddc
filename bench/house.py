"""What the benchmarks of a whole hub share: an owner's backend in a process of its own, and the real hub in this one,
whose only integration is a plugin that the benchmark gives.

    with House(devices=500) as house:
        async with house.hub(work) as hub: …        work(session) is the plugin's run

CPU, memory and writes of "the hub" are then those of this process, the plugin included.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).parent))
from measure import part_of
from rooms import LazyDisk, reports

import hub
from hub.app.hub import Hub, Settings, serve
from hub.cli.demo.scene import Scene
from hub.core.clock import SystemClock
from hub.identity import enrolment, keys
from hub.plugin_host.registry import Plugin, Registry
from hub.protocol.records.rows import Row
from hub.protocol.records.seal import SealingKeys, default_aead
from hub.store_and_forward.buffer.batch import Batch, BufferConfig
from hub.store_and_forward.buffer.journal import Journal

Work = Callable[[hub.Session], Awaitable[None]]

CONFIG = """\
hub: {{name: bench, site: bench, state_dir: {state}}}
sites: {{bench: {{name: Bench, timezone: Europe/Paris}}}}
zones: {{bench: {{site: bench, name: Bench}}}}
integrations: {{source: {{}}}}
link:
  uplinks: {{https: {{url: "{url}"}}}}
{link}
buffer:
  max_size: 1GB
{buffer}
places:
{places}
devices:
{devices}
{more}
"""


class House:
    """`backend`: options of `ilot backend run`. `buffer`, `link`, `more`: lines of the configuration. `at`: where the
    state lies, by default a temporary directory."""

    def __init__(
        self,
        *,
        devices: int = 500,
        backend: tuple[str, ...] = (),
        buffer: str = "",
        link: str = "",
        at: Path | None = None,
        more: str = "",
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ilot-bench-"))
        self.scene = Scene(self.root, lambda text: None)
        self.names = self.device_names(devices)
        self._backend, self._buffer, self._link, self._more = backend, buffer, link, more
        if at is not None:
            self.scene.state = at

    @staticmethod
    def device_names(count: int) -> list[str]:
        return [f"source:{number:05d}" for number in range(count)]

    def __enter__(self) -> Self:
        try:
            self.scene.found(*self._backend)
            self.configure(self.scene.backend["url"].rstrip("/"))
            self.scene.enrol()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.scene.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def configure(self, url: str) -> None:
        """Write the configuration, with this address of the backend."""
        self.scene.config.write_text(
            CONFIG.format(
                state=self.scene.state,
                url=url,
                link=self._link,
                buffer=self._buffer,
                more=self._more,
                places="\n".join(f"  p{at:05d}: {{zone: bench}}" for at in range(len(self.names))),
                devices="\n".join(
                    f'  "{name}": {{integration: source, place: p{at:05d}}}' for at, name in enumerate(self.names)
                ),
            )
        )

    @property
    def backend(self) -> int:
        """The id of the process in which the backend answers hubs."""
        return part_of(self.scene.processes["backend"].pid, "ingest")

    def backlog(self, rows: Iterable[Row], per_commit: int, *, most: int = 1 << 62) -> tuple[int, int]:
        """See `leave_backlog`."""
        return leave_backlog(self.scene.state, rows, per_commit, most=most)

    def hub(self, work: Work) -> AbstractAsyncContextManager[Hub]:
        """A hub that is ready, until the block ends; it does not wait for acks then."""
        return hub_of(self.scene.config, work)


def leave_backlog(state: Path, rows: Iterable[Row], per_commit: int, *, most: int = 1 << 62) -> tuple[int, int]:
    """What an earlier life of an enrolled hub left on the disk: `rows`, so many a commit, until `most` bytes.

    Returns readings and bytes. The hub must not run.
    """
    own, (enrolled, trust) = keys.load(state / "keys"), enrolment.load(state)
    journal = Journal(
        state / "buffer",
        disk=LazyDisk(),
        clock=SystemClock(),
        keys=SealingKeys(enrolled.hub, own.identity, own.store_key, default_aead()),
        run=os.urandom(16),
        trust=trust,
        config=BufferConfig(max_bytes=1 << 40),
    )
    batch, readings = Batch(), 0
    for row in rows:
        batch.rows.append(row)
        readings += len(row.values)
        if len(batch.rows) == per_commit:
            journal.commit(batch)
            batch = Batch()
            if journal.catalog.size() >= most:
                break
    if batch:
        journal.commit(batch)
    journal.close()
    return readings, journal.catalog.size()


@asynccontextmanager
async def hub_of(config: Path, work: Work) -> AsyncIterator[Hub]:
    """The hub of a configuration whose devices are all of the integration `source`."""
    ready = asyncio.Event()
    built: list[Hub] = []
    make = Hub.build.__func__  # type: ignore[attr-defined]

    async def build(cls: type[Hub], *given: Any) -> Hub:
        built.append(await make(cls, *given))
        return built[0]

    Hub.build = classmethod(build)  # type: ignore[method-assign, assignment]
    settings = Settings(config=config, drain_s=0.0)
    running = asyncio.create_task(serve(settings, _registry(work), lambda facts: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield built[0]
    finally:
        Hub.build = classmethod(make)  # type: ignore[method-assign, assignment]
        waiting.cancel()
        if not running.done():
            os.kill(os.getpid(), 15)  # SIGTERM is how a hub is stopped
        await running


async def until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for what nobody announces. Raises SystemExit when it does not come in time."""
    end = time.monotonic() + seconds
    while True:
        if true():
            return
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come in {seconds:.0f} s")
        await asyncio.sleep(0.005)


def _registry(work: Work) -> Registry:
    class Config(hub.Config):
        pass

    async def run(config: Config, session: hub.Session) -> None:
        await work(session)
        await asyncio.Event().wait()  # a plugin that ends is started again

    @hub.hookimpl
    def register_integrations(register: hub.Register) -> None:
        register("source", Config, run)

    module = types.ModuleType("bench_source")
    module.register_integrations = register_integrations  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    registry = Registry.discover()
    registry.plugins["source"] = Plugin(
        "source", "ilot", "0", importlib.metadata.EntryPoint("source", module.__name__, "hub.plugins")
    )
    return registry


def walks(names: list[str], seconds: float = 3600.0) -> list[hub.Report]:
    """An hour of room sensors (`rooms.reports`) as reports of four readings of the catalogue, without their times:
    random walks at sensor noise, which no compressor sees through."""
    return [
        hub.Report(
            device=names[int(row.subject.place.rpartition("-")[2])],
            values=dict(zip(("temperature", "humidity", "battery_voltage", "tx_power"), row.values, strict=True)),
        )
        for row in reports(devices=len(names), seconds=seconds)
    ]
