"""Alerts over a real store and a real buffer: durable before told, told once, alive after a kill at any moment."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.automation.alerts import ACKNOWLEDGED, CLEARED, ESCALATED, MUTED, RAISED, Alert, AlertService, NoSuchAlert
from hub.automation.alerts.lifecycle import STATES, due_transition, transition
from hub.automation.alerts.stream_rows import SHAPE
from hub.automation.alerts.table import AlertTable
from hub.core.errors import BufferFull, DiskRefuses, StorageError
from hub.core.store import Store
from hub.protocol.records.rows import ALERTS
from hub.sdk.testing import ManualClock

KEY = os.urandom(32)
NEW = Alert(
    id="",
    rule="bins",
    key="p",
    severity="warning",
    raised=0,
    changed=0,
    by="rule:bins",
    place="p",
    text="full",
    escalate_s=600.0,
)


class Stream:
    """What of the buffer is used; `durable` is what a kill leaves."""

    def __init__(self):
        self.waiting, self.durable, self.fails = [], [], False

    def append(self, row, stream):
        assert stream == ALERTS
        if self.fails == "full":
            raise BufferFull("full")
        self.waiting.append(dict(zip((c.metric for c in SHAPE.columns), row.values, strict=True)))

    async def flush(self):
        if self.fails == "disk":
            raise StorageError("no room")
        self.durable += self.waiting
        self.waiting.clear()

    def told(self):
        return [(row["alert_state"], row["alert_n"]) for row in self.durable]


@asynccontextmanager
async def life(path, stream, clock=None):
    store = await Store.open(path / "store.db", KEY)
    clock = clock or ManualClock()
    book = AlertService(store, stream, clock)
    await book.load()
    try:
        yield book, clock, store
    finally:
        stream.waiting.clear()  # whatever was not durable is gone
        await store.close()


async def test_each_change_goes_up_with_the_next_number(tmp_path):
    stream = Stream()
    async with life(tmp_path, stream) as (book, _, store):
        alert = await book.raise_(NEW)
        assert await book.raise_(NEW) == alert  # one alert a rule and place
        await book.flush()
        await book.act(alert.id, ACKNOWLEDGED, "cli:jeanne", "on my way")
        await book.flush()
        await book.clear("bins", "p", "rule:bins")
        await book.flush()
        assert stream.told() == [(RAISED, 1), (ACKNOWLEDGED, 2), (CLEARED, 3)]
        assert {row["alert"] for row in stream.durable} == {alert.id}
        assert (await book.raise_(NEW)).id != alert.id
        assert [(e.who, e.what["state"]) for e in await store.audited()] == [("cli:jeanne", ACKNOWLEDGED)]


async def test_what_was_raised_and_not_durable_in_the_buffer_is_told_by_the_next_life(tmp_path):
    stream = Stream()
    async with life(tmp_path, stream) as (book, _, _):
        alert = await book.raise_(NEW)  # killed before the flush
    async with life(tmp_path, stream) as (book, _, _):
        assert book.open_keys() == [("bins", "p")]
        await book.tick()
        await book.clear("bins", "p", "rule:bins")  # killed before the flush, once more
    async with life(tmp_path, stream) as (book, _, _):
        assert book.open == []
        await book.tick()
        await book.tick()
    assert stream.told() == [(RAISED, 1), (CLEARED, 2)]
    assert {row["alert"] for row in stream.durable} == {alert.id}


async def test_an_alert_that_lasted_long_is_kept_when_it_clears_however_many_came_and_went_meanwhile(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("hub.automation.alerts.table.KEPT", 3)
    async with life(tmp_path, Stream()) as (book, clock, store):
        long = await book.raise_(NEW)
        for n in range(5):
            await clock.advance(60)
            await book.raise_(msgspec.structs.replace(NEW, key=f"short {n}"))
            await book.clear("bins", f"short {n}", "rule:bins")
        await clock.advance(60)
        await book.clear("bins", "p", "rule:bins")
        assert (await book.find(long.id)).state == CLEARED
        kept = await AlertTable(store).last(10)
        assert [one.key for one in kept] == ["short 4", "short 3", "p"], "those cleared last"


async def test_a_clock_that_is_set_after_the_start_escalates_nothing_that_nobody_could_see_yet(tmp_path):
    async with life(tmp_path, Stream()) as (book, clock, _):
        await book.raise_(NEW)
        clock.set(clock.now() + 8 * 3600)  # without a battery it stood still while the power was cut
        await book.tick()
        await clock.advance(599)
        await book.tick()
        assert book.open[0].state == RAISED
        await clock.advance(1)
        await book.tick()
        assert book.open[0].state == ESCALATED


async def test_what_waited_in_the_last_life_of_the_hub_waits_for_the_rest_of_its_time(tmp_path):
    clock = ManualClock()
    async with life(tmp_path, Stream(), clock) as (book, _, _):
        await book.raise_(NEW)
        await clock.advance(400)
    async with life(tmp_path, Stream(), clock) as (book, _, _):
        await clock.advance(199)
        await book.tick()
        assert book.open[0].state == RAISED
        await clock.advance(1)
        await book.tick()
        assert book.open[0].state == ESCALATED


async def test_the_end_of_an_old_alert_is_told_by_the_next_life_however_many_came_since(tmp_path):
    stream = Stream()
    async with life(tmp_path, stream) as (_, _, store):
        newer = [
            msgspec.structs.replace(NEW, id=f"{n:016x}", raised=float(n), state=CLEARED, told=1) for n in range(2, 1100)
        ]
        old = msgspec.structs.replace(NEW, id="old", raised=1.0, n=2, state=CLEARED, told=1)
        await AlertTable(store).put([old, *newer])
    async with life(tmp_path, stream) as (book, _, _):
        await book.flush()
        assert stream.told() == [(CLEARED, 2)]
        assert [one.id for one in await book.find_all(["nobody", f"{2:016x}", "old"])] == ["old", f"{2:016x}"]


@pytest.mark.parametrize("trouble", ["full", "disk"])
async def test_a_buffer_that_takes_nothing_gets_it_later_and_once(tmp_path, trouble):
    stream = Stream()
    async with life(tmp_path, stream) as (book, _, _):
        stream.fails = trouble
        await book.raise_(NEW)
        await book.tick()
        await book.act(book.open[0].id, ACKNOWLEDGED, "cli:a")
        await book.tick()
        stream.fails = False
        await book.tick()
        await book.tick()
    assert stream.told()[-1] == (ACKNOWLEDGED, 2)
    assert len(stream.told()) == len(set(stream.told()))


async def test_a_store_that_refuses_does_not_keep_an_alert_back(tmp_path, monkeypatch):
    stream = Stream()
    async with life(tmp_path, stream) as (book, _, store):
        call = store.call

        async def refuse(work):
            raise DiskRefuses("full")

        monkeypatch.setattr(store, "call", refuse)
        await book.raise_(NEW)
        await book.flush()
        assert stream.told() == [(RAISED, 1)]
        assert book.complaints()
        monkeypatch.setattr(store, "call", call)
        await book.tick()
        assert book.complaints() == []
        assert len(await book.last(10)) == 1


async def test_a_mute_ends_and_what_nobody_sees_is_escalated(tmp_path):
    stream = Stream()
    async with life(tmp_path, stream) as (book, clock, _):
        alert = await book.raise_(NEW)
        await book.act(alert.id, MUTED, "cli:a", until=clock.now() + 3600)
        await clock.advance(3599)
        await book.tick()
        assert book.open[0].state == MUTED
        await clock.advance(1)
        await book.tick()
        assert book.open[0].state == RAISED
        await clock.advance(600)
        await book.tick()
        assert book.open[0].state == ESCALATED
        await book.act(alert.id, ACKNOWLEDGED, "cli:a")
        await clock.advance(6000)
        await book.tick()
        assert book.open[0].state == ACKNOWLEDGED
        assert stream.told() == [(RAISED, 1), (MUTED, 2), (RAISED, 3), (ESCALATED, 4), (ACKNOWLEDGED, 5)]


async def test_of_two_acknowledgements_the_first_to_arrive_stands(tmp_path):
    async with life(tmp_path, Stream()) as (book, _, _):
        alert = await book.raise_(NEW)
        await asyncio.gather(book.act(alert.id, ACKNOWLEDGED, "cli:a"), book.act(alert.id, ACKNOWLEDGED, "backend:b"))
        assert (book.open[0].by, book.open[0].n) == ("cli:a", 2)
        await book.clear("bins", "p", "rule:bins")
        late = await book.act(alert.id, ACKNOWLEDGED, "backend:b")  # after the end: nothing
        assert (late.state, late.n) == (CLEARED, 3)
        with pytest.raises(NoSuchAlert):
            await book.act("nothing", ACKNOWLEDGED, "cli:a")


@pytest.mark.parametrize("act", [ACKNOWLEDGED, CLEARED])
async def test_what_a_person_does_while_a_former_change_becomes_durable_stands(tmp_path, act):
    class Slow(Stream):
        def __init__(self):
            super().__init__()
            self.go = asyncio.Event()

        async def flush(self):
            await self.go.wait()
            await super().flush()

    stream, disk = Slow(), threading.Event()
    async with life(tmp_path, stream) as (book, _, store):
        alert = await book.raise_(NEW)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(book.flush())
            await asyncio.sleep(0)
            group.create_task(store.call(lambda db: disk.wait(60)))
            group.create_task(book.act(alert.id, act, "cli:jeanne"))
            for _ in range(5):
                await asyncio.sleep(0)
            stream.go.set()  # the raise is durable while the act waits for the store
            for _ in range(5):
                await asyncio.sleep(0)
            disk.set()
        assert (await book.find(alert.id)).state == act
        assert [one.state for one in await book.last(5)] == [act]
        await book.flush()
        assert stream.told() == [(RAISED, 1), (act, 2)]
    async with life(tmp_path, stream) as (book, _, _):
        assert (await book.find(alert.id)).state == act
        assert [one.id for one in book.open] == ([alert.id] if act != CLEARED else [])


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*STATES, "x"]), st.floats(0, 1e4), st.one_of(st.none(), st.floats(0, 3e4)))))
def test_numbers_rise_by_one_the_end_is_the_end_and_no_acknowledgement_is_undone_but_by_a_mute(acts):
    alert, now = NEW, 0.0
    for state, gap, until in acts:
        now += gap
        after = transition(alert, state, now, "x", until=until) if state in STATES else due_transition(alert, now)
        if after is None:
            continue
        assert after.n == alert.n + 1
        assert alert.state != CLEARED
        if alert.state == ACKNOWLEDGED:
            assert after.state in (MUTED, CLEARED)
        assert (after.until is None) == (after.state != MUTED)
        alert = after


def test_the_hubs_own_reason_keeps_its_code_and_an_alert_of_a_former_hub_is_read() -> None:
    first = Alert(id="a", rule="r", key="k", severity="info", state=MUTED, until=5.0, raised=1.0, changed=2.0, by="cli")
    after = due_transition(first, 6.0)
    assert after is not None
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(after), type=Alert)
    assert (again, again.why) == (after, "the mute is over")
    assert again.story[-1].why_text == {"code": "alert-mute-over", "params": {}}
    former = msgspec.to_builtins(after)
    del former["story"][-1]["why_text"]
    assert msgspec.convert(former, Alert).story[-1].why == "the mute is over"
