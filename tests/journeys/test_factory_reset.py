"""A hub in service is reset: the district is told, nothing opens what is left, and it waits to be claimed anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.main import ilot as cli
from hub.core.state_dir import StateDir
from hub.core.store import Store
from hub.identity import keys
from hub.operations import factory_reset
from hub.operations.factory_reset import MARK, ResetRequest
from hub.rpc.control_socket import call

from ..faults.rig import Rig, ilot

CONFIG = """\
hub: {{name: reset, site: school, state_dir: {state}}}
sites: {{school: {{name: School}}}}
zones: {{rooms: {{site: school, name: Chambre de Camille}}}}
places: {{hub: {{zone: rooms, name: Hub}}}}
devices: {{"host:local": {{integration: host, place: hub}}}}
integrations: {{host: {{}}}}
web: {{address: 127.0.0.1, port: 0}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms}}
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    text = rig.config.read_text()
    url = text[text.index('{url: "') + 7 :].partition('"')[0]
    rig.config.write_text(CONFIG.format(state=rig.state, url=url))
    yield rig
    rig.close()


def started(rig: Rig) -> dict[str, Any]:
    where = ["--config", str(rig.config), "--state-dir", str(rig.state)]
    rig.hub = rig._start([sys.executable, "-m", "hub", "run", *where, "--json", "--drain", "60"], "hub")
    return ready(rig)


def ready(rig: Rig) -> dict[str, Any]:
    """The next line of a process that says who it is: of the hub, or of the one that began anew in its place."""
    assert rig.hub is not None
    while True:
        said = json.loads(rig._line(rig.hub))
        if "socket" in said:
            return dict(said)


@pytest.mark.real("network, processes")
def test_a_hub_in_service_tells_its_district_and_waits_to_be_claimed_with_the_code_that_it_gave(rig: Rig) -> None:
    before = started(rig)
    assert before.get("enrolled", True)
    secret = keys.load(rig.state / "keys").store_key
    done = ilot("reset", "--factory", "--yes", "--config-too", "--why", "sold", "--config", str(rig.config), "--json")
    assert done["running"] is True
    after = ready(rig)
    assert after["enrolled"] is False
    assert after["hub"] != before["hub"]
    assert not (rig.state / MARK).exists()
    assert not (rig.state / "enrolment.json").exists()
    assert keys.load(rig.state / "keys").store_key != secret
    assert "Camille" not in rig.config.read_text()
    assert not (rig.root / "secrets.yaml").exists()
    alerts = rig.sql("SELECT * FROM alerts")
    assert "factory-reset" in str(alerts), alerts
    assert "sold" in str(alerts)
    assert "'raised'" in str(alerts), "it stays open: nobody is left who could clear it"
    label = ilot("label", "--config", str(rig.config), "--state-dir", str(rig.state), "--json")
    assert (label["claimed"], label["code"]) == (False, "")
    person = {"name": "morgane", "password": "quatre chevaux gris"}
    claimed = call(Path(after["socket"]), "web.claim", code=done["code"], **person)
    assert (claimed["name"], claimed["again"]) == ("morgane", False), "the code makes the first administrateur"


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    "keys_gone",
    [
        pytest.param(False, id="asked for", marks=pytest.mark.long("the start of the other one is the same")),
        pytest.param(True, id="in the middle"),
    ],
)
def test_a_reset_that_was_cut_short_goes_on_at_the_next_start(rig: Rig, keys_gone: bool) -> None:
    state = StateDir(rig.state)
    factory_reset.request(state, ResetRequest(by="web:camille", config=True))
    if keys_gone:
        for path in state.keys.iterdir():
            path.unlink()
    assert started(rig)["enrolled"] is False
    assert not (rig.state / MARK).exists()
    assert "Camille" not in rig.config.read_text()


async def test_the_releases_beside_the_state_stay(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    made = keys.create(state.keys)
    await (await Store.open(state.store, made.store_key)).close()
    release = state.path / "releases" / "7" / "program"
    release.parent.mkdir(parents=True)
    release.write_text("program")
    factory_reset.reset(state)
    assert release.read_text() == "program"
    assert sorted(path.name for path in state.path.iterdir()) == ["lock", "releases"]


def test_a_dry_run_names_what_goes_of_the_configuration(tmp_path: Path) -> None:
    keys.create(tmp_path / "state" / "keys")
    (tmp_path / "config.yaml").write_text("hub: {site: s}\nsites: !include sites.yaml\n")
    (tmp_path / "sites.yaml").write_text("s: {name: S}\n")
    (tmp_path / "secrets.yaml").write_text("a: b\n")
    (tmp_path / "secrets.yaml").chmod(0o600)
    where = ["--config", str(tmp_path / "config.yaml"), "--state-dir", str(tmp_path / "state")]
    said = CliRunner().invoke(cli, ["reset", "--factory", "--dry-run", "--config-too", *where])
    assert said.exit_code == 0
    for name in ("secrets.yaml", "sites.yaml", "config.yaml"):
        assert f"of the configuration: {tmp_path / name}" in said.output
        assert (tmp_path / name).exists()


@pytest.mark.parametrize(("said", "asked"), [("{hub}", True), ("{hub}\r\n", True), ("hub-other", False), ("", False)])
def test_a_file_on_the_boot_partition_resets_the_hub_that_it_names_and_no_other(
    tmp_path: Path, said: str, asked: bool
) -> None:
    from hub.app.factory import ASKED, resume

    state, boot, config = StateDir(tmp_path / "state"), tmp_path / "boot", tmp_path / "config.yaml"
    hub = keys.create(state.keys).hub_id
    config.write_text("hub: {site: s}\n")
    boot.mkdir()
    (boot / ASKED).write_text(said.format(hub=hub))
    assert resume(state, config, boot) is asked
    assert state.keys.exists() is not asked
    if asked:
        keys.create(state.keys)
        assert resume(state, config, boot) is False, "the hub has another id now"
