"""The compactor's process, of which one works for each database: it compacts in a thread of its own, and watches for
silent hubs. Another one waits until the first is gone."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.hubs.silence_watcher import SilenceWatcher
from backend.owner import directory as owners
from backend.processes.background_tasks import beside
from backend.processes.compactor_metrics import CompactionMetrics
from backend.processes.metrics import MetricsAddress
from backend.processes.metrics import serving as serving_metrics
from backend.readings.compaction import Compactor
from backend.storage.chunks import Chunks
from backend.storage.opening import open_chunks
from backend.storage.process_lines import COMPACT, ProcessTeller
from backend.storage.shared import SharedStorage
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Seconds between two looks for something to do."""
PURGE_EVERY_S = 3600.0
LOOK_S = 5.0
"""Seconds between two looks whether another process still compacts, or whether the database opens again."""


class Compacting:
    """Compacts one database in a thread of its own, from `start` to `stop`. `alone`: it has the right to."""

    def __init__(self, address: Path | str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compactor")
        self.alone = False
        self.began = threading.Event()  # set once it was alone
        self.trouble = ""  # why nothing is compacted now
        self._waits = False

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Have it end after the piece of work in progress."""
        self._stop.set()

    def stop(self) -> None:
        """Wait until it has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                chunks = open_chunks(self._address)
                try:
                    self._work(chunks)
                finally:
                    self.alone = False
                    chunks.close()
            except Exception as error:
                self._tell(error)
                self._stop.wait(LOOK_S)

    def _work(self, chunks: Chunks) -> None:
        """Compact while this process has the right to, which a database's session may lose; wait for it otherwise."""
        compactor, next_purge = Compactor(chunks), 0.0
        while not self._stop.is_set():
            self.alone = chunks.compact_alone()
            if not self.alone:
                self._wait()
                continue
            self._waits = False
            self.began.set()
            more = compactor.work()
            if time.monotonic() >= next_purge:
                next_purge = time.monotonic() + (0.0 if compactor.purge_due() else PURGE_EVERY_S)
            self._recover()
            if not more:
                self._stop.wait(EVERY_S)

    def _wait(self) -> None:
        if not self._waits:
            log.warning(phrase("compactor-waits", "another process compacts this database: this one waits"))
        self._waits = True
        self._stop.wait(LOOK_S)

    def _tell(self, error: Exception) -> None:
        if str(error) != self.trouble:
            exc_info = None if isinstance(error, HubError) else error
            log.error(phrase("compaction-refused", "readings are not compacted now: {reason}", reason=reason_of(error)),
                      exc_info=exc_info)  # fmt: skip
        self.trouble = str(error)

    def _recover(self) -> None:
        if self.trouble:
            log.warning(phrase("compactor-goes-on", "readings are compacted again"))
        self.trouble = ""


@dataclass(frozen=True, slots=True)
class RunningCompactor:
    """A compactor that works, or waits for another one."""

    compacting: Compacting
    watcher: SilenceWatcher
    metrics: str = ""


@asynccontextmanager
async def compacting(
    directory: Path, *, database: Path | str | None = None, metrics: MetricsAddress | None = None
) -> AsyncIterator[RunningCompactor]:
    """Compact the database of an owner's directory, or another one, until the block is left. Raises ConfigError,
    StorageError; NotReady for `metrics`."""
    async with AsyncExitStack() as parts:
        address = owners.load(directory).database if database is None else database
        storage = SharedStorage(address)
        parts.push_async_callback(storage.close)
        teller = ProcessTeller(COMPACT, storage.call, _no_facts)
        await teller.begin()
        parts.push_async_callback(teller.end)
        thread = Compacting(address)
        watcher = SilenceWatcher(address, storage.call, lambda: thread.alone)
        thread.start()
        parts.push_async_callback(asyncio.to_thread, thread.stop)
        await parts.enter_async_context(beside(teller.run(), watcher.run()))
        read = ""
        if metrics is not None:
            told = CompactionMetrics(address, thread, watcher)
            found = await parts.enter_async_context(serving_metrics(metrics, told.collect))
            read = f"http://{metrics.host}:{found}/metrics"
        yield RunningCompactor(thread, watcher, read)


async def _no_facts() -> dict[str, Any]:
    return {}
