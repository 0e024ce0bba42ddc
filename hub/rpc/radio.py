"""Radio state: for each device its link, its period and its battery, for each gateway its reception and airtime.

Integrations publish facts that only they know (`Session.publish_facts`); these names are used here, each of them
optional:

    of a device     join ("none", "offered", "joined"), joined_at (Unix seconds), heard and lost (uplinks, of the last
                    ones), margin_db and margin_low_db (median, and the value that nine of ten uplinks exceed), rates
                    ({"SF7": 12}), period_s (as observed), air ({"uplink_s", "bands": {band: {"part", "of_s"}},
                    "channels", "down_s", "down"}: seconds on the air of an uplink with all its repetitions, the share
                    of its channels in sub-bands of so many seconds an hour, seconds of a downlink of 16 bytes in the
                    sub-band of its first window), latency_ms, requests (of a polled device, each time)
    of a gateway    the subject "gateway:EUI"; last_heard (Unix seconds), silent, duty ({band: {"left_s", "of_s"}}),
                    displaced (connections that came while another one of it was open)

The verdicts are for people: whether the margin is enough, or the device or the gateway should be moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from hub.core.clock import Clock
from hub.core.errors import DecodeError
from hub.core.model import Device
from hub.core.text import phrase
from hub.devices.packs.service import Packs, facts_of
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.i18n.catalogues import translate
from hub.plugin_host.plugin_facts import PluginFacts

FACTS = frozenset({"join", "heard", "lost", "margin_db", "rates"})
"""A device without any of these facts is no radio device: buses publish their latency in the same way."""
SUFFICIENT_MARGIN_DB = 3.0
"""Margin that nine of ten uplinks should have: rain, a closed door and a parked lorry cost as much."""
LEAST_HEARD = 10
MUCH_LOST = 0.1
"""Share of lost uplinks that means the same as a low margin."""
LATE = 3.0
"""Number of periods without a report that are too many."""

DAY_S = 86_400.0
LOOK_S = 3600.0
BATTERY = "radio/battery/"
MOST_DAYS = 400
SPAN_DAYS, LEAST_POINTS = 14, 10
MIN_T_VALUE = 4.0
"""A trend counts when it is this many times its own standard error."""
FARTHEST_DAYS = 3650.0

WORDS = {
    "enough": phrase("margin-enough", "enough margin"),
    "move": phrase("margin-to-be-moved", "to be moved"),
    "": phrase("margin-not-judged", "not judged yet"),
}


class LocalState(Protocol):
    """The part of `hub.store_and_forward.buffer.Buffer` that is used here."""

    @property
    def local(self) -> dict[str, Any]: ...
    def put_local(self, key: str, value: Any) -> None: ...


class Forecast(NamedTuple):
    """`days` until a battery is empty, `per_day` the % that it loses."""

    days: float
    per_day: float


def verdict(facts: dict[str, Any]) -> str:
    """Return "enough", "move", or "" while there is too little data."""
    heard, lost, low = facts.get("heard", 0), facts.get("lost", 0), facts.get("margin_low_db")
    if heard + lost < LEAST_HEARD or low is None:
        return ""
    return "move" if low < SUFFICIENT_MARGIN_DB or lost / (heard + lost) > MUCH_LOST else "enough"


def forecast(points: Sequence[tuple[float, float]]) -> Forecast | None:
    """Return when a battery is empty, by linear regression over its points (day, %). None where that would be a guess:
    too short a time, no clear fall. After a rise, which means a new battery, only later points count."""
    since = 0
    for index in range(1, len(points)):
        if points[index][1] > points[index - 1][1] + 10:
            since = index
    points = points[since:]
    if len(points) < LEAST_POINTS or points[-1][0] - points[0][0] < SPAN_DAYS:
        return None
    count = len(points)
    middle, level = sum(day for day, _ in points) / count, sum(value for _, value in points) / count
    spread = sum((day - middle) ** 2 for day, _ in points)
    slope = sum((day - middle) * (value - level) for day, value in points) / spread
    left = sum((value - level - slope * (day - middle)) ** 2 for day, value in points)
    error = math.sqrt(left / (count - 2) / spread)
    if slope >= 0 or -slope < MIN_T_VALUE * error:
        return None
    now = level + slope * (points[-1][0] - middle)
    days = max(0.0, now) / -slope
    return Forecast(days, -slope) if days <= FARTHEST_DAYS else None


class Radio:
    """Radio state of one hub. `run` records each battery once a day."""

    def __init__(
        self,
        *,
        told: PluginFacts,
        devices: Devices,
        places: Places,
        live: LatestValues,
        packs: Packs,
        buffer: LocalState,
        clock: Clock,
    ) -> None:
        self._told, self._devices, self._places, self._live = told, devices, places, live
        self._packs, self._buffer, self._clock = packs, buffer, clock
        self.expected: Callable[[str, float | None], float | None] = lambda device, usual: usual
        """(device, its usual period) → the period that is expected now."""

    async def run(self) -> None:
        while True:
            await self._clock.sleep(LOOK_S)
            self.note()

    def note(self) -> None:
        """Record today's battery levels, of devices that reported today. While the clock is not trusted, no day is
        known."""
        now = self._clock.date()
        if now is None:
            return
        for device in self._devices:
            level = self._live.value(device.id, "battery")
            seen = self._live.last_seen(device.id)
            if isinstance(level, bool | str) or level is None or seen is None or now - seen >= DAY_S:
                continue
            key, today = BATTERY + device.id, int(now // DAY_S)
            # drop later days, recorded by a clock that was ahead
            points = [point for point in self._buffer.local.get(key) or () if point[0] <= today]
            if not points or points[-1][0] < today:
                self._buffer.put_local(key, [*points, [today, float(level)]][-MOST_DAYS:])

    def calls(self) -> dict[str, Any]:
        return {"radio": self.call}

    def battery_days(self, device: str) -> float | None:
        """Return in how many days its battery is empty; None where that would be a guess."""
        coming = forecast([(day, level) for day, level in self._buffer.local.get(BATTERY + device) or ()])
        return coming.days if coming else None

    async def call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer `radio` with {"devices": those with published facts, "gateways"}."""
        devices, gateways = [], []
        for integration, subject, facts in self._told:
            device = self._devices.get(subject)
            if device is not None and device.integration == integration and not FACTS.isdisjoint(facts):
                devices.append(await self._device(device, facts))
            elif subject.startswith("gateway:"):
                gateways.append(self._gateway(integration, subject, facts))
        return {
            "devices": sorted(devices, key=lambda one: one["id"]),
            "gateways": sorted(gateways, key=lambda one: one["id"]),
        }

    async def _device(self, device: Device, facts: dict[str, Any]) -> dict[str, Any]:
        said, now = verdict(facts), self._clock.now()
        heard, lost = facts.get("heard", 0), facts.get("lost", 0)
        period = self.expected(device.id, await self._period(device) or facts.get("period_s"))
        seen = self._live.last_seen(device.id)
        silent = None if seen is None else now - seen
        place = self._places.get(device.place)
        coming = forecast([(day, level) for day, level in self._buffer.local.get(BATTERY + device.id) or ()])
        return {
            "id": device.id, "place": device.place, "zone": place.zone if place else "",
            "integration": device.integration, "join": facts.get("join", ""), "joined_at": facts.get("joined_at"),
            "heard": heard, "lost": lost, "lost_share": lost / (heard + lost) if heard + lost else None,
            "margin_db": facts.get("margin_db"), "margin_low_db": facts.get("margin_low_db"),
            "margin": said, "fr": str(translate(WORDS[said], "fr")), "en": str(WORDS[said]),
            "rates": facts.get("rates", {}),
            "period_s": period, "last_seen_s": silent,
            "late": bool(period and silent is not None and silent > LATE * period),
            "battery": self._live.value(device.id, "battery"),
            "battery_days": coming.days if coming else None, "battery_per_day": coming.per_day if coming else None,
        }  # fmt: skip

    def _gateway(self, integration: str, subject: str, facts: dict[str, Any]) -> dict[str, Any]:
        heard = facts.get("last_heard")
        return {
            "id": subject.partition(":")[2], "integration": integration,
            "last_heard_s": None if heard is None else self._clock.now() - heard,
            "silent": bool(facts.get("silent")), "duty": facts.get("duty", {}),
            **({"displaced": facts["displaced"]} if "displaced" in facts else {}),
        }  # fmt: skip

    async def _period(self, device: Device) -> float | None:
        try:
            return facts_of(await self._packs.get(device.pack)).period_s if device.pack else None
        except DecodeError:
            return None
