"""`ilot new`: what it writes is right as it stands, and nothing is written over."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cli import output
from hub.cli.main import ilot
from hub.config.first_file import configuration
from hub.config.source import parse
from hub.plugin_host.manifest_file import read_manifest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(ilot, list(words), standalone_mode=False)
    code = getattr(done.exception, "exit_code", 0) if done.exception else done.return_value
    said = done.exception.format_message() if hasattr(done.exception, "format_message") else str(done.exception or "")
    return code or 0, done.output + said


def test_a_first_configuration_is_right_as_it_stands(here: Path) -> None:
    code, said = run("new", "config", "--name", "École Jean-Jaurès", "--state-dir", str(here / "state"))
    assert code == 0
    assert "no hub is enrolled" in said  # the address of the backend is not known then
    code, said = run("check")
    assert code == 0
    assert said.startswith("config.yaml: right. 1 integration, 1 device\nno hub can run with it yet:")
    assert parse((here / "config.yaml").read_text())["hub"]["site"] == "ecole-jean-jaures"


def test_a_configuration_that_is_there_is_not_written_over(here: Path) -> None:
    (here / "config.yaml").write_text("mine")
    code, said = run("new", "config", "--name", "x")
    assert code == 2
    assert "--out" in said
    assert (here / "config.yaml").read_text() == "mine"


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=60))
def test_whatever_a_building_is_called_its_name_is_read_back(name: str) -> None:
    said = parse(configuration(name, "/var/lib/ilot", "https://b.example.org:8443"))
    assert said["hub"]["name"] == name
    assert said["hub"]["site"] in said["sites"]


@pytest.mark.real("processes")
def test_outside_a_checkout_a_new_integration_is_a_distribution_that_passes_its_tests_at_once(here: Path) -> None:
    code, said = run("new", "integration", "tide-gauge")
    assert code == 0, said
    folder = here / "ilot-tide-gauge"
    passes(folder, "ruff", "check", "--no-cache", "--isolated")
    passes(folder, "ruff", "format", "--no-cache", "--isolated", "--check")
    assert " passed" in passes(folder, *TEST, "-c", os.devnull, "--rootdir", ".", "tests")
    read = read_manifest((folder / "tide_gauge/ilot-plugin.yaml").read_bytes())
    assert (read.id, read.serves, read.permissions.device_schemes) == ("tide_gauge", True, ("tide",))
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["hub.plugins"] == {"tide_gauge": "tide_gauge"}
    assert read.version == project["version"]
    code, said = run("new", "plugin", "tide-gauge")  # its former name
    assert (code, "is there already" in said) == (2, True)


def test_what_ci_of_a_new_integration_runs_is_what_its_readme_says(here: Path) -> None:
    assert run("new", "integration", "tide-gauge", "--in", str(here))[0] == 0
    ci, readme = (
        (here / "ilot-tide-gauge" / name).read_text() for name in (".github/workflows/check.yml", "README.md")
    )
    steps = [line.partition("run: ")[2] for line in ci.splitlines() if "run: " in line]
    block = readme.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [one.removeprefix("python -m ") for one in steps] == block[2:]


@pytest.mark.parametrize(("name", "why"), [("json", "already"), ("modbus", "already"), ("3x", "small letters")])
def test_a_plugin_takes_no_name_that_would_hide_another_module(here: Path, name: str, why: str) -> None:
    code, said = run("new", "plugin", name)
    assert code == 2
    assert why in said
    assert list(here.iterdir()) == []


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much of a checkout as the new files and their tests need."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("hub", "integrations", "plugins", "tests/hub", "tests/integrations/modbus"):
        shutil.copytree(ROOT / name, root / name)  # with its bytecode: to compile the hub again takes longest
    (root / "tools").mkdir()
    for file in (ROOT / "pyproject.toml", ROOT / "tools/catalogues.py", *(ROOT / "tests").glob("*.py")):
        shutil.copy(file, root / file.relative_to(ROOT))
    return root


def passes(root: Path, *command: str) -> str:
    """Run a module of Python there, for real, and give back what it said."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


WORDS_OF_PAGES = "test_every_sentence_that_a_page_asks_for_is_there_in_both_languages_and_none_is_left_over"
TEST = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")


def right(root: Path, said: str, *more: str) -> None:
    """Each file that was named is there, is written as lint wants it, and its tests pass at once."""
    files = [line.strip() for line in said.splitlines() if line.startswith("  ") and "python" not in line]
    assert all((root / file).is_file() for file in files), files
    python = [file for file in files if file.endswith(".py")]
    passes(root, "ruff", "check", "--no-cache", *python)
    passes(root, "ruff", "format", "--no-cache", "--check", *python)
    assert " passed" in passes(root, *TEST, *(file for file in python if file.startswith("tests/")), *more)


@pytest.mark.real("processes")
def test_a_new_integration_passes_its_tests_at_once_and_its_entry_point_is_named(checkout: Path) -> None:
    code, said = run("new", "integration", "tide-gauge", "--checkout", str(checkout / "hub"))
    assert code == 0, said
    right(checkout, said)
    points = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["entry-points"]["hub.plugins"]
    assert points["tide_gauge"] == "integrations.tide_gauge"
    code, said = run("new", "integration", "tide-gauge", "--checkout", str(checkout))
    assert (code, "is there already" in said) == (2, True)


@pytest.mark.real("processes")
def test_a_new_page_passes_its_tests_at_once_and_has_all_its_words(checkout: Path) -> None:
    words = ("--fr", "Marées d'ici", "--en", "Tides")
    code, said = run("new", "page", "tides", *words, "--checkout", str(checkout))
    assert code == 0, said
    passes(checkout, "tools.catalogues", "compile")
    right(checkout, said, f"tests/hub/web/test_pure.py::{WORDS_OF_PAGES}")
    code, said = run("new", "page", "tides", *words, "--checkout", str(checkout))
    assert (code, "is there already" in said) == (2, True)


@pytest.mark.real("processes")
def test_a_new_pack_passes_its_test_at_once(here: Path) -> None:
    assert run("new", "pack", "acme-thermo")[0] == 0
    assert "acme-thermo" in passes(here, "hub", "pack", "test", "acme-thermo")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("integration", "modbus"), "already"),
        (("integration", "3x"), "small letters"),
        (("page", "Tides", "--fr", "a", "--en", "b"), "small letters"),
        (("page", "tides", "--fr", '"', "--en", "b"), "is not"),
        (("page", "tides", "--fr", "a", "--en", "b"), "checkout"),
        (("integration", "tide_gauge", "--checkout", "."), "checkout"),
    ],
)
def test_what_cannot_be_new_is_refused_with_why_and_nothing_is_written(
    here: Path, words: tuple[str, ...], why: str
) -> None:
    code, said = run("new", *words)
    assert (code, why in said) == (2, True), said
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_configuration_that_is_not_there_is_told_with_what_to_do(here: Path, command: str) -> None:
    code, said = run(command, "--config", "nowhere.yaml", "--state-dir", str(here / "state"))
    assert code == 3
    assert "nowhere.yaml: there is no such file; --config" in said
    assert "`ilot new config`" in said


def test_the_help_names_every_command_once_and_cuts_no_sentence() -> None:
    code, said = run("--help")
    assert code == 0
    assert "..." not in said.replace("[ARGS]...", "")
    names = [line.split()[0] for line in said.splitlines() if line.startswith("  ") and line[2:3].strip()]
    context = ilot.make_context("ilot", [], resilient_parsing=True)
    assert sorted(set(names) - {"Îlot:", "-h,", "--version"}) == ilot.list_commands(context)
    assert len(names) == len(set(names))


def test_one_is_not_many() -> None:
    assert [output.counted("devices", n) for n in (0, 1, 2)] == ["0 devices", "1 device", "2 devices"]


@pytest.mark.real("processes")
def test_a_question_that_nobody_can_answer_names_the_option_that_answers_it(tmp_path: Path) -> None:
    (tmp_path / "state/keys").mkdir(parents=True)
    (tmp_path / "state/keys/identity.pem").write_text("key")
    command = [sys.executable, "-m", "hub", "reset", "--factory", "--state-dir", str(tmp_path / "state")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 130
    assert "nothing was done: --yes says yes" in done.stderr
    assert (tmp_path / "state/keys/identity.pem").exists()


def test_a_hub_that_nobody_set_up_has_its_pages_on_and_keeps_what_is_there(here: Path) -> None:
    assert run("new", "config")[0] == 2  # a name, or --first
    code, said = run("new", "config", "--first", "--state-dir", str(here / "state"))
    assert (code, "claimed and enrolled" in said) == (0, True)
    file = here / "config.yaml"
    written = file.read_text()
    assert parse(written)["web"] == {}
    assert parse(written)["link"]["uplinks"] == {"https": {}}  # the address is the enrolment's
    assert file.stat().st_mode & 0o777 == 0o640
    assert run("check")[1].startswith("config.yaml: right. 1 integration, 1 device\n")
    file.write_text("mine")
    assert run("new", "config", "--first")[0] == 0  # a package's second installation
    assert file.read_text() == "mine"
