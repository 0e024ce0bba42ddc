"""A broker that gives a message again after a refusal: each frame is stored once, over the real buffer and its
failures. Behind it stand twins that are broken in one place."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import server_kit as kit

import hub
from integrations.lorawan_servers.driver import Driver
from integrations.lorawan_servers.freshness import Memory
from tests.hub.life_kit import FULL, SYNC, Hub

from .driver_kit import UP, driver, hear

KNOWN = hub.Device(
    id=kit.DEVICE, integration="chirpstack", place="classe-1", settings={"decoded": {"temperature": {"path": "t"}}}
)


class Broker:
    """`give` is one message, frame n; `acknowledged` those that were. A refusal ends the plugin's run."""

    def __init__(self, directory: Path, twin: type[Driver]) -> None:
        self.hub = Hub(directory, "chirpstack", [KNOWN], pending_rows=4096)
        self._twin = twin
        self.acknowledged: set[int] = set()
        self.begin()

    def begin(self) -> None:
        self.driver = driver(self.hub.session)  # type: ignore[arg-type]  # the hub's own session
        self.driver.__class__ = self._twin

    def kill(self) -> None:
        self.hub.kill()
        self.begin()

    async def give(self, n: int, *, heard: bool = True) -> bool:
        message = kit.uplink(n, at=kit.NOW - 200 + n)
        message["object"] = {"t": float(n)}
        try:
            await hear(self.driver, UP, message)
        except hub.NotReady:
            self.begin()
            return False
        self.acknowledged |= {n} if heard else set()
        return heard

    async def check(self) -> None:
        stored = Counter(said["temperature"] for _, said, _ in await self.hub.stored() if "temperature" in said)
        assert stored == Counter(dict.fromkeys(map(float, self.acknowledged), 1))


async def refused_then_killed(at: Broker) -> None:
    for trouble in (FULL, SYNC):
        at.hub.disk.trouble = trouble
        n = len(trouble)
        for _ in range(3):
            assert not await at.give(n), "what is in memory alone is not acknowledged"
        at.kill()
        assert await at.give(n)
    await at.check()


async def killed_between_commit_and_acknowledgement(at: Broker) -> None:
    assert not await at.give(1, heard=False)
    at.kill()
    assert await at.give(1)
    await at.check()


async def anything(at: Broker) -> None:
    rng = random.Random(3)
    for n in range(1, 50):
        for _ in range(1000):
            at.hub.disk.trouble = rng.choice([FULL, SYNC, "", "", ""])
            if await at.give(n, heard=rng.random() < 0.6):
                break
            if rng.random() < 0.3:
                at.kill()
    await at.check()


SCENARIOS = {one.__name__: one for one in (refused_then_killed, killed_between_commit_and_acknowledgement, anything)}


class KnowsNothing(Driver):
    """It hands over each time."""

    def _memory(self, name: str) -> Memory:
        return Memory()


class RemembersInMemory(Driver):
    """What it remembers does not outlive the process."""

    def _remember(self, name: str, memory: Memory) -> None:
        pass


class AcknowledgesTooSoon(Driver):
    """What comes again is acknowledged without waiting for the disk."""

    def _wait_for_commit(self, name: str) -> Any:
        async def nothing() -> None:
            pass

        return nothing


async def play(twin: type[Driver], name: str, directory: Path) -> None:
    at = Broker(directory, twin)
    try:
        await SCENARIOS[name](at)
    finally:
        at.hub.end()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_message_that_the_broker_gives_again_is_stored_once(name: str, tmp_path: Path) -> None:
    await play(Driver, name, tmp_path / "buffer")


@pytest.mark.parametrize(
    ("twin", "name"),
    [
        (KnowsNothing, "killed_between_commit_and_acknowledgement"),
        (KnowsNothing, "anything"),
        (RemembersInMemory, "killed_between_commit_and_acknowledgement"),
        (AcknowledgesTooSoon, "refused_then_killed"),
    ],
)
async def test_a_broken_twin_is_caught(twin: type[Driver], name: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await play(twin, name, tmp_path / "buffer")
