"""The meaning of an exception of `emit`, with the real buffer on a disk that fails: not known to be on the disk, and
`note` tells whether it was taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.errors import PluginError, StorageError
from hub.core.model import Device, Report
from hub.plugin_host.runtime import TURN
from hub.sdk.testing import FakeSession, settle
from tests.hub.life_kit import FULL, SYNC, Hub
from tests.hub.path_kit import METER, TAG

BUS = Device(id="knx:lamp", integration="knx", place="classe-1")


@pytest.fixture
async def hub(tmp_path: Path) -> Iterator[Hub]:  # type: ignore[misc]  # an async generator
    made = Hub(tmp_path / "buffer", "knx", [BUS], pending_rows=4)
    yield made
    made.end()


def report(value: float) -> Report:
    return Report(device=BUS.id, values={"temperature": value})


async def values(hub: Hub) -> list[float]:
    return [said["temperature"] for device, said, _ in await hub.stored() if device == BUS.id]


async def refused(hub: Hub, value: float) -> list[str]:
    """Say a value that is refused; what its `note` did."""
    noted: list[str] = []

    def note() -> None:
        noted.append("taken")
        hub.session.state.put("counter", value)

    with pytest.raises(StorageError, match="not durable yet"):
        await hub.session.emit(report(value), durable=True, note=note)
    return noted


@pytest.mark.parametrize("trouble", [FULL, SYNC])
async def test_what_was_taken_and_refused_is_delivered_once_when_the_disk_works_again(hub: Hub, trouble: str) -> None:
    hub.disk.trouble = trouble
    assert await refused(hub, 1.0) == ["taken"]
    with pytest.raises(StorageError):
        await hub.session.emit(durable=True)
    hub.disk.trouble = ""
    assert await values(hub) == [1.0]
    await hub.session.emit(durable=True)
    hub.kill()
    assert (await values(hub), hub.session.state.get("counter")) == ([1.0], 1.0)


@pytest.mark.parametrize("trouble", [FULL, SYNC])
async def test_what_was_taken_and_is_not_on_the_disk_at_a_kill_is_gone_with_what_its_note_put(
    hub: Hub, trouble: str
) -> None:
    hub.disk.trouble = trouble
    assert await refused(hub, 1.0) == ["taken"]
    hub.kill()
    assert (await values(hub), hub.session.state.get("counter")) in (([], None), ([1.0], 1.0))


async def test_a_cancellation_while_it_waits_for_room_leaves_nothing_and_one_while_it_waits_for_the_disk_leaves_all(
    hub: Hub,
) -> None:
    hub.disk.trouble = SYNC
    for value in (1.0, 2.0, 3.0):
        await hub.session.emit(report(value))
    noted: list[float] = []
    last, beyond = (
        asyncio.create_task(hub.session.emit(report(value), durable=True, note=lambda value=value: noted.append(value)))
        for value in (4.0, 5.0)
    )
    await settle()
    last.cancel()
    beyond.cancel()
    await asyncio.gather(last, beyond, return_exceptions=True)
    assert noted == [4.0]
    assert await values(hub) == [1.0, 2.0, 3.0, 4.0]


async def test_what_is_refused_for_its_device_is_refused_before_the_note_and_nothing_is_taken(hub: Hub) -> None:
    noted: list[str] = []
    for session in (hub.session, FakeSession("knx", [BUS, METER, TAG])):
        for reports in ((report(1.0), Report(device=METER.id, values={"power": 1.0})), ({"temperature": 1.0},)):
            with pytest.raises(PluginError):
                await session.emit(*reports, note=lambda: noted.append("taken"))  # type: ignore[arg-type]
        with pytest.raises(PluginError):
            await session.emit(report(1.0), Report(device=TAG.id, values={"temperature": 1.0}), durable=True)
    assert (noted, await values(hub)) == ([], [])


async def test_the_test_kit_fails_as_the_hub_does() -> None:
    session = FakeSession("knx", [BUS])
    session.disk_error = StorageError("no room")
    noted: list[str] = []
    with pytest.raises(StorageError):
        await session.emit(report(1.0), durable=True, note=lambda: noted.append("taken"))
    assert (noted, [said.values for said in session.reports], session.durable) == (
        ["taken"],
        [{"temperature": 1.0}],
        [],
    )


async def test_a_loop_of_emit_alone_lets_everybody_else_have_a_turn(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "buffer", "knx", [BUS], pending_rows=1_000_000)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    for number in range(11 * TURN):
        await hub.session.emit(report(float(number)))
    told = turns
    await hub.session.emit(*[report(0.5)] * TURN)
    beside.cancel()
    assert told >= 10
    assert turns > told
    hub.end()
