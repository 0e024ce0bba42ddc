"""Availability of devices: the percentage of each day in which a device's last report was recent enough, of the time in
which it should have reported. It also publishes computed values of devices, for rules.

Recent enough is LATE of its periods, as its pack states or an integration observed; a device of unknown period has no
availability. Hours off duty do not count, nor does the time when the hub was off. A day is one of the site's time.
`availability` is published for a day that has lasted for LEAST_S at least, `battery_days` where `hub.rpc.radio` has a
forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from hub.config.pydantic_findings import nearest
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.model import Device, Value
from hub.core.text import phrase

STEP_S = 60.0
TELL_S = 900.0
LATE = 3.0
LEAST_S = 3600.0
DAYS = 31
KEY = "availability/"


class LocalState(Protocol):
    """The part of `hub.store_and_forward.buffer.Buffer` that is used here."""

    @property
    def local(self) -> dict[str, Any]: ...
    def put_local(self, key: str, value: Any) -> None: ...


class Reporting(NamedTuple):
    """What is known of how devices report: the Unix seconds of the last report, the period in seconds (None: unknown),
    whether a device is on duty, and for how many days its battery is forecast to last."""

    seen: Callable[[str], float | None]
    period: Callable[[Device], float | None]
    on_duty: Callable[[Device], bool]
    battery_days: Callable[[str], float | None]


class Availability:
    """Availability of one hub's devices. `tell` is called with the computed values."""

    def __init__(
        self,
        *,
        devices: Callable[[], Iterable[Device]],
        reporting: Reporting,
        tell: Callable[[Device, dict[str, Value]], None],
        local: LocalState,
        clock: Clock,
        zone: ZoneInfo,
    ) -> None:
        self._devices, self._tell = devices, tell
        self._seen, self._period, self._on_duty, self._battery_days = reporting
        self._local, self._clock, self.zone = local, clock, zone
        self._days: dict[
            str, list[list[float]]
        ] = {}  # device → [day, seconds present, seconds expected]; the last is today
        self._looked: float | None = None
        self._told = 0.0

    async def run(self) -> None:
        while True:
            await self._clock.sleep(STEP_S)
            self.step()

    def step(self) -> None:
        """Check all devices. While the clock is not trusted no day is known, and nothing counts."""
        now, moment = self._clock.date(), self._clock.monotonic()
        passed, self._looked = moment - (self._looked if self._looked is not None else moment), moment
        if now is None:
            return
        today = float(datetime.fromtimestamp(now, self.zone).toordinal())
        late = moment - self._told >= TELL_S
        self._told = moment if late else self._told
        for device in self._devices():
            self._count(device, now, today, min(passed, 2 * STEP_S))
            if late:
                self._say(device)

    def _count(self, device: Device, now: float, today: float, passed: float) -> None:
        period = self._period(device)
        if period is None or not self._on_duty(device):
            return
        days = self._of(device.id)
        while days and days[-1][0] > today:
            days.pop()  # the clock was set back, or the time zone changed: that day is in the future
        if not days or days[-1][0] != today:
            days.append([today, 0.0, 0.0])
            del days[:-DAYS]
        seen = self._seen(device.id)
        days[-1][2] += passed
        if seen is not None and now - seen <= max(LATE * period, STEP_S):
            days[-1][1] += passed

    def _say(self, device: Device) -> None:
        values: dict[str, Value] = {}
        days = self._of(device.id)
        if days and days[-1][2] >= LEAST_S:
            values["availability"] = _percent(days[-1])
        battery = self._battery_days(device.id)
        if battery is not None:
            values["battery_days"] = round(battery)
        if values:
            self._tell(device, values)
        if days:
            self._local.put_local(KEY + device.id, [list(day) for day in days])

    def _of(self, device: str) -> list[list[float]]:
        if device not in self._days:
            self._days[device] = [list(day) for day in self._local.local.get(KEY + device) or ()]
        return self._days[device]

    def calls(self) -> dict[str, Any]:
        """availability {device} → {"devices": [{id, days: [{day, percent, hours}], battery_days}]}, the newest day
        first; without `device`, of all devices with data. Raises HubError for an unknown device."""
        return {"availability": self._call}

    async def _call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        wanted = str(arguments.get("device") or "")
        found, known = [], list(self._devices())
        if wanted and wanted not in (names := [device.id for device in known]):
            if near := nearest(wanted, names):
                raise HubError(
                    phrase(
                        "device-not-known-but-another",
                        "no device {device!r} is known (did you mean {near}?); `ilot devices` lists them",
                        device=wanted[:80],
                        near=near,
                    )
                )
            raise HubError(
                phrase(
                    "device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=wanted[:80]
                )
            )
        for device in known:
            days = self._of(device.id)
            if (wanted and device.id != wanted) or not days:
                continue
            shown = [
                {
                    "day": datetime.fromordinal(int(day[0])).date().isoformat(),
                    "percent": _percent(day),
                    "hours": round(day[2] / 3600, 1),
                }
                for day in reversed(days)
                if day[2]
            ]
            found.append({"id": device.id, "days": shown, "battery_days": self._battery_days(device.id)})
        return {"devices": found}


def _percent(day: list[float]) -> float:
    return round(100 * day[1] / day[2], 1) if day[2] else 0.0
