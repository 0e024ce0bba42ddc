"""The hub's own access point: when it is on, with which key, and that it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dbus_fast import Variant

from hub.core.errors import HubError
from hub.operations.network import access_point, service
from hub.operations.network.access_point import has_wifi
from hub.operations.network.own_facts import KEY_LENGTH

from .network_kit import NM_PATH, Mock, Under, part, until
from .test_changes import code, plain

OFF, ON = "access point off", "access point on"


@pytest.fixture(autouse=True)
def wifi(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mock's Wi-Fi is none of this machine's."""
    monkeypatch.setattr(access_point, "has_wifi", lambda: True)
    monkeypatch.setattr(service, "has_wifi", lambda: True)
    monkeypatch.setattr(access_point, "LOOK_S", 25.0)


async def profiles(manager: Mock) -> list[dict[str, dict[str, object]]]:
    return [plain(call[0]) for call in await manager.calls(NM_PATH, "AddAndActivateConnection2")]


@pytest.mark.real("processes")
async def test_a_hub_that_nobody_claimed_opens_it_for_fifteen_minutes(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path, claimed=False) as under:
        await until(lambda: under.told() == [ON, OFF])
        # from the start of the clock: it begins with the hub, perhaps before anybody could look at the time
        assert 900 <= under.told_at[OFF] - under.clock.START < 950
        (profile,) = await profiles(manager)
        facts = under.network._own.facts
        assert profile["802-11-wireless"] == {"ssid": facts.name.encode(), "mode": "ap", "band": "bg"}
        assert profile["802-11-wireless-security"] == {
            "key-mgmt": "wpa-psk", "psk": facts.key, "proto": ["rsn"], "pairwise": ["ccmp"], "group": ["ccmp"],
        }  # fmt: skip
        assert profile["ipv4"]["method"] == "shared"
        ((_, device, _, options),) = await manager.calls(NM_PATH, "AddAndActivateConnection2")
        assert device == f"{NM_PATH}/Devices/wlan0"
        assert {name: one.value for name, one in options.items()} == {
            "persist": "volatile", "bind-activation": "dbus-client",
        }  # fmt: skip
        assert not (await under.ask("show"))["access_point"]["on"]


async def test_each_hub_has_a_key_of_its_own_which_it_keeps(tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b", "a"):
        (tmp_path / name).mkdir(exist_ok=True)
        async with part(tmp_path / name) as under:
            answer = await under.ask("key")
            assert len(answer["key"]) == KEY_LENGTH
            assert answer["code"] == f"WIFI:T:WPA;S:{answer['name']};P:{answer['key']};;"
            assert under.told() == ["access point key shown"]
            keys.append((answer["name"], answer["key"]))
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.real("processes")
async def test_a_claimed_hub_opens_none_until_somebody_asks(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path) as under:
        for _ in range(3):
            await under.clock.sleep(100.0)
        assert not await profiles(manager)
        assert under.network.label() is None
        key = (await under.ask("key"))["key"]
        await under.ask("access-point", on=True, new_key=True)
        await until(lambda: ON in under.told())
        label = under.network.label()
        assert label is not None
        assert label[1] != key
        assert label[2] == "https://10.42.0.1:8443/"
        await under.ask("access-point", on=False)
        await until(lambda: OFF in under.told())
        assert (await profiles(manager))[0]["802-11-wireless-security"]["psk"] == label[1]
        assert label[1] not in repr(under.audited)


async def claimed_while_on(under: Under) -> float:
    """Claim the hub while its access point is on; return how long it stays on then."""
    await until(lambda: ON in under.told())
    under.claimed, at = True, under.clock.at
    await until(lambda: OFF in under.told())
    return under.clock.at - at


@pytest.mark.real("processes")
async def test_a_claim_ends_it_where_the_hub_is_reached_otherwise(tmp_path: Path, manager: Mock) -> None:
    async with part(tmp_path, claimed=False) as under:
        assert await claimed_while_on(under) < 120


@pytest.mark.real("processes")
async def test_a_claim_over_it_alone_does_not_cut_its_own_branch(tmp_path: Path, manager: Mock) -> None:
    await manager.update(
        f"{NM_PATH}/Devices/eth0", "org.freedesktop.NetworkManager.Device", State=Variant("u", 20)
    )  # no cable
    async with part(tmp_path, claimed=False) as under:
        assert await claimed_while_on(under) > 700


@pytest.mark.real("processes")
async def test_a_file_on_the_boot_partition_brings_it_back_once_with_the_key_in_it(
    tmp_path: Path, manager: Mock
) -> None:
    request = tmp_path / "ilot-access-point"
    request.write_text("sept-huit-neuf\r\n")
    async with part(tmp_path) as under:
        await until(lambda: OFF in under.told())
        assert under.told() == ["access point asked for by card", ON, OFF]
        assert (await profiles(manager))[0]["802-11-wireless-security"]["psk"] == "sept-huit-neuf"
    async with part(tmp_path) as under:  # the same file, which the hub may not remove
        for _ in range(3):
            await under.clock.sleep(100.0)
        assert under.told() == []
    request.write_text("")  # put there again, with no key: the hub's own
    os.utime(request, (5_000_000_000, 5_000_000_000))
    async with part(tmp_path) as under:
        await until(lambda: ON in under.told())
        assert (await profiles(manager))[-1]["802-11-wireless-security"]["psk"] == under.network._own.facts.key


@pytest.mark.real("processes")
async def test_a_wi_fi_that_is_in_use_is_taken_only_when_somebody_asks(tmp_path: Path, manager: Mock) -> None:
    await manager.update(f"{NM_PATH}/Devices/wlan0", "org.freedesktop.NetworkManager.Device", State=Variant("u", 100))
    async with part(tmp_path, claimed=False) as under:
        await until(lambda: under.network.access_point.error)
        assert under.network.access_point.error.code == "access-point-no-card"  # type: ignore[attr-defined]
        assert not await profiles(manager)
        await under.ask("access-point", on=True)
        await until(lambda: ON in under.told())


@pytest.mark.real("processes")
async def test_a_machine_without_wi_fi_says_so(tmp_path: Path, bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "has_wifi", lambda: False)
    async with part(tmp_path) as under:
        with pytest.raises(HubError) as refused:
            await under.ask("access-point", on=True)
        assert code(refused) == "access-point-no-wifi"


def test_a_wi_fi_interface_is_found_without_asking_anybody(tmp_path: Path) -> None:
    (tmp_path / "eth0").mkdir()
    assert not has_wifi(tmp_path)
    (tmp_path / "wlan0" / "phy80211").mkdir(parents=True)
    assert has_wifi(tmp_path)
