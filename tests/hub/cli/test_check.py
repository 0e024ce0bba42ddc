"""`ilot check` and the devices that commands added: they lie in the store, beside a hub that may be running."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result

from hub.cli.check import check
from hub.core.errors import ConfigError
from hub.core.model import Device, Place
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.identity import enrolment, keys
from hub.onboarding.adoption import tables
from hub.plugin_host.plugins import runs_apart
from hub.plugin_host.registry import GROUP, Plugin

CONFIG = """\
hub: {name: h, site: s, state_dir: state}
sites: {s: {timezone: Europe/Paris}}
zones: {hall: {site: s}}
places: {door: {zone: hall}}
integrations:
  modbus: {host: 192.0.2.1}
devices:
  modbus:boiler: {integration: modbus, place: door, settings: {sunspec: true}}
"""
GOOD = Device(id="modbus:meter", integration="modbus", place="door", settings={"sunspec": True})


def ilot(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(check, ["--config", str(tmp_path / "config.yaml"), *arguments])


async def looked(tmp_path: Path, devices: list[Device], places: list[Place] | None = None) -> dict[str, Any]:
    """What --adopted says while a hub has the store open."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    state = StateDir(tmp_path / "state")
    state.path.mkdir(mode=0o700)
    store = await Store.open(state.store, keys.create(state.keys).store_key)
    try:
        await tables.adopt(store, devices, places or [], 1.0, "cli:jeanne")
        done = await asyncio.to_thread(ilot, tmp_path, "--adopted", "--json")
        assert done.exit_code == (6 if json.loads(done.stdout)["adopted_problems"] else 0)
        assert len((await tables.load(store)).devices) == len(devices), "the store itself is as it was"
        return dict(json.loads(done.stdout))
    finally:
        await store.close()


async def test_added_devices_that_fit_the_file_are_counted(tmp_path: Path) -> None:
    said = await looked(tmp_path, [GOOD])
    assert (said["adopted"], said["adopted_problems"], said["devices"]) == (1, [], 1)
    text = await asyncio.to_thread(ilot, tmp_path)
    assert "devices that commands added are not looked at: --adopted looks at them too" in text.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "modbus:boiler"}, "modbus:boiler stands in config.yaml:8 and was added by a command too"),
        ({"integration": "chirpstack"}, "was added for integration 'chirpstack', which is not configured"),
        ({"pack": "acme-gone"}, "has pack acme-gone, which is not here"),
        ({"settings": {"sunspec": "perhaps"}}, "its settings are refused: sunspec: expected true or false"),
        ({"pack": "vaisala-hmw95"}, "pack vaisala-hmw95 is for devices of bacnet, this is one of modbus"),
    ],
)
async def test_what_is_wrong_with_an_added_device_beside_this_file_is_said(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    device = Device(**{**{name: getattr(GOOD, name) for name in GOOD.__struct_fields__}, **change})
    (wrong,) = (await looked(tmp_path, [device]))["adopted_problems"]
    assert says in wrong


async def test_added_devices_are_read_as_they_were_before_a_change_that_a_hub_is_about_to_make(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    state = StateDir(tmp_path / "state")
    state.path.mkdir(mode=0o700)
    store = await Store.open(state.store, keys.create(state.keys).store_key)

    def begun(db: apsw.Connection) -> None:
        db.execute("PRAGMA cache_size = 2")  # so that its pages are in the file before it ends
        db.execute("BEGIN IMMEDIATE; DELETE FROM adopted")
        db.executemany("INSERT INTO meta VALUES (?, zeroblob(3000))", [(f"key {n}",) for n in range(40)])

    try:
        await tables.adopt(store, [GOOD], [], 1.0, "cli:jeanne")
        await store.call(begun)
        done = await asyncio.to_thread(ilot, tmp_path, "--adopted", "--json")
        assert json.loads(done.stdout)["adopted"] == 1
        await store.call(lambda db: db.execute("ROLLBACK"))
    finally:
        await store.close()


async def test_a_place_whose_zone_went_out_of_the_file_is_said(tmp_path: Path) -> None:
    (wrong,) = (await looked(tmp_path, [GOOD], [Place(id="attic", site="s", zone="roof")]))["adopted_problems"]
    assert wrong == "place attic of an added device is in zone 'roof', which the configuration does not have"


def test_without_a_store_nothing_is_said_of_one(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert "--adopted" not in ilot(tmp_path).stderr
    assert json.loads(ilot(tmp_path, "--adopted", "--json").stdout)["adopted"] == 0


def test_a_hub_that_is_not_enrolled_is_said_with_what_to_do_though_the_file_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    done = ilot(tmp_path)
    assert done.exit_code == 0, "the file is right: so it may be checked on any machine"
    assert "this hub is not enrolled" in done.stderr
    assert "`ilot enroll TOKEN`" in done.stderr
    assert "`ilot backend token`" in done.stderr
    assert json.loads(ilot(tmp_path, "--json").stdout)["enrolled"] is False
    monkeypatch.setattr(enrolment, "load", lambda state: state)
    assert ilot(tmp_path).stderr == ""
    assert json.loads(ilot(tmp_path, "--json").stdout)["enrolled"] is True


def test_an_enrolment_that_this_user_may_not_read_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)

    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(enrolment.Path, "read_bytes", refused)
    with pytest.raises(ConfigError, match="may not be read by this user: try again as the hub's user, or as root"):
        enrolment.load(tmp_path / "state")


def test_an_integration_that_cannot_be_loaded_is_told_though_the_file_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert ilot(tmp_path).exit_code == 0
    monkeypatch.setattr("integrations.modbus.register_integrations", lambda register: register("modbus"))
    done = ilot(tmp_path)
    assert done.exit_code == 6
    assert "modbus will not run: plugin 'modbus' (ilot" in done.stderr
    assert set(json.loads(ilot(tmp_path, "--json").stdout)["will_not_run"]) == {"modbus"}


def test_a_strangers_plugin_runs_apart_unless_the_file_lets_it_into_the_hubs_process() -> None:
    stranger = Plugin("acme", "ilot-acme", "1.0", EntryPoint("acme", "acme", GROUP))
    ours = Plugin("host", "ilot", "1.0", EntryPoint("host", "integrations.host", GROUP))
    ways = (None, "process", "none")
    assert [runs_apart(stranger, way) for way in ways] == [True, True, False]
    assert [runs_apart(ours, way) for way in ways] == [False, True, False]
