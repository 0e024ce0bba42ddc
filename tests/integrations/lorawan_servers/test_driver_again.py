"""What the broker or a device says twice is told once."""

from __future__ import annotations

from typing import Any

import pytest
import server_kit as kit

import hub
from integrations.lorawan_servers import freshness

from .driver_kit import UP, driver, hear


async def test_what_the_broker_gives_again_is_told_once_and_waits_for_the_disk() -> None:
    session = kit.session(kit.known())
    await hear(driver(session), UP, kit.uplink(1), kit.uplink(1))
    await hear(driver(session), UP, kit.uplink(1))  # after a restart
    assert len(kit.told(session)) == 1
    assert session.drops == [(kit.DEVICE, "repeat")] * 2
    assert [report.values for report in session.durable[1:]] == [{}, {}]


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


async def test_what_is_remembered_is_put_before_the_present_report_and_after_the_former_ones() -> None:
    session = kit.session(kit.known())
    session.payloads[kit.DEVICE, 5, b"\x01"] = (
        hub.Sample(values={"temperature": 20.0}), hub.Sample(values={"temperature": 19.0}, time=kit.NOW - 600),
    )  # fmt: skip
    order: list[str] = []

    class Watched(dict[str, Any]):
        def put(self, key: str, value: Any) -> None:
            order.append("state")
            self[key] = value

    async def emit(report: hub.Report, *, durable: bool = False) -> None:
        order.append("durable" if durable else "emit")

    session.state, session.emit = Watched(), emit  # type: ignore[assignment, method-assign]
    await hear(driver(session), UP, kit.uplink(1))
    assert order == ["emit", "state", "durable"]


async def test_what_cannot_be_kept_is_nobodys_fault_and_stays_with_the_broker() -> None:
    session = kit.session(kit.known())

    async def emit(report: hub.Report, *, durable: bool = False) -> None:
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
