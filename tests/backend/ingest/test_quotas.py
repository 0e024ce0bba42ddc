"""What one hub may take up: its share, and nothing of the others'."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from backend_kit import NOW, Desk, Sender, row

from backend.hubs import alerts
from backend.ingest import quotas
from backend.ingest.core import RECORDS
from backend.storage.sqlite import series
from hub.automation.alerts.lifecycle import Alert
from hub.automation.alerts.stream_rows import row as alert_row
from hub.automation.alerts.stream_rows import subject_of
from hub.core.errors import NotReady
from hub.protocol.records import framing
from hub.protocol.records.rows import ALERTS, READINGS, Column, Row, Shape, Subject
from hub.protocol.records.seal import Previous


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


def streams(desk: Desk, hub: Sender) -> int:
    return int(desk.sql("select count(*) from streams where hub = ?", hub.hub)[0][0])


def begin(desk: Desk, hub: Sender) -> bool:
    """Whether a record of a new run is taken."""
    segment = hub.segment()
    return 1 in desk.post(hub, segment.message([segment.block([row()])])).taken(segment)


def test_a_hub_that_begins_run_after_run_is_told_to_wait_and_its_older_runs_and_other_hubs_go_on(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RUNS_A_DAY", 3)
    other, old = desk.enrol(), hub.segment()
    assert 1 in desk.post(hub, old.message([old.block([row()])])).taken(old)
    assert [begin(desk, hub) for _ in range(4)] == [True, True, False, False]
    for _ in range(20):
        desk.state(hub, stated(hub, os.urandom(16)))
    assert streams(desk, hub) == 3
    assert desk.alarms() == [quotas.RUNS_ALARM]
    assert 2 in desk.post(hub, old.message([old.block([row(NOW + 1)])])).taken(old), "what it had goes on"
    assert begin(desk, other)


def stated(hub: Sender, run: bytes) -> bytes:
    return hub.state(None, READINGS, streams={READINGS: (run, 9, bytes(32))}, oldest={ALERTS: (run, 1)})


def test_a_person_is_told_before_anything_waits(desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MANY_RUNS_A_DAY", 2)
    assert [begin(desk, hub) for _ in range(5)] == [True] * 5
    assert desk.sql("select kind, detail from alarms") == [(quotas.RUNS_ALARM, quotas.MANY_DETAIL)]


def test_its_state_counts_all_the_same_and_a_day_later_it_may_begin_again(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RUNS_A_DAY", 1)
    assert begin(desk, hub)
    desk.state(hub, stated(hub, b"s" * 16))
    assert desk.views.hubs()[0]["state_at"] is not None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + quotas.TRICKLE_S)
    assert [begin(desk, hub), begin(desk, hub)] == [True, False], "one now and then: it is never locked out"
    desk.restart()
    assert not begin(desk, hub), "what was begun is known after a restart"
    monkeypatch.setattr(time, "time", lambda: now + quotas.DAY + quotas.TRICKLE_S + 1)
    assert begin(desk, hub)


def test_nothing_waits_for_ever_where_a_hub_has_as_many_runs_as_it_may(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RUNS", 2)
    assert [begin(desk, hub) for _ in range(3)] == [True, True, False]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + quotas.TRICKLE_S)
    assert [begin(desk, hub), begin(desk, hub)] == [True, False]


def test_the_missing_end_of_the_run_before_is_seen_though_that_run_had_no_room_of_its_own(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RUNS_A_DAY", 1)
    after = hub.segment(previous=Previous(b"p" * 16, 7, bytes(32)))
    assert 1 in desk.post(hub, after.message([after.block([row()])])).taken(after)
    before = next(one for one in desk.views.verify(hub.hub) if one["run"] == (b"p" * 16).hex())
    assert before["announced"] == 7


def test_a_set_of_numbers_does_not_fall_into_more_pieces_than_an_acknowledgement_holds(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.ingest.received_streams.PARTS", 3)
    segment = hub.segment()
    blocks = [segment.block([row(NOW + n)]) for n in range(12)]
    spread = desk.post(hub, segment.message(blocks[::2]))
    assert list(spread.taken(segment)) == [(1, 1), (3, 3), (5, 5)]
    assert desk.alarms() == [quotas.PARTS_ALARM]
    desk.settle()
    assert list(desk.post(hub, segment.message(blocks[6:7])).taken(segment)) == [(1, 1), (3, 3), (5, 5)]
    whole = desk.post(hub, segment.message(blocks))
    assert list(whole.taken(segment)) == [(1, 12)], "what lies between makes room: nothing is lost"


def test_numbers_that_fork_without_end_are_counted_as_forked_too_much_rather_than_too_little(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.ingest.received_streams.PARTS", 2)
    run = b"r" * 16
    one, two = hub.segment(run=run), hub.segment(run=run)
    monkeypatch.setattr("backend.ingest.received_streams.PARTS", 100)
    desk.post(hub, one.message([one.block([row(NOW + n)]) for n in range(9)]))
    desk.settle()
    monkeypatch.setattr("backend.ingest.received_streams.PARTS", 2)
    others = [two.block([row(NOW + n, 5.0)]) for n in range(9)]
    answer = desk.post(hub, two.message(others[::2]))
    assert not set(range(1, 10, 2)) & {n for first, last in answer.taken(two) for n in range(first, last + 1)}
    assert len(answer.acks[0].rejected) == 2


def unreadable(hub: Sender, count: int) -> tuple[Any, list[bytes]]:
    segment = hub.segment()
    return segment, [segment.raw(framing.BLOCK, b"\xff" * 9 + os.urandom(1000), 4) for _ in range(count)]


def test_what_a_hub_fills_its_share_of_the_quarantine_with_leaves_the_others_theirs(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "EVIDENCE", 5000)
    other = desk.enrol()
    segment, bad = unreadable(hub, 9)
    answer = desk.post(hub, segment.message(bad))
    assert answer.acks[0].rejected == ((1, 9),), "told, whether it is kept or not"
    theirs, more = unreadable(other, 2)
    desk.post(other, theirs.message(more))
    held = dict(desk.sql("select hub, count(*) from quarantine group by hub"))
    assert held == {hub.hub: 3, other.hub: 2}
    assert "evidence-full" in [kind for kind, of in desk.sql("select kind, hub from alarms") if of == hub.hub]
    for _ in range(5):
        desk.post(other, theirs.message(more))
    assert dict(desk.sql("select hub, count(*) from quarantine group by hub"))[other.hub] == 2, "the same counts once"


def test_forks_and_a_revoked_hubs_messages_are_of_the_same_share(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "EVIDENCE", 3000)
    run = b"r" * 16
    first = hub.segment(run=run)
    desk.post(hub, first.message([first.block([row()])]))
    desk.settle()
    for n in range(9):
        again = hub.segment(run=run)
        desk.post(hub, again.message([again.block([row(value=5.0 + n)])]))
    kept = desk.sql("select count(*), sum(length(raw)) from forks")[0]
    assert 0 < kept[0] < 9
    assert kept[1] + kept[0] * quotas.ROW_OVERHEAD <= 3000
    desk.ingest.registry.revoke(hub.hub, time.time())
    for _ in range(9):
        desk.answer(hub, os.urandom(900), RECORDS)
    whole = desk.sql("select (select sum(length(raw)) from forks) + coalesce(sum(length(body)), 0) from quarantine")
    assert whole[0][0] <= 3000


def told(n: int, state: str = "raised", number: int = 1) -> Any:
    made = Alert(
        id=f"a{n}",
        rule="r",
        key="k",
        severity="info",
        raised=NOW / 1000,
        changed=NOW / 1000,
        by="x",
        state=state,
        n=number,
    )
    return alert_row(made, subject_of(made), monotonic=0.0, sure=True)


def tell(desk: Desk, hub: Sender, *rows: Any) -> None:
    segment = hub.segment(stream=ALERTS)
    desk.post(hub, segment.message([segment.block([one]) for one in rows]))
    desk.settle()


def test_a_hub_that_raises_alerts_without_end_has_so_many_and_the_cleared_ones_make_room(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MAX_ALERTS", 4)
    tell(desk, hub, *(told(n) for n in range(6)))
    assert [one["alert"] for one in desk.views.raised(hub.hub)] == ["a0", "a1", "a2", "a3"]
    assert len(desk.rows("alert")) == 2
    tell(desk, hub, told(1, "cleared", 2), told(7))
    assert {one["alert"] for one in desk.views.raised(hub.hub)} == {"a0", "a2", "a3", "a7"}


def test_who_is_refused_costs_no_key_to_be_opened(desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "RUNS_A_DAY", 1)
    assert begin(desk, hub)

    def opened(*_: Any) -> None:
        raise AssertionError("a capsule was opened")

    monkeypatch.setattr("backend.ingest.verifier.open_epoch", opened)
    assert not begin(desk, hub)
    with pytest.raises(NotReady):
        desk.ingest.received.runs.check(hub.hub, time.time())


def test_shapes_without_end_of_one_series_fill_no_memory(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.readings.series_register.MAX_KNOWN", 10)
    known = desk.ingest.records._series
    for _ in range(3):
        segment, subject = hub.segment(), Subject("ble:1", "r")
        rows = [Row(subject, Shape((Column("x", "1"),)), NOW + n, True, (1.0,), 0, 1) for n in range(9)]
        desk.post(hub, segment.message([segment.block([one]) for one in rows]))
        desk.settle()
        assert len(known._known) <= 10
    assert len(desk.rows("x")) == 27


def test_boots_without_end_are_kept_by_their_bodies(plain: Desk) -> None:
    hub = plain.enrol()
    segment = hub.segment()
    blocks = [segment.block([row(n, sure=False)], bytes([n]) * 16) for n in range(20)]
    plain.post(hub, segment.message(blocks))
    plain.compact()
    assert len({one.boot for one in plain.undated()}) == 20
    assert plain.sql("select count(*) from boots") == [(0,)]


def test_what_an_erasure_reaches_is_looked_up_and_not_sought_through_all_series(plain: Desk) -> None:
    looks = [
        str(step[3])
        for statement in series.NAMED
        for step in plain.database.execute(f"explain query plan {statement}", ("h", "n"))
    ]
    assert len(looks) == 3
    for look, name in zip(looks, ("zone", "place", "device"), strict=True):
        assert "SEARCH" in look
        assert f"{name}=?" in look, looks


def test_a_look_for_holes_goes_through_what_moved_and_not_through_all_that_ever_was(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.ingest import missing_records

    for _ in range(5):
        assert begin(desk, hub)
    desk.settle()
    asked: list[int] = []
    real = missing_records.missing

    def missing(storage: Any, stream: Any, *told: Any) -> Any:
        asked.append(stream.id)
        return real(storage, stream, *told)

    monkeypatch.setattr(missing_records, "missing", missing)
    look = desk.ingest.holes.check
    look(desk.ingest.received, 1000.0)
    assert len(asked) == 5, "all, the first time"
    asked.clear()
    segment = hub.segment()
    blocks = [segment.block([row(NOW + n)]) for n in range(3)]
    desk.post(hub, segment.message(blocks[::2]))
    for at in (1015.0, 1330.0):
        look(desk.ingest.received, at)
    assert len(asked) == 1 + desk.ingest.storage.shared, "another process may have filled it"
    assert desk.alarms() == ["hole"]
    desk.post(hub, segment.message(blocks[1:2]))
    look(desk.ingest.received, 1345.0)
    assert desk.alarms() == []
    asked.clear()
    look(desk.ingest.received, 1360.0)
    assert asked == []
