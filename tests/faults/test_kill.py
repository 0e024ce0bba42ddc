"""The short run of `kill.py`; the long one is `make faults`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from .kill import kill_backend, kill_hub


def test_kill_9_of_the_hub_loses_nothing_durable_and_delivers_nothing_twice(tmp_path):
    verdict = kill_hub(tmp_path, kills=30, seed=20260101)
    print(verdict)
    assert verdict.durable > 100, "the rig itself must have worked"
    assert verdict.held, f"{verdict}: seed 20260101"


def test_kill_9_of_the_backend_loses_nothing_durable_and_delivers_nothing_twice(tmp_path):
    verdict = kill_backend(tmp_path, kills=5, seed=20260101)
    print(verdict)
    assert verdict.durable > 20, "the rig itself must have worked"
    assert verdict.held, f"{verdict}: seed 20260101"


@pytest.mark.parametrize(
    ("damage", "seen"),
    [
        ("DELETE FROM readings WHERE rowid_ = (SELECT max(time) FROM readings)", "lost"),
        ("INSERT INTO readings SELECT series, time, origin + 1, value, flags FROM readings LIMIT 1", "twice"),
        ("UPDATE readings SET value = value + 1 WHERE time = (SELECT max(time) FROM readings)", "wrong"),
    ],
)
def test_the_oracle_sees_a_reading_that_is_lost_doubled_or_changed(tmp_path, damage, seen):
    from .rig import Rig

    rig = Rig(tmp_path)
    try:
        rig.start_hub()
        rig.stop(rig.hub)
        rig.settle()
        assert rig.verdict("none", 0).held
        database: Path = tmp_path / "backend" / "ilot.db"
        db = sqlite3.connect(database)
        # The last durable number is what a broken hub would lose; time is 1.7e9 s + n.
        durable = max(int(x.split()[1]) for x in rig.journal.read_bytes().splitlines() if x.startswith(b"durable"))
        db.execute(damage.replace("rowid_ = (SELECT max(time) FROM readings)", f"time = {int((1.7e9 + durable) * 1000)}"))
        db.commit()
        db.close()
        assert getattr(rig.verdict("damage", 0), seen) > 0
    finally:
        rig.close()
