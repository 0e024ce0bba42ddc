"""Acme Room: what holds for every integration, by the contract tests of the kit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hub
import pytest
from hub.sdk.testing import FakeSession, Reply
from hub.sdk.testing.contract import CONTRACT, World, examine

URL = "http://192.0.2.50/"


class Server(World):
    """A server that answers, goes away and comes back."""

    module = "acme_room"

    def options(self) -> dict[str, Any]:
        return {"url": URL}

    def devices(self) -> Sequence[hub.Device]:
        return [hub.Device(id="acme:42", integration="acme_room", place="room-1")]

    def prepare(self, session: FakeSession) -> None:
        answer = b'{"id": 42, "t": 215, "rh": 48}'
        session.http.replies["GET", URL] = Reply(200, {}, answer)

    async def away(self, session: FakeSession) -> None:
        session.http.replies.clear()

    async def back(self, session: FakeSession) -> None:
        self.prepare(session)


@pytest.mark.parametrize("test", CONTRACT)
def test_it_keeps_the_contract(test: str) -> None:
    (verdict,) = examine(Server(), [test]).verdicts
    assert verdict.problems == ()
