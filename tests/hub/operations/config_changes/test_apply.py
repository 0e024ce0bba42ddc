"""A change is whole or not at all; what is said of it is how it stands, also where the disk or who asks is at fault."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.config import history
from hub.config.instances import Models
from hub.config.last_good import LastGoodStore
from hub.config.load import load
from hub.core.clock import SystemClock
from hub.core.errors import HubError, StorageError
from hub.operations.config_changes import ConfigChanger, RunningHub

FIRST = "sites: {s: {}}\nweb: {address: 127.0.0.1, port: 8443}\n"
OTHER = FIRST.replace("8443", "8444")


class House:
    """A configuration on the disk, and the part that changes it; `reloads` are its calls."""

    def __init__(self, root: Path) -> None:
        self.file, self.kept = root / "config.yaml", LastGoodStore(root / "state", bytes(32))
        (root / "state").mkdir()
        self.file.write_text(FIRST)
        self.reloads, self.audited, self.refuses = 0, list[str](), False
        self.changing = ConfigChanger(
            load(self.file, Models()),
            [],
            kept=self.kept,
            models=Models(),
            clock=SystemClock(),
            hub=RunningHub(self.reload, dict, self.audit, lambda: None),
        )

    async def reload(self, *_: Any) -> None:
        self.reloads += 1

    async def audit(self, who: str, what: dict[str, Any]) -> None:
        if self.refuses:
            raise StorageError("no room")
        self.audited.append(what["config"])

    async def call(self, name: str, **arguments: Any) -> Any:
        async with asyncio.timeout(60):
            return await self.changing.calls()[name](arguments)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    work = asyncio.create_task(made.changing.run())
    yield made
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


@pytest.mark.parametrize("seconds", ["soon", -5, float("nan"), [1]])
async def test_a_time_to_confirm_that_is_none_is_refused_before_anything_is_written(house: House, seconds: Any) -> None:
    with pytest.raises(HubError, match="number of seconds"):
        await house.call("config.apply", files={"config.yaml": OTHER}, confirm_s=seconds)
    assert (house.file.read_text(), house.reloads) == (FIRST, 0)
    assert history.under_way(house.kept) is None
    assert (await house.call("config.apply", files={"config.yaml": OTHER}))["state"] == "unconfirmed"


async def test_a_change_that_the_audit_log_does_not_take_is_told_as_it_stands_and_its_lack_is_said(
    house: House,
) -> None:
    house.refuses = True
    assert (await house.call("config.apply", files={"config.yaml": OTHER}))["state"] == "unconfirmed"
    assert any("missing in the audit log" in said for said in house.changing.complaints())
    house.refuses = False
    assert (await house.call("config.confirm"))["state"] == "committed"
    assert house.file.read_text() == OTHER
    assert history.under_way(house.kept) is None


async def test_that_nothing_is_under_way_any_more_is_said_together_with_what_became_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, written = history.History.add, threading.Event()

    def slow(self: history.History, *arguments: Any, **named: Any) -> Any:
        if named["what"] == history.REFUSED:  # what ran at the start is written as ever
            assert written.wait(60)  # a card that takes its time
        return add(self, *arguments, **named)

    monkeypatch.setattr(history.History, "add", slow)
    assert (await house.call("config.apply", files={"config.yaml": OTHER}, confirm_s=0.01))["state"] == "unconfirmed"
    try:
        async with asyncio.timeout(60):
            while house.reloads < 2:  # there and back
                await asyncio.sleep(0.01)
        assert (await house.call("config.progress"))["stage"] == "returning"
    finally:
        written.set()
    async with asyncio.timeout(60):
        while (now := await house.call("config.progress"))["stage"]:
            await asyncio.sleep(0.01)
    assert (now["last"]["state"], now["last"]["why"]) == ("taken-back", "nobody confirmed it in time")
