"""A kill of the process that dispatches, at every step of it: nobody is left untold, and who is told twice is told
under the same id. A twin that marks as sent before it sends is caught."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from dispatch_kit import Clock, Ear, arrive, change, dispatcher, plan, turns

from backend.city.city import City
from backend.city.dispatch.channels.channel import Envelope, Outcome, Sent
from backend.city.dispatch.dispatcher import LEASE_S, Dispatcher
from backend.city.store import CityStore
from backend.storage.city import dispatch as table
from backend.storage.city.dispatch import Message

MOST = 200


class Killed(BaseException):
    pass


class Scythe:
    """Counts steps, and kills at one of them; who is dead does nothing more."""

    def __init__(self, at: int) -> None:
        self.at, self.count, self.dead = at, 0, False

    def step(self) -> None:
        if not self.dead:
            self.dead = self.count == self.at
            self.count += 1
        if self.dead:
            raise Killed


class MortalStore(CityStore):
    """The city's store, with a step before and after each commit and each read."""

    def __init__(self, other: CityStore, scythe: Scythe) -> None:
        self.__dict__ |= other.__dict__
        self._scythe = scythe

    async def write(self, work: Callable[..., Any]) -> Any:
        self._scythe.step()
        made = await super().write(work)
        self._scythe.step()
        return made

    async def read(self, work: Callable[..., Any]) -> Any:
        self._scythe.step()
        return await super().read(work)


class MortalEar(Ear):
    def __init__(self, scythe: Scythe, heard: list[Envelope]) -> None:
        super().__init__()
        self._scythe, self.heard = scythe, heard

    async def send(self, message: Envelope) -> Outcome:
        self._scythe.step()
        answer = await super().send(message)
        self._scythe.step()
        return answer


class Early(Dispatcher):
    """The broken twin: it marks as sent before it sends."""

    async def _deliver(self, one: Message) -> None:
        await self._note(one, Sent())
        await super()._deliver(one)


async def life(city: City, clock: Clock, heard: list[Envelope], at: int, kind: type[Dispatcher]) -> bool:
    """One life of the process; return whether it was killed."""
    scythe = Scythe(at)
    mortal = dataclasses.replace(city, store=MortalStore(city.store, scythe))
    mortal.clock = clock
    ear = MortalEar(scythe, heard)
    one = kind(mortal, channels={"email": ear, "sms": ear}, hold_s=0.0, monotonic=clock)
    try:
        for _ in range(3):
            await one.turn(wait=True)
    except Killed:
        pass
    finally:
        scythe.dead = True
        await asyncio.gather(*one._sending.values(), return_exceptions=True)
    return scythe.count > scythe.at


async def told_after_a_kill_at(
    city: City, clock: Clock, at: int, kind: type[Dispatcher]
) -> tuple[list[Envelope], bool]:
    """Raise an alert, kill at a step, let a later process go on; then the same with its end."""
    heard: list[Envelope] = []
    name = f"a{at}{kind.__name__}"
    await arrive(city, change(name, at=clock.now))
    killed = await life(city, clock, heard, at, kind)
    clock.now += LEASE_S + 1
    await life(city, clock, heard, MOST, kind)
    await arrive(city, change(name, n=2, state="cleared", by="rule:bin-full", at=clock.now))
    await life(city, clock, heard, at, kind)
    clock.now += LEASE_S + 1
    await life(city, clock, heard, MOST, kind)
    return [one for one in heard if one.facts.alert == name], killed


@pytest.fixture
def clock(city: City) -> Clock:
    made = Clock()
    city.clock = made
    return made


async def test_a_kill_at_any_step_loses_no_message_and_repeats_none_under_another_id(city: City, clock: Clock) -> None:
    await plan(city)
    at, killed = 0, True
    while killed:
        heard, killed = await told_after_a_kill_at(city, clock, at, Dispatcher)
        raised = [one.id for one in heard if one.facts.what == "raised"]
        cleared = [one.id for one in heard if one.facts.what == "cleared"]
        assert len(raised) in (1, 2), at
        assert len(cleared) in (1, 2), at
        assert len({*raised}) == len({*cleared}) == 1, at
        at += 1
    assert at > 15  # there were so many steps


async def test_a_dispatcher_that_marks_before_it_sends_is_caught(city: City, clock: Clock) -> None:
    await plan(city)
    at, killed, lost = 0, True, 0
    while killed:
        heard, killed = await told_after_a_kill_at(city, clock, at, Early)
        lost += not any(one.facts.what == "raised" for one in heard)
        at += 1
    assert lost


async def test_a_message_whose_lease_another_process_took_over_is_not_noted_twice(city: City, clock: Clock) -> None:
    await plan(city)
    await arrive(city, change())
    first = dispatcher(city, Ear())
    await first.take_in()
    one = await city.store.write(lambda t: table.claim(t, "first", clock.now, clock.now + LEASE_S, 9)[0])
    clock.now += LEASE_S + 1
    second = Ear()
    await turns(dispatcher(city, second))
    assert [envelope.id for envelope in second.heard] == [one.id]
    late = await city.store.write(
        lambda t: table.settle(t, one, "undeliverable", next_at=None, error="", sent_at=None, reference="")
    )
    assert not late
    [line] = await city.store.read(lambda r: table.messages_of(r, "h1", "a1"))
    assert line.state == "sent"
