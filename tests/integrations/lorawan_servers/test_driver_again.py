"""What the broker or a device says twice is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import server_kit as kit

import hub
from hub.sdk.testing import FakeSession, settle
from integrations.lorawan_servers import freshness
from integrations.lorawan_servers.metrics import METRICS

from .driver_kit import UP, driver, hear


async def test_what_the_broker_gives_again_is_told_once_and_waits_for_the_disk() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1), kit.uplink(1))
    await hear(driver(session), UP, kit.uplink(1))  # after a restart
    assert len(kit.told(session)) == 1
    assert session.drops == [(kit.DEVICE, "repeat")] * 2
    session.disk_error = OSError("in memory, and tried again")
    with pytest.raises(hub.NotReady, match="the broker keeps it"):
        await hear(driver(session), UP, kit.uplink(2))
    for _ in range(2):  # it begins anew, and the broker gives it again: no mistake of the plugin, and no second reading
        with pytest.raises(hub.NotReady, match="the broker keeps it"):
            await hear(driver(session), UP, kit.uplink(2))
    session.disk_error = None
    await hear(driver(session), UP, kit.uplink(2))
    assert session.durable == session.reports
    assert len(kit.told(session)) == 2


async def test_ten_thousand_replays_are_told_once_and_counted() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session)
    frames = [kit.encoded(kit.uplink(fcnt, bytes([fcnt % 256]), at=kit.NOW - 2000 + fcnt)) for fcnt in range(1000)]
    for frame in frames * 11:
        await hear(heard_by, UP, frame)
    assert len(kit.told(session)) == 1000
    assert len(session.drops) == 10_000
    assert {reason for _, reason in session.drops} == {"repeat", "replay"}


async def test_a_new_session_is_heard_and_frames_of_the_former_are_not_told_again() -> None:
    session = kit.session(kit.known())
    heard_by = driver(session)
    old = [kit.uplink(fcnt, at=kit.NOW - 100 + fcnt) for fcnt in range(3)]
    new = [kit.uplink(fcnt, addr="0018ffff", at=kit.NOW + fcnt) for fcnt in range(2)]
    await hear(heard_by, UP, *old, *new, *old, *new)
    assert [report.proof.counter for report in kit.told(session) if report.proof] == [0, 1, 2, 0, 1]
    assert session.drops == [(kit.DEVICE, "repeat")] * 5


async def test_a_device_that_started_over_is_heard_and_counted() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(900, at=kit.NOW - 60), kit.uplink(0, at=kit.NOW))
    assert len(kit.told(session)) == 2
    assert session.drops == [(kit.DEVICE, "counter-reset")]


async def test_a_date_in_the_future_moves_no_window() -> None:
    """Else one forged message would shut out every later session."""
    session = kit.session(kit.known())
    heard_by = driver(session)
    await hear(heard_by, UP, kit.uplink(1, at=kit.NOW + 1e6))
    await hear(heard_by, UP, kit.uplink(0, addr="0018ffff", at=kit.NOW))
    assert len(kit.told(session)) == 2


async def test_what_is_remembered_is_put_as_all_reports_of_a_frame_are_taken() -> None:
    session = kit.session(kit.known())
    session.packs.payloads[kit.DEVICE, 5, b"\x01"] = (
        hub.Sample(values={"temperature": 20.0}), hub.Sample(values={"temperature": 19.0}, time=kit.NOW - 600),
    )  # fmt: skip
    order: list[str] = []

    class Watched(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            order.append("state")
            self[key] = value

    async def emit(*reports: hub.Report, note: Callable[[], None], durable: bool) -> None:
        note()
        order.append(f"{len(reports)} reports{', durable' * durable}")

    session.state, session.emit = Watched(), emit  # type: ignore[assignment, method-assign]
    await hear(driver(session), UP, kit.uplink(1))
    assert order == ["state", "2 reports, durable"]


class FullAfterOne(FakeSession):
    """The disk has room for one hand-over."""

    async def emit(self, *reports: hub.Report, **more: Any) -> None:
        await super().emit(*reports, **more)
        if any(report.values for report in reports):
            self.room.clear()


async def test_a_kill_while_the_disk_is_full_stores_no_former_value_twice_and_loses_none() -> None:
    session = FullAfterOne("chirpstack", devices=[kit.known()], metrics=METRICS)
    session.packs.payloads[kit.DEVICE, 5, b"\x01"] = (
        hub.Sample(values={"temperature": 20.0}),
        *(hub.Sample(values={"temperature": 19.0 - ago}, time=kit.NOW - 600 * ago) for ago in (1, 2)),
    )
    for room, frames in ((True, 1), (False, 1), (True, 2)):
        session.room.set() if room else session.room.clear()
        telling = asyncio.create_task(hear(driver(session), UP, kit.uplink(1), kit.uplink(2)))
        await settle()
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        said = [report.values["temperature"] for report in kit.told(session)]
        assert said == [18.0, 17.0, 20.0] * frames


async def test_frames_of_a_device_are_taken_in_their_order_and_a_join_remembers_none_that_waits() -> None:
    session = kit.session(kit.known())
    life = driver(session)
    session.room.clear()
    first, second = [await life.hear(UP, kit.encoded(kit.uplink(fcnt, bytes([fcnt])))) for fcnt in (1, 2)]
    one = asyncio.create_task(first())
    await settle()
    joined = {"deduplicationId": "j", "time": kit.rfc3339(kit.NOW), "deviceInfo": kit.device_info(), "devAddr": "0018"}
    joined["deviceInfo"]["applicationId"] = "another"
    await hear(life, kit.topic("join").replace(kit.APPLICATION, "another"), joined)
    assert freshness.decode(session.state[kit.EUI]) == freshness.Memory((), 0.0, "another")
    asyncio.get_running_loop().call_soon(session.room.set)
    two = asyncio.create_task(second())  # begins when there is room, and before the first knows of it
    async with asyncio.timeout(60):
        await asyncio.gather(one, two)
    assert [report.values["temperature"] for report in kit.told(session)] == [1.0, 2.0]
    remembered = freshness.decode(session.state[kit.EUI])
    assert (remembered.windows[0].top, remembered.where) == (2, "another")


async def test_what_cannot_be_kept_is_nobodys_fault_and_stays_with_the_broker() -> None:
    session = kit.session(kit.known())

    async def emit(*reports: hub.Report, **more: Any) -> None:
        raise OSError("no space left")

    session.emit = emit  # type: ignore[method-assign]
    with pytest.raises(hub.NotReady, match="the broker keeps it"):
        await hear(driver(session), UP, kit.uplink(1))


async def test_a_state_that_is_full_costs_no_reading() -> None:
    session = kit.session(kit.known())

    class Full(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            raise ValueError("256 KiB")

    session.state = Full()  # type: ignore[assignment]
    await hear(driver(session), UP, kit.uplink(1), kit.uplink(2))
    assert len(kit.told(session)) == 2
    assert (kit.DEVICE, "state-full") in session.drops


async def test_a_damaged_memory_is_said_and_begun_anew() -> None:
    session = kit.session(kit.known())
    session.state[kit.EUI] = b"\xc1"
    await hear(driver(session), UP, kit.uplink(1))
    assert len(kit.told(session)) == 1
    assert freshness.decode(session.state[kit.EUI]).windows[0].top == 1
