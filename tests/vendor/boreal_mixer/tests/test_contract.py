"""Boreal mixing units: what holds for every integration, by the contract tests of the kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hub
from gateway import URL, Station
from hub.sdk.testing import FakeSession
from hub.sdk.testing.contract import ContractTests, World


class Behind(World):
    """A gateway that answers, goes away and comes back."""

    module = "boreal_mixer"

    def __init__(self) -> None:
        self.station = Station()

    def options(self) -> dict[str, Any]:
        return {"url": URL}

    def devices(self) -> Sequence[hub.Device]:
        return [
            hub.Device(
                id="boreal:3",
                integration="boreal_mixer",
                place="plant-room",
                settings={"unit": 3},
            )
        ]

    def prepare(self, session: FakeSession) -> None:
        session.network.servers[URL] = self.station.serve

    async def away(self, session: FakeSession) -> None:
        session.network.servers.clear()
        self.station.hang_up()

    async def back(self, session: FakeSession) -> None:
        self.prepare(session)


class TestBoreal(ContractTests):
    world = Behind
