from __future__ import annotations

import asyncio
import logging

import pytest

from hub.core.backoff import Backoff
from hub.core.errors import AuthFailed, BufferFull, DecodeError, DiskRefuses, NotReady, StorageError
from hub.core.text import phrase
from hub.plugin_host.supervisor import FINISHED, QUARANTINE, QUARANTINED, RUNNING, STOPPED, WAITING, Health, Supervisor
from hub.sdk.testing import ManualClock, settle


def supervised(start, clock):
    return Supervisor(Health(name="thing", type="thing"), start, clock, Backoff(1.0, 60.0))


async def test_a_plugin_that_returns_is_finished():
    async def start():
        return None

    supervisor = supervised(start, ManualClock())
    await supervisor.run()
    assert supervisor.health.state == FINISHED


async def test_a_device_that_is_away_is_tried_again_and_logged_once(caplog):
    clock = ManualClock()
    tries = 0

    async def start():
        nonlocal tries
        tries += 1
        if tries < 5:
            raise NotReady("the meter does not answer")
        await asyncio.Event().wait()

    supervisor = supervised(start, clock)
    with caplog.at_level(logging.WARNING, "hub.thing"):
        task = asyncio.create_task(supervisor.run())
        await clock.advance(0.1)
        assert supervisor.health.state == WAITING
        await clock.advance(120)
    assert tries == 5
    assert supervisor.health.state == RUNNING
    assert [r.getMessage() for r in caplog.records] == ["not ready: the meter does not answer; trying again by itself"]
    task.cancel()


@pytest.mark.parametrize(
    ("others", "state"), [((), WAITING), ((AuthFailed("wrong password"),), STOPPED), ((ValueError("a bug"),), WAITING)]
)
async def test_the_worst_error_of_a_plugins_tasks_is_judged(others: tuple[Exception, ...], state: str) -> None:
    """A plugin that polls and obeys in two tasks ends by a group of errors."""
    clock = ManualClock()

    async def start() -> None:
        raise ExceptionGroup("tasks", [NotReady("the pump is away"), *others])

    supervisor = supervised(start, clock)
    task = asyncio.create_task(supervisor.run())
    await settle()
    assert supervisor.health.state == state
    assert supervisor.health.crashes == sum(isinstance(one, ValueError) for one in others)
    task.cancel()


@pytest.mark.parametrize("refuses", [StorageError, DiskRefuses, BufferFull])
async def test_a_disk_that_refuses_is_no_failure_of_the_plugin_and_quarantines_none(refuses):
    clock, room = ManualClock(), asyncio.Event()

    async def start():
        if not room.is_set():
            raise refuses("no space left on the disk")
        await asyncio.Event().wait()

    supervisor = supervised(start, clock)
    task = asyncio.create_task(supervisor.run())
    for _ in range(QUARANTINE * 2):
        await clock.advance(60)
    assert (supervisor.health.state, supervisor.health.crashes) == (WAITING, 0)
    room.set()
    await clock.advance(60)
    assert supervisor.health.state == RUNNING
    task.cancel()


async def test_the_delay_between_tries_grows_and_never_passes_its_limit():
    backoff = Backoff(1.0, 60.0)
    delays = [backoff.next() for _ in range(50)]
    assert 0.5 <= delays[0] <= 1.0
    assert all(delay <= 60.0 for delay in delays)
    assert min(delays[-10:]) >= 30.0


async def test_a_refused_credential_stops_the_plugin_until_somebody_acts():
    tries = 0

    async def start():
        nonlocal tries
        tries += 1
        raise AuthFailed("the broker refuses the password")

    supervisor = supervised(start, ManualClock())
    await supervisor.run()
    assert (tries, supervisor.health.state, supervisor.health.error) == (1, STOPPED, "the broker refuses the password")


async def test_a_bug_is_restarted_then_quarantined_when_it_repeats(caplog):
    clock = ManualClock()

    async def start():
        raise ZeroDivisionError("oops")

    supervisor = supervised(start, clock)
    with caplog.at_level(logging.ERROR, "hub.thing"):
        task = asyncio.create_task(supervisor.run())
        for _ in range(QUARANTINE * 2):
            await clock.advance(60)
        await settle()
    assert task.done()
    assert supervisor.health.state == QUARANTINED
    assert supervisor.health.crashes == QUARANTINE
    assert sum(1 for record in caplog.records if record.exc_info) == 1, "the traceback is shown once"


async def test_a_plugin_that_ends_the_program_ends_itself():
    async def start():
        raise SystemExit("no dongle found")

    supervisor = supervised(start, ManualClock())
    task = asyncio.create_task(supervisor.run())
    await settle()
    assert not task.done()
    assert (supervisor.health.state, supervisor.health.error) == (WAITING, "SystemExit: no dongle found")
    task.cancel()


async def test_cancelling_stops_the_plugin_and_its_clean_up_runs():
    cleaned = []

    async def start():
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    task = asyncio.create_task(supervised(start, ManualClock()).run())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert cleaned == [True]


async def test_a_plugin_that_fails_at_the_moment_it_is_told_to_stop_is_not_run_again():
    tries = 0

    async def fails_in_its_clean_up():
        try:
            await asyncio.Event().wait()
        finally:
            raise NotReady("the bus is gone")

    async def start():
        nonlocal tries
        tries += 1
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails_in_its_clean_up())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    task = asyncio.create_task(supervised(start, ManualClock()).run())
    await settle()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done, "it waits to be run again"
    assert task.cancelled()
    assert tries == 1


SILENT = phrase("acme.valve-silent", "{valve} does not answer", valve="V1")


@pytest.mark.parametrize("error", [NotReady(SILENT), AuthFailed(SILENT), DecodeError("bad-frame", SILENT)])
async def test_a_sentence_with_a_code_keeps_it_in_the_health_and_in_the_log(error, caplog):
    async def start():
        raise error

    clock = ManualClock()
    supervisor = supervised(start, clock)
    with caplog.at_level(logging.WARNING, "hub.thing"):
        task = asyncio.create_task(supervisor.run())
        await clock.advance(0.1)
    said = supervisor.health.error
    if isinstance(error, DecodeError):  # nothing that a plugin may raise here: a bug of its code
        assert said.code == "error-of-type"
        said = said.params["reason"]
    assert (said.code, said.params) == ("acme.valve-silent", {"valve": "V1"})
    reason = caplog.records[-1].msg.params["reason"]
    assert SILENT in (reason, reason.params.get("reason"))
    task.cancel()
