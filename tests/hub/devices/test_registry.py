from __future__ import annotations

import asyncio
import gc

import msgspec
import pytest

from hub.core.errors import HubError
from hub.core.model import Device
from hub.devices.registry import Devices, key_fingerprint
from hub.sdk.testing import settle

OLD = Device(id="ble:AA:AA:AA:AA:AA:AA", integration="bluetooth", place="classe-1", key=b"o" * 16, settings={"a": 1})
NEW = "ble:BB:BB:BB:BB:BB:BB"


def test_the_new_device_stands_at_the_same_place_with_the_same_settings_and_its_own_key():
    devices = Devices([OLD])
    new = devices.replace(OLD.id, NEW, b"n" * 16)
    assert (new.id, new.place, new.integration, new.settings, new.key) == (
        NEW, "classe-1", "bluetooth", {"a": 1}, b"n" * 16,
    )  # fmt: skip
    assert devices.get(OLD.id) is None
    assert devices.get(NEW) == new


def test_a_replacement_outlives_the_process_and_chains():
    third = "ble:CC:CC:CC:CC:CC:CC"
    devices = Devices([OLD])
    devices.replace(OLD.id, NEW)
    devices.replace(NEW, third, b"t" * 16)
    again = Devices([OLD], devices.replaced)
    assert [d.id for d in again] == [third]
    assert again.key(third) == b"t" * 16


def test_who_stands_today_where_the_configuration_names_another_is_known_by_either_name():
    devices = Devices([Device(id="a:1", integration="x", place="p")])
    devices.replace("a:1", "a:2")
    devices.replace("a:2", "a:3")
    assert [devices.current_id(name) for name in ("a:1", "a:2", "a:3", "a:9")] == ["a:3", "a:3", "a:3", "a:9"]
    assert devices.succession("a:3") == ["a:1", "a:2", "a:3"]
    devices.replace("a:3", "a:1")
    assert [devices.current_id(name) for name in ("a:1", "a:2", "a:3")] == ["a:1", "a:1", "a:1"]


def test_a_key_belongs_to_the_hardware_so_the_old_one_is_not_given_to_the_new():
    devices = Devices([OLD], {OLD.id: (NEW, None)})
    assert devices.key(NEW) is None


def test_a_repaired_device_may_come_back():
    devices = Devices([OLD])
    devices.replace(OLD.id, NEW)
    devices.replace(NEW, OLD.id)
    assert [d.id for d in devices] == [OLD.id]
    assert [d.id for d in Devices([OLD], devices.replaced)] == [OLD.id]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("ble:00:00:00:00:00:00", NEW, "no device"),
        (OLD.id, OLD.id, "already stands"),
        (OLD.id, "nonsense", "not a device id"),
        (OLD.id, "modbus:meter", "not of the same kind"),
    ],
)
def test_a_replacement_that_makes_no_sense_is_refused(old, new, says):
    devices = Devices([OLD])
    with pytest.raises(HubError, match=says):
        devices.replace(old, new)
    assert devices.get(OLD.id) == OLD


async def test_an_integration_hears_of_its_new_device_and_of_the_replaced_one_and_of_no_other():
    devices = Devices([OLD])
    heard = []

    async def listen():
        async for device in devices.changes("bluetooth"):
            heard.append(device.id)  # noqa: PERF401 - each one as it comes

    task = asyncio.create_task(listen())
    await settle()
    devices.put(Device(id="modbus:x", integration="modbus", place="p"))
    devices.replace(OLD.id, NEW)
    await settle()
    assert heard == [OLD.id, NEW]
    assert devices.get(OLD.id) is None, "so that it serves it no longer"
    task.cancel()


async def test_an_integration_hears_of_a_device_that_was_removed_and_knows_it_no_more():
    devices = Devices([OLD])
    devices.replace(OLD.id, NEW)
    changes = devices.changes("bluetooth")
    waiting = asyncio.ensure_future(anext(changes))
    await settle()
    assert devices.succession(NEW) == [OLD.id, NEW]
    assert devices.remove(NEW).id == NEW
    assert (await waiting).id == NEW
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert (devices.get(NEW), devices.replaced, len(devices)) == (None, {}, 0)
    with pytest.raises(KeyError):
        devices.remove(NEW)


def test_a_device_never_shows_its_key_when_printed():
    assert "ooo" not in repr(OLD)
    assert "6f6f" not in repr(OLD)


def test_a_key_given_by_command_stands_until_the_configuration_changes_its_own():
    keys = {OLD.id: (b"given", key_fingerprint(OLD.key))}
    devices = Devices([OLD], {}, keys)
    assert devices.key(OLD.id) == b"given"
    assert devices.configured_key(OLD.id) == OLD.key
    edited = msgspec.structs.replace(OLD, key=b"newer in the file")
    assert Devices([edited], {}, keys).key(OLD.id) == b"newer in the file"
    assert Devices([OLD], {OLD.id: (NEW, None)}, keys).key(NEW) is None, "a key belongs to hardware"


async def test_an_integration_hears_of_a_key_that_changed():
    devices = Devices([OLD])
    changes = devices.changes("bluetooth")
    waiting = asyncio.ensure_future(anext(changes))
    await settle()
    devices.rekey(OLD.id, b"other")
    assert (await waiting).key == b"other"
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator


async def test_what_changes_between_asking_for_changes_and_waiting_for_one_is_heard_of():
    devices = Devices([OLD])
    changes = devices.changes("bluetooth")
    devices.rekey(OLD.id, b"while the plugin reaches its bus")
    async with asyncio.timeout(60):
        assert (await anext(changes)).key == b"while the plugin reaches its bus"
    del changes
    gc.collect()
    await settle()
    assert not devices._listeners["bluetooth"], "nobody is told who no longer listens"
