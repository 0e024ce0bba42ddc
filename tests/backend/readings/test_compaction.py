"""Bodies become chunks, and every reading is there once, at its time, before, while and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from backend.queries.series_history import StoredReading
from backend.readings import compaction
from backend.readings.compaction import QUIET_S, WAIT_S
from backend.storage.chunks import Body, Changes
from backend.storage.opening import open_storage
from backend.storage.sqlite.chunks import SqliteChunks
from backend.storage.sqlite.schema import transaction
from hub.core.errors import StorageError
from hub.core.model import Position, Quality
from hub.protocol.records.rows import Column, Row, Shape, Subject

from ..compaction_kit import BOOT, CLIMATE, FAR, HOUR, NOW, ROOM, Town, count, report

PERSON = Subject("ble:9", "room-9", "school", "~lilac-nine")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path / "backend.db")
    yield made
    made.close()


METRICS = "temperature", "motion", "count"


def _plain(one: StoredReading) -> object:
    return (*one[:5], msgspec.to_builtins(one.subject), one.column)


def chunk_lines(town: Town) -> list[tuple[str, int, int, int]]:
    return town.sql("select privacy, hour, rows, loose from chunks order by hour, privacy, id")


def test_a_reading_is_read_the_same_before_and_after_its_body_becomes_a_chunk(town: Town) -> None:
    town.arrive("h", [report(NOW + n, 20.0 + n / 100) for n in range(5)] + [count(NOW + 7, 3)])
    before = [[_plain(one) for one in town.read("h", "ble:1", metric)] for metric in METRICS]
    town.settle(WAIT_S + 1)
    assert town.sql("select count(*) from bodies") == [(0,)]
    assert [[_plain(one) for one in town.read("h", "ble:1", metric)] for metric in METRICS] == before
    assert town.values("h", "ble:1", "temperature") == [(NOW + n, 20.0 + n / 100) for n in range(5)]
    assert town.values("h", "ble:1", "count") == [(NOW + 7, 3)]


def test_a_body_waits_for_others_of_its_hub_and_no_longer(town: Town) -> None:
    town.arrive("h", [report(NOW)])
    town.settle(WAIT_S - 1)
    assert chunk_lines(town) == []
    town.arrive("h", [report(NOW + 1)])
    town.settle(2)
    assert [line[2] for line in chunk_lines(town)] == [2, 2]


def test_many_bodies_are_compacted_piece_by_piece(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_ROWS", 4)
    for n in range(10):
        town.arrive("h", [count(NOW + 2 * n, n), count(NOW + 2 * n + 1, n)])
    town.now += WAIT_S + 1
    town.compactor.work()
    assert town.sql("select count(*) from bodies") == [(8,)]
    assert len(town.values("h", "ble:1", "count")) == 20
    town.settle()
    assert town.sql("select count(*) from bodies") == [(0,)]
    assert len(town.values("h", "ble:1", "count")) == 20


def test_classes_lie_in_chunks_of_their_own_so_that_each_goes_whole(town: Town) -> None:
    town.arrive("h", [report(NOW, rssi=-60), count(NOW)])
    town.settle(WAIT_S + 1)
    assert [(privacy, rows) for privacy, _, rows, _ in chunk_lines(town)] == [
        ("environment", 1),
        ("personal", 1),
        ("technical", 1),
    ]
    assert town.values("h", "ble:1", "rssi") == [(NOW, -60)]


def test_late_data_is_merged_into_its_hour(town: Town) -> None:
    town.arrive("h", [count(NOW + 1000 * n, n) for n in range(0, 10, 2)])
    town.settle(WAIT_S + QUIET_S + 1)
    town.settle(QUIET_S)
    assert chunk_lines(town) == [("technical", NOW // HOUR, 5, 0)]
    town.settle(3 * 86_400)
    town.arrive("h", [count(NOW + 1000 * n, n) for n in range(1, 10, 2)])
    town.settle(WAIT_S + 1)
    assert [line[2:] for line in chunk_lines(town)] == [(5, 0), (5, 1)]
    assert town.values("h", "ble:1", "count") == [(NOW + 1000 * n, n) for n in range(10)]
    town.settle(QUIET_S + 1)
    assert chunk_lines(town) == [("technical", NOW // HOUR, 10, 0)]
    assert town.values("h", "ble:1", "count") == [(NOW + 1000 * n, n) for n in range(10)]


def test_a_crowd_of_loose_chunks_is_put_together_though_more_come(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "CROWD", 3)
    for n in range(4):
        town.arrive("h", [count(NOW + n, n)])
        town.settle(WAIT_S + 1)
    assert chunk_lines(town) == [("technical", NOW // HOUR, 4, 0)]


def test_a_chunk_that_is_full_takes_no_more(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "FULL_CHUNK", 4)
    for n in range(3):
        town.arrive("h", [count(NOW + 10 * n + at, at) for at in range(2)])
        town.settle(WAIT_S + 1)
    town.settle(QUIET_S)
    assert sorted(line[2:] for line in chunk_lines(town)) == [(2, 0), (4, 0)]
    assert len(town.values("h", "ble:1", "count")) == 6


def test_a_boot_without_a_clock_is_dated_when_it_is_read(town: Town) -> None:
    town.arrive("h", [report(n * HOUR, n) for n in range(3)], BOOT)
    town.settle(WAIT_S + 1)
    town.arrive("h", [report(3 * HOUR, 3)], BOOT)
    assert town.values("h", "ble:1", "temperature") == []
    assert [(one.time_ms, one.boot) for one in town.undated("h", "ble:1", "temperature")] == [
        (n * HOUR, BOOT) for n in range(4)
    ]
    town.date("h", BOOT, NOW, 5000)
    read = town.read("h", "ble:1", "temperature")
    assert [(one.time_ms, one.value, one.quality) for one in read] == [
        (NOW + n * HOUR, n, Quality.UNCERTAIN) for n in range(4)
    ]
    assert town.undated("h", "ble:1", "temperature") == []
    town.date("h", BOOT, NOW + 50, 20)
    town.settle(WAIT_S + QUIET_S + 1)
    read = town.read("h", "ble:1", "temperature")
    assert [(one.time_ms, one.quality) for one in read] == [(NOW + n * HOUR + 50, Quality.GOOD) for n in range(4)]
    assert town.values("h", "ble:1", "temperature")[1:3] == [
        (one.time_ms, one.value) for one in town.read("h", "ble:1", "temperature", NOW + HOUR, NOW + 3 * HOUR)
    ]


def test_the_newest_reading_is_found_in_bodies_chunks_and_boots_and_one_ahead_gives_way(town: Town) -> None:
    assert town.latest("h", "ble:1", "count") is None
    town.arrive("h", [count(NOW - 40 * HOUR, 1), count(NOW - 39 * HOUR, 2)])
    town.settle(WAIT_S + QUIET_S + 1)
    assert town.latest("h", "ble:1", "count").value == 2  # type: ignore[union-attr]
    town.date("h", BOOT, NOW - 10 * HOUR)
    town.arrive("h", [count(HOUR, 3)], BOOT)
    town.settle(WAIT_S + 1)
    assert town.latest("h", "ble:1", "count").value == 3  # type: ignore[union-attr]
    town.arrive("h", [count(NOW, 4), count(NOW + 900 * HOUR, 5)])
    assert town.latest("h", "ble:1", "count", NOW + 1).value == 4  # type: ignore[union-attr]
    town.settle(WAIT_S + 1)
    assert town.latest("h", "ble:1", "count", NOW + 1).value == 4  # type: ignore[union-attr]
    assert town.latest("h", "ble:1", "count").value == 5  # type: ignore[union-attr]


def test_an_order_hides_at_once_and_is_confirmed_when_no_byte_is_left(town: Town) -> None:
    town.arrive("h", [report(NOW, 21.0, PERSON), report(NOW + 1, 22.0)])
    town.settle(WAIT_S + QUIET_S + 1)
    town.arrive("h", [report(NOW + 2, 23.0, PERSON), report(NOW + 3, 24.0)])
    assert b"lilac-nine" in town.files()
    bodies = [bytes(data) for (data,) in town.sql("select data from bodies")]
    chunks = [bytes(data) for (data,) in town.sql("select data from chunks where privacy = 'personal'")]
    assert all(data in town.files() for data in (*bodies, *chunks))
    assert town.order("h", "pseudonym", "~lilac-nine", number="o")
    assert not town.order("h", "pseudonym", "~lilac-nine", number="o")
    assert town.read("h", "ble:9", "temperature") == []
    assert town.sql("select done_at from erasing") == [(None,)]
    town.settle()
    assert town.sql("select readings, late, done_at > 0 from erasing") == [(4, 0, 1)]
    assert not any(data in town.files() for data in (*bodies, *chunks))
    assert b"lilac-nine" not in town.files().replace(b"~lilac-nine\x00", b"").replace(_order_name(town), b"")
    assert town.sql("select count(*) from series where device = 'ble:9'") == [(0,)]
    town.arrive("h", [report(NOW + 4, 25.0, PERSON)])
    assert town.read("h", "ble:9", "temperature") == []
    town.settle(WAIT_S + 1)
    assert town.sql("select readings, late from erasing") == [(4, 0)]  # nobody knows any more whose they were
    assert town.values("h", "ble:1", "temperature") == [(NOW + 1, 22.0), (NOW + 3, 24.0)]


def _order_name(town: Town) -> bytes:
    """The order itself names whom it erases, as long as it holds: its row, as it lies in the file."""
    (found,) = town.sql("select id || kind || name from erasing")
    return str(found[0]).encode()


def test_an_order_of_a_device_reaches_what_is_personal_of_it_until_that_moment(town: Town) -> None:
    town.arrive("h", [report(NOW, 21.0), report(NOW + 10, 22.0), count(NOW, 5)])
    town.settle(WAIT_S + 1)
    town.arrive("h", [report(NOW + 1, 23.0), report(NOW + 11, 24.0)])
    town.order("h", "device", "ble:1", NOW + 10)
    for _ in range(2):
        assert town.values("h", "ble:1", "motion") == [(NOW + 10, True), (NOW + 11, True)]
        assert len(town.values("h", "ble:1", "temperature")) == 4
        assert town.values("h", "ble:1", "count") == [(NOW, 5)]
        town.settle()
    assert town.sql("select readings, late, done_at > 0 from erasing") == [(2, 0, 1)]
    town.arrive("h", [report(NOW + 2, 25.0), report(NOW + 12, 26.0)])
    town.settle(WAIT_S + 1)
    assert town.sql("select late from erasing") == [(1,)]
    assert [at for at, _ in town.values("h", "ble:1", "motion")] == [NOW + 10, NOW + 11, NOW + 12]


def test_an_order_is_not_confirmed_while_somebody_may_still_read_what_it_erases(town: Town) -> None:
    town.arrive("h", [report(NOW, 21.0, PERSON)])
    reader = apsw.Connection(str(town.path))
    reader.execute("begin")
    reader.execute("select count(*) from bodies").fetchall()
    town.order("h", "pseudonym", "~lilac-nine")
    town.settle()
    assert town.read("h", "ble:9", "temperature") == []
    assert town.sql("select done_at from erasing") == [(None,)]
    reader.execute("rollback")
    reader.close()
    town.settle()
    assert town.sql("select done_at > 0 from erasing") == [(1,)]


def test_a_position_is_personal_whatever_its_device_measures(town: Town) -> None:
    where = Position(latitude=48.5, longitude=2.25, altitude=35.5)
    town.arrive("h", [count(NOW, 1, position=where, rssi=-70), report(NOW, 20.0, position=where)])
    for _ in range(2):
        assert town.values("h", "ble:1", "latitude") == [(NOW, 48.5)] * 2
        assert town.values("h", "ble:1", "altitude") == [(NOW, 35.5)] * 2
        assert town.values("h", "ble:1", "position_accuracy") == []
        assert town.values("h", "ble:1", "rssi") == [(NOW, -70)]
        town.settle(WAIT_S + 1)
    assert dict(town.sql("select metric, privacy from series")) == {
        "count": "technical", "rssi": "technical", "temperature": "environment", "motion": "personal",
        "latitude": "personal", "longitude": "personal", "altitude": "personal",
    }  # fmt: skip
    town.order("h", "device", "ble:1", NOW + 1)
    town.settle()
    assert town.values("h", "ble:1", "latitude") == []
    assert town.values("h", "ble:1", "count") == [(NOW, 1)]


def test_what_a_report_carries_is_told_from_what_its_device_measures_under_the_same_name(town: Town) -> None:
    altimeter = Shape((Column("altitude", "m", "0.1"),))
    where = Position(latitude=48.5, longitude=2.25, altitude=35.5)
    town.arrive("h", [Row(ROOM, altimeter, NOW, True, (99.5,), 0, 1, None, where)])
    for _ in range(2):
        assert town.values("h", "ble:1", "altitude") == [(NOW, 99.5)]
        assert town.values("h", "ble:1", "latitude") == [(NOW, 48.5)]
        assert town.values("h", "ble:1", "report.altitude") == [(NOW, 35.5)]
        assert town.values("h", "ble:1", "report.latitude") == []
        town.settle(WAIT_S + 1)


def test_a_series_that_becomes_personal_is_personal_as_a_whole(town: Town) -> None:
    town.arrive("h", [count(NOW, 1), report(NOW)])
    town.settle(WAIT_S + QUIET_S + 1)
    personal = Shape((Column("count", resolution="1", privacy="personal"),))
    town.arrive("h", [Row(ROOM, personal, NOW + 1, True, (2,))])
    town.settle(WAIT_S + 1)
    assert "technical" not in {line[0] for line in chunk_lines(town)}
    town.arrive("h", [count(NOW + 2, 3)])
    town.settle(WAIT_S + 1)
    assert "technical" not in {line[0] for line in chunk_lines(town)}
    assert town.values("h", "ble:1", "count") == [(NOW, 1), (NOW + 1, 2), (NOW + 2, 3)]
    town.order("h", "device", "ble:1", NOW + 2)
    town.settle()
    assert town.values("h", "ble:1", "count") == [(NOW + 2, 3)]


def test_a_series_whose_class_changes_is_read_as_a_whole(town: Town) -> None:
    town.arrive("h", [count(NOW, 1)])
    town.settle(WAIT_S + 1)
    other = Shape((Column("count", resolution="1", privacy="environment"),))
    town.arrive("h", [Row(ROOM, other, NOW + 1, True, (2,))])
    town.settle(WAIT_S + 1)
    assert [line[0] for line in chunk_lines(town)] == ["environment", "technical"]
    assert town.values("h", "ble:1", "count") == [(NOW, 1), (NOW + 1, 2)]


def test_what_is_older_than_its_class_is_kept_goes_and_nothing_else(town: Town) -> None:
    for hour in range(0, 60, 5):
        town.arrive("h", [report(NOW - hour * HOUR), count(NOW - hour * HOUR)])
    town.arrive("h", [report(hour * HOUR, subject=PERSON) for hour in range(0, 60, 5)], BOOT)
    town.date("h", BOOT, NOW - 60 * HOUR)
    town.settle(WAIT_S + QUIET_S + 1)
    assert town.compactor.purge({"personal": 1, "environment": 2, "technical": 0})
    assert min(at for at, _ in town.values("h", "ble:1", "motion")) == NOW - 20 * HOUR
    assert min(at for at, _ in town.values("h", "ble:1", "temperature")) == NOW - 45 * HOUR
    assert min(at for at, _ in town.values("h", "ble:1", "count")) == NOW - 55 * HOUR
    assert min(at for at, _ in town.values("h", "ble:9", "motion")) == NOW - 20 * HOUR
    assert town.sql("select purged > 0, purged_at > 0 from retention where privacy = 'personal'") == [(1, 1)]


def test_what_has_no_date_and_what_is_dated_ahead_goes_by_its_arrival(town: Town) -> None:
    town.arrive("h", [report(5)], BOOT)
    town.arrive("h", [report(NOW + 9000 * HOUR)])
    town.settle(WAIT_S + QUIET_S + 1)
    town.now += 85_000
    assert not town.compactor.purge({"personal": 1})
    town.now += 2000
    assert town.compactor.purge({"personal": 1}) == 2
    assert town.read("h", "ble:1", "motion") == town.undated("h", "ble:1", "motion") == []
    assert len(town.read("h", "ble:1", "temperature")) == len(town.undated("h", "ble:1", "temperature")) == 1


def test_names_of_people_go_with_their_last_reading(town: Town) -> None:
    town.arrive("h", [report(NOW, subject=PERSON)])
    town.arrive("h", [count(NOW)], epoch=1)
    town.settle(WAIT_S + QUIET_S + 1)
    town.compactor.purge({"personal": 30, "environment": 30})
    assert town.sql("select count(*) from names") == [(2,)]
    town.now += 33 * 86_400
    town.compactor.purge({"personal": 30, "environment": 30})
    assert town.sql("select count(*) from names") == [(0,)]
    assert town.sql("select metric from series where device = 'ble:9'") == [("temperature",)]
    assert not town.bodies.named("h", 0)


def test_a_body_that_cannot_be_read_is_set_aside_and_holds_nobody_up(
    town: Town, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MOST_ASIDE", 2)
    town.arrive("h", [count(NOW, 1)])
    for n in range(3):
        town.raw("h", b"no frame %d" % n)
    town.arrive("h", [count(NOW + 1, 2)])
    assert town.values("h", "ble:1", "count") == [(NOW, 1), (NOW + 1, 2)]
    town.settle(WAIT_S + 1)
    assert town.values("h", "ble:1", "count") == [(NOW, 1), (NOW + 1, 2)]
    kept = town.sql("select hub, reason, body from quarantine order by id")
    assert kept == [("h", "body", b"no frame 0"), ("h", "body", b"no frame 1")]
    assert town.sql("select kind, hub from alarms where cleared_at is null") == [("body", "h")]
    assert "h: record 2 cannot be read, and is set aside" in caplog.text
    assert "h: record 4 cannot be read, and is dropped, since 2 are set aside" in caplog.text


def test_a_chunk_that_a_disk_altered_is_told_and_holds_nobody_up(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(2):
        town.arrive("h", [count(NOW + n, n)])
        town.arrive("h", [count(NOW - HOUR + n, n)])
        town.settle(WAIT_S + 1)
    (damaged,) = town.sql("select id, data from chunks where hour = ? limit 1", NOW // HOUR)
    town.sql("update chunks set data = ? where id = ?", bytes(damaged[1][:-1]) + b"?", damaged[0])
    town.order("h", "device", "ble:1")
    town.settle(QUIET_S + 1)
    assert sorted(line[1:] for line in chunk_lines(town)) == [
        (NOW // HOUR - 1, 2, 0),
        (NOW // HOUR, 1, 0),
        (NOW // HOUR, 1, 0),
    ]
    assert f"h: a chunk of hour {NOW // HOUR} is damaged and stays as it is" in caplog.text
    assert len(town.read("h", "ble:1", "count", 0, NOW - 1)) == 2
    with pytest.raises(StorageError, match=f"what is stored from hour {NOW // HOUR} cannot be read"):
        town.read("h", "ble:1", "count")
    assert town.sql("select done_at > 0 from erasing") == [(1,)]


def test_ingest_adds_bodies_in_its_own_transaction_and_knows_no_hub_of_one_that_failed(town: Town) -> None:
    town.arrive("h", [count(NOW, 1)])
    (data,) = town.sql("select data from bodies")[0]
    with closing(open_storage(town.path)) as storage:

        def add(**hubs: int) -> None:
            with storage.transaction():
                for hub, number in hubs.items():
                    storage.bodies.add(hub, Body(number, 1, b"", town.now, bytes(data)))

        with pytest.raises(StorageError):
            add(other=8, h=1)  # the second number is taken
        add(third=9, other=10)
    assert town.sql("select c.hub, b.record from bodies b join compacted c on c.number = b.hub order by record") == [
        ("h", 1),
        ("third", 9),
        ("other", 10),
    ]


def test_two_compactors_do_not_work_at_once(town: Town) -> None:
    other = SqliteChunks(town.path)
    assert town.chunks.compact_alone()
    assert town.chunks.compact_alone()
    assert not other.compact_alone()
    town.chunks.close()
    assert other.compact_alone()
    other.close()
    town.start()


def test_changes_worked_out_of_an_older_state_are_not_written(town: Town) -> None:
    town.arrive("h", [report(NOW, subject=PERSON)])
    with town.chunks.snapshot("h") as seen:
        changes = town.compactor._compacted("h", seen, seen.bodies())
        version = seen.version
    town.order("h", "pseudonym", "~lilac-nine")
    assert not town.chunks.apply("h", version, changes)
    assert chunk_lines(town) == []
    town.settle()
    assert town.sql("select readings, done_at > 0 from erasing") == [(2, 1)]


def test_a_database_that_refuses_is_told_as_such(town: Town) -> None:
    town.arrive("h", [report(NOW)])
    town.sql("drop table chunks")
    town.now += WAIT_S + 1
    with pytest.raises(StorageError, match="no such table: chunks"):
        town.compactor.work()
    assert town.sql("select count(*) from bodies") == [(1,)]


def test_the_hub_that_waits_longest_is_compacted_first(town: Town) -> None:
    for hub in ("b", "a", "c"):
        town.arrive(hub, [report(NOW)])
        town.now += 1
    town.now += WAIT_S
    assert town.chunks.waiting(town.now - WAIT_S, 9) == ["b", "a", "c"]
    town.compactor.work()
    assert town.chunks.waiting(town.now - WAIT_S, 9) == ["a", "c"]
    assert town.read("b", "ble:1", "motion", 0, FAR)
    assert CLIMATE.columns[1].privacy == "personal"


def test_what_was_worked_out_of_a_hub_that_is_gone_is_not_written(town: Town) -> None:
    town.arrive("h", [report(NOW)])
    with town.chunks.snapshot("h") as seen:
        version = seen.version
        with transaction(town.db):
            town.db.execute("delete from bodies; delete from names; delete from compacted")
    assert not town.chunks.apply("h", version, Changes(through=1))
    assert town.sql("select count(*) from compacted") == [(0,)]
