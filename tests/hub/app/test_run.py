"""A plain command line of `ilot run` is read without click, and means what click says."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.app.run import Options, main, plain
from hub.cli.run import run
from hub.core.errors import StorageError
from hub.core.text import phrase

WORDS = [
    "-c", "--config", "--state-dir", "--drain", "-v", "--verbose", "--json", "--config=a.yaml", "--state-dir=b",
    "--drain=2", "a.yaml", "b", "0", "1e1", "nan?", "", "-", "--", "-x", "-cfile", "-vc", "--conf", "--help",
    "--json=1", "--drain=", "-v=1", "--config=--json", "/", "run",
]  # fmt: skip


def by_click(arguments: list[str]) -> Options:
    with run.make_context("run", list(arguments)) as context:
        return Options(**context.params)


@given(st.lists(st.sampled_from(WORDS), max_size=6), st.sampled_from(["", "there.yaml"]), st.sampled_from(["", "x"]))
def test_what_is_read_without_click_is_what_click_reads(arguments: list[str], config: str, state: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ILOT_CONFIG", config)
        patch.setenv("ILOT_STATE_DIR", state)
        found = plain(["run", *arguments], os.environ)
        if found is not None:
            assert found == by_click(arguments)


@pytest.mark.parametrize("arguments", [["--help"], ["--conf", "x"], ["--drain", "soon"], ["-c"], ["x"], ["-c", "/"]])
def test_help_and_mistakes_are_click_s(arguments: list[str]) -> None:
    assert plain(["run", *arguments], {}) is None


def test_the_lines_that_the_unit_and_the_demo_use_are_plain() -> None:
    assert plain(["run", "--config", "c.yaml", "--json"], {}) == Options(Path("c.yaml"), json=True)
    assert plain(["run", "--config", "/etc/ilot/config.yaml"], {}) == Options(Path("/etc/ilot/config.yaml"))
    assert plain(["run"], {}) is not None
    assert plain(["status"], {}) is None


def test_a_flag_is_no_value_of_click_s_either() -> None:
    with pytest.raises(click.UsageError):
        by_click(["--config"])


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"LANG": "fr_FR.UTF-8"}, "tout n'a pas atteint le disque"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C.UTF-8"}, "not everything reached the disk"),
        ({"LANG": "C.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, "tout n'a pas atteint le disque"),
        ({}, "not everything reached the disk"),
    ],
)
def test_a_hub_that_does_not_start_says_why_in_the_language_of_its_environment(
    environment: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def refuse(_: Options) -> int:
        raise StorageError(
            phrase("not-all-on-disk-at-end", "not everything reached the disk before the end: {reason}", reason="x")
        )

    monkeypatch.setattr("hub.app.run.run", refuse)
    assert main(Options(Path("config.yaml"))) == StorageError.exit_code
    assert said in capsys.readouterr().err
