"""Uplinks that are away, refused, broken or slow to end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from hub.core.errors import AuthFailed, LedElsewhere, NotReady
from hub.core.text import Phrase
from hub.protocol.link_messages import pack_reply
from hub.sdk.testing import ManualClock, settle
from hub.sdk.transport import Transport
from hub.store_and_forward.link import AWAY, FAILED, REFUSED, UP, Line, Link, Sender
from tests.hub.store_and_forward.link.link_kit import (
    IDENTITY,
    RUN,
    TRUST,
    Bench,
    Buffer,
    Durable,
    Egress,
    Peer,
    running,
)


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
    said = [record.msg.code for record in caplog.records if isinstance(record.msg, Phrase)]
    assert said.count("transport-away") == 1
    assert said.count("transport-is-back") == 1


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
    async def run(config: Any, uplink: Transport) -> None:
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

    async def run(config: Any, uplink: Transport) -> None:
        nonlocal runs
        runs += 1
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            me.cancel()  # in the turn of the loop in which a message of it fails
            await asyncio.sleep(3600)

    bench = Bench(run=run)
    me = asyncio.create_task(bench.link._uplinks[0].keep())
    done, _ = await asyncio.wait([me], timeout=60)
    assert done == {me}
    assert (me.cancelled(), runs) == (True, 1)


async def test_an_uplink_that_ends_by_itself_is_run_again() -> None:
    runs = 0

    async def run(config: Any, uplink: Transport) -> None:
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
        assert "nothing was deleted" in status.error
        assert sum(status.waiting.values()) == 2


async def test_an_uplink_that_would_be_sent_elsewhere_is_away_and_it_is_told_each_time() -> None:
    async with running(Bench()) as bench:
        for _ in range(2):
            await bench.peer.get()
            bench.peer.replies.put_nowait(LedElsewhere("the broker names another server"))
            await settle()
            assert bench.link.status().uplinks[0].state == AWAY
            await bench.clock.advance(120)
        egress: Any = bench.link.egress
        assert egress.noted == [("uplink.https", "the broker names another server")] * 2


async def test_a_reply_that_is_none_puts_the_records_back() -> None:
    async with running(Bench()) as bench:
        await bench.up()
        bench.commit(2)
        await bench.peer.get()
        bench.peer.replies.put_nowait(b"<html>")
        await settle()
        assert bench.link.status().uplinks[0].state == AWAY
        assert sum(bench.link.status().waiting.values()) == 2


async def test_an_uplink_that_waits_for_its_back_off_ends_with_the_link() -> None:
    bench = Bench()
    task = asyncio.create_task(bench.link.run())
    await bench.peer.get()
    bench.peer.replies.put_nowait(AuthFailed("403"))
    await settle()
    await bench.link.drain(10.0)
    await asyncio.wait_for(task, 60)


async def test_without_any_uplink_the_link_only_keeps_its_books() -> None:
    buffer = Buffer()
    link = Link(Sender("hub-a", IDENTITY), Line(), trust=TRUST, buffer=buffer, egress=Egress(), clock=ManualClock())
    task = asyncio.create_task(link.run())
    buffer.last = 4
    link.durable(Durable("readings", RUN, 1, 4, 40, 32))
    assert link.status().waiting["live"] == 4
    assert await link.drain(10.0) is False
    await asyncio.wait_for(task, 60)
