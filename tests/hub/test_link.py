"""The link round a buffer in a dictionary and uplinks in memory, on a clock that moves only when told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.backoff import Backoff
from hub.egress import NotDeclared
from hub.errors import AuthFailed, NotReady, StorageError
from hub.link import AWAY, FAILED, REFUSED, UP, Carrier, Link
from hub.link.core import MEMORY_KEY, METERED_S, METERED_STATE_S, TRAFFIC_KEY
from hub.ranges import Ranges
from hub.session import Message, Uplink
from hub.testing import ManualClock, settle
from hub.wire import Ack, key_id, pack_reply, read_state, sign_ack, unpack_message

from .delivery_kit import Held, Record

IDENTITY = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
ACK_KEY = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
RUN = b"r" * 16


class Key(msgspec.Struct, frozen=True):
    kid: bytes
    public: bytes


class Trust(msgspec.Struct, frozen=True):
    version: int
    ack_keys: tuple[Key, ...]


PUBLIC = ACK_KEY.public_key().public_bytes_raw()
TRUST = Trust(3, (Key(key_id(PUBLIC), PUBLIC),))


class Durable(NamedTuple):
    stream: str
    run: bytes
    first: int
    last: int
    readings: int
    bytes: int


class AckSets(dict[tuple[str, bytes], Ranges]):
    def of(self, stream: str, run: bytes) -> Ranges:
        return self.get((stream, run), Ranges())


class Buffer:
    """Counts 1, 2, 3… of one stream. `broken`: what reading raises."""

    def __init__(self) -> None:
        self.run = RUN
        self.local: dict[str, Any] = {}
        self.acks = AckSets()
        self.last = 0
        self.told: list[tuple[str, bytes, list[tuple[int, int]]]] = []
        self.asked: list[tuple[str, bytes, list[tuple[int, int]]]] = []
        self.forgotten = self.flushed = 0
        self.broken: Exception | None = None

    def streams(self) -> list[Held]:
        return [Held("readings", RUN, 1, self.last, b"d" * 32)] if self.last else []

    def read(self, stream: str, run: bytes, first: int, last: int, max_bytes: int) -> list[Record]:
        if self.broken is not None:
            raise self.broken
        return [Record(2, seq, 10, b"e" * 32, b"%8d" % seq) for seq in range(first, last + 1)]

    def acked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        self.told.append((stream, run, ranges))

    def unacked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        self.asked.append((stream, run, ranges))

    def forget_acks(self) -> None:
        self.forgotten += 1

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value

    async def flush(self) -> None:
        self.flushed += 1
        if self.broken is not None:
            raise self.broken


class Egress:
    def connection(self, url: str) -> Any:
        raise NotDeclared(f"{url} is not declared")


class Peer:
    """The plugin and the backend in one: hands each message to the test, answers when told."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.replies: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.runs = self.n = 0
        self.through = 0
        self.ended = False

    async def run(self, config: Any, uplink: Uplink) -> None:
        self.runs += 1
        async for message in uplink.messages():
            self.messages.put_nowait(message)
            reply = await self.replies.get()
            if isinstance(reply, Exception):
                raise reply
            uplink.answered(message, reply)
        self.ended = True

    async def get(self) -> Message:
        return await asyncio.wait_for(self.messages.get(), 5)

    def ack(self, through: int, db: bytes = b"d" * 16, key: Ed25519PrivateKey = ACK_KEY, **more: Any) -> bytes:
        self.n += 1
        ack = Ack(hub="hub-a", stream="readings", run=RUN, db=db, n=self.n, through=through, **more)
        return pack_reply([sign_ack(ack, key)])


class Bench:
    def __init__(self, **options: Any) -> None:
        self.buffer, self.clock, self.peer = Buffer(), ManualClock(), Peer()
        self.link = self.make(**options)

    def make(self, run: Callable[..., Any] | None = None, **options: Any) -> Link:
        return Link(
            hub="hub-a",
            identity=IDENTITY,
            trust=TRUST,
            buffer=self.buffer,
            egress=Egress(),
            clock=self.clock,
            uplinks=[Carrier("https", None, run or self.peer.run)],
            backoff=lambda: Backoff(1.0, 60.0),
            slow=lambda: Backoff(60.0, 900.0),
            **options,
        )

    def commit(self, count: int) -> None:
        first, self.buffer.last = self.buffer.last + 1, self.buffer.last + count
        self.link.durable(Durable("readings", RUN, first, self.buffer.last, count * 10, count * 8))

    async def answer(self, reply: bytes | None = None) -> None:
        self.peer.replies.put_nowait(reply or pack_reply())
        await settle()

    async def up(self) -> None:
        """The first state is answered."""
        assert (await self.peer.get()).kind == "state"
        self.peer.replies.put_nowait(pack_reply())
        await settle()


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.link.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception():
            raise task.exception()


async def test_a_commit_leaves_as_one_message_and_its_ack_reaches_the_buffer() -> None:
    async with running(Bench()) as bench:
        state = await bench.peer.get()
        assert read_state(state.body, IDENTITY.public_key().public_bytes_raw()).trust_version == 3
        bench.peer.replies.put_nowait(pack_reply())
        bench.commit(3)
        message = await bench.peer.get()
        assert (message.kind, message.lane, message.readings) == ("records", "live", 30)
        assert [group.records for group in unpack_message(message.body)] == [b"       1       2       3"]
        bench.peer.replies.put_nowait(bench.peer.ack(3))
        await settle()
        assert bench.buffer.told == [("readings", RUN, [(1, 3)])]
        await bench.clock.advance(5.0)
        status = bench.link.status()
    assert (status.acked, status.acked_records, status.last_ack_s) == (30, 3, 5.0)
    assert (status.in_flight, status.in_flight_bytes, status.error) == (0, 0, "")
    assert [(one.name, one.state) for one in status.uplinks] == [("https", UP)]


async def test_many_commits_while_a_message_is_out_leave_together() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(1)
        await bench.peer.get()
        for _ in range(10):
            bench.commit(1)
        bench.peer.replies.put_nowait(bench.peer.ack(1))
        message = await bench.peer.get()
    assert message.readings == 100


async def test_what_was_acked_is_not_sent_by_the_next_process() -> None:
    bench = Bench()
    bench.buffer.last = 5
    bench.buffer.acks[("readings", RUN)] = Ranges([(1, 3)])
    bench.link = bench.make()
    assert bench.link.status().waiting["backlog"] == 2


async def test_the_database_in_force_outlives_the_process_and_a_new_one_voids_every_ack() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(2)
        await bench.peer.get()
        bench.peer.replies.put_nowait(bench.peer.ack(2))
        await settle()
        assert bench.buffer.forgotten == 0
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(bench.buffer.local[MEMORY_KEY]))
    bench.buffer.local[MEMORY_KEY] = kept
    bench.buffer.acks[("readings", RUN)] = Ranges([(1, 2)])
    bench.buffer.run = b"n" * 16
    bench.link = bench.make()
    async with running(bench):
        state = read_state((await bench.peer.get()).body, IDENTITY.public_key().public_bytes_raw())
        bench.peer.replies.put_nowait(bench.peer.ack(1, db=b"x" * 16, nonce=state.nonce))
        message = await bench.peer.get()
    assert bench.buffer.forgotten == 1
    assert bench.buffer.told[-1] == ("readings", RUN, [(1, 1)])
    assert unpack_message(message.body)[0].records == b"       2"


async def test_what_the_backend_asks_for_again_is_owed_again_and_the_buffer_is_told() -> None:
    async with running(Bench()) as bench:
        state = read_state((await bench.peer.get()).body, IDENTITY.public_key().public_bytes_raw())
        bench.peer.replies.put_nowait(pack_reply())
        bench.commit(4)
        await bench.peer.get()
        bench.peer.replies.put_nowait(bench.peer.ack(4, nonce=state.nonce))
        await settle()
        bench.commit(1)
        await bench.peer.get()
        bench.peer.replies.put_nowait(bench.peer.ack(1, ranges=((5, 5),), want=((2, 4),), nonce=state.nonce))
        message = await bench.peer.get()
        status = bench.link.status()
    assert bench.buffer.asked == [("readings", RUN, [(2, 4)])]
    assert unpack_message(message.body)[0].records == b"       2       3       4"
    assert (message.lane, status.wanted) == ("backlog", 3)


async def test_a_trust_document_that_is_offered_is_handed_on_unread() -> None:
    offered: list[bytes] = []
    async with running(Bench(on_trust=offered.append)) as bench:
        await bench.peer.get()
        await bench.answer(pack_reply(trust=b"whatever it is"))
        await bench.answer(pack_reply())
    assert offered == [b"whatever it is"]


async def test_new_keys_are_stated_at_once_and_the_withdrawn_one_is_no_attack() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        newer = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
        public = newer.public_key().public_bytes_raw()
        bench.commit(2)
        await bench.peer.get()
        bench.link.retrust(Trust(4, (Key(key_id(public), public),)))
        bench.peer.replies.put_nowait(bench.peer.ack(2))  # signed before it was withdrawn, and no longer believed
        state = await bench.peer.get()
        assert read_state(state.body, IDENTITY.public_key().public_bytes_raw()).trust_version == 4
        assert bench.buffer.told == []
        assert bench.link.status().refused == {"withdrawn-key": 1}
        assert bench.link.status().uplinks[0].state == UP
        await bench.answer(bench.peer.ack(2, key=newer))
        assert bench.buffer.told == [("readings", RUN, [(1, 2)])]
        bench.link.reconnect()
        await settle()
        assert bench.link.status().uplinks[0].state == AWAY
        await bench.clock.advance(2.0)
        assert (await bench.peer.get()).kind == "state"
        assert bench.peer.runs == 2


async def test_an_uplink_that_is_away_is_said_once_tried_with_back_off_and_loses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(2)
        await bench.peer.get()
        for _ in range(5):
            bench.peer.replies.put_nowait(NotReady("the backend does not answer"))
            await settle()
            runs = bench.peer.runs
            await bench.clock.advance(0.4)
            assert bench.peer.runs == runs  # no sooner than half the step
            await bench.clock.advance(bench.link.delivery.wait("https", bench.clock.monotonic()))
            assert (await bench.peer.get()).kind == "state"
        status = bench.link.status()
        assert status.uplinks[0].state == AWAY
        assert status.uplinks[0].failures == 5
        assert status.error == "https: the backend does not answer"
        assert sum(status.waiting.values()) == 2
        bench.peer.replies.put_nowait(pack_reply())
        message = await bench.peer.get()
        assert message.readings == 20
    said = [record.message for record in caplog.records]
    assert len([text for text in said if text.startswith("away:")]) == 1
    assert len([text for text in said if text.startswith("back after")]) == 1


@pytest.mark.parametrize("error", [AuthFailed("403"), ExceptionGroup("tasks", [NotReady("x"), AuthFailed("403")])])
async def test_a_refused_hub_asks_again_slowly_and_comes_back(error: Exception) -> None:
    async with running(Bench()) as bench:
        await bench.peer.get()
        bench.peer.replies.put_nowait(error)
        await settle()
        assert bench.link.status().uplinks[0].state == REFUSED
        await bench.clock.advance(29.0)
        assert bench.peer.runs == 1
        await bench.clock.advance(31.0)
        await bench.up()
        assert bench.peer.runs == 2
        assert bench.link.status().uplinks[0].state == UP


async def test_a_host_that_is_not_declared_is_a_refusal_that_says_so() -> None:
    async def run(config: Any, uplink: Uplink) -> None:
        uplink.connection("https://elsewhere/")

    bench = Bench(run=run)
    async with running(bench):
        await settle()
        status = bench.link.status()
    assert status.uplinks[0].state == REFUSED
    assert "https://elsewhere/ is not declared" in status.error


async def test_a_bug_of_an_uplink_is_traced_once_and_the_uplink_is_run_again(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Bench()) as bench:
        for _ in range(4):
            await bench.peer.get()
            bench.peer.replies.put_nowait(ZeroDivisionError("oops"))
            await settle()
            assert bench.link.status().uplinks[0].state == FAILED
            await bench.clock.advance(60.0)
        await bench.up()
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_an_uplink_that_fails_while_it_is_cancelled_is_not_run_again() -> None:
    runs = 0

    async def fails() -> None:
        raise NotReady("the backend does not answer")

    async def run(config: Any, uplink: Uplink) -> None:
        nonlocal runs
        runs += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            me.cancel()  # in the turn of the loop in which a message of it fails
            await asyncio.sleep(3600)

    bench = Bench(run=run)
    me = asyncio.create_task(bench.link._uplinks[0].keep())
    done, _ = await asyncio.wait([me], timeout=5)
    assert done == {me}
    assert (me.cancelled(), runs) == (True, 1)


async def test_an_uplink_that_ends_by_itself_is_run_again() -> None:
    runs = 0

    async def run(config: Any, uplink: Uplink) -> None:
        nonlocal runs
        runs += 1

    async with running(Bench(run=run)) as bench:
        await settle()
        await bench.clock.advance(5.0)
    assert runs > 1


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda peer: peer.ack(2, key=IDENTITY), "signature"),
        (lambda peer: pack_reply([b"x" * 90]), "unreadable"),
    ],
)
async def test_a_forged_ack_deletes_nothing_stops_the_uplink_and_is_counted(
    forge: Callable[[Peer], bytes], reason: str
) -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(2)
        await bench.peer.get()
        bench.peer.replies.put_nowait(forge(bench.peer))
        await settle()
        status = bench.link.status()
        assert bench.buffer.told == []
        assert status.refused == {reason: 1}
        assert status.uplinks[0].state == REFUSED
        assert "Nothing was deleted" in status.error
        assert sum(status.waiting.values()) == 2


async def test_a_reply_that_is_none_puts_the_records_back() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(2)
        await bench.peer.get()
        bench.peer.replies.put_nowait(b"<html>")
        await settle()
        assert bench.link.status().uplinks[0].state == AWAY
        assert sum(bench.link.status().waiting.values()) == 2


async def test_a_disk_that_cannot_be_read_is_named_and_tried_again() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.buffer.broken = StorageError("readings: Input/output error")
        bench.commit(2)
        for _ in range(50):
            await asyncio.sleep(0.01)  # the reading is in a real thread
            if bench.link.status().error:
                break
        assert "Input/output error" in bench.link.status().error
        bench.buffer.broken = None
        await bench.clock.advance(1.0)
        await bench.up()
        assert (await bench.peer.get()).readings == 20


async def test_a_state_leaves_every_30_s_of_the_hubs_own_clock() -> None:
    async with running(Bench()) as bench:
        for _ in range(3):
            await bench.up()
            await bench.clock.advance(29.9)
            assert bench.peer.messages.empty()
            await bench.clock.advance(0.1)


async def test_the_time_of_a_fresh_ack_is_offered_to_the_clock() -> None:
    times: list[tuple[float, float]] = []
    bench = Bench()
    bench.buffer.last, bench.buffer.run = 1, b"n" * 16
    bench.link = bench.make(on_clock=lambda now, error: times.append((now, error)))
    async with running(bench):
        state = await bench.peer.get()
        nonce = read_state(state.body, IDENTITY.public_key().public_bytes_raw()).nonce
        await bench.clock.advance(0.25)
        bench.peer.replies.put_nowait(bench.peer.ack(1, nonce=nonce, now=1.9e9))
        await settle()
    assert times == [(1.9e9, 0.25)]


async def test_drain_flushes_waits_for_the_acks_and_ends_the_uplinks() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.link.run())
    await bench.up()
    bench.commit(2)
    await bench.peer.get()
    draining = asyncio.create_task(bench.link.drain(10.0))
    await settle()
    assert bench.buffer.flushed == 1
    assert not draining.done()
    bench.peer.replies.put_nowait(bench.peer.ack(2))
    assert await draining
    await asyncio.wait_for(task, 5)
    assert bench.peer.ended


async def test_drain_gives_up_at_its_deadline_and_at_once_when_no_uplink_is_up() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(2)
        await bench.peer.get()
        draining = asyncio.create_task(bench.link.drain(10.0))
        await bench.clock.advance(9.9)
        assert not draining.done()
        await bench.clock.advance(0.2)
        assert await draining is False
    async with running(Bench()) as bench:
        await bench.peer.get()
        bench.commit(2)
        bench.peer.replies.put_nowait(NotReady("away"))
        await settle()
        bench.buffer.broken = StorageError("full")
        assert await bench.link.drain(10.0) is False


async def test_an_uplink_that_waits_for_its_back_off_ends_with_the_link() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.link.run())
    await bench.peer.get()
    bench.peer.replies.put_nowait(AuthFailed("403"))
    await settle()
    await bench.link.drain(10.0)
    await asyncio.wait_for(task, 5)


async def test_without_any_uplink_the_link_only_keeps_its_books() -> None:
    buffer = Buffer()
    link = Link(hub="hub-a", identity=IDENTITY, trust=TRUST, buffer=buffer, egress=Egress(), clock=ManualClock())
    task = asyncio.create_task(link.run())
    buffer.last = 4
    link.durable(Durable("readings", RUN, 1, 4, 40, 32))
    assert link.status().waiting["live"] == 4
    assert await link.drain(10.0) is False
    await asyncio.wait_for(task, 5)


async def test_an_uplink_that_is_replaced_gives_back_what_it_carried_and_the_next_one_carries_it() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(3)
        assert (await bench.peer.get()).kind == "records"  # on its way, never answered
        other = Peer()
        await bench.link.rearrange([Carrier("https", {"url": "other"}, other.run)], metered=False)
        await bench.clock.advance(5.0)
        found = [await other.get()]
        other.replies.put_nowait(pack_reply())
        await settle()
        await bench.clock.advance(5.0)
        found.append(await other.get())
        records = next(one for one in found if one.kind == "records")
        assert [group.records for group in unpack_message(records.body)] == [b"       1       2       3"]
        assert [one.name for one in bench.link.status().uplinks] == ["https"]


async def test_an_uplink_that_stays_as_it_is_goes_on_while_others_come_and_go() -> None:
    bench = Bench()
    async with running(bench):
        await bench.up()
        kept = bench.link._uplinks[0]
        more = Carrier("mqtt", None, Peer().run)
        await bench.link.rearrange([kept.carrier, more], metered=True)
        assert [one.name for one in bench.link._uplinks] == ["https", "mqtt"]
        await bench.link.rearrange([kept.carrier], metered=False)
        assert bench.link._uplinks == [kept]
        assert bench.link.up()


async def test_on_a_metered_line_readings_leave_every_five_minutes() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        for _ in range(3):
            bench.commit(2)
            await bench.clock.advance(60.0)
        assert bench.peer.messages.empty()
        waiting = bench.link.status().waiting
        assert waiting.pop("held") == 6
        assert not any(waiting.values())
        await bench.clock.advance(METERED_S - 180.0)
        message = await bench.peer.get()
        assert (message.kind, message.lane, message.readings) == ("records", "live", 60)
        await bench.answer(bench.peer.ack(6))
        assert bench.buffer.told == [("readings", RUN, [(1, 6)])]
        await bench.clock.advance(METERED_S - 1.0)
        assert bench.peer.messages.empty()


async def test_on_a_metered_line_readings_that_became_durable_after_five_minutes_leave_at_once() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        await bench.clock.advance(METERED_S + 1.0)
        assert bench.peer.messages.empty()
        bench.commit(1)
        assert (await bench.peer.get()).readings == 10
        await bench.answer(bench.peer.ack(1))
        bench.commit(1)
        await bench.clock.advance(METERED_S - 1.0)
        assert bench.peer.messages.empty()
        await bench.clock.advance(1.0)
        assert (await bench.peer.get()).readings == 10


async def test_on_a_metered_line_a_state_leaves_every_half_hour() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        await bench.clock.advance(METERED_STATE_S - 1.0)
        assert bench.peer.messages.empty()
        await bench.clock.advance(1.0)
        assert (await bench.peer.get()).kind == "state"


async def test_on_a_metered_line_no_message_leaves_before_the_one_under_way_is_answered() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        await bench.clock.advance(METERED_STATE_S - 1.0)
        bench.commit(1)
        assert (await bench.peer.get()).kind == "records"
        beside = asyncio.create_task(bench.link.next("https"))  # the uplink would send two at a time
        await bench.clock.advance(2.0)
        assert not beside.done()  # though a state is due
        await bench.answer(bench.peer.ack(1))
        await settle()
        assert beside.done() or (await bench.peer.get()).kind == "state"
        beside.cancel()


async def test_on_a_metered_line_an_alert_leaves_at_once_and_readings_still_wait() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        bench.commit(2)
        bench.link.durable(Durable("alerts", RUN, 1, 1, 1, 8))
        message = await bench.peer.get()
        assert (message.kind, message.lane) == ("records", "alerts")
        assert bench.link.status().waiting["held"] == 2


async def test_on_a_metered_line_an_alert_does_not_wait_for_the_answer_to_the_message_under_way() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        await bench.clock.advance(METERED_STATE_S - 1.0)
        bench.commit(1)
        assert (await bench.peer.get()).lane == "live"
        beside = asyncio.create_task(bench.link.next("https"))  # the uplink would send two at a time
        await bench.clock.advance(2.0)  # a state is due too
        bench.commit(1)
        bench.link.durable(Durable("alerts", RUN, 1, 2, 2, 16))
        message = await asyncio.wait_for(beside, 5)
        assert message is not None
        assert (message.kind, message.lane) == ("records", "alerts")
        beside = asyncio.create_task(bench.link.next("https"))
        bench.link.durable(Durable("alerts", RUN, 3, 3, 1, 8))
        message = await asyncio.wait_for(beside, 5)
        assert message is not None
        assert message.lane == "alerts"
        beside = asyncio.create_task(bench.link.next("https"))
        await settle()
        assert not beside.done()  # readings and the state still wait
        beside.cancel()


async def test_a_metered_line_holds_nothing_back_when_the_hub_stops() -> None:
    bench = Bench(metered=True)
    task = asyncio.create_task(bench.link.run())
    await bench.up()
    bench.commit(2)
    draining = asyncio.create_task(bench.link.drain(10.0))
    message = await bench.peer.get()
    assert message.readings == 20
    bench.peer.replies.put_nowait(bench.peer.ack(2))
    assert await draining
    await asyncio.wait_for(task, 5)


async def test_what_went_over_the_link_this_month_is_counted_and_outlives_the_process() -> None:
    async with running(Bench()) as bench:
        state = await bench.peer.get()
        await bench.answer()
        bench.commit(1)
        message = await bench.peer.get()
        reply = bench.peer.ack(1)
        await bench.answer(reply)
        up, down = len(state.body) + len(message.body), len(pack_reply()) + len(reply)
        month = bench.link.status().month
        assert (month.month, month.up, month.down) == ("2026-01", up, down)
        assert bench.buffer.local[TRAFFIC_KEY] == {"month": "2026-01", "up": up, "down": down}
        later = bench.make()
        assert later.status().month == month
        bench.clock.set(bench.clock.now() + 40 * 86400)
        assert (later.status().month.month, later.status().month.up) == ("2026-02", 0)
