"""Recorded traces (`bench/traces/*.jsonl`, see the README there) as rows of the buffer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.core.metric_catalogue import METRICS
from hub.protocol.records.rows import Column, Row, Shape, Subject

TRACES = Path(__file__).parent / "traces"

Recorded = tuple[int, str, dict[str, Any]]
"""Unix milliseconds, device, values by metric."""


class Trace:
    """One recording: its reports in order of time, and a column for each metric."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.columns = {metric.key: _column(metric.key, vars_of(metric)) for metric in METRICS.values()}
        self.reports: list[Recorded] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            if isinstance(said, dict):
                self.columns[said["metric"]["key"]] = _column(said["metric"]["key"], said["metric"])
            else:
                self.reports.append((said[0], said[1], said[2]))
        if not self.reports:
            raise ValueError(f"{path} holds no report")

    @property
    def seconds(self) -> float:
        """From the first report to where the next one after the last would be."""
        spans = len(self.reports) - 1
        return (self.reports[-1][0] - self.reports[0][0]) / 1000 * (spans + 1) / spans

    def rows(self) -> Iterator[Row]:
        """As recorded."""
        yield from self._rows(self.reports)

    def chorus(self, devices: int, seconds: float) -> Iterator[Row]:
        """Many devices for so long, each of which plays the recording over and over, from another point of it: the
        values and the intervals are the recorded ones, the number of devices is not."""
        length, start = self.seconds * 1000, self.reports[0][0]
        played = []
        for device in range(devices):
            shift = device * length / devices
            for turn in range(-1, int(seconds * 1000 / length) + 1):
                for time, _, values in self.reports:
                    at = time - start + turn * length + shift
                    if 0 <= at < seconds * 1000:
                        played.append((start + int(at), f"device-{device:05d}", values))
        played.sort(key=lambda report: report[0])
        yield from self._rows(played)

    def _rows(self, reports: list[Recorded]) -> Iterator[Row]:
        shapes: dict[tuple[str, ...], Shape] = {}
        subjects: dict[str, Subject] = {}
        for time, device, values in reports:
            keys = tuple(values)
            shape = shapes.get(keys) or shapes.setdefault(keys, Shape(tuple(self.columns[key] for key in keys)))
            subject = subjects.get(device) or subjects.setdefault(
                device, Subject(device, f"place-{device}", "school", "teaching", "model", "bench")
            )
            yield Row(subject, shape, time, True, tuple(values.values()), 0, 2, None, None)


def vars_of(metric: Any) -> dict[str, str]:
    return {name: getattr(metric, name) for name in ("unit", "resolution", "kind", "device_class", "state_class")}


def _column(key: str, told: dict[str, Any]) -> Column:
    return Column(
        key,
        told.get("unit", "1"),
        told.get("resolution", "0.01"),
        told.get("kind", "number"),
        told.get("device_class", ""),
        told.get("state_class", ""),
        told.get("privacy", "technical"),
    )


def recorded() -> list[Trace]:
    """Every trace there is."""
    return [Trace(path) for path in sorted(TRACES.glob("*.jsonl"))]
