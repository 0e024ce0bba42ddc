"""The short run of `kill.py`; the long one is `make faults`."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest

from backend.readings.chunks import rewriting as chunks
from backend.readings.compaction import Compactor
from backend.storage.opening import open_chunks

from .kill import kill_backend, kill_hub
from .rig import BASE, Rig

pytestmark = pytest.mark.real("clock, network, processes")


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


def lost(rows):
    return []


def twice(rows):
    return [*rows, *(row._replace(origin=row.origin + 1) for row in rows)]


def wrong(rows):
    return [row._replace(values=tuple(value + 1 for value in row.values)) for row in rows]


DAMAGE = lost, twice, wrong


def damaged(path, damage, moment):
    """Alter the reports of a moment in the chunks of a database."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        for number, data in db.execute("select id, data from chunks").fetchall():
            rows = list(chunks.decode(data))
            hit = [row for row in rows if row.time_ms == moment]
            left = [*(row for row in rows if row.time_ms != moment), *(damage(hit) if hit else [])]
            db.execute("update chunks set data = ? where id = ?", (chunks.encode(left), number))
        db.commit()


def compacted(path):
    """Have all bodies of a database in chunks."""
    opened = open_chunks(path)
    assert opened.compact_alone()
    compactor = Compactor(opened, lambda: time.time() + 3600)
    while compactor.work():
        pass
    opened.close()


def test_the_oracle_sees_a_reading_that_is_lost_doubled_or_changed(tmp_path):
    rig = Rig(tmp_path)
    try:
        rig.start_hub()
        rig.wait_durable(5)
        rig.stop(rig.hub)
        rig.settle()
        assert rig.verdict("none", 0).held
        rig.stop(rig.backend)
        compacted(rig.backend_dir / "backend.db")
        assert rig.verdict("compacted", 0).held
        last = sorted(rig.numbers(b"durable"))[-len(DAMAGE) :]  # what a broken hub would lose first
        for number, damage in zip(last, DAMAGE, strict=True):
            before = getattr(rig.verdict("before", 0), damage.__name__)
            damaged(rig.backend_dir / "backend.db", damage, (BASE + number) * 1000)
            assert getattr(rig.verdict("damage", 0), damage.__name__) > before, damage
    finally:
        rig.close()
