"""What the hub takes of a report, apart from what a district decides: rules, privacy, and how often a device may speak.

The hub's own way is `hub.pipeline.pipeline`, which no plugin may import; one suite runs the same cases over both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import expect_metrics
from hub.core.model import Metric, Quality, Report
from hub.core.plausibility import ValueCheck
from hub.sdk.testing.devices import FakeDevices, Refused

FUTURE_S = 120.0
RSSI_MOST = 32_767


class Judge:
    """Judges the reports of one plugin. `metrics` are those that it registers; `holds_keys` says of its options
    whether a key of the whole instance proves something. `refused` is what it left out."""

    def __init__(
        self, devices: FakeDevices, now: Callable[[], float], metrics: Iterable[Metric], holds_keys: bool
    ) -> None:
        metrics = tuple(metrics)
        expect_metrics(metrics, METRICS)
        self.refused: list[Refused] = []
        self.holds_keys = holds_keys
        self._devices, self._now = devices, now
        self._metrics = {**METRICS, **{metric.key: metric for metric in metrics}}
        self._highest: dict[tuple[str, bytes | None], int] = {}

    def taken(self, report: Report) -> Report | None:
        """The report as the hub would take it, None when it would take nothing of it."""
        if not self._devices.admits(report.device):
            self._refuse("not-admitted", report)
            return None
        report = self._proved(report)
        if not self._fresh(report):
            return None
        return self._loud(self._plausible(self._dated(report)))

    def _refuse(self, reason: str, report: Report, metric: str = "") -> None:
        self.refused.append(Refused(reason, report.device, metric))

    def _proved(self, report: Report) -> Report:
        known, proof = self._devices.get(report.device), report.proof
        if known is None or known.key is not None or self.holds_keys or proof is None:
            return report
        if not (proof.authenticated or proof.sealed):
            return report
        self._refuse("key-not-held", report)
        return msgspec.structs.replace(report, proof=msgspec.structs.replace(proof, authenticated=False, sealed=False))

    def _fresh(self, report: Report) -> bool:
        """Whether an authenticated counter has risen."""
        proof = report.proof
        if proof is None or not proof.authenticated or proof.counter is None:
            return True
        known = self._devices.get(report.device)
        window = report.device, known.key if known is not None else None
        highest = self._highest.get(window, -1)
        if proof.counter > highest:
            self._highest[window] = proof.counter
            return True
        self._refuse("repeat" if proof.counter == highest else "replay", report)
        return False

    def _dated(self, report: Report) -> Report:
        if report.time is None or 0 <= report.time <= self._now() + FUTURE_S:
            return report
        self._refuse("wrong-date", report)
        return msgspec.structs.replace(report, time=None, quality=max(report.quality, Quality.UNCERTAIN))

    def _plausible(self, report: Report) -> Report | None:
        declared = self._devices.declared
        own = {m.key: m for device, *_, metrics in declared if device == report.device for m in metrics}
        metrics = {key: own.get(key) or self._metrics.get(key) for key in report.values}
        known = [metric for metric in metrics.values() if metric is not None]
        wrong = {
            **{key: "unknown-metric" for key, metric in metrics.items() if metric is None},
            **dict.fromkeys(ValueCheck(known).implausible(report.values), "implausible"),
        }
        for key, reason in wrong.items():
            self._refuse(reason, report, key)
        if not wrong:
            return report
        kept = {key: value for key, value in report.values.items() if key not in wrong}
        return msgspec.structs.replace(report, values=kept) if kept or report.position is not None else None

    def _loud(self, report: Report | None) -> Report | None:
        signal = report.signal if report is not None else None
        rssi = signal.rssi if signal is not None else None
        if report is None or signal is None or rssi is None or (type(rssi) is int and -RSSI_MOST <= rssi <= RSSI_MOST):
            return report
        self._refuse("implausible", report)
        return msgspec.structs.replace(report, signal=msgspec.structs.replace(signal, rssi=None))
