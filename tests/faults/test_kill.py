"""The short run of `kill.py`; the long one is `make faults`."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from .kill import kill_backend, kill_hub
from .rig import BASE, Rig


@pytest.mark.parametrize("kills", [10, pytest.param(30, marks=pytest.mark.long("ten show the same"))])
def test_kill_9_of_the_hub_loses_nothing_durable_and_delivers_nothing_twice(tmp_path, kills):
    verdict = kill_hub(tmp_path, kills, seed=20260101)
    print(verdict)
    assert verdict.durable > 3 * kills, "the rig itself must have worked"
    assert verdict.held, f"{verdict}: seed 20260101"


def test_kill_9_of_the_backend_loses_nothing_durable_and_delivers_nothing_twice(tmp_path):
    verdict = kill_backend(tmp_path, kills=5, seed=20260101)
    print(verdict)
    assert verdict.durable > 20, "the rig itself must have worked"
    assert verdict.held, f"{verdict}: seed 20260101"


DAMAGE = {
    "lost": "DELETE FROM readings WHERE time = {time}",
    "twice": "INSERT INTO readings SELECT series, time, origin + 1, value, 0 FROM readings WHERE time = {time}",
    "wrong": "UPDATE readings SET value = value + 1 WHERE time = {time}",
}


def test_the_oracle_sees_a_reading_that_is_lost_doubled_or_changed(tmp_path):
    rig = Rig(tmp_path)
    try:
        rig.start_hub()
        rig.wait_durable(5)
        rig.stop(rig.hub)
        rig.settle()
        assert rig.verdict("none", 0).held
        last = sorted(rig.numbers(b"durable"))[-len(DAMAGE) :]  # what a broken hub would lose first
        for number, (seen, damage) in zip(last, DAMAGE.items(), strict=True):
            before = getattr(rig.verdict("before", 0), seen)
            with contextlib.closing(sqlite3.connect(rig.backend_dir / "backend.db")) as db:
                db.execute(damage.format(time=(BASE + number) * 1000))
                db.commit()
            assert getattr(rig.verdict("damage", 0), seen) > before, seen
    finally:
        rig.close()
