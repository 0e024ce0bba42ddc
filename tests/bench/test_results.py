"""The report of the benchmarks: what is not run anew stays as it was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def results(bench: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = bench("results")
    monkeypatch.setattr(module, "KEPT", tmp_path)
    lines = [
        {"ran": 1_795_000_020.0, "load": 0.5},
        {"name": "CPU, idle", "value": 0.0353, "unit": "% of a core", "note": "gate 0.5"},
        {"name": "readings", "value": 1234567.0, "unit": "", "note": ""},
        {"name": "seed", "value": None, "unit": "", "note": "17"},
    ]
    (tmp_path / "cpu.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return module


def test_figures_of_a_report_stay_where_the_benchmark_was_not_run_here(results: ModuleType, tmp_path: Path) -> None:
    report = "\n".join(results.page())
    (tmp_path / "cpu.jsonl").unlink()
    header, figures = results.load("cpu", report)
    assert header == {"ran": 1_795_000_020, "load": 0.5}
    assert [tuple(figure) for figure in figures] == [
        ("cpu", "CPU, idle", 0.0353, "% of a core", "gate 0.5"),
        ("cpu", "readings", 1234567.0, "", ""),
        ("cpu", "seed", None, "", "17"),
    ]
    assert "\n".join(results.page(report)) == report
    assert results.load("memory", report) == ({}, [])


def test_figures_of_another_machine_are_not_taken_over(
    results: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = "\n".join(results.page())
    (tmp_path / "cpu.jsonl").unlink()
    monkeypatch.setattr(results, "machine", lambda: iter(["64 cores, another"]))
    assert results.load("cpu", report) == ({}, [])
    assert results.load("cpu", "") == ({}, [])
