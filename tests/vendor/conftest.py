"""What a stranger does: builds a wheel, installs it beside ilot's own wheel, in an environment of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "hub", "backend", "integrations", "plugins")
QUIET = {
    **os.environ,
    "SOURCE_DATE_EPOCH": "1767225600",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "NO_COLOR": "1",
}
collect_ignore = [
    "acme_former",
    "acme_pump",
    "acme_room",
    "acme_thermo",
    "acme_valve",
    "boreal_mixer",
    "broken",
    "nordet_call",
]  # they are distributions of somebody else, tested where they are installed


def command(*arguments: object, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, away from this repository; its whole output is in the failure when it fails."""
    words = [str(word) for word in arguments]
    done = subprocess.run(words, env=QUIET, cwd="/", capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def wheel(source: Path, out: Path) -> Path:
    """Build one wheel with the tools installed here: nothing is fetched."""
    command(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source)
    return max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)


def copy_of_the_source(target: Path) -> Path:
    """What the distribution is built from, without what earlier builds left in it."""
    target.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, target / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(path, target / name)
    return target


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` directory of an environment that holds the wheels of ilot and of four vendors. Third-party
    packages are this environment's; ilot is not: it comes from its wheel alone."""
    folder = tmp_path_factory.mktemp("stranger")
    source = copy_of_the_source(folder / "ilot")
    names = ("acme_former", "acme_thermo", "acme_valve", "broken")
    vendors = [shutil.copytree(ROOT / "tests/vendor" / name, folder / name) for name in names]
    wheels = [wheel(distribution, folder / "wheels") for distribution in (source, *vendors)]

    environment = folder / "venv"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    command(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", *wheels)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


@pytest.fixture(scope="session")
def sdk() -> ModuleType:
    """The tool that cuts the SDK out."""
    spec = importlib.util.spec_from_file_location("tools_package_sdk", ROOT / "tools/package/sdk.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="session")
def sdk_wheel(sdk: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = sdk.make(ROOT, tmp_path_factory.mktemp("sdk"), "0.1.7", at=1767225600)
    return made


def environment(folder: Path) -> tuple[Path, dict[str, str]]:
    """A new virtual environment, and the environment variables of somebody who activated it."""
    venv.create(folder, with_pip=True, symlinks=True)
    ours = ("PYTHON", "VIRTUAL_ENV", "ILOT_", "LC_", "LANG")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return folder / "bin", {**env, "PATH": f"{folder / 'bin'}:/usr/bin:/bin", "NO_COLOR": "1"}


def said(env: dict[str, str], folder: Path, *words: object, code: int = 0) -> str:
    done = subprocess.run(
        [str(word) for word in words], env=env, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
