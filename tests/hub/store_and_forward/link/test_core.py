"""What is durable leaves, and its ack comes back."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.errors import NotReady, StorageError
from hub.protocol.link_messages import key_id, open_message, pack_reply, read_state
from hub.sdk.testing import settle
from hub.sdk.transport import Transport
from hub.store_and_forward.link import AWAY, UP, Line, UplinkConfig
from hub.store_and_forward.link.core import MEMORY_KEY
from tests.hub.store_and_forward.link.link_kit import IDENTITY, RUN, Bench, Key, Peer, Trust, running


async def test_a_commit_leaves_as_one_message_and_its_ack_reaches_the_buffer() -> None:
    async with running(Bench()) as bench:
        state = await bench.peer.get()
        assert read_state(state.body, IDENTITY.public_key().public_bytes_raw()).trust_version == 3
        bench.peer.replies.put_nowait(pack_reply())
        bench.commit(3)
        message = await bench.peer.get()
        assert (message.kind, message.lane, message.readings) == ("records", "live", 30)
        assert [group.records for group in open_message(message.body)[1]] == [b"       1       2       3"]
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
    bench.buffer.acks.add_all("readings", RUN, [(1, 3)])
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
    bench.buffer.acks.add_all("readings", RUN, [(1, 2)])
    bench.buffer.run = b"n" * 16
    bench.link = bench.make()
    async with running(bench):
        state = read_state((await bench.peer.get()).body, IDENTITY.public_key().public_bytes_raw())
        bench.peer.replies.put_nowait(bench.peer.ack(1, db=b"x" * 16, nonce=state.nonce))
        message = await bench.peer.get()
    assert bench.buffer.forgotten == 1
    assert bench.buffer.told[-1] == ("readings", RUN, [(1, 1)])
    assert open_message(message.body)[1][0].records == b"       2"


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
    assert open_message(message.body)[1][0].records == b"       2       3       4"
    assert (message.lane, status.wanted) == ("backlog", 3)


async def test_a_trust_document_that_is_offered_is_handed_on_unread() -> None:
    offered: list[bytes] = []
    async with running(Bench(trust=offered.append)) as bench:
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
        bench.link.update_trust(Trust(4, (Key(key_id(public), public),)))
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


async def test_a_disk_that_cannot_be_read_is_named_and_tried_again() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.buffer.broken = StorageError("readings: Input/output error")
        bench.commit(2)
        async with asyncio.timeout(60):
            while not bench.link.status().error:
                await asyncio.sleep(0.01)  # the reading is in a real thread
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
    times: list[tuple[float, float, float]] = []

    def hear(*told: float) -> bool:
        times.append(told)
        return len(times) == 1

    bench = Bench()
    bench.buffer.last, bench.buffer.run = 1, b"n" * 16
    bench.link = bench.make(clock=hear)
    async with running(bench):
        state = await bench.peer.get()
        nonce = read_state(state.body, IDENTITY.public_key().public_bytes_raw()).nonce
        await bench.clock.advance(0.25)
        bench.peer.replies.put_nowait(bench.peer.ack(1, nonce=nonce, now=1.9e9))
        await settle()
        asked = bench.clock.monotonic() - 0.25
        assert times == [(1.9e9, asked, asked + 0.25)]
        await bench.clock.advance(2.0)
        assert bench.peer.messages.empty()
        await bench.clock.advance(0.75)
        again = await bench.peer.get()
        nonce = read_state(again.body, IDENTITY.public_key().public_bytes_raw()).nonce
        bench.peer.replies.put_nowait(bench.peer.ack(1, nonce=nonce, now=1.9e9 + 3))
        await settle()
        assert len(times) == 2
        await bench.clock.advance(29.9)
        assert bench.peer.messages.empty(), "it asks no more"


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
    await asyncio.wait_for(task, 60)
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


async def test_an_uplink_that_is_replaced_gives_back_what_it_carried_and_the_next_one_carries_it() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(3)
        assert (await bench.peer.get()).kind == "records"  # on its way, never answered
        other = Peer()
        await bench.link.reconfigure(Line([UplinkConfig("https", {"url": "other"}, other.run)]))
        await bench.clock.advance(5.0)
        found = [await other.get()]
        other.replies.put_nowait(pack_reply())
        await settle()
        await bench.clock.advance(5.0)
        found.append(await other.get())
        records = next(one for one in found if one.kind == "records")
        assert [group.records for group in open_message(records.body)[1]] == [b"       1       2       3"]
        assert [one.name for one in bench.link.status().uplinks] == ["https"]


async def test_an_uplink_that_stays_as_it_is_goes_on_while_others_come_and_go() -> None:
    bench = Bench()
    async with running(bench):
        await bench.up()
        kept = bench.link._uplinks[0]
        more = UplinkConfig("mqtt", None, Peer().run)
        await bench.link.reconfigure(Line([kept.carrier, more], metered=True))
        assert [one.name for one in bench.link._uplinks] == ["https", "mqtt"]
        await bench.link.reconfigure(Line([kept.carrier]))
        assert bench.link._uplinks == [kept]
        assert bench.link.up()


async def test_what_an_uplink_lends_is_taken_back_when_it_ends() -> None:
    async def lends(config: object, uplink: Transport) -> None:
        with pytest.warns(DeprecationWarning, match="share_connection"):
            uplink.lend("its client")  # type: ignore[attr-defined]
        async for message in uplink.messages():
            bench.peer.messages.put_nowait(message)
            reply = await bench.peer.replies.get()
            assert isinstance(reply, Exception)
            raise reply

    bench = Bench()
    bench.link = bench.make(lends)
    async with running(bench):
        await bench.peer.get()
        lent = bench.link.egress.lent  # type: ignore[attr-defined]
        assert lent == ["its client"]
        bench.peer.replies.put_nowait(NotReady("gone"))
        await settle()
        assert lent == []
