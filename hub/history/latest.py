"""Latest values in memory, for the UI, the CLI and exporters. Nothing here touches the disk.

Recording a report sets three attributes of its slot; the view by series is computed when somebody reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hub.core.model import Device, LastValue, Metric, Report, Signal, TrustClass, Value, series_id

MOST_SLOTS = 512
"""Maximum slots of one device: twice what its plan holds."""


OBSERVED_S = 1.0
"""History and hourly aggregates take one report per device in this time, in seconds, and the last one when none
follows; faster sources cost them nothing."""


class Slot:
    """The last report of one device with one set of metrics."""

    __slots__ = ("bindings", "came", "device", "metrics", "report", "seen", "time", "trust", "turn")

    def __init__(self, device: Device, metrics: tuple[Metric, ...]) -> None:
        self.device = device
        self.metrics = metrics
        self.report: Report | None = None
        self.time: float | None = None  # Unix seconds; None while the clock is not synchronised
        self.came: float | None = None  # the same, of its arrival
        self.turn = 0  # which report of the hub it is: what is newest does not go by clocks, which may lie or be set
        self.trust = TrustClass.C
        self.seen = -2.0  # time of the last report that history took, in the time base of that report
        self.bindings: Any = None  # see hub.history.recorder


class LatestValues:
    """The slots of all devices since the start."""

    def __init__(self) -> None:
        self._slots: dict[str, list[Slot]] = {}
        self._told: dict[str, tuple[list[tuple[Report | None, float | None]], list[LastValue]]] = {}

    def slot(self, device: Device, metrics: tuple[Metric, ...]) -> Slot:
        """Add a slot for one set of metrics of a device; called when its plan is compiled."""
        slot = Slot(device, metrics)
        slots = self._slots.setdefault(device.id, [])
        slots.append(slot)
        if len(slots) > MOST_SLOTS:  # a device with ever new sets of metrics: its plan has dropped this one
            del slots[0]
        return slot

    def rebind(self, device: Device, may_show: Callable[[Metric], bool]) -> None:
        """Rebind a device's last values to its recompiled plan: its present place, and the metrics that may be shown
        now."""
        self._told.pop(device.id, None)
        kept: dict[int, tuple[Slot, list[Metric]]] = {}
        for slot, metric in _newest(self._slots.pop(device.id, ())):
            if may_show(metric):
                kept.setdefault(id(slot), (slot, []))[1].append(metric)
        for slot, metrics in kept.values():
            slot.device, slot.metrics, slot.bindings = device, tuple(metrics), None
        if kept:
            self._slots[device.id] = [slot for slot, _ in kept.values()]

    def forget(self, device: str) -> None:
        self._slots.pop(device, None)
        self._told.pop(device, None)

    def last_seen(self, device: str) -> float | None:
        """Return when the device's last report arrived, in Unix seconds; None if it has not reported since the
        start."""
        return max(((slot.turn, slot.came) for slot in self._slots.get(device, ()) if slot.came), default=(0, None))[1]

    def last_report(self, device: str) -> Report | None:
        """Return the device's last report, None if it has not reported since the start."""
        seen = [slot for slot in self._slots.get(device, ()) if slot.report is not None]
        last = max(seen, key=lambda slot: slot.turn, default=None)
        return last.report if last is not None else None

    def last_signal(self, device: str) -> Signal | None:
        """Return the radio signal of its last report, None if there is none."""
        report = self.last_report(device)
        return report.signal if report is not None else None

    def values(self) -> Iterator[LastValue]:
        """Yield the last value of every series, by device."""
        for _, slot, metric in self._last():
            if slot.report is not None:
                yield _last_value(slot.report, slot, metric)

    def of(self, device: str) -> list[LastValue]:
        """Return the last value of every series of one device; they are made once a report."""
        slots = self._slots.get(device, ())
        known = self._told.get(device)
        if known is None or not _same(known[0], slots):
            found = [_last_value(slot.report, slot, metric) for slot, metric in _newest(slots) if slot.report]
            known = self._told[device] = [(slot.report, slot.time) for slot in slots], found
        return list(known[1])

    def heard(self) -> set[str]:
        """Return the devices with a value."""
        return {device for device, slots in self._slots.items() if any(slot.report is not None for slot in slots)}

    def metrics(self) -> Iterator[tuple[str, Metric]]:
        """Return device and metric of every series with a value."""
        return ((device, metric) for device, _, metric in self._last())

    def value(self, device: str, metric: str) -> Value | None:
        """Return the last value of one metric of a device, or None."""
        for slot, found in _newest(self._slots.get(device, ())):
            if found.key == metric and slot.report is not None:
                return slot.report.values[metric]
        return None

    def changed(self, seen: dict[int, Report]) -> list[LastValue]:
        """Return the last values that are new since the call with the same `seen`, which is updated; all while it is
        empty."""
        fresh = [
            _last_value(slot.report, slot, metric)
            for _, slot, metric in self._last()
            if slot.report is not None and seen.get(id(slot)) is not slot.report
        ]
        seen.clear()  # also drops removed slots
        seen |= {id(slot): slot.report for slots in self._slots.values() for slot in slots if slot.report is not None}
        return fresh

    def _last(self) -> Iterator[tuple[str, Slot, Metric]]:
        for device, slots in list(self._slots.items()):
            for slot, metric in _newest(slots):
                yield device, slot, metric


def _newest(slots: Iterable[Slot]) -> list[tuple[Slot, Metric]]:
    """Return each metric with the slot that reported it last."""
    last: dict[str, tuple[Slot, Metric]] = {}
    for slot in slots:
        for metric in slot.metrics if slot.report else ():
            known = last.get(metric.key)
            if known is None or known[0].turn <= slot.turn:
                last[metric.key] = (slot, metric)
    return list(last.values())


def _same(marks: list[tuple[Report | None, float | None]], slots: Sequence[Slot]) -> bool:
    """Return whether the slots hold the very reports of `marks`, dated as then."""
    if len(marks) != len(slots):
        return False
    for (report, at), slot in zip(marks, slots, strict=True):
        if report is not slot.report or at != slot.time:
            return False
    return True


def _last_value(report: Report, slot: Slot, metric: Metric) -> LastValue:
    return LastValue(
        series=series_id(slot.device.place, metric.key),
        device=slot.device.id,
        metric=metric.key,
        value=report.values[metric.key],
        unit=metric.unit,
        time=slot.time,
        trust=slot.trust.name,
        quality=report.quality.name.lower(),
        rssi=report.signal.rssi if report.signal else None,
    )
