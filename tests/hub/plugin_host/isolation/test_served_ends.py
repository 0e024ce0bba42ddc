"""A plugin that is cancelled leaves its loops and its commands in one breath with the calls that wait in them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.plugin_host.entry_points import Entry
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.served import SessionServed
from hub.plugin_host.registry import Plugin
from hub.plugin_host.runtime import InProcessSession
from tests.hub.plugin_host.isolation.apart_kit import MANIFEST, Stage

LOOPS = {"polls": wire.Cycle(1, 1, 60.0, ()), "ticks": wire.Cycle(1, 1, 60.0, None)}


class _Orders:
    """Commands of which none comes."""

    def __init__(self) -> None:
        self.closed = 0

    async def __aiter__(self) -> Any:
        try:
            await asyncio.get_running_loop().create_future()
            yield None
        finally:
            await asyncio.sleep(0)
            self.closed += 1


def _served() -> tuple[SessionServed, list[Any]]:
    stage, said = Stage(), list[Any]()
    session = InProcessSession("acme", stage.core, lambda: None)
    plugin = Plugin("acme", "ilot-acme", "1.0", Entry("acme", "acme_deeds", "ilot-acme", "1.0"), manifest=MANIFEST)
    return SessionServed(session, stage.core, plugin, lambda message, *_: said.append(message)), said


async def _calm(turns: int = 50) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.fixture
def uncaught() -> Any:
    """What no task of the loop caught."""
    found: list[dict[str, Any]] = []
    return found


@pytest.mark.parametrize("name", [*LOOPS, "obeys"])
async def test_what_a_cancelled_plugin_leaves_is_closed_without_a_fault(
    name: str, uncaught: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: uncaught.append(context))
    served, said = _served()
    orders = _Orders()
    if name == "obeys":
        monkeypatch.setattr(InProcessSession, "commands", orders)
        await served.take(wire.NextCommand(1), 10)
    else:
        await served.take(LOOPS[name], 10)  # the first turn comes at once, the next one after a minute
        await _calm()
        cycle = LOOPS[name]
        await served.take(wire.Cycle(2, cycle.loop, cycle.seconds, cycle.devices), 10)
    await _calm()
    await served.take(wire.Cancel(1 if name == "obeys" else 2), 10)
    await served.take(wire.CommandsEnd() if name == "obeys" else wire.CycleEnd(1), 10)
    await _calm()
    await served.close()
    del served
    await _calm()
    import gc

    gc.collect()
    await _calm()
    assert [str(one.get("exception") or one["message"]) for one in uncaught] == []
    assert orders.closed == (1 if name == "obeys" else 0)
    assert any(isinstance(one, wire.Failed) for one in said), "the call was cancelled"
