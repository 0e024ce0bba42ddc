"""Workers over one PostgreSQL database: any of them takes any message, and they decide as one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from backend_kit import NOW, Sender, row
from psycopg import sql
from worker_kit import Worker, contents

from backend.ingest.core import RECORDS, STATE, Message, NotAdmitted
from backend.ingest.packed_records import AGE_S, pack_old, unpack
from backend.owner import directory as owners
from backend.storage.engine import HubMoved, RecordLine
from backend.storage.postgresql import normal_path, streams
from backend.storage.postgresql.hub_rows import CONTESTED, HubRows
from backend.storage.postgresql.packed_records import PackedAccount
from backend.storage.postgresql.storage import PostgresStorage
from backend.storage.postgresql.trials import TAKEN
from backend.storage.postgresql.writing import Writing
from hub.core.errors import HubError, StorageError
from hub.protocol.link_messages import read_ack, read_reply
from hub.protocol.ranges import Ranges
from hub.protocol.records.bodies import ClockMark
from hub.protocol.records.rows import READINGS

from .test_caches import STORIES, Step, a_clock_at_another

pytestmark = pytest.mark.real("network, processes")


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> owners.Owner:
    return owners.init(tmp_path_factory.mktemp("owner") / "owner", owner="Ville")


@pytest.fixture
def start(owner: owners.Owner, postgres_url: str) -> Iterator[Callable[[], Worker]]:
    """Starts one more worker."""
    made: list[Worker] = []

    def one() -> Worker:
        made.append(Worker(owner, postgres_url))
        return made[-1]

    yield one
    for worker in made:
        worker.close()


@pytest.fixture
def two(start: Callable[[], Worker]) -> tuple[Worker, Worker]:
    return start(), start()


def blocks(hub: Sender, count: int) -> list[bytes]:
    """Messages of one block each; all but the first need what the first brings."""
    segment = hub.segment(run=b"r" * 16)
    made = [segment.block([row(NOW + n)]) for n in range(count)]
    return [segment.message(made[:1]), *(segment.message([one], context=False) for one in made[1:])]


def heard(worker: Worker, reply: bytes | HubError) -> object:
    if isinstance(reply, HubError):
        return type(reply).__name__
    read = read_reply(reply)
    acks = [one for ack in read.acks for one in read_ack(ack, worker.owner.trust)[0].each()]
    return [(one.stream, one.through, one.ranges, one.rejected, one.nonce) for one in acks], len(read.need)


def told(workers: tuple[Worker, ...], story: Callable[[Sender], list[Step]]) -> tuple[list[object], list[Any]]:
    hub = workers[0].enrol()
    said = [heard(workers[0], workers[at % len(workers)].post(hub, body, what)) for at, body, what in story(hub)]
    return said, contents(workers[0])


@pytest.mark.parametrize("story", STORIES)
def test_two_workers_decide_as_one(
    two: tuple[Worker, Worker],
    postgres: Any,
    story: Callable[[Sender], list[Step]],
) -> None:
    both = told(two, story)
    postgres.emptied()
    two[0].storage.caches.forget()
    assert both == told(two[:1], story)


def trust_caches(patch: pytest.MonkeyPatch) -> None:
    """Let each worker believe what it remembers, whatever version a hub's row has."""
    real = HubRows.meet
    text = normal_path._STORE.as_string(None)
    trusting = text.replace("and version = %s::bigint", "and %s::bigint is not null")
    assert trusting != text
    patch.setattr(normal_path, "_STORE", sql.SQL(trusting))
    patch.setattr(HubRows, "meet", lambda rows, row: rows.get(row.hub.hub) is None and real(rows, row))


@pytest.mark.parametrize("story", [one for one in STORIES if one is not a_clock_at_another])
def test_the_twin_that_trusts_its_cache_without_the_version_decides_otherwise(
    two: tuple[Worker, Worker],
    postgres: Any,
    monkeypatch: pytest.MonkeyPatch,
    story: Callable[[Sender], list[Step]],
) -> None:
    alone = told(two[:1], story)
    postgres.emptied()
    two[0].storage.caches.forget()
    trust_caches(monkeypatch)
    assert told(two, story) != alone


def test_the_normal_path_takes_no_row_and_a_hub_that_moved_is_tried_again_once(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    hub = one.enrol()
    messages = blocks(hub, 6)
    one.post(hub, messages[0])
    taken: list[str] = []
    monkeypatch.setattr(PostgresStorage, "_prepare", lambda self: None)
    for worker, name in ((one, "one"), (other, "other")):
        real = worker.storage._writing._take
        monkeypatch.setattr(
            worker.storage._writing, "_take", lambda hubs, real=real, name=name: (taken.append(name), real(hubs))[1]
        )
    assert one.acks(one.post(hub, messages[1]))[0].through == 2
    assert taken == [], "what it knows is compared at the end"
    assert other.acks(other.post(hub, messages[2]))[0].through == 3
    taken.clear()
    assert one.acks(one.post(hub, messages[3]))[0].through == 4
    assert taken == ["one"], "it missed, and took the row then"
    assert one.acks(one.post(hub, messages[4]))[0].through == 5
    assert taken == ["one", "one"], "a hub that moved is taken for a while"


def test_records_and_states_of_another_worker_make_nobody_open_an_epoch_again_and_anything_else_does(
    two: tuple[Worker, Worker],
) -> None:
    one, other = two
    hub = one.enrol()
    segment = hub.segment(run=b"r" * 16)
    first = segment.message([segment.block([row(NOW)])])
    more = [segment.message([segment.block([row(NOW + n)])], context=False) for n in range(1, 6)]
    one.post(hub, first)
    other.post(hub, more[0])
    forgotten: list[str | None] = []
    one.storage.caches.add(forgotten.append)
    assert one.acks(one.post(hub, more[1]))[0].through == 3
    other.post(hub, hub.state(segment, nonce=b"o" * 16), STATE)
    (ack,) = one.acks(one.post(hub, more[2]))
    assert (ack.through, ack.nonce) == (4, b"o" * 16), "and what it states is known"
    assert forgotten == []
    clock = segment.message([segment.clock(ClockMark(b"b" * 16, NOW, 20, "ntp"))], context=False)
    other.post(hub, clock)
    assert one.acks(one.post(hub, more[3]))[0].through == 5
    assert forgotten == [hub.hub]


def test_a_hub_is_contested_until_nobody_came_between_for_a_while(two: tuple[Worker, Worker]) -> None:
    one, other = two
    hub = one.enrol()
    messages = blocks(hub, CONTESTED + 4)
    one.post(hub, messages[0])
    other.post(hub, messages[1])
    one.post(hub, messages[2])
    rows = one.storage._writing._rows
    for n in range(CONTESTED):
        assert rows.contested([hub.hub]), n
        one.post(hub, messages[3 + n])
    assert not rows.contested([hub.hub])


def test_a_revocation_by_another_process_acts_on_the_next_message(two: tuple[Worker, Worker]) -> None:
    one, other = two
    hub = one.enrol()
    messages = blocks(hub, 3)
    one.post(hub, messages[0])
    one.post(hub, messages[1])
    other.ingest.registry.revoke(hub.hub, time.time())
    assert isinstance(one.post(hub, messages[2]), NotAdmitted)
    other.ingest.registry.readmit(hub.hub)
    assert one.acks(one.post(hub, messages[2]))[0].through == 3


def wrote(worker: Worker, hub: Sender, message: bytes) -> tuple[bool, int, int]:
    """Return whether the transaction of a message wrote, its acknowledgement's number, and the last one of the hub's
    row."""
    ask, row = worker.storage._writing.ask, "select version, acks from hubs where hub = %s"
    ((before, _),) = ask(row, [hub.hub])
    (ack,) = worker.acks(worker.post(hub, message))
    ((after, acks),) = ask(row, [hub.hub])
    assert ack.through == 1
    return after > before, ack.n, acks


def test_a_duplicate_is_acknowledged_by_a_transaction_that_wrote(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    hub = one.enrol()
    (message,) = blocks(hub, 1)
    (first,) = one.acks(one.post(hub, message))
    for worker in (other, other, one):
        did, number, last = wrote(worker, hub, message)
        assert did
        assert first.n < number == last

    def only_what_is_new(writing: Writing, real: Callable[[Writing], None] = Writing._store) -> None:
        if any(work.blocks for work in writing._works.values()):
            real(writing)

    monkeypatch.setattr(Writing, "_store", only_what_is_new)  # the twin: its transaction only reads
    did, number, last = wrote(other, hub, message)
    assert not did
    assert number > last


def test_numbers_of_acknowledgements_rise_in_the_order_of_commits_and_those_of_leases_do_not(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub refuses an acknowledgement whose number is not above the last one."""
    hub = two[0].enrol()
    messages = blocks(hub, 40)

    def numbers(of: list[bytes]) -> list[int]:
        workers = [two[n % 2] for n in range(len(of))]
        return [worker.acks(worker.post(hub, body))[0].n for worker, body in zip(workers, of, strict=True)]

    drawn = numbers(messages[:20])
    assert all(a < b for a, b in pairwise(drawn))
    for at, worker in enumerate(two):
        lease = iter(range((at + 1) << 60, 1 << 62))
        real = worker.storage._writing.draw
        monkeypatch.setattr(
            worker.storage.numbers,
            "draw",
            lambda hub, count, lease=lease, real=real: (real(hub, count), next(lease))[1],
        )
    leased = numbers(messages[20:])
    assert not all(a < b for a, b in pairwise(leased))


def test_nothing_is_acknowledged_whose_transaction_does_not_end(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch, postgres: Any
) -> None:
    """The server ends the session before the commit, and within it: then the record is there, or nobody knows."""
    one, other = two
    hub = one.enrol()
    messages = blocks(hub, 4)
    one.post(hub, messages[0])
    real = one.storage._writing.finish

    def ended(streams: Any) -> None:
        real(streams)
        pid = one.storage.database.session().info.backend_pid
        with postgres.server.admin() as session:
            session.execute("select pg_terminate_backend(%s, 60000)", [pid])

    with monkeypatch.context() as patch:
        patch.setattr(one.storage._writing, "finish", ended)
        assert isinstance(one.post(hub, messages[1]), StorageError)
    assert contents(other)[0] == [(READINGS, 1, 3, 2)]
    assert one.acks(one.post(hub, messages[1]))[0].through == 2

    class Lost(psycopg.OperationalError):
        pass

    session = one.storage.database.session()
    execute = type(session).execute

    def committed(self: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        done = execute(self, query, *arguments, **more)
        if query == "commit":
            self.close()
            raise Lost("the connection broke after the commit")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(type(session), "execute", committed)
        assert isinstance(one.post(hub, messages[2]), StorageError)
    assert [seq for _, seq, *_ in contents(other)[0]] == [1, 2, 3]
    (ack,) = one.acks(one.post(hub, messages[2]))
    assert ack.through == 3
    assert one.ingest.counts.duplicates == 1


@pytest.mark.parametrize("seed", range(3))
def test_any_worker_takes_any_message_in_any_order_and_again(
    start: Callable[[], Worker], postgres: Any, seed: int
) -> None:
    """Three workers at once, each in a thread; each message comes to one of them, a third of them to two, and the
    server ends sessions at any moment. Each record is there once, ids are those of a single worker, and what was
    acknowledged is there."""
    any_of = random.Random(seed)
    workers = [start() for _ in range(3)]
    hubs = [workers[0].enrol() for _ in range(4)]
    todo: list[tuple[Sender, bytes]] = []
    for hub in hubs:
        for n, body in enumerate(blocks(hub, 12)):
            todo += [(hub, body)] * (2 if any_of.random() < 0.3 or n == 0 else 1)
    any_of.shuffle(todo)
    shares = [todo[at::3] for at in range(3)]
    acked: dict[str, Ranges] = {hub.hub: Ranges() for hub in hubs}
    lock = threading.Lock()

    def run(worker: Worker, share: list[tuple[Sender, bytes]], choose: random.Random) -> None:
        waiting = list(share)
        while waiting:
            batch = [waiting.pop(0) for _ in range(min(len(waiting), choose.choice((1, 1, 3))))]
            replies = worker.take(*(Message(hub.hub, RECORDS, body) for hub, body in batch))
            for (hub, body), reply in zip(batch, replies, strict=True):
                if isinstance(reply, StorageError):
                    waiting.append((hub, body))
                    continue
                assert isinstance(reply, bytes), reply
                read = read_reply(reply)
                if read.need:  # its context is in another message
                    waiting.append((hub, body))
                with lock:
                    for ack in worker.acks(reply):
                        if ack.through:
                            acked[hub.hub].add(1, ack.through)
                        acked[hub.hub].add_all(ack.ranges)

    threads = [
        threading.Thread(target=run, args=(worker, share, random.Random(seed * 10 + at)))
        for at, (worker, share) in enumerate(zip(workers, shares, strict=True))
    ]
    with postgres.server.admin("shared") as killer:
        for thread in threads:
            thread.start()
        ended = 0
        while ended < 8 and any(thread.is_alive() for thread in threads):
            ended += killer.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ilot backend'"
                " and state <> 'idle' order by random() limit 1"
            ).rowcount
    for thread in threads:
        thread.join()
    ask = workers[0].storage._writing.ask
    for hub in hubs:
        rows = ask(
            "select r.seq, r.id from records r join streams s on s.id = r.stream join hubs h on h.number = s.hub"
            " where h.hub = %s order by r.id",
            [hub.hub],
        )
        assert sorted(seq for seq, _ in rows) == list(range(1, 13))
        assert [record for _, record in rows] == list(range(1, 13)), "none is drawn and left out, and none twice"
        assert list(acked[hub.hub]) == [(1, 12)]
        (stream,) = workers[1].storage.streams.of(hub.hub)
        assert list(stream.stored) == [(1, 12)]
        assert stream.readings == 24
    assert ask("select count(*), count(distinct (hub, record)) from bodies") == [(48, 48)]


def test_a_streams_numbers_are_read_from_its_row_and_its_lines_and_its_row_is_written_when_these_are_many(
    two: tuple[Worker, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_LINES", 5)
    one, other = two
    hub = one.enrol()
    for message in blocks(hub, 12):
        one.post(hub, message)
    ((stored, readings),) = one.storage._writing.ask("select stored, readings from streams")
    assert (stored, readings) != (b"\x90", 0)
    (found,) = other.storage.streams.of(hub.hub)
    assert (list(found.stored), found.readings) == ([(1, 12)], 24)


def test_a_stream_that_moved_is_not_changed_by_what_was_read_of_it(two: tuple[Worker, Worker]) -> None:
    one, other = two
    hub = one.enrol()
    for message in blocks(hub, 1):
        one.post(hub, message)

    def meanwhile() -> None:
        with one.storage.transaction():
            (mine,) = one.storage.streams.of(hub.hub)
            with other.storage.transaction([hub.hub]):
                (theirs,) = other.storage.streams.of(hub.hub)
                other.storage.records.add(theirs, RecordLine(2, b"d" * 32, 1, 1, 1), 1.0)
            mine.announced = 9
            one.storage.streams.change(mine)

    with pytest.raises(HubMoved):
        meanwhile()
    (found,) = one.storage.streams.of(hub.hub)
    assert (found.announced, list(found.stored)) == (0, [(1, 2)])


def test_every_table_is_known_to_hold_something_of_a_hub_or_nothing(two: tuple[Worker, Worker]) -> None:
    tables = two[0].storage._writing.ask(
        "select relname from pg_class where relnamespace = 'ilot'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition"
    )
    assert {name for (name,) in tables} == TAKEN | {
        "meta",
        "retention",
        "migrations",
        "challenge_keys",
        "processes",
        "rewriting",
    }


def test_a_hole_that_another_worker_filled_raises_no_alarm_and_is_not_asked_for(two: tuple[Worker, Worker]) -> None:
    one, other = two
    hub = one.enrol()
    messages = blocks(hub, 3)
    one.post(hub, messages[0])
    one.post(hub, messages[2])
    now = time.time()
    one.ingest.holes.check(one.ingest.received, now)
    other.post(hub, messages[1])
    one.ingest.holes.check(one.ingest.received, now + 400)
    assert one.storage._writing.ask("select kind from alarms") == []
    assert one.ingest.holes.due(hub.hub, {}, now + 400) == {}


def test_a_request_to_send_again_reaches_every_worker_once(two: tuple[Worker, Worker]) -> None:
    one, other = two
    hub = one.enrol()
    with one.storage.transaction():
        one.storage.notes.wish(hub.hub, time.time())

    def fails() -> None:
        with one.storage.transaction():
            assert one.storage.notes.take_wishes() == [hub.hub]
            raise KeyError("what followed from it is not stored")

    with pytest.raises(KeyError):
        fails()
    for worker in (one, other):
        with worker.storage.transaction():
            assert worker.storage.notes.take_wishes() == [hub.hub]
            assert worker.storage.notes.take_wishes() == []
    with other.storage.transaction():
        other.storage.notes.wish(hub.hub, time.time())
    with one.storage.transaction():
        assert one.storage.notes.take_wishes() == [hub.hub]


def test_lines_that_are_packed_leave_a_stream_its_numbers_at_every_worker(two: tuple[Worker, Worker]) -> None:
    one, other = two
    hub = one.enrol()
    messages = blocks(hub, 8)
    other.post(hub, messages[0])  # it remembers no more than this
    for message in messages[1:7]:
        one.post(hub, message)
    writing, streams = one.storage._writing, one.storage._streams
    account = PackedAccount(writing, streams)
    ((stream,),) = writing.ask("select id from streams")
    digests = {seq: digest for seq, digest, _ in account.lines(stream, 1, 9)}
    with one.storage.transaction():
        assert pack_old(account, [stream], time.time()) == 0, "they are young"
        assert pack_old(account, [stream], time.time() + 2 * AGE_S) == 1
    packed = account.packed(stream, 0)
    assert packed is not None
    assert unpack(packed, 0) == digests
    assert account.first_line(stream) is None
    assert other.acks(other.post(hub, messages[7]))[0].through == 8
    for worker in two:
        (found,) = worker.storage.streams.of(hub.hub)
        assert (list(found.stored), found.readings) == ([(1, 8)], 16)
