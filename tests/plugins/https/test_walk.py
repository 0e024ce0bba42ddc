"""The walk of a reading in docs/explanation/architecture.md, walked: each step is called, in this order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from backend.owner import directory as owners
from hub.automation.rules import Rules, Surroundings, compile_rules
from hub.config.model import Core as Config
from hub.core.model import Report, Strategy
from hub.history.recorder import HistoryRecorder
from hub.plugin_host.runtime import Core, InProcessSession
from hub.privacy.rules_engine import compile_privacy
from hub.sdk.testing import FakeHttp, ManualClock
from tests.hub import path_kit
from tests.plugins.https.building import Building, done, until
from tests.test_house import ROOT, walk

pytestmark = pytest.mark.real("network")

CONFIG = Config.model_validate(
    {
        "sites": {"ecole": {}},
        "zones": {"classes": {"site": "ecole"}},
        "rules": {"hot": {"metric": "temperature", "zones": ["classes"], "above": 40}},
        "privacy": {"rules": {"coarser": {"metrics": ["temperature"], "coarsen": {"step": 0.5}}}},
    }
)


class Steps:
    """The steps of the walk that were called, in any thread, each after the one before it."""

    def __init__(self) -> None:
        self._steps = [(str(ROOT / file), name) for name, file in walk()]
        self.called: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        # the link looks for messages all the time: a call counts only once the step before it was taken
        if event != "call" or len(self.called) == len(self._steps):
            return
        file, name = self._steps[len(self.called)]
        if frame.f_code.co_qualname == name and frame.f_code.co_filename == file:
            self.called.append(name)


@contextmanager
def watched() -> Iterator[Steps]:
    """Watch every call of this thread and of those that start within."""
    steps = Steps()
    threading.setprofile(steps)
    sys.setprofile(steps)
    try:
        yield steps
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def session(buffer: Any) -> InProcessSession:
    """A session of the integration "bluetooth", whose path ends in this buffer."""
    rollups: Any = SimpleNamespace(bind=lambda *where: ())  # history itself is not on the walk
    clock = ManualClock()
    made = path_kit.Path(rules=compile_privacy(CONFIG), observer=HistoryRecorder(rollups, clock), buffer=buffer)
    made.devices.put(
        msgspec.structs.replace(path_kit.TAG, report={"temperature": Strategy(on="change", dead_band=0.5)})
    )
    made.planner.use_rules(
        Rules(
            compile_rules(CONFIG),
            Surroundings(place=made.planner._place, devices=lambda: made.devices, period=lambda device: None),
            may_keep=made.planner.may_keep,
            now=made.clock.now,
            monotonic=made.clock.monotonic,
            fired=lambda fired: None,
        )
    )
    core = Core(
        made.pipeline,
        made.planner,
        made.devices,
        buffer,
        made.clock,
        made.counts,
        lambda _: FakeHttp(),
        lambda _: [],
    )
    return InProcessSession("bluetooth", core, lambda: None)


async def test_a_reading_walks_the_steps_of_the_page_in_their_order(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    building = Building(tmp_path)
    async with building.backend() as running:
        await building.enrol(running)
    with watched() as steps:
        async with building.backend(), building.hub() as (buffer, link):
            await until(link.up)
            speaker = session(buffer)
            steps.called.clear()
            await speaker.emit(Report(device=path_kit.TAG.id, values={"temperature": 21.3}), durable=True)
            await until(lambda: done(link) and link.status().acked == 1)
    assert steps.called == [name for name, _ in walk()]
