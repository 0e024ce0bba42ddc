"""A modem and its SIM, on a ModemManager that is not ours: python3-dbusmock's."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from dbus_fast import Variant

from hub.core.errors import HubError

from .network_kit import MM, MOCK, MODEM, NM_PATH, SIM, TEMPLATE, Mock, part, until
from .test_changes import code, plain

pytestmark = pytest.mark.real("processes")


@pytest.fixture
async def card(manager: Mock, modems: Mock) -> Mock:
    """NetworkManager has the modem too: as a cable in the template, which knows no modems."""
    device = f"{NM_PATH}/Devices/cdc"
    await manager.call(TEMPLATE, MOCK, "AddEthernetDevice", "ssi", "cdc", "cdc-wdm0", 60)
    await manager.update(device, "org.freedesktop.NetworkManager.Device", DeviceType=Variant("u", 8))
    return modems


async def sent(modems: Mock) -> list[str]:
    return [call[0] for call in await modems.calls(SIM, "SendPin")]


async def test_a_right_pin_unlocks_and_is_kept_for_this_sim_alone(tmp_path: Path, manager: Mock, card: Mock) -> None:
    async with part(tmp_path) as under:
        await under.ask("modem", apn="m2m.example", pin="1234")
        assert await sent(card) == ["1234"]
        (profile,) = (plain(call[0]) for call in await manager.calls(f"{NM_PATH}/Settings", "AddConnection"))
        assert profile["gsm"] == {"apn": "m2m.example", "pin": "1234", "sim-id": "8933150319"}
        await until(lambda: manager.calls(NM_PATH, "ActivateConnection"))
        assert under.told() == ["modem unlocked", "changed"]
        assert "1234" not in repr(under.audited)


async def test_a_wrong_pin_is_never_sent_twice_also_after_a_restart(
    tmp_path: Path, manager: Mock, card: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with part(tmp_path) as under:
        for expected in ("network-pin-refused", "network-pin-refused-before"):
            with pytest.raises(HubError) as refused:
                await under.ask("modem", apn="m2m.example", pin="4711")
            assert code(refused) == expected
            assert "4711" not in str(refused.value)
    async with part(tmp_path) as under:
        with pytest.raises(HubError) as refused:
            await under.ask("modem", apn="m2m.example", pin="4711")
        assert code(refused) == "network-pin-refused-before"
        assert await sent(card) == ["4711"]
        assert not await manager.calls(NM_PATH, "CheckpointCreate")
        await under.ask("modem", apn="m2m.example", pin="1234")  # the right one still is
        assert await sent(card) == ["4711", "1234"]
    assert "4711" not in caplog.text


async def test_a_crash_while_a_pin_is_sent_counts_as_its_try(tmp_path: Path, manager: Mock, card: Mock) -> None:
    await card.has(SIM, f"{MM}.Sim", "SendPin", "s", "", "import os; os._exit(1)")  # no answer ever
    async with part(tmp_path) as under:
        with pytest.raises(HubError):
            await under.ask("modem", apn="m2m.example", pin="1234")
        assert len(under.network._own.facts.refused) == 1
    async with part(tmp_path) as under:
        assert len(under.network._own.facts.refused) == 1


async def test_the_last_try_a_puk_and_an_unasked_pin_are_left_to_a_person(
    tmp_path: Path, manager: Mock, card: Mock
) -> None:
    cases = [
        ({"UnlockRetries": Variant("a{uu}", {2: 1})}, "network-pin-last-try"),
        ({"UnlockRequired": Variant("u", 4)}, "network-sim-puk"),
        ({"UnlockRequired": Variant("u", 7)}, "network-sim-other-lock"),
        ({"UnlockRequired": Variant("u", 1)}, "network-pin-not-asked"),
        ({"Sim": Variant("o", "/")}, "network-no-sim"),
    ]
    async with part(tmp_path) as under:
        for changed, expected in cases:
            await card.update(MODEM, f"{MM}.Modem", **changed)
            with pytest.raises(HubError) as refused:
                await under.ask("modem", apn="m2m.example", pin="1234")
            assert code(refused) == expected
            (shown,) = (await under.ask("show"))["modems"]
            assert "sim" not in shown
        assert await sent(card) == []
        assert (shown["interface"], shown["has_sim"], shown["operator"]) == ("cdc-wdm0", False, "TheOperator")


async def test_a_pin_is_not_spent_while_a_change_waits_or_in_a_dry_run(
    tmp_path: Path, manager: Mock, card: Mock
) -> None:
    async with part(tmp_path) as under:
        await under.ask("modem", apn="m2m.example", pin="1234", dry_run=True)
        await under.ask("set", interface="eth0")
        with pytest.raises(HubError) as refused:
            await under.ask("modem", apn="m2m.example", pin="1234")
        assert code(refused) == "network-change-waits"
        assert await sent(card) == []


async def test_a_modem_that_is_not_there_is_named(tmp_path: Path, manager: Mock, card: Mock) -> None:
    async with part(tmp_path) as under:
        with pytest.raises(HubError) as refused:
            await under.ask("modem", apn="m2m.example", interface="ttyUSB2")
        assert code(refused) == "network-no-modem"
        assert "cdc-wdm0" in str(refused.value)
