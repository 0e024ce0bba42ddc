"""Rows: their time, their series, what is newest, what is missing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from backend_kit import METER, NOW, ROOM, TEXT, Desk, Sender, row

from backend.ingest.core import STATE
from backend.ingest.missing_records import ALARM_AFTER_S, MissingRecords
from backend.queries import views
from backend.queries.series_history import SeriesHistory, StoredReading
from backend.queries.views import NotFound
from backend.storage.sqlite import queries
from hub.core.errors import StorageError
from hub.core.model import Position, Quality
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject
from hub.protocol.records.seal import Previous

BOOT = b"b" * 16


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


def send(desk: Desk, hub: Sender, segment: Any, *records: bytes) -> None:
    """Have records stored in rows."""
    answer = desk.post(hub, segment.message(records))
    assert not answer.need
    assert not answer.acks[0].rejected
    desk.settle()


def values(desk: Desk, series: str, **more: int) -> list[Any]:
    return [r["value"] for r in desk.views.history(series, 0, 2**53, **{"limit": 1000, **more})["readings"]]


# -- series ------------------------------------------------------------------------------------------------------


def test_a_series_is_hub_place_and_metric(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(value=21.5)]))
    (one,) = desk.views.series(metric="temperature")
    assert one["id"] == f"{hub.hub}/room-1/temperature"
    assert (one["unit"], one["site"], one["zone"], one["devices"]) == ("Cel", "school", "ground floor", ["ble:1"])
    assert desk.views.latest(one["id"])["value"] == 21.5


def test_without_a_place_the_device_stands_for_it(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(subject=Subject("modbus:plc/7"))]))
    assert desk.views.latest(f"{hub.hub}/modbus:plc/7/temperature")["value"] == 20.0


def test_a_place_outlives_its_device(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    new = Subject("ble:2", ROOM.place)
    send(desk, hub, segment, segment.block([row(NOW, 1.0)]), segment.block([row(NOW + 5, 2.0, new)]))
    series = f"{hub.hub}/room-1/temperature"
    assert values(desk, series) == [1.0, 2.0]
    assert desk.views.series(metric="temperature")[0]["devices"] == ["ble:1", "ble:2"]


def test_two_devices_at_one_place_in_one_millisecond_both_stay(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(NOW, 1.0), row(NOW, 2.0, Subject("ble:2", ROOM.place))]))
    assert sorted(values(desk, f"{hub.hub}/room-1/temperature")) == [1.0, 2.0]


def test_one_device_twice_in_one_millisecond_both_stay(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(NOW, 1.0), row(NOW, 2.0)]), segment.block([row(NOW, 3.0)]))
    assert sorted(values(desk, f"{hub.hub}/room-1/temperature")) == [1.0, 2.0, 3.0]


def test_two_hubs_with_the_same_places_do_not_meet(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    for sender, value in ((hub, 1.0), (other, 2.0)):
        segment = sender.segment()
        send(desk, sender, segment, segment.block([row(NOW, value)]))
    assert values(desk, f"{hub.hub}/room-1/temperature") == [1.0]
    assert values(desk, f"{other.hub}/room-1/temperature") == [2.0]


def test_flags_texts_and_whole_numbers_come_back_as_they_went(desk: Desk, hub: Sender) -> None:
    count = Shape((Column("count", resolution="1"), Column("huge", resolution="100000000")))
    segment = hub.segment()
    rows = [
        Row(ROOM, TEXT, NOW, True, ("v1.2-é",), 0, 1),
        Row(ROOM, count, NOW, True, (7, 500_000_000_000_000_000_000_000_000), 0, 1),
        row(),
    ]
    send(desk, hub, segment, segment.block(rows))
    at = f"{hub.hub}/room-1"
    assert desk.views.latest(f"{at}/firmware")["value"] == "v1.2-é"
    assert desk.views.latest(f"{at}/count")["value"] == 7
    assert desk.views.latest(f"{at}/motion")["value"] is False
    assert desk.views.latest(f"{at}/huge")["value"] == pytest.approx(5e26)


@pytest.mark.usefixtures("later")
def test_devices_that_stood_at_one_place_keep_the_kind_of_their_values_each(desk: Desk, hub: Sender) -> None:
    """A contact that says open or shut gave way to one that says how far; and its pack says so in words today."""
    flag, text, number = (Shape((Column("window", kind=kind),)) for kind in ("flag", "text", "number"))
    segment = hub.segment()
    rows = [
        Row(Subject("ble:1", "w"), flag, NOW, True, (True,), 0, 1),
        Row(Subject("ble:2", "w"), number, NOW + 1, True, (7,), 0, 1),
    ]
    desk.post(hub, segment.message([segment.block(rows)]))
    later = hub.segment()
    desk.post(hub, later.message([later.block([Row(Subject("ble:1", "w"), text, NOW + 2, True, ("ajar",), 0, 1)])]))
    desk.settle()
    series = f"{hub.hub}/w/window"
    values = [one["value"] for one in desk.views.history(series, 0, NOW + 9, 9)["readings"]]
    assert (values[1:], desk.views.latest(series)["value"]) == ([7, "ajar"], "ajar")
    assert values[0] == 1
    again = hub.segment()
    desk.post(hub, again.message([again.block([Row(Subject("ble:1", "w"), flag, NOW + 3, True, (False,), 0, 1)])]))
    desk.settle()
    values = [one["value"] for one in desk.views.history(series, 0, NOW + 9, 9)["readings"]]
    assert values == [True, 7, "ajar", False]
    assert [type(value) for value in values] == [bool, int, str, bool]


def test_signal_and_position_are_series_of_their_own(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    where = Position(latitude=48.8566, longitude=2.3522, accuracy=5.0)
    send(desk, hub, segment, segment.block([row(rssi=-71, position=where)]))
    at = f"{hub.hub}/room-1"
    got = {name: desk.views.latest(f"{at}/{name}")["value"] for name in ("rssi", "latitude", "longitude")}
    assert got == {"rssi": -71, "latitude": 48.8566, "longitude": 2.3522}
    with pytest.raises(NotFound):
        desk.views.latest(f"{at}/altitude")
    assert desk.views.stats()["readings"] == 2


def test_what_a_device_calls_as_the_report_does_is_kept_beside_it(desk: Desk, hub: Sender) -> None:
    """Its own `rssi` and that of the radio came under one number: one of the two was dropped."""
    own = Shape(tuple(Column(name) for name in ("rssi", "altitude")))
    where = Position(latitude=48.8566, longitude=2.3522, altitude=35.0)
    segment = hub.segment()
    both = Row(ROOM, own, NOW, True, (-40, 52.0), 0, 1, -71, where)
    send(desk, hub, segment, segment.block([both, row(NOW + 1, rssi=-72)]))
    at = f"{hub.hub}/room-1"
    assert values(desk, f"{at}/rssi") == [-40]
    assert values(desk, f"{at}/report.rssi") == [-71, -72], "a report without a metric of that name follows"
    assert (values(desk, f"{at}/altitude"), values(desk, f"{at}/report.altitude")) == ([52.0], [35.0])
    (own_series,) = desk.views.series(metric="altitude")
    assert own_series["privacy"] == "technical", "what its barometer says is no position"
    desk.restart()
    later = hub.segment()
    send(desk, hub, later, later.block([row(NOW + 2, rssi=-73)]))
    assert values(desk, f"{at}/report.rssi") == [-71, -72, -73], "and so it stays after a restart"
    assert values(desk, f"{at}/latitude") == [48.8566]


def test_quality_and_trust_travel_with_a_reading(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(quality=1, trust=2)]))
    latest = desk.views.latest(f"{hub.hub}/room-1/temperature")
    assert (latest["quality"], latest["trust"]) == (1, 2)


# -- late, live --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("later")
def test_late_data_keeps_its_time_and_never_hides_a_newer_value(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    old, new = segment.block([row(NOW - 86_400_000, 1.0)]), segment.block([row(NOW, 2.0)])
    series = f"{hub.hub}/room-1/temperature"
    send(desk, hub, segment, new)
    send(desk, hub, segment, old)
    assert desk.views.latest(series) == {"id": series, "time": NOW, "value": 2.0, "quality": 0, "trust": 1}
    assert values(desk, series) == [1.0, 2.0]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("marked", ["never", "before", "after"])
def test_a_reading_dated_far_ahead_is_kept_and_pins_no_newest_value(
    desk: Desk, hub: Sender, together: bool, marked: str
) -> None:
    """A device, or a hub in wrong hands, dates one reading in the year 2100; with a date, or by the clock of a boot."""
    now, ahead = int(time.time() * 1000), 4_102_444_800_000
    series, segment = f"{hub.hub}/room-1/temperature", hub.segment()
    moments = [(now - 2000, 1.0), (ahead, 99.0), (now - 1000, 2.0)]
    rows = [row(at, value, sure=marked == "never") for at, value in moments]
    mark = ClockMark(BOOT, 0, 20, "ntp")
    if marked == "before":
        send(desk, hub, segment, segment.clock(mark))
    for some in [rows] if together else [[one] for one in rows]:
        send(desk, hub, segment, segment.block(some, b"" if marked == "never" else BOOT))
    if marked == "after":
        send(desk, hub, segment, segment.clock(mark))
    assert values(desk, series) == [1.0, 2.0, 99.0]
    assert (desk.views.latest(series)["time"], desk.views.latest(series)["value"]) == (now - 1000, 2.0)


def test_of_readings_that_are_all_dated_ahead_the_newest_counts_until_one_is_not(desk: Desk, hub: Sender) -> None:
    """This machine's clock may be behind; or the hub's was ahead, and is right again."""
    series, segment = f"{hub.hub}/room-1/temperature", hub.segment()
    ahead = int(time.time() * 1000) + 86_400_000
    for at, value in ((ahead, 1.0), (ahead + 2, 3.0), (ahead + 1, 2.0)):
        send(desk, hub, segment, segment.block([row(at, value)]))
    assert desk.views.latest(series)["value"] == 3.0
    send(desk, hub, segment, segment.block([row(ahead - 86_401_000, 4.0)]))
    assert desk.views.latest(series)["value"] == 4.0


def test_of_two_devices_at_a_place_the_one_that_dates_ahead_is_not_the_newest(desk: Desk, hub: Sender) -> None:
    now, segment = int(time.time() * 1000), hub.segment()
    other = msgspec.structs.replace(ROOM, device="ble:2")
    send(desk, hub, segment, segment.block([row(now, 1.0), row(now + 10**12, 99.0, other)]))
    assert desk.views.latest(f"{hub.hub}/room-1/temperature")["value"] == 1.0


def test_history_is_cut_by_time_and_goes_on_where_it_stopped(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(NOW + n // 3, float(n)) for n in range(30)]))
    series, start, seen = f"{hub.hub}/room-1/temperature", NOW, []
    while start is not None:
        page = desk.views.history(series, start, NOW + 9, 4)
        seen += [r["value"] for r in page["readings"]]
        start = page["next"]
    assert seen == [float(n) for n in range(27)]


def test_a_page_smaller_than_one_millisecond_still_loses_nothing(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([row(NOW, float(n)) for n in range(5)] + [row(NOW + 1, 9.0)]))
    page = desk.views.history(f"{hub.hub}/room-1/temperature", 0, 2**53, 2)
    assert [r["value"] for r in page["readings"]] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert page["next"] == NOW + 1


# -- clocks ------------------------------------------------------------------------------------------------------


def undated(mono: int, value: float, shape: Shape = METER) -> Row:
    return Row(ROOM, shape, mono, False, (value,), 0, 1)


@pytest.mark.usefixtures("later")
def test_what_came_undated_is_dated_when_the_clock_is_known(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    series = f"{hub.hub}/room-1/energy"
    send(desk, hub, segment, segment.block([undated(5000, 1.0), undated(6000, 2.0)], BOOT))
    assert values(desk, series) == []
    assert desk.views.latest(series)["value"] is None
    send(desk, hub, segment, segment.clock(ClockMark(BOOT, NOW - 5000, 20, "ntp")))
    history = desk.views.history(series, 0, 2**53, 10)
    assert [(r["time"], r["value"], r["quality"]) for r in history["readings"]] == [(NOW, 1.0, 0), (NOW + 1000, 2.0, 0)]
    assert history["undated"] == []
    assert desk.views.latest(series)["value"] == 2.0


@pytest.mark.usefixtures("later")
def test_all_that_a_hub_said_before_it_knew_the_time_is_dated_without_being_written_again(plain: Desk) -> None:
    hub, other = plain.enrol(), Subject("ble:2", "room-2")
    segment, boot, started = hub.segment(), b"b" * 16, NOW - 1_000_000
    rows = [row(n, float(n), subject, sure=False) for n in range(1, 301) for subject in (ROOM, other)]
    plain.post(hub, segment.message([segment.block(rows, boot)]))
    plain.compact()
    lies = plain.sql("select data from chunks")
    assert plain.views.stats()["undated"] == 600
    plain.post(hub, segment.message([segment.clock(ClockMark(boot, started, 20, "ntp"))]))
    assert plain.sql("select data from chunks") == lies
    assert plain.rows() == sorted((started + one.time_ms, one.values[0]) for one in rows)
    assert [plain.views.latest(f"{hub.hub}/{place}/temperature")["value"] for place in ("room-1", "room-2")] == [
        300.0
    ] * 2
    assert (plain.undated(), plain.views.stats()["undated"]) == ([], 0)


def test_what_comes_after_its_clock_record_is_dated_at_once(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    block, mark = segment.block([undated(5000, 1.0)], BOOT), segment.clock(ClockMark(BOOT, NOW - 5000, 20, "ntp"))
    send(desk, hub, segment, mark)
    desk.restart()
    send(desk, hub, segment, block)
    assert [r["time"] for r in desk.views.history(f"{hub.hub}/room-1/energy", 0, 2**53, 10)["readings"]] == [NOW]


def test_a_clock_record_dates_its_own_boot_and_hub_only(desk: Desk, hub: Sender) -> None:
    other = desk.enrol()
    one, two = hub.segment(), other.segment()
    send(desk, hub, one, one.block([undated(1, 1.0)], BOOT), one.block([undated(1, 2.0)], b"c" * 16))
    send(desk, other, two, two.clock(ClockMark(BOOT, NOW, 20, "ntp")))
    assert values(desk, f"{hub.hub}/room-1/energy") == []
    send(desk, hub, one, one.clock(ClockMark(BOOT, NOW, 20, "ntp")))
    assert values(desk, f"{hub.hub}/room-1/energy") == [1.0]


def test_a_boot_and_a_series_whose_commit_failed_are_not_taken_for_those_of_another_hub(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, other, another = plain.enrol(), plain.enrol(), b"c" * 16
    one, two = hub.segment(), other.segment()
    message = one.message([one.block([undated(1, 1.0)], BOOT)])

    def refuse() -> None:
        raise StorageError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(plain.ingest.storage.streams, "save", refuse)
        assert isinstance(plain.answer(hub, message), StorageError)
    send(plain, other, two, two.block([undated(1, 7.0)], another))
    plain.post(hub, message)
    send(plain, other, two, two.clock(ClockMark(another, NOW, 20, "ntp")))
    assert values(plain, f"{hub.hub}/room-1/energy") == []
    assert values(plain, f"{other.hub}/room-1/energy") == [7.0]
    send(plain, hub, one, one.clock(ClockMark(BOOT, NOW, 20, "ntp")))
    assert values(plain, f"{hub.hub}/room-1/energy") == [1.0]


def test_a_worse_clock_record_does_not_replace_a_better_one(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    for offset, error in ((NOW, 20), (NOW + 5000, 900)):
        send(desk, hub, segment, segment.clock(ClockMark(BOOT, offset, error, "ntp")))
    send(desk, hub, segment, segment.block([undated(0, 1.0)], BOOT))
    assert [r["time"] for r in desk.views.history(f"{hub.hub}/room-1/energy", 0, 2**53, 10)["readings"]] == [NOW]


def test_what_an_inexact_clock_record_dates_is_uncertain_until_a_better_one_dates_it(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    send(desk, hub, segment, segment.block([undated(1000, 1.0)], BOOT))
    send(desk, hub, segment, segment.clock(ClockMark(BOOT, NOW, 2500, "backend")))
    send(desk, hub, segment, segment.block([undated(2000, 2.0)], BOOT))
    desk.restart()
    send(desk, hub, segment, segment.block([undated(3000, 3.0)], BOOT))
    history = desk.views.history(f"{hub.hub}/room-1/energy", 0, 2**53, 10)
    assert [(r["time"] - NOW, r["quality"]) for r in history["readings"]] == [(1000, 1), (2000, 1), (3000, 1)]
    send(desk, hub, segment, segment.clock(ClockMark(BOOT, NOW + 1500, 1000, "backend")))
    send(desk, hub, segment, segment.block([undated(4000, 4.0)], BOOT))
    history = desk.views.history(f"{hub.hub}/room-1/energy", 0, 2**53, 10)
    assert [(r["time"] - NOW, r["value"], r["quality"]) for r in history["readings"]] == [
        (2500, 1.0, 0), (3500, 2.0, 0), (4500, 3.0, 0), (5500, 4.0, 0),
    ]  # fmt: skip
    assert {r["trust"] for r in history["readings"]} == {1}


def test_a_boot_that_never_knew_is_ordered_bracketed_and_called_undated(desk: Desk, hub: Sender) -> None:
    before = hub.segment()
    send(desk, hub, before, before.block([Row(ROOM, METER, NOW, True, (1.0,), 0, 1)]))
    lost = hub.segment(previous=Previous(before.run, 1, before.last_digest))
    send(desk, hub, lost, lost.block([undated(9000, 3.0), undated(8000, 2.0)], BOOT))
    after = hub.segment(previous=Previous(lost.run, 1, lost.last_digest))
    send(desk, hub, after, after.block([Row(ROOM, METER, NOW + 60_000, True, (4.0,), 0, 1)]))
    found = desk.views.history(f"{hub.hub}/room-1/energy", 0, 2**53, 10)
    assert [r["value"] for r in found["readings"]] == [1.0, 4.0]
    assert [r["value"] for r in found["undated"]] == [2.0, 3.0]
    for reading in found["undated"]:
        assert (reading["not_before"], reading["not_after"]) == (NOW, NOW + 60_000)
        assert reading["quality"] == Quality.UNDATED
        assert reading["time"] is None


def test_what_lies_between_many_runs_is_found_by_going_once_through_the_readings(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = plain.enrol()
    before = hub.segment()
    send(plain, hub, before, before.block([Row(ROOM, METER, NOW, True, (1.0,), 0, 1)]))
    for n in range(8):
        lost = hub.segment(previous=Previous(before.run, 1, before.last_digest))
        send(plain, hub, lost, lost.block([undated(9000, float(n))], bytes([n]) * 16))
    passes: list[object] = []
    real = SeriesHistory.between

    def watched(history: SeriesHistory, start: int, end: int) -> Iterator[StoredReading]:
        passes.append(history)
        return real(history, start, end)

    monkeypatch.setattr(SeriesHistory, "between", watched)
    found = plain.views.history(f"{hub.hub}/room-1/energy", 0, 2**53, 10)["undated"]
    assert [one["not_before"] for one in found] == [NOW] * 8
    assert len(passes) == 2, "the page, and the neighbours"


def test_what_is_asked_of_one_hub_is_found_by_an_index_among_those_of_all(plain: Desk) -> None:
    asked = {
        "series": (queries._SERIES_LINES, 7), "alerts": (queries._ALERTS, 3), "erasures": (queries._ERASURES, 2),
        "asked": (queries._LOOKUPS, 2), "gaps": (queries._GAPS, 3),
    }  # fmt: skip
    for table, (statement, count) in asked.items():
        column = {"gaps": "g.hub", "erasures": "c.hub"}.get(table, "hub")
        for hub in ("h", ""):
            of = queries._given(column, hub, 1)
            plan = plain.database.execute(f"explain query plan {statement.format(of=of)}", (hub, *["0"] * (count - 1)))
            steps = " ".join(str(step[3]) for step in plan)
            found = re.search(rf"SEARCH ({table}|g|c) USING [^)]*\(hub=\?", steps)
            assert (found is not None) is bool(hub), (table, hub, steps)


def test_series_and_gaps_are_told_page_by_page(desk: Desk, hub: Sender) -> None:
    rows = [row(subject=Subject(f"ble:{n}", f"room-{n}", "school", "x")) for n in range(3)]
    segment = hub.segment()
    gaps = [Gap(READINGS, b"r" * 16, n, n, 1, 0, 1, "full") for n in (2, 4, 6)]
    send(desk, hub, segment, segment.block(rows), *(segment.gap(gap) for gap in gaps))
    whole = [one["id"] for one in desk.views.series()]
    assert len(whole) == 6
    seen: list[str] = []
    while page := desk.views.series(after=seen[-1] if seen else "", limit=4):
        seen += [one["id"] for one in page]
    assert seen == whole
    first = desk.views.gaps(limit=2)
    assert [one["first"] for one in first] == [2, 4]
    assert [one["first"] for one in desk.views.gaps(after=first[-1]["id"])] == [6]


def test_totals_that_take_long_to_count_are_not_counted_for_each_who_asks(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, counted = plain.enrol(), list[float]()
    real, clock = plain.views._count, [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    def slow() -> Any:
        clock[0] += 2.0
        counted.append(clock[0])
        return real()

    monkeypatch.setattr(plain.views, "_count", slow)
    segment = hub.segment()
    assert plain.views.stats()["records"] == 0
    send(plain, hub, segment, segment.block([row()]))
    clock[0] += 39.0
    assert plain.views.stats()["records"] == 0
    clock[0] += 2.0
    assert plain.views.stats()["records"] == 1
    assert len(counted) == 2


def test_the_list_of_hubs_shows_the_newest_runs_and_how_many_there_are(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MAX_STREAMS_SHOWN", 2)
    runs = [bytes([n]) * 16 for n in range(4)]
    for run in runs:
        segment = hub.segment(run=run)
        send(desk, hub, segment, segment.block([row()]))
    (told,) = desk.views.hubs()
    assert ([one["run"] for one in told["streams"]], told["streams_in_all"]) == ([run.hex() for run in runs[2:]], 4)
    assert len(desk.views.verify(hub.hub)) == 4


@pytest.mark.parametrize("mark", [ClockMark(BOOT, 2**60, 1, "x"), ClockMark(BOOT, 0, -1, "x")])
def test_a_clock_record_beyond_any_clock_is_rejected(desk: Desk, hub: Sender, mark: ClockMark) -> None:
    segment = hub.segment()
    assert desk.post(hub, segment.message([segment.clock(mark)])).acks[0].rejected == ((1, 1),)


# -- gaps and holes ----------------------------------------------------------------------------------------------


def gap(run: bytes, first: int, last: int) -> Gap:
    return Gap("readings", run, first, last, 8, 1_800_000_000, 1_800_000_060, "evicted")


def test_a_declared_gap_is_listed(desk: Desk, hub: Sender) -> None:
    lost, alerts = hub.segment(), hub.segment(stream="alerts")
    send(desk, hub, alerts, alerts.gap(gap(lost.run, 3, 4)))
    (found,) = desk.views.gaps()
    assert (found["hub"], found["run"], found["first"], found["last"]) == (hub.hub, lost.run.hex(), 3, 4)
    assert (found["readings"], found["reason"], found["missing"]) == (8, "evicted", [(3, 4)])
    assert desk.views.gaps("hub-other") == []


def test_a_gap_declared_again_by_a_hub_that_was_killed_is_counted_once(desk: Desk, hub: Sender) -> None:
    lost, alerts = hub.segment(), hub.segment(stream="alerts")
    for first, last in ((3, 6), (3, 6), (4, 5), (5, 8)):
        send(desk, hub, alerts, alerts.gap(gap(lost.run, first, last)))
    assert [(found["first"], found["last"]) for found in desk.views.gaps()] == [(3, 6), (5, 8)]


@pytest.mark.parametrize("gap_first", [True, False])
def test_where_both_the_data_and_its_gap_arrive_the_data_wins(desk: Desk, hub: Sender, gap_first: bool) -> None:
    readings, alerts = hub.segment(), hub.segment(stream="alerts")
    record = readings.block([row(value=5.0)])
    sends = [(alerts, alerts.gap(gap(readings.run, 1, 2))), (readings, record)]
    for segment, raw in sends if gap_first else sends[::-1]:
        send(desk, hub, segment, raw)
    assert values(desk, f"{hub.hub}/room-1/temperature") == [5.0]
    assert desk.views.gaps()[0]["missing"] == [(2, 2)]


def look(desk: Desk, holes: MissingRecords, now: float) -> list[str]:
    holes.check(desk.ingest.received, now)
    return desk.alarms()


def test_a_hole_raises_an_alarm_after_five_minutes_and_clears_when_filled(desk: Desk, hub: Sender) -> None:
    segment, holes = hub.segment(), MissingRecords()
    records = [segment.block([row(NOW + n)]) for n in range(4)]
    desk.post(hub, segment.message([records[0], records[3]]))
    assert look(desk, holes, 0.0) == []
    desk.post(hub, segment.message([records[1]]))
    assert look(desk, holes, ALARM_AFTER_S - 1) == []
    assert look(desk, holes, ALARM_AFTER_S) == ["hole"]
    desk.post(hub, segment.message([records[2]]))
    assert look(desk, holes, ALARM_AFTER_S + 1) == []


def test_a_declared_gap_is_no_hole(desk: Desk, hub: Sender) -> None:
    segment, alerts, holes = hub.segment(), hub.segment(stream="alerts"), MissingRecords()
    segment.skip(2)
    desk.post(hub, segment.message([segment.block([row()])]))
    desk.post(hub, alerts.message([alerts.gap(gap(segment.run, 1, 2))]))
    desk.settle()
    look(desk, holes, 0.0)
    assert look(desk, holes, 1e6) == []


def test_a_missing_tail_is_seen_by_the_state_and_by_the_next_run(desk: Desk, hub: Sender) -> None:
    holes = MissingRecords()
    one = hub.segment()
    one.block([row()])
    desk.state(hub, hub.state(one))
    look(desk, holes, 0.0)
    assert look(desk, holes, ALARM_AFTER_S) == ["hole"]
    other = desk.enrol()
    lost = other.segment()
    lost.block([row()])
    following = other.segment(previous=Previous(lost.run, 1, lost.last_digest))
    desk.post(other, following.message([following.block([row()])]))
    look(desk, holes, ALARM_AFTER_S)
    assert look(desk, holes, 2 * ALARM_AFTER_S) == ["hole", "hole"]


def test_what_is_stored_of_a_stream_can_be_verified(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    record = segment.block([row()])
    segment.skip(3)
    send(desk, hub, segment, record, segment.block([row()]))
    (found,) = desk.views.verify(hub.hub, segment.run.hex(), "readings")
    assert (found["ranges"], found["through"], found["readings"]) == ([(1, 1), (5, 5)], 1, 4)
    assert desk.views.verify(hub.hub, stream="alerts") == []
    assert desk.views.verify("hub-other") == []


def test_a_hole_that_an_answer_which_was_never_made_asked_for_is_asked_for_with_the_next_one(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = hub.segment()
    segment.skip(2)
    desk.post(hub, segment.message([segment.block([row()])]))
    desk.settle()
    look(desk, desk.ingest.holes, 0.0)

    def refuse(*_: object) -> None:
        raise StorageError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.ingest.storage.streams, "save", refuse)
        assert isinstance(desk.answer(hub, hub.state(segment), STATE), StorageError)
    [ack] = desk.state(hub, hub.state(segment)).acks
    assert [tuple(span) for span in ack.want] == [(1, 2)]
    [ack] = desk.state(hub, hub.state(segment)).acks
    assert not ack.want, "what was asked for counts"
