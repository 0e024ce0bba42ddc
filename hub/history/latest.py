"""Last values in RAM: what the UI, the CLI and exporters show. Nothing here touches the disk.

Observing a report costs three attributes of its slot; the view by series is put together when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hub.core.model import Device, LastValue, Metric, Report, Signal, TrustClass, Value, series_id

MOST_SLOTS = 512
"""Of one device: twice what its plan holds."""


OBSERVED_S = 1.0
"""History and hourly aggregates see one report of a device in this time, and the last one when nothing follows it; a
source that is faster costs them nothing."""


class Slot:
    """Where the last report of one device with one set of metrics is left."""

    __slots__ = ("device", "metrics", "report", "seats", "seen", "time", "trust")

    def __init__(self, device: Device, metrics: tuple[Metric, ...]) -> None:
        self.device = device
        self.metrics = metrics
        self.report: Report | None = None
        self.time: float | None = None  # Unix seconds; None while the clock is not sure
        self.trust = TrustClass.C
        self.seen = -2.0  # the moment of the last report that history took, in the time base it came with
        self.seats: Any = None  # see hub.history.recorder


class Live:
    """The slots of this life of the process, by device."""

    def __init__(self) -> None:
        self._slots: dict[str, list[Slot]] = {}

    def slot(self, device: Device, metrics: tuple[Metric, ...]) -> Slot:
        """A slot for one shape of a device; called when its plan is compiled."""
        slot = Slot(device, metrics)
        slots = self._slots.setdefault(device.id, [])
        slots.append(slot)
        if len(slots) > MOST_SLOTS:  # of a device that never says the same twice: its plan has forgotten this one
            del slots[0]
        return slot

    def reseat(self, device: Device, may_show: Callable[[Metric], bool]) -> None:
        """The plan of a device is compiled anew: what it said last is shown on, as far as that may be shown now, of
        the place where it stands now."""
        kept: dict[int, tuple[Slot, list[Metric]]] = {}
        for slot, metric in _newest(self._slots.pop(device.id, ())):
            if may_show(metric):
                kept.setdefault(id(slot), (slot, []))[1].append(metric)
        for slot, metrics in kept.values():
            slot.device, slot.metrics, slot.seats = device, tuple(metrics), None
        if kept:
            self._slots[device.id] = [slot for slot, _ in kept.values()]

    def forget(self, device: str) -> None:
        self._slots.pop(device, None)

    def last_seen(self, device: str) -> float | None:
        """Unix seconds of the device's last report, None when it has not been heard in this life."""
        return max((slot.time for slot in self._slots.get(device, ()) if slot.time), default=None)

    def last_report(self, device: str) -> Report | None:
        """What the device said last, None when it has not been heard in this life."""
        seen = [slot for slot in self._slots.get(device, ()) if slot.report is not None]
        last = max(seen, key=lambda slot: slot.time or 0.0, default=None)
        return last.report if last is not None else None

    def last_signal(self, device: str) -> Signal | None:
        """How its last report came over the air, None when it came another way or not in this life."""
        report = self.last_report(device)
        return report.signal if report is not None else None

    def values(self) -> Iterator[LastValue]:
        """The last value of every series that has spoken, by device."""
        for _, slot, metric in self._last():
            if slot.report is not None:
                yield _last_value(slot.report, slot, metric)

    def metrics(self) -> Iterator[tuple[str, Metric]]:
        """Device and metric of every series that has spoken."""
        return ((device, metric) for device, _, metric in self._last())

    def value(self, device: str, metric: str) -> Value | None:
        """The last value of one metric of a device, None when it has not spoken in this life."""
        for slot, found in _newest(self._slots.get(device, ())):
            if found.key == metric and slot.report is not None:
                return slot.report.values[metric]
        return None

    def changed(self, seen: dict[int, Report]) -> list[LastValue]:
        """The last values that came since the same `seen`, which this fills; all of them while it is empty."""
        fresh = [
            _last_value(slot.report, slot, metric)
            for _, slot, metric in self._last()
            if slot.report is not None and seen.get(id(slot)) is not slot.report
        ]
        seen.clear()  # of slots that are gone too
        seen |= {id(slot): slot.report for slots in self._slots.values() for slot in slots if slot.report is not None}
        return fresh

    def _last(self) -> Iterator[tuple[str, Slot, Metric]]:
        for device, slots in list(self._slots.items()):
            for slot, metric in _newest(slots):
                yield device, slot, metric


def _newest(slots: Iterable[Slot]) -> list[tuple[Slot, Metric]]:
    """Each metric with the slot that said it last."""
    last: dict[str, tuple[Slot, Metric]] = {}
    for slot in slots:
        for metric in slot.metrics if slot.report else ():
            known = last.get(metric.key)
            if known is None or (known[0].time or 0.0) <= (slot.time or 0.0):
                last[metric.key] = (slot, metric)
    return list(last.values())


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
