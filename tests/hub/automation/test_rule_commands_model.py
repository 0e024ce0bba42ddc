"""Rules that come and go, devices that fail, people, stops and restarts, at random: every command of a rule is what the
rules say at that moment, one at a time, and the last word reaches the device."""

from __future__ import annotations

import random
from contextlib import suppress

import msgspec
import pytest

from hub.automation.commands import WriteRefused
from hub.automation.rule_commands import RULE
from hub.automation.rules.compiler import Action
from tests.hub.automation.test_alert_engine import DIM, HERE, running
from tests.hub.automation.test_rule_commands import answer, by_hand, passes

RULES = [
    DIM,
    msgspec.structs.replace(DIM, name="glare", action=Action("dali:1", "level", 40.0, 20.0)),
    msgspec.structs.replace(DIM, name="same", action=Action("dali:1", "level", 100.0, 5.0)),
]
ACTS = ["on", "on", "off", "off", "failed", "done", "pass", "pass", "long", "hand", "stop"]


class Says:
    """What the rules say, told apart from how the hub remembers it."""

    def __init__(self):
        self.holders, self.otherwise, self.by_hand = {}, None, False

    @property
    def word(self):
        return next(reversed(self.holders.values()), self.otherwise)

    def on(self, rule, key):
        self.holders.pop((rule.name, key), None)
        self.holders[rule.name, key] = rule.action.value
        self.by_hand = False

    def off(self, rule, key):
        before = self.word
        if self.holders.pop((rule.name, key), None) is not None and not self.holders:
            self.otherwise, self.by_hand = rule.action.otherwise, False
        elif self.word != before:
            self.by_hand = False


def expire(hub):
    """As the desk does by the clock."""
    for record in list(hub.desk._open.values()):
        if hub.clock.now() > record.expires:
            hub.desk._end(record, "expired", "it waited too long to be sent")


async def act(hub, rng, says):
    what, rule, key = rng.choice(ACTS), rng.choice(RULES), rng.choice(["x", "y"])
    if what in ("on", "off"):
        (says.on if what == "on" else says.off)(rule, key)
        await hub.fire(rule, what == "on", where=HERE._replace(key=key))
    elif what in ("failed", "done"):
        expire(hub)
        if hub.desk.under_way:
            await answer(hub, what)
        await passes(hub, 15)
    elif what == "hand":
        await passes(hub, 15)
        with suppress(WriteRefused):  # too soon
            await by_hand(hub, 55.0)
            says.by_hand = True
    elif what == "stop":
        await hub.desk.stop("cli:x", "works")
        await passes(hub, rng.choice([0, 60]))
        await hub.desk.resume("cli:x", "over")
        says.by_hand = not says.holders
        await passes(hub, 30)
    else:
        await passes(hub, *((3600, 1200) if what == "long" else (30, 15)))


@pytest.mark.parametrize("seed", range(6))
async def test_every_command_is_what_the_rules_say_and_the_last_word_reaches_the_device(tmp_path, seed):
    rng, says, wrong, end = random.Random(seed), Says(), [], 0.0
    for life in range(3):
        async with running(tmp_path) as hub:
            hub.clock.set(max(end + 60, hub.clock.now()))
            await hub.desk.load()
            await hub.watching.book.load()
            await hub.watching.rule_commands.load()
            order = hub.desk.order

            async def judged(one, *, order=order, **more):
                if one.by.startswith("rule:") and one.value != says.word:
                    wrong.append((one.value, says.word))
                return await order(one, **more)

            hub.desk.order = judged
            for _ in range(rng.randrange(5, 20)):
                await act(hub, rng, says)
                assert wrong == []
                mine = [one for one in hub.desk._open.values() if one.by.startswith("rule:")]
                assert len(mine) <= 1
            end = hub.clock.now()
            if life == 2:
                for _ in range(6):
                    expire(hub)
                    while hub.desk.under_way:
                        await answer(hub, "done")
                    await passes(hub, 4000, 1000)
                newest = next(iter(await hub.desk.last(1)), None)
                if says.holders and not says.by_hand:
                    assert (newest.value, newest.state) == (says.word, "done")
                assert [one for one in hub.watching.book.open if one.rule == RULE] == []
