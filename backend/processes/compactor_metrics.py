"""Metrics of the compactor's process, and of what is stored. `docs/reference/backend-metrics.md` lists their names."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from backend.api.metric_families import GAUGE, Family, by_label, gauge
from backend.hubs.silence_watcher import SilenceWatcher
from backend.storage.opening import is_url, open_queries, server_health
from hub.core.errors import HubError

if TYPE_CHECKING:
    from backend.processes.compactor_process import Compacting

LOOK_S = 10.0
"""All of it is counted anew this often at most, however often somebody asks."""
MAX_KINDS = 100


class CompactionMetrics:
    """Collects them. What the database refuses to tell is absent."""

    def __init__(self, address: Path | str, compacting: Compacting, watcher: SilenceWatcher) -> None:
        self._address, self._compacting, self._watcher = address, compacting, watcher
        self._queries = open_queries(address)
        self._counted: tuple[float, list[Family]] = float("-inf"), []
        self._asked: tuple[float, list[Family]] = float("-inf"), []

    async def collect(self) -> list[Family]:
        works = self._compacting.alone and not self._compacting.trouble
        families = [
            by_label("ilot_backend_info", GAUGE, "Release that runs.", "release", [(version("ilot"), 1.0)]),
            gauge("ilot_backend_compactor_up", "1 while this process compacts; 0 also while it waits for another one.",
                  float(works)),
        ]  # fmt: skip
        if (silent := self._watcher.silent_hubs) is not None:
            families.append(gauge("ilot_backend_hubs_silent", "Hubs that are silent now.", float(silent)))
        now, (asked_at, server) = time.monotonic(), self._asked
        if is_url(self._address):
            if now - asked_at >= LOOK_S:
                server = await asyncio.to_thread(_of_server, str(self._address))
                self._asked = now, server
            families += server
        with suppress(HubError):
            at, stored = self._counted
            if now - at >= LOOK_S:
                stored = await asyncio.to_thread(self._stored)
                self._counted = now, stored
            families += stored
        return families

    def _stored(self) -> list[Family]:
        with self._queries.snapshot() as snapshot:
            revoked = Counter(line.hub.revoked_at is not None for line in snapshot.hubs())
            alarms = Counter(line.kind for line in snapshot.alarms())
            since = snapshot.compacts_since()
        states = [("active", float(revoked[False])), ("revoked", float(revoked[True]))]
        kinds = sorted((kind, float(count)) for kind, count in alarms.most_common(MAX_KINDS))
        return [
            by_label("ilot_backend_hubs", GAUGE, "Hubs that are enrolled.", "state", states),
            by_label("ilot_backend_alarms_open", GAUGE, "Alarms that wait for a person.", "kind", kinds),
            gauge("ilot_backend_compaction_lag_seconds", "Age of the record that waits longest for a compactor.",
                  0.0 if since is None else max(0.0, time.time() - since)),
        ]  # fmt: skip


def _of_server(url: str) -> list[Family]:
    """Return how the database's server is; of one that does not answer only that."""
    name, text = "ilot_backend_database_writable", "1 while the database's server answers and may write."
    try:
        health = server_health(url)
    except HubError:
        return [gauge(name, text, 0.0)]
    families = [gauge(name, text, float(health.writable))]
    if health.standbys is not None:
        number = float(health.standbys)
        families.append(gauge("ilot_backend_database_standbys", "Synchronous standbys that follow.", number))
    if (late := health.unarchived_s) is not None:
        text = "For how long the write-ahead log has not reached the copies."
        families.append(gauge("ilot_backend_database_log_unarchived_seconds", text, late))
    return families
