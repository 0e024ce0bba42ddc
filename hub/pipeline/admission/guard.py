"""What the gate looks at in each report of an admitted device: how often, from where, and whether two speak as one.

A report that comes too often goes no further. What looks like a clone makes the device a suspect: its readings are
marked uncertain, or kept out where the owner wants that, until a person has looked. A suspicion outlives the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from hub.core.model import Device, Report
from hub.core.security_events import FORK, POSITION_JUMP, RATE, SIGNAL_JUMP, TWO_PATHS, UNLIKE
from hub.pipeline.admission import rates
from hub.pipeline.admission.clones import CounterForkDetector, DisjointReceivers, Fact, Found, Positions, Signals
from hub.pipeline.admission.neighbours import Neighbours
from hub.pipeline.admission.rates import Bucket

PREFIX = "suspect/"

_pack = msgspec.msgpack.Encoder().encode

Tell = Callable[[str, str, Mapping[str, Fact]], None]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """See `hub.config.parts.admission.Admission`. `neighbours`: zone → metric → limit."""

    keep_out: bool = False
    signal_jump: int = 40
    apart: Sequence[Sequence[str]] = ()
    rate_factor: float = 4.0
    most_per_minute: int | None = None
    neighbours: Mapping[str, Mapping[str, float]] = {}


class Watch:
    """What is remembered of one device. `suspect` is the kind of event that made it one, "" when nothing did."""

    __slots__ = ("apart", "bucket", "device", "forks", "metrics", "positions", "signals", "suspect", "window", "zone")

    def __init__(self, device: Device, window: str, zone: str, suspect: str) -> None:
        self.device, self.window, self.zone, self.suspect = device, window, zone, suspect
        self.forks = CounterForkDetector()
        self.bucket: Bucket | None = None
        self.signals: Signals | None = None
        self.positions: Positions | None = None
        self.apart: DisjointReceivers | None = None
        self.metrics: tuple[str, ...] = ()


class Guard:
    """One a hub. `tell(kind, device, evidence)` is told of each sign; `remembered` and `remember` are the buffer's
    small state; `period` is how often a device speaks, in seconds, as its pack tells."""

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
        self.period = period
        self.raised: Callable[[str], float | None] = lambda device: None
        """Seconds between two reports of a device that somebody asked to speak more often for a while."""
        self._tell, self._monotonic, self._remember = tell, monotonic, remember
        self._groups = {source: number for number, group in enumerate(options.apart) for source in group}
        self._neighbours = Neighbours(options.neighbours)
        self._watches: dict[str, Watch] = {}
        self._suspects: dict[str, str] = {
            key.removeprefix(PREFIX): str(value)
            for key, value in remembered.items()
            if key.startswith(PREFIX) and value
        }

    def watch(self, device: Device, window: str, zone: str) -> Watch:
        """Of one device as it is admitted now. What was seen of it stays; under another key, counters start over."""
        watch = self._watches.get(device.id)
        if watch is None or watch.window != window:
            watch = self._watches[device.id] = Watch(device, window, zone, self._suspects.get(device.id, ""))
        watch.device, watch.zone = device, zone
        if self.options.signal_jump and watch.signals is None:
            watch.signals = Signals(self.options.signal_jump)
        if self._groups and watch.apart is None:
            watch.apart = DisjointReceivers(self._groups)
        watch.metrics = self._neighbours.metrics(zone)
        return watch

    # in the path of a report

    def passes(self, watch: Watch, report: Report) -> bool:
        """False when it comes too often, or its device is a suspect and suspects are kept out."""
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

    def look(self, watch: Watch, report: Report, moment: float) -> None:
        """Where it was heard, and where it says it is. `moment`: Unix seconds of the report, as far as its own date is
        believed: a sender that dates itself years ahead would make all that comes after it late, and be looked at no
        more."""
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
                watch.positions = Positions()
            found = watch.positions.see(report.position, moment)
            if found:
                self.suspect(watch, POSITION_JUMP, found)

    def paths(self, watch: Watch, sources: Sequence[str]) -> None:
        """It was heard by these."""
        if watch.apart is not None and (found := watch.apart.see(sources, self._monotonic())):
            self.suspect(watch, TWO_PATHS, found)

    def fresh(self, watch: Watch, counter: int, report: Report) -> None:
        """A counter that the hub saw rise."""
        watch.forks.fresh(counter, _content(report))

    def stale(self, watch: Watch, counter: int, report: Report) -> None:
        """A counter that is not new, under a good proof."""
        found: Found = watch.forks.stale(counter, _content(report))
        if found:
            signal = report.signal
            if signal is not None and signal.source:
                found |= {"source": signal.source, "dbm": signal.rssi if signal.rssi is not None else 0}
            self.suspect(watch, FORK, found)

    def unlike(self, watch: Watch, report: Report) -> bool:
        """Does it say what none of its neighbours says?"""
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

    def suspect(self, watch: Watch, kind: str, found: Mapping[str, Fact]) -> None:
        """It looks as if two senders spoke under this id."""
        if not watch.suspect:
            watch.suspect = self._suspects[watch.device.id] = kind
            self._remember(PREFIX + watch.device.id, kind)
        self._tell(kind, watch.device.id, found)

    def retime(self, devices: Iterable[str]) -> None:
        """How often these may speak changed: their bounds are reckoned anew."""
        for device in devices:
            if (watch := self._watches.get(device)) is not None:
                watch.bucket = None

    # decisions

    def suspects(self) -> dict[str, str]:
        """Device → the kind of event that made it a suspect."""
        return dict(self._suspects)

    def clear(self, device: str) -> bool:
        """A person has looked: it is no suspect any more. False when it was none."""
        self._watches.pop(device, None)
        self._neighbours.forget(device)
        known = self._suspects.pop(device, None)
        if known is not None:
            self._remember(PREFIX + device, None)
        return known is not None

    def _bucket(self, watch: Watch) -> Bucket | None:
        if not watch.device.pack and self.options.most_per_minute is None:
            return None
        period = self.period(watch.device)
        most = rates.bound(period, self.options.rate_factor, self.options.most_per_minute)
        if most is None:
            return None
        most = max(most, rates.bound(self.raised(watch.device.id), self.options.rate_factor, 0) or 0.0)
        bucket = Bucket(most, self._monotonic())
        if period is not None or not watch.device.pack:  # else its pack may say later
            watch.bucket = bucket
        return bucket


def _content(report: Report) -> int:
    proof = report.proof
    return proof.content if proof is not None and proof.content is not None else crc32(_pack(report.values))
