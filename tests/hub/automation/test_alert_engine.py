"""What fires becomes alerts and commands; answers given at the backend are fetched, judged and bounded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from hub.automation.alert_engine import AlertEngine
from hub.automation.alerts import ACKNOWLEDGED, CLEARED, RAISED, AlertService
from hub.automation.backend_answers import ASK_S, LONGEST_S, SELDOM_S, SOON_S, BackendAnswers
from hub.automation.commands import CommandService
from hub.automation.rules import Fired, Rules, RuleSubject, Surroundings
from hub.automation.rules.compiler import Action, Rule
from hub.automation.rules.conditions import Equals, Limit
from hub.automation.rules.write_intents import KEY as KEPT
from hub.core.backoff import Backoff
from hub.core.counters import Counts
from hub.core.errors import DiskRefuses, HubError, NotReady
from hub.core.model import Device, Metric, Report, TrustClass, Writable
from hub.core.store import Store
from hub.devices.registry import Devices
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock
from tests.hub.automation.alerts.test_service import KEY, NEW, Stream

LAMP = Device(id="dali:1", integration="dali", place="street", writable={"level": Writable(0, 100, "technicien", 10)})
DIM = Rule(name="dim", metric="presence", alert=False, action=Action("dali:1", "level", 100.0, 20.0))
BIN = Rule(name="bins", metric="fill_level", text="{place}: {value} of {limit}", text_fr="{place} plein", limit="90 %")
HERE = RuleSubject("street", "ble:1", "street", "s", "z", "radio", "Rue Haute")


class Hub:
    def __init__(self, store, clock):
        self.store, self.clock, self.counts, self.stream = store, clock, Counts(), Stream()
        self.desk = CommandService(
            store,
            Devices([LAMP]),
            clock,
            self.counts,
            metric=lambda device, key: Metric(key=key, unit="%"),
            last=lambda device, key: None,
            downlink=None,
        )
        book = AlertService(store, self.stream, clock)
        self.watching = AlertEngine(store, book, self.desk, clock, self.counts, None, lambda: [LAMP])

    async def fire(self, rule, on, *, where=HERE, trust=TrustClass.A, value="95 %"):
        self.watching.fired(Fired(rule, where, on, value, rule.limit, trust))
        await self.watching.turn()

    async def written(self):
        return [(one.value, one.by) for one in (await self.desk.last(20))[::-1]]


@asynccontextmanager
async def running(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    try:
        yield Hub(store, ManualClock())
    finally:
        await store.close()


async def test_silence_is_judged_by_what_is_expected_now_and_coverage_by_what_is_usual(tmp_path):
    async with running(tmp_path) as hub:
        hub.watching._periods["p"] = 600.0
        device = Device(id="a:1", integration="x", place="street", pack="p")
        assert (hub.watching.period(device), hub.watching.pack_period(device)) == (600.0, 600.0)
        hub.watching.expected_period = lambda name, usual: 60.0 if name == "a:1" else usual
        assert (hub.watching.period(device), hub.watching.pack_period(device)) == (60.0, 600.0)


async def test_a_rule_raises_one_alert_and_clears_it(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(BIN, True)
        [alert] = hub.watching.book.open
        assert (alert.text_fr, alert.value) == ("Rue Haute plein", "95 %")
        assert alert.text == "Rue Haute: 95\u202f% of 90\u202f%"
        assert (alert.device, alert.place, alert.zone, alert.site) == ("ble:1", "street", "z", "s")
        await hub.fire(BIN, False)
        assert hub.stream.told() == [(RAISED, 1), (CLEARED, 2)]
        assert hub.watching.status() == {"open": 0, "states": {}, "changes": 2}


async def test_what_fires_faster_than_it_can_be_acted_on_loses_no_last_word(tmp_path, monkeypatch):
    monkeypatch.setattr("hub.automation.alert_engine.QUEUE_LIMIT", 2)
    async with running(tmp_path) as hub:
        there = HERE._replace(key="square")
        for where, on in ((HERE, True), (there, True), (HERE, False), (there, False), (there, True), (HERE, True)):
            hub.watching.fired(Fired(BIN, where, on, "", "", TrustClass.A))
        hub.watching.fired(Fired(BIN, HERE, False, "", "", TrustClass.A))
        await hub.watching.turn()
        assert [alert.key for alert in hub.watching.book.open] == ["square"]
        assert hub.counts.of("rules-overrun", "bins") == 3
        await hub.fire(BIN, True)
        assert len(hub.watching.book.open) == 2


async def test_an_alert_of_a_rule_that_is_to_tell_nothing_any_more_is_over(tmp_path):
    async with running(tmp_path) as hub:
        rule = msgspec.structs.replace(DIMMED, alert=True)
        say = await started(hub, rule)
        await say(True)
        assert len(hub.watching.book.open) == 1
        hub.watching.rules = Rules(
            [DIMMED],
            Surroundings(place=lambda name: None, devices=lambda: [SENSOR], period=lambda device: None),
            may_keep=lambda *_: True,
            now=hub.clock.now,
            monotonic=hub.clock.monotonic,
            fired=hub.watching.fired,
        )
        await hub.watching.turn()
        assert hub.watching.book.open == []


async def test_a_lamp_follows_presence_and_nothing_of_it_is_told(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        assert await hub.written() == [(100.0, "rule:dim")]
        await hub.fire(DIM, False)  # within the pace of the lamp: refused as too soon, given again in time
        assert len(await hub.written()) == 1
        await hub.clock.advance(10)
        await hub.watching.turn()
        assert await hub.written() == [(100.0, "rule:dim"), (20.0, "rule:dim")]
        assert hub.stream.durable == []
        assert hub.watching.complaints() == []


@pytest.mark.parametrize("other", [[], [msgspec.structs.replace(DIM, metric="motion")]], ids=["gone", "another now"])
async def test_a_rule_that_the_configuration_has_no_more_lets_go_of_what_it_held(tmp_path, other):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        hub.watching.rules = Rules(
            other,
            Surroundings(place=lambda name: None, devices=list, period=lambda device: None),
            may_keep=lambda *_: True,
            now=hub.clock.now,
            monotonic=hub.clock.monotonic,
            fired=hub.watching.fired,
        )
        await hub.clock.advance(20)
        await hub.watching.turn()
        assert [value for value, _ in await hub.written()] == [100.0, 20.0]


async def test_a_rule_that_still_holds_lets_go_of_nothing_when_the_rules_are_made_anew(tmp_path):
    async with running(tmp_path) as hub:
        sensor = Device(id="ble:1", integration="radio", place="street")
        surroundings = Surroundings(place=lambda name: None, devices=lambda: [sensor], period=lambda device: None)
        made = {
            "may_keep": lambda *_: True,
            "now": hub.clock.now, "monotonic": hub.clock.monotonic, "fired": hub.watching.fired,
        }  # fmt: skip
        hub.watching.rules = Rules(
            [msgspec.structs.replace(DIM, test=Equals(True), places={"street"})], surroundings, **made
        )
        binding = hub.watching.rules.bind(sensor, {}, ["presence"])
        binding.rules.evaluate(binding, Report(device="ble:1", values={"presence": True}), TrustClass.A)
        await hub.watching.turn()
        again = Rules(hub.watching.rules._rules, surroundings, **made)
        again.inherit(hub.watching.rules)
        hub.watching.rules = again
        await hub.clock.advance(20)
        await hub.watching.turn()
        assert [value for value, _ in await hub.written()] == [100.0]


async def test_a_lamp_stays_on_while_any_place_holds_it(tmp_path):
    async with running(tmp_path) as hub:
        there = HERE._replace(key="square")
        await hub.fire(DIM, True)
        await hub.clock.advance(20)
        await hub.fire(DIM, True, where=there)
        await hub.clock.advance(20)
        await hub.fire(DIM, False)
        await hub.clock.advance(20)
        await hub.watching.turn()
        assert [value for value, _ in await hub.written()] == [100.0, 100.0]
        await hub.fire(DIM, False, where=there)
        assert [value for value, _ in await hub.written()] == [100.0, 100.0, 20.0]


async def taken(hub, number):
    """What the integration of the lamp is given when it comes."""
    found = {}

    async def take():
        async for command in hub.desk.commands_for("dali"):
            found[command.id] = command.value

    task = asyncio.create_task(take())
    async with asyncio.timeout(60):
        while len(found) < number:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    return list(found.values())


async def test_an_integration_that_was_away_for_hours_is_given_the_last_word_of_a_rule_and_no_other(tmp_path):
    async with running(tmp_path) as hub:
        for on in (True, False, True, False):
            await hub.fire(DIM, on)
            await hub.clock.advance(20)
        await hub.clock.advance(4 * 3600)
        assert await taken(hub, 1) == [20.0]


async def test_what_a_rule_says_while_the_hub_is_read_only_is_written_when_that_is_over(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await hub.clock.advance(20)
        hub.desk.frozen = "the hub is read-only"
        await hub.fire(DIM, False)
        for _ in range(3):
            await hub.clock.advance(20)
            await hub.watching.turn()
        assert len(await hub.written()) == 1
        assert "read-only" in hub.watching.complaints()[0]
        refused = [entry for entry in await hub.store.audited() if entry.what["command"] == "refused"]
        assert len(refused) == 1, "said once"
        hub.desk.frozen = ""
        await hub.watching.turn()
        assert [value for value, _ in await hub.written()] == [100.0, 20.0]
        assert hub.watching.complaints() == []


async def test_a_lamp_has_the_value_of_the_rule_before_when_the_one_that_took_it_last_is_over(tmp_path):
    glare = msgspec.structs.replace(DIM, name="glare", action=Action("dali:1", "level", 40.0, 20.0))
    async with running(tmp_path) as hub:
        for rule, on in ((DIM, True), (glare, True), (glare, False), (glare, True), (DIM, False), (glare, False)):
            await hub.clock.advance(20)
            await hub.fire(rule, on)
        assert [value for value, _ in await hub.written()] == [100.0, 40.0, 100.0, 40.0, 20.0]


async def test_a_rule_before_that_anybody_could_forge_gets_its_value_again_within_what_such_a_reading_may_write(
    tmp_path,
):
    free = msgspec.structs.replace(DIM, action=msgspec.structs.replace(DIM.action, by_anybody=True))
    glare = msgspec.structs.replace(DIM, name="glare", action=Action("dali:1", "level", 40.0, 20.0))
    async with running(tmp_path) as hub:
        ordered, order = [], hub.desk.order

        async def seen(one, **more):
            ordered.append((one.value, one.clear))
            return await order(one, **more)

        hub.desk.order = seen
        for rule, on, trust in ((free, True, TrustClass.C), (glare, True, TrustClass.A), (glare, False, TrustClass.A)):
            await hub.clock.advance(20)
            await hub.fire(rule, on, trust=trust)
        assert ordered == [(100.0, True), (40.0, False), (100.0, True)]


async def test_a_reading_that_anybody_could_forge_commands_only_where_the_rule_says_so(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True, trust=TrustClass.C)
        assert await hub.written() == []
        assert "trust class C" in hub.watching.complaints()[0]
        free = msgspec.structs.replace(DIM, action=msgspec.structs.replace(DIM.action, by_anybody=True))
        await hub.fire(free, True, trust=TrustClass.C)
        assert await hub.written() == [(100.0, "rule:dim")]


async def test_a_command_that_is_refused_is_said_once_and_the_alert_is_raised_all_the_same(tmp_path, caplog):
    async with running(tmp_path) as hub:
        high = msgspec.structs.replace(BIN, action=Action("dali:1", "level", 101.0))
        for on in (True, False, True):
            await hub.fire(high, on)
        assert [alert.state for alert in hub.watching.book.open] == [RAISED]
        assert len([one for one in caplog.records if "could not command" in one.message]) <= 2
        assert hub.watching.complaints()


async def test_a_dead_instance_is_said_in_its_own_words(tmp_path):
    async with running(tmp_path) as hub:
        away = RuleSubject("integration:lorawan", integration="lorawan", name="lorawan")
        await hub.fire(BIN, True, where=away)
        [alert] = hub.watching.book.open
        assert "gateway" in alert.text
        assert "passerelle" in alert.text_fr
        assert (alert.device, alert.place) == ("", "")


async def test_the_calls_of_the_command_line(tmp_path):
    async with running(tmp_path) as hub:
        calls = hub.watching.calls()
        await hub.fire(BIN, True)
        [one] = (await calls["alert.list"]({}))["alerts"]
        done = await calls["alert.ack"]({"id": one["id"], "by": "cli:a", "why": "seen"})
        assert (done["state"], done["by"], done["why"]) == (ACKNOWLEDGED, "cli:a", "seen")
        assert (await calls["alert.mute"]({"id": one["id"], "by": "cli:a", "seconds": 60}))["state"] == "muted"
        with pytest.raises(HubError):
            await calls["alert.mute"]({"id": one["id"], "seconds": 1e9})
        assert (await calls["alert.clear"]({"id": one["id"], "by": "cli:a"}))["state"] == CLEARED
        assert (await calls["alert.list"]({}))["alerts"] == []
        assert len((await calls["alert.list"]({"all": True}))["alerts"]) == 1
        raised = one["raised"]
        spans = ((raised, raised + 1), (raised - 1, raised), (raised + 1, raised + 2))
        assert [len((await calls["alert.list"]({"all": True, "from": a, "to": b}))["alerts"]) for a, b in spans] == [
            1,
            0,
            0,
        ]


DIMMED = msgspec.structs.replace(DIM, test=Equals(True), places={"street"})
SENSOR = Device(id="ble:1", integration="radio", place="street")


async def started(hub, *rules):
    """The rules of a hub that starts, over what its last life left. Says a reading of the sensor to them."""
    await hub.clock.advance(100 * len(await hub.written()))  # a life begins after the last one
    await hub.watching.book.load()
    await hub.watching.rule_commands.load()
    hub.watching.rules = Rules(
        rules,
        Surroundings(place=lambda name: None, devices=lambda: [SENSOR], period=lambda device: None),
        may_keep=lambda *_: True,
        now=hub.clock.now,
        monotonic=hub.clock.monotonic,
        fired=hub.watching.fired,
        open=[*hub.watching.book.open_keys(), *hub.watching.rule_commands.restored_holders(rules)],
    )

    async def say(presence):
        binding = hub.watching.rules.bind(SENSOR, {}, ["presence"])
        binding.rules.evaluate(binding, Report(device="ble:1", values={"presence": presence}), TrustClass.A)
        await hub.clock.advance(20)
        await hub.watching.turn()

    return say


@pytest.mark.parametrize("alert", [False, True], ids=["alone", "with an alert"])
async def test_what_a_rule_switched_is_released_by_the_next_life(tmp_path, alert, monkeypatch):
    rule = msgspec.structs.replace(DIMMED, alert=alert)
    async with running(tmp_path) as hub:
        say = await started(hub, rule)

        async def killed():
            pass  # before anything of its own is kept: the commit of the command has it

        monkeypatch.setattr(hub.watching.rule_commands, "keep", killed)
        await say(True)
        assert await hub.written() == [(100.0, "rule:dim")]
    async with running(tmp_path) as hub:
        say = await started(hub, rule)
        await say(True)
        assert await hub.written() == [(100.0, "rule:dim")]
        await say(False)
        assert await hub.written() == [(100.0, "rule:dim"), (20.0, "rule:dim")]
        assert hub.watching.book.open == []
    async with running(tmp_path) as hub:
        say = await started(hub, rule)
        await say(False)
        assert len(await hub.written()) == 2


async def test_a_hub_starts_though_it_cannot_read_which_rules_held_what(tmp_path, caplog):
    async with running(tmp_path) as hub:
        await hub.store.put(KEPT, msgspec.msgpack.encode({"holds": 7}))
        say = await started(hub, DIMMED)
        assert "look at the lamps" in caplog.text
        await say(True)
        assert await hub.written() == [(100.0, "rule:dim")]


async def test_what_a_rule_switched_that_was_taken_away_while_the_hub_was_down_is_released_as_it_said(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
    async with running(tmp_path) as hub:
        await started(hub)
        await hub.watching.turn()
        assert await hub.written() == [(100.0, "rule:dim"), (20.0, "rule:dim")]


async def test_what_a_rule_says_otherwise_since_the_hub_was_down_is_written_and_released_so(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
    async with running(tmp_path) as hub:
        say = await started(hub, msgspec.structs.replace(DIMMED, action=Action("dali:1", "level", 50.0, 10.0)))
        await hub.watching.turn()
        assert await hub.written() == [(100.0, "rule:dim"), (50.0, "rule:dim")]
        await say(True)
        await say(False)
        assert [value for value, _ in await hub.written()] == [100.0, 50.0, 10.0]


async def test_what_was_too_soon_when_the_hub_was_killed_is_written_by_the_next_life(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIMMED, True)
        await hub.fire(DIMMED, False)
        assert len(await hub.written()) == 1
    async with running(tmp_path) as hub:
        await started(hub, DIMMED)
        await hub.watching.turn()
        assert [value for value, _ in await hub.written()] == [100.0, 20.0]


async def test_a_configuration_that_changes_before_a_place_speaks_again_lets_go_of_nothing(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
    async with running(tmp_path) as hub:
        await started(hub, DIMMED)
        former = hub.watching.rules
        hub.watching.rules = Rules(
            [DIMMED],
            Surroundings(place=lambda name: None, devices=lambda: [SENSOR], period=lambda device: None),
            may_keep=lambda *_: True,
            now=hub.clock.now,
            monotonic=hub.clock.monotonic,
            fired=hub.watching.fired,
        )
        hub.watching.rules.inherit(former)
        await hub.watching.turn()
        assert len(await hub.written()) == 1


async def test_a_store_that_refuses_a_command_keeps_no_alert_back_and_gives_it_later(tmp_path, monkeypatch):
    async with running(tmp_path) as hub:
        ordered = hub.desk._table.insert

        async def refused(*_):
            raise DiskRefuses("full")

        monkeypatch.setattr(hub.desk._table, "insert", refused)
        with suppress(DiskRefuses):
            await hub.fire(msgspec.structs.replace(DIMMED, alert=True), True)
        assert [alert.state for alert in hub.watching.book.open] == [RAISED]
        monkeypatch.setattr(hub.desk._table, "insert", ordered)
        await hub.watching.turn()
        assert await hub.written() == [(100.0, "rule:dim")]


async def test_a_store_that_refuses_which_rules_hold_what_is_told_once_and_asked_again(tmp_path, monkeypatch, caplog):
    async def refused(*_):
        raise DiskRefuses("full")

    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        with monkeypatch.context() as patch:
            patch.setattr(hub.store, "put", refused)
            await hub.fire(DIM, False)  # too soon for a command: nothing else takes it to the disk
            for _ in range(3):
                await hub.watching.turn()
            assert caplog.text.count("not written down yet") == 1
            assert hub.watching.complaints() == ["which rules hold what is not written down: full"]
        await hub.watching.turn()
        assert hub.watching.complaints() == []
        assert b"dim" in await hub.store.get(KEPT)


async def test_a_command_that_waits_for_its_pace_is_refused_and_audited_once(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await hub.fire(DIM, False)
        for _ in range(9):
            await hub.clock.advance(1)
            await hub.watching.turn()
        refused = [entry for entry in await hub.store.audited() if entry.what["command"] == "refused"]
        assert len(refused) == 1


class Backend:
    def __init__(self):
        self.acts, self.asked, self.body, self.status, self.away = [], 0, None, 200, False

    async def request(self, method, url, *, timeout):
        assert (method, url) == ("GET", "https://b:1/v1/alerts")
        self.asked += 1
        if self.away:
            raise NotReady("away")
        return Reply(self.status, {}, self.body or msgspec.json.encode({"acts": self.acts}))


@asynccontextmanager
async def answering(tmp_path, **more):
    async with running(tmp_path) as hub:
        backend, up = Backend(), [True]
        one = BackendAnswers(
            hub.watching.book, http=backend, url="https://b:1/", clock=hub.clock, up=lambda: up[0], **more
        )
        yield hub, backend, one, up


async def test_what_was_answered_at_the_backend_reaches_the_hub_once(tmp_path):
    async with answering(tmp_path) as (hub, backend, one, _):
        await one.turn()
        assert backend.asked == 0  # nothing is open: nothing is asked
        alert = await hub.watching.book.raise_(NEW)
        backend.acts = [{"alert": alert.id, "state": ACKNOWLEDGED, "by": "jea\nnne", "why": "on my way"}]
        await one.turn()
        await hub.clock.advance(SELDOM_S)
        await one.turn()
        [now] = hub.watching.book.open
        assert (now.state, now.by, now.why, now.n) == (ACKNOWLEDGED, "backend:jeanne", "on my way", 2)
        assert hub.stream.told() == [(RAISED, 1), (ACKNOWLEDGED, 2)]
        assert [entry.who for entry in await hub.store.audited()] == ["backend:jeanne"]


async def test_how_often_it_asks(tmp_path):
    async with answering(tmp_path) as (hub, backend, one, up):
        alert = await hub.watching.book.raise_(NEW)

        async def asked(seconds):
            before = backend.asked
            for _ in range(int(seconds)):
                await hub.clock.advance(1)
                await one.turn()
            return backend.asked - before

        assert await asked(900) == 900 / SOON_S
        assert await asked(900) == 900 / ASK_S
        up[0] = False
        assert await asked(60) == 0
        up[0] = True
        assert await asked(1) == 1  # at once when the link is back
        await hub.watching.book.act(alert.id, ACKNOWLEDGED, "cli:a")
        assert await asked(900) == 900 / SELDOM_S


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"\xff"), (200, b"[" * 100_000), (200, b'{"acts": 3}'), (500, b"{}"), (404, b"{}"),
        (200, b'{"acts": [{"alert": "x", "state": "acknowledged"}]}'),
        (200, msgspec.json.encode({"acts": [{"alert": "x", "state": "y" * 99}]})),
        (200, msgspec.json.encode({"acts": [{"alert": "", "state": "raised"}] * 1001})),
    ],
)  # fmt: skip
async def test_a_hostile_answer_changes_nothing(tmp_path, status, body):
    async with answering(tmp_path) as (hub, backend, one, _):
        await hub.watching.book.raise_(NEW)
        backend.status, backend.body = status, body
        await one.turn()
        assert hub.watching.book.open[0].n == 1


async def test_a_backend_that_is_away_is_said_once(tmp_path, caplog):
    async with answering(tmp_path) as (hub, backend, one, _):
        await hub.watching.book.raise_(NEW)
        backend.away = True
        for _ in range(5):
            await one.turn()
            await hub.clock.advance(SELDOM_S)
        assert backend.asked == 5
        assert len([record for record in caplog.records if "not fetched" in record.message]) == 1


async def test_a_backend_that_errs_is_asked_less_often_and_as_ever_when_it_answers(tmp_path):
    class Whole:
        def uniform(self, low, high):
            return high

    async with answering(tmp_path, backoff=Backoff(2 * SOON_S, LONGEST_S, Whole())) as (hub, backend, one, up):
        await hub.watching.book.raise_(NEW)
        begin, tried = hub.clock.monotonic(), []

        async def passes(seconds):
            for _ in range(seconds):
                before = backend.asked
                await one.turn()
                if backend.asked > before:
                    tried.append(hub.clock.monotonic() - begin)
                await hub.clock.advance(1)

        backend.status = 500
        await passes(400)
        assert tried == [0, 20, 60, 140, 260, 380]
        up[0] = False
        await passes(1)
        up[0] = True
        await passes(1)
        assert tried[6:] == [401], "at once when the link is back"
        backend.status = 200
        await passes(50)
        assert tried[7:] == [421, 431, 441, 451]


async def test_run_acts_at_once_and_ticks(tmp_path):
    async with running(tmp_path) as hub:
        work = asyncio.create_task(hub.watching.run())
        hub.watching.fired(Fired(BIN, HERE, True, "95 %", "90 %", TrustClass.A))
        async with asyncio.timeout(60):
            while hub.stream.told() != [(RAISED, 1)]:
                await asyncio.sleep(0.005)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def test_the_end_of_what_fired_does_not_overtake_its_beginning_while_a_command_is_on_its_way(tmp_path):
    async with running(tmp_path) as hub:
        order, go, first = hub.desk.order, asyncio.Event(), [True]

        async def slow(asked):
            if first.pop() if first else False:
                await go.wait()
            return await order(asked)

        hub.desk.order = slow
        both = msgspec.structs.replace(DIM, alert=True)
        hub.watching.fired(Fired(both, HERE, True, "1", "", TrustClass.A))
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(hub.watching.settle())
            await asyncio.sleep(0)
            hub.watching.fired(Fired(both, HERE, False, "0", "", TrustClass.A))
            other = group.create_task(hub.watching.settle())
            await asyncio.wait([other], timeout=0.05)
            go.set()
        assert hub.watching.book.open == []
        assert [alert.state for alert in await hub.watching.book.last(5)] == [CLEARED]


async def test_an_alert_whose_rule_is_gone_from_the_configuration_ends(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(BIN, True)
        hub.watching.rules = Rules(
            [DIM],
            Surroundings(place=lambda name: None, devices=list, period=lambda device: None),
            may_keep=lambda *_: True,
            now=hub.clock.now,
            monotonic=hub.clock.monotonic,
            fired=hub.watching.fired,
        )
        await hub.watching.turn()
        assert hub.stream.told() == [(RAISED, 1), (CLEARED, 2)]


async def test_what_another_part_of_the_hub_raised_under_its_own_name_is_its_own_to_end(tmp_path):
    async with running(tmp_path) as hub:
        hub.watching.rules = Rules(
            [DIM],
            Surroundings(place=lambda name: None, devices=list, period=lambda device: None),
            may_keep=lambda *_: True,
            now=hub.clock.now,
            monotonic=hub.clock.monotonic,
            fired=hub.watching.fired,
        )
        hub.watching.book.owners.add("energy_drift")
        await hub.watching.book.raise_(msgspec.structs.replace(NEW, rule="energy_drift"))
        await hub.watching.turn()
        assert [alert.rule for alert in hub.watching.book.open] == ["energy_drift"]


async def test_the_limits_of_a_series_are_told_with_their_rule_and_none_without_rules(tmp_path):
    hot = Rule(name="hot", metric="temperature", unit="Cel", test=Limit(26.0, 25.0), severity="critical")
    async with running(tmp_path) as hub:
        ask = hub.watching.calls()["rule.limits"]
        assert await ask({"place": "street", "metric": "temperature"}) == {"limits": []}
        hub.watching.rules = Rules(
            [hot, msgspec.structs.replace(hot, name="acts", alert=False)],
            Surroundings(place=lambda name: None, devices=list, period=lambda device: None),
            may_keep=lambda *_: True,
            now=hub.clock.now,
            monotonic=hub.clock.monotonic,
            fired=hub.watching.fired,
        )
        told = (await ask({"place": "street", "metric": "temperature"}))["limits"]
        assert told[0] == {
            "rule": "hot", "limit": 26.0, "clears": 25.0, "up": True, "unit": "Cel", "of": "",
            "severity": "critical", "timed": False,
        }  # fmt: skip
        assert [(one["rule"], one["severity"]) for one in told[1:]] == [("acts", "")], "it alerts nobody"
