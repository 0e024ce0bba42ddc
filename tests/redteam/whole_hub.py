"""A whole hub that runs a stranger's hostile plugin beside good neighbours, through the real starter.

The hub is the real one, in this process, under a user of its own; its backend is another process, whose database is the
oracle of what arrived. `acme_hostile` is installed out of a signed file. The neighbours count, and each reading is
durable before the next: one is a plugin of the hub's own process, the other one runs apart as the hostile plugin does.
The attacks, and the twins without their limits, are in `attacks`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import importlib.metadata
import io
import json
import logging
import os
import sys
import time
import types
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import hub
from hub.app.hub import Hub, Settings, serve
from hub.cli.demo.scene import Scene
from hub.config.parts.vendors import PluginTrust, Vendor
from hub.core.state_dir import StateDir
from hub.operations.plugins import installing
from hub.operations.plugins.offers import Here
from hub.plugin_host.isolation import by_starter, host, link
from hub.plugin_host.registry import Plugin, Registry
from hub.plugin_host.supervisor import Health
from hub.protocol.documents.addition import MAGIC, PLUGIN, Addition, sign_addition
from hub.protocol.documents.release import File
from tests.stored import asked

from .vehicle import HUB, Place, as_hub

DISTRIBUTION = Path(__file__).parent / "acme_hostile" / "acme_hostile"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DEADLINE_S = 120.0
PACE_S = 0.005
STEADY = "is_steady"
NEIGHBOUR, STEADY_DEVICE = "source:1", f"acme:{STEADY}"


def signed() -> bytes:
    """The plugin as its vendor ships it: a signed file with its wheel."""
    info = "acme_hostile-1.0.dist-info"
    contents = {f"acme_hostile/{one.name}": one.read_bytes() for one in sorted(DISTRIBUTION.glob("*.*"))}
    contents |= {
        f"{info}/METADATA": b"Metadata-Version: 2.4\nName: acme-hostile\nVersion: 1.0\n\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[hub.plugins]\nacme_hostile = acme_hostile\n",
    }
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    wheel, now = target.getvalue(), time.time()
    listed = (File("acme_hostile-1.0-py3-none-any.whl", len(wheel), hashlib.sha256(wheel).digest()),)
    addition = Addition(
        kind=PLUGIN, id="acme_hostile", version="1.0", counter=1, issued=now - 60, expires=now + 86_400, files=listed
    )
    document = sign_addition(addition, [KEY])
    return MAGIC + len(document).to_bytes(4, "big") + document + wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class Town:
    """A backend, the state of one hub in which the hostile plugin is installed, and a starter at `socket`."""

    def __init__(self, root: Path) -> None:
        root.chmod(0o755)
        self.root, self.state = root, root / "hub"
        self.machine = Place(root)
        self.scene = Scene(root, lambda text: None)
        self.scene.state = self.state
        self.machine.plugins = self.state / "plugins"
        self.socket = ""

    def found(self) -> None:
        """Start the backend, enrol the hub and install the plugin."""
        self.scene.found()
        self.configure([])
        self.scene.enrol()
        file = self.root / "acme.ilot-plugin"
        file.write_bytes(signed())
        StateDir(self.state).plugins.mkdir(exist_ok=True)
        trust = PluginTrust(vendors={"acme": Vendor(keys=(_public(),), ships=("acme_*",))})
        here = Here(self.machine.plugins, trust, frozenset(), time.time())
        installing.install(file, here, lambda offer: True, "test")
        for one in (self.root, self.scene.config, self.state, *self.state.rglob("*")):
            os.chown(one, HUB, HUB)

    def configure(self, deeds: Iterable[str], peer: int = 0, other: int = 0) -> None:
        """Write a configuration that runs these."""
        deeds = [STEADY, *deeds]
        devices = {NEIGHBOUR: "source"} | {f"acme:{does}": does for does in deeds}
        options = {
            "type": "acme_hostile",
            "peer": f"tcp://127.0.0.1:{peer}",
            "web": f"http://127.0.0.1:{peer}/",
            "other": f"127.0.0.1:{other}",
        }
        written = {
            "hub": {"name": "redteam", "site": "s", "state_dir": str(self.state)},
            "sites": {"s": {"name": "S", "timezone": "Europe/Paris"}},
            "zones": {"z": {"site": "s"}},
            "places": {f"p{at}": {"zone": "z"} for at in range(len(devices))},
            "integrations": {"source": {}} | {does: {"does": does, **options} for does in deeds},
            "devices": {
                device: {"integration": whose, "place": f"p{at}"} for at, (device, whose) in enumerate(devices.items())
            },
            "link": {"uplinks": {"https": {"url": self.scene.backend["url"].rstrip("/")}}},
            "buffer": {"window": "1s"},
            "plugins": {"vendors": {"acme": {"keys": [_public()], "ships": ["acme_*"]}}},
        }
        self.scene.config.write_text(json.dumps(written))

    def arrived(self, device: str) -> set[int]:
        """The numbers that the backend has of a neighbour."""
        (database,) = self.root.glob("backend/**/backend.db")
        with asked(database) as db:
            rows = db.execute(
                "SELECT r.value FROM readings r JOIN series s ON s.id = r.series "
                "WHERE s.metric = 'uptime' AND s.device = ?",
                (device,),
            )
            return {int(value) for (value,) in rows}


def attacked(town: Town, deeds: Iterable[str], drive: Callable[[Seen], Awaitable[None]], *without: Any) -> Seen:
    """Run a hub with these deeds and what `drive` does, to its end. `without`: what makes it a twin."""

    async def run() -> Seen:
        async with hub_with(town, deeds) as seen:
            await drive(seen)
        return seen

    with as_hub(), ExitStack() as stack:
        for one in without:
            stack.enter_context(one)
        return asyncio.run(run())


def _public() -> str:
    return KEY.public_key().public_bytes_raw().hex()


@contextmanager
def founded(root: Path) -> Iterator[Town]:
    """A town whose starter runs."""
    town = Town(root)
    try:
        town.found()
        with town.machine.starter() as path:
            town.socket = path
            yield town
    finally:
        town.scene.close()


class Seen:
    """What one hub did. `late`: how late each reading of the neighbour was taken, in milliseconds; `worked`: how long
    the hub's thread itself worked meanwhile, whatever else runs on the machine; `rows`: what was taken, in order;
    `said`: the last number of each neighbour."""

    def __init__(self, town: Town, hub: Hub) -> None:
        self.town, self.hub = town, hub
        self.late: list[float] = []
        self.worked: list[float] = []
        self.rows: list[Any] = []
        self.lines: dict[str, list[str]] = {}
        self.callers = 0
        self.unread = 0  # bytes at most that waited for one process to read them
        self.pids: set[int] = set()

    def health(self, name: str) -> Health:
        return next(one for one in self.hub.field.plugins.health if one.name == name)

    def kept(self, name: str, key: str) -> Any:
        """What an instance keeps in its state."""
        return self.hub.base.buffer.local.get(f"state/{name}/{key}")

    @property
    def said(self) -> dict[str, int]:
        return {NEIGHBOUR: self.kept("source", "said") or 0, STEADY_DEVICE: self.kept(STEADY, "said") or 0}

    def lost(self) -> dict[str, list[int]]:
        """The readings of the neighbours that were durable and never arrived, after the hub has ended."""
        return {
            device: sorted(set(range(1, last + 1)) - self.town.arrived(device)) for device, last in self.said.items()
        }

    def log(self, record: logging.LogRecord) -> None:
        lines = self.lines.setdefault(record.name.removeprefix("hub."), [])
        lines.append(record.getMessage())


async def eventually(look: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait for what nobody announces."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.02)


@asynccontextmanager
async def hub_with(town: Town, deeds: Iterable[str]) -> AsyncIterator[Seen]:
    """A hub that runs these deeds beside its neighbours, until the block ends; then it has delivered what it had."""
    ready, made = asyncio.Event(), Hub.build.__func__  # type: ignore[attr-defined]
    seen: list[Seen] = []

    async def build(cls: type[Hub], *given: Any) -> Hub:
        built: Hub = await made(cls, *given)
        seen.append(Seen(town, built))
        _watch_rows(seen[0])
        for key in list(built.base.buffer.local):  # what an attack kept in another test
            if key.startswith("state/") and key.split("/")[1] not in ("source", STEADY):
                built.base.buffer.put_local(key, None)
        return built

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen[0].callers += 1
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    async with _two_ports(answer) as (peer, other):
        town.configure(deeds, peer, other)

        class Watched(link.Writer):
            def write(self, *given: Any) -> None:
                super().write(*given)
                seen[0].unread = max(seen[0].unread, self.waiting)

        async def measure(run: Any, running: Any, real: Any = host.Host._measure) -> None:
            seen[0].pids.add(running.pid)
            await real(run, running)

        with (
            mock.patch.object(host.Host, "_measure", measure),
            mock.patch.object(host, "Writer", Watched),
            mock.patch.object(by_starter, "SOCKET", town.socket),
            mock.patch.object(Hub, "build", classmethod(build)),
        ):
            settings = Settings(config=town.scene.config, drain_s=DEADLINE_S)
            registry = _registry(lambda session: _neighbour(session, seen[0]))
            running = asyncio.create_task(serve(settings, registry, lambda facts: ready.set()))
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
            logger = logging.getLogger("hub")
            handler = _Keeps(seen[0])
            logger.addHandler(handler)
            try:
                yield seen[0]
            finally:
                if not running.done():
                    os.kill(os.getpid(), 15)  # SIGTERM is how a hub is stopped
                await running
                logger.removeHandler(handler)


class _Keeps(logging.Handler):
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.emit = seen.log  # type: ignore[method-assign, assignment]


@asynccontextmanager
async def _two_ports(answer: Any) -> AsyncIterator[tuple[int, int]]:
    """Two ports that answer: one that the operator names, and another one."""
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as peer,
        await asyncio.start_server(answer, "127.0.0.1", 0) as other,
    ):
        yield peer.sockets[0].getsockname()[1], other.sockets[0].getsockname()[1]


def _watch_rows(seen: Seen) -> None:
    buffer = seen.hub.base.buffer
    append = buffer.append

    def watched(row: Any, *more: Any, **named: Any) -> None:
        seen.rows.append(row)
        append(row, *more, **named)

    buffer.append = watched  # type: ignore[method-assign]


async def _neighbour(session: hub.Session, seen: Seen) -> None:
    """Counts, each number durable before the next, and measures how late plain readings are taken beside that."""
    loop = asyncio.get_running_loop()

    async def counts() -> None:
        at = session.state.get("said", 0)
        while True:
            at += 1
            report = hub.Report(device=NEIGHBOUR, values={"uptime": at})
            await session.emit(report, durable=True, note=lambda at=at: session.state.put("said", at))  # type: ignore[misc]
            await asyncio.sleep(0.05)

    async def measures() -> None:
        while True:
            due, before = loop.time() + PACE_S, time.thread_time()
            await asyncio.sleep(PACE_S)
            await session.emit(hub.Report(device=NEIGHBOUR, values={"temperature": 20.0}))
            seen.late.append((loop.time() - due) * 1000)
            seen.worked.append((time.thread_time() - before) * 1000)

    async with asyncio.TaskGroup() as both:
        both.create_task(counts())
        both.create_task(measures())


def _registry(work: Callable[[hub.Session], Any]) -> Registry:
    class Options(hub.Config):
        pass

    async def run(config: Options, session: hub.Session) -> None:
        await work(session)

    @hub.hookimpl
    def register_integrations(register: hub.Register) -> None:
        register("source", Options, run)

    module = types.ModuleType("redteam_source")
    module.register_integrations = register_integrations  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    registry = Registry.discover()
    registry.plugins["source"] = Plugin(
        "source", "ilot", "0", importlib.metadata.EntryPoint("source", module.__name__, "hub.plugins")
    )
    return registry
