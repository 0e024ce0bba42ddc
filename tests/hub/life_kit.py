"""Lives of a hub on one directory: a plugin's own session over the straight path and the real buffer, on a disk that
fails when it is told to. A life ends as by kill -9: what the disk has not got is gone, and nobody is told anything."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hub.core.model import Device
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.protocol.records import framing
from hub.protocol.records.opening import Block, Opener, Table, Tables, open_epoch, verify_epoch
from hub.protocol.records.seal import CHACHA
from hub.sdk.testing import FakeHttp
from hub.store_and_forward.buffer import READINGS, Buffer
from tests.hub import path_kit
from tests.hub.store_and_forward.buffer.buffer_kit import SMALL, Clock, FaultyDisk, Party, io_error, no_space

FULL, SYNC = "full disk", "failing sync"


class TellingDisk(FaultyDisk):
    """Fails for good in the way that `trouble` says, until it says nothing; `dead`: in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble, self.dead = "", False
        self.slow = threading.Event()  # syncs wait while it is cleared
        self.slow.set()

    def _call(self, name: str) -> bool:
        if name == "sync":
            self.slow.wait(60)
        if self.dead or (self.trouble == SYNC and name == "sync"):
            raise io_error()
        if self.trouble == FULL and name in ("create", "write"):
            raise no_space()
        return super()._call(name)


class Hub:
    """`session` is of the present life; `integration` has the `devices`."""

    def __init__(
        self, directory: Path, integration: str, devices: Iterable[Device], pending_rows: int = 64, **more: Any
    ) -> None:
        """`more` are fields of the buffer's configuration, which is small."""
        self._directory, self._integration, self._devices = directory, integration, list(devices)
        self._party = Party()
        self._config = replace(SMALL, pending_rows=pending_rows, **more)
        self.live()

    def live(self) -> None:
        """Begin a life: what the one before left on the disk is all there is."""
        self.disk = TellingDisk()
        self.buffer = Buffer.open(
            self._directory,
            keys=self._party.keys(CHACHA),
            trust=self._party.trust,
            clock=Clock(),
            config=self._config,
            disk=self.disk,
        )
        self.path = path_kit.Path(buffer=self.buffer)
        for device in self._devices:
            self.path.devices.put(device)
        self.buffer.start(asyncio.get_running_loop())
        stage: Any = self.path
        core = Core(
            stage.pipeline,
            stage.planner,
            stage.devices,
            self.buffer,
            stage.clock,
            stage.counts,
            lambda _: FakeHttp(),
            lambda _: [],
        )
        self.session = InProcessSession(self._integration, core, lambda: None, random.Random(1))

    def kill(self) -> None:
        """End this life, at once, and begin the next one."""
        self.end()
        self.live()

    def end(self) -> None:
        self.disk.dead = True
        self.disk.slow.set()
        commits = self.buffer._commits
        commits._closing.set()
        commits._hurry.set()
        commits._queue.put(None)
        if commits._thread is not None:
            commits._thread.join()

    async def stored(self) -> list[tuple[str, dict[str, Any], int]]:
        """Device, values and time in milliseconds of all that is on the disk, by the owner's key. The disk works."""
        self.disk.trouble = ""
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.buffer.flush()
                    break
                except Exception:  # of an attempt that began while it failed
                    await asyncio.sleep(0.01)
        found = []
        for state in self.buffer.streams():
            if state.stream != READINGS:
                continue
            opener: Opener | None = None
            tables = Tables()
            for record in self.buffer.read(READINGS, state.run, state.first, state.last, 1 << 24):
                if framing.parse(record.raw).head.kind == framing.EPOCH:
                    epoch = verify_epoch(record.raw, self._party.public)
                    if opener is None or epoch.eid != opener.epoch.eid:
                        opener, tables = open_epoch(epoch, self._party.private_keys), Tables()
                    continue
                assert opener is not None
                body = opener.open(record.raw).body
                if isinstance(body, Table):
                    tables.add(body)
                elif isinstance(body, Block):
                    for row in body.rows(tables):
                        keys = [column.metric for column in row.shape.columns]
                        found.append((row.subject.device, dict(zip(keys, row.values, strict=True)), row.time_ms))
        return found
