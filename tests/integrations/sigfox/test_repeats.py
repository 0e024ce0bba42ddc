"""An operator that calls again after a refusal: each message is stored once, over the real buffer and its failures.
Behind it stand twins that are broken in one place."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import hub
from hub.sdk.sigfox.callback import read
from integrations.sigfox.downlinks import Downlinks
from integrations.sigfox.intake import Intake
from tests.hub.life_kit import FULL, SYNC, Hub

DEVICE = hub.Device(
    id="sigfox:1D2F3",
    integration="sigfox",
    place="classe-1",
    settings={
        "format": "temp::int:16:little-endian",
        "values": {"temperature": {"field": "temp", "scale": 0.01}},
    },
)


class Operator:
    """`call` is one callback of message n; `answered` those that got an answer."""

    def __init__(self, directory: Path, intake: type[Intake]) -> None:
        self.hub = Hub(directory, "sigfox", [DEVICE], pending_rows=4096)
        self._made = intake
        self.answered: set[int] = set()
        self.begin()

    def begin(self) -> None:
        """The plugin begins anew, in the same process."""
        self.intake = self._made(self.hub.session, Downlinks(self.hub.session))

    def kill(self) -> None:
        self.hub.kill()
        self.begin()

    async def call(self, n: int, *, heard: bool = True) -> bool:
        said = {"device": "1D2F3", "time": 1_760_000_000 + n, "seqNumber": n, "data": f"{n:02x}00"}
        try:
            await self.intake.take(read("uplink", said))
        except hub.NotReady:
            return False
        self.answered |= {n} if heard else set()
        return heard

    async def check(self) -> None:
        stored = Counter(round(said["temperature"] * 100) for _, said, _ in await self.hub.stored())
        assert stored == Counter(dict.fromkeys(self.answered, 1))


async def refused_then_begun_anew_then_killed(at: Operator) -> None:
    at.hub.disk.trouble = FULL
    assert not await at.call(1)
    at.begin()
    assert not await at.call(1), "what is in memory alone is not answered"
    at.kill()
    assert await at.call(1)
    await at.check()


async def killed_between_commit_and_answer(at: Operator) -> None:
    assert not await at.call(1, heard=False)
    at.kill()
    assert await at.call(1)
    await at.check()


async def anything(at: Operator) -> None:
    rng = random.Random(7)
    for n in range(1, 60):
        for _ in range(1000):
            at.hub.disk.trouble = rng.choice([FULL, SYNC, "", "", ""])
            if await at.call(n, heard=rng.random() < 0.6):
                break
            if rng.random() < 0.3:
                rng.choice([at.begin, at.kill])()
    await at.check()


SCENARIOS = {
    one.__name__: one for one in (refused_then_begun_anew_then_killed, killed_between_commit_and_answer, anything)
}


class KnowsNothing(Intake):
    """It hands over each time."""

    async def _reports(self, known: Any, callback: Any, kept: int) -> Any:
        return await super()._reports(known, callback, 0)


class RemembersInMemory(Intake):
    """What it remembers does not outlive the process."""

    async def _keep(self, known: Any, callback: Any) -> None:
        put = self._session.state.put
        self._session.state.put = lambda key, value: None  # type: ignore[method-assign]
        try:
            await super()._keep(known, callback)
        finally:
            self._session.state.put = put  # type: ignore[method-assign]


class AnswersTooSoon(Intake):
    """What is said again is answered without waiting for the disk."""

    async def _reports(self, known: Any, callback: Any, kept: int) -> Any:
        parts, reports = await super()._reports(known, callback, kept)
        self._again = not parts
        return parts, reports

    async def _durable(self) -> None:
        if not self._again:
            await super()._durable()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_message_that_the_operator_sends_again_is_stored_once(name: str, tmp_path: Path) -> None:
    at = Operator(tmp_path / "buffer", Intake)
    try:
        await SCENARIOS[name](at)
    finally:
        at.hub.end()


@pytest.mark.parametrize(
    ("twin", "name"),
    [
        (KnowsNothing, "killed_between_commit_and_answer"),
        (KnowsNothing, "anything"),
        (RemembersInMemory, "killed_between_commit_and_answer"),
        (RemembersInMemory, "anything"),
        (AnswersTooSoon, "refused_then_begun_anew_then_killed"),
    ],
)
async def test_a_broken_twin_is_caught(twin: type[Intake], name: str, tmp_path: Path) -> None:
    at = Operator(tmp_path / "buffer", twin)
    try:
        with pytest.raises(AssertionError):
            await SCENARIOS[name](at)
    finally:
        at.hub.end()
