"""What the hub remembers of readings: raw history in RAM, hours and months on disk, and what is made of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

from hub.app.field import Field
from hub.app.ground import Ground
from hub.app.outward import Outward
from hub.app.path import Path
from hub.app.service import Service
from hub.app.watch import Watch
from hub.config.load import Loaded
from hub.errors import StorageError
from hub.history import History
from hub.observing import Observer
from hub.patience import once_the_disk_works
from hub.recalling import Recalling
from hub.rollup import Calendar
from hub.rollup.keeping import Rollups
from hub.rollup.memory import SCHEMA, Memory
from hub.store import Store

_log = logging.getLogger("hub.rollup")


@dataclass
class Measured:
    hours: Store
    rollups: Rollups
    recalling: Recalling

    @property
    def services(self) -> list[Service]:
        return [Service(self.recalling, "history")]


async def build_measured(ground: Ground, path: Path, field: Field, watch: Watch, outward: Outward) -> Measured:
    clock, loaded = ground.clock, ground.loaded
    options = loaded.config.history
    hours, lost = await _hours(ground)
    rollups = Rollups(
        Memory(hours, ground.store), History(options.memory), clock=clock,
        life=outward.link.delivery.stating.generation, place=path.places.get, calendar=_calendars(loaded),
        period=_periods(path, watch), keep_s=options.hours.total_seconds(), most=options.max_size,
    )  # fmt: skip
    await once_the_disk_works(rollups.load, clock.sleep)
    observer = Observer(rollups, clock)
    path.pipeline.observed = observer.see

    def erased(place: str) -> None:
        for device in path.devices:
            if device.place == place:
                path.pipeline.recompile(device.id)

    recalling = Recalling(rollups, observer, clock, path.devices.get, erased, lost)
    return Measured(hours, rollups, recalling)


async def _hours(ground: Ground) -> tuple[Store, str]:
    """The file of hours, and what to say where a damaged one was put aside: a hub without its past still measures."""
    path, key, clock = ground.state.path / "rollups.db", ground.keys.store_key, ground.clock
    try:
        return await once_the_disk_works(lambda: Store.open(path, key, SCHEMA), clock.sleep), ""
    except StorageError as error:
        aside = FilePath(f"{path}.damaged")
        path.replace(aside)
        _log.error("%s; it was put aside as %s and hourly aggregates start anew", error, aside.name)
        said = f"hourly aggregates started anew: their file was damaged and lies beside as {aside.name}"
        return await once_the_disk_works(lambda: Store.open(path, key, SCHEMA), clock.sleep), said


def _calendars(loaded: Loaded) -> Callable[[str], Calendar]:
    """The calendar of a site; of a place that is in none, the one of Paris."""
    made: dict[str, Calendar] = {}

    def of(site: str) -> Calendar:
        name = loaded.config.sites[site].timezone if site in loaded.config.sites else "Europe/Paris"
        return made.setdefault(name, Calendar(name))

    return of


def _periods(path: Path, watch: Watch) -> Callable[[str], float | None]:
    """How often a device is expected to speak: as its pack says."""

    def of(name: str) -> float | None:
        device = path.devices.get(name)
        return watch.watching.period(device) if device is not None else None

    return of
