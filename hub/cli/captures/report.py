"""Says what a hub would have read of a capture: through the same decoders and packs, without one running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.captures.lines import MOST_TOLD, Bad, lines_of
from hub.cli.captures.sources import Source
from hub.core.errors import DecodeError
from hub.core.metric_catalogue import METRICS
from hub.devices.codecs import Codecs
from hub.devices.packs.decoding import NO_PORT, check_port, read_answer, run_codec
from hub.sdk.simulation import Payload

if TYPE_CHECKING:
    from hub.devices.packs.library import Library

MOST_SERIES = 10_000


class Series:
    """The readings of one metric of one device."""

    def __init__(self) -> None:
        self.count = 0
        self.low: float | None = None
        self.high: float | None = None
        self.last: Any = None

    def see(self, value: Any) -> None:
        self.count += 1
        self.last = value
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.low = value if self.low is None else min(self.low, value)
            self.high = value if self.high is None else max(self.high, value)


class Report:
    """Readings of a capture. `wrong` are bad lines with their place, `refused` counts all of them by reason."""

    def __init__(self) -> None:
        self.lines = self.unknown = 0
        self.series: dict[tuple[str, str], Series] = {}
        self.refused: Counter[str] = Counter()
        self.wrong: list[Bad] = []

    def refuse(self, number: int, error: DecodeError) -> None:
        self.bad(Bad(number, error.reason, error.detail))

    def bad(self, bad: Bad) -> None:
        self.refused[bad.reason] += 1
        if len(self.wrong) < MOST_TOLD:
            self.wrong.append(bad)

    def see(self, device: str, values: Mapping[str, Any]) -> None:
        for metric, value in values.items():
            if (device, metric) in self.series or len(self.series) < MOST_SERIES:
                self.series.setdefault((device, metric), Series()).see(value)

    def as_data(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "unknown": self.unknown,
            "refused": dict(self.refused),
            "wrong": [{"line": one.number, "error": one.reason, "detail": one.detail} for one in self.wrong],
            "series": [
                {
                    "device": device, "metric": metric, "unit": METRICS[metric].unit if metric in METRICS else "",
                    "count": one.count, "low": one.low, "high": one.high, "last": one.last,
                }
                for (device, metric), one in sorted(self.series.items())
            ],
        }  # fmt: skip


async def report_of(path: Path, source: Source, library: Library) -> Report:
    """Read a capture. Raises HubError where the file cannot be read."""
    report = Report()
    async with Codecs() as codecs:
        for line in lines_of(path):
            report.lines += 1
            if isinstance(line, Bad):
                report.bad(line)
                continue
            number, fields = line
            try:
                said = source.read(fields)
                if said is None:
                    report.unknown += 1
                    continue
                for device, values in said.items():
                    if isinstance(values, Payload):
                        report.see(device, await _unpacked(values, device, fields, source, library, codecs))
                    else:
                        report.see(device, values)
            except DecodeError as error:
                report.refuse(number, error)
    return report


async def _unpacked(
    payload: Payload, device: str, line: Mapping[str, Any], source: Source, library: Library, codecs: Codecs
) -> Mapping[str, Any]:
    """Return the readings of a payload by the pack of its device; the bytes themselves without one."""
    known = source.devices.get(device)
    if known is None or not known.pack:
        return {"payload": payload.data.hex()}
    pack, port = library.get(known.pack), payload.port or NO_PORT
    at = line.get("time")
    if payload.port is not None:
        check_port(pack, port)
    answer = await run_codec(pack, codecs, payload.data, port, at)
    return read_answer(pack, port, answer, at).samples[0].values
