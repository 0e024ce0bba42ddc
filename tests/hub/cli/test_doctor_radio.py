"""`ilot doctor radio`: what a shell sees where no hub runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.doctor import radio_check
from tests.hub.operations.concentrator.radio_kit import log, machine, planned


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    (tmp_path / "config.yaml").write_text("integrations: {}\n")
    return ["-c", str(tmp_path / "config.yaml"), "--state-dir", str(tmp_path / "state")]


def test_a_fault_ends_the_command_with_six_and_its_remedy(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = machine(tmp_path)
    planned(here, "wm1302")
    log(here, "[HAL:INFO] [lgw_connect:1192] chip version is 0x00 (v0.0)")
    monkeypatch.setattr("hub.operations.concentrator.watch.Machine", lambda: here)
    done = CliRunner().invoke(radio_check.radio, options)
    assert done.exit_code == 6
    assert "GPIO 17" in done.stderr
    found = json.loads(CliRunner().invoke(radio_check.radio, [*options, "--json"]).stdout)
    assert [one["state"] for one in found] == ["ok", "ok", "wrong"]


def test_without_a_hub_it_says_that_nobody_tells_what_is_heard(tmp_path: Path, options: list[str]) -> None:
    here = machine(tmp_path)
    planned(here)
    says = [one.says for one in radio_check.look(here, tmp_path / "config.yaml", tmp_path / "state")]
    assert getattr(says[-1], "code", "") == "radio-no-hub"
    assert len(options) == 4


def test_the_whole_doctor_looks_at_a_concentrator_that_is_set_up_and_at_no_other(tmp_path: Path) -> None:
    here = machine(tmp_path)
    assert list(radio_check.concentrator(here)) == []
    planned(here)
    assert [one.state for one in radio_check.concentrator(here)] == ["ok", "ok"]
    log(here, "[HAL:INFO] [lgw_connect:1192] chip version is 0x00 (v0.0)")
    assert [one.state for one in radio_check.concentrator(here)] == ["ok", "ok", "wrong"]
