"""What may be asked more often, and what that costs. Shapes only, pure."""

from __future__ import annotations

from math import inf

import msgspec

from hub.operations.crisis.sampling.reasons import Reason

POLL, DOWNLINK = "poll", "downlink"
DAY_S, HOUR_S = 86_400.0, 3_600.0


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent. `battery_days`: days that a battery must have left when the raised time is over;
    `battery_days_raised`: days that it would last if nobody ever told the device to slow down again. `duty`: share of
    the legal airtime of a sub-band that one device may use; `channel`: share of the time that one LoRaWAN channel is
    taken, by all devices; `line`: share of the time that a polled line is busy. `meter_reads`: readings a day of a
    wired M-Bus meter that may live of a battery. `unknown_battery`: raise devices of whose battery nothing is known."""

    battery_days: float = 90.0
    battery_days_raised: float = 14.0
    duty: float = 0.5
    channel: float = 0.05
    line: float = 0.5
    meter_reads: int = 24
    unknown_battery: bool = False


class SamplingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`period_s`: how often everything chosen should speak; for `duration_s` seconds. `devices`, `zones` and
    `integrations` choose; all three empty: everything."""

    period_s: float
    duration_s: float
    devices: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    integrations: tuple[str, ...] = ()


class Band(msgspec.Struct, frozen=True):
    """A part of a device's channels lies in a sub-band, in which it may be on the air `of_s` seconds an hour."""

    name: str
    part: float
    of_s: float


class Air(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` on the air for each uplink at its present data rate, repetitions included; over `channels` channels.
    `down_s`: seconds on the air of the downlink that sets the period, in the sub-band `down_band`."""

    seconds: float
    bands: tuple[Band, ...]
    channels: int
    down_s: float = 0.0
    down_band: str = ""

    @property
    def share_each(self) -> float:
        """The share of an hour's legal airtime that one uplink uses, in the sub-band where that is most."""
        return max((self.seconds * band.part / band.of_s for band in self.bands), default=inf)

    @property
    def tightest(self) -> Band:
        return max(self.bands, key=lambda band: band.part / band.of_s)


class Downlink(msgspec.Struct, frozen=True):
    """Sets the period: the name of it and of its field, seconds of one unit of that, and its bounds in seconds."""

    name: str
    field: str
    unit_s: float
    low_s: float
    high_s: float


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is raised as a whole: a device with a downlink of its own, or a loop that asks one device or
    several. `was_s`: today's period. `why_not`: it cannot be raised. `battery`: days that its battery lasts at today's
    period, None where that is not known; `powered`: it has none. `meter`: it may be a wired meter with a battery.
    `least_s`: it is never asked more often. `line`: on which line it is asked, "" for none; `turn_s`: how long that
    line is busy each time; `requests`: how many requests that are."""

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
    """A gateway that can be told something: what is left and what an hour grants, in seconds, by sub-band."""

    name: str
    left_s: dict[str, float]
    of_s: dict[str, float]
