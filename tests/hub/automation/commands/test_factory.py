"""Devices that still have a credential that their maker prints in a manual: read, not written to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import hub
from hub.automation.alerts import AlertService
from hub.automation.commands import CommandService, Credential, FactoryCredentials, Order, WriteRefused, credentials_of
from hub.automation.commands.credentials import still_default
from hub.core.counters import Counts
from hub.core.model import Device, Metric, Place, Writable
from hub.core.store import Store
from hub.devices.packs import Library, Packs
from hub.devices.packs.format import DefaultKeys
from hub.devices.registry import Devices
from hub.page_kit.messages import message
from hub.sdk.testing import ManualClock
from integrations import http_json, knx, opcua
from tests.hub.automation.alerts.test_service import Stream

METER = Device(
    id="http:meter",
    integration="meters",
    place="tgbt",
    pack="schneider-pm5500",
    writable={"setpoint": Writable(0, 9, "technicien", 0)},
)
MILESIGHT = bytes.fromhex("5572404C696E6B4C6F52613230313823")


def config(user: str, password: str) -> http_json.Config:
    return http_json.Config(url="http://192.0.2.4", user=user, password=SecretStr(password))  # type: ignore[arg-type]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await Store.open(tmp_path / "store.db", bytes(32))
    yield made
    await made.close()


async def nothing(*_: object) -> None:
    return None


async def ordered(store: Store, given: hub.Config, device: Device = METER) -> str:
    """What the desk says to an order for the device of an integration with these options."""
    clock, devices = ManualClock(), Devices([device])
    async with Packs(Library()) as packs:
        factory = FactoryCredentials(devices, packs, {"meters": [*credentials_of(given)]}, clock)
        desk = CommandService(
            store,
            devices,
            clock,
            Counts(),
            metric=lambda *_: Metric(key="setpoint"),
            last=lambda *_: None,
            downlink=nothing,
            barred=factory.refuses,
        )
        order = Order(device=device.id, metric="setpoint", value=5.0, by="cli:j", role="technicien", why="cold")
        try:
            await desk.order(order)
        except WriteRefused as refused:
            return f"{refused.reason}: {refused}"
        return ""


async def test_a_meter_with_its_maker_s_password_is_not_written_to_and_one_with_another_is(store: Store) -> None:
    says = (
        "default-credential: http:meter still has the password of Guest that it left the factory with: "
        "change it in the device, then here"
    )
    assert await ordered(store, config("Guest", "Powerlogic@1")) == says
    assert await ordered(store, config("Guest", "powerlogic@1")) == ""
    assert await ordered(store, config("Administrator", "Powerlogic@1")) == "", "that account has another default"
    assert await ordered(store, http_json.Config(url="http://192.0.2.4")) == ""  # type: ignore[arg-type]


async def test_a_radio_device_with_the_key_of_all_its_kind_is_not_written_to(store: Store) -> None:
    device = Device(
        id="lorawan:24e124",
        integration="meters",
        place="p",
        pack="milesight-ws202",
        key=MILESIGHT,
        writable=METER.writable,
    )
    assert "the key that it left the factory with" in await ordered(store, config("", ""), device)
    other = Device(**{**{f: getattr(device, f) for f in device.__struct_fields__}, "key": bytes(16)})
    assert await ordered(store, config("", ""), other) == ""


async def test_what_bars_a_device_is_told_once_and_no_longer_when_it_is_mended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, devices = ManualClock(), Devices([METER])
    signs_in = {"meters": [Credential("Guest", "Powerlogic@1")]}
    async with Packs(Library()) as packs:
        factory = FactoryCredentials(devices, packs, signs_in, clock)
        work = asyncio.create_task(factory.run())
        try:
            async with asyncio.timeout(60):
                while not factory.status():
                    await asyncio.sleep(0.01)
            assert factory.status() == {"http:meter": "password of Guest"}
            (said,) = factory.complaints()
            assert said.startswith("device http:meter still has the password of Guest that it left the factory with")
            assert message(said, "fr").text.startswith(
                "L'appareil http:meter a encore le mot de passe d'origine du compte"
            )
            signs_in["meters"] = [Credential("Guest", "another")]
            await clock.advance(timedelta(minutes=2).total_seconds())
            async with asyncio.timeout(60):
                while factory.complaints():
                    await asyncio.sleep(0.01)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records] == [
        "http:meter still has the password of Guest that it left the factory with"
    ]
    assert "Powerlogic@1" not in caplog.text


def test_every_secret_of_an_integration_is_seen_with_its_user() -> None:
    assert [*credentials_of(config("u", "p"))] == [("u", "p")]
    headers = http_json.Config.model_validate({"url": "http://h", "headers": {"X-Key": "k"}})
    assert [*credentials_of(headers)] == [("", "k")]
    listen = {"secret": "0123456789012345678901", "user": "hook"}
    assert [*credentials_of(http_json.Config.model_validate({"listen": listen}))] == [("hook", listen["secret"])]
    bus = {"connection": "tunnelling-secure", "host": "h", "keyring": "k", "keyring_password": "pw"}
    assert [*credentials_of(knx.Config.model_validate(bus))] == [("", "pw")]
    server = {"url": "opc.tcp://h:4840", "user": "u", "password": "p"}
    assert ("u", "p") in credentials_of(opcua.Config.model_validate(server))
    assert "p" not in repr(Credential("u", "pass")).replace("repr", "")


KEYS = st.sampled_from([bytes(16), bytes(range(16)), MILESIGHT])


@given(KEYS, KEYS, KEYS, st.booleans())
def test_a_key_is_a_default_when_either_of_a_device_s_two_is(
    default: bytes, one: bytes, two: bytes, both: bool
) -> None:
    listed = [DefaultKeys(key=default.hex(), source="m")]
    found = still_default(listed, (), one + two if both else one)
    assert (found is not None) == (default == one or (both and default == two))
    assert still_default(listed, (), None) is None


async def test_a_device_with_its_maker_s_credential_is_an_alert_that_names_the_pack_and_not_the_credential(
    store: Store,
) -> None:
    clock, devices = ManualClock(), Devices([METER])
    signs_in = {"meters": [Credential("Guest", "Powerlogic@1")]}
    book = AlertService(store, Stream(), clock)  # type: ignore[arg-type]
    async with Packs(Library()) as packs:
        factory = FactoryCredentials(devices, packs, signs_in, clock)
        factory.announce(book, {"tgbt": Place(id="tgbt", site="school", zone="plant")}.get)
        work = asyncio.create_task(factory.run())
        try:
            async with asyncio.timeout(60):
                while not book.open:
                    await asyncio.sleep(0.01)
            [one] = book.open
            assert (one.rule, one.key, one.severity) == ("default-credential", "http:meter", "warning")
            assert one.value == f"{METER.pack} password of Guest"
            assert (one.site, one.zone) == ("school", "plant")
            assert "Powerlogic@1" not in repr(one)
            signs_in["meters"] = [Credential("Guest", "another")]
            async with asyncio.timeout(60):
                while book.open:
                    await clock.advance(61)
                    await asyncio.sleep(0.01)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
