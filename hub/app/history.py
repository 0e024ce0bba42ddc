"""What the hub remembers of readings: raw history in RAM and, where declared, on disk, hours and months on disk, and
what is made of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from hub.app.archive import build_raw
from hub.app.automation import Watch
from hub.app.backend_link import Outward
from hub.app.base_services import BaseServices
from hub.app.reading_path import Path
from hub.app.service import Service
from hub.config.parts.rules import series_of
from hub.core.calls import Call
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import StorageError
from hub.core.store import Store
from hub.energy.day_types import almanac_of
from hub.energy.drift_watch import DriftWatch
from hub.energy.figures import Survey
from hub.energy.reports import Reports
from hub.energy.service import Energy
from hub.history.memory import History
from hub.history.recorder import Observer
from hub.history.rollups import Calendar
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.tables import SCHEMA, Memory
from hub.rpc.history import Recalling

if TYPE_CHECKING:
    from hub.history.archive import RawDisk

_log = logging.getLogger("hub.rollup")


@dataclass
class Measured:
    hours: Store
    rollups: Rollups
    observer: Observer
    recalling: Recalling
    energy: Energy
    raw: RawDisk | None = None
    calls: Callable[[], Mapping[str, Call]] = dict
    """All of the hub's, for reports; the hub sets it once it is whole."""

    @property
    def services(self) -> list[Service]:
        raw = [Service(self.raw, "raw-history")] if self.raw is not None else []
        return [Service(self.recalling, "history"), Service(self.energy, "energy"), *raw]


async def build_measured(ground: BaseServices, path: Path, watch: Watch, outward: Outward) -> Measured:
    clock, loaded = ground.clock, ground.loaded
    options = loaded.config.history
    hours, lost = await _hours(ground)
    history = History(options.memory)
    rollups = Rollups(
        Memory(hours, ground.store),
        history,
        clock=clock,
        life=outward.link.delivery.stating.generation,
        place=path.places.get,
        calendar=calendars(ground),
        period=_periods(path, watch),
        keep_s=options.hours.total_seconds(),
        most=options.max_size,
    )
    await once_the_disk_works(rollups.load, clock.sleep)
    observer = Observer(rollups, clock)
    path.pipeline.observed, path.pipeline.outrun = observer.see, observer.hold

    def erased(place: str) -> None:
        for device in path.devices:
            if device.place == place:
                path.pipeline.recompile(device.id)

    raw, left = await build_raw(ground, path, history, observer)
    if raw is not None:
        rollups.erasing = raw.erase
    said = [one for one in (lost, left) if one]
    recalling = Recalling(rollups, observer, clock, path.devices.get, erased, said, raw)
    energy = _energy(ground, path, watch, rollups, observer, lambda: measured.calls())  # noqa: PLW0108 - it is made on the next line
    measured = Measured(hours, rollups, observer, recalling, energy, raw)
    return measured


def _energy(
    ground: BaseServices,
    path: Path,
    watch: Watch,
    rollups: Rollups,
    observer: Observer,
    calls: Callable[[], Mapping[str, Call]],
) -> Energy:
    config, clock = ground.loaded.config, ground.clock
    survey = Survey(
        rollups,
        places=lambda: path.places,
        now=clock.now,
        base=config.energy.base,
        zones={name: (zone.name, zone.site, zone.use) for name, zone in config.zones.items()},
        outdoor=series_of(config.energy.outdoor) if config.energy.outdoor else None,
        trust=lambda device: _trust(path, device),
        almanac=lambda schedule: almanac_of(ground.loaded.config, schedule),
    )
    drift = DriftWatch(survey, ground.store, watch.watching.book)

    async def call(name: str, arguments: dict[str, Any]) -> Any:
        return await calls()[name](arguments)

    reports = Reports(
        survey,
        drift,
        hub=ground.enrolled.hub,
        title=config.hub.name,
        call=call,
        titles={name: site.name for name, site in config.sites.items()},
        operators={
            name: (one.name, frozenset(one.meters), frozenset(one.zones))
            for name, one in config.energy.operators.items()
        },
        writable=lambda: [
            {"device": device.id, "metric": metric, "low": limits.low, "high": limits.high, "role": limits.role}
            for device in path.devices
            for metric, limits in device.writable.items()
        ],
    )
    return Energy(
        survey,
        drift,
        reports,
        clock=clock,
        key=ground.keys.identity,
        drain=observer.drain,
        timezone=config.timezone,
    )


def _trust(path: Path, device: str) -> str:
    """The class of the path by which it spoke last, "" where it has not in this life."""
    return next((value.trust for value in path.live.values() if value.device == device), "")


async def _hours(ground: BaseServices) -> tuple[Store, str]:
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


def calendars(ground: BaseServices) -> Callable[[str], Calendar]:
    """The calendar of a site; of a place that is in none, and of "", the hub's own."""
    made: dict[str, Calendar] = {}

    def of(site: str) -> Calendar:
        name = ground.loaded.config.timezone_of(site)
        return made.setdefault(name, Calendar(name))

    return of


def _periods(path: Path, watch: Watch) -> Callable[[str], float | None]:
    """Seconds for which one reading of a device stands: as its pack says how often it speaks."""

    def of(name: str) -> float | None:
        device = path.devices.get(name)
        return watch.watching.covers(device.id, watch.watching.usual(device)) if device is not None else None

    return of
