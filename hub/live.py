"""Last values in RAM: what the UI, the CLI and exporters show. Nothing here touches the disk.

Observing a report costs three attributes of its slot; the view by series is put together when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hub.model import Device, Metric, Report, Signal, TrustClass, Value, series_id


class LastValue(msgspec.Struct, frozen=True, kw_only=True):
    """The last reading of one series. `time` is Unix seconds, None while the clock is not sure."""

    series: str
    device: str
    metric: str
    value: Value
    unit: str
    time: float | None
    trust: str
    quality: str
    rssi: int | None


class Slot:
    """Where the last report of one device with one set of metrics is left."""

    __slots__ = ("device", "metrics", "report", "time", "trust")

    def __init__(self, device: Device, metrics: tuple[Metric, ...]) -> None:
        self.device = device
        self.metrics = metrics
        self.report: Report | None = None
        self.time: float | None = None  # Unix seconds; None while the clock is not sure
        self.trust = TrustClass.C


class Live:
    """The slots of this life of the process, by device."""

    def __init__(self) -> None:
        self._slots: dict[str, list[Slot]] = {}

    def slot(self, device: Device, metrics: tuple[Metric, ...]) -> Slot:
        """A slot for one shape of a device; called when its plan is compiled."""
        slot = Slot(device, metrics)
        self._slots.setdefault(device.id, []).append(slot)
        return slot

    def forget(self, device: str) -> None:
        self._slots.pop(device, None)

    def last_seen(self, device: str) -> float | None:
        """Unix seconds of the device's last report, None when it has not been heard in this life."""
        return max((slot.time for slot in self._slots.get(device, ()) if slot.time), default=None)

    def last_signal(self, device: str) -> Signal | None:
        """How its last report came over the air, None when it came another way or not in this life."""
        seen = [slot for slot in self._slots.get(device, ()) if slot.report is not None]
        last = max(seen, key=lambda slot: slot.time or 0.0, default=None)
        return last.report.signal if last is not None and last.report is not None else None

    def values(self) -> Iterator[LastValue]:
        """The last value of every series that has spoken, by device."""
        for slots in list(self._slots.values()):
            last: dict[str, tuple[Slot, Metric]] = {}
            for slot in slots:
                for metric in slot.metrics if slot.report else ():
                    known = last.get(metric.key)
                    if known is None or (known[0].time or 0.0) <= (slot.time or 0.0):
                        last[metric.key] = (slot, metric)
            for slot, metric in last.values():
                if slot.report is not None:
                    yield _last_value(slot.report, slot, metric)


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
