"""Items that can be sampled more often, their cost, and budgets. Data classes only, pure."""

from __future__ import annotations

from math import inf

import msgspec

from hub.operations.crisis.sampling.reasons import Reason

POLL, DOWNLINK = "poll", "downlink"
DAY_S, HOUR_S = 86_400.0, 3_600.0


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a plan. `battery_days`: days that a battery must have left at the end of the raised time;
    `battery_days_raised`: days that it would last if no command ever slowed the device down again. `duty`: share of the
    legal airtime of a sub-band that one device may use; `channel`: share of the time that one LoRaWAN channel is
    occupied, by all devices; `line`: share of the time that a polled line is busy. `meter_reads`: readings a day of a
    wired M-Bus meter that may run on a battery. `unknown_battery`: raise devices of unknown battery."""

    battery_days: float = 90.0
    battery_days_raised: float = 14.0
    duty: float = 0.5
    channel: float = 0.05
    line: float = 0.5
    meter_reads: int = 24
    unknown_battery: bool = False


class SamplingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Request to raise the sampling: a report each `period_s` seconds, for `duration_s` seconds. `devices`, `zones` and
    `integrations` select; all three empty: everything."""

    period_s: float
    duration_s: float
    devices: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    integrations: tuple[str, ...] = ()


class Band(msgspec.Struct, frozen=True):
    """Sub-band with a `part` of a device's channels, in which it may transmit `of_s` seconds an hour."""

    name: str
    part: float
    of_s: float


class Air(msgspec.Struct, frozen=True, kw_only=True):
    """Airtime of a device: `seconds` for each uplink at its present data rate, repetitions included, over `channels`
    channels. `down_s`: seconds of the downlink that sets the period, in the sub-band `down_band`."""

    seconds: float
    bands: tuple[Band, ...]
    channels: int
    down_s: float = 0.0
    down_band: str = ""

    @property
    def share_each(self) -> float:
        """Return the share of an hour's legal airtime that one uplink uses, in the sub-band where that is most."""
        return max((self.seconds * band.part / band.of_s for band in self.bands), default=inf)

    @property
    def tightest(self) -> Band:
        return max(self.bands, key=lambda band: band.part / band.of_s)


class Downlink(msgspec.Struct, frozen=True):
    """Downlink that sets the period: its name and that of its field, seconds of one unit of the field, and its bounds
    in seconds."""

    name: str
    field: str
    unit_s: float
    low_s: float
    high_s: float


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of raising: a device with a downlink of its own, or a loop that polls one device or several. `was_s`:
    today's period. `why_not`: it cannot be raised. `battery`: days that its battery lasts at today's period, None where
    unknown; `powered`: it has none. `meter`: it may be a wired meter with a battery. `least_s`: minimum period. `line`:
    the line on which it is polled, "" for none; `turn_s`: seconds that one cycle occupies the line; `requests`:
    requests of one cycle."""

    name: str
    devices: tuple[str, ...]
    integration: str
    how: str = POLL
    was_s: float | None = None
    chosen: bool = True
    why_not: Reason | None = None
    powered: bool = True
    battery: float | None = None
    meter: bool = False
    least_s: float = 0.0
    air: Air | None = None
    downlink: Downlink | None = None
    line: str = ""
    turn_s: float = 0.0
    requests: int = 1


class Gateway(msgspec.Struct, frozen=True):
    """Gateway that can send downlinks: remaining airtime and that of an hour, in seconds, by sub-band."""

    name: str
    left_s: dict[str, float]
    of_s: dict[str, float]
