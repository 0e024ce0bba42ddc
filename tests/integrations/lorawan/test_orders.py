"""Commands and the network's downlinks: what each state of one is in the words of the other."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lorawan_peer import LoraPacket
from lorawan_world import GATEWAYS, WALL, World

import hub
from hub.sdk.testing import FakeSession, settle
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.orders import Orders
from integrations.lorawan.parts import Audit, Count, Decision, Moved

pytestmark = pytest.mark.real("processes")

NAME = "lorawan:0000000000000001"


class Office(World):
    """A network whose downlinks come from commands."""

    def __init__(self, peer: LoraPacket, **settings: Any) -> None:
        super().__init__(peer)
        key = (1).to_bytes(2, "big") * 8
        self.session = FakeSession(
            "lorawan",
            [hub.Device(id=NAME, integration="lorawan", place="hall", key=key, settings=settings)],
            metrics=METRICS,
        )
        self.session.packs.downlinks[NAME, "period", (("minutes", 10.0),)] = (7, b"\x0a")
        self.wall: float | None = WALL
        self.orders = Orders(self.session, self.network, self.do, lambda: self.now, lambda: self.wall)

    def do(self, decisions: Any) -> None:
        for decision in decisions:
            self._tell(decision)
            super().do([decision])

    def _tell(self, decision: Decision) -> None:
        match decision:
            case Moved():
                self.orders.moved(decision)
            case Audit():
                self.orders.audited(decision)
            case Count(reason=reason, dev_eui=dev_eui):
                self.orders.refused(reason, f"lorawan:{dev_eui.hex()}" if dev_eui else "")

    async def order(self, name: str = "1", metric: str = "period", **more: Any) -> None:
        given = {"values": {"minutes": 10.0}, "expires": time.time() + 3600, **more}
        self.session.commands.give(hub.Command(id=name, device=NAME, metric=metric, value=None, **given))
        await settle()

    async def rejoin(self, name: str = "1") -> None:
        await self.order(name, "rejoin", values={}, expires=WALL + 86_400)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(name, state) for name, state, _ in self.session.commands.answers]


@contextlib.asynccontextmanager
async def working(office: Office) -> AsyncIterator[Office]:
    task = asyncio.create_task(office.orders.run())
    await settle()
    try:
        yield office
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_confirmed_command_is_done_when_the_device_acknowledged_it(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet)) as office:
        device = office.joined()
        await office.order()
        (sent,) = office.send(device, b"x")
        said = device.downlink(sent.raw)
        assert (said["type"], said["fport"], said["payload"]) == ("Confirmed Data Down", 7, "0a")
        assert office.said == [("1", "queued"), ("1", "sent")]
        (again,) = office.send(device, b"deaf")
        device.downlink(again.raw)
        office.send(device, b"heard", ack=True)
        assert office.said[2:] == [("1", "queued"), ("1", "sent"), ("1", "done")]
        assert office.session.commands.answers[-1][2] == "the device acknowledged it"


async def test_a_command_that_was_stopped_while_its_codec_worked_is_not_queued(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet)) as office:
        device, encode = office.joined(), office.session.packs.encode

        async def slow(*given: Any) -> tuple[int, bytes]:
            office.session.commands.ended.add("1")  # all writes were stopped
            return await encode(*given)

        office.session.packs.encode = slow  # type: ignore[method-assign]
        await office.order()
        assert (office.said, office.send(device, b"x")) == ([], [])


async def test_an_unconfirmed_one_is_done_when_a_gateway_has_sent_it(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet, confirmed=False)) as office:
        device = office.joined()
        await office.order()
        (sent,) = office.send(device, b"x")
        assert device.downlink(sent.raw)["type"] == "Unconfirmed Data Down"
        assert office.said == [("1", "queued"), ("1", "sent"), ("1", "done")]


async def test_a_gateway_that_refuses_it_leaves_it_queued_and_no_counter_is_used_twice(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet, confirmed=False)) as office:
        device = office.joined()
        office.answer = False
        await office.order()
        (first,) = office.send(device, b"x")
        office.do(office.network.refused(first.id, GATEWAYS[0], "collision", office.now))
        office.answer = True
        second = office.air[-1]
        assert (second.window, second.id != first.id) == (2, True)
        office.do(office.network.transmitted(second.id, second.gateway, office.now))
        assert first.raw[6:8] != second.raw[6:8], "FCntDown"
        assert [state for _, state in office.said] == ["queued", "sent", "queued", "sent", "done"]


async def test_one_that_expires_or_that_nobody_wants_any_more_is_not_sent(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet)) as office:
        device = office.joined()
        await office.order("1", expires=time.time() + 60)
        office.sleep(61)
        await office.order("2")
        await office.order("3")
        office.session.commands.ended.add("2")  # all writes were stopped, and then allowed again
        office.orders.sift()
        assert office.said[-3:] == [("1", "expired"), ("2", "queued"), ("3", "queued")]
        (sent,) = office.send(device, b"x")
        assert device.downlink(sent.raw)["pending"] is False
        assert office.said[-1] == ("3", "sent")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"values": None, "value": 21.5}, "nothing else"),
        ({"values": {"minutes": 11.0}}, "not in the table"),
        ({"metric": "rejoin", "values": {"minutes": 1.0}}, "not in the table"),
    ],
)
async def test_what_it_cannot_do_it_says(lora_packet: LoraPacket, more: dict[str, Any], why: str) -> None:
    async with working(Office(lora_packet)) as office:
        office.joined()
        command = {"id": "1", "device": NAME, "metric": "period", "value": None, "expires": time.time() + 60, **more}
        office.session.commands.give(hub.Command(**command))
        await settle()
        ((_, state, detail),) = office.session.commands.answers
        assert state == "failed"
        assert why in detail


async def test_one_for_a_device_that_the_network_does_not_hear_fails(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet)) as office:  # it has a key that is too short, say
        await office.order("1")
        await office.rejoin("2")
        assert office.said == [("1", "failed"), ("2", "queued"), ("2", "failed")]


async def test_a_word_to_rejoin_is_done_when_the_device_has_spoken(lora_packet: LoraPacket) -> None:
    async with working(Office(lora_packet)) as office:
        assert office.session.commands.offered == ("rejoin",)
        device = office.joined()
        assert office.join(device, 1) is None
        await office.rejoin("1")
        await office.rejoin("2")
        assert office.said == [("1", "queued"), ("1", "failed"), ("2", "queued")]
        assert office.join(device, 1)
        assert office.said[-1] == ("2", "queued")
        office.send(device, b"back")
        assert office.said[-1] == ("2", "done")
        assert office.join(device, 1) is None


async def test_a_word_ends_when_writes_are_stopped_and_needs_a_clock_and_a_device_that_joins(
    lora_packet: LoraPacket,
) -> None:
    async with working(Office(lora_packet)) as office:
        device = office.joined()
        await office.rejoin("1")
        office.session.commands.ended.add("1")
        office.orders.sift()
        assert office.join(device, 1) is None
        office.wall = None
        await office.rejoin("2")
        assert office.said[-1] == ("2", "failed")
        assert "clock" in office.session.commands.answers[-1][2]
    async with working(Office(lora_packet, address="01020304")) as office:
        await office.rejoin()
        assert office.said == [("1", "failed")]
