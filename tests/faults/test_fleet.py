"""The simulated hubs of the fleet: they end, and with all that they keep, also where the database was put back."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "backend"))

from backend_kit import Desk, Sender
from fleet import Counts, SimulatedHub

from backend.conformance.probe import Answer
from backend.storage.sqlite.copies import begin_again


class Direct:
    """A hub's way to the ingest of a desk, without a network. `desk` may be another one later."""

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self.desk, self._sender, self.keys, self.hub = desk, sender, sender, sender.hub

    def segment(self, **more: Any) -> Any:
        return self._sender.segment(**more)

    def state_of(self, streams: Any, **more: Any) -> Any:
        from hub.protocol.link_messages import State

        self._sender.states += 1
        return State(hub=self.hub, boot=bytes(16), n=self._sender.states, streams=streams, **more)

    async def post(self, body: bytes, what: str = "records") -> Answer:
        return self.desk.post(self._sender, body, what)


@pytest.mark.parametrize("more", [0, 1])
async def test_a_hub_whose_time_is_over_sends_all_that_it_keeps_to_a_database_that_was_put_back(
    tmp_path: Path, more: int
) -> None:
    """`more`: blocks that wait to be sent when its time is over."""
    desk = Desk(tmp_path / "owner")
    way = Direct(desk, desk.enrol())
    desk.close()
    database = desk.owner.database
    shutil.copy(database, tmp_path / "before")
    way.desk = Desk(tmp_path / "owner")
    options = argparse.Namespace(devices=1, every=0.0, twice=0.0, keep_nothing=False)
    hub = SimulatedHub(way, "plain", options, Counts(), random.Random(1))  # type: ignore[arg-type]
    for _ in range(3):
        hub.truth.begun -= 2000  # seconds pass
        hub._measure()
    assert await hub._send_all()
    assert (hub.waiting, len(way.desk.sql("select * from records where readings > 0"))) == (0, 3)
    way.desk.close()
    shutil.copy(tmp_path / "before", database)
    begin_again(database, 0.0)
    way.desk = Desk(tmp_path / "owner")
    for _ in range(more):
        hub.truth.begun -= 2000
        hub._measure()
    over = asyncio.Event()
    over.set()
    await asyncio.wait_for(hub.live(over), 60.0)
    assert len(way.desk.sql("select * from records where readings > 0")) == 3 + more
    way.desk.close()
