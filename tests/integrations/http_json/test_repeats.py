"""A sender that repeats what was refused is stored once: with a full disk, failing syncs, kills and cancellations, over
the real buffer. Behind each stands a twin of the intake that is broken in one place, and that the same oracle sees."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import hub
from hub.core.clock import BUILD_FLOOR
from hub.sdk.testing import settle
from integrations.http_json import messages
from integrations.http_json.intake import Intake
from integrations.http_json.messages import LEAST, MOST, Memory, message, most_for
from integrations.http_json.roster import Roster
from tests.hub.life_kit import FULL, SYNC, Hub

DEVICE = "http:m"
VALUES = {"power": {"path": "P"}}
TWINS = {}


def twin(made: type[Intake]) -> type[Intake]:
    TWINS[made.__name__] = made
    return made


class House:
    """A hub with one device that sends. `say` is one request; `answered` counts what was answered, by its readings."""

    def __init__(self, directory: Path, intake: type[Intake], pending: int = 4096, **settings: Any) -> None:
        device = hub.Device(
            id=DEVICE, integration="http_json", place="classe-1", settings={"hook": "m", "values": VALUES, **settings}
        )
        self.hub = Hub(directory, "http_json", [device], pending_rows=pending)
        self._made = intake
        self.answered: Counter[Any] = Counter()
        self.begin()

    def begin(self) -> None:
        self.roster = Roster(self.hub.session)
        self.roster.refresh()
        self.intake = self._made(self.hub.session, self.roster)

    def kill(self) -> None:
        self.hub.kill()
        self.begin()

    async def say(self, document: dict[str, Any], *, heard: bool = True, **headers: str) -> bool:
        """Whether it is answered; `heard`: and the sender gets the answer."""
        try:
            taken = await self.intake.take(self.roster.hooks["m"], document, headers)
        except hub.NotReady:
            return False
        if heard:
            self.intake.answered(taken)
            self.answered[document["P"], document.get("t")] += 1
        return heard

    async def stored(self) -> Counter[Any]:
        return Counter(
            (said["power"], time / 1000 if time / 1000 < BUILD_FLOOR else None)
            for _, said, time in await self.hub.stored()
        )

    async def check(self) -> None:
        """All that was answered is stored, as often, and nothing else is."""
        assert await self.stored() == self.answered


DATED = {"time": "t"}
AT = BUILD_FLOOR - 100_000.0
Scenario = Callable[[Callable[..., House]], Awaitable[None]]


async def refused_by_the_disk(house: Callable[..., House]) -> None:
    for trouble in (FULL, SYNC):
        for settings, date in ((DATED, {"t": AT}), ({}, {})):
            at = house(**settings)
            at.hub.disk.trouble = trouble
            for _ in range(3):
                assert not await at.say({"P": 1.0, **date})
            at.hub.disk.trouble = ""
            async with asyncio.timeout(60):
                while not await at.say({"P": 1.0, **date}):
                    await asyncio.sleep(0)
            await at.check()


async def killed_between_commit_and_answer(house: Callable[..., House]) -> None:
    for settings, said in ((DATED, {"P": 1.0, "t": AT}), ({}, {"P": 1.0}), ({"message_id": "n"}, {"P": 1.0, "n": 7})):
        at = house(**settings)
        assert not await at.say(said, heard=False)
        at.kill()
        assert await at.say(said)
        await at.check()


async def killed_while_the_disk_refuses(house: Callable[..., House]) -> None:
    for trouble in (FULL, SYNC):
        at = house(**DATED)
        at.hub.disk.trouble = trouble
        assert not await at.say({"P": 1.0, "t": AT})
        assert not await at.say({"P": 1.0, "t": AT})
        at.kill()
        assert await at.say({"P": 1.0, "t": AT})
        at.kill()
        await at.check()


async def cancelled_while_there_is_no_room(house: Callable[..., House]) -> None:
    at = house(pending=8, **DATED)
    at.hub.disk.trouble = SYNC
    for n in range(8):
        await at.hub.session.emit(hub.Report(device=DEVICE, values={"power": 100.0 + n}, time=AT))
        at.answered[100.0 + n, AT] += 1
    saying = asyncio.create_task(at.say({"P": 1.0, "t": AT}))
    await settle()
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)
    await at.hub.stored()
    at.kill()
    assert await at.say({"P": 1.0, "t": AT})
    await at.check()


async def cancelled_while_it_waits_for_the_disk(house: Callable[..., House]) -> None:
    at = house()
    at.hub.disk.slow.clear()
    saying = asyncio.create_task(at.say({"P": 1.0}))
    await settle()
    saying.cancel()
    await asyncio.gather(saying, return_exceptions=True)
    at.hub.disk.slow.set()
    assert await at.say({"P": 1.0})
    await at.check()


async def said_twice_at_once(house: Callable[..., House]) -> None:
    at = house(**DATED)
    await asyncio.gather(*(at.say({"P": 1.0, "t": AT}, heard=n == 0) for n in range(5)))
    await at.check()


async def genuine_ones_that_are_alike_or_differ(house: Callable[..., House]) -> None:
    at = house()
    for _ in range(3):  # no date: measured again and again
        assert await at.say({"P": 1.0})
    at.kill()
    await at.check()
    at = house(**DATED)
    for n in range(3):
        assert await at.say({"P": 1.0, "t": AT + n})
        assert await at.say({"P": 2.0, "t": AT + n})
    await at.check()
    at = house(message_id="n")
    for n in (1, 2, 3):  # numbered: each counts
        assert await at.say({"P": 1.0, "n": n})
    for value in (2.0, 3.0):  # a device whose numbers start over
        assert await at.say({"P": value, "n": 1})
    await at.check()


async def refused_and_then_many_others(house: Callable[..., House]) -> None:
    at = house(**DATED)
    at.hub.disk.trouble = SYNC
    assert not await at.say({"P": 0.0, "t": AT})
    at.hub.disk.trouble = ""
    await at.hub.stored()
    for n in range(MOST + 50):
        assert await at.say({"P": 1.0 + n, "t": AT})
    assert await at.say({"P": 0.0, "t": AT})
    await at.check()


async def a_disk_that_refuses_for_long(house: Callable[..., House]) -> None:
    """Most of what is refused meanwhile is never taken, so that what must be remembered stays small."""
    at = house(**DATED)
    at.hub.disk.trouble = SYNC
    for n in range(MOST + 50):
        assert not await at.say({"P": 1.0 + n, "t": AT})
    await at.hub.stored()
    for n in range(MOST + 50):
        assert await at.say({"P": 1.0 + n, "t": AT})
    await at.check()


async def anything(house: Callable[..., House]) -> None:
    """A sender that repeats each message until it is answered, while the disk fails and comes back and the hub is
    killed: seeds, not sleeps."""
    for seed in range(4):
        rng, at = random.Random(seed), house(**DATED)
        for n in range(30):
            async with asyncio.timeout(60):
                while True:
                    at.hub.disk.trouble = rng.choice([FULL, SYNC, "", "", ""])
                    if await at.say({"P": float(n), "t": AT + n}, heard=rng.random() < 0.6):
                        break
                    if rng.random() < 0.15:
                        at.kill()
        await at.check()


SCENARIOS: list[Scenario] = [
    refused_by_the_disk,
    killed_between_commit_and_answer,
    killed_while_the_disk_refuses,
    cancelled_while_there_is_no_room,
    cancelled_while_it_waits_for_the_disk,
    said_twice_at_once,
    genuine_ones_that_are_alike_or_differ,
    refused_and_then_many_others,
    a_disk_that_refuses_for_long,
    anything,
]


async def play(scenario: Scenario, intake: type[Intake], directory: Path) -> None:
    with contextlib.ExitStack() as ends:

        def house(**settings: Any) -> House:
            made = House(directory / str(len(list(directory.iterdir()))), intake, **settings)
            ends.callback(made.hub.end)
            return made

        await scenario(house)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_a_sender_that_repeats_is_stored_once_and_what_differs_is_stored_each(
    scenario: Scenario, tmp_path: Path
) -> None:
    await play(scenario, Intake, tmp_path)


# -- twins ------------------------------------------------------------------------------------------------------------


class _Nothing(Memory):
    def __contains__(self, mark: bytes) -> bool:
        return False


@twin
class KnowsNothing(Intake):
    """As it was: each message is handed over."""

    def _memory(self, device: str) -> Memory:
        return self._memories.setdefault(device, _Nothing())


@twin
class RemembersInMemory(Intake):
    """What it remembers does not outlive the process."""

    def _remember(self, device: str) -> None:
        pass


@twin
class RemembersTooSoon(Intake):
    """It notes a message before there is room for it."""

    async def _hand_over(self, device: str, said: Any, mark: bytes) -> None:
        self._memory(device).take(mark, MOST)
        self._remember(device)
        await super()._hand_over(device, said, mark)


@twin
class RemembersTooLate(Intake):
    """It notes a message once it is durable, in a later commit."""

    async def take(self, reader: Any, document: Any, headers: Any) -> Any:
        remember, self._remember = self._remember, lambda device: None  # type: ignore[method-assign]
        try:
            return await super().take(reader, document, headers)
        finally:
            self._remember = remember  # type: ignore[method-assign]

    def answered(self, taken: Any) -> None:
        self._remember(taken.device)
        super().answered(taken)


@twin
class AnswersTooSoon(Intake):
    """What is said again is answered without waiting for the disk."""

    async def _durable(self) -> None:
        if not self._unsure:
            await super()._durable()


@twin
class ForgetsNothing(Intake):
    """Alike is the same for good, with or without a date."""

    async def take(self, reader: Any, document: Any, headers: Any) -> Any:
        taken = await super().take(reader, document, headers)
        return taken._replace(message=taken.message._replace(lasting=True))


@twin
class BelievesTheId(Intake):
    """The same id is the same message, whatever it says."""

    async def take(self, reader: Any, document: Any, headers: Any) -> Any:
        real = messages.message
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "integrations.http_json.intake.message",
                lambda sender, time, values: real(sender, time, {} if sender else values),
            )
            return await super().take(reader, document, headers)


@twin
class TakesWhateverComes(Intake):
    """It takes on and on while the disk refuses."""

    @property
    def _unsure(self) -> bool:
        return False

    @_unsure.setter
    def _unsure(self, value: bool) -> None:
        pass


@twin
class KnowsTheLastFewOnly(Intake):
    """What was answered pushes out what was not."""

    def _memory(self, device: str) -> Memory:
        found = super()._memory(device)
        found.__class__ = _Ring
        return found


class _Ring(Memory):
    def take(self, mark: bytes, most: int) -> None:
        while len(self) >= most:
            del (self._owed or self._answered)[next(iter(self._owed or self._answered))]
        super().take(mark, most)


CAUGHT: dict[str, set[str]] = {
    "KnowsNothing": {
        "refused_by_the_disk", "killed_between_commit_and_answer", "cancelled_while_it_waits_for_the_disk",
        "said_twice_at_once", "refused_and_then_many_others", "a_disk_that_refuses_for_long", "anything",
    },
    "RemembersInMemory": {"killed_between_commit_and_answer", "anything"},
    "RemembersTooSoon": {"cancelled_while_there_is_no_room"},
    "RemembersTooLate": {"killed_between_commit_and_answer", "anything"},
    "AnswersTooSoon": {"refused_by_the_disk", "killed_while_the_disk_refuses"},
    "ForgetsNothing": {"genuine_ones_that_are_alike_or_differ"},
    "BelievesTheId": {"genuine_ones_that_are_alike_or_differ"},
    "TakesWhateverComes": {"a_disk_that_refuses_for_long"},
    "KnowsTheLastFewOnly": {"refused_and_then_many_others"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "scenario"), [(name, scenario) for name, caught in CAUGHT.items() for scenario in sorted(caught)]
)
async def test_a_broken_twin_is_caught(name: str, scenario: str, tmp_path: Path) -> None:
    (played,) = [one for one in SCENARIOS if one.__name__ == scenario]
    with pytest.raises(AssertionError):
        await play(played, TWINS[name], tmp_path)


def test_each_twin_is_caught_by_something() -> None:
    assert set(CAUGHT) == set(TWINS)


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_what_is_remembered_is_bounded_for_any_number_of_devices() -> None:
    for devices in (0, 1, 10, 100, 1000):
        memory = Memory()
        for n in range(3 * MOST):
            memory.take(message("", float(n), {"power": 1.0}).mark, most_for(devices))
            memory.answer(message("", float(n), {"power": 1.0}))
        assert LEAST <= len(memory) == most_for(devices) <= MOST
        assert devices * len(memory.packed()) < 200 * 1024
        assert Memory(memory.packed()).packed() == memory.packed()


@pytest.mark.parametrize("packed", [None, b"", b"\0", b"\0\1\2", b"\xff\xff" + bytes(16), 7, "text"])
def test_a_record_that_is_damaged_is_an_empty_one_or_bounded(packed: Any) -> None:
    memory = Memory(packed)
    memory.take(b"8 bytes.", 4)
    assert b"8 bytes." in memory
    assert len(memory) <= 4


async def test_devices_that_send_no_more_leave_nothing_behind(tmp_path: Path) -> None:
    house = House(tmp_path / "b", Intake, **DATED)
    assert await house.say({"P": 1.0, "t": AT})
    state, other = house.hub.session.state, "http:other"
    assert state.get(f"hook/{DEVICE}") is not None
    house.hub.path.devices.remove(DEVICE)
    house.hub.path.devices.put(
        hub.Device(id=other, integration="http_json", place="classe-1", settings={"hook": "m", "values": VALUES})
    )
    house.roster.refresh()
    assert await house.say({"P": 1.0})
    assert (state.get(f"hook/{DEVICE}"), state.get("devices")) == (None, [other])
    house.hub.end()


async def test_more_devices_than_a_state_holds_cost_no_reading(tmp_path: Path) -> None:
    house = House(tmp_path / "b", Intake, **DATED)
    for n in range(4):
        house.hub.session.state.put(f"filler{n}", bytes(65_000))
    house.hub.session.state.put("filler4", bytes(2_080))
    assert await house.say({"P": 1.0, "t": AT})
    assert house.hub.path.counts.of("state-full", DEVICE) >= 1
    await house.check()
    house.hub.end()
