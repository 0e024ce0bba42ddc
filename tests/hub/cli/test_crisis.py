"""`ilot crisis verify`: whose export must this be?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from hub.cli.crisis import crisis
from hub.cli.crisis.raising import battery, sampling, share, spell
from hub.identity import enrolment
from tests.hub.operations.crisis.test_crisis import exported


def verify(folder: Path, root: Path, *more: str) -> tuple[int, str]:
    config = root / "config.yaml"
    config.write_text(f"hub: {{state_dir: {root / 'state'}}}\n")
    done = CliRunner().invoke(crisis, ["verify", str(folder), "--config", str(config), *more])
    return done.exit_code, done.output


def test_where_no_hub_is_enrolled_the_id_must_be_said_and_the_message_says_where_it_stands(tmp_path: Path) -> None:
    folder, _, hub = exported(tmp_path)
    code, said = verify(folder, tmp_path)
    assert code == 2
    assert "--hub ID" in said
    assert "label" in said
    assert verify(folder, tmp_path, "--hub", hub) == (0, f"whole, and signed by {hub}\n")


def test_on_the_hub_itself_an_export_is_held_against_this_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, hub = exported(tmp_path)
    mine = SimpleNamespace(hub=hub)
    monkeypatch.setattr(enrolment, "load", lambda state: (mine, None))
    assert verify(folder, tmp_path) == (0, f"whole, and signed by {hub}\n")
    mine.hub = "hub-of-others"
    code, said = verify(folder, tmp_path)
    assert (code, said) == (7, f"this export is of {hub}, not of hub-of-others\n")


def test_a_duration_without_its_unit_is_refused_before_anybody_is_asked() -> None:
    done = CliRunner().invoke(sampling, ["plan", "5"])
    assert (done.exit_code, "5s, 500ms" in done.output) == (2, True)


def test_figures_are_said_with_what_they_are() -> None:
    assert spell(None) == "?"
    assert spell(90.0) == "1min30s"
    assert share(0.125) == "12.50 %"
    told = {"days": 900, "after_days": 897, "endless_days": 300}
    assert battery(told) == "900 -> 897 (300 if never told back)"
