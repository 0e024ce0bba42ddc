"""A device that repeats a confirmed frame which was not acknowledged: what it says is taken once, former values too."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from lorawan_peer import LoraPacket
from serving_kit import ABP, DEV_EUI, Forwarder, free_port, known, personalised, running, udp

import hub
from hub.sdk.testing import FakeSession
from integrations.lorawan.answering import Answering
from integrations.lorawan.metrics import METRICS

pytestmark = pytest.mark.real("network, processes")

NAME = f"lorawan:{DEV_EUI}"
FORMER, PRESENT = ({"temperature": 20.0}, 1_790_000_000.0), ({"link_margin": 14.0, "temperature": 21.0}, None)
AGAIN = ({"link_margin": 14.0}, None)
"""What a repetition itself tells: how well it was heard."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device repeats after seconds; here it does so at once, and that is no copy by a slow link."""
    monkeypatch.setattr("integrations.lorawan.dedup.LATE_S", 0.0)


class Trouble(FakeSession):
    """Fails the first time, in one of two ways. As the hub does, it takes a counter once."""

    def __init__(self, how: str) -> None:
        super().__init__("lorawan", [known(**ABP, pack="acme-thermo")], metrics=METRICS)
        self.packs.payloads[NAME, 2, b"log"] = (
            hub.Sample(values={"temperature": 21.0}),
            hub.Sample(values={"temperature": 20.0}, time=1_790_000_000.0),
        )
        self._counters: set[int] = set()
        self.failed = False
        if how == "no codec":
            decode = self.packs.decode

            async def away(*given: Any, **more: Any) -> Any:
                if not self.failed:
                    self.failed = True
                    raise hub.NotReady("no codec worker is free")
                return await decode(*given, **more)

            self.packs.decode = away  # type: ignore[method-assign]
        else:
            self.disk_error = OSError("in memory, and tried again")

    async def emit(self, *reports: hub.Report, **more: Any) -> None:
        counters = {report.proof.counter for report in reports if report.proof and report.proof.counter is not None}
        new = [r for r in reports if not (r.proof and r.proof.counter in self._counters)]
        self._counters |= counters
        try:
            await super().emit(*new, **more)
        except OSError:
            self.disk_error, self.failed = None, True
            raise


async def repeated(session: Trouble, lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]) -> Any:
    """What is stored once the device has repeated its frame and got its acknowledgement."""
    port = free_port(socket.SOCK_DGRAM)
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = personalised(lora_packet)
        frame = device.uplink(b"log", 2, confirmed=True)
        gateway.forward(frame, 1)
        await gateway.receive()  # that it came, says the forwarder's protocol
        async with asyncio.timeout(60):
            while (NAME, "commit-failed") not in session.drops:
                await asyncio.sleep(0.01)
        gateway.forward(frame, 10_000_000)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
    return [(report.values, report.time) for report in session.reports]


CASES = [("no codec", [FORMER, PRESENT]), ("disk refuses", [FORMER, PRESENT, AGAIN])]


@pytest.mark.parametrize(("how", "stored"), CASES)
async def test_a_frame_that_is_repeated_after_a_failure_is_stored_once_with_its_former_values(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]], how: str, stored: Any
) -> None:
    assert await repeated(Trouble(how), lora_packet, forwarder) == stored


@pytest.mark.parametrize(("how", "stored", "taken"), [(*CASES[0], True), (*CASES[1], False)])
async def test_a_twin_that_does_not_know_whether_it_was_taken_loses_or_doubles_former_values(
    lora_packet: LoraPacket,
    forwarder: Callable[[int], Awaitable[Forwarder]],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    stored: Any,
    taken: bool,
) -> None:
    aborted = Answering.aborted
    monkeypatch.setattr(Answering, "aborted", lambda self, number, **_: aborted(self, number, taken=taken))
    assert await repeated(Trouble(how), lora_packet, forwarder) != stored
