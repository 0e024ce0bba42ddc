"""Link quality and airtime of devices, from their last uplinks, as shown by `ilot radio`. Pure."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.lorawan.airspace import HOUR, Airspace
from integrations.lorawan.airtime import airtime
from integrations.lorawan.device import Radio
from integrations.lorawan.parts import Uplink
from integrations.lorawan.region import BANDS, RATES, band, rx1_rate

LAST = 50
"""Number of uplinks that link quality is computed from."""
LATELY = 10
"""Number of uplinks that period and airtime are computed from."""
COMMAND = 16
"""Maximum bytes of a downlink that changes a setting."""
OVERHEAD = 13
"""Bytes of a PHYPayload around its FRMPayload: MHDR, DevAddr, FCtrl, FCnt, FPort, MIC (TS001-1.0.4, chapter 4)."""


class Heard(NamedTuple):
    """An uplink. `counter` rises over all sessions; `at` monotonic seconds; `margin` in dB above the SNR that the data
    rate needs."""

    counter: int
    at: float
    rate: int
    margin: float
    size: int = 0  # bytes of the PHYPayload


@dataclass(slots=True)
class Link:
    """Link of one device. `join`: "none", "offered" or "joined"; `joined_at`: Unix seconds, where it joined in this
    process while the clock was trusted; `radio`: its present settings."""

    join: str = "none"
    joined_at: float | None = None
    heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=LAST))
    radio: Radio = field(default_factory=Radio)

    def take(self, uplink: Uplink) -> None:
        """Add an uplink; repetitions are ignored."""
        best = uplink.best
        if not uplink.again and (not self.heard or uplink.counter > self.heard[-1].counter):
            margin = best.snr - RATES[best.rate].snr
            self.heard.append(Heard(uplink.counter, best.at, best.rate, margin, len(best.raw)))

    def lost(self) -> int:
        """Count the uplinks that no gateway heard, by the gaps of the counters within each session."""
        pairs = list(zip(self.heard, list(self.heard)[1:], strict=False))
        return sum(b.counter - a.counter - 1 for a, b in pairs if a.counter >> 32 == b.counter >> 32)

    def period(self) -> float | None:
        """Return the seconds between two uplinks: the median interval, lost uplinks included. Only the last uplinks
        count, so that a changed period shows soon."""
        lately = list(self.heard)[-LATELY:]
        steps = sorted(
            (b.at - a.at) / (b.counter - a.counter)
            for a, b in itertools.pairwise(lately)
            if a.counter >> 32 == b.counter >> 32
        )
        return steps[len(steps) // 2] if len(steps) >= 3 else None

    def facts(self) -> dict[str, Any]:
        """Return the link facts, as described in `hub.rpc.radio`."""
        margins = sorted(heard.margin for heard in self.heard)
        rates = Counter(RATES[heard.rate].name.partition("BW")[0] for heard in self.heard)
        return {
            "join": self.join, "joined_at": self.joined_at, "heard": len(margins), "lost": self.lost(),
            "margin_db": round(margins[len(margins) // 2], 1) if margins else None,
            "margin_low_db": round(margins[len(margins) // 10], 1) if margins else None,
            "rates": dict(sorted(rates.items())), "period_s": self.period(), "air": self.air(),
        }  # fmt: skip

    def air(self) -> dict[str, Any]:
        """Return the seconds on the air, as described in `hub.rpc.radio`: of the longest of the last uplinks at the
        present data rate. Empty before the first one."""
        lately = [heard for heard in list(self.heard)[-LATELY:] if heard.rate == self.heard[-1].rate]
        if not lately:
            return {}
        rate, channels = lately[-1].rate, Counter(band(frequency) for frequency in self.radio.channels.values())
        channels.pop(None, None)
        count = sum(channels.values()) or 1
        seconds = airtime(RATES[rate], max(heard.size for heard in lately), uplink=True) * self.radio.nb_trans
        down = RATES[rx1_rate(rate, self.radio.rx1_offset)]
        most = max(channels, key=lambda one: channels[one], default=None)
        return {
            "uplink_s": round(seconds, 4), "channels": count, "down": most.name if most else "",
            "down_s": round(airtime(down, OVERHEAD + COMMAND, uplink=False), 4),
            "bands": {
                one.name: {"part": channels[one] / count, "of_s": one.duty * HOUR} for one in channels if one
            },
        }  # fmt: skip


def gateway_facts(airspace: Airspace, now: float, last_heard: float | None, *, silent: bool) -> dict[str, Any]:
    """Return the facts of a gateway, as described in `hub.rpc.radio`. `last_heard` is Unix seconds."""
    left = airspace.left(now)
    duty = {band.name: {"left_s": round(max(0.0, left[band.name]), 2), "of_s": band.duty * HOUR} for band in BANDS}
    return {"last_heard": last_heard, "silent": silent, "duty": duty}
