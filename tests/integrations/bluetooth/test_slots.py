"""Connection slots are shared fairly."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hub.sdk.testing import settle
from integrations.bluetooth.slots import Slots


async def test_who_asks_first_is_served_first_by_the_best_source_that_has_room() -> None:
    slots = Slots({"hall": 1, "attic": 2}.__getitem__)
    assert await slots.take(lambda: ["hall", "attic"]) == "hall"
    assert await slots.take(lambda: ["hall", "attic"]) == "attic"
    waiting = [asyncio.create_task(slots.take(lambda: ["hall"])) for _ in range(3)]
    await settle()
    assert [task.done() for task in waiting] == [False, False, False]
    assert slots.wanted("hall")
    assert not slots.wanted("attic")
    for n in range(3):
        slots.give("hall")
        await settle()
        assert [task.done() for task in waiting] == [k <= n for k in range(3)]


async def test_one_that_nobody_hears_holds_nobody_up_and_is_served_when_it_is_heard() -> None:
    heard: list[str] = []
    slots = Slots(lambda source: 1)
    absent = asyncio.create_task(slots.take(lambda: heard))
    await settle()
    assert await asyncio.wait_for(slots.take(lambda: ["hall"]), 60) == "hall"
    heard.append("attic")
    slots.grant()
    assert await asyncio.wait_for(absent, 60) == "attic"


async def test_a_source_that_goes_serves_nobody() -> None:
    capacity = {"hall": 0}
    slots = Slots(capacity.__getitem__)
    waiting = asyncio.create_task(slots.take(lambda: ["hall"]))
    await settle()
    assert not waiting.done()
    capacity["hall"] = 1
    slots.grant()
    assert await asyncio.wait_for(waiting, 60) == "hall"


async def test_one_that_is_called_off_leaves_its_place_or_its_slot() -> None:
    slots = Slots(lambda source: 1)
    await slots.take(lambda: ["hall"])
    waiting = [asyncio.create_task(slots.take(lambda: ["hall"])) for _ in range(2)]
    await settle()
    waiting[0].cancel()
    await settle()
    slots.give("hall")  # granted, but not yet taken
    waiting[1].cancel()
    await settle()
    assert await asyncio.wait_for(slots.take(lambda: ["hall"]), 60) == "hall"


@given(st.lists(st.sampled_from(["take hall", "take attic", "take both", "give", "cancel"]), max_size=60))
def test_no_source_ever_holds_more_than_it_can_and_none_idles_while_it_is_wanted(steps: list[str]) -> None:
    capacity = {"hall": 1, "attic": 2}

    async def play() -> None:
        slots = Slots(capacity.__getitem__)
        held: list[str] = []
        waiting: list[tuple[list[str], asyncio.Task[str]]] = []

        async def collect() -> None:
            await settle(3)
            for wish in [wish for wish in waiting if wish[1].done()]:
                waiting.remove(wish)
                held.append(wish[1].result())

        for step in steps:
            if step == "give" and held:
                slots.give(held.pop(0))
            elif step == "cancel" and waiting:
                _, task = waiting.pop()
                task.cancel()
            elif step.startswith("take"):
                wanted = {"take hall": ["hall"], "take attic": ["attic"]}.get(step, ["hall", "attic"])
                waiting.append((wanted, asyncio.create_task(slots.take(lambda wanted=wanted: wanted))))  # type: ignore[misc]
            await collect()
            taken = Counter(held)
            assert all(taken[source] <= capacity[source] for source in capacity)
            assert not any(taken[source] < capacity[source] for wanted, _ in waiting for source in wanted)
        for _, task in waiting:
            task.cancel()

    asyncio.run(play())
