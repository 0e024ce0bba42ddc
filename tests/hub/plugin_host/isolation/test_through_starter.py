"""A plugin of somebody else with its session, in the process that the real starter gives it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.plugin_host.isolation import by_starter
from hub.plugin_host.supervisor import FINISHED, WAITING
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, Stage, eventually
from tests.redteam.vehicle import Place, as_hub, needs_root

pytestmark = needs_root


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ilot-apart-") as folder:  # pytest closes its own to other users
        Path(folder).chmod(0o755)
        with Place(Path(folder)).starter() as path:
            monkeypatch.setattr(by_starter, "SOCKET", path)
            yield path


@pytest.mark.real("processes")
def test_it_reads_keeps_and_reports_as_in_the_hubs_own_process(starter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def deed(does: str, isolation: str | None) -> Stage:
        stage = Stage()
        async with stage.run(isolation, does) as health:
            await eventually(lambda: health.state == FINISHED or health.error)
        assert health.error == ""
        assert health.apart == (isolation is None)
        return stage

    monkeypatch.syspath_prepend(str(EXAMPLES))
    for does in ("emits", "keeps", "knows_its_devices"):
        with as_hub():
            here, apart = asyncio.run(deed(does, "none")), asyncio.run(deed(does, None))
        assert apart.readings() == here.readings()
        assert apart.said == here.said


@pytest.mark.real("processes")
def test_it_is_gone_when_the_hub_stops_it_and_starts_again_at_once(starter: str) -> None:
    async def again() -> None:
        for _ in range(3):
            stage = Stage()
            async with stage.run(None, "counts_up") as health:
                await eventually(stage.readings)
                assert health.error == ""

    with as_hub():
        asyncio.run(again())


def test_where_the_starter_is_gone_it_waits_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(by_starter, "SOCKET", str(tmp_path / "none"))

    async def wait() -> None:
        async with Stage().run(None, "emits") as health:
            await eventually(lambda: health.error)
            assert health.state == WAITING
            assert "ilot-plugins.socket" in health.error

    asyncio.run(wait())


@pytest.mark.real("processes")
def test_root_who_is_not_heard_is_told_whose_turn_it_is(starter: str) -> None:
    async def deed() -> str:
        async with Stage().run(None, "emits") as health:
            await eventually(lambda: health.error)
            return str(health.error)

    assert "for the hub's user alone, not for root: `sudo -u ilot`" in asyncio.run(deed())
