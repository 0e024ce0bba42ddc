"""A line that is paid by the megabyte."""

from __future__ import annotations

import asyncio

from hub.protocol.link_messages import open_message, pack_reply, read_state
from hub.sdk.testing import settle
from hub.store_and_forward.link.core import METERED_S, METERED_STATE_S, TRAFFIC_KEY
from hub.store_and_forward.link.model import Line
from tests.hub.store_and_forward.link.link_kit import IDENTITY, RUN, Bench, Durable, running

PUBLIC = IDENTITY.public_key().public_bytes_raw()


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


async def test_a_state_says_when_the_next_leaves_and_a_line_that_becomes_metered_says_so_at_once() -> None:
    async with running(Bench()) as bench:
        state = await bench.peer.get()
        assert read_state(state.body, PUBLIC).every == 30
        await bench.answer()
        (uplink,) = bench.link._uplinks
        await bench.link.reconfigure(Line([uplink.carrier], metered=True))
        await bench.clock.advance(1.0)
        state = await bench.peer.get()
        assert (state.kind, read_state(state.body, PUBLIC).every) == ("state", METERED_STATE_S)


async def test_on_a_metered_line_no_message_leaves_before_the_one_under_way_is_answered() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        await bench.clock.advance(METERED_STATE_S - 1.0)
        bench.commit(1)
        assert (await bench.peer.get()).kind == "records"
        beside = asyncio.create_task(anext(bench.link._uplinks[0].messages()))  # the uplink would send two at a time
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
        beside = asyncio.create_task(anext(bench.link._uplinks[0].messages()))  # the uplink would send two at a time
        await bench.clock.advance(2.0)  # a state is due too
        bench.commit(1)
        bench.link.durable(Durable("alerts", RUN, 1, 2, 2, 16))
        message = await asyncio.wait_for(beside, 60)
        assert message is not None
        assert (message.kind, message.lane) == ("records", "alerts")
        beside = asyncio.create_task(anext(bench.link._uplinks[0].messages()))
        bench.link.durable(Durable("alerts", RUN, 3, 3, 1, 8))
        message = await asyncio.wait_for(beside, 60)
        assert message is not None
        assert message.lane == "alerts"
        beside = asyncio.create_task(anext(bench.link._uplinks[0].messages()))
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
    await asyncio.wait_for(task, 60)


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


async def test_what_is_calm_of_alerts_goes_with_the_readings_and_an_alert_takes_it_along() -> None:
    async with running(Bench(metered=True)) as bench:
        await bench.up()
        bench.commit(2)
        bench.link.durable(Durable("alerts", RUN, 1, 1, 3, 8, deferrable=True))
        await settle()
        assert bench.peer.messages.empty()
        assert bench.link.status().waiting["held"] == 3
        await bench.clock.advance(METERED_S)
        message = await bench.peer.get()
        assert len(open_message(message.body)[1]) == 2, "one message of both streams"
        await bench.answer(bench.peer.ack(2))
        bench.link.durable(Durable("alerts", RUN, 2, 2, 3, 8, deferrable=True))
        bench.link.durable(Durable("alerts", RUN, 3, 3, 9, 8))
        (group,) = open_message((await bench.peer.get()).body)[1]
        assert group.records == b"%8d%8d" % (2, 3)


async def test_on_a_metered_line_the_state_goes_with_the_readings_to_a_backend_that_takes_it() -> None:
    async with running(Bench(metered=True)) as bench:
        assert (await bench.peer.get()).kind == "state"
        await bench.answer(pack_reply(speaks=2))
        await bench.clock.advance(METERED_STATE_S - 10.0)
        bench.commit(1)
        assert (await bench.peer.get()).kind == "records"  # the five minutes were over long ago
        await bench.answer(bench.peer.ack(1))
        bench.commit(1)
        await settle()
        assert bench.peer.messages.empty()
        await bench.clock.advance(10.0)
        message = await bench.peer.get()
        assert (message.kind, message.readings) == ("records", 10)
        assert open_message(message.body)[0]
