"""Acme Pump: what holds for every integration, by the contract tests of the kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hub
import pytest
from circulator import URL, Circulator
from hub.sdk.testing import FakeSession
from hub.sdk.testing.contract import CONTRACT, World, examine


class Line(World):
    """A circulator that answers, goes away and comes back."""

    module = "acme_pump"

    def __init__(self) -> None:
        self.pump = Circulator()

    def options(self) -> dict[str, Any]:
        return {"url": URL}

    def devices(self) -> Sequence[hub.Device]:
        return [hub.Device(id="pump:7", integration="acme_pump", place="boiler-room")]

    def prepare(self, session: FakeSession) -> None:
        session.network.servers[URL] = self.pump.serve

    async def away(self, session: FakeSession) -> None:
        session.network.servers.clear()
        self.pump.hang_up()

    async def back(self, session: FakeSession) -> None:
        self.prepare(session)


@pytest.mark.parametrize("test", CONTRACT)
def test_it_keeps_the_contract(test: str) -> None:
    (verdict,) = examine(Line(), [test]).verdicts
    assert verdict.problems == ()
