"""The set-up: which Python it takes, what each command fetches, and what the gate says of what it did not try."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SETUP = ROOT / "tools/setup.sh"
GOALS = ("demo", "check", "test", "bench", "faults", "screenshots", "dist")


def setup(*arguments: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ILOT_")}
    env = {**clean, **environment, "PATH": path or os.environ["PATH"]}
    return subprocess.run([SETUP, *arguments], env=env, capture_output=True, text=True, check=False)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# -- which Python ------------------------------------------------------------------------------------------------


def here() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.real("processes")
def test_debians_own_python_is_taken_whatever_comes_first_on_the_path(tmp_path: Path) -> None:
    first = program(tmp_path / "bin/python3", "exit 0")  # agrees to all that it is asked
    found = setup("which", path=f"{first.parent}:{os.environ['PATH']}")
    assert found.stdout == "/usr/bin/python3\n"


@pytest.mark.real("processes")
def test_another_python_is_taken_where_it_is_named(tmp_path: Path) -> None:
    other = program(tmp_path / "bin/python3", f'exec "{sys.executable}" "$@"')
    assert setup("which", ILOT_PYTHON=str(other)).stdout == f"{other}\n"


@pytest.mark.real("processes")
@pytest.mark.parametrize("text", ["exit 127", "exit 1"])
def test_a_named_python_that_does_not_run_or_is_not_supported_is_refused_by_name(tmp_path: Path, text: str) -> None:
    shim = program(tmp_path / "bin/python3.12", text)
    refused = setup("check", ILOT_PYTHON=str(shim))
    assert refused.returncode == 1
    assert f"ILOT_PYTHON={shim} does not run, or is no Python 3.11 to 3.14 of 64 bit" in refused.stderr


@pytest.mark.real("processes")
def test_a_shim_that_is_there_and_does_not_run_is_passed_over(tmp_path: Path) -> None:
    shim = program(tmp_path / "shims" / f"python{here()}", "echo 'version is not installed' >&2; exit 127")
    real = program(tmp_path / "real" / f"python{here()}", f'exec "{sys.executable}" "$@"')
    found = setup("which", here(), path=f"{shim.parent}:{real.parent}:{os.environ['PATH']}")
    assert found.stdout == f"{real}\n"


@pytest.mark.real("processes")
def test_a_version_that_is_not_here_is_no_path_and_an_error(tmp_path: Path) -> None:
    program(tmp_path / "bin/python3.14", "exit 127")
    found = setup("which", "3.14", path=f"{tmp_path}/bin:/usr/bin:/bin")
    assert (found.returncode, found.stdout) == (1, "")


def test_the_supported_versions_are_the_same_everywhere() -> None:
    asked = re.search(r"\(3, (\d+)\) <= sys.version_info < \(3, (\d+)\)", SETUP.read_text())
    assert asked is not None
    first, beyond = int(asked[1]), int(asked[2])
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [m for m in range(30) if f"3.{m}" in allowed] == list(range(first, beyond))
    classified = [re.fullmatch(r".* :: Python :: 3\.(\d+)", line) for line in PROJECT["classifiers"]]
    assert [int(found[1]) for found in classified if found] == list(range(first, beyond))
    assert f"Python 3.{first} to 3.{beyond - 1}, 64 bit" in (ROOT / "README.md").read_text()


# -- what is fetched ---------------------------------------------------------------------------------------------


def pins_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pins", ROOT / "tools/pins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PINS = pins_tool()
LOCK = (ROOT / "constraints.txt").read_text()


def pinned(text: str, *names: str) -> set[str]:
    """What is installed here of the pins for these names."""
    found = set()
    for block in PINS.pins(text, PINS.roots(PROJECT, names)):
        requirement = Requirement(block.splitlines()[0].rstrip(" \\"))
        if requirement.marker is None or requirement.marker.evaluate():
            found.add(PINS.normal(requirement.name))
    return found


def asked_for(*names: str) -> set[str]:
    """The same, as the installed distributions' own metadata have it, which `constraints.txt` is not read for."""
    found: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in PINS.roots(PROJECT, names)]
    if not set(names) <= set(PROJECT["optional-dependencies"]):
        waiting = [(name, "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for line in importlib.metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(PINS.normal(needed.name), e) for e in ("", *needed.extras)]
    return {name for name, _ in found}


@pytest.mark.parametrize("names", [("demo",), ("all",), ("build", "setuptools", "polib")])
def test_the_pins_of_a_part_are_what_its_packages_themselves_ask_for(names: tuple[str, ...]) -> None:
    lacking = asked_for(*names) - pinned(LOCK, *names)
    assert lacking == set()
    # Of a package with several extras, the file does not say which one asks: more than is needed, by a few at most.
    assert len(pinned(LOCK, *names) - asked_for(*names)) <= 2


def test_a_pin_that_does_not_say_who_asks_for_it_would_be_missed_and_is_found_out() -> None:
    torn = LOCK.replace("    # via cryptography\n", "")
    assert torn != LOCK
    assert asked_for("demo") - pinned(torn, "demo") == {"cffi", "pycparser"}


def test_the_pins_of_development_are_the_whole_file() -> None:
    assert PINS.pins(LOCK, PINS.roots(PROJECT, ["dev"])) == PINS.blocks(LOCK)


@pytest.mark.real("processes")
def test_each_pin_keeps_its_hashes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/pins.py", "demo", "setuptools", "polib"],
        capture_output=True,
        text=True,
        check=True,
    )
    blocks = PINS.blocks(done.stdout)
    assert len(blocks) > 20
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.real("processes")
def test_a_name_that_is_not_pinned_is_said() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/pins.py", "demo", "torch"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pins: not in constraints.txt: torch\n"


def needs(goal: str) -> tuple[set[str], str]:
    done = setup("needs", goal)
    *packages, pip = done.stdout.splitlines()
    return set(packages), pip


DISTRICT = {"patroni", "python3-etcd", "etcd-server", "haproxy"}
"""What three machines of a district run beside PostgreSQL and pgBackRest: what the short run goes without."""


@pytest.mark.real("processes")
def test_a_command_fetches_what_it_needs_and_no_more() -> None:
    assert needs("demo") == ({"dbus-daemon"}, "pip: demo setuptools polib")
    assert needs("check") == (set(), "pip: dev")
    assert needs("dist") == ({"nodejs"}, "pip: build setuptools polib")
    tests, _ = needs("test")
    assert all(needs(goal)[0] - DISTRICT <= tests for goal in GOALS)
    assert {goal for goal in GOALS if needs(goal)[0] & DISTRICT} == {"faults"}
    assert {goal for goal in GOALS if "chromium" in needs(goal)[0]} == {"bench", "test", "screenshots"}
    assert {goal for goal in GOALS if "gcc" in needs(goal)[0]} == {"test", "faults"}


@pytest.mark.real("processes")
def test_each_command_of_the_makefile_sets_up_a_goal_that_there_is() -> None:
    used = set(re.findall(r"\bsetup-([a-z]+)", (ROOT / "Makefile").read_text()))
    assert used == set(GOALS) - {"test"}
    refused = setup("needs", "everything")
    assert refused.returncode == 1
    assert f"no such goal: everything. There are {', '.join(GOALS)}" in refused.stderr


@pytest.mark.real("processes")
def test_what_a_machine_without_apt_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bash", "cat", "cut", "dirname", "mktemp", "sha256sum"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    refused = setup("demo", path=str(tmp_path / "bin"), ILOT_PYTHON=sys.executable, ILOT_VENV=str(tmp_path / "venv"))
    assert refused.returncode == 1
    assert refused.stderr == (
        "setup: missing: dbus-daemon. This machine has no apt-get: install them by hand, then run again\n"
    )
    assert not (tmp_path / "venv").exists()


# -- the gate ----------------------------------------------------------------------------------------------------


def gate(folder: Path, test_code: int, others: str, others_code: int = 0) -> subprocess.CompletedProcess[str]:
    """How `.ci/run` ends where `make test` ends with that code, and what other Pythons the set-up finds."""
    for name in (".ci", "tools", "bin", ".venv/bin"):
        (folder / name).mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    program(folder / "tools/setup.sh", f'case "$1 $2" in {others} *) exit 1 ;; esac')
    program(
        folder / "bin/make",
        f'echo "$ILOT_PYTHON $*"; case $1 in test) code={test_code} ;; *) code={others_code}; v=${{3#*=}}\n'
        'mkdir -p "$v/bin"; printf \'#!/bin/sh\\necho "Python of $0"\\n\' >"$v/bin/python"\n'
        'chmod +x "$v/bin/python" ;; esac\n'
        'echo "==== 9 passed in 1.00s ===="; exit $code',
    )
    program(folder / ".venv/bin/python", 'case "$1" in -c) echo 3.13 ;; *) echo Python 3.13.5 ;; esac')
    env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
    return subprocess.run(["bash", folder / ".ci/run"], env=env, capture_output=True, text=True, check=False)


@pytest.mark.real("processes")
def test_the_gate_runs_with_debians_python_and_a_part_of_it_with_the_oldest(tmp_path: Path) -> None:
    done = gate(tmp_path, 0, "'which 3.11') echo /opt/python3.11 ;;")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "/usr/bin/python3 test"
    assert "test-small ILOT_PYTHON=/opt/python3.11 ILOT_VENV=.venv-3.11 TESTS=tests/hub tests/backend" in done.stdout
    parts = "make test with Python 3.13.5; the small tests of tests/hub and tests/backend with Python of "
    assert lines[-2].startswith(f"tried: {parts}")
    assert lines[-1] == (
        "not tried: what only make test-all runs, real tests with another Python, Python 3.12, "
        "Python 3.14 (none on this machine)"
    )
    assert lines.count("==== 9 passed in 1.00s ====") == 2, "the closing lines of pytest stand as they were"


@pytest.mark.real("processes")
@pytest.mark.parametrize(("first", "second", "tried"), [(2, 0, "nothing to its end"), (0, 2, "make test with")])
def test_a_gate_of_which_one_part_fails_has_failed_and_says_what_was_tried(
    tmp_path: Path, first: int, second: int, tried: str
) -> None:
    done = gate(tmp_path, first, "'which 3.11') echo /opt/python3.11 ;;", second)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-2].startswith(f"tried: {tried}")
