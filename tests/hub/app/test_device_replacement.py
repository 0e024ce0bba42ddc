"""Another device in the place of one, with the key that somebody typed."""

import asyncio
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock

import pytest

from hub.app.device_replacement import DeviceReplacement
from hub.core.errors import HubError
from hub.core.model import Device
from hub.core.text import Phrase
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.i18n.catalogues import is_translated
from hub.protocol.device_labels import Unreadable
from hub.sdk.testing import ManualClock

OLD, NEW, KEY = "ble:A4:C1:38:00:00:01", "ble:A4:C1:38:00:00:02", "231d39c1d7cc1ab1aee224cd096db932"


async def successor(said):
    return said, ""


@pytest.fixture
def parts():
    store = AsyncMock()
    path = MagicMock(devices=Devices([Device(id=OLD, integration="bluetooth", place="salle")]), places=Places([]))
    base = SimpleNamespace(store=store, clock=ManualClock())
    return DeviceReplacement(base, path, MagicMock(), successor), store


@pytest.mark.parametrize("typed", [KEY, KEY.upper(), "23:1D:39:C1:D7:CC:1A:B1:AE:E2:24:CD:09:6D:B9:32", f" {KEY} "])
async def test_a_key_is_taken_as_people_write_it(parts, typed):
    replacing, store = parts
    await replacing.calls()["device.replace"]({"old": OLD, "new": NEW, "key": typed})
    assert store.replace.await_args.args[:3] == (OLD, NEW, bytes.fromhex(KEY))


@pytest.mark.parametrize("typed", ["no key", KEY[:-1], "ab" * 65])
async def test_what_is_no_key_is_refused_in_both_languages_and_not_repeated(parts, typed):
    replacing, store = parts
    with pytest.raises(Unreadable) as refused:
        await replacing.calls()["device.replace"]({"old": OLD, "new": NEW, "key": typed})
    said = refused.value.detail
    assert isinstance(said, Phrase)
    assert (said.code, said.params["expected"]) == ("label-key-digit-count", "2, 4 … 128")
    assert is_translated(said, "fr")
    assert typed not in str(refused.value)
    store.replace.assert_not_awaited()


async def test_of_two_people_who_replace_one_device_at_once_the_second_is_refused_before_anything_is_kept(parts):
    replacing, store = parts
    third = NEW[:-1] + "3"

    async def slow(*_):
        await asyncio.sleep(0.01)

    store.replace.side_effect = slow
    call = replacing.calls()["device.replace"]
    said = await asyncio.gather(
        call({"old": OLD, "new": NEW}), call({"old": OLD, "new": third}), return_exceptions=True
    )
    assert said[0]["device"] == NEW
    assert isinstance(said[1], HubError)
    assert [call.args[:2] for call in store.replace.await_args_list] == [(OLD, NEW)]
