"""What commands say is so: the file that was given, the device that was meant, the hub that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.config import config
from hub.cli.doctor.configuration import look_at_integrations, open_configuration
from hub.cli.privacy import privacy
from hub.core.errors import HubError
from hub.core.text import reason_of
from hub.operations.doctor.findings import OK, WRONG

RIGHT = "hub:\n  state_dir: state\nsites: {s: {}}\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(RIGHT)
    return file


@pytest.mark.parametrize("command", ["check", "apply"])
def test_a_file_that_is_tried_is_the_one_that_is_named_as_wrong(file: Path, tmp_path: Path, command: str) -> None:
    other = tmp_path / "tried.yaml"
    other.write_text(RIGHT + "sights: 1\n")
    done = CliRunner().invoke(config, [command, str(other), "--config", str(file)])
    assert done.exit_code == 3
    assert f"{other}:4:1" in done.stderr
    assert str(file) not in done.stderr
    said = json.loads(CliRunner().invoke(config, [command, str(other), "--config", str(file), "--json"]).stdout)
    assert str(other) in str(said["problems"][0])
    assert str(file) not in str(said)
    done = CliRunner().invoke(config, ["check", str(other), "--config", str(other)])
    assert f"{other}:4:1" in done.stderr


def test_a_register_is_not_written_over_one_that_somebody_may_have_edited(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.cli.privacy.ask", lambda *_, **__: {"text": "new"})
    mine = tmp_path / "register.md"
    mine.write_text("edited")
    done = CliRunner().invoke(privacy, ["register", "-o", str(mine), "--config", str(file)])
    assert done.exit_code == 1
    assert isinstance(done.exception, HubError)
    assert getattr(reason_of(done.exception), "code", "") == "document-there-already"
    assert mine.read_text() == "edited"


def test_the_doctor_asks_the_hub_that_runs_and_not_its_radios(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(RIGHT + "integrations: {bluetooth: {}, host: {}, modbus: {host: 192.0.2.1}}\n")

    async def asked(instances: Any, *_: Any) -> Any:
        raise AssertionError(f"{instances} were asked behind the back of the hub")

    monkeypatch.setattr("hub.plugin_host.probing.probe", asked)
    health = {"error": "", "state": "running"}
    waits = {"error": "nobody answers at 192.0.2.1", "state": "waiting"}
    running = {"bluetooth": health, "host": health, "modbus": waits}
    found = list(look_at_integrations(open_configuration(file, None), running, True, 1.0))
    assert {one.what: one.state for one in found} == {"bluetooth": OK, "host": OK, "modbus": WRONG}
    assert "nobody answers" in found[-1].says


@pytest.mark.parametrize(("language", "says"), [("fr_FR.UTF-8", "n'est pas une option"), ("C", "is not an option")])
def test_problems_are_told_in_the_language_of_the_shell(
    file: Path, monkeypatch: pytest.MonkeyPatch, language: str, says: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", language)
    file.write_text(RIGHT + "sights: 1\n")
    assert says in CliRunner().invoke(config, ["check", "--config", str(file)]).stderr
