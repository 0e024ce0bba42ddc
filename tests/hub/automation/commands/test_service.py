"""The desk over a real store, in simulated time."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager

import msgspec
import pytest

from hub.automation.commands import CommandService, Order, OwnCommands, WriteRefused
from hub.automation.commands.service import NO_ANSWER_S, WAITED_TOO_LONG
from hub.automation.commands.table import CommandTable
from hub.core.counters import Counts
from hub.core.errors import DecodeError, StorageError
from hub.core.model import Device, Metric, Writable
from hub.core.store import Store
from hub.core.text import as_data, code_of, phrase
from hub.devices.registry import Devices
from hub.rpc.audit import AuditCalls
from hub.sdk.testing import ManualClock, settle
from hub.web.presentation.audit_text import audit_sentence

BOILER = Device(
    id="modbus:boiler",
    integration="modbus",
    place="chaufferie",
    writable={"setpoint": Writable(20, 75, "technicien", 1), "pump": Writable(every_s=1)},
)
METRICS = {"setpoint": Metric(key="setpoint", unit="Cel"), "pump": Metric(key="pump", kind="flag")}
KEY = os.urandom(32)


async def no_downlink(device, name, values):
    raise DecodeError("unknown-downlink", f"pack {device.pack!r} has no downlink {name}")


class Hub:
    def __init__(self, store, clock):
        self.store, self.clock, self.counts = store, clock, Counts()
        self.desk = CommandService(
            store,
            Devices([BOILER]),
            clock,
            self.counts,
            metric=lambda device, key: METRICS.get(key),
            last=lambda device, key: 50.0,
            downlink=no_downlink,
        )

    async def order(self, value=55.0, **changes):
        given = {"metric": "setpoint", "by": "cli:jeanne", "role": "technicien", "why": "cold", "ttl_s": 60.0}
        return await self.desk.order(Order(device=BOILER.id, value=value, **{**given, **changes}))


@asynccontextmanager
async def opened(path):
    store = await Store.open(path / "store.db", KEY)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def running(path, clock=None):
    store = await Store.open(path / "store.db", KEY)
    hub = Hub(store, clock or ManualClock())
    await hub.desk.load()
    work = asyncio.create_task(hub.desk.run())
    try:
        yield hub
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await hub.desk.flush()
        await store.close()


class Integration:
    """Takes commands, answers nothing by itself."""

    def __init__(self, hub, name="modbus"):
        self.commands = OwnCommands(name, hub.desk)
        self.taken = []
        self.task = asyncio.create_task(self._take())

    async def _take(self):
        async for command in self.commands:
            self.taken.append(command)

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_command_is_durable_and_audited_before_an_integration_hears_of_it(tmp_path):
    async with running(tmp_path) as hub:
        record = await hub.order()
        assert record.state == "accepted"
        (kept,) = await hub.desk.last(10)
        assert (kept.value, kept.old, kept.by, kept.why) == (55.0, 50.0, "cli:jeanne", "cold")
        (entry,) = await hub.store.audited()
        assert (entry.who, entry.what["new"], entry.what["old"]) == ("cli:jeanne", 55.0, 50.0)


async def test_an_integration_gets_its_own_commands_and_what_waited_comes_first(tmp_path):
    async with running(tmp_path) as hub:
        first = await hub.order()
        stranger, own = Integration(hub, "knx"), Integration(hub)
        await until(lambda: own.taken)
        await hub.clock.advance(2)
        second = await hub.order(56.0)
        await until(lambda: len(own.taken) == 2)
        assert [command.id for command in own.taken] == [first.id, second.id]
        assert stranger.taken == []
        await own.stop()
        await stranger.stop()


async def test_what_the_integration_says_is_kept_and_its_end_is_audited(tmp_path):
    async with running(tmp_path) as hub:
        record = await hub.order()
        own = Integration(hub)
        await until(lambda: own.taken)
        own.commands.answer(own.taken[0], "sent")
        assert record.state == "sent"
        own.commands.answer(own.taken[0], "done")
        assert (await hub.desk.wait(record, 60)).state == "done"
        (kept,) = await hub.desk.last(10)
        assert kept.state == "done"
        assert [entry.what.get("state") for entry in await hub.store.audited()] == [None, "done"]
        own.commands.answer(own.taken[0], "failed", "too late to change one's mind")
        assert (await hub.desk.last(10))[0].state == "done"
        await own.stop()


async def test_an_end_that_comes_while_an_earlier_state_is_written_is_audited_once(tmp_path):
    busy = threading.Event()
    async with running(tmp_path) as hub:
        await hub.order()
        own = Integration(hub)
        await until(lambda: own.taken)
        held = asyncio.create_task(hub.store.call(lambda db: busy.wait(60)))  # the thread of the disk has work
        await asyncio.sleep(0)
        own.commands.answer(own.taken[0], "sent")
        writing = asyncio.create_task(hub.desk.flush())
        await asyncio.sleep(0)
        own.commands.answer(own.taken[0], "done")
        busy.set()
        await asyncio.gather(held, writing)
        await hub.desk.flush()
        assert [entry.what.get("state") for entry in await hub.store.audited()] == [None, "done"]
        await own.stop()


async def test_a_refused_write_says_why_and_is_audited_too(tmp_path):
    async with running(tmp_path) as hub:
        with pytest.raises(WriteRefused, match="from 20 to 75 °C"):
            await hub.order(99.0)
        (entry,) = await hub.store.audited()
        assert entry.what["reason"] == "out-of-bounds"
        assert hub.counts.by_subject()[BOILER.id] == {"write-out-of-bounds": 1}
        assert await hub.desk.last(10) == []


async def test_a_downlink_its_pack_does_not_know_is_refused(tmp_path):
    async with running(tmp_path) as hub:
        with pytest.raises(WriteRefused, match="has no downlink"):
            await hub.order(None, metric="report-period", values={"minutes": 10})


async def test_a_command_nobody_takes_in_time_expires_and_is_not_sent_later(tmp_path):
    async with running(tmp_path) as hub:
        record = await hub.order(ttl_s=5.0)
        await settle()
        for _ in range(12):
            await hub.clock.advance(1)
            await asyncio.sleep(0.01)
        await until(lambda: record.final)
        assert record.state == "expired"
        own = Integration(hub)
        await asyncio.sleep(0.05)
        assert own.taken == []
        await own.stop()


@pytest.mark.parametrize("step", [90 * 86_400.0, -90 * 86_400.0])
async def test_a_clock_that_is_set_lets_a_command_wait_for_its_time_no_less_and_no_more(tmp_path, step):
    async with running(tmp_path) as hub:
        record = await hub.order(ttl_s=60.0)
        await settle()
        hub.clock.set(hub.clock.now() + step)
        for seconds in (30, 31):
            assert not record.final
            for _ in range(seconds):
                await hub.clock.advance(1)
        await until(lambda: record.final)
        assert record.state == "expired"


async def test_a_command_from_before_a_power_cut_expires_when_the_clock_learns_how_long_the_hub_was_off(tmp_path):
    async with running(tmp_path) as hub:
        cut = hub.clock.now()
        await hub.order(ttl_s=300.0)
    async with running(tmp_path, ManualClock(cut)) as hub:  # no clock of its own: it goes on where it stood
        [record] = hub.desk.pending_for("modbus:boiler", "setpoint")
        hub.clock.set(cut + 8 * 3600)
        own = Integration(hub)
        await until(lambda: record.final)
        assert (record.state, own.taken) == ("expired", [])
        await own.stop()


async def test_an_integration_that_never_answers_is_not_waited_for(tmp_path):
    async with running(tmp_path) as hub:
        record = await hub.order(ttl_s=5.0)
        own = Integration(hub)
        await until(lambda: own.taken)
        for _ in range(round(NO_ANSWER_S) + 10):
            await hub.clock.advance(1)
            await asyncio.sleep(0.002)
        await until(lambda: record.final)
        assert (record.state, "look at the device" in record.detail) == ("failed", True)
        await own.stop()


async def test_what_was_taken_fails_when_its_integration_stops_and_what_it_queued_comes_again(tmp_path):
    async with running(tmp_path) as hub:
        taken = await hub.order()
        queued = await hub.order(True, metric="pump", role="administrateur")
        own = Integration(hub)
        await until(lambda: len(own.taken) == 2)
        own.commands.answer(own.taken[1], "queued", "for its next uplink")
        await own.stop()
        await until(lambda: taken.final)
        assert taken.state == "failed"
        again = Integration(hub)
        await until(lambda: again.taken)
        assert [command.id for command in again.taken] == [queued.id]
        await again.stop()


async def test_a_restart_hands_out_what_waited_and_never_what_was_sent(tmp_path):
    clock = ManualClock()
    async with running(tmp_path, clock) as hub:
        sent = await hub.order()
        own = Integration(hub)
        await until(lambda: own.taken)
        own.commands.answer(own.taken[0], "sent")
        await hub.desk.flush()
        waiting = await hub.order(True, metric="pump", role="administrateur")
        hub.desk._release_integration = lambda integration: None
        await own.stop()
    async with running(tmp_path, clock) as hub:
        own = Integration(hub)
        await until(lambda: own.taken)
        assert [command.id for command in own.taken] == [waiting.id]
        kept = {record.id: record for record in await hub.desk.last(10)}
        assert kept[sent.id].state == "failed"
        await own.stop()


async def killed_while_it_was_taken(path, value=55.0):
    """What the next life of the hub hands out: the first died with a command in its integration's hands."""
    async with opened(path) as store:
        hub = Hub(store, ManualClock())
        await hub.desk.load()  # nothing writes down what comes of it: killed before
        await hub.order(value)
        boiler = Integration(hub)
        await until(lambda: boiler.taken)
        hub.desk._release_integration = lambda integration: None  # a kill says goodbye to nobody
        await boiler.stop()
    async with running(path) as later:
        again = Integration(later)
        await settle()
        await asyncio.sleep(0.05)
        (record,) = await later.desk.last(1)
        return again.taken, record


async def test_a_command_that_was_taken_when_the_hub_was_killed_is_not_sent_twice(tmp_path):
    taken, record = await killed_while_it_was_taken(tmp_path)
    assert not taken
    assert (record.state, "look at the device" in record.detail) == ("failed", True)


async def test_the_twin_that_hands_out_before_the_disk_knows_sends_it_twice(tmp_path, monkeypatch):
    async def at_once(self, record):
        pass

    monkeypatch.setattr(CommandTable, "mark_taken", at_once)
    taken, _ = await killed_while_it_was_taken(tmp_path)
    assert len(taken) == 1, "the test above would not see it"


async def test_a_disk_that_refuses_keeps_a_command_from_being_taken_until_it_expires(tmp_path, monkeypatch):
    async def refused(self, record):
        raise StorageError("no room")

    clock = ManualClock()
    async with running(tmp_path, clock) as hub:
        monkeypatch.setattr(CommandTable, "mark_taken", refused)
        boiler = Integration(hub)
        record = await hub.order(ttl_s=60.0)
        for _ in range(130):
            await clock.advance(0.5)
        await until(lambda: record.final)
        assert (record.state, boiler.taken) == ("expired", [])
        monkeypatch.undo()
        await hub.order(60.0)
        await until(lambda: boiler.taken)
        await boiler.stop()


async def test_one_stop_ends_all_writes_lets_go_of_what_was_written_and_outlives_a_restart(tmp_path):
    async with running(tmp_path) as hub:
        own = Integration(hub)
        record = await hub.order()
        await until(lambda: own.taken)
        own.commands.answer(own.taken[0], "done")
        await hub.desk.wait(record, 60)
        await hub.desk.flush()
        (letting_go,) = await hub.desk.stop("cli:jeanne", "the boiler is on fire")
        await until(lambda: len(own.taken) == 2)
        assert (own.taken[1].id, own.taken[1].value) == (letting_go.id, None)
        with pytest.raises(WriteRefused, match="stopped by cli:jeanne"):
            await hub.order()
        await own.stop()
    async with running(tmp_path) as hub:
        with pytest.raises(WriteRefused, match="stopped by cli:jeanne"):
            await hub.order()
        await hub.desk.resume("cli:jeanne", "it is out")
        assert (await hub.order()).state == "accepted"
        said = [entry.what for entry in await hub.store.audited()]
        assert {"commands": "stopped", "why": "the boiler is on fire"} in said
        assert {"commands": "resumed", "why": "it is out"} in said


async def test_a_kill_while_all_writes_are_stopped_leaves_nothing_as_it_was_written(tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    stop = CommandTable.stop

    async def killed(*given):
        await stop(*given)
        raise Killed

    async with running(tmp_path) as hub:
        own = Integration(hub)
        record = await hub.order()
        await until(lambda: own.taken)
        own.commands.answer(own.taken[0], "done")
        await hub.desk.wait(record, 60)
        await own.stop()
        monkeypatch.setattr(CommandTable, "stop", killed)  # right after it is known that all are stopped
        with pytest.raises(Killed):
            await hub.desk.stop("cli:jeanne", "smoke")
    async with running(tmp_path) as hub:
        assert hub.desk.stopped is not None
        own = Integration(hub)
        await until(lambda: own.taken)
        assert [(one.metric, one.value) for one in own.taken] == [(record.metric, None)]
        await own.stop()


async def test_an_answer_to_another_s_command_changes_nothing(tmp_path):
    async with running(tmp_path) as hub:
        record = await hub.order()
        own = Integration(hub)
        await until(lambda: own.taken)
        OwnCommands("knx", hub.desk).answer(own.taken[0], "done")
        own.commands.answer(own.taken[0], "finished")
        assert record.state == "accepted"
        assert hub.counts.by_subject()["knx"] == {"answer-to-no-command": 1}
        await own.stop()


async def test_an_act_is_ordered_only_where_its_integration_offers_it(tmp_path):
    async with running(tmp_path) as hub:
        with pytest.raises(WriteRefused, match="no downlink rejoin"):
            await hub.order(None, metric="rejoin", values={})
        boiler = Integration(hub)
        boiler.commands.offer("rejoin")
        await until(lambda: hub.desk._waiting)
        hub.clock.set(hub.clock.now() + 60)
        await hub.order(None, metric="rejoin", values={})
        await until(lambda: boiler.taken)
        assert (boiler.taken[0].metric, boiler.taken[0].values) == ("rejoin", {})
        hub.clock.set(hub.clock.now() + 60)
        with pytest.raises(WriteRefused, match="no downlink rejoin"):
            await hub.order(None, metric="rejoin", values={"now": 1.0})
        await boiler.stop()
        with pytest.raises(WriteRefused, match="no downlink rejoin"):
            await hub.order(None, metric="rejoin", values={})


async def test_a_command_that_waits_is_wanted_until_all_writes_are_stopped(tmp_path):
    async with running(tmp_path) as hub:
        boiler = Integration(hub)
        await hub.order()
        await until(lambda: boiler.taken)
        boiler.commands.answer(boiler.taken[0], "queued")
        assert boiler.commands.wanted(boiler.taken[0])
        assert not OwnCommands("another", hub.desk).wanted(boiler.taken[0])
        await hub.desk.stop("cli:jeanne", "smoke")
        assert not boiler.commands.wanted(boiler.taken[0])
        await boiler.stop()


async def test_a_desk_that_nobody_orders_from_never_wakes_and_an_order_of_later_expires_all_the_same(tmp_path):
    class Counted(ManualClock):
        slept = 0

        async def sleep(self, seconds):
            self.slept += 1
            await super().sleep(seconds)

    clock = Counted()
    async with running(tmp_path, clock) as hub:
        await clock.advance(600)
        assert clock.slept == 0
        record = await hub.order(ttl_s=5.0)
        await clock.advance(10)
        assert clock.slept
        ended = await hub.desk.wait(record, 60)
        assert ended.state == "expired"


async def test_all_writes_that_are_stopped_while_an_order_is_judged_stop_that_order_too(tmp_path):
    async with running(tmp_path) as hub:
        asked, go = asyncio.Event(), asyncio.Event()

        async def slow(device):
            asked.set()
            await go.wait()
            return ""

        hub.desk._barred = slow
        ordering = asyncio.create_task(hub.order())
        await asked.wait()
        await hub.desk.stop("cli:jeanne", "smoke")
        go.set()
        with pytest.raises(WriteRefused, match="stopped by cli:jeanne"):
            await ordering
        assert hub.desk.under_way == 0


async def test_all_writes_that_are_stopped_while_an_order_is_made_durable_end_it_unheard(tmp_path, monkeypatch):
    async with running(tmp_path) as hub:
        boiler = Integration(hub)
        there, go, ordered = asyncio.Event(), asyncio.Event(), CommandTable.insert

        async def slow(self, record, meta=None):
            await ordered(self, record, meta)
            there.set()
            await go.wait()

        monkeypatch.setattr(CommandTable, "insert", slow)
        ordering = asyncio.create_task(hub.order())
        await there.wait()
        await hub.desk.stop("cli:jeanne", "smoke")
        go.set()
        record = await ordering
        await settle()
        assert (record.state, boiler.taken) == ("failed", [])
        assert [kept.state for kept in await hub.desk.last(1)] == ["failed"]
        await boiler.stop()


async def test_of_two_orders_that_are_judged_at_once_only_one_keeps_the_pace(tmp_path):
    async with running(tmp_path) as hub:
        go = asyncio.Event()

        async def slow(device):
            await go.wait()
            return ""

        hub.desk._barred = slow
        both = [asyncio.create_task(hub.order(55.0)), asyncio.create_task(hub.order(60.0))]
        await settle()
        go.set()
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert (first.state, second.reason) == ("accepted", "too-soon")


async def test_a_stop_lets_go_of_what_was_answered_a_moment_ago_and_of_what_is_on_its_way(tmp_path):
    async with running(tmp_path) as hub:
        own = Integration(hub)
        await hub.order()
        await until(lambda: own.taken)
        await hub.order(True, metric="pump", role="administrateur")
        await until(lambda: len(own.taken) == 2)
        own.commands.answer(own.taken[0], "done")
        own.commands.answer(own.taken[1], "sent")
        released = await hub.desk.stop("cli:jeanne", "smoke")
        assert {record.metric for record in released} == {"setpoint", "pump"}
        await own.stop()


async def test_a_stop_that_comes_while_writes_are_allowed_again_holds(tmp_path, monkeypatch):
    async with running(tmp_path) as hub:
        await hub.desk.stop("cli:jeanne", "smoke")
        there, go, stop = asyncio.Event(), asyncio.Event(), CommandTable.stop

        async def slow(self, stopped, *rest):
            await stop(self, stopped, *rest)
            if stopped is None:
                there.set()
                await go.wait()

        monkeypatch.setattr(CommandTable, "stop", slow)
        resuming = asyncio.create_task(hub.desk.resume("cli:jeanne", "it is out"))
        await there.wait()
        await hub.desk.stop("cli:paul", "smoke again")
        go.set()
        await resuming
        with pytest.raises(WriteRefused, match="stopped by cli:paul"):
            await hub.order()


async def test_a_life_of_an_integration_that_is_closed_late_fails_nothing_of_the_next_one(tmp_path):
    async with running(tmp_path) as hub:
        former = OwnCommands("modbus", hub.desk).__aiter__()
        asked = asyncio.create_task(anext(former))
        lost = await hub.order()
        await asked
        boiler = Integration(hub)  # the former generator hangs on a traceback
        await until(lambda: lost.final)
        await hub.order(True, metric="pump", role="administrateur")
        await until(lambda: boiler.taken)
        await former.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert boiler.commands.wanted(boiler.taken[0])
        await boiler.stop()


async def test_a_result_keeps_its_code_over_a_restart_and_one_of_a_former_hub_is_read(tmp_path):
    async with opened(tmp_path) as store:
        hub = Hub(store, ManualClock())
        record = await hub.order(why=phrase("rule-holds", "rule {rule} holds", rule="night"))
        hub.desk.withdraw(record.id, phrase("rule-decided-again", "rule {rule} has another word by now", rule="night"))
        await hub.desk.flush()
        (again,) = await CommandTable(store).last(1)
        assert as_data(again.why) == {"code": "rule-holds", "params": {"rule": "night"}}
        assert (again.detail, code_of(again.detail)) == ("rule night has another word by now", "rule-decided-again")
        assert (again.why_text, again.detail_text) == (None, None)
        former = {**msgspec.to_builtins(again, enc_hook=str), "why": "cold", "detail": "it is broken"}
        del former["why_text"], former["detail_text"]

        def put(db):
            db.execute("UPDATE commands SET body = ?", (msgspec.msgpack.encode(former),))

        await store.call(put)
        (again,) = await CommandTable(store).last(1)
        assert (type(again.why), again.why, again.detail) == (str, "cold", "it is broken")


async def test_why_a_rule_commands_and_what_became_of_it_stand_in_the_audit_log_with_their_codes(tmp_path):
    async with opened(tmp_path) as store:
        hub = Hub(store, ManualClock())
        record = await hub.order(why=phrase("rule-holds", "rule {rule} holds", rule="night"))
        hub.desk.withdraw(record.id, WAITED_TOO_LONG)
        await hub.desk.flush()
        ended, ordered = (await AuditCalls(store).calls()["audit.list"]({}))["entries"]
        assert (ordered["what"]["why"].code, ended["what"]["detail"].code) == ("rule-holds", "command-waited-too-long")
        assert "why_text" not in ordered["what"]
        assert audit_sentence(ordered["what"], "fr").why == "la règle night est vérifiée"
        assert audit_sentence(ordered["what"], "en").why == "rule night holds"
