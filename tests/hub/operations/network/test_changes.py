"""Changes of an interface, on a NetworkManager that is not ours: python3-dbusmock's."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import AuthFailed, HubError, NotReady
from hub.core.text import Phrase
from hub.operations.network import access_point as access_point_module
from hub.operations.network.bus import refusal

from .network_kit import MOCK, NM, NM_PATH, TEMPLATE, Mock, part, timesyncd, until

pytestmark = pytest.mark.real("processes")

STATIC = {
    "interface": "eth0",
    "ipv4": "manual",
    "address": "192.0.2.10/24",
    "gateway": "192.0.2.1",
    "dns": "192.0.2.53",
}


def code(error: pytest.ExceptionInfo[HubError]) -> str:
    said = error.value.args[-1]
    assert isinstance(said, Phrase)
    return said.code


def plain(value: Any) -> Any:
    value = getattr(value, "value", value)
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


async def test_a_static_address_is_written_under_a_checkpoint_used_and_confirmed(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path) as under:
        answer = await under.ask("set", **STATIC)
        assert (answer["confirm_s"], answer["url"]) == (120, "https://192.0.2.10:8443/network")
        ((devices, seconds, flags),) = await manager.calls(NM_PATH, "CheckpointCreate")
        assert (devices, seconds, flags) == ([f"{NM_PATH}/Devices/eth0"], 120, 2)
        (profile,) = (plain(call[0]) for call in await manager.calls(f"{NM_PATH}/Settings", "AddConnection"))
        assert profile["connection"]["interface-name"] == "eth0"
        assert profile["ipv4"]["method"] == "manual"
        assert profile["ipv4"]["address-data"][0]["address"].value == "192.0.2.10"
        assert (profile["ipv4"]["gateway"], profile["ipv4"]["dns-data"]) == ("192.0.2.1", ["192.0.2.53"])
        await until(lambda: manager.calls(NM_PATH, "ActivateConnection"))
        waiting = (await under.ask("show"))["pending"]
        assert waiting["interfaces"] == ["eth0"]
        assert 0 < waiting["left_s"] <= 120
        assert waiting["url"] == answer["url"]
        with pytest.raises(NotReady) as refused:
            await under.ask("set", **STATIC)
        assert code(refused) == "network-change-waits"
        with pytest.raises(HubError) as refused:
            await under.ask("confirm", id="/another")
        assert code(refused) == "network-nothing-waits"
        await under.ask("confirm", id=answer["id"])
        assert await manager.calls(NM_PATH, "CheckpointDestroy") == [[answer["id"]]]
        assert not await manager.calls(NM_PATH, "CheckpointRollback")
        assert (await under.ask("show"))["pending"] is None
        assert under.told() == ["changed", "confirmed"]
        assert under.audited[0] == (
            "web:camille",
            {"network": "changed", "interface": "eth0", "ipv4": "192.0.2.10/24", "ipv6": "auto", "wifi": ""},
        )


async def test_what_nobody_confirms_is_told_when_networkmanager_took_it_back(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path) as under:
        answer = await under.ask("set", **STATIC)
        await until(lambda: manager.calls(NM_PATH, "ActivateConnection"))
        await manager.call(NM_PATH, NM, "CheckpointRollback", "o", answer["id"])  # as its timer does
        await until(lambda: under.told() == ["changed", "taken back"])
        last = (await under.ask("show"))["last"]
        assert (last["how"], last["why"].code) == ("taken back", "network-not-confirmed")


async def test_a_connection_that_fails_is_taken_back_at_once(tmp_path: Path, manager: Mock) -> None:
    await manager.has(NM_PATH, NM, "ActivateConnection", "ooo", "o", "ret = dbus.ObjectPath('/gone')")
    async with part(tmp_path) as under:
        answer = await under.ask("set", **STATIC)
        await until(lambda: manager.calls(NM_PATH, "CheckpointRollback"))
        assert await manager.calls(NM_PATH, "CheckpointRollback") == [[answer["id"]]]
        await until(lambda: under.told() == ["changed", "taken back"])
        assert (await under.ask("show"))["last"]["why"].code == "network-not-connected"


async def test_a_profile_that_is_refused_leaves_no_checkpoint(tmp_path: Path, manager: Mock) -> None:
    refuse = (
        "raise dbus.exceptions.DBusException('no', name='org.freedesktop.NetworkManager.Settings.InvalidConnection')"
    )
    await manager.has(f"{NM_PATH}/Settings", f"{NM}.Settings", "AddConnection", "a{sa{sv}}", "o", refuse)
    async with part(tmp_path) as under:
        with pytest.raises(HubError) as refused:
            await under.ask("set", **STATIC)
        assert code(refused) == "network-service-refuses"
        assert (await under.ask("show"))["pending"] is None


async def test_a_dry_run_writes_nothing(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path) as under:
        answer = await under.ask("set", **STATIC, dry_run=True)
        assert answer["would"]["ipv4"] == "192.0.2.10/24"
        assert not await manager.calls(NM_PATH, "CheckpointCreate")
        assert not under.audited


async def test_the_key_of_a_wi_fi_goes_to_networkmanager_and_nowhere_else(
    tmp_path: Path, manager: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = "correct horse battery"
    async with part(tmp_path) as under:
        with pytest.raises(HubError) as refused:
            await under.ask("set", interface="wlan0", ssid="Mairie")
        assert code(refused) == "network-key-needed"
        with pytest.raises(HubError) as refused:
            await under.ask("set", interface="eth0", ssid="Mairie", key=key)
        assert code(refused) == "network-not-wifi"
        with pytest.raises(HubError) as refused:
            await under.ask("set", interface="wlan0", ssid="Mairie", key=key[:7])
        assert key[:7] not in str(refused.value)
        answer = await under.ask("set", interface="wlan0", ssid="Mairie", key=key, hidden=True)
        (profile,) = (plain(call[0]) for call in await manager.calls(f"{NM_PATH}/Settings", "AddConnection"))
        assert profile["802-11-wireless-security"] == {"key-mgmt": "wpa-psk", "psk": key}
        assert (profile["802-11-wireless"]["ssid"], profile["802-11-wireless"]["hidden"]) == (b"Mairie", True)
        await until(lambda: manager.calls(NM_PATH, "ActivateConnection"))
        shown = await under.ask("show")
    assert key not in repr((answer, shown, under.audited)) + caplog.text


async def test_wi_fi_networks_are_listed_once_the_strongest_first_and_their_names_are_tame(
    tmp_path: Path, manager: Mock
) -> None:
    heard = [("a", "Mairie", 40, 0x100), ("b", "Mairie", 80, 0x100), ("c", "École", 60, 0x400), ("d", "Parc", 20, 0),
             ("e", "\x1b[31mbad\x07", 10, 0x200)]  # fmt: skip
    device = f"{NM_PATH}/Devices/wlan0"
    for name, ssid, strength, security in heard:
        body = (device, name, ssid, "00:11:22:33:44:55", 2, 2412, 54, strength, security)
        await manager.call(TEMPLATE, MOCK, "AddAccessPoint", "ssssuuuyu", *body)
    code_ = "self.UpdateProperties('org.freedesktop.NetworkManager.Device.Wireless', {'LastScan': dbus.Int64(5)})"
    await manager.has(device, f"{NM}.Device.Wireless", "RequestScan", "a{sv}", "", code_)
    async with part(tmp_path) as under:
        points = (await under.ask("scan"))["points"]
    assert [(one["ssid"], one["signal"], one["security"]) for one in points] == [
        ("Mairie", 80, "wpa2"), ("École", 60, "wpa3"), ("Parc", 20, "open"), ("�[31mbad�", 10, "enterprise"),
    ]  # fmt: skip


async def test_a_machine_without_the_services_says_so_and_a_missing_right_names_its_rule(
    tmp_path: Path, bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with part(tmp_path) as under:
        shown = await under.ask("show")
        assert {shown[one].code for one in ("error", "modem_error", "time_error")} == {"network-service-away"}
        with pytest.raises(NotReady):
            await under.ask("set", **STATIC)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nobody/here")
        assert (await under.ask("show"))["error"].code == "system-bus-silent"
        with pytest.raises(NotReady):
            await under.ask("access-point", on=True) if not access_point_module.has_wifi() else await under.ask("scan")
    for name in ("org.freedesktop.DBus.Error.AccessDenied", f"{NM}.PermissionDenied"):
        denied = refusal(NM, name, "not allowed")
        assert isinstance(denied, AuthFailed)
        assert denied.args[0].code == "network-not-allowed"


async def test_time_servers_are_set_kept_and_said_again_when_timesyncd_forgot_them(tmp_path: Path, bus: str) -> None:
    async with timesyncd(bus) as mock, part(tmp_path) as under:
        await under.ask("time", servers="ntp.ville.example.org, 192.0.2.123")
        shown = await under.ask("show")
        assert shown["time"]["servers"] == ["ntp.ville.example.org", "192.0.2.123"]
        assert under.audited[-1][1]["servers"] == ["ntp.ville.example.org", "192.0.2.123"]
    async with timesyncd(bus) as mock, part(tmp_path):  # both anew, the store is the same
        await until(lambda: mock.calls("/org/freedesktop/timesync1", "SetRuntimeNTPServers"))
        ((servers,),) = await mock.calls("/org/freedesktop/timesync1", "SetRuntimeNTPServers")
        assert servers == ["ntp.ville.example.org", "192.0.2.123"]
