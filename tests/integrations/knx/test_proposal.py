"""From an ETS project to the configuration: `ilot import knx`, end to end and in its parts."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from project_kit import archive

from integrations.knx import Config, DeviceSettings
from integrations.knx.project.reader import read
from integrations.knx.project.tables import Device, Function, GroupAddress, Link, Project, Space
from integrations.knx.proposal import Wish, propose

BASE = "hub:\n  name: École\n  site: ecole\nsites:\n  ecole:\n    name: École\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return read(archive(tmp_path / "p.knxproj", 23))


def ilot(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.real("processes")
def test_ilot_import_shows_a_diff_writes_it_and_ilot_check_finds_it_right(tmp_path: Path) -> None:
    archive(tmp_path / "p.knxproj", 23, "mot de passe")
    (tmp_path / "mdp").write_text("mot de passe\n")
    (tmp_path / "config.yaml").write_text(BASE)
    asked = [
        "import",
        "knx",
        "p.knxproj",
        "--password-file",
        "mdp",
        "--site",
        "ecole",
        "--host",
        "192.0.2.10",
        "--read",
    ]
    shown = ilot(tmp_path, *asked, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    added = [line[1:] for line in shown.stdout.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert '        1/1/2: {dpt: "9.007", metric: humidity}  # Premier étage · Air · Humidité' in added
    assert '  etage-1-salle-12: {site: ecole, name: "Étage 1 · Salle 12"}' in added
    assert (tmp_path / "config.yaml").read_text() == BASE
    assert "occupancy are of class personal" in shown.stderr
    written = ilot(tmp_path, *asked, "--yes")
    assert written.returncode == 0, written.stderr
    checked = ilot(tmp_path, "check", "-c", "config.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    again = ilot(tmp_path, *asked, "--yes")
    assert "nothing to add" in again.stderr


@pytest.mark.real("processes")
def test_ilot_import_says_what_is_wrong_with_a_file_and_what_to_do(tmp_path: Path) -> None:
    archive(tmp_path / "p.knxproj", 20, "x")
    (tmp_path / "config.yaml").write_text(BASE)
    refused = ilot(tmp_path, "import", "knx", "p.knxproj")
    assert refused.returncode == 7
    assert "give it with --password-file, or export it without one" in refused.stderr
    missing = ilot(tmp_path, "import", "knx", "none.knxproj")
    assert missing.returncode == 4


def test_devices_are_named_after_who_sends_and_stand_in_the_room_of_the_function(project: Project) -> None:
    found = propose(project, Wish("knx", site="ecole", read=True), {})
    groups = {name: set(d["settings"]["groups"]) for name, d in found["devices"].items()}
    assert groups == {
        "knx:1.1.10": {"1/1/1", "1/1/2", "1/1/3"},
        "knx:1.1.11": {"1/1/4"},
        "knx:group-1-2": {"1/2/1"},
        "knx:1.1.20": {"1/2/2"},
    }
    zone_of = {name: found["places"][d["place"]]["zone"] for name, d in found["devices"].items()}
    assert zone_of["knx:1.1.10"] == "etage-1-salle-12"
    assert zone_of["knx:1.1.20"] == "etage-1-salle-12", "the board is elsewhere; the light it switches is in this room"
    read_at_start = {a for d in found["devices"].values() for a, g in d["settings"]["groups"].items() if g.get("read")}
    assert read_at_start == {"1/1/1", "1/1/4"}
    assert any("left out are 1/2/3 Gradation (DPST-5-1)" in note for note in found["notes"])
    assert any(note.code == "knx.addresses-without-type" and note.params == {"count": 1} for note in found["notes"])


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ("room", {"etage-1-salle-12", "etage-1-cdi", "etage-1"}),
        ("floor", {"etage-1"}),
        ("building", {"batiment-a"}),
        ("none", set()),
    ],
)
def test_rooms_floors_or_buildings_become_zones(project: Project, zones: str, expected: set[str]) -> None:
    found = propose(project, Wish("knx", site="ecole", zones=zones), {})
    assert set(found.get("zones", {})) == expected
    assert "sites" not in found
    if zones == "none":
        assert all("zone" not in place for place in found["places"].values())


def test_without_a_site_the_project_becomes_one(project: Project) -> None:
    found = propose(project, Wish("knx"), {})
    assert found["sites"] == {"ecole-jean-jaures": {"name": "École Jean-Jaurès"}}
    assert all(zone["site"] == "ecole-jean-jaures" for zone in found["zones"].values())


def test_what_is_configured_already_keeps_its_device_and_nothing_is_proposed_twice(project: Project) -> None:
    first = propose(project, Wish("knx", site="ecole"), {})
    had = {"knx:mine": {"groups": {"1/1/1": {}, "2562": {}}}}
    again = propose(project, Wish("knx", site="ecole"), had)
    assert set(again["devices"]["knx:mine"]["settings"]["groups"]) == {"1/1/1", "1/2/2"}
    assert "place" not in again["devices"]["knx:mine"]
    groups = [a for d in again["devices"].values() for a in d["settings"]["groups"]]
    assert len(groups) == len(set(groups)) == sum(len(d["settings"]["groups"]) for d in first["devices"].values())


def test_a_second_value_of_a_metric_makes_a_device_of_its_own() -> None:
    project = Project(groups={}, devices={"DI-1": Device("DI-1", 0x1101, "Actionneur 8 voies")})
    for number in (1, 2, 3):
        project.groups[f"GA-{number}"] = GroupAddress(f"GA-{number}", 2304 + number, f"Voie {number}", dpt="DPST-1-11")
        project.links.append(Link("DI-1", f"O-{number}", (f"GA-{number}",), sends=True))
    found = propose(project, Wish("knx", site="s", zone="z"), {})
    assert {name: list(d["settings"]["groups"]) for name, d in found["devices"].items()} == {
        "knx:1.1.1": ["1/1/1"],
        "knx:1.1.1-1-1-2": ["1/1/2"],
        "knx:1.1.1-1-1-3": ["1/1/3"],
    }


names = st.text(max_size=30)


@st.composite
def projects(draw: st.DrawFn) -> Project:
    project = Project(name=draw(names), levels=draw(st.sampled_from([1, 2, 3])))
    for number in range(draw(st.integers(0, 4))):
        parent = draw(st.sampled_from(["", *project.spaces])) if project.spaces else ""
        kind = draw(st.sampled_from(["Building", "Floor", "Room", "DistributionBoard", ""]))
        project.spaces[f"BP-{number}"] = Space(f"BP-{number}", kind, draw(names), parent)
    for number in range(draw(st.integers(0, 4))):
        space = draw(st.sampled_from(["", "BP-9", *project.spaces]))
        address = draw(st.none() | st.integers(0, 0xFFFF))
        project.devices[f"DI-{number}"] = Device(f"DI-{number}", address, draw(names), space=space, model=draw(names))
    for number in range(draw(st.integers(0, 12))):
        dpt = draw(
            st.sampled_from(["", "DPST-9-1", "DPST-1-1", "DPST-5-1", "DPST-13-10", "DPT-9", "DPST-15-0", "junk"])
        )
        address = draw(st.integers(0, 0xFFFF))
        project.groups[f"GA-{number}"] = GroupAddress(
            f"GA-{number}", address, draw(names), dpt=dpt, ranges=(draw(names),)
        )
    if project.devices and project.groups:
        for _ in range(draw(st.integers(0, 12))):
            linked = tuple(draw(st.lists(st.sampled_from([*project.groups, "GA-99"]), min_size=1, max_size=3)))
            device = draw(st.sampled_from([*project.devices]))
            project.links.append(Link(device, "O-1", linked, sends=draw(st.sampled_from([None, True, False]))))
    if project.spaces and project.groups:
        space = draw(st.sampled_from([*project.spaces]))
        project.functions["F-1"] = Function("F-1", "FT-1", "f", space, dict.fromkeys(project.groups, ""))
    return project


@settings(max_examples=100, deadline=None)
@given(projects(), st.sampled_from(["room", "floor", "none"]))
def test_whatever_a_project_holds_the_proposal_is_a_right_configuration(project: Project, zones: str) -> None:
    found = propose(project, Wish("knx", zones=zones), {})
    addresses: list[str] = []
    for name, device in found.get("devices", {}).items():
        groups: dict[str, Any] = {
            a: {k: v for k, v in g.items() if k != "#"} for a, g in device["settings"]["groups"].items() if a != "# any"
        }
        DeviceSettings.model_validate({"groups": groups})
        addresses += groups
        assert name.startswith("knx:")
        assert device["place"] in found["places"]
    # ETS never gives two groups one address; a hostile file may: the first one counts
    assert len(addresses) == len(set(addresses))
    for place in found.get("places", {}).values():
        assert ("zone" in place) == (zones != "none")
        assert place.get("zone", "") in {"", *found.get("zones", {})}
        assert 0 < len(place["name"]) <= 100
        assert "\n" not in place["name"]


PLACES = """\
zones:
  z: {site: ecole, personal: {co2: air, light: essai, occupancy: essai}}
places:
  classe-1: {zone: z}
  tgbt: {zone: z}
"""


@pytest.mark.real("processes")
@pytest.mark.parametrize("page", ["integrations/knx/README.md", "docs/how-to/knx.md"])
def test_the_configurations_of_the_documentation_are_right(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[3] / page).read_text()
    (tmp_path / "secrets.yaml").write_text("knx_keyring: geheim\n")
    (tmp_path / "secrets.yaml").chmod(0o600)
    blocks = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    assert blocks
    for block in blocks:
        bus = "" if "integrations:" in block else "integrations: {knx: {}}\n"
        (tmp_path / "config.yaml").write_text(BASE + PLACES + bus + block)
        checked = ilot(tmp_path, "check", "-c", "config.yaml")
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_readme_shows_the_defaults_and_the_fixed_headings() -> None:
    text = (Path(__file__).parents[3] / "integrations/knx/README.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip
    for shown in ("port: 3671", "route_back: false", "max_rate: 5 ", "timeout: 3s", "levels: 3 "):
        assert shown in text
    fields = Config.model_fields
    defaults = [fields[name].default for name in ("port", "route_back", "max_rate", "timeout", "levels")]
    assert defaults == [3671, False, 5.0, timedelta(seconds=3), 3]
