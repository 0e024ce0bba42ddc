"""Builds raw history on disk where the owner declares it, and destroys it where not."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from hub.app.base_services import BaseServices
from hub.app.reading_path import ReadingPath
from hub.core.clock import Clock
from hub.core.errors import DiskRefuses, StorageError
from hub.core.model import Metric
from hub.core.text import phrase, reason_of
from hub.history.disk_limits import DiskLimits
from hub.history.memory import History
from hub.history.recorder import HistoryRecorder
from hub.privacy.rules_engine.data_categories import PERSONAL, privacy_of

if TYPE_CHECKING:
    from hub.history.archive import RawArchive

NONE = "none"
LOOK_S = 60.0

_log = logging.getLogger("hub.rawdisk")


async def build_raw_archive(
    base: BaseServices, path: ReadingPath, history: History, observer: HistoryRecorder
) -> tuple[RawArchive | None, str]:
    """Build raw history on disk, None where it is not wanted; with a complaint if former history could not be
    destroyed."""
    options, state = base.loaded.config.history, base.state
    if options.raw_on_disk == NONE and not state.raw.exists():
        return None, ""  # the usual case: import nothing
    from hub.history.archive import RawArchive, RootKey, keys
    from hub.history.archive.folder import Folder
    from hub.history.archive.recorder import destroy
    from hub.history.archive.table import RawSeriesTable

    folder, memory, left = Folder(state.raw), RawSeriesTable(base.store), ""
    others = [where for where in keys.existing_keys(state.keys) if where != options.raw_on_disk]
    if others or options.raw_on_disk == NONE:
        try:
            for where in others:
                await asyncio.to_thread(keys.destroy, where, state.keys)
            await destroy(folder, memory)
            if options.raw_on_disk == NONE:
                await asyncio.to_thread(state.raw.rmdir)
            _log.warning(
                phrase(
                    "raw-history-destroyed",
                    "raw history on disk was destroyed: history.raw_on_disk is {days} now",
                    days=options.raw_on_disk,
                )
            )
        except (DiskRefuses, StorageError, OSError) as error:
            left = phrase(
                "raw-history-not-destroyed",
                "raw history that is no longer wanted could not be destroyed; the next start tries again: {reason}",
                reason=reason_of(error),
            )
            _log.error(left)
    if options.raw_on_disk == NONE:
        return None, left
    impersonal = NonPersonalFilter(path, base.clock)
    raw = RawArchive(
        folder,
        memory,
        history,
        base.clock,
        root=RootKey(lambda: keys.root_key(options.raw_on_disk, state.keys), options.raw_on_disk),
        wanted=lambda place, key: options.raw_personal or impersonal(place, key),
        drain=observer.finish,
        limits=DiskLimits(options.raw_days.total_seconds(), options.raw_max_size),
    )
    return raw, left


class NonPersonalFilter:
    """Tells whether readings of a metric at a place are not personal; None while the metric is unknown. Declarations of
    devices are read at most once a minute, and when a metric is new."""

    def __init__(self, path: ReadingPath, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._declared: dict[str, list[Metric]] = {}
        self._looked: float | None = None

    def __call__(self, place: str, key: str) -> bool | None:
        own = self._path.metrics.get(key)
        now = self._clock.monotonic()
        new = own is None and key not in self._declared
        if self._looked is None or new or now - self._looked >= LOOK_S:
            self._look(now)
        known = [*self._declared.get(key, ()), *([own] if own is not None else [])]
        if not known:
            return None
        where = self._path.places.get(place)
        home = self._path.privacy.dwelling(where.zone if where else "")
        return all(privacy_of(metric, dwelling=home) != PERSONAL for metric in known)

    def _look(self, now: float) -> None:
        self._looked, self._declared = now, {}
        for one in self._path.planner.declared.values():
            for key, metric in one.metrics.items():
                known = self._declared.setdefault(key, [])
                if metric not in known:
                    known.append(metric)
