"""The recorded traces, as the benchmarks play them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def trace(bench: Load, tmp_path: Path) -> object:
    lines = [
        {"metric": {"key": "ticks", "unit": "1", "resolution": "1", "kind": "number"}},
        [1_000_000, "a", {"temperature": 20.0, "ticks": 1}],
        [1_060_000, "a", {"temperature": 21.0, "ticks": 2}],
        [1_119_000, "a", {"temperature": 22.0, "ticks": 3}],
    ]
    path = tmp_path / "made.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return bench("traces").Trace(path)


def test_alone_it_is_what_was_recorded(trace) -> None:  # type: ignore[no-untyped-def]
    rows = list(trace.rows())
    assert [(row.time_ms, row.values) for row in rows] == [
        (1_000_000, (20.0, 1)),
        (1_060_000, (21.0, 2)),
        (1_119_000, (22.0, 3)),
    ]
    assert [(column.metric, column.unit, column.resolution) for column in rows[0].shape.columns] == [
        ("temperature", "Cel", "0.005"),
        ("ticks", "1", "1"),
    ]


def test_in_chorus_each_device_says_the_recorded_values_at_the_recorded_rate(trace) -> None:  # type: ignore[no-untyped-def]
    rows = list(trace.chorus(5, 1785.0))  # ten times its length
    times = [row.time_ms for row in rows]
    assert times == sorted(times)
    assert len({row.subject for row in rows}) == 5
    assert len(rows) == 5 * 3 * 10
    for subject in {row.subject for row in rows}:
        own = [row for row in rows if row.subject is subject]
        assert {row.values for row in own} == {(20.0, 1), (21.0, 2), (22.0, 3)}
        gaps = {round((b.time_ms - a.time_ms) / 1000) for a, b in itertools.pairwise(own)}
        assert gaps <= {59, 60}  # and 59.5 s, where it begins again


def test_each_trace_of_the_repository_can_be_played_and_has_its_origin_told(bench: Load) -> None:
    traces = bench("traces")
    told = (traces.TRACES / "README.md").read_text()
    found = traces.recorded()
    assert len(found) >= 3
    for one in found:
        assert f"`{one.name}.jsonl`" in told
        times = [row.time_ms for row in one.rows()]
        assert len(times) > 20
        assert times == sorted(times)
