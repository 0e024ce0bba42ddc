"""A proposal is shown whole, checked as the file would be, and written only when that is wanted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hub.cli.import_config import Proposal, propose, settle_zone, show, write
from hub.cli.main import ilot
from hub.config.instances import Models
from hub.config.load import load
from hub.core.errors import ConfigError
from hub.sdk.options import Config

FILE = """\
# the school
sites: {school: {}}
zones:
  plant: {site: school} # cellar
integrations:
  bus: {host: 192.0.2.1}
devices: {}
"""
FOUND: dict[str, Any] = {
    "places": {"ahu": {"name": "AHU 1"}},
    "devices": {
        "bus:1": {"integration": "bus", "place": "ahu", "settings": {"unit": 1}},
        "bus:2_B": {"integration": "bus", "name": "Boiler: 2", "settings": {"unit": 2}},
    },
    "notes": ["one thing was left out"],
}


class Bus(Config):
    host: str
    port: int = 502


class BusDevice(Config):
    unit: int


MODELS = Models(integrations={"bus": (Bus, BusDevice)})


def asked(**options: Any) -> argparse.Namespace:
    return argparse.Namespace(**{"json": False, "yes": False, "dry_run": False, **options})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(FILE)
    path.chmod(0o640)
    return path


def test_each_device_gets_a_place_and_each_place_the_one_zone(config: Path) -> None:
    proposal = propose(FOUND, config, MODELS)
    assert proposal.problems == []
    assert proposal.text == (
        "places:\n"
        "  ahu: {zone: plant, name: AHU 1}\n"
        '  bus-2_b: {zone: plant, name: "Boiler: 2"}\n'
        "devices:\n"
        "  bus:1:\n    integration: bus\n    place: ahu\n    settings: {unit: 1}\n"
        '  bus:2_B:\n    integration: bus\n    name: "Boiler: 2"\n    settings: {unit: 2}\n    place: bus-2_b\n'
    )
    removed = [line for line in proposal.diff.splitlines()[2:] if line.startswith("-")]
    assert removed == ["-devices: {}"]
    assert config.read_text() == FILE
    assert write(proposal) == [config]
    assert config.stat().st_mode & 0o777 == 0o640
    assert "plant: {site: school} # cellar\n" in config.read_text()
    assert {device.id: device.place for device in load(config, MODELS).devices} == {
        "bus:1": "ahu",
        "bus:2_B": "bus-2_b",
    }


def test_a_device_that_has_a_place_in_the_file_keeps_it(config: Path) -> None:
    write(propose(FOUND, config, MODELS))
    again = propose({"devices": {"bus:2_B": {"integration": "bus", "settings": {"unit": 3}}}}, config, MODELS)
    assert again.diff == ""
    assert again.kept == ['devices["bus:2_B"].settings.unit']


def test_several_zones_need_a_word(config: Path) -> None:
    config.write_text(FILE.replace("zones:\n", "zones:\n  rooms: {site: school}\n"))
    with pytest.raises(click.UsageError, match=r"--zone \(there are plant, rooms\)"):
        propose(FOUND, config, MODELS)
    assert "ahu: {zone: rooms" in propose(FOUND, config, MODELS, zone="rooms").text


def test_without_a_file_a_zone_is_asked_for_and_the_whole_text_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="the configuration has none yet"):
        propose(FOUND, tmp_path / "new.yaml", MODELS)
    whole = {**FOUND, "sites": {"school": {}}, "zones": {"plant": {"site": "school"}}, "integrations": {"bus": {}}}
    proposal = propose(whole, tmp_path / "new.yaml", MODELS)
    assert [problem.path for problem in proposal.problems] == ["integrations.bus"], (
        "it would not start: it needs a host"
    )
    whole["integrations"] = {"bus": {"host": "192.0.2.1"}}
    proposal = propose(whole, tmp_path / "new.yaml", MODELS)
    write(proposal)
    assert (tmp_path / "new.yaml").read_text() == proposal.text
    assert len(load(tmp_path / "new.yaml", MODELS).devices) == 2


def test_what_would_not_pass_the_check_is_said_with_its_line_and_not_written(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal = propose({"devices": {"bus:1": {"integration": "bus", "settings": {"unit": "x"}}}}, config, MODELS)
    [problem] = proposal.problems
    assert problem.file == str(config)
    assert problem.source.strip() == "settings: {unit: x}"
    with pytest.raises(click.exceptions.Exit) as ended:
        show(proposal, config, asked(yes=True))
    assert ended.value.exit_code == 3
    assert "nothing was written" in capsys.readouterr().err
    assert config.read_text() == FILE


def test_the_secrets_of_the_file_are_known_to_the_check(config: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.yaml"
    secrets.write_text('bus_key: "00112233"\n')
    secrets.chmod(0o600)
    keyed = {"devices": {"bus:1": {"integration": "bus", "settings": {"unit": 1}, "key": {"!secret": "bus_key"}}}}
    proposal = propose(keyed, config, MODELS)
    assert proposal.problems == []
    assert "key: !secret bus_key\n" in proposal.text
    keyed["devices"]["bus:1"]["key"] = {"!secret": "other"}
    assert "the secret 'other' is neither in" in propose(keyed, config, MODELS).problems[0].message


@pytest.mark.parametrize(
    ("options", "written"), [({}, False), ({"dry_run": True}, False), ({"json": True}, False), ({"yes": True}, True)]
)
def test_nothing_is_written_unless_that_was_said(
    options: dict[str, Any], written: bool, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(propose(FOUND, config, MODELS), config, asked(**options))
    out, err = capsys.readouterr()
    assert "bus:1" in out
    assert "one thing was left out" in err
    assert (config.read_text() != FILE) is written


def test_a_file_that_is_wrong_already_is_put_right_first(config: Path) -> None:
    config.write_text(FILE + "devices: {}\n")
    with pytest.raises(ConfigError, match="a second time"):
        propose(FOUND, config, MODELS)


def test_nothing_found_proposes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    proposal = propose({"notes": ["nobody answered"]}, config, MODELS)
    assert proposal == Proposal("", "", notes=["nobody answered"])
    show(proposal, config, asked())
    assert capsys.readouterr().err == "nothing was found\nnobody answered\n"


@pytest.mark.parametrize(
    ("zones", "zone", "says"),
    [
        ("plant: {site: school}, hall: {site: school}", "", "say which with --zone (there are hall, plant)"),
        ("plant: {site: school}", "cellar", "there is no zone 'cellar'; there are plant"),
        ("", "", "the configuration has none yet"),
        ("", "cellar", "the configuration has none yet"),
    ],
)
def test_a_zone_is_asked_for_before_any_device_is(
    zones: str, zone: str, says: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        FILE.replace("  plant: {site: school} # cellar", f"  {{{zones}}}").replace("  bus: {host: 192.0.2.1}", "  {}")
    )

    async def asked_devices(asked: argparse.Namespace) -> dict[str, Any]:
        raise AssertionError("devices were asked for minutes, and then nobody knew where to put them")

    monkeypatch.setattr("integrations.bacnet.importer.propose", asked_devices)
    words = ["import", "bacnet", "-c", str(config), "--address", "192.0.2.20", *(["--zone", zone] if zone else [])]
    done = CliRunner().invoke(ilot, words)
    assert done.exit_code == 2, done.output
    assert says in done.output.replace("\n", " ")


def test_a_zone_that_is_clear_or_comes_from_the_source_is_not_asked_for(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle_zone(config, "")
    settle_zone(config, "plant")
    seen: list[str] = []

    async def read(asked: argparse.Namespace) -> dict[str, Any]:
        seen.append(asked.zones)
        return {}

    monkeypatch.setattr("integrations.knx.importer.propose", read)
    config.write_text("sites: {school: {}}\nzones: {a: {site: school}, b: {site: school}}\n")
    words = ["import", "knx", "-c", str(config), "school.knxproj"]
    assert CliRunner().invoke(ilot, words).exit_code == 0, "the project says which rooms there are"
    assert CliRunner().invoke(ilot, [*words, "--zones", "none"]).exit_code == 2
    assert seen == ["room"]
