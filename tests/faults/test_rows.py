"""The short run of each row of `run.py`: what must hold holds, and each broken twin is caught."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from run import ROWS, Row


@pytest.mark.parametrize("row", [row for row in ROWS if row.short], ids=lambda row: row.fault.__name__)
def test_a_fault_breaks_no_promise_and_a_twin_is_caught(row: Row, tmp_path: Path) -> None:
    verdict = row.fault(tmp_path, row.short, 20260101)
    print(verdict)
    assert verdict.durable > 20, "the rig itself must have worked"
    assert verdict.held is not row.twin, str(verdict)
