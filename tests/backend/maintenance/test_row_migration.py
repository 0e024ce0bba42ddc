"""A database that a former release filled, with a row for each reading: all of it is moved into chunks, once, whenever
the process is killed. `former/format-1.sql` was written by that release."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from backend_kit import NOW, Desk
from click.testing import CliRunner

from backend.cli.main import backend
from backend.maintenance import row_migration
from backend.maintenance.row_migration import Moved, move_rows_of
from backend.owner import directory as owners
from backend.queries import views as views_of
from backend.queries.views import Views
from backend.readings.compaction import Compactor
from backend.storage.opening import open_chunks, open_queries
from backend.storage.reading_rules import newest_limit
from backend.storage.sqlite import former_rows
from backend.storage.sqlite.schema import OF_ROWS, VERSION, open_database
from hub.core.model import Quality
from tests.stored import readings

FORMER = Path(__file__).parents[1] / "former" / "format-1.sql"
DATED = """
select s.hub, s.place, s.metric, s.device, r.time, r.value, r.flags, r.origin >> 12
from readings r join series s on s.id = r.series
"""
UNDATED = """
select s.hub, s.place, s.metric, s.device, u.mono, u.value, u.flags, u.origin >> 12
from undated u join series s on s.id = u.series
"""
Found = Counter[tuple[Any, ...]]


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A database of the former release, in an owner's directory."""
    path = owners.init(tmp_path / "owner", owner="Ville").database
    make(path)
    return path


def make(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FORMER.read_text(encoding="utf-8"))


def rows(path: Path) -> Found:
    """What lies as rows, by Python's SQLite."""
    with closing(sqlite3.connect(path)) as db:
        tables = {name for (name,) in db.execute("select name from sqlite_schema")}
        found = [line for of in (DATED, UNDATED) if "readings" in tables for line in db.execute(of)]
    return Counter((*line[:5], plain(line[5]), *line[6:]) for line in found)


def chunks(path: Path) -> Found:
    """What lies in chunks, by the backend's readers."""
    return Counter(
        (*one[:4], one.mono if one.time_ms is None else one.time_ms, plain(one.value), one.flags, one.record)
        for one in readings(path)
    )


def plain(value: Any) -> Any:
    """A flag was a number in a row, and a number beyond 64 bit a double."""
    return float(value) if isinstance(value, int) else value


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("pragma user_version").fetchone()[0])


def test_all_rows_of_a_former_release_are_in_chunks_and_nothing_else(former: Path) -> None:
    before = rows(former)
    told: list[Moved] = []
    assert move_rows_of(former, told.append) == before.total() == 306
    assert chunks(former) == before
    assert told[-1] == (1.0, 306)
    assert [one.share for one in told] == sorted(one.share for one in told)
    assert version(former) == VERSION
    with closing(sqlite3.connect(former)) as db:
        tables = {name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")}
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert tables.isdisjoint({"readings", "undated", "latest", "erasures"})
    assert move_rows_of(former, told.append) == 0


def test_values_keep_their_kind_and_what_came_before_the_resolution_was_coarser_keeps_its_digits(former: Path) -> None:
    move_rows_of(former, lambda _: None)
    found = {(one.metric, one.place): [] for one in readings(former)}  # type: ignore[var-annotated]
    for one in readings(former):
        found[one.metric, one.place].append(one.value)
    assert found["flow", "room-1"] == [1.234567, 2.5]
    assert found["window", "w"] == [7, 1, "ajar"]
    assert found["huge", "room-1"] == [pytest.approx(5e26)]
    assert found["motion", "r8"] == [False, False]
    assert (found["rssi", "r5"], found["report.rssi", "r5"]) == ([-40], [-72, -73])
    assert (found["altitude", "r5"], found["report.altitude", "r5"]) == ([52.0], [35.0])


def test_orders_that_were_executed_hold_for_what_arrives_later_and_stay_confirmed(former: Path) -> None:
    desk = Desk(former.parent)
    shown = {one["id"]: (one["readings"], one["left_over"], one["done_at"] > 0) for one in desk.views.erased()}
    assert shown == {"e1": (2, 0, True), "e2": (1, 1, True)}
    (hub,) = {one["hub"] for one in desk.views.erased()}
    assert desk.ingest.storage.erasures.hidden(hub) == {"~g": "e1"}
    assert {one.id for one in desk.ingest.storage.erasures.done(hub, 9)} == {"e1", "e2"}
    desk.close()


def test_a_boot_that_never_knew_the_time_is_undated_still_and_its_clock_dates_it(former: Path) -> None:
    move_rows_of(former, lambda _: None)
    undated = [one for one in readings(former) if one.time_ms is None]
    assert {one.boot for one in undated} == {b"u" * 16}
    with closing(open_database(former)) as db:
        db.execute("update boots set offset_ms = ?, error_ms = 5000 where boot = ?", (NOW, b"u" * 16))
    dated = [one for one in readings(former) if one.record == undated[0].record]
    assert [one.time_ms for one in dated if one.metric == "temperature"] == [NOW + n * 3_600_000 for n in range(3)]
    assert {one.flags & 15 for one in dated} == {Quality.UNCERTAIN}


def test_what_was_the_newest_is_the_newest_and_chunks_are_compacted_with_what_comes(
    former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = newest_limit(NOW / 1000 - 30 * 86_400)  # of whoever wrote them: one reading is dated after NOW
    monkeypatch.setattr(views_of, "newest_limit", lambda now: limit)
    with closing(sqlite3.connect(former)) as db:
        newest = {
            f"{hub}/{place}/{metric}": time
            for hub, place, metric, time in db.execute(
                "select hub, place, metric, max(time) from latest l join series s on s.id = l.series group by 1, 2, 3"
            )
        }
    move_rows_of(former, lambda _: None)
    views = Views(open_queries(former))
    assert {name: views.latest(name)["time"] for name in newest} == newest
    opened = open_chunks(former)
    assert not Compactor(opened).work(), "nothing is loose"
    opened.close()


def test_a_rehearsal_does_all_of_it_and_changes_nothing(former: Path) -> None:
    before = former.read_bytes()
    done = CliRunner().invoke(backend, ["migrate", str(former.parent), "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    assert '"readings":306' in done.stdout.replace(" ", "")
    assert "taken back" in done.stderr
    assert (version(former), former.read_bytes()) == (OF_ROWS, before)
    done = CliRunner().invoke(backend, ["migrate", str(former.parent)])
    assert done.exit_code == 0, done.output
    assert chunks(former).total() == 306
    assert CliRunner().invoke(backend, ["migrate"]).exit_code == 3


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("hours", "step", "first"),
    [
        (744, 29, 29),
        *(pytest.param(744, 12, n, marks=pytest.mark.long("some 25 lives of 300")) for n in range(1, 13)),
        *(pytest.param(1, 28, n, marks=pytest.mark.long("some 50 lives of 200")) for n in range(7, 29, 7)),
    ],
)
def test_killed_at_any_statement_each_reading_is_a_row_or_in_a_chunk(
    former: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, step: int, first: int
) -> None:
    monkeypatch.setattr(row_migration, "MOST_HOURS", hours)
    before, lives = rows(former), 0
    for at in itertools.count(first, step):
        path = tmp_path / f"killed-{at}.db"
        make(path)
        if not killed(path, at):
            break
        lives += 1
        with closing(open_database(path)):
            pass
        assert rows(path) + chunks(path) == before
        move_rows_of(path, lambda _: None)
        assert chunks(path) == before
        path.unlink()
    assert lives > 5


def killed(path: Path, at: int) -> bool:
    """Move the rows in a process that is killed at its statement number `at`; return whether it got there."""
    child = os.fork()
    if child == 0:
        count = 0

        def traced(*_: object) -> bool:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), 9)
            return True

        real = former_rows.open_database

        def opened(where: Path) -> apsw.Connection:
            db = real(where)
            db.set_exec_trace(traced)
            return db

        former_rows.open_database = opened  # type: ignore[assignment]
        code = 1
        try:
            move_rows_of(path, lambda _: None)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
