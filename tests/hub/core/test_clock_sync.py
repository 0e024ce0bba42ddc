from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from hub.core.clock import BUILD_FLOOR, PATIENCE_S, SystemClock
from hub.core.clock_sync import FLOOR_EVERY_S, FLOOR_KEY, UNSURE_KEY, ClockSync
from hub.i18n.catalogues import translate
from hub.sdk.testing import settle


class Machine:
    """Its clocks, and what the buffer kept of its processes. Sleeping lets a second pass."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.up = 0.0, 50.0
        self.local: dict[str, Any] = {}
        self.marks: list[tuple[int, int, str]] = []
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.up)

    def put_local(self, key: str, value: Any) -> None:
        self.local.pop(key, None)
        if value is not None:
            self.local[key] = value

    def clock_became_sure(self, offset: int, error: int, source: str) -> None:
        self.marks.append((offset, error, source))

    def pass_seconds(self, seconds: float) -> None:
        self.wall += seconds
        self.up += seconds

    async def process(self, *events: Any) -> ClockSync:
        """One process: each event is a call, or seconds that pass. Then it is killed."""
        clock = SystemClock()
        dating = ClockSync(clock, self)
        looks: asyncio.Queue[None] = asyncio.Queue()

        async def sleep(seconds: float) -> None:
            await looks.get()

        clock.sleep = sleep  # type: ignore[method-assign]
        task = asyncio.create_task(dating.run())
        await settle()
        for event in events:
            if callable(event):
                event(clock)
            else:
                self.pass_seconds(event)
            looks.put_nowait(None)
            await settle()
        task.cancel()
        await asyncio.wait([task])
        return dating


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


async def test_a_boot_is_dated_once_as_soon_as_somebody_who_can_be_believed_says_the_time(machine: Machine) -> None:
    await machine.process(1, lambda clock: clock.told(BUILD_FLOOR + 100.0, 50.0, 51.0), 1, 1)
    assert machine.marks == [((int(BUILD_FLOOR) + 100 - 51) * 1000 + 500, 501, "backend")]
    assert UNSURE_KEY not in machine.local


async def test_a_boot_that_a_killed_process_left_undated_is_dated_by_the_next_one(machine: Machine) -> None:
    await machine.process(1)
    assert machine.local[UNSURE_KEY] == SystemClock().boot
    machine.wall = BUILD_FLOOR + 500.0  # a time server has answered meanwhile
    await machine.process(1)
    assert machine.marks == [((int(BUILD_FLOOR) + 500 - 51) * 1000, 1000, "system")]
    await machine.process(1)
    assert len(machine.marks) == 1


async def test_a_boot_before_this_one_stays_as_it_was(machine: Machine) -> None:
    machine.local[UNSURE_KEY] = b"another boot 16b"
    machine.wall = BUILD_FLOOR + 500.0
    await machine.process(1)
    assert machine.marks == []


async def test_a_clock_that_was_sure_all_along_needs_no_mark_and_is_remembered_now_and_then(machine: Machine) -> None:
    machine.wall = BUILD_FLOOR + 500.0
    await machine.process(1, 1, 1)
    assert (machine.marks, machine.local[FLOOR_KEY][0]) == ([], BUILD_FLOOR + 500.0)
    await machine.process(1, 1, FLOOR_EVERY_S)
    assert machine.local[FLOOR_KEY][0] == BUILD_FLOOR + 505.0 + FLOOR_EVERY_S


async def test_the_time_is_remembered_by_the_monotonic_clock_whatever_the_wall_clock_does(machine: Machine) -> None:
    machine.wall = BUILD_FLOOR + 500.0

    def back(clock: SystemClock) -> None:
        machine.wall -= 100.0

    await machine.process(back, FLOOR_EVERY_S)
    assert machine.local[FLOOR_KEY][0] == BUILD_FLOOR + 400.0 + FLOOR_EVERY_S


async def test_a_clock_that_contradicts_the_backend_is_told_and_not_remembered(machine: Machine) -> None:
    machine.wall = BUILD_FLOOR + 500.0
    await machine.process(1)
    machine.wall = BUILD_FLOOR + 14 * 365 * 86_400.0
    dating = await machine.process(lambda clock: clock.told(BUILD_FLOOR + 600.0, machine.up - 0.5, machine.up), 1)
    assert machine.local[FLOOR_KEY][0] == BUILD_FLOOR + 500.0, "it was believed for a second, and is taken back"
    assert "5110 days ahead of the backend's" in dating.complaints()[0]
    assert dating.status()["sure"]
    machine.wall = BUILD_FLOOR + 700.0
    right = await machine.process(lambda clock: clock.told(machine.wall + 0.3, machine.up, machine.up))
    assert right.complaints() == []
    assert right.status() == {
        "sure": True, "exact": True, "source": "system", "error_s": 1.0, "ahead_s": pytest.approx(-0.3),
    }  # fmt: skip


async def test_a_time_that_no_exchange_makes_exact_is_told_with_its_error_and_a_better_one_follows(
    machine: Machine,
) -> None:
    def answered(seconds: float) -> Callable[[SystemClock], bool]:
        return lambda clock: clock.told(BUILD_FLOOR + machine.up, machine.up - seconds, machine.up)

    dating = await machine.process(1, answered(6.0), 1, answered(6.0), 1)
    assert (machine.marks, dating.status()["sure"]) == ([], False)
    dating = await machine.process(1, answered(6.0), PATIENCE_S, 1)
    ((_, error, source),) = machine.marks
    assert (3000 < error < 3050, source) == (True, "backend")
    assert machine.local[UNSURE_KEY] == SystemClock().boot, "the next process owes a better one"
    assert "the time is known within 4 s only" in dating.complaints()[0]
    assert dating.status() == {
        "sure": True, "exact": False, "source": "backend", "error_s": pytest.approx(3.0, abs=0.1), "ahead_s": None,
    }  # fmt: skip
    await machine.process(1, answered(6.0), PATIENCE_S, 1, answered(0.2), 1)
    assert [error for _, error, _ in machine.marks[1:]] == [error, 100]
    assert UNSURE_KEY not in machine.local


async def test_a_boot_is_dated_too_whose_clock_was_wrong_for_a_moment_only(machine: Machine) -> None:
    machine.wall = BUILD_FLOOR + 500.0

    def moment(clock: SystemClock) -> None:
        machine.wall -= 1e9
        assert clock.date() is None, "something was said just then"
        machine.wall += 1e9

    await machine.process(1, moment, 1)
    assert machine.marks == [((int(BUILD_FLOOR) + 500 - 50) * 1000, 1000, "system")]


def test_what_is_told_of_an_inexact_time_is_said_in_french_too(machine: Machine) -> None:
    dating = ClockSync(clock := SystemClock(), machine)
    clock.told(BUILD_FLOOR + 100.0, 45.0, 50.0)
    machine.up += PATIENCE_S
    assert "à 3\u202fs près" in translate(dating.complaints()[0], "fr")
