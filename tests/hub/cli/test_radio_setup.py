"""`ilot radio`: a device, or set-up of the concentrator, as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.concentrator import radio
from hub.core.errors import NotReady
from hub.operations.concentrator import watch
from hub.operations.concentrator.detect import look
from tests.hub.operations.concentrator.radio_kit import EUI, board


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options for a machine with a HAT, on which no hub runs."""
    root = board(tmp_path / "machine", hat=("RAKwireless", "RAK5146 Pi HAT"))
    monkeypatch.setattr(watch.Machine, "look", lambda self: look(root))
    (tmp_path / "config.yaml").write_text("integrations: {}\n")
    return ["-c", str(tmp_path / "config.yaml"), "--state-dir", str(tmp_path / "state")]


def test_what_was_detected_is_planned_without_a_question(here: list[str]) -> None:
    done = CliRunner().invoke(radio, ["setup", *here, "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    assert (plan["state"], plan["model"]["key"], plan["eui"]) == ("planned", "rak5146", "dca632fffe010203")
    assert plan["lines"] == {"reset": 17}
    assert plan["edits"][0]["path"] == ["integrations", "lorawan"]


def test_what_is_given_counts_more_than_what_was_detected(here: list[str]) -> None:
    done = CliRunner().invoke(
        radio, ["setup", *here, "--dry-run", "--json", "--model", "pg1302", "--eui", EUI, "--reset", "25"]
    )
    plan = json.loads(done.stdout)
    assert (plan["model"]["key"], plan["eui"]) == ("pg1302", EUI)
    assert plan["lines"] == {"reset": 25, "power": 27, "sx1261_reset": 22}


def test_a_device_is_meant_where_no_command_is_named(here: list[str]) -> None:
    done = CliRunner().invoke(radio, ["lorawan:70b3d5e75e00abcd", *here])
    assert isinstance(done.exception, NotReady), "it asked the hub"
