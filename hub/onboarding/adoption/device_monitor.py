"""Monitor of valid reports: a device is green from its first one on, which is stored.

A first report counts under the device's present key: with another key it has to be heard again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DecodeError, StorageError
from hub.core.model import Device, Report
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.devices.packs import Packs
from hub.devices.registry import Devices, key_fingerprint
from hub.history.latest import LatestValues
from hub.i18n.catalogues import translate
from hub.onboarding.adoption import tables
from hub.onboarding.adoption.device_status import GREEN, REFUSED, TROUBLE, UNREAD, Evidence, device_status
from hub.pipeline.admission.quarantine import REFUSALS
from hub.plugin_host.supervisor import HEALTHY_S, QUARANTINED, RUNNING, STOPPED, WAITING, Health

LOOK_S = 5.0
PERIODS, SHORTEST_S = 4, 1800.0
"""A device is silent after this many of its pack's periods, but not before this many seconds."""
EXPECTED_S = 3600.0
"""Seconds of silence allowed to a new device of unknown period."""
SILENT_S = 86_400.0
"""The same, once it was heard."""
JOIN = "-join"
"""End of a proof's scheme for a join, which carries no reading."""

_log = logging.getLogger("hub")


@dataclass(slots=True)
class _DeviceWatch:
    """State of one device under one key. `base`: its counters at the last valid report; `since`: monotonic seconds of
    that report, or of the beginning; `joined`: monotonic seconds of a join that no report followed; `unread`: nothing
    decoded its last report, `unreads`: how many there were."""

    mark: bytes
    base: dict[str, int]
    since: float
    unreads: int
    first: float | None = None
    report: Report | None = None
    joined: float | None = None
    spoke: bool = False
    unread: bool = False


class DeviceSigns(NamedTuple):
    """Where the monitor sees how devices do: their latest reports, the counters of what was refused, the health of the
    hub's plugins, whether a device is on duty, and of whom the last poll gave nothing (device → "silent" or
    "unread")."""

    live: LatestValues
    counts: Counts
    health: Sequence[Health]
    on_duty: Callable[[Device], bool] = lambda device: True
    polls_failed: Mapping[str, str] = {}


class DeviceMonitor:
    """Monitor of all devices. `heard` is the stored state."""

    def __init__(
        self,
        *,
        devices: Devices,
        signs: DeviceSigns,
        packs: Packs,
        store: Store,
        clock: Clock,
        heard: Mapping[str, tuple[bytes, float]],
    ) -> None:
        self._devices = devices
        self._live, self._counts, self._health, self._on_duty, self._polls_failed = signs
        self._packs, self._store, self._clock = packs, store, clock
        self._heard = dict(heard)
        self._fresh: tables.FirstHeard = {}
        self._watched: dict[str, _DeviceWatch] = {}
        self._periods: dict[str, float | None] = {}
        self._logged = ""

    async def run(self) -> None:
        """Check every device periodically; store first reports."""
        while True:
            for device in self._devices:
                self._look(device)
                await self._period(device.pack)
            for gone in self._watched.keys() - {device.id for device in self._devices}:
                self.forget(gone)
            await self.flush()
            await self._clock.sleep(LOOK_S)

    async def flush(self) -> None:
        """Store first reports. A write that the disk refuses is tried again."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        try:
            await tables.store_first_heard(self._store, fresh)
            self._logged = ""
        except StorageError as error:
            self._fresh = fresh | self._fresh
            if not self._logged:
                _log.error(
                    phrase(
                        "heard-devices-not-stored",
                        "which devices were heard cannot be written down: {reason}",
                        reason=reason_of(error),
                    )
                )
            self._logged = str(error)

    def expect(self, device: str) -> None:
        """Start watching a newly admitted device: its earlier counters are ignored."""
        known = self._devices.get(device)
        if known is not None:
            self._look(known)

    def forget(self, device: str) -> None:
        """Stop watching a device."""
        for where in (self._watched, self._heard, self._fresh):
            where.pop(device, None)

    def status_of(self, device: str) -> dict[str, Any]:
        """Return {state, why, en, fr, first_heard}, the status of a device; `first_heard` in Unix seconds, None while
        it is not green or its first report has no date."""
        known = self._devices.get(device)
        if known is None:
            return {}
        watch = self._look(known)
        status_of = device_status(self._evidence(known, watch, self._counted(device)))
        return {
            "state": status_of.state, "why": status_of.why, "en": str(status_of.said),
            "fr": str(translate(status_of.said, "fr")), "first_heard": watch.first or None,
        }  # fmt: skip

    def period(self, device: Device) -> float | None:
        """Return the seconds between two reports, as its pack states; None where unknown."""
        return self._periods.get(device.pack)

    def summary(self) -> dict[str, Any]:
        """Return how many devices there are, how many of them report, and which ones are in trouble."""
        counted = self._counts.by_subject()
        states = [
            device_status(self._evidence(device, self._look(device), counted.get(device.id, {}))).state
            for device in self._devices
        ]
        trouble = [device.id for device, state in zip(self._devices, states, strict=True) if state == TROUBLE]
        return {"devices": len(states), "green": states.count(GREEN), "trouble": trouble}

    def _look(self, device: Device) -> _DeviceWatch:
        """Update the device's watch with its newest report."""
        mark, watch = key_fingerprint(device.key), self._watched.get(device.id)
        report = self._live.last_report(device.id)
        if watch is None or watch.mark != mark:
            known, at = self._heard.get(device.id, (b"", 0.0))
            watch = self._watched[device.id] = _DeviceWatch(
                mark,
                self._counted(device.id),
                self._clock.monotonic(),
                self._unreads(device.id),
                first=at if known == mark else None,
                spoke=known == mark,
                report=report if watch is not None else None,  # a report under another key does not count
            )
        if report is None or report is watch.report:
            return watch
        watch.report = report
        if report.proof is not None and report.proof.scheme.endswith(JOIN):
            watch.joined = watch.joined or self._clock.monotonic()
            return watch
        watch.base, watch.since, watch.joined = self._counted(device.id), self._clock.monotonic(), None
        unreads = self._unreads(device.id)
        watch.unread, watch.unreads = unreads > watch.unreads, unreads
        if not watch.spoke:
            watch.spoke, watch.first = True, self._clock.now() if self._clock.sure() else 0.0
            self._heard[device.id] = self._fresh[device.id] = (mark, watch.first)
        return watch

    def _evidence(self, device: Device, watch: _DeviceWatch, counted: Mapping[str, int]) -> Evidence:
        now = self._clock.monotonic()
        period = self._periods.get(device.pack)
        silence = SILENT_S if watch.spoke else EXPECTED_S
        resting = watch.spoke and not self._on_duty(device)
        if resting:
            watch.since = now  # at the beginning of its duty hours it gets its full time
        return Evidence(
            plugin=self._plugin(device.integration),
            refused=_refused(counted, watch),
            unread=watch.unread,
            spoke=watch.spoke,
            silent_s=now - watch.since,
            joined_s=None if watch.joined is None else now - watch.joined,
            patience_s=max(PERIODS * period, SHORTEST_S) if period else silence,
            resting=resting,
            polled=self._polls_failed.get(device.id, ""),
        )

    def _counted(self, device: str) -> dict[str, int]:
        found = ((reason, self._counts.of(reason, device)) for reason in REFUSED)
        return {reason: count for reason, count in found if count}

    def _unreads(self, device: str) -> int:
        return sum(self._counts.of(reason, device) for reason in UNREAD)

    def _plugin(self, name: str) -> str:
        health = next((one for one in self._health if one.name == name), None)
        if health is None:
            return phrase(
                "integration-not-running",
                "no integration {name!r} runs; it is disabled, or the configuration does not have it",
                name=name,
            )
        away = health.state in (STOPPED, QUARANTINED) or (health.error and self._tries(health))
        return phrase("integration-away", "{name}: {reason}", name=name, reason=health.error) if away else ""

    def _tries(self, health: Health) -> bool:
        """Return whether an integration that failed waits to try again, or has just begun to: until it got through, an
        attempt says nothing of its devices."""
        began = self._clock.now() - health.since
        return health.state == WAITING or (health.state == RUNNING and not health.through and 0 <= began < HEALTHY_S)

    async def _period(self, pack: str) -> None:
        if not pack or pack in self._periods:
            return
        try:
            keys = (await self._packs.get(pack)).keys
            self._periods[pack] = keys.period.total_seconds() if keys.period else None
        except DecodeError:
            self._periods[pack] = None


def _refused(counted: Mapping[str, int], watch: _DeviceWatch) -> str:
    """Return why frames were refused since the last valid one. One forged frame must not make a reporting device look
    bad; for one that was never heard, it is the only evidence."""
    for reason in REFUSED if counted else ():
        refusal, count = REFUSALS.get(reason), counted.get(reason, 0)
        if count and count - watch.base.get(reason, 0) >= (refusal.after if refusal and watch.spoke else 1):
            return reason
    return ""
