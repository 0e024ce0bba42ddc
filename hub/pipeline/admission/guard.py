"""Checks of each report of an admitted device: rate, receiver, position, and signs of a clone.

A report that comes too often goes no further. A device that looks cloned becomes a suspect: its readings are marked
uncertain, or kept out where the owner wants that, until a person has looked. The suspicion is kept in the buffer's
small state and outlives the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from hub.core.model import Device, Report
from hub.core.security_events import FORK, POSITION_JUMP, RATE, SIGNAL_JUMP, TWO_PATHS, UNLIKE
from hub.pipeline.admission import rates
from hub.pipeline.admission.clones import (
    CounterForkDetector,
    DisjointReceivers,
    Fact,
    Found,
    PositionJumpDetector,
    SignalJumpDetector,
)
from hub.pipeline.admission.neighbours import Neighbours
from hub.pipeline.admission.rates import Bucket

PREFIX = "suspect/"

_pack = msgspec.msgpack.Encoder().encode

Tell = Callable[[str, str, Mapping[str, Fact]], None]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the checks; see `hub.config.parts.admission.Admission`. `neighbours`: zone → metric → limit."""

    keep_out: bool = False
    signal_jump: int = 40
    apart: Sequence[Sequence[str]] = ()
    rate_factor: float = 4.0
    most_per_minute: int | None = None
    neighbours: Mapping[str, Mapping[str, float]] = {}


class DeviceChecks:
    """State of the checks for one device. `suspect` is the kind of event that made it a suspect, "" when none did."""

    __slots__ = ("apart", "bucket", "device", "forks", "metrics", "positions", "signals", "suspect", "window", "zone")

    def __init__(self, device: Device, window: str, zone: str, suspect: str) -> None:
        self.device, self.window, self.zone, self.suspect = device, window, zone, suspect
        self.forks = CounterForkDetector()
        self.bucket: Bucket | None = None
        self.signals: SignalJumpDetector | None = None
        self.positions: PositionJumpDetector | None = None
        self.apart: DisjointReceivers | None = None
        self.metrics: tuple[str, ...] = ()


class Guard:
    """The checks of one hub. `tell(kind, device, evidence)` receives each sign; `remembered` and `remember` are the
    buffer's small state; `period` returns how often a device speaks, in seconds, by its pack."""

    def __init__(
        self,
        options: Options,
        *,
        tell: Tell,
        monotonic: Callable[[], float],
        remembered: Mapping[str, Any],
        remember: Callable[[str, Any], None],
        period: Callable[[Device], float | None] = lambda device: None,
    ) -> None:
        self.options = options
        self._period = period
        self._raised: Callable[[str], float | None] = lambda device: None
        self._tell, self._monotonic, self._remember = tell, monotonic, remember
        self._groups = {source: number for number, group in enumerate(options.apart) for source in group}
        self._neighbours = Neighbours(options.neighbours)
        self._watches: dict[str, DeviceChecks] = {}
        self._suspects: dict[str, str] = {
            key.removeprefix(PREFIX): str(value)
            for key, value in remembered.items()
            if key.startswith(PREFIX) and value
        }

    def watch(self, device: Device, window: str, zone: str) -> DeviceChecks:
        """Return the state of a device as it is admitted now. Earlier observations stay; under another key, counters
        start over."""
        watch = self._watches.get(device.id)
        if watch is None or watch.window != window:
            watch = self._watches[device.id] = DeviceChecks(device, window, zone, self._suspects.get(device.id, ""))
        watch.device, watch.zone = device, zone
        if self.options.signal_jump and watch.signals is None:
            watch.signals = SignalJumpDetector(self.options.signal_jump)
        if self._groups and watch.apart is None:
            watch.apart = DisjointReceivers(self._groups)
        watch.metrics = self._neighbours.metrics(zone)
        return watch

    # in the path of a report

    def passes(self, watch: DeviceChecks, report: Report) -> bool:
        """Return False when the report comes too often, or its device is a suspect and suspects are kept out."""
        if watch.suspect and self.options.keep_out:
            return False
        proof = report.proof
        if proof is not None and proof.authenticated:
            return True
        bucket = watch.bucket
        if bucket is None:
            bucket = self._bucket(watch)
            if bucket is None:
                return True
        if bucket.take(self._monotonic()):
            return True
        self._tell(RATE, watch.device.id, {"most_per_minute": round(bucket.per_minute)})
        return False

    def look(self, watch: DeviceChecks, report: Report, moment: float) -> None:
        """Check where the device was heard and the position that it reports. `moment`: Unix seconds of the report, or
        of its arrival where its own date is not believed: one date years ahead would make every later report look late,
        and no later position would be checked."""
        signal = report.signal
        if signal is not None and signal.source:
            if signal.rssi is not None and watch.signals is not None:
                found = watch.signals.see(signal.source, signal.rssi, self._monotonic())
                if found:
                    self.suspect(watch, SIGNAL_JUMP, found)
            if watch.apart is not None:
                self.paths(watch, [source for source, _ in signal.heard] or [signal.source])
        if report.position is not None:
            if watch.positions is None:
                watch.positions = PositionJumpDetector()
            found = watch.positions.see(report.position, moment)
            if found:
                self.suspect(watch, POSITION_JUMP, found)

    def paths(self, watch: DeviceChecks, sources: Sequence[str]) -> None:
        """Check the sources that heard a device."""
        if watch.apart is not None and (found := watch.apart.see(sources, self._monotonic())):
            self.suspect(watch, TWO_PATHS, found)

    def fresh(self, watch: DeviceChecks, counter: int, report: Report) -> None:
        """Note an authenticated counter that rose."""
        watch.forks.fresh(counter, _content(report))

    def stale(self, watch: DeviceChecks, counter: int, report: Report) -> None:
        """Check an authenticated counter that is not new."""
        found: Found = watch.forks.stale(counter, _content(report))
        if found:
            signal = report.signal
            if signal is not None and signal.source:
                found |= {"source": signal.source, "dbm": signal.rssi if signal.rssi is not None else 0}
            self.suspect(watch, FORK, found)

    def unlike(self, watch: DeviceChecks, report: Report) -> bool:
        """Compare the report with the neighbours of its zone. Returns True when a value is far from all of theirs."""
        wrong = False
        for metric in watch.metrics:
            value = report.values.get(metric)
            if value is None:
                continue
            device = watch.device.id
            middle = self._neighbours.unlike(watch.zone, metric, device, value, self._monotonic())
            if middle is not None:
                wrong = True
                self._tell(UNLIKE, device, {"metric": metric, "zone": watch.zone})
        return wrong

    def suspect(self, watch: DeviceChecks, kind: str, found: Mapping[str, Fact]) -> None:
        """Mark a device as a suspect, and send the event."""
        if not watch.suspect:
            watch.suspect = self._suspects[watch.device.id] = kind
            self._remember(PREFIX + watch.device.id, kind)
        self._tell(kind, watch.device.id, found)

    def use_periods(self, period: Callable[[Device], float | None]) -> None:
        """Take the period of a device (seconds, None when unknown) from here: packs tell it once they are read."""
        self._period = period

    def use_raised_rates(self, raised: Callable[[str], float | None]) -> None:
        """Allow more reports from a device that was asked to report more often for a while. `raised` returns its period
        in seconds meanwhile, else None."""
        self._raised = raised

    def retime(self, devices: Iterable[str]) -> None:
        """Recompute the rate limits of these devices: their expected period changed."""
        for device in devices:
            if (watch := self._watches.get(device)) is not None:
                watch.bucket = None

    # decisions

    def suspects(self) -> dict[str, str]:
        """Return device → kind of the event that made it a suspect."""
        return dict(self._suspects)

    def clear(self, device: str) -> bool:
        """Forget a suspicion after a person has looked. Returns False when there was none."""
        self._watches.pop(device, None)
        self._neighbours.forget(device)
        known = self._suspects.pop(device, None)
        if known is not None:
            self._remember(PREFIX + device, None)
        return known is not None

    def _bucket(self, watch: DeviceChecks) -> Bucket | None:
        if not watch.device.pack and self.options.most_per_minute is None:
            return None
        period = self._period(watch.device)
        most = rates.bound(period, self.options.rate_factor, self.options.most_per_minute)
        if most is None:
            return None
        most = max(most, rates.bound(self._raised(watch.device.id), self.options.rate_factor, 0) or 0.0)
        bucket = Bucket(most, self._monotonic())
        if period is not None or not watch.device.pack:  # else its pack may say later
            watch.bucket = bucket
        return bucket


def _content(report: Report) -> int:
    proof = report.proof
    return proof.content if proof is not None and proof.content is not None else crc32(_pack(report.values))
