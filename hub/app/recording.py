"""Builds history's recorder and the hourly aggregates, before the path of a report, which writes into them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

from hub.app.base_services import BaseServices
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import StorageError
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.devices.places import Places
from hub.history.disk_limits import DiskLimits
from hub.history.memory import History
from hub.history.recorder import HistoryRecorder
from hub.history.rollups import Calendar
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.tables import SCHEMA, RollupTables

_log = logging.getLogger("hub.rollup")


@dataclass(frozen=True)
class Recording:
    """The recorder and its files. `lost`: an English sentence about a damaged file that was put aside, "" if none
    was."""

    hours: Store
    history: History
    rollups: Rollups
    observer: HistoryRecorder
    lost: str


async def build_recording(base: BaseServices, places: Places, period: Callable[[str], float | None]) -> Recording:
    """Open the file of hours and load it. `period`: seconds for which one reading of a device is valid, None if
    unknown; called when a report arrives, not before."""
    clock, options = base.clock, base.loaded.config.history
    hours, lost = await _hours(base)
    history = History(options.memory)
    rollups = Rollups(
        RollupTables(hours, base.store),
        history,
        clock=clock,
        life=base.generation,
        place=places.get,
        calendar=calendars(base),
        period=period,
        limits=DiskLimits(options.hours.total_seconds(), options.max_size),
    )
    await once_the_disk_works(rollups.load, clock.sleep)
    return Recording(hours, history, rollups, HistoryRecorder(rollups, clock), lost)


async def _hours(base: BaseServices) -> tuple[Store, str]:
    """Open the file of hours; a damaged one is put aside, with a sentence about it, because a hub without its past
    still measures."""
    path, key, clock = base.state.path / "rollups.db", base.keys.store_key, base.clock
    try:
        return await once_the_disk_works(lambda: Store.open(path, key, SCHEMA), clock.sleep), ""
    except StorageError as error:
        aside = FilePath(f"{path}.damaged")
        path.replace(aside)
        _log.error(
            phrase(
                "hourly-store-put-aside",
                "{reason}; it was put aside as {file} and hourly aggregates start anew",
                reason=reason_of(error),
                file=aside.name,
            )
        )
        said = phrase(
            "hourly-aggregates-anew",
            "hourly aggregates started anew: their file was damaged and lies beside as {file}",
            file=aside.name,
        )
        return await once_the_disk_works(lambda: Store.open(path, key, SCHEMA), clock.sleep), said


def calendars(base: BaseServices) -> Callable[[str], Calendar]:
    """Return a function: site → its calendar; the hub's own for "" or an unknown site."""
    made: dict[str, Calendar] = {}

    def of(site: str) -> Calendar:
        name = base.loaded.config.timezone_of(site)
        return made.setdefault(name, Calendar(name))

    return of
