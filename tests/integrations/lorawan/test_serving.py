"""Readings of devices that come by a gateway: joined, personalised, restored, damaged, unreadable."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from lorawan_peer import LoraPacket, PeerDevice
from serving_kit import (
    ABP,
    DEV_EUI,
    GATEWAY,
    KEY,
    Forwarder,
    free_port,
    known,
    personalised,
    running,
    udp,
    until,
)

import hub
from hub.sdk.testing import FakeSession, settle
from integrations.lorawan import settings
from integrations.lorawan.device import LEASE
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.settings import DeviceSettings


@pytest.mark.real("network, processes")
async def test_a_device_joins_and_reports_through_a_packet_forwarder(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known()], metrics=METRICS)
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        assert await gateway.receive() == bytes.fromhex("02123404")
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)

        gateway.forward(device.join_request(1), 0xFFFF_FFF0)
        order = await gateway.answer()
        assert (order["tmst"], order["freq"], order["datr"], order["ipol"]) == (4_999_984, 868.1, "SF7BW125", True)
        device.join_accept(base64.b64decode(order["data"]))
        assert [report.values for report in session.durable] == [{"link_margin": 14.0}]

        gateway.forward(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True), 10_000_000)
        order = await gateway.answer()
        assert device.downlink(base64.b64decode(order["data"]))["ack"] is True
        report = session.durable[-1]
        assert report.device == f"lorawan:{DEV_EUI}"
        assert report.values == {"link_margin": 14.0, "temperature": 27.1}
        assert report.proof == hub.Proof("lorawan-1.0", device.nonces[0] << 32, True, content=report.proof.content)
        assert report.signal == hub.Signal(rssi=-70, snr=6.5, source=GATEWAY)

    async with running(udp(port), session):  # another process, the same state
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        gateway.forward(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True), 20_000_000)
        raw = base64.b64decode((await gateway.answer())["data"])
        assert int.from_bytes(raw[6:8], "little") == LEASE, "what may have been sent before is not sent again"
        device.downlink(raw)


@pytest.mark.real("network, processes")
async def test_a_device_that_comes_while_it_runs_is_heard_and_one_that_goes_is_not(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", metrics=METRICS)
    device = personalised(lora_packet)
    frames = [device.uplink(bytes.fromhex("0167010f")) for _ in range(4)]
    strange = ("", "unknown-devaddr")
    async with running(udp(port, gather=0), session):
        gateway = await forwarder(port)
        gateway.forward(frames[0], 1)
        await until(lambda: session.drops.count(strange) == 1)
        session.devices.put(known(**ABP))
        await settle()
        gateway.forward(frames[1], 2)
        await until(lambda: len(session.reports) == 1)
        session.devices.remove(f"lorawan:{DEV_EUI}")
        await settle()
        gateway.forward(frames[2], 3)
        await until(lambda: session.drops.count(strange) == 2)
        session.devices.put(known(**ABP))
        await settle()
        gateway.forward(personalised(lora_packet).uplink(b"x"), 4)  # its counter was not forgotten: 0 is behind
        gateway.forward(frames[3], 5)
        await until(lambda: len(session.reports) == 2)
    assert [report.proof.counter for report in session.reports if report.proof] == [1, 3]


@pytest.mark.real("network")
async def test_strangers_and_nonsense_are_counted_and_not_answered(
    forwarder: Callable[[int], Awaitable[Forwarder]],
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known()], metrics=METRICS)
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        gateway.send(2, gateway="0000000000000bad")
        gateway.send(0, b"{", token=7)
        gateway.transport.sendto(b"hello")
        gateway.send(5, token=999)
        gateway.forward(bytes(23), 1)  # a join request of nobody
        assert (await gateway.receive())[:4] == bytes.fromhex("02123401")
        await until(lambda: len(session.candidates) == 2)
        assert {c.id for c in session.candidates} == {"lorawan-gateway:0000000000000bad", "lorawan:0000000000000000"}
        assert {reason for _, reason in session.drops} == {"unknown-gateway", "bad-json", "truncated", "unknown-token"}
        assert gateway.got.empty()


@pytest.mark.real("network, processes")
async def test_a_full_state_loses_no_reading_and_acknowledges_nothing(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    abp = known(key=KEY + bytes(16), settings={"address": "01020304", "codec": "cayenne"})
    session = FakeSession("lorawan", [abp], metrics=METRICS)

    def full(key: str, value: Any) -> None:
        raise RuntimeError("state would be too large")

    session.state.put = full  # type: ignore[method-assign]
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), b"", address=0x01020304, nwk=KEY, app=bytes(16))
        gateway.forward(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True), 1)
        await until(lambda: session.reports)
        assert session.reports[0].values["temperature"] == 27.1
        await until(lambda: ("lorawan:" + DEV_EUI, "commit-failed") in session.drops)
        assert (await gateway.receive())[3] == 1
        assert gateway.got.empty()


@pytest.mark.real("network, processes")
async def test_a_disk_that_takes_nothing_fills_no_memory(
    lora_packet: LoraPacket,
    forwarder: Callable[[int], Awaitable[Forwarder]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("integrations.lorawan.driver.MOST_COMMITS", 3)
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP)], metrics=METRICS)
    accepted, room = session.emit, asyncio.Event()

    async def emit(*reports: hub.Report, **more: Any) -> None:
        await room.wait()
        await accepted(*reports, **more)

    session.emit = emit  # type: ignore[method-assign]
    device = personalised(lora_packet)
    async with running(udp(port, gather=0), session):
        gateway = await forwarder(port)
        for number in range(5):
            gateway.forward(device.uplink(b"x"), number)
        await until(lambda: session.drops.count((f"lorawan:{DEV_EUI}", "commit-backlog")) == 2)
        room.set()
        await until(lambda: len(session.reports) == 3)
        gateway.forward(device.uplink(b"x"), 9)
        await until(lambda: len(session.reports) == 4)
    assert [report.proof.counter for report in session.reports if report.proof] == [0, 1, 2, 5]


@pytest.mark.real("network")
async def test_more_devices_than_can_be_remembered_are_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.lorawan.driver.MOST_DEVICES", 1)
    two = [known(), known(id="lorawan:70b3d5e75e00abce")]
    async with running(udp(0), FakeSession("lorawan", two, metrics=METRICS)):
        await until(lambda: "2 devices are more than can be remembered" in caplog.text)


@pytest.mark.real("network, processes")
async def test_every_gateway_that_heard_an_uplink_is_named_the_best_first(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port, other = free_port(socket.SOCK_DGRAM), "0016c001ff10d3e6"
    session = FakeSession("lorawan", [known(**ABP)], metrics=METRICS)
    async with running(udp(port, gateways={GATEWAY: {}, other: {}}), session):
        gateway = await forwarder(port)
        frame = personalised(lora_packet).uplink(b"x")
        gateway.forward(frame, 1, lsnr=-3.0)
        gateway.forward(frame, 1, lsnr=8.0, rssi=-60, gateway=other)
        await until(lambda: session.reports)
    signal = hub.Signal(rssi=-60, snr=8.0, source=other, heard=((other, -60), (GATEWAY, -70)))
    assert session.reports[0].signal == signal


@pytest.mark.real("network, processes")
async def test_a_confirmed_payload_that_no_codec_can_read_now_is_asked_for_again(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP, pack="acme-thermo")], metrics=METRICS)
    away = True

    async def decode(
        device: str, port: int, payload: bytes, time: float | None = None, *, proof: hub.Proof, once: bool
    ) -> tuple[hub.Sample, ...]:
        if away and once:  # the hub has kept it
            session.radio.report_decode_error(device, hub.DecodeError("codec-away"))
            raise hub.DecodeError("codec-away")
        if away:
            raise hub.NotReady("the codec worker is starting")
        return (hub.Sample(values={"temperature": 21.0}),)

    session.packs.decode = decode  # type: ignore[method-assign]
    async with running(udp(port, gather=0), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = personalised(lora_packet)
        frame = device.uplink(b"value", 2, confirmed=True)
        gateway.forward(frame, 1)
        assert (await gateway.receive())[3] == 1
        await until(lambda: (f"lorawan:{DEV_EUI}", "commit-failed") in session.drops)
        assert session.reports == []
        away = False
        await asyncio.sleep(1.05)  # sooner the same bytes would be a late copy
        gateway.forward(frame, 3_000_000)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
        assert session.reports[0].values["temperature"] == 21.0
        away = True
        gateway.forward(device.uplink(b"value", 2), 9_000_000)
        await until(lambda: (f"lorawan:{DEV_EUI}", "codec-away") in session.drops)
        assert session.reports[-1].values == {"link_margin": 14.0}


@pytest.mark.real("network, processes")
async def test_after_a_restoration_from_a_backup_sent_counters_jump_once(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP)], metrics=METRICS)
    device, counters = personalised(lora_packet), []
    for life in range(3):
        if life == 1:
            session.state.put("restored", True)
        async with running(udp(port), session):
            gateway = await forwarder(port)
            gateway.send(2)
            await gateway.receive()
            gateway.forward(device.uplink(b"x", 2, confirmed=True), life * 10_000_000)
            device.downlink(base64.b64decode((await gateway.answer())["data"]))
            counters.append(device.fcnt_down)
    assert counters == [0, LEASE + 1024, 2 * LEASE + 1024]
    assert session.state.get("restored") is False


@pytest.mark.real("network, processes")
async def test_downlink_counters_jump_as_far_as_the_hub_says_in_each_of_two_restorations(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP)], metrics=METRICS)
    device, counters = personalised(lora_packet), []
    for life, skip in enumerate((0, 1024, 2055)):
        if skip:
            session.state.put("restored", True)
            session.state.put("skip", skip)
        async with running(udp(port), session):
            gateway = await forwarder(port)
            gateway.send(2)
            await gateway.receive()
            gateway.forward(device.uplink(b"x", 2, confirmed=True), life * 10_000_000)
            device.downlink(base64.b64decode((await gateway.answer())["data"]))
            counters.append(device.fcnt_down)
    assert counters == [0, LEASE + 1024, 2 * LEASE + 1024 + 2055]


@pytest.mark.real("network, processes")
async def test_counters_of_a_device_that_is_not_there_at_the_restoration_jump_once_it_comes(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP)], metrics=METRICS)
    device, counters = personalised(lora_packet), []
    for life in range(3):
        if life == 1:
            without = FakeSession("lorawan", [], metrics=METRICS)
            without.state = session.state
            session.state.put("restored", True)
            async with running(udp(port), without):
                await until(lambda: session.state.get("restored") is False)
        async with running(udp(port), session):
            gateway = await forwarder(port)
            gateway.send(2)
            await gateway.receive()
            gateway.forward(device.uplink(b"x", 2, confirmed=True), life * 10_000_000)
            device.downlink(base64.b64decode((await gateway.answer())["data"]))
            counters.append(device.fcnt_down)
    assert counters == [0, LEASE + 1024, 2 * LEASE + 1024]


async def test_version_and_class_are_the_packs_unless_the_configuration_says_otherwise() -> None:
    told = settings.device(known(settings=DeviceSettings().model_dump()), "1.0.4", "C")
    assert (told.version, told.class_c) == ("1.0.4", True)
    said = DeviceSettings(version="1.0.2", device_class="A").model_dump()  # type: ignore[arg-type]
    told = settings.device(known(settings=said), "1.0.4", "C")
    assert (told.version, told.class_c) == ("1.0.2", False)


@pytest.mark.real("network, processes")
async def test_a_damaged_record_is_named_and_its_device_not_heard(
    forwarder: Callable[[int], Awaitable[Forwarder]], lora_packet: LoraPacket, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known()], metrics=METRICS)
    session.state[f"lorawan:{DEV_EUI}"] = b"rubbish"
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        gateway.forward(PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY).join_request(1), 1)
        await until(lambda: f"lorawan:{DEV_EUI} is not heard: the record of a LoRaWAN device is damaged" in caplog.text)
    assert session.candidates == [], "it is configured"


@pytest.mark.real("network, processes")
async def test_a_wrong_device_is_named_and_the_others_are_heard(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(id="lorawan:wrong")], metrics=METRICS)
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        session.devices.put(known())
        await asyncio.sleep(0)
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
        gateway.forward(device.join_request(1), 1)
        assert device.join_accept(base64.b64decode((await gateway.answer())["data"]))
    assert "lorawan:wrong is not heard" in caplog.text


def test_the_settings_of_a_device_have_sensible_defaults() -> None:
    made = settings.device(known(settings=DeviceSettings().model_dump()))
    assert (made.version, made.class_c, made.adr, made.abp) == ("1.0.3", False, True, None)


@pytest.mark.real("network, processes")
async def test_a_kill_while_a_reading_waits_for_room_loses_nothing_of_it_and_copies_meanwhile_count_once(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port, other, name = free_port(socket.SOCK_DGRAM), "0016c001ff10d3e6", f"lorawan:{DEV_EUI}"
    session = FakeSession("lorawan", [known(**ABP, pack="acme-thermo")], metrics=METRICS)
    session.packs.payloads[name, 2, b"log"] = (
        hub.Sample(values={"temperature": 21.0}), hub.Sample(values={"temperature": 20.0}, time=1_790_000_000.0)
    )  # fmt: skip
    frame = personalised(lora_packet).uplink(b"log", 2)
    config = udp(port, gather=0, gateways={GATEWAY: {}, other: {}})

    async def said_again_and_again() -> None:
        """Until a copy was heard that came after the first was handed over."""
        gateway, number = await forwarder(port), 0
        session.drops.clear()
        while not session.drops:
            gateway.forward(frame, number, gateway=(GATEWAY, other)[number % 2])
            number += 1
            await asyncio.sleep(0.02)

    session.room.clear()
    async with running(config, session):
        await said_again_and_again()
    assert (session.reports, dict(session.state)) == ([], {}), "neither is there"
    async with running(config, session):
        await said_again_and_again()
        session.room.set()
        await until(lambda: len(session.reports) >= 2)
        assert name in session.state
    assert [report.values.get("temperature") for report in session.reports] == [20.0, 21.0], "former values too"
    async with running(config, session):
        await said_again_and_again()
    assert {one.reason for one in session.refused} == {"repeat"}, "the hub knows this counter"
