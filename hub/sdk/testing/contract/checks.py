"""Contract tests that run the integration: each returns the problems that it found, as sentences."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import Any

from hub.core.errors import AuthFailed, PluginError
from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import expect_metrics
from hub.core.model import DEVICE_ID
from hub.core.text import Phrase
from hub.sdk.testing.clock import settle
from hub.sdk.testing.contract.running import (
    Life,
    Missing,
    begun,
    living,
    logged,
    moving,
    speaking,
    stopped,
)
from hub.sdk.testing.contract.world import PATIENCE_S, World
from hub.sdk.testing.session import FakeSession

OUTAGES = 5
"""Tries during an outage: what is told at each of them is told too often."""
LOOKS = 300
"""Looks at an integration that goes on, before something is said of what it told meanwhile."""
LINGER_S = 5.0
"""Seconds in which what was let go of has to be gone."""
TIMES = 10
"""How much more than usual a flood is."""


async def ids_stable(world: World) -> list[str]:
    """Whether the devices of a second run, with the state that the first one left, have the ids of the first."""
    found: list[set[str]] = []
    state: dict[str, Any] = {}
    for _ in range(2):
        async with begun(world):
            session = world.session(state)
            async with living(world, session) as life:
                await speaking(world, life)
            found.append(_ids(session))
            state = dict(session.state)
    problems = [f"{one!r} is not a device id: scheme:identifier" for one in found[0] if not DEVICE_ID.fullmatch(one)]
    if found[0] != found[1]:
        problems.append(f"ids change over a restart: first {sorted(found[0])}, then {sorted(found[1])}")
    return problems


def _ids(session: FakeSession) -> set[str]:
    return {
        *(one.device for one in session.reports), *(one.id for one in session.candidates),
        *(device for device, *_ in session.declared),
    }  # fmt: skip


async def nothing_left(world: World) -> list[str]:
    """Whether a cancelled integration leaves a task, a socket, a thread or a process, and ends at once, whenever it is
    cancelled."""
    async with begun(world):
        async with living(world, world.session()) as life:  # what it imports and keeps for good is no leak
            await speaking(world, life)
        before = await _quiet()
        for turns in (0, 1, 7, 50, None):
            session = world.session()
            life = Life(world, session)
            task = asyncio.create_task(life.run(), context=contextvars.copy_context())
            if turns is None:
                pace = asyncio.create_task(moving(session))
                await speaking(world, life)
                await stopped(pace)
            else:
                await settle(turns)
            if not await stopped(task):
                return [f"it goes on for more than {PATIENCE_S:.0f} s after it was cancelled"]
            if not task.cancelled() and life.crash is not None:
                return [f"cancelled, it raises {type(life.crash).__name__}: {life.crash}"]
            if left := await _left(before):
                when = "after a report" if turns is None else f"in turn {turns} of the event loop"
                return [f"cancelled {when}, it leaves {', '.join(left)}"]
    return []


def _things() -> dict[str, set[str]]:
    """Tasks, sockets, threads and child processes of this process now, without the threads of the loop's own pool."""
    sockets = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            sockets.add(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    children = set()
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                children |= {f"process {one}" for one in file.read().split()}
        except OSError:
            continue
    return {
        "task": {f"the task {task.get_name()} ({task.get_coro()})" for task in asyncio.all_tasks()},
        "socket": {f"a {one}" for one in sockets if one.startswith(("socket:", "pipe:"))},
        "thread": {
            f"the thread {one.name} ({one.native_id})"
            for one in threading.enumerate()
            if not one.name.startswith("asyncio_")
        },
        "process": children,
    }


async def _quiet() -> dict[str, set[str]]:
    """What is there once nothing changes any more: a peer closes its ends a little later."""
    last = _things()
    for _ in range(200):
        await asyncio.sleep(0.01)
        now = _things()
        if now == last:
            break
        last = now
    return last


async def _left(before: dict[str, set[str]]) -> list[str]:
    """What is there that was not there, given time to go."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LINGER_S
    while True:
        now = _things()
        left = sorted(one for kind, those in now.items() for one in those - before[kind])
        if not left or loop.time() > end:
            return left
        await asyncio.sleep(0.01)


async def outage_told_once(world: World) -> list[str]:
    """Whether an unreachable peer is told once, in a sentence, and its return once, and readings come again."""
    problems: list[str] = []
    async with begun(world):
        session = world.session()
        with logged(session.name) as log:
            async with living(world, session) as life:
                await speaking(world, life)
                log.told.clear()
                await world.away(session)
                asks = asyncio.create_task(world.say(session, 1))
                try:
                    await life.until(lambda: life.errors or session.polling.outcomes or log.told, "it to notice")
                    await _tries(life)
                except Missing as error:
                    return [f"the peer is away, and {error}"]
                finally:
                    await stopped(asks)
                problems += _told(life, session, log.told)
                noted = len(log.noted)
                session.reports.clear()
                await world.back(session)
                try:
                    await speaking(world, life)
                except Missing as error:
                    return [*problems, f"the peer is back, and {error}"]
                await _tries(life)
                if len(again := log.noted[noted:]) > 1 and len(set(again)) < len(again):
                    problems.append(f"the return is told {len(again)} times: {again[:3]}")
                if session.polling.outcomes:
                    problems.append(f"polls count as failed though all is well: {session.polling.outcomes}")
    return problems


async def _tries(life: Life) -> None:
    """Let it go on for some more turns, as long as it does."""
    began, clock = len(life.errors), life.session.clock
    start, steady = clock.monotonic(), 0
    for _ in range(LOOKS):
        before = len(life.errors), clock.monotonic()
        if before[0] >= began + OUTAGES or before[1] > start + 3600 or steady > LOOKS // 3:
            break
        await asyncio.sleep(0.005)
        steady = steady + 1 if before == (len(life.errors), clock.monotonic()) else 0
    await settle(50)


def _told(life: Life, session: FakeSession, warnings: list[str]) -> list[str]:
    problems = [f"it says {one!r} {n} times in one outage" for one in dict.fromkeys(warnings)
                if (n := warnings.count(one)) > 1]  # fmt: skip
    plain = [str(error) for error in life.errors if not (error.args and isinstance(error.args[0], Phrase))]
    if plain and life.world.registered().run.__module__:
        problems += [f"the sentence cannot be translated, it is no phrase: {plain[0]}"]
    if any(isinstance(error, AuthFailed) for error in life.errors):
        problems.append(
            "it raises AuthFailed, after which the hub stops it until a person has acted; an outage is NotReady"
        )
    if life.errors and not all(str(error).strip() for error in life.errors):
        problems.append("an error without a sentence")
    return problems


async def units_valid(world: World) -> list[str]:
    """Whether the metrics that it registers and declares are right, and all that it reports is in the catalogue and
    plausible."""
    problems: list[str] = []
    for metric in world.registered().metrics:
        try:
            expect_metrics([metric], METRICS)
        except PluginError as error:
            problems.append(str(error))
    if problems:
        return problems
    async with begun(world):
        session = world.session()
        async with living(world, session) as life:
            await speaking(world, life)
    wrong = [one for one in session.refused if one.reason in ("unknown-metric", "implausible", "wrong-date")]
    problems += [f"{one.device}: {one.reason} {one.metric}".rstrip() for one in dict.fromkeys(wrong)]
    if unknown := session.unworded(world.registered().reasons):
        problems.append(f"reasons without words: {', '.join(unknown)}")
    return problems


async def flood_held_back(world: World) -> list[str]:
    """Whether ten times the usual load waits while nothing can be kept: nothing is acknowledged that is not kept,
    nothing piles up, and all that was acknowledged is there at the end."""
    usual, problems = await _flooded(world, world.much)
    most, more = await _flooded(world, TIMES * world.much)
    if most > max(world.at_once, 2 * usual):
        more.append(f"it holds {most} tasks under ten times the load, {usual} under the usual one")
    return list(dict.fromkeys([*problems, *more]))


async def _flooded(world: World, count: int) -> tuple[int, list[str]]:
    """The most tasks that it had while nothing could be kept, and what was wrong."""
    problems: list[str] = []
    async with begun(world):
        session = world.session()
        async with living(world, session) as life:
            await speaking(world, life, 1)
            told, kept = world.acknowledged, len(session.reports)
            session.room.clear()
            say = asyncio.create_task(world.say(session, count))
            most = await _most(life, say)
            if world.acknowledged > told and len(session.reports) == kept:
                problems.append(f"it acknowledged {world.acknowledged - told} that the hub could not keep yet")
            session.room.set()
            try:
                await life.until(lambda: len(session.reports) > kept, "readings when there is room again")
                await asyncio.wait([say], timeout=PATIENCE_S)
                await life.until(lambda: len(session.reports) >= world.acknowledged, "what it has acknowledged")
            except Missing as error:
                problems.append(str(error))
            await stopped(say)
    return most, problems


async def _most(life: Life, say: asyncio.Task[None]) -> int:
    """The most tasks that it had at once, until what it does comes to rest."""
    most, steady, last = 0, 0, (-1, -1)
    for _ in range(3000):
        await asyncio.sleep(0.002)
        now = life.tasks(), life.world.acknowledged
        most = max(most, now[0])
        steady = steady + 1 if now == last else 0
        last = now
        if steady > 50 or (say.done() and steady > 20):
            break
    return most
