"""What every engine answers alike to those who read, and of the tables beside records: asked through
`backend.storage.queries` and `backend.storage.tables` alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from backend_kit import NOW, ROOM, body_of, row

from backend.readings.series_register import SeriesRegister
from backend.storage.engine import ErasureOrder, RecordLine, Storage
from backend.storage.opening import open_queries, open_storage
from backend.storage.queries import Queries
from backend.storage.tables import (
    AlertChange,
    AlertState,
    Anchor,
    CallbackToken,
    EnrolmentToken,
    Heard,
    Hub,
    NewCallback,
    WaitingDownlink,
)
from hub.core.errors import StorageError
from hub.protocol.ranges import Ranges
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import READINGS, Column, Row, Shape, Subject

A, B, GONE = "hub-a", "hub-b", "hub-c"
RUN, NEXT_RUN, BOOT = b"r" * 16, b"s" * 16, b"b" * 16


class Engine(NamedTuple):
    """The two sides of a database in a directory."""

    storage: Callable[[Path], Storage]
    queries: Callable[[Path], Queries]


@pytest.fixture(params=("postgresql", "sqlite"))
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "sqlite":
        return Engine(
            lambda directory: open_storage(directory / "backend.db"),
            lambda directory: open_queries(directory / "backend.db"),
        )
    url: str = request.getfixturevalue("postgres_url")
    elsewhere = url.replace("/shared?", "/nowhere?")
    return Engine(
        lambda _: open_storage(url), lambda directory: open_queries(elsewhere if directory.name == "nowhere" else url)
    )


@pytest.fixture
def storage(engine: Engine, tmp_path: Path) -> Iterator[Storage]:
    made = engine.storage(tmp_path)
    with made.transaction():
        for hub in (A, B, GONE):
            made.registry.enrol(Hub(hub, hub.encode() * 6, f"name of {hub}", 1.0, None, None, ("nord",)))
        made.registry.revoke(GONE, 3.0)
    yield made
    made.close()


@pytest.fixture
def queries(engine: Engine, storage: Storage, tmp_path: Path) -> Queries:
    return engine.queries(tmp_path)


def record(storage: Storage, hub: str, seq: int, rows: list[Row], boot: bytes = b"", run: bytes = RUN) -> int:
    stream = storage.streams.find(hub, run, READINGS) or storage.streams.begin(hub, run, READINGS, 5.0)
    number = storage.records.add(stream, RecordLine(seq, bytes([seq]) * 32, 1, 1, len(rows)), time.time())
    body, names = body_of(number, number, rows, boot)
    storage.bodies.add_names(hub, names)
    storage.bodies.add(hub, body)
    SeriesRegister(storage).add(hub, number, rows, 100.0)
    stream.stored.add(seq)
    stream.readings += len(rows)
    storage.streams.change(stream)
    return number


# -- snapshots -----------------------------------------------------------------------------------------------------


def test_a_snapshot_is_one_moment_whatever_is_written_meanwhile(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        record(storage, A, 1, [row(NOW, 1.0)])
    with queries.snapshot() as then:
        assert then.devices(A, ROOM.place, "temperature") == [ROOM.device]
        with storage.transaction():
            record(storage, A, 2, [row(NOW + 1, 2.0)])
        with storage.transaction():
            storage.registry.revoke(A, 9.0)
        assert [body.record for body in then.hub(A).bodies()] == [1]
        assert then.streams(A)[0].stored == Ranges([(1, 1)])
        assert then.hubs(hub=A)[0].hub.revoked_at is None
        assert then.totals().readings == 1
        with queries.snapshot() as now:
            assert [body.record for body in now.hub(A).bodies()] == [1, 2]
            assert now.hubs(hub=A)[0].hub.revoked_at == 9.0


def test_any_thread_reads_while_a_transaction_is_open(storage: Storage, queries: Queries) -> None:
    seen: list[list[str]] = []

    def read() -> None:
        with queries.snapshot() as now:
            seen.append([line.hub.hub for line in now.hubs()])

    with storage.transaction():
        storage.registry.enrol(Hub("hub-d", b"d" * 32, "", 1.0, None, None))
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    read()
    assert seen == [[A, B, GONE], [A, B, GONE, "hub-d"]]


def test_a_database_that_is_not_there_is_an_error_of_the_storage(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(StorageError), engine.queries(tmp_path / "nowhere").snapshot():
        pass


# -- hubs, streams, series -------------------------------------------------------------------------------------------


def test_hubs_come_by_their_ids_from_wherever_one_goes_on(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        storage.states.put(B, b"state", 7.0)
    with queries.snapshot() as now:
        lines = now.hubs()
        assert [line.hub.hub for line in lines] == [A, B, GONE]
        assert lines[1] == (Hub(B, B.encode() * 6, f"name of {B}", 1.0, None, 7.0, ("nord",)), b"state", 7.0)
        assert lines[2].hub.revoked_at == 3.0
        assert [line.hub.hub for line in now.hubs(after=A, limit=1)] == [B]
        assert now.hubs(hub="hub-x") == []


def test_of_many_streams_the_newest_are_told_with_how_many_there_are(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        for n in range(4):
            record(storage, A, 1, [row()], run=bytes([n]) * 16)
    with queries.snapshot() as now:
        found = now.newest_streams([A, B], 2)
        assert ([line.run[0] for line in found[A][0]], found[A][1], found[B]) == ([2, 3], 4, ([], 0))
        assert [line.run[0] for line in now.streams(A)] == [0, 1, 2, 3]


def test_series_are_one_for_each_place_with_all_devices_that_stood_there(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        for hub in (A, B):
            subjects = Subject("ble:1", ROOM.place), Subject("ble:2", ROOM.place, "annexe"), Subject("modbus:plc/7")
            rows = [row(subject=subject) for subject in subjects]  # a subject is of one hub
            record(storage, hub, 1, rows)
    with queries.snapshot() as now:
        lines = now.series(after=("", "", ""), limit=100)
        assert [(line.hub, line.place, line.metric) for line in lines] == [
            (hub, place, metric) for hub in (A, B) for place in ("modbus:plc/7", ROOM.place) for metric in
            ("motion", "temperature")
        ]  # fmt: skip
        (one,) = now.series(B, ROOM.place, "temperature", after=("", "", ""), limit=100)
        assert (one.unit, one.site, sorted(one.devices)) == ("Cel", "annexe", ["ble:1", "ble:2"])
        assert lines[3:5] == now.series(after=(A, ROOM.place, "motion"), limit=2)
        assert now.devices(A, ROOM.place, "motion") == ["ble:1", "ble:2"]
        assert now.devices(A, "nowhere", "motion") == []


# -- readings --------------------------------------------------------------------------------------------------------


def test_a_record_is_told_with_its_run_and_the_one_before(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        first = record(storage, A, 1, [row(NOW, 1.0)])
        second = record(storage, A, 1, [row(7, 2.0, sure=False)], BOOT, NEXT_RUN)
        following = storage.streams.find(A, NEXT_RUN, READINGS)
        assert following is not None
        storage.streams.follow(following, RUN)
    with queries.snapshot() as now:
        assert now.runs(A, [first, second, 99]) == {first: (RUN, None), second: (NEXT_RUN, RUN)}
        assert now.totals().counts["undated"] == 1
    with storage.transaction():
        storage.clocks.note(A, ClockMark(BOOT, NOW, 20, "ntp"))
    with queries.snapshot() as now:
        assert now.totals().counts["undated"] == 0


# -- what a person judges --------------------------------------------------------------------------------------------


def test_a_hub_that_fills_a_list_hides_nothing_of_another(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        for hub, count in ((B, 1), (A, 5)):
            for n in range(count):
                storage.alarms.raise_one("forged", hub, f"{n}", None, float(n), 64)
                storage.quarantine.add(hub, "unreadable", f"{hub}{n}".encode() * 4, b"x" * n, None, float(n))
                storage.bodies.order(hub, ErasureOrder(f"{n}", "device", "x", 0, float(n)), n)
                storage.alerts.add(alert(hub, f"a{n}", raised_at=float(n)))
    with queries.snapshot() as now:
        for lines in (now.alarms(limit=3), now.quarantined(limit=3), now.erasures(limit=3)):
            assert {line.hub for line in lines} == {A, B}
            assert len(lines) == 3
        assert [line.change.hub for line in now.alerts(limit=3)] == [A, A, B]
        for count in (len(now.alarms(A)), len(now.quarantined(A)), len(now.erasures(A)), len(now.alerts(A))):
            assert count == 5


def test_an_alarm_that_was_closed_comes_after_those_that_are_open(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        for n in range(3):
            storage.alarms.raise_one("forged", A, f"{n}", b"{}" if n else None, float(n), 64)
    with queries.snapshot() as now:
        newest = now.alarms()[0]
    assert (newest.detail, newest.coded, newest.cleared_at) == ("2", b"{}", None)
    with storage.transaction():
        assert storage.review.close_alarm(newest.id, 8.0)
        assert not storage.review.close_alarm(newest.id, 9.0)
    with queries.snapshot() as now:
        assert [line.detail for line in now.alarms()] == ["1", "0"]
        assert [(line.detail, line.cleared_at) for line in now.alarms(everything=True)][-1] == ("2", 8.0)


def test_of_the_quarantine_all_is_dropped_or_none(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        for n in range(2):
            storage.quarantine.add(A, "unreadable", bytes([n]) * 32, b"body%d" % n, None, float(n))
    with queries.snapshot() as now:
        second, first = (line.id for line in now.quarantined())
    assert storage.review.body(first) == ("unreadable", b"body0")
    assert storage.review.drop([first, 999]) == 999
    assert storage.review.body(first) is not None
    assert storage.review.drop([first]) is None
    assert storage.review.body(first) is None
    with queries.snapshot() as now:
        assert [line.id for line in now.quarantined()] == [second]


def test_gaps_and_forks_come_with_what_is_stored(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        number = record(storage, A, 3, [row()])
        stream = storage.streams.find(A, RUN, READINGS)
        assert stream is not None
        storage.forks.add(stream, 3, b"f" * 32, b"e" * 16, b"raw", 4.0)
        for first in (2, 9):
            storage.records.add_gap(A, Gap(READINGS, RUN, first, first + 2, 1, 0, 1, "full"), number + first, 4.0)
    with queries.snapshot() as now:
        gap, later = now.gaps()
        assert (gap.first, gap.last, gap.reason, gap.stored) == (2, 4, "full", Ranges([(3, 3)]))
        assert now.gaps(after=gap.id) == [later]
        assert now.gaps(B) == []
        assert now.count_gaps([A, B, "nobody"]) == {A: 2}
        assert now.count_gaps([]) == {}
        (fork,) = now.forks()
        assert (fork.run, fork.seq, fork.stored, fork.digest, fork.bytes) == (RUN, 3, bytes([3]) * 32, b"f" * 32, 3)


def test_a_record_in_quarantine_is_told_with_its_stream_when_its_epoch_is_known(
    storage: Storage, queries: Queries
) -> None:
    with storage.transaction():
        record(storage, A, 1, [row()])
        stream = storage.streams.find(A, RUN, READINGS)
        assert stream is not None
        context = storage.epochs.add(stream, b"e" * 16, b"raw", 4.0)
        storage.epochs.add_table(A, context.id, 1, b"table")
        for n, epoch in enumerate((context.id, None)):
            storage.quarantine.add(A, "nameless", bytes([n]) * 32, b"body", epoch, 4.0)
    with queries.snapshot() as now:
        assert list(now.set_aside("nameless")) == [(A, RUN, READINGS, Ranges([(1, 1)]), b"body")]
        (line,) = now.epochs(0, 10)
        assert (line.hub, line.run, line.stream, line.identity) == (A, RUN, READINGS, A.encode() * 6)
        assert (line.context.eid, line.context.raw, line.context.tables) == (b"e" * 16, b"raw", [(1, b"table")])
        assert now.epochs(line.context.id, 10) == []


# -- the registry ----------------------------------------------------------------------------------------------------


def test_a_token_is_used_or_cancelled_and_then_has_no_secret(storage: Storage) -> None:
    made = [EnrolmentToken(f"t{n}", b"secret", "n", float(n), 9.0, tags=("nord",)) for n in range(3)]
    with storage.transaction():
        storage.registry.add_tokens(made)
        storage.registry.use_token("t0", A, 4.0)
        assert storage.registry.cancel_token("t1", 5.0)
        assert not any(storage.registry.cancel_token(token, 6.0) for token in ("t0", "t1", "t9"))
    used, cancelled, still_open = storage.registry.tokens()
    assert (used.hub, used.used_at, used.secret) == (A, 4.0, None)
    assert (cancelled.cancelled_at, cancelled.secret) == (5.0, None)
    assert still_open == storage.registry.token("t2") == made[2]
    assert storage.registry.token("t9") is None


def test_a_hub_that_enrols_again_keeps_all_but_its_name(storage: Storage) -> None:
    with storage.transaction():
        storage.registry.enrol(Hub(GONE, b"other" * 8, "new", 8.0, None, None))
    found = storage.registry.find(GONE)
    assert found == Hub(GONE, GONE.encode() * 6, "new", 1.0, 3.0, None, ("nord",))
    with storage.transaction():
        assert storage.registry.revoke(GONE, 99.0)
        assert found == storage.registry.find(GONE), "the first moment stays"
        assert storage.registry.readmit(GONE)
        assert storage.registry.tag(GONE, ())
        assert not any(
            (storage.registry.readmit("x"), storage.registry.revoke("x", 1.0), storage.registry.tag("x", ()))
        )
    assert storage.registry.find(GONE) == found._replace(revoked_at=None, tags=())
    assert [one.hub for one in storage.registry.hubs()] == [A, B, GONE]


# -- alerts, anchors, look-ups ---------------------------------------------------------------------------------------


def alert(hub: str = A, name: str = "a1", n: int = 1, state: str = "raised", **more: float) -> AlertChange:
    texts = ("rule", "key", state, "warning", "by", "why", "value", "text", "texte", "d", "p", "s", "z", "i")
    times = {"raised_at": 1.0, "changed_at": float(n), "received_at": float(n), **more}
    return AlertChange(hub, name, n, *texts, **times)


def test_an_alert_is_replaced_whole_and_its_request_goes_or_stays(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        storage.alerts.add(alert())
        storage.alerts.add(alert(B))
        storage.alerts.request(A, "a1", "muted", b"{}")
        assert storage.alerts.find(A, "a1") == AlertState(1, "raised", "muted")
        storage.alerts.replace(alert(n=2, state="escalated"), keep_request=True)
    assert storage.alerts.requests(A) == [b"{}"]
    with storage.transaction():
        storage.alerts.replace(alert(n=3, state="muted", raised_at=99.0), keep_request=False)
    assert (storage.alerts.requests(A), storage.alerts.find(A, "a1")) == ([], AlertState(3, "muted", ""))
    assert storage.alerts.find(A, "a2") is None
    assert sorted(storage.alerts.states("a1")) == [(A, "muted"), (B, "raised")]
    assert storage.alerts.states("a1", B) == [(B, "raised")]
    with queries.snapshot() as now:
        (line,) = now.alerts(A)
    assert (line.change, line.wanted) == (alert(n=3, state="muted"), None), "its beginning stays"


def test_of_cleared_alerts_those_go_first_that_came_first(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        for n, state in enumerate(("cleared", "raised", "cleared", "cleared")):
            storage.alerts.add(alert(name=f"a{n}", state=state, received_at=float(n)))
        assert (storage.alerts.count(A), storage.alerts.count(B)) == (4, 0)
        assert storage.alerts.forget_cleared(A, 2) == 2
        assert storage.alerts.forget_cleared(B, 2) == 0
    with queries.snapshot() as now:
        assert {line.change.alert for line in now.alerts(everything=True)} == {"a1", "a3"}
        assert {line.change.alert for line in now.alerts()} == {"a1"}


def test_the_first_anchor_of_a_moment_counts_and_the_newest_arrival_comes_first(
    storage: Storage, queries: Queries
) -> None:
    with storage.transaction():
        for told, head, at in ((9_000, "far", 1.0), (2_000, "b", 2.0), (2_000, "other", 3.0), (1_000, "a", 2.0)):
            storage.anchors.add(Anchor(A, told, 1, head, "", at))
    with queries.snapshot() as now:
        assert [(one.told_ms, one.head) for one in now.anchors(A, 9)] == [(2_000, "b"), (1_000, "a"), (9_000, "far")]
        assert len(now.anchors(A, 1)) == 1


def test_where_a_device_was_heard_is_told_of_hubs_that_may_send(storage: Storage, queries: Queries) -> None:
    people = Shape((Column("co2", privacy="personal"),))
    with storage.transaction():
        storage.registry.readmit(GONE)
    with storage.transaction():
        for hub, at in ((A, 0), (B, 5), (GONE, 9)):
            seen, personal = Subject("lorawan:1", "p", "school"), Subject("lorawan:2", "q", "school")
            record(storage, hub, 1, [row(NOW + at, 1.0, seen), Row(personal, people, NOW, True, (1.0,), 0, 1)])
    with storage.transaction():
        storage.registry.revoke(GONE, 3.0)
    with storage.transaction():
        found = [one._replace(metrics=tuple(sorted(one.metrics))) for one in storage.lookups.heard(["lorawan:1", "x"])]
        assert sorted(found) == [
            Heard("lorawan:1", hub, f"name of {hub}", "school", ("motion", "temperature"), 0) for hub in (A, B)
        ]
        both = ["lorawan:1", "lorawan:2"]
        assert storage.lookups.reporting(both, privacy="personal", metric="latitude") == {"lorawan:2"}
        assert storage.lookups.reporting(both, privacy="x", metric="motion") == {"lorawan:1"}
        for at in (10.0, 20.0):
            storage.lookups.note(A, both[:1], at)
            storage.lookups.answered(A, both, at + 1)
    assert (storage.lookups.since(A, 19.0), storage.lookups.since(A, 20.0)) == ({"lorawan:1"}, set())
    with queries.snapshot() as now:
        assert now.lookups() == now.lookups(A) == [(A, "lorawan:1", 10.0, 20.0, 11.0)]
        assert now.lookups(B) == []


# -- callbacks -------------------------------------------------------------------------------------------------------


def callback(key: str, hub: str = A, token: str = "t", at: float = 5.0) -> NewCallback:
    return NewCallback(key, hub, token, key.encode(), b"answer", "d1", at)


def test_a_callback_waits_until_its_hub_has_it_and_stays_known(storage: Storage, queries: Queries) -> None:
    with storage.transaction():
        storage.callbacks.add_token(CallbackToken("t", b"digest", A, "bins", 1.0))
        for key in ("k1", "k2"):
            storage.callbacks.add(callback(key))
        storage.callbacks.count_repeated("t", 6.0)
    (first, fields, answered), (second, *_) = storage.callbacks.waiting(A, 10)
    assert (fields, answered, storage.callbacks.waiting(A, 1)[0][0]) == (b"k1", "d1", first)
    assert (storage.callbacks.oldest(A), storage.callbacks.oldest(B)) == ((first, 5.0), None)
    assert (storage.callbacks.newest_number(), storage.callbacks.count_waiting(A)) == (second, 2)
    with queries.snapshot() as now:
        assert now.waiting_callbacks() == [(A, 2, 5.0)]
        assert now.callback_tokens() == [("t", A, "bins", 1.0, None, 6.0, 2, 1)]
    with storage.transaction():
        storage.callbacks.finish(B, [first], 7.0)
        assert storage.callbacks.count_waiting(A) == 2, "another hub's are not its own"
        storage.callbacks.finish(A, [first], 7.0)
        assert storage.callbacks.known_answer(A, "k1") == (b"answer",)
        storage.callbacks.forget(7.0)
        assert storage.callbacks.known_answer(A, "k1") == (b"answer",)
        storage.callbacks.forget(7.5)
        assert storage.callbacks.known_answer(A, "k1") is None
        assert storage.callbacks.known_answer(B, "k2") is None


def test_a_token_goes_to_another_hub_with_what_waits_and_gives_nothing_twice(storage: Storage) -> None:
    with storage.transaction():
        for token, hub in (("t", A), ("u", B)):
            storage.callbacks.add_token(CallbackToken(token, token.encode(), hub, "", 1.0))
        for key in ("k1", "k2", "k3"):
            storage.callbacks.add(callback(key))
        storage.callbacks.add(callback("k2", B, "u"))
        storage.callbacks.finish(A, [storage.callbacks.waiting(A, 1)[0][0]], 6.0)
        assert storage.callbacks.assign_token("x", B, 7.0) is None
        assert storage.callbacks.assign_token("t", B, 7.0) == 1
    found = storage.callbacks.token("t")
    assert found is not None
    assert (found.hub, found.secret, found.revoked_at) == (B, b"t", None)
    assert (storage.callbacks.count_waiting(A), storage.callbacks.count_waiting(B)) == (0, 2)
    assert storage.callbacks.known_answer(B, "k1") == (b"answer",), "what was fetched is known there too"
    with storage.transaction():
        assert storage.callbacks.revoke_token("t", 8.0)
        assert storage.callbacks.revoke_token("t", 9.0)
        assert not storage.callbacks.revoke_token("x", 9.0)
    revoked = storage.callbacks.token("t")
    assert revoked is not None
    assert revoked.revoked_at == 8.0


def test_a_downlink_for_once_goes_before_the_lasting_one_and_is_not_offered_again(storage: Storage) -> None:
    offered = [
        WaitingDownlink("d", "", b"always", None), WaitingDownlink("d", "once", b"once", None),
        WaitingDownlink("e", "late", b"late", 5.0),
    ]  # fmt: skip
    with storage.transaction():
        storage.callbacks.replace_downlinks(A, offered)
        assert storage.callbacks.next_downlink(A, "d", 1.0) == ("once", b"once")
        storage.callbacks.mark_sent(A, "d", "once", 2.0)
        assert storage.callbacks.next_downlink(A, "d", 3.0) == ("", b"always")
        assert storage.callbacks.next_downlink(A, "e", 5.0) == ("late", b"late")
        assert storage.callbacks.next_downlink(A, "e", 5.1) is None
        assert storage.callbacks.next_downlink(B, "d", 1.0) is None
        storage.callbacks.replace_downlinks(A, offered[:2])
        assert storage.callbacks.next_downlink(A, "d", 3.0) == ("", b"always"), "what was sent is not offered again"
        assert storage.callbacks.next_downlink(A, "e", 1.0) is None
        storage.callbacks.forget(2.5)
        storage.callbacks.replace_downlinks(A, offered[:2])
        assert storage.callbacks.next_downlink(A, "d", 3.0) == ("once", b"once"), "forgotten after its time"
