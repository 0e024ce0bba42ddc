"""Few runs of each row of `run.py`: what must hold holds, and each broken twin is caught."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import run
from clocks import overtaken
from needs import Missing
from rig import Verdict
from run import ROWS, Row, chosen, told, turns

SIBLING = pytest.mark.long("a row of the same promise is in the short run")


@pytest.mark.real("clock, network, processes")
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.fault.__name__, marks=[] if row.gate else [SIBLING])
        for row in ROWS
        if row.short  # the others have their short run in test_kill.py
    ],
)
def test_a_fault_breaks_no_promise_and_a_twin_is_caught(row: Row, tmp_path: Path) -> None:
    try:
        verdict = row.fault(tmp_path, row.short, 20260101)
    except Missing as reason:
        pytest.skip(f"not run: {reason}")
    print(verdict)
    assert verdict.durable >= 10, "the rig itself must have worked"
    assert verdict.held is not row.twin, str(verdict)


def test_the_page_names_every_row_and_no_other() -> None:
    page = Path(__file__).with_name("README.md").read_text()
    table = page[page.index("| fault |") : page.index("## What is not covered")]
    assert set(re.findall(r"`([a-z_]+)`", table)) == {row.fault.__name__ for row in ROWS}


def test_every_row_stands_under_a_promise_and_no_promise_names_another() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "promises.md"
    said = re.findall(r"^- Faults: (.*?)(?=^[-#]|\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    kills = {"kill_hub", "kill_backend"}  # there by the names of their tests
    named = {name for faults in said for name in re.findall(r"`([a-z_]+)`", faults)}
    assert named == {row.fault.__name__ for row in ROWS} - kills


def test_a_report_that_stands_before_an_earlier_one_is_found_and_the_two_blocks_of_a_commit_are_no_fault() -> None:
    assert overtaken({(1, 1): [3, 1], (1, 2): [2], (1, 3): [4], (2, 1): [1]}) == 0
    assert overtaken({(1, 1): [1, 5], (1, 2): [6], (1, 3): [4, 7], (2, 9): [6]}) == 1


def test_rows_are_chosen_by_name_and_a_name_that_none_has_is_refused() -> None:
    assert chosen([]) == ("long", list(ROWS))
    length, rows = chosen(["short", "outage", "kill_hub"])
    assert (length, [row.fault.__name__ for row in rows]) == ("short", ["kill_hub", "outage"])
    with pytest.raises(ValueError, match="no row is called kil_hub; there are kill_hub"):
        chosen(["kil_hub"])


def test_minutes_run_every_row_short_again_and_again_with_other_seeds_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 1000.0
    monkeypatch.setattr(run.time, "monotonic", lambda: moment)
    rows = [row for row in ROWS if row.short][:3]
    assert chosen(["60", "outage"])[0] == "60"
    begun = []
    for row, runs, seed in turns("2", rows, 7):
        assert runs == row.short
        begun.append((rows.index(row), seed))
        moment += 25.0
    assert begun == [(0, 7), (1, 7), (2, 7), (0, 8), (1, 8)]


def test_a_row_that_held_leaves_nothing_on_the_disk_and_one_that_broke_leaves_all_that_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(run.tempfile, "mkdtemp", lambda prefix: str(tmp_path / "root"))

    def some_fault(root: Path, runs: int, seed: int) -> Verdict:
        root.mkdir()
        return Verdict("a fault", runs, 20, 20, 40, lost=seed, twice=0, wrong=0, declared=0)

    assert told(Row(some_fault, 2, 9), 2, 0)
    assert not (tmp_path / "root").exists()
    assert not told(Row(some_fault, 2, 9), 2, 5)
    assert (tmp_path / "root").exists()
    line = capsys.readouterr().out.splitlines()[1]
    assert re.fullmatch(rf"some_fault, a fault: .* lost 5, .*: BROKEN, see {tmp_path}/root, \d+ s, seed 5", line)
