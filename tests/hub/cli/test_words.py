"""A token that a hub answers is a word of the shell's language in a table, and a list has the spaces of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli.health import _join
from hub.cli.pack import pack
from hub.cli.rule import rule


@pytest.mark.parametrize(("shell", "said"), [("fr_FR.UTF-8", "faite 20"), ("C.UTF-8", "joined 20")])
def test_how_a_device_joined(shell: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", shell)
    assert _join({"join": "joined", "joined_at": 1_792_888_200.0}).startswith(said)


@pytest.mark.parametrize(
    ("shell", "said"),
    [("fr_FR.UTF-8", "level : de 1 à 98 % ; par défaut 90. À"), ("C.UTF-8", "level: 1 to 98 %; default 90. From")],
)
def test_what_an_input_of_a_template_may_be(
    shell: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", shell)
    (tmp_path / "config.yaml").write_text("hub: {}\n")
    shown = CliRunner().invoke(rule, ["templates", "bin_full", "--config", str(tmp_path / "config.yaml")])
    assert said in shown.stdout


@pytest.mark.parametrize(("shell", "said"), [("fr_FR.UTF-8", "(livré) : Elsys"), ("C.UTF-8", "(shipped): Elsys")])
def test_where_a_pack_is_from(shell: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", shell)
    (tmp_path / "config.yaml").write_text("hub: {}\n")
    shown = CliRunner().invoke(pack, ["show", "elsys-ers", "--config", str(tmp_path / "config.yaml")])
    assert said in shown.stdout
