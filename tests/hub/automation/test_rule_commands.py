"""What a rule wants written: tried again where it comes to nothing, within bounds, and never against another word."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from hub.automation.alerts import CLEARED, RAISED
from hub.automation.commands import Order
from hub.automation.commands.service import WAITED_TOO_LONG
from hub.automation.rule_commands import COMMAND_TTL_S, LONGEST_S, RULE, TRIES
from hub.automation.rules import Rules, Surroundings
from hub.automation.rules.compiler import Action
from hub.automation.rules.write_intents import ALERT_AFTER, Hold, Holds
from hub.config.parts.rules import BUILTIN_ALERTS
from hub.core.model import Device, Place, TrustClass, Writable
from hub.energy.drift_watch import RULE as DRIFT
from hub.operations.incidents.service import RULE as SECURITY
from tests.hub.automation.test_alert_engine import DIM, DIMMED, HERE, LAMP, SENSOR, running, started

LOW = msgspec.structs.replace(DIM, name="low", action=Action("dali:1", "level", 40.0, 20.0))
ROOM = Place(id="street", site="s", zone="z", name="Rue Haute")


async def answer(hub, state, detail=""):
    """The integration of the lamp says what became of the command that waits."""
    assert hub.desk.under_way, "there is one"
    commands = hub.desk.commands_for("dali")
    command = await anext(commands)
    hub.desk.answer("dali", command.id, state, detail)
    await commands.aclose()
    return command.value


async def passes(hub, seconds, step=15.0):
    for _ in range(int(seconds / step)):
        await hub.clock.advance(step)
        await hub.watching.turn()


async def failed(hub, tries, detail="the bus is busy", step=15.0):
    """That many tries in a row come to nothing. Returns after how many seconds each came."""
    begin, came = hub.clock.monotonic(), []
    while len(came) < tries:
        if hub.desk.under_way:
            came.append(hub.clock.monotonic() - begin)
            await answer(hub, "failed", detail)
        await passes(hub, step, step)
    return came


async def by_hand(hub, value):
    await hub.desk.order(
        Order(device="dali:1", metric="level", value=value, by="cli:jeanne", role="administrateur", why="by hand")
    )


async def values(hub):
    return [value for value, _ in await hub.written()]


async def test_a_command_that_fails_is_given_again_after_growing_pauses_until_its_device_takes_it(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        assert await failed(hub, 4) == [0, 30, 75, 150], "each a look after it failed, and the pause: 15, 30, 60 s"
        assert "tried 4 times: the bus is busy" in hub.watching.complaints()[0]
        await passes(hub, 120)
        assert await answer(hub, "done") == 100.0
        await passes(hub, 2 * LONGEST_S, 600)
        assert await values(hub) == [100.0] * 5
        assert hub.watching.complaints() == []
        assert hub.counts.of("rule-command-again", "dim") == 4


async def test_a_command_that_is_under_way_is_not_given_twice(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await passes(hub, 4 * LONGEST_S, 600)
        assert await values(hub) == [100.0]


async def test_what_came_to_nothing_is_never_sent_after_its_rule_is_over(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await failed(hub, 3)
        await hub.fire(DIM, False)
        assert await answer(hub, "done") == 20.0
        await passes(hub, 2 * LONGEST_S, 600)
        assert await values(hub) == [100.0, 100.0, 100.0, 20.0]


async def test_a_release_that_fails_is_given_again_too(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await answer(hub, "done")
        await passes(hub, 15)
        await hub.fire(DIM, False)
        await failed(hub, 2)
        await passes(hub, 30)
        assert await answer(hub, "done") == 20.0


async def test_the_same_value_for_another_place_does_not_shorten_the_pause(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await failed(hub, 4)
        for key in ("square", "court", "lane"):
            await hub.fire(DIM, True, where=HERE._replace(key=key))
        assert len(await values(hub)) == 4
        await passes(hub, 120)
        assert len(await values(hub)) == 5


async def test_somebody_is_told_after_some_tries_and_told_that_it_is_over(tmp_path):
    async with running(tmp_path) as hub:
        rule_commands = hub.watching.rule_commands
        rule_commands.device, rule_commands.place = {LAMP.id: LAMP}.get, {ROOM.id: ROOM}.get
        await hub.fire(DIM, True)
        await failed(hub, ALERT_AFTER - 1, WAITED_TOO_LONG)
        assert hub.watching.book.open == []
        await failed(hub, 1, WAITED_TOO_LONG)
        [alert] = hub.watching.book.open
        assert (alert.rule, alert.key, alert.device, alert.zone, alert.integration) == (
            RULE, "dali:1/level", "dali:1", "z", "dali",
        )  # fmt: skip
        assert alert.text == "Rue Haute: rule dim could not write level, 6 tries: it waited too long to be sent"
        assert alert.text_fr.replace("\u00a0", " ") == (
            "Rue Haute : la règle dim n'a pas pu écrire level, 6 essais : elle a attendu trop longtemps pour partir"
        )
        told = msgspec.structs.replace(alert, id="")  # which is drawn by lot
        assert "100" not in f"{told}", "neither what was read nor what was written is told"
        await passes(hub, 600)
        await answer(hub, "done")
        await passes(hub, 30)
        assert hub.watching.book.open == []
        assert hub.stream.told() == [(RAISED, 1), (CLEARED, 2)]


async def test_it_ends_after_a_day_and_begins_again_when_the_rule_does(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        came = await failed(hub, TRIES, step=120.0)
        assert COMMAND_TTL_S * 0.8 < came[-1] < COMMAND_TTL_S * 1.2
        assert max(later - former for former, later in pairwise(came)) <= LONGEST_S + 240
        await passes(hub, 3 * COMMAND_TTL_S, 3600)
        assert len(await values(hub)) == 20, "the last ones are looked at"
        assert hub.desk.under_way == 0
        assert "tries no more" in hub.watching.complaints()[0]
        assert hub.counts.of("rule-command-given-up", "dim") == 1
        assert len(hub.watching.book.open) == 1, "one alert all the while"
        ordered = [entry for entry in await hub.store.audited() if entry.what.get("device") == "dali:1"]
        assert len(ordered) == TRIES, "each try stands once in the audit log"
        await hub.fire(DIM, False)
        await answer(hub, "done")
        await passes(hub, 15)
        assert hub.watching.complaints() == hub.watching.book.open == []


async def test_a_rule_that_comes_and_goes_at_a_dead_device_is_told_as_well(tmp_path):
    async with running(tmp_path) as hub:
        for turn in range(ALERT_AFTER + 1):
            await hub.fire(DIM, turn % 2 == 0)
            await failed(hub, 1)
        assert [alert.rule for alert in hub.watching.book.open] == [RULE]


async def test_tries_outlive_the_hub_and_are_counted_on(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
        await failed(hub, ALERT_AFTER - 2)
    async with running(tmp_path) as hub:
        await started(hub, DIMMED)
        await hub.watching.turn()
        await failed(hub, 1)
        assert hub.watching.book.open == []
    async with running(tmp_path) as hub:
        await started(hub, DIMMED)
        await hub.watching.turn()
        await failed(hub, 1)
        assert [alert.rule for alert in hub.watching.book.open] == [RULE]


async def test_a_command_that_was_on_its_way_when_the_hub_was_killed_is_given_again_by_the_next_life(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
        commands = hub.desk.commands_for("dali")
        await anext(commands)  # killed: nothing more is written down
    async with running(tmp_path) as hub:
        await hub.desk.load()
        await started(hub, DIMMED)
        await hub.desk.flush()
        await passes(hub, 30)
        assert await values(hub) == [100.0, 100.0]


async def test_a_command_that_its_device_took_is_not_given_again_by_the_next_life(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
        await answer(hub, "done")
        await hub.desk.flush()
    async with running(tmp_path) as hub:
        await hub.desk.load()
        await started(hub, DIMMED)
        await passes(hub, LONGEST_S, 600)
        assert await values(hub) == [100.0]


async def test_a_word_that_was_withdrawn_a_moment_before_the_hub_was_killed_is_not_sent_by_the_next_life(tmp_path):
    async with running(tmp_path) as hub:
        await hub.watching.rule_commands.load()
        for on in (True, False):
            await hub.fire(DIMMED, on)
            await passes(hub, 15)
        assert [one.value for one in hub.desk.pending_for("dali:1", "level")] == [20.0]  # killed: not written down
    async with running(tmp_path) as hub:
        await hub.desk.load()
        assert len(hub.desk.pending_for("dali:1", "level")) == 2
        await hub.watching.rule_commands.load()
        assert [one.value for one in hub.desk.pending_for("dali:1", "level")] == [20.0]


async def test_words_that_were_withdrawn_before_the_kill_are_not_sent_either_where_somebody_has_written_since(tmp_path):
    async with running(tmp_path) as hub:
        await hub.watching.rule_commands.load()
        for key in ("street", "square"):
            await hub.fire(DIMMED, True, where=HERE._replace(key=key))
            await passes(hub, 15)
        await by_hand(hub, 55.0)
        await passes(hub, 15)
        await hub.fire(DIMMED, False, where=HERE._replace(key="street"))  # the square holds it yet
        assert [one.by for one in hub.desk.pending_for("dali:1", "level")] == ["rule:dim", "cli:jeanne"]  # killed
    async with running(tmp_path) as hub:
        await hub.desk.load()
        assert len(hub.desk.pending_for("dali:1", "level")) == 3
        await hub.watching.rule_commands.load()
        assert [one.by for one in hub.desk.pending_for("dali:1", "level")] == ["rule:dim", "cli:jeanne"]


async def test_what_somebody_wrote_by_hand_since_stands(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await failed(hub, ALERT_AFTER)
        await by_hand(hub, 55.0)
        await passes(hub, LONGEST_S, 600)
        assert await values(hub) == [100.0] * ALERT_AFTER + [55.0]
        assert hub.watching.book.open == [], "it is in somebody's hands"
        await hub.fire(DIM, False)
        assert (await values(hub))[-1] == 20.0


async def test_a_new_word_of_a_rule_is_written_over_what_somebody_wrote_while_the_former_one_rested(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await failed(hub, ALERT_AFTER)
        await by_hand(hub, 55.0)
        await passes(hub, 15)
        await hub.fire(DIM, False)
        assert (await values(hub))[-2:] == [55.0, 20.0]


async def test_what_somebody_wrote_by_hand_stands_in_the_next_life_too(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
        await failed(hub, 3)
        await by_hand(hub, 55.0)
        await hub.desk.flush()
    async with running(tmp_path) as hub:
        await hub.desk.load()
        await started(hub, DIMMED)
        await passes(hub, LONGEST_S, 600)
        assert await values(hub) == [100.0] * 3 + [55.0]


async def test_what_expired_is_told_at_once_and_waits_anew(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        [record] = hub.desk.pending_for("dali:1", "level")
        hub.desk._end(record, "expired", "it waited too long to be sent")
        await passes(hub, 15)
        assert [alert.rule for alert in hub.watching.book.open] == [RULE]
        await passes(hub, 600)
        assert await values(hub) == [100.0, 100.0]


async def test_a_refusal_that_passes_is_tried_again(tmp_path, monkeypatch):
    async with running(tmp_path) as hub:
        await by_hand(hub, 55.0)  # before the rule: it has the last word
        await passes(hub, 15)
        with monkeypatch.context() as patch:
            patch.setattr("hub.automation.commands.service.OPEN_LIMIT", 0)
            await hub.fire(DIM, True)
            await passes(hub, 15)
        await passes(hub, 60)
        assert await values(hub) == [55.0, 100.0]


async def test_what_somebody_wrote_before_a_refusal_that_passes_is_no_word_against_it_in_the_next_life_either(
    tmp_path, monkeypatch
):
    async with running(tmp_path) as hub:
        say = await started(hub, DIMMED)
        await by_hand(hub, 55.0)
        await passes(hub, 15)
        with monkeypatch.context() as patch:
            patch.setattr("hub.automation.commands.service.OPEN_LIMIT", 0)
            await say(True)
        await hub.desk.flush()
    async with running(tmp_path) as hub:
        await hub.desk.load()
        await started(hub, DIMMED)
        await passes(hub, 60)
        assert await values(hub) == [55.0, 100.0]


async def test_a_refusal_that_only_a_person_can_mend_is_said_once_until_the_configuration_is_another(tmp_path):
    high = msgspec.structs.replace(DIMMED, name="high", action=Action("dali:1", "level", 101.0))
    async with running(tmp_path) as hub:
        say = await started(hub, high)
        await say(True)
        await passes(hub, COMMAND_TTL_S, 3600)
        refused = [entry for entry in await hub.store.audited() if entry.what["command"] == "refused"]
        assert len(refused) == 1
        hub.desk._devices.assign(
            [msgspec.structs.replace(LAMP, writable={"level": Writable(0, 200, "technicien", 10)})], {}
        )
        reload(hub, high)
        await passes(hub, 15)
        assert await values(hub) == [101.0]
        assert hub.watching.complaints() == []


async def test_when_writes_are_allowed_again_what_rules_hold_is_written_anew(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await answer(hub, "done")
        await passes(hub, 15)
        await hub.desk.stop("cli:jeanne", "works")
        await passes(hub, LONGEST_S, 600)
        await hub.desk.resume("cli:jeanne", "over")
        await passes(hub, 15)
        assert await values(hub) == [100.0, None, 100.0]


async def test_what_rules_hold_is_written_anew_also_after_a_stop_that_was_over_before_anybody_looked(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await answer(hub, "done")
        await passes(hub, 15)
        await hub.desk.stop("cli:jeanne", "works")
        await hub.desk.resume("cli:jeanne", "over")
        await passes(hub, 30)
        assert await values(hub) == [100.0, None, 100.0]


async def test_a_hub_that_is_killed_when_writes_were_just_allowed_again_writes_anew_in_its_next_life(tmp_path):
    async with running(tmp_path) as hub:
        await (await started(hub, DIMMED))(True)
        await answer(hub, "done")
        await passes(hub, 15)
        await hub.desk.stop("cli:jeanne", "works")
        await passes(hub, 15)
        await answer(hub, "done")
        await hub.desk.flush()
        await hub.desk.resume("cli:jeanne", "over")
    async with running(tmp_path) as hub:
        await hub.desk.load()
        await started(hub, DIMMED)
        await passes(hub, 30)
        assert await values(hub) == [100.0, None, 100.0]


async def test_what_rested_during_a_stop_is_written_at_once_when_writes_are_allowed_again(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(LOW, True)
        await answer(hub, "done")
        await passes(hub, 15)
        await hub.fire(DIM, True)
        await failed(hub, 9)  # it rests for an hour
        await hub.desk.stop("cli:jeanne", "works")
        await passes(hub, 30)
        await answer(hub, "done")
        await hub.desk.resume("cli:jeanne", "over")
        await passes(hub, 30)
        assert await values(hub) == [40.0, *[100.0] * 9, None, 100.0]


async def test_what_begins_while_all_writes_are_stopped_is_written_when_they_are_allowed_again(tmp_path):
    async with running(tmp_path) as hub:
        await hub.desk.stop("cli:jeanne", "works")
        await hub.fire(DIM, True)
        await passes(hub, LONGEST_S, 600)
        refused = [entry for entry in await hub.store.audited() if entry.what.get("command") == "refused"]
        assert (len(refused), await values(hub)) == (1, [])
        await hub.desk.resume("cli:jeanne", "over")
        await passes(hub, 15)
        assert await values(hub) == [100.0]


def reload(hub, *rules):
    """The configuration has these rules now."""
    former = hub.watching.rules
    hub.watching.rules = Rules(
        rules,
        Surroundings(place=lambda name: None, devices=former._devices, period=lambda device: None),
        may_keep=lambda *_: True,
        now=hub.clock.now,
        monotonic=hub.clock.monotonic,
        fired=hub.watching.fired,
        open=hub.watching.book.open_keys(),
    )
    hub.watching.rules.inherit(former)


@pytest.mark.parametrize("alert", [False, True], ids=["it only acts", "with an alert"])
async def test_a_value_that_a_new_configuration_changes_is_written_while_its_rule_holds(tmp_path, alert):
    async with running(tmp_path) as hub:
        rule = msgspec.structs.replace(DIMMED, alert=alert, action=Action("dali:1", "level", 30.0, 5.0))
        say = await started(hub, rule)
        await say(True)
        await answer(hub, "done")
        await passes(hub, 15)
        reload(hub, msgspec.structs.replace(rule, action=Action("dali:1", "level", 60.0, 10.0)))
        await passes(hub, 15)
        await answer(hub, "done")
        await passes(hub, 600)
        assert await values(hub) == [30.0, 60.0]
        await say(False)
        assert await values(hub) == [30.0, 60.0, 10.0]


@pytest.mark.parametrize("trust", [TrustClass.A, TrustClass.C])
@pytest.mark.parametrize("former", [None, Action("dali:1", "level", 100.0, 20.0)], ids=["none", "another"])
async def test_a_lamp_that_a_new_configuration_names_is_switched_while_its_rule_holds(tmp_path, former, trust):
    async with running(tmp_path) as hub:
        hub.desk._devices.assign([LAMP, msgspec.structs.replace(LAMP, id="dali:2")], {})
        rule = msgspec.structs.replace(DIMMED, alert=True, action=former)
        say = await started(hub, rule)
        await say(True)
        await passes(hub, 15)
        hub.watching.rules._watch(rule, "street").trust = trust
        reload(hub, msgspec.structs.replace(rule, action=Action("dali:2", "level", 60.0, 10.0)))
        await passes(hub, 30)
        await say(False)
        there = [(one.device, one.value) for one in (await hub.desk.last(9))[::-1]]
        assert [value for device, value in there if device == "dali:1"] == ([100.0, 20.0] if former else [])
        assert [value for device, value in there if device == "dali:2"] == ([60.0, 10.0] if trust.name == "A" else [])


async def test_a_value_that_changes_while_another_rule_has_the_last_word_waits_for_its_turn(tmp_path):
    target, one, other = ("a", "m"), ("one", "x"), ("other", "x")
    holds = Holds()
    holds.take(target, one, Hold(30.0, 0.0))
    holds.take(target, other, Hold(50.0, 0.0))
    holds.revise(target, one, Hold(60.0, 0.0))
    assert holds.pending() == [(target, (50.0, "other"))]
    holds.release(target, other)
    assert holds.pending() == [(target, (60.0, "one"))]


async def test_a_word_that_stands_when_its_rule_is_over_is_that_of_the_rule_before(tmp_path):
    target, one, other = ("a", "m"), ("one", "x"), ("other", "x")
    holds = Holds()
    holds.take(target, one, Hold(30.0, 0.0))
    holds.take(target, other, Hold(30.0, 0.0))
    holds.release(target, other)
    assert holds.pending() == [(target, (30.0, "one"))]
    assert Holds.restore(holds.snapshot()).pending() == holds.pending()


async def test_what_a_reading_that_anybody_could_forge_holds_is_let_go_when_it_may_command_no_more(tmp_path):
    async with running(tmp_path) as hub:
        free = msgspec.structs.replace(DIMMED, action=msgspec.structs.replace(DIMMED.action, by_anybody=True))
        await started(hub, free)
        watch = hub.watching.rules._watch(free, "street")
        watch.held.on, watch.where, watch.trust = True, HERE._replace(key="street"), TrustClass.C
        hub.watching.fired(watch.fired())
        await passes(hub, 15)
        reload(hub, DIMMED)
        await passes(hub, 15)
        assert await values(hub) == [100.0, 20.0]


async def test_a_lamp_that_is_not_there_any_more_is_given_nothing_and_leaves_no_alert(tmp_path):
    async with running(tmp_path) as hub:
        await hub.fire(DIM, True)
        await failed(hub, ALERT_AFTER)
        hub.desk._devices.assign([Device(id="ble:1", integration="radio", place="street")], {})
        await passes(hub, 600)
        assert hub.watching.book.open == []
        assert (await values(hub)) == [100.0] * ALERT_AFTER


async def test_the_alert_of_a_lamp_that_is_taken_away_after_its_last_try_is_over(tmp_path):
    async with running(tmp_path) as hub:
        say = await started(hub, DIMMED)
        await say(True)
        await answer(hub, "done")
        await say(False)
        await failed(hub, TRIES, step=3600.0)
        assert [alert.rule for alert in hub.watching.book.open] == [RULE]
        hub.watching._devices = lambda: [SENSOR]
        await passes(hub, 15)
        assert hub.watching.book.open == hub.watching.complaints() == []


async def test_the_lamp_that_stands_in_the_place_of_one_that_was_replaced_is_told_what_its_rule_says(tmp_path):
    async with running(tmp_path) as hub:
        devices = hub.desk._devices
        hub.watching.rule_commands.current_id = devices.current_id
        await hub.fire(DIM, True)
        await answer(hub, "done")
        await passes(hub, 15)
        devices.replace("dali:1", "dali:2", None)
        await passes(hub, 15)
        assert await answer(hub, "done") == 100.0
        await passes(hub, 15)
        await hub.fire(DIM, False)
        ordered = [(one.device, one.value) for one in (await hub.desk.last(9))[::-1]]
        assert ordered == [("dali:1", 100.0), ("dali:2", 100.0), ("dali:2", 20.0)]
        assert hub.watching.complaints() == []


async def test_the_lamp_that_stands_in_the_place_of_a_dead_one_is_told_at_once(tmp_path):
    async with running(tmp_path) as hub:
        devices = hub.desk._devices
        hub.watching.rule_commands.current_id = devices.current_id
        await hub.fire(DIM, True)
        await failed(hub, 9)  # it rests for an hour
        devices.replace("dali:1", "dali:2", None)
        await passes(hub, 15)
        assert await answer(hub, "done") == 100.0
        await passes(hub, 15)
        assert hub.watching.complaints() == hub.watching.book.open == []


async def test_what_a_crisis_held_up_is_not_complained_of_when_another_rule_has_the_word_after_it(tmp_path):
    async with running(tmp_path) as hub:
        hub.desk.frozen = "the hub is read-only"
        await hub.fire(DIM, True)
        await hub.fire(LOW, True)
        assert hub.watching.complaints() == ["rule low could not command: the hub is read-only"]
        hub.desk.frozen = ""
        await passes(hub, 15)
        assert await values(hub) == [40.0]
        assert hub.watching.complaints() == []


def test_no_rule_has_the_name_of_the_hubs_own_alerts():
    assert {RULE, DRIFT, SECURITY} == BUILTIN_ALERTS
