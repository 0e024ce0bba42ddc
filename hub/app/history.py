"""Builds history: raw history in memory and, if declared, on disk, and energy on top of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.app.archive import build_raw_archive
from hub.app.automation import AutomationServices
from hub.app.base_services import BaseServices
from hub.app.reading_path import ReadingPath
from hub.app.service import Service
from hub.config.parts.rules import series_of
from hub.core.calls import Call
from hub.core.store import Store
from hub.energy.day_types import almanac_of
from hub.energy.drift_watch import DriftWatch
from hub.energy.figures import Survey
from hub.energy.reports import Reports
from hub.energy.service import Energy
from hub.history.recorder import HistoryRecorder
from hub.history.rollups.recorder import Rollups
from hub.rpc.history import HistoryCalls
from hub.rpc.rule_replay import Building, RuleReplay

if TYPE_CHECKING:
    from hub.history.archive import RawArchive

_log = logging.getLogger("hub.rollup")


@dataclass
class HistoryServices:
    hours: Store
    rollups: Rollups
    observer: HistoryRecorder
    recalling: HistoryCalls
    energy: Energy
    replaying: RuleReplay
    raw: RawArchive | None = None
    calls: Callable[[], Mapping[str, Call]] = dict
    """All calls of the hub, for reports; assigned by the hub once it is complete."""

    @property
    def services(self) -> list[Service]:
        raw = [Service(self.raw, "raw-history")] if self.raw is not None else []
        return [
            Service(self.recalling, "history"), Service(self.energy, "energy"), Service(self.replaying), *raw,
        ]  # fmt: skip


async def build_history(base: BaseServices, path: ReadingPath, automation: AutomationServices) -> HistoryServices:
    clock, recording = base.clock, path.recording
    rollups, observer = recording.rollups, recording.observer

    def erased(place: str) -> None:
        for device in path.devices:
            if device.place == place:
                path.pipeline.recompile(device.id)

    raw, left = await build_raw_archive(base, path, recording.history, observer)
    if raw is not None:
        rollups.erasing = raw.erase
    said = [one for one in (recording.lost, left) if one]
    recalling = HistoryCalls(rollups, observer, clock, path.devices.get, erased, said, raw)
    energy = _energy(base, path, automation, rollups, observer, lambda: history_services.calls())  # noqa: PLW0108 - it is made on the next line
    replaying = _replaying(base, path, automation, rollups, recalling)
    history_services = HistoryServices(recording.hours, rollups, observer, recalling, energy, replaying, raw)
    return history_services


def _energy(
    base: BaseServices,
    path: ReadingPath,
    automation: AutomationServices,
    rollups: Rollups,
    observer: HistoryRecorder,
    calls: Callable[[], Mapping[str, Call]],
) -> Energy:
    config, clock = base.loaded.config, base.clock
    survey = Survey(
        rollups,
        places=lambda: path.places,
        now=clock.now,
        base=config.energy.base,
        zones={name: (zone.name, zone.site, zone.use) for name, zone in config.zones.items()},
        outdoor=series_of(config.energy.outdoor) if config.energy.outdoor else None,
        trust=lambda device: _trust(path, device),
        almanac=lambda schedule: almanac_of(base.loaded.config, schedule),
    )
    drift = DriftWatch(survey, base.store, automation.alert_engine.book)

    async def call(name: str, arguments: dict[str, Any]) -> Any:
        return await calls()[name](arguments)

    reports = Reports(
        survey,
        drift,
        hub=base.enrolled.hub,
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
        key=base.keys.identity,
        drain=observer.drain,
        timezone=config.timezone,
    )


def _replaying(
    base: BaseServices, path: ReadingPath, automation: AutomationServices, rollups: Rollups, recalling: HistoryCalls
) -> RuleReplay:
    building = Building(
        core=lambda: base.loaded.config,
        surroundings=automation.surroundings(base, path),
        on_duty=automation.presence.of,
        timed=lambda: bool(automation.presence.programmes),
        places=lambda: path.places,
        metric=path.planner.metric,
        metrics_of=lambda device: (value.metric for value in path.live.of(device)),
        series=lambda: rollups.series,
        ask_periods=automation.alert_engine.ask_periods,
    )
    return RuleReplay(building, recalling.calls(), base.clock)


def _trust(path: ReadingPath, device: str) -> str:
    """Return the trust class of a device's last report, "" if it has not reported since the start."""
    return next((value.trust for value in path.live.values() if value.device == device), "")
