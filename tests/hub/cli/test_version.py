"""Which build this is."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from hub.cli import main


def test_the_command_says_the_version_of_the_installed_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"ilot {version('ilot')}\n"
