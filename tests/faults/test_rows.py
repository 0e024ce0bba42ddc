"""The short run of each row of `run.py`: what must hold holds, and each broken twin is caught."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from clocks import overtaken
from needs import Missing
from run import ROWS, Row, chosen


@pytest.mark.parametrize("row", [row for row in ROWS if row.short], ids=lambda row: row.fault.__name__)
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
