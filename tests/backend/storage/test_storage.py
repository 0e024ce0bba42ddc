"""What every engine of the storage does alike, asked through `backend.storage.engine` alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from backend_kit import NOW, ROOM, SHAPE, body_of, row

from backend.readings.bucketing import series_line
from backend.readings.series_register import SeriesRegister
from backend.storage.chunks import BootClock, SeriesName
from backend.storage.engine import ErasureOrder, RecordLine, RowRefused, Storage, Stream
from backend.storage.reading_rules import DEFAULT_DAYS
from backend.storage.silences import OpenSilence
from backend.storage.tables import (
    AlertChange,
    Anchor,
    CallbackToken,
    EnrolmentToken,
    Hub,
    NewCallback,
    WaitingDownlink,
)
from hub.core.errors import AuthFailed, StorageError
from hub.protocol.ranges import Ranges
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject
from tests.journeys.patience import PATIENCE_S

HUB, OTHER, RUN, DIGEST = "hub-a", "hub-b", b"r" * 16, b"d" * 32
ARRIVED = time.time()


@pytest.fixture
def storage(opened: Callable[[], Storage]) -> Storage:
    made = opened()
    with made.transaction():
        for hub in (HUB, OTHER):
            made.registry.enrol(Hub(hub, hub.encode() * 6, hub, 1.0, None, None))
    return made


def begun(storage: Storage, hub: str = HUB, run: bytes = RUN) -> Stream:
    return storage.streams.find(hub, run, READINGS) or storage.streams.begin(hub, run, READINGS, 5.0)


def record(storage: Storage, stream: Stream, seq: int, rows: list[Row], boot: bytes = b"") -> int:
    number = storage.records.add(stream, RecordLine(seq, DIGEST, 1, 1, len(rows)), ARRIVED)
    if rows:
        body, names = body_of(number, number, rows, boot)
        storage.bodies.add_names(stream.hub, names)
        storage.bodies.add(stream.hub, body)
        SeriesRegister(storage).add(stream.hub, number, rows, ARRIVED)
    return number


def named(storage: Storage, hub: str, name: str) -> list[SeriesName]:
    return storage.seen(hub).series_named(name)


def alert(name: str, state: str = "raised", n: int = 1) -> AlertChange:
    return AlertChange(
        HUB, name, n, "rule", "key", state, "warning", "", "", "", "text", "texte", "ble:1", "room", "school", "zone",
        "", 1.0, 1.0, 1.0,
    )  # fmt: skip


def test_a_stream_is_one_object_and_what_is_changed_is_there_at_the_next_opening(
    storage: Storage, opened: Callable[[], Storage]
) -> None:
    with storage.transaction():
        stream = begun(storage)
        assert storage.streams.find(HUB, RUN, READINGS) is stream
        assert storage.streams.numbered(stream.id) is stream
        assert storage.streams.of(HUB)[0] is stream
        stream.stored.add(1, 5)
        stream.forked.add(3)
        stream.readings, stream.announced = 7, 9
        storage.streams.change(stream)
    found = opened().streams.find(HUB, RUN, READINGS)
    assert found == stream
    assert found is not stream
    assert storage.streams.of(OTHER) == []
    assert storage.streams.begun(HUB) == [5.0]
    assert storage.streams.numbers() == [stream.id]
    assert storage.streams.numbered(stream.id + 1) is None


def test_a_transaction_that_fails_leaves_nothing_and_tells_whoever_remembers(storage: Storage) -> None:
    told: list[str | None] = []
    storage.caches.add(told.append)

    def fails() -> None:
        with storage.transaction():
            record(storage, begun(storage), 1, [row()])
            storage.notes.believe(7.0)
            raise KeyError("a fault of its caller")

    with pytest.raises(KeyError):
        fails()
    assert told[-1:] == [None]
    assert storage.streams.find(HUB, RUN, READINGS) is None
    assert storage.notes.believed() is None
    with storage.transaction():
        assert named(storage, HUB, ROOM.device) == []


def test_somebody_who_is_refused_makes_nobody_forget(storage: Storage) -> None:
    with storage.transaction():
        stream = begun(storage)
    told: list[str | None] = []
    storage.caches.add(told.append)

    def refuses() -> None:
        with storage.transaction():
            assert storage.registry.token("unknown") is None
            raise AuthFailed("this token is unknown")

    with pytest.raises(AuthFailed):
        refuses()
    assert told == []
    assert storage.streams.find(HUB, RUN, READINGS) is stream


@pytest.mark.parametrize("what", ["row", "stream", "reading", "disk"])
def test_who_is_refused_after_a_change_or_by_the_disk_makes_all_forget(storage: Storage, what: str) -> None:
    with storage.transaction():
        stream = begun(storage)
    told: list[str | None] = []
    storage.caches.add(told.append)

    def refuses() -> None:
        with storage.transaction():
            if what == "row":
                storage.notes.believe(7.0)
            elif what == "stream":
                stream.announced = 9
                storage.streams.change(stream)
            elif what == "reading":
                storage.bodies.add(HUB, body_of(1, 1, [row()])[0])
            else:
                raise StorageError("the disk is full")
            raise AuthFailed("refused after all")

    with pytest.raises((AuthFailed, StorageError)):
        refuses()
    assert told[-1:] == [None]
    found = storage.streams.find(HUB, RUN, READINGS)
    assert found is not None
    assert found.announced == 0


def test_one_hubs_part_is_forgotten_without_that_of_others(storage: Storage) -> None:
    with storage.transaction():
        mine, theirs = begun(storage), begun(storage, OTHER)
    told: list[str | None] = []
    storage.caches.add(told.append)
    storage.caches.forget(HUB)
    assert told == [HUB]
    again = storage.streams.find(HUB, RUN, READINGS)
    assert again == mine
    assert again is not mine
    assert storage.streams.find(OTHER, RUN, READINGS) is theirs


def test_a_row_that_is_refused_for_what_it_holds_is_told_apart(storage: Storage) -> None:
    with storage.transaction():
        stream = begun(storage)
        record(storage, stream, 1, [])
    with pytest.raises(RowRefused), storage.transaction():
        record(storage, stream, 1, [])
    assert storage.records.digest(stream, 1) == DIGEST
    assert storage.records.digest(stream, 2) is None


def test_a_write_that_is_refused_at_last_undoes_all_before_it_and_the_next_one_passes(storage: Storage) -> None:
    def refused() -> None:
        with storage.transaction():
            record(storage, stream, 1, [])
            storage.epochs.add_table(HUB, None, 1, b"of no epoch")  # type: ignore[arg-type]
            storage.alarms.clear("hole", HUB, "a", 2.0)

    with storage.transaction():
        stream = begun(storage)
    with pytest.raises(RowRefused):
        refused()
    assert storage.records.digest(stream, 1) is None
    with storage.transaction():
        record(storage, begun(storage), 1, [])
    assert storage.records.digest(begun(storage), 1) == DIGEST


def test_a_context_is_replaced_where_it_comes_again_and_keeps_its_tables(storage: Storage) -> None:
    with storage.transaction():
        stream = begun(storage)
        first = storage.epochs.add(stream, b"e" * 16, b"damaged", 1.0)
        storage.epochs.add_table(HUB, first.id, 2, b"two")
        storage.epochs.add_table(HUB, first.id, 1, b"damaged")
        storage.epochs.add_table(HUB, first.id, 1, b"one")
        again = storage.epochs.add(stream, b"e" * 16, b"whole", 2.0)
    assert again == (first.id, stream.id, b"e" * 16, b"whole", [(1, b"one"), (2, b"two")])
    assert storage.epochs.find(b"e" * 16) == storage.epochs.numbered(first.id) == again
    assert storage.epochs.find(b"f" * 16) is storage.epochs.numbered(first.id + 1) is None


def test_numbers_with_a_line_and_declared_gaps_are_read_in_order(storage: Storage) -> None:
    def gap(first: int, last: int) -> Gap:
        return Gap(READINGS, RUN, first, last, 1, 0, 0, "evicted")

    with storage.transaction():
        stream = begun(storage)
        for seq in (7, 1, 2):
            record(storage, stream, seq, [])
        for number, (first, last) in enumerate([(5, 6), (3, 4), (3, 3)]):
            storage.records.add_gap(HUB, gap(first, last), number, 1.0)
    assert list(storage.records.numbers(stream)) == [(1, 2), (7, 7)]
    assert list(storage.records.gaps(HUB, RUN, READINGS)) == [(3, 4), (5, 6)], "the third lies within another"
    assert list(storage.records.gaps(OTHER, RUN, READINGS)) == []
    assert storage.records.newest_arrival() == ARRIVED


def test_the_most_exact_mark_of_a_boot_is_its_clock(storage: Storage) -> None:
    boot = b"b" * 16
    with storage.transaction():
        assert storage.clocks.offset(HUB, b"") == 0
        assert storage.clocks.offset(HUB, boot) is None
        for offset, error in ((NOW + 7, 700), (NOW, 500), (5, 600)):
            storage.clocks.note(HUB, ClockMark(boot, offset, error, "ntp"))
        assert storage.clocks.offset(HUB, boot) == NOW
        assert storage.clocks.offset(OTHER, boot) is None
        assert storage.seen(HUB).clocks() == {boot: BootClock(NOW, 500)}


def test_a_body_is_there_with_its_names_for_whoever_reads_within_the_transaction(storage: Storage) -> None:
    with storage.transaction():
        number = record(storage, begun(storage), 1, [row()])
        assert storage.records.last() == number
        assert storage.bodies.named(HUB, number)
        assert not storage.bodies.named(HUB, number + 1)
        seen = storage.seen(HUB)
        assert [(body.record, body.boot) for body in seen.bodies()] == [(number, b"")]
        assert [names.number for names in seen.names(number)] == [number]
        assert seen.through == 0
        assert list(storage.seen(OTHER).bodies()) == []


def test_a_series_is_found_by_zone_place_or_device_and_forgotten_by_its_name(storage: Storage) -> None:
    subject, other = Subject("ble:1", "~p", "school", "ble:1"), Subject("ble:2", "ble:1")
    steps = Shape((Column("steps", "1", privacy="personal"),))
    with storage.transaction():
        rows = [Row(subject, steps, NOW, True, (1.0,), 0, 1), Row(other, SHAPE, NOW, True, (1.0, False), 0, 1)]
        record(storage, begun(storage), 1, rows)
        assert named(storage, HUB, "ble:1") == [
            ("ble:1", "motion", "ble:2"), ("ble:1", "temperature", "ble:2"), ("~p", "steps", "ble:1"),
        ]  # fmt: skip
        assert named(storage, OTHER, "ble:1") == []
        storage.series.forget(HUB, "~p")
        assert len(named(storage, HUB, "ble:1")) == 2
    assert storage.remove_traces()


def test_a_series_that_turns_personal_is_told_once_and_stays_so(storage: Storage) -> None:
    def listed(privacy: str) -> set[str]:
        column = Column("steps", "1", privacy=privacy)
        return storage.series.register(HUB, [series_line(ROOM, column, 7, privacy)])

    with storage.transaction():
        assert [listed(one) for one in ("technical", "personal", "technical", "personal")] == [
            set(), {ROOM.device}, set(), set(),
        ]  # fmt: skip
        (seen,) = storage.seen(HUB).series([SeriesName(ROOM.place, "steps", ROOM.device)]).values()
        assert seen.privacy == "personal"


def test_an_alarm_is_open_once_and_only_so_many_of_a_kind_are(storage: Storage) -> None:
    alarms = storage.alarms
    with storage.transaction():
        assert not alarms.was_raised("hole", HUB)
        assert [alarms.raise_one("hole", HUB, text, None, 1.0, 2) for text in "aabcb"] == [
            True,
            True,
            True,
            False,
            True,
        ]
        assert alarms.raise_one("hole", OTHER, "c", None, 1.0, 2)
        alarms.clear("hole", HUB, "a", 2.0)
        assert alarms.raise_one("hole", HUB, "c", None, 3.0, 2)
        alarms.clear_kind("hole", 4.0)
        assert alarms.was_raised("hole", HUB)
        assert [alarms.raise_one("hole", HUB, text, None, 5.0, 2) for text in "xyz"] == [True, True, False]


def test_evidence_is_counted_by_hub_over_forks_and_quarantine(storage: Storage) -> None:
    with storage.transaction():
        stream, theirs = begun(storage), begun(storage, OTHER)
        storage.forks.add(stream, 1, DIGEST, b"e" * 16, b"12345", 1.0)
        storage.forks.add(theirs, 1, DIGEST, b"e" * 16, b"1", 1.0)
        storage.quarantine.add(HUB, "unreadable", b"x" * 32, b"123", None, 1.0)
        assert storage.quarantine.held(HUB) == (2, 8)
        assert storage.quarantine.held("hub-c") == (0, 0)
        assert storage.forks.has(stream, 1, DIGEST)
        assert not storage.forks.has(stream, 2, DIGEST)
        assert storage.quarantine.has(HUB, b"x" * 32)
        assert not storage.quarantine.has(HUB, b"y" * 32)


def test_a_state_is_kept_as_it_was_signed(storage: Storage) -> None:
    with storage.transaction():
        assert storage.states.last(HUB) is storage.states.last("hub-c") is None
        storage.states.put(HUB, b"signed", 8.0)
    assert storage.states.last(HUB) == (b"signed", HUB.encode() * 6, 8.0)
    known = storage.registry.find(HUB)
    assert known is not None
    assert known.seen_at == 8.0


def test_an_order_is_stored_once_and_hides_a_pseudonym_from_then_on(storage: Storage) -> None:
    orders = [ErasureOrder("o1", "device", "ble:1", 5, 1.0), ErasureOrder("o2", "pseudonym", "~x", 5, 1.0)]
    with storage.transaction():
        assert [storage.bodies.order(HUB, order, 7) for order in (*orders, orders[0])] == [True, True, False]
        storage.erasures.add_late(HUB, "o2", 4)
    assert storage.erasures.hidden(HUB) == {"~x": "o2"}
    assert storage.erasures.hidden(OTHER) == {}
    assert storage.erasures.done(HUB, 9) == [], "no byte of it may be left before"
    with storage.transaction():
        assert [job.order for job in storage.seen(HUB).jobs()] == orders


def test_what_holds_no_readings_goes_by_class_and_no_more_at_once_than_was_asked(storage: Storage) -> None:
    with storage.transaction():
        assert storage.retention.days() == DEFAULT_DAYS
        storage.retention.set_days("technical", 30)
        assert storage.retention.days()["technical"] == 30
        stream = begun(storage)
        for n in range(3):
            storage.alarms.raise_one("hole", HUB, str(n), None, 1.0, 9)
            storage.forks.add(stream, n + 1, DIGEST, b"e" * 16, b"raw", 1.0)
            storage.quarantine.add(HUB, "unreadable", bytes([n]) * 32, b"raw", None, 1.0)
            storage.alerts.add(alert(str(n), "cleared" if n else "raised"))
            storage.lookups.note(HUB, [f"lorawan:{n}"], 1.0)
            storage.callbacks.add(NewCallback(str(n), HUB, "t", b"fields", None, "", 1.0))
            storage.anchors.add(Anchor(HUB, n, 1, "head", "", 1.0))
        for n in range(2):
            storage.alarms.clear("hole", HUB, str(n), 1.5)
        kinds = ("alerts", "alarms", "forks", "quarantine", "callbacks", "questions", "witnesses")
        assert [storage.retention.delete_others(kind, 1.0, 9) for kind in kinds] == [0] * 7
        assert [storage.retention.delete_others(kind, 2.0, 2) for kind in kinds] == [2] * 7
        assert [storage.retention.delete_others(kind, 2.0, 9) for kind in kinds] == [0, 0, 1, 1, 1, 1, 1]
        storage.retention.count("alarms", 2, 3.0)
    assert storage.remove_traces()
    assert storage.quarantine.held(HUB) == (0, 0)


def test_notes_outlive_the_process(storage: Storage, opened: Callable[[], Storage]) -> None:
    assert storage.notes.journal_end() == (0, 0)
    with storage.transaction():
        storage.notes.put_journal_end((3, 4000))
        storage.notes.believe(7.5)
        storage.notes.wish(HUB, 1.0)
        storage.notes.wish(OTHER, 1.0)
    again = opened()
    assert again.notes.journal_end() == (3, 4000)
    assert again.notes.believed() == 7.5
    with again.transaction():
        assert sorted(again.notes.take_wishes()) == [HUB, OTHER]
        assert again.notes.take_wishes() == []


def test_numbers_of_acknowledgements_rise_over_every_start(storage: Storage, opened: Callable[[], Storage]) -> None:
    last, names = 0, set[bytes]()
    for _ in range(3):
        one = opened()
        with one.transaction():
            assert not one.numbers.begin()
        names.add(one.numbers.database)
        for hub in (HUB, OTHER):
            with one.transaction((hub,)):
                number = one.numbers.draw(hub, 3)
            assert number > last
            last = number + 2
        one.close()
    assert len(names) == 1


def test_two_processes_write_one_after_the_other(storage: Storage, opened: Callable[[], Storage]) -> None:
    """A command beside the server waits for its transaction, and none is lost."""
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        mine = opened()
        with mine.transaction():
            mine.notes.wish(OTHER, 1.0)
            entered.set()
            leave.wait(PATIENCE_S)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(PATIENCE_S)
    leave.set()
    with storage.transaction():
        storage.notes.wish(HUB, 1.0)
    thread.join()
    with storage.transaction():
        assert sorted(storage.notes.take_wishes()) == [HUB, OTHER]


def test_a_set_of_numbers_of_any_shape_is_read_back(storage: Storage, opened: Callable[[], Storage]) -> None:
    with storage.transaction():
        stream = begun(storage)
        stream.stored = Ranges([(n, n) for n in range(1, 9000, 2)])
        storage.streams.change(stream)
    found = opened().streams.numbered(stream.id)
    assert found is not None
    assert list(found.stored) == list(stream.stored)


def named_token(name: str, created_at: float, **more: Any) -> EnrolmentToken:
    return EnrolmentToken(name, name.encode(), name, created_at, 100.0, **more)


def test_a_token_is_found_used_once_and_cancelled_while_it_is_open(storage: Storage) -> None:
    registry = storage.registry
    with storage.transaction():
        registry.add_tokens(
            [named_token("b", 2.0, tags=("school", "north")), named_token("a", 2.0), named_token("c", 1.0)]
        )
        assert registry.token("b") == named_token("b", 2.0, tags=("school", "north"))
        registry.use_token("a", HUB, 3.0)
        assert registry.cancel_token("b", 4.0)
        assert not registry.cancel_token("b", 5.0)
        assert not registry.cancel_token("a", 5.0)
    assert registry.token("nobody") is None
    assert [(one.id, one.secret, one.used_at, one.hub, one.cancelled_at) for one in registry.tokens()] == [
        ("c", b"c", None, None, None), ("a", None, 3.0, HUB, None), ("b", None, None, None, 4.0),
    ]  # fmt: skip


def test_a_hub_is_listed_by_its_id_with_what_was_said_last_of_it(storage: Storage) -> None:
    registry = storage.registry
    with storage.transaction():
        assert registry.tag(HUB, ("south",))
        assert not registry.tag("hub-c", ("south",))
        assert registry.revoke(HUB, 5.0)
        assert registry.revoke(HUB, 9.0)
        assert not registry.revoke("hub-c", 9.0)
        registry.enrol(Hub(HUB, HUB.encode() * 6, "renamed", 7.0, None, None))
    assert registry.hubs() == [
        Hub(HUB, HUB.encode() * 6, "renamed", 1.0, 5.0, None, ("south",)),
        Hub(OTHER, OTHER.encode() * 6, OTHER, 1.0, None, None),
    ]
    with storage.transaction():
        assert registry.readmit(HUB)
        registry.enrol(Hub(HUB, HUB.encode() * 6, "again", 7.0, None, None, ("west",)))
    found = registry.find(HUB)
    assert found == Hub(HUB, HUB.encode() * 6, "again", 1.0, None, None, ("west",))
    assert registry.find("hub-c") is None


def test_what_the_registry_tells_of_a_hub_is_as_it_is_now_also_to_who_decides_about_it(
    storage: Storage, opened: Callable[[], Storage]
) -> None:
    for _ in range(2):
        with storage.transaction([HUB]):
            known = storage.registry.find(HUB)
            assert known is not None
            assert known.revoked_at is None
    other = opened()
    with other.transaction():
        other.registry.revoke(HUB, 5.0)
    with storage.transaction([HUB, OTHER]):
        storage.registry.hubs()
    found = storage.registry.find(HUB)
    assert found is not None
    assert found.revoked_at == 5.0


def test_an_alert_has_one_line_and_a_request_that_its_next_change_may_end(storage: Storage) -> None:
    alerts = storage.alerts
    with storage.transaction():
        assert alerts.find(HUB, "a") is None
        alerts.add(alert("a"))
        alerts.add(alert("a")._replace(hub=OTHER))
        alerts.request(HUB, "a", "muted", b"signed")
        assert alerts.find(HUB, "a") == (1, "raised", "muted")
        assert alerts.requests(HUB) == [b"signed"]
        assert alerts.requests(OTHER) == []
        alerts.replace(alert("a", "acked", 2), keep_request=True)
        assert alerts.find(HUB, "a") == (2, "acked", "muted")
        alerts.replace(alert("a", "cleared", 3), keep_request=False)
        assert alerts.find(HUB, "a") == (3, "cleared", "")
        assert sorted(alerts.states("a")) == [(HUB, "cleared"), (OTHER, "raised")]
        assert alerts.states("a", OTHER) == [(OTHER, "raised")]
        alerts.add(alert("b", "cleared")._replace(received_at=0.5))
        assert alerts.count(HUB) == 2
        assert alerts.forget_cleared(HUB, 1) == 1
        assert alerts.find(HUB, "b") is None
        assert alerts.forget_cleared(HUB, 5) == 1
        assert (alerts.count(HUB), alerts.count(OTHER)) == (0, 1)
        for head in ("one", "two"):
            storage.anchors.add(Anchor(HUB, 7, 3, head, "", 1.0))  # the second is of the same moment


def test_what_is_dropped_from_the_quarantine_is_dropped_all_or_none(storage: Storage) -> None:
    with storage.transaction():
        for n in range(3):
            storage.quarantine.add(HUB, "unreadable", bytes([n]) * 32, b"body %d" % n, None, 1.0)
    held = [1, 2, 3]
    assert [storage.review.body(n) for n in held] == [("unreadable", b"body %d" % n) for n in range(3)]
    assert storage.review.drop([held[0], held[2] + 1]) == held[2] + 1
    assert storage.quarantine.held(HUB).rows == 3
    assert storage.review.drop([held[0], held[2]]) is None
    assert [storage.review.body(n) is None for n in held] == [True, False, True]
    with storage.transaction():
        assert not storage.review.close_alarm(10**9, 2.0)


def test_a_silence_is_open_until_it_is_ended(storage: Storage) -> None:
    first, second = OpenSilence("hub", HUB, 1.0, 2.0, "a"), OpenSilence("all", "", 3.0, 4.0, "b")
    with storage.transaction():
        storage.silences.begin(first)
        storage.silences.begin(second)
        storage.silences.begin(first._replace(since=5.0))
    assert storage.silences.open() == [second, first._replace(since=5.0)]
    with storage.transaction():
        storage.silences.end("all", "")
    assert storage.silences.open() == [first._replace(since=5.0)]


def test_a_look_up_is_noted_once_a_device_with_its_last_moment(storage: Storage) -> None:
    with storage.transaction():
        storage.lookups.note(HUB, ["lorawan:1", "lorawan:2"], 10.0)
        storage.lookups.note(HUB, ["lorawan:1"], 20.0)
        storage.lookups.note(OTHER, ["lorawan:3"], 20.0)
        storage.lookups.answered(HUB, ["lorawan:1"], 21.0)
        assert storage.lookups.since(HUB, 5.0) == {"lorawan:1", "lorawan:2"}
        assert storage.lookups.since(HUB, 10.0) == {"lorawan:1"}
        assert storage.lookups.reporting(["lorawan:1"], privacy="personal", metric="position") == set()


def test_a_hub_on_trial_is_removed_in_pieces_and_nothing_of_it_is_left(
    storage: Storage, opened: Callable[[], Storage]
) -> None:
    trials = storage.trials
    with storage.transaction():
        storage.registry.add_tokens([named_token("trial", 1.0), named_token("late", 1.0), named_token("real", 1.0)])
        trials.expect("trial")
        trials.expect("late")
        storage.registry.use_token("trial", HUB, 2.0)
        storage.registry.use_token("real", OTHER, 2.0)
    assert (trials.expected("trial"), trials.expected("real")) == (True, False)
    assert trials.begun() == [(HUB, 1.0)]
    with storage.transaction():
        trials.forget_unused(1e9)
    assert [one.id for one in storage.registry.tokens()] == ["real", "trial"]
    with storage.transaction():
        for hub in (HUB, OTHER):
            stream = begun(storage, hub)
            for seq in range(1, 6):
                record(storage, stream, seq, [])
            epoch = storage.epochs.add(stream, hub.encode().ljust(16), b"raw", 1.0)
            storage.epochs.add_table(hub, epoch.id, 1, b"raw")
            storage.forks.add(stream, 1, DIGEST, b"e" * 16, b"raw", 1.0)
            storage.quarantine.add(hub, "unreadable", hub.encode().ljust(32), b"raw", None, 1.0)
            storage.states.put(hub, b"signed", 2.0)
            storage.alarms.raise_one("hole", hub, "text", None, 1.0, 9)
    pieces = 0
    while True:
        with storage.transaction():
            storage.caches.forget(HUB)
            if trials.remove(HUB, 2):
                break
        pieces += 1
    assert pieces >= 3
    for one in (storage, opened()):
        assert one.registry.find(HUB) is None
        assert one.streams.find(HUB, RUN, READINGS) is None
        assert one.epochs.find(HUB.encode().ljust(16)) is None
        assert one.quarantine.held(HUB) == (0, 0)
        theirs = one.streams.find(OTHER, RUN, READINGS)
        assert theirs is not None
        assert list(one.records.numbers(theirs)) == [(1, 5)]
        assert one.quarantine.held(OTHER).rows == 2
    assert trials.begun() == []
    assert [one.id for one in storage.registry.tokens()] == ["real"]


def test_a_callback_waits_until_its_hub_has_it_and_stays_known(storage: Storage) -> None:
    table = storage.callbacks
    with storage.transaction():
        table.add_token(CallbackToken("t", b"digest", HUB, "bins", 1.0))
        assert table.newest_number() == 0
        assert table.known_answer(HUB, "one") is None
        table.add(NewCallback("one", HUB, "t", b"fields", b"answer", "d1", 2.0))
        table.add(NewCallback("two", HUB, "t", b"more", None, "", 3.0))
        table.count_repeated("t", 4.0)
        assert table.known_answer(HUB, "one") == (b"answer",)
        assert table.known_answer(HUB, "two") == (None,)
        assert table.known_answer(OTHER, "one") is None
        (first, *_), (second, *_) = table.waiting(HUB, 9)
        assert table.waiting(HUB, 1) == [(first, b"fields", "d1")]
        assert table.oldest(HUB) == (first, 2.0)
        assert table.newest_number() == second > first
        table.finish(OTHER, [first], 5.0)
        table.finish(HUB, [first, 10**9], 5.0)
        assert (table.count_waiting(HUB), table.oldest(HUB)) == (1, (second, 3.0))
        assert table.known_answer(HUB, "one") == (b"answer",)
        table.forget(6.0)
        assert table.known_answer(HUB, "one") is None
        assert table.revoke_token("t", 7.0)
        assert table.revoke_token("t", 8.0)
        assert not table.revoke_token("x", 8.0)
        assert table.token("t") == CallbackToken("t", b"digest", HUB, "bins", 1.0, 7.0)


def test_a_token_of_callbacks_goes_to_another_hub_with_what_waits_and_nothing_twice(storage: Storage) -> None:
    table = storage.callbacks
    with storage.transaction():
        table.add_token(CallbackToken("t", b"digest", HUB, "bins", 1.0))
        table.add_token(CallbackToken("u", b"other", OTHER, "bins", 1.0))
        for key in ("one", "two", "three"):
            table.add(NewCallback(key, HUB, "t", b"fields", None, "", 2.0))
        table.add(NewCallback("two", OTHER, "u", b"fields", None, "", 2.0))
        table.finish(HUB, [number for number, *_ in table.waiting(HUB, 1)], 3.0)
        assert table.assign_token("x", OTHER, 4.0) is None
        assert table.assign_token("t", OTHER, 4.0) == 1
        assert (table.count_waiting(HUB), table.count_waiting(OTHER)) == (0, 2)
        assert [table.known_answer(OTHER, key) is not None for key in ("one", "two", "three")] == [True] * 3


def test_a_downlink_is_given_once_and_a_standing_one_again(storage: Storage) -> None:
    table = storage.callbacks
    with storage.transaction():
        standing, once = WaitingDownlink("d", "", b"again", None), WaitingDownlink("d", "n1", b"once", 9.0)
        table.replace_downlinks(HUB, [standing, once, WaitingDownlink("e", "n2", b"late", 1.0)])
        assert table.next_downlink(HUB, "d", 5.0) == ("n1", b"once")
        assert table.next_downlink(HUB, "d", 10.0) == ("", b"again")
        assert table.next_downlink(HUB, "e", 5.0) is None
        assert table.next_downlink(OTHER, "d", 5.0) is None
        table.mark_sent(HUB, "d", "n1", 6.0)
        assert table.next_downlink(HUB, "d", 7.0) == ("", b"again")
        table.replace_downlinks(HUB, [once])
        assert table.next_downlink(HUB, "d", 7.0) is None, "it was sent"


def test_series_of_which_names_are_stored_alike_are_no_reason_to_refuse_a_record(storage: Storage) -> None:
    """PostgreSQL has no NUL, and stores another code point: one statement cannot write one row twice."""
    subjects = [Subject(name, name, name, name) for name in ("a\0", "a\U0010ffff", "a\0", "b")]
    units = ("1", "2", "3", "4")
    with storage.transaction():
        lines = [
            series_line(subject, Column("steps", unit), 7, "technical")
            for subject, unit in zip(subjects, units, strict=True)
        ]
        assert storage.series.register(HUB, lines) == set()
        assert storage.series.register(HUB, lines) == set()
    with storage.transaction():
        seen = storage.seen(HUB).all_series(9)
        assert seen is not None
        assert seen.keys() <= {SeriesName(one.place, "steps", one.device) for one in subjects}
        assert {SeriesName("a\0", "steps", "a\0"), SeriesName("b", "steps", "b")} <= seen.keys()
        assert storage.seen(HUB).all_series(len(seen)) == seen
        assert storage.seen(HUB).all_series(len(seen) - 1) is None


@pytest.mark.parametrize("name", ["a\0b", "\0", "é\u2400", "x" * 2000, "'; drop", "{a,b}", "%s", ""])
def test_what_a_hub_calls_its_devices_is_no_reason_to_refuse_a_record(storage: Storage, name: str) -> None:
    subject = Subject(name, name, name, name)
    with storage.transaction():
        storage.series.register(HUB, [series_line(subject, Column("steps", "1"), 7, "technical")])
        storage.alarms.raise_one("unreadable", HUB, name, None, 1.0, 9)
        storage.lookups.note(HUB, [name], 1.0)
    with storage.transaction():
        ((line, seen),) = storage.seen(HUB).series([SeriesName(name, "steps", name)]).items()
        assert (line.place, line.device, seen.privacy) == (name, name, "technical")
        assert storage.lookups.since(HUB, 0.0) == {name}
        assert storage.lookups.reporting([name, "other"], privacy="technical", metric="") == {name}
        assert storage.alarms.raise_one("unreadable", HUB, name, None, 1.0, 1), "it is the same one"
