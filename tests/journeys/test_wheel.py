"""The wheel as somebody else gets it: installed with its extra `all` into a clean environment, it runs the demo."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.real("processes")

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "hub", "backend", "integrations", "packs", "plugins")
WHEELS = ROOT / ".cache/wheels"
"""What the set-up fetched for this environment: nothing is fetched here."""


def command(*words: object, timeout: float = 600) -> str:
    """What a program printed that runs away from this repository, and without its environment."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "ILOT_", "PIP_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [str(word) for word in words],
        env={**env, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / "ilot" / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            (folder / "ilot").mkdir(exist_ok=True)
            shutil.copy(path, folder / "ilot" / name)
    command(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "ilot")
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel and its extra `all`, and with nothing else: pip finds each dependency
    among the pins of `all`, checks its hash, and refuses one that is not pinned."""
    folder = tmp_path_factory.mktemp("installed")
    wanted = folder / "wanted.txt"
    wanted.write_text(
        command(sys.executable, ROOT / "tools/pins.py", "all")
        + f"ilot[all] @ {wheel.as_uri()} --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv/bin/python"
    assert WHEELS.is_dir(), "run `make setup`: it fetches the wheels of each dependency"
    command(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-index",
        "--find-links",
        WHEELS,
        "--require-hashes",
        "--requirement",
        wanted,
    )
    return python.parent


LONG = pytest.mark.long("installs the wheel with all that it depends on")


def test_the_wheel_holds_every_file_of_the_source_that_is_no_program(wheel: Path) -> None:
    """Packs, pages, styles: whatever Git holds below the packages; translations as they are compiled."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *(name for name in SOURCES if (ROOT / name).is_dir())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    there = [name for name in listed if name and (ROOT / name).is_file()]
    files = [f"{name.removesuffix('.po')}.mo" if name.endswith(".po") else name for name in there]
    assert "hub/locale/fr/LC_MESSAGES/hub.mo" in files
    assert any(name.startswith("packs/") for name in files)
    with ZipFile(wheel) as held:
        assert set(files) <= set(held.namelist())


@LONG
def test_the_wheel_alone_runs_the_demo_and_loses_nothing(installed: Path) -> None:
    """Five integrations in real processes; each of them a clean environment's."""
    summary = json.loads(command(installed / "ilot", "demo", "--seconds", "20", "--outage", "5", "--json"))
    assert summary["integrations"] == dict.fromkeys(("host", "bluetooth", "modbus", "knx", "lorawan"), "running")
    assert summary["readings"] > 0
    assert summary["rows"] == summary["readings"]
    assert (summary["lost"], summary["duplicates"]) == (0, 0)


@LONG
def test_the_wheel_alone_has_every_integration_and_plugin_of_its_extra(installed: Path) -> None:
    site = Path(command(installed / "python", "-c", "import hub; print(hub.__path__[0])").strip()).parent
    assert site.is_relative_to(installed.parent)
    described = json.loads(command(installed / "ilot", "plugins", "--json"))
    assert len(described) > 20
    assert {entry["name"]: entry["error"] for entry in described if entry["error"]} == {}
