"""ESPHome proxies: aioesphomeapi, unmodified, against a server that speaks its protocol."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import Any

import pytest
from pydantic import ValidationError

import hub
from hub.config.instances import Instance
from hub.plugin_host.declared_hosts import declared_hosts
from integrations import bluetooth
from integrations.bluetooth.proxy import Proxy
from integrations.bluetooth.sim.bluez import FakeBluez
from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor

from .esphome_kit import FakeProxy, fake_proxy
from .radio_kit import Session, running, until

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.bluetooth.proxy.LONGEST_S", 0.05)


@pytest.fixture
def no_bluez(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus")


def raw(said: Advertisement) -> bytes:
    """Flags, then service data 0xFCD2 (Core Specification Supplement, part A §1.3 and §1.11)."""
    data = said.service[BTHOME]
    return b"\x02\x01\x06" + bytes([len(data) + 3, 0x16]) + b"\xd2\xfc" + data


def proxies(**named: Any) -> dict[str, Any]:
    return {"proxies": {name: {"url": f"esphome://127.0.0.1:{p.port}", "key": p.key} for name, p in named.items()}}


def say(proxy: FakeProxy, sensor: Sensor, said: Advertisement, rssi: int = -60) -> None:
    proxy.hear(sensor.address, raw(said), rssi=rssi)


@pytest.mark.real("network")
@pytest.mark.parametrize("key", [None, KEY])
async def test_what_a_proxy_hears_is_read(
    key: str | None, no_bluez: None, sensors: list[Sensor], session: Session
) -> None:
    async with fake_proxy(key) as hall, running(session, **proxies(hall=hall)):
        await until(lambda: hall.clients)
        say(hall, sensors[1], sensors[1].advertise(), -77)
        async with asyncio.timeout(60):
            frame = await session.frames.get()
        assert frame.signal == hub.Signal(rssi=-77, source="hall")
        session.frames.put_nowait(frame)
        [answer] = await session.decoded(1)
        assert answer.device == sensors[1].id
        assert answer.proof == hub.Proof("bthome-ccm", 1, True)


@pytest.mark.real("network, processes")
async def test_two_proxies_and_an_adapter_hear_one_advertisement_once(
    bluez: FakeBluez, sensors: list[Sensor], session: Session
) -> None:
    async with (
        fake_proxy(KEY) as hall,
        fake_proxy() as attic,
        running(session, **proxies(hall=hall, attic=attic), gather=2.0),
    ):
        await until(lambda: hall.clients and attic.clients and bluez.heard)
        for _ in range(3):
            said = sensors[1].advertise()
            bluez.say(sensors[1], said, {"hci0": -88})
            say(hall, sensors[1], said, -52)
            say(attic, sensors[1], said, -70)
            async with asyncio.timeout(60):
                frame = await session.frames.get()
            assert frame.signal == hub.Signal(
                rssi=-52, source="hall", heard=(("hall", -52), ("attic", -70), ("hci0", -88))
            )
        assert session.frames.empty()


@pytest.mark.real("network")
async def test_a_phone_that_a_proxy_hears_is_counted_and_forgotten(no_bluez: None, session: Session) -> None:
    async with fake_proxy() as hall, running(session, **proxies(hall=hall)):
        await until(lambda: hall.clients)
        hall.hear("5A:00:00:00:00:01", bytes.fromhex("02011a07ff4c0010020b00"), random=True)
        await until(lambda: session.lost["", "private-address"] == 1)
        assert session.frames.empty()


@pytest.mark.real("network, processes")
async def test_a_proxy_that_goes_away_is_called_again_and_the_others_go_on(
    bluez: FakeBluez, sensors: list[Sensor], session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    async with fake_proxy() as hall, running(session, **proxies(hall=hall), gather=0.0) as task:
        await until(lambda: hall.clients and bluez.heard)
        hall.drop()
        await until(lambda: "the proxy hall went away" in caplog.text)
        bluez.say(sensors[1], sensors[1].advertise())
        await session.decoded(1)
        await until(lambda: hall.clients)
        say(hall, sensors[1], sensors[1].advertise())
        await session.decoded(1)
        assert not task.done()


@pytest.mark.real("network, processes")
async def test_a_proxy_that_does_not_answer_does_not_stop_an_adapter_and_is_told_once(
    bluez: FakeBluez, sensors: list[Sensor], session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    async with fake_proxy() as hall:
        pass
    async with running(session, **proxies(hall=hall)):
        await until(lambda: bluez.heard)
        await until(lambda: "the proxy hall does not answer" in caplog.text)
        async with fake_proxy(port=hall.port) as there:
            await until(lambda: there.clients)
        assert caplog.text.count("the proxy hall does not answer") == 1


@pytest.mark.real("network")
async def test_without_any_other_source_a_proxy_that_is_away_is_not_ready(no_bluez: None, session: Session) -> None:
    async with fake_proxy() as hall:
        pass
    with pytest.raises(hub.NotReady):
        await asyncio.wait_for(bluetooth.run(bluetooth.Config(**proxies(hall=hall)), session), 60)


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("theirs", "ours", "complaint"),
    [
        (KEY, OTHER, "refuses the key"),
        (KEY, None, "wants a key"),
        (None, KEY, "speaks in clear though it has a key here|does not answer"),
    ],
)
async def test_a_key_that_does_not_fit_is_refused_with_the_options_name(
    theirs: str | None,
    ours: str | None,
    complaint: str,
    no_bluez: None,
    session: Session,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with fake_proxy(theirs) as hall:
        config = bluetooth.Config(proxies={"hall": {"url": f"esphome://127.0.0.1:{hall.port}", "key": ours}})
        with pytest.raises((hub.NotReady, hub.AuthFailed)) as error:
            await asyncio.wait_for(bluetooth.run(config, session), 60)
    text = str(error.value) + caplog.text
    assert any(part in text for part in complaint.split("|")), text
    assert KEY not in text
    assert OTHER not in text


@pytest.mark.real("network, processes")
async def test_a_device_that_is_no_proxy_is_named(
    bluez: FakeBluez, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    async with fake_proxy(features=0) as lamp, running(session, **proxies(lamp=lamp)):
        await until(lambda: "lamp is no Bluetooth proxy" in caplog.text)


@pytest.mark.parametrize(
    "url", ["http://host", "esphome://", "host:6053", "esphome://user@host", "esphome://host/path", "esphome://host:x"]
)
def test_an_address_that_is_none_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValidationError, match="like esphome://proxy-hall"):
        Proxy(url=url)


@pytest.mark.parametrize("key", ["", "abc", base64.b64encode(bytes(31)).decode(), "ключ"])
def test_a_key_that_is_none_is_refused_before_anybody_is_called(key: str) -> None:
    with pytest.raises(ValidationError, match="32 bytes in base64"):
        Proxy(url="esphome://host", key=key)


@pytest.mark.real("network, processes")
async def test_the_probe_asks_adapters_and_proxies(bluez: FakeBluez, monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_proxy(KEY) as hall:
        config = bluetooth.Config(**proxies(hall=hall))
        assert await bluetooth.probe(config) == "ready to scan with hci0 (00:1A:7D:DA:71:13), hall (ESPHome 2026.10.0)"
        bluez.unplug()
        answer = await bluetooth.probe(config)
        assert answer == "ready to scan with hall (ESPHome 2026.10.0); no Bluetooth adapter is plugged in"
        with pytest.raises(hub.NotReady, match="no Bluetooth adapter is plugged in"):
            await bluetooth.probe(bluetooth.Config(adapters=("hci0",), **proxies(hall=hall)))
        wrong = bluetooth.Config(proxies={"hall": {"url": f"esphome://127.0.0.1:{hall.port}", "key": OTHER}})
        with pytest.raises(hub.AuthFailed, match="refuses the key"):
            await bluetooth.probe(wrong)


async def test_without_the_extra_it_is_named(no_bluez: None, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aioesphomeapi.client", None)
    with pytest.raises(hub.NotReady, match=r"proxies need the extra ble-proxy: pip install 'ilot\[ble-proxy\]'"):
        await asyncio.wait_for(
            bluetooth.run(bluetooth.Config(proxies={"hall": {"url": "esphome://127.0.0.1"}}), session), 20
        )


def test_the_proxies_that_the_configuration_names_are_declared_to_the_egress() -> None:
    config = bluetooth.Config(
        proxies={"hall": {"url": "esphome://Hall.example.org"}, "attic": {"url": "esphome://[::1]:7"}}
    )
    hosts = declared_hosts([Instance(name="bluetooth", type="bluetooth", config=config)])
    assert [(host.host, host.port, host.plain) for host in hosts] == [
        ("hall.example.org", 6053, False),
        ("::1", 7, False),
    ]
