"""Loops that ask devices are quickened while somebody wants that, and go back by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hub.plugin_host.poll_scheduler import PollLoop, PollScheduler
from hub.sdk.testing import ManualClock, settle


class Loop:
    """One loop, and when its turns came."""

    def __init__(
        self, paces: PollScheduler, clock: ManualClock, *devices: str, usual_s: float = 600.0, turn_s: float = 0.0
    ):
        self.turns: list[float] = []
        self._paces, self._clock, self._devices = paces, clock, devices
        self._usual_s, self._turn_s = usual_s, turn_s

    async def run(self) -> None:
        async for _ in self._paces.rounds("plant", self._usual_s, lambda: self._devices, self._clock, 0.0):
            self.turns.append(self._clock.monotonic() - 1000.0)
            if self._turn_s:
                await self._clock.sleep(self._turn_s)


@pytest.fixture
async def tasks() -> AsyncIterator[set[asyncio.Task[None]]]:
    made: set[asyncio.Task[None]] = set()
    yield made
    for task in made:
        task.cancel()
    await asyncio.gather(*made, return_exceptions=True)


def start(tasks: set[asyncio.Task[None]], *loops: Loop) -> None:
    for loop in loops:
        tasks.add(asyncio.create_task(loop.run()))


async def test_a_loop_that_is_quickened_turns_at_once_and_goes_back_as_soon_as_nobody_wants_it(
    tasks: set[asyncio.Task[None]],
) -> None:
    paces, clock = PollScheduler(), ManualClock()
    loop, other = Loop(paces, clock, "modbus:a"), Loop(paces, clock, "modbus:b")
    start(tasks, loop, other)
    await clock.advance(100)
    assert loop.turns == [0.0]
    paces.shorten({"modbus:a": 60.0})
    await settle()
    await clock.advance(140)
    assert loop.turns == [0.0, 100.0, 120.0, 180.0, 240.0], "what was due at 60 comes at once, the rest on the grid"
    assert other.turns == [0.0]
    paces.shorten({})
    await clock.advance(599)
    assert loop.turns[-1] == 240.0
    await clock.advance(2)
    assert loop.turns[-1] == 840.0, "the former period counts from the last turn on"


async def test_a_loop_is_never_slowed_and_of_several_devices_the_quickest_counts(
    tasks: set[asyncio.Task[None]],
) -> None:
    paces, clock = PollScheduler(), ManualClock()
    loop = Loop(paces, clock, "mbus:a", "mbus:b", usual_s=60.0)
    start(tasks, loop)
    paces.shorten({"mbus:a": 3600.0, "mbus:b": 30.0})
    await clock.advance(90)
    assert loop.turns == [0.0, 30.0, 60.0, 90.0]
    paces.shorten({"mbus:a": 3600.0})
    await clock.advance(60)
    assert loop.turns[-1] == 150.0


async def test_what_a_turn_takes_is_known_and_a_loop_that_ends_is_forgotten(tasks: set[asyncio.Task[None]]) -> None:
    paces, clock = PollScheduler(), ManualClock()
    loop = Loop(paces, clock, "modbus:a", usual_s=10.0, turn_s=2.5)
    start(tasks, loop)
    await clock.advance(25)
    pace = paces.of("modbus:a")
    assert pace is not None
    assert (pace.turn_s, pace.configured_s, pace.turns) == (2.5, 10.0, 3)
    assert loop.turns == [0.0, 10.0, 20.0]
    assert paces.of("modbus:z") is None
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert list(paces) == []


async def test_a_turn_that_takes_longer_than_its_period_does_not_pile_up(tasks: set[asyncio.Task[None]]) -> None:
    paces, clock = PollScheduler(), ManualClock()
    loop = Loop(paces, clock, "modbus:a", usual_s=10.0, turn_s=25.0)
    start(tasks, loop)
    await clock.advance(101)
    assert loop.turns == [0.0, 25.0, 50.0, 75.0, 100.0]


async def test_who_has_a_timetable_is_told_how_often_to_ask_and_what_it_no_longer_asks_is_forgotten() -> None:
    paces = PollScheduler()
    usual = {"knx:a": 600.0, "knx:b": 60.0}
    assert paces.asks("knx", usual, 5.0) == usual
    paces.shorten({"knx:a": 1.0, "knx:b": 3600.0})
    assert paces.asks("knx", usual, 5.0) == {"knx:a": 5.0, "knx:b": 60.0}
    pace = paces.of("knx:a")
    assert pace is not None
    assert (pace.configured_s, pace.least_s, pace.integration) == (600.0, 5.0, "knx")
    assert paces.asks("knx", {"knx:b": 30.0}, 5.0) == {"knx:b": 30.0}
    assert [(pace.configured_s, tuple(pace.polled_devices())) for pace in paces] == [(30.0, ("knx:b",))]
    paces.shorten({})
    assert paces.asks("knx", usual, 5.0) == usual


async def test_who_waits_is_woken_by_a_change_and_leaves_no_task_behind() -> None:
    clock, pace = ManualClock(), PollLoop("plant", 60.0, lambda: ())
    waiting = asyncio.create_task(pace.sleep(clock, 60.0))
    await settle()
    pace.changed()
    assert await waiting is False
    assert [one for one in asyncio.all_tasks() if one is not asyncio.current_task()] == []
