"""The report of the benchmarks: what is not run anew stays as it was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"
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


ALERTS = {
    "mail_p95_s": 4.9, "mail_lost": 0.0, "kills_lost": 0.0, "one_3s_incidents": 1.0, "one_30s_incidents": 1.0,
    "one_600s_incidents": 3.0, "one_3s_alerts_in_it": 300.0, "one_30s_alerts_in_it": 300.0,
    "one_3s_most_messages_a_service": 1.0, "one_30s_most_messages_a_service": 1.0, "year_0.25_a_week_incidents": 0.0,
    "year_1_a_week_incidents": 25.0, "year_4_a_week_incidents": 3.0, "year_4_a_week_plain_three_sites": 2551.0,
}  # fmt: skip


def judged(gates: ModuleType, **other: float) -> list[str]:
    """What is said of each goal of dispatch, after these other figures."""
    figures = [
        gates.Figure("city_alerts", f"city_alerts_{name}", value, "") for name, value in (ALERTS | other).items()
    ]
    return [gates.judge(gate, figures).result for gate in gates.GATES if gate.source == "city_alerts"]


@pytest.mark.parametrize(
    "worse",
    [
        {"mail_p95_s": 5.1},
        {"mail_lost": 1.0},
        {"kills_lost": 1.0},
        {"one_30s_incidents": 2.0},
        {"one_3s_alerts_in_it": 299.0},
        {"one_3s_most_messages_a_service": 2.0},
        {"year_1_a_week_incidents": 26.0},
    ],
)
def test_each_goal_of_dispatch_is_judged_by_its_own_figure(bench: Load, worse: dict[str, float]) -> None:
    gates = bench("gates")
    assert judged(gates) == ["met"] * 7
    assert sorted(judged(gates, **worse)) == ["met"] * 6 + ["missed"]


@pytest.mark.real("processes")
def test_the_benchmark_of_dispatch_tells_the_figures_by_which_it_is_judged(bench: Load, tmp_path: Path) -> None:
    script, told = BENCH / "city_alerts.py", tmp_path / "figures"
    environment = {**os.environ, "FIGURES": str(told)}
    subprocess.run([sys.executable, script, "mail", "--count", "3"], env=environment, check=True, capture_output=True)
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    gates = bench("gates")
    figures = [gates.Figure("city_alerts", one["name"], one["value"], one["unit"]) for one in lines]
    verdicts = {gate.figure: gates.judge(gate, figures) for gate in gates.GATES if gate.source == "city_alerts"}
    mail = [one.value for name, one in verdicts.items() if "_mail_" in name]
    assert len(mail) == 2
    assert None not in mail
    assert "city_alerts" in bench("results").RUNS
