"""What a crisis does to the parts of a hub."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hub.app.crisis import HubCrisisActions


class Parts:
    """`done`: what was asked of the parts, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def note(self, what: str) -> Any:
        return lambda *_: self.done.append(what)

    def hands(self) -> HubCrisisActions:
        async def close() -> None:
            self.done.append("connections closed")

        config = SimpleNamespace(crisis=SimpleNamespace(keep=()))
        loaded = SimpleNamespace(config=config, integrations=(), notifiers=(), exporters=(), uplinks=())
        field = SimpleNamespace(
            egress=SimpleNamespace(close=lambda why: None, reopen=lambda: None),
            commands=SimpleNamespace(frozen=""),
            http=SimpleNamespace(close=close),
            plugins=SimpleNamespace(pauses=SimpleNamespace(pause=self.note("held"))),
        )
        backend = SimpleNamespace(
            link=SimpleNamespace(
                reconnect=self.note("link"),
                retry_now=self.note("link"),
                declare=lambda crisis: self.done.append(f"stated {crisis!r}"),
            ),
            keeper=SimpleNamespace(changed=self.note("backup due")),
        )
        return HubCrisisActions(SimpleNamespace(loaded=loaded), field, backend)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["cut", "join", "freeze"])
async def test_a_backup_is_due_so_that_a_restored_hub_is_in_the_same_crisis(what: str) -> None:
    parts = Parts()
    hands = parts.hands()
    if what == "freeze":
        hands.freeze(True)
    else:
        await getattr(hands, what)()
    assert parts.done.count("backup due") == 1


async def test_the_backend_is_told_of_a_read_only_hub_and_of_its_end() -> None:
    parts = Parts()
    hands = parts.hands()
    hands.freeze(True)
    hands.freeze(False)
    assert [one for one in parts.done if one.startswith("stated")] == ["stated 'read-only'", "stated ''"]
