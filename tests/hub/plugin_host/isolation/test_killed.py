"""A process killed at any moment: what was durable is there, once."""

from __future__ import annotations

import os
import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub.plugin_host.isolation import launch
from hub.plugin_host.supervisor import RUNNING, Health
from tests.hub.life_kit import Hub
from tests.hub.plugin_host.isolation.apart_kit import OWN, Stage, directly, eventually

pytestmark = pytest.mark.real("processes")

KILLS = 4


async def lived(path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kills: int) -> None:
    """One hub, whose plugin counts up and is killed at random moments; then all of its disk is read."""
    rng, pids = random.Random(kills), []
    directly(monkeypatch)
    start = launch.launched

    def launched(*given: Any) -> Any:
        running = start(*given)

        class Seen:
            async def __aenter__(self) -> Any:
                process = await running.__aenter__()
                pids.append(process.pid)
                return process

            async def __aexit__(self, *error: Any) -> None:
                await running.__aexit__(*error)

        return Seen()

    monkeypatch.setattr(launch, "launched", launched)
    hub = Hub(path, "acme", [OWN], pending_rows=512, max_bytes=1 << 30)  # a quick machine makes thousands of readings
    stage = Stage(buffer=hub.buffer)

    def durable() -> list[int]:
        said = [record.getMessage() for record in caplog.records if record.name == "hub.acme"]
        return [int(line.removeprefix("durable ")) for line in said if line.startswith("durable ")]

    def counter() -> int:
        """How far it has come; its log has a few lines a second alone, and it may be thousands further by then."""
        return int(stage.said.get("n", 0))

    def counting(health: Health, life: int, enough: int) -> bool:
        return health.state == RUNNING and len(pids) == life and counter() >= enough

    def crashed(health: Health, life: int) -> bool:
        return health.crashes == life

    with caplog.at_level("INFO", "hub.acme"):
        async with stage.run(None, "counts_up") as health:
            for life in range(1, kills + 1):
                enough = counter() + 1 + rng.randrange(6)
                await eventually(partial(counting, health, life, enough), clock=stage.clock)
                os.kill(pids[-1], signal.SIGKILL)
                await eventually(partial(crashed, health, life))
                assert "killed by signal SIGKILL" in health.error
                await stage.clock.advance(700)
    stored = [round(values["temperature"] * 100) for _, values, _ in await hub.stored()]
    assert stored == sorted(set(stored)), "one reading twice, or out of its order"
    assert stored == list(range(1, len(stored) + 1)), "one between is lost"
    assert set(durable()) <= set(stored)
    assert hub.buffer.local["state/acme/n"] == len(stored), "the counter is in the commit of its reading"
    hub.end()


async def test_a_process_killed_at_any_moment_loses_no_durable_reading_and_doubles_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await lived(tmp_path / "buffer", monkeypatch, caplog, KILLS)


@pytest.mark.long("forty processes are started and killed")
async def test_a_process_killed_forty_times_loses_no_durable_reading_and_doubles_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await lived(tmp_path / "buffer", monkeypatch, caplog, 40)
