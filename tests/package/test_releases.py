"""Releases on a Debian with a real systemd, without network: installed, judged, taken back by themselves.

The package is that of this commit with two figures of its own: a key of the test's, and a trial of 20 seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.operations.releases import bundle, making

from .machine import NATIVE, Machine, booted, copy_of, needs
from .packages import Files, Unpacked
from .test_package import CLAIM

pytestmark = pytest.mark.long("builds a package and boots a Debian, minutes")
ENVIRONMENT = {**os.environ, "ILOT_RELEASE_PASSWORD": "secret"}


def ilot(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hub", *map(str, words)], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Made:
    """A package, and bundles of later ones: one that works, and one whose hub ends as soon as it starts."""

    def __init__(self, built: Path, folder: Path) -> None:
        self._folder, self._key = folder, folder / "maker.pem"
        line = ilot("release", "key", self._key).splitlines()[-1]
        self._unpacked = Unpacked(built, folder / "unpacked")
        self._unpacked.trust(line)
        self._unpacked.change("hub/operations/releases/trial.py", "WINDOW_S = 900.0", "WINDOW_S = 20.0")
        self.package = self._unpacked.pack(folder / built.name)
        self.good = self._bundle("good")
        self._unpacked.change(
            "hub/app/run.py", "    settings = Settings(", '    raise SystemExit("broken")\n    settings = Settings('
        )
        self.bad = self._bundle("bad")
        shutil.rmtree(folder / "unpacked")

    def _bundle(self, name: str) -> Path:
        self._unpacked.rise()
        package, target = self._unpacked.pack(self._folder / f"{name}.deb"), self._folder / f"{name}.ilot-release"
        now = time.time()
        key = making.load_key(self._key, b"secret")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bundle, "PRESET", 0)
            making.bundle_of_package(package, target, [key], making.Facts(now, now + 86_400, notes=name))
        return target


@pytest.fixture(scope="module")
def made(first: Files, tmp_path_factory: pytest.TempPathFactory) -> Made:
    needs("systemd-nspawn", "debootstrap")
    return Made(first[f"ilot_{NATIVE}.deb"], tmp_path_factory.mktemp("releases"))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with booted(copy_of(NATIVE, tmp_path / "tree")) as one:
        yield one
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)


def tree_of(machine: Machine) -> str:
    """Where the Python lies that runs the hub now."""
    pid = machine.said("systemctl", "show", "--property=MainPID", "--value", "ilot")
    return machine.said("cat", f"/proc/{pid}/cmdline").partition("/bin/python3")[0]


def test_a_release_is_switched_to_and_one_that_is_worse_comes_back_by_itself(machine: Machine, made: Made) -> None:
    machine.install(made.package)
    assert tree_of(machine) == "/usr/lib/ilot"
    for one in (made.good, made.bad):
        shutil.copy(one, machine.tree / "opt")
    machine.run("ilot", "release", "show", "/opt/good.ilot-release")

    installed = machine.run("ilot", "release", "install", "/opt/good.ilot-release", check=False)
    assert installed.returncode == 0, installed.stdout + installed.stderr + machine.journal()
    good = tree_of(machine)
    assert good.startswith("/var/lib/ilot/releases/")
    assert machine.python(CLAIM) == "200"

    taken_back = machine.run("ilot", "release", "install", "/opt/bad.ilot-release", check=False)
    assert taken_back.returncode == 6, taken_back.stdout + taken_back.stderr + machine.journal()
    assert "ended 3 times by itself" in taken_back.stdout
    assert tree_of(machine) == good
    assert machine.python(CLAIM) == "200"

    again = machine.run("ilot", "release", "install", "/opt/good.ilot-release", check=False)
    assert again.returncode == 3, "nothing newer"
    pid = machine.said("systemctl", "show", "--property=MainPID", "--value", "ilot")
    inside = ["nsenter", "-t", pid, "-m", "setpriv", "--reuid=ilot", "--clear-groups", "--regid=ilot"]
    for attempt in (
        ["mv", "/var/lib/ilot/releases", "/var/lib/ilot/mine"],
        ["touch", f"{good}/lib/x"],
        ["ln", "-sfn", "1", "/var/lib/ilot/releases/current"],
    ):
        assert machine.run(*inside, *attempt, check=False).returncode != 0, f"the hub's user may not {attempt}"

    machine.run("ilot", "release", "return")
    assert tree_of(machine) == "/usr/lib/ilot"
    assert machine.python(CLAIM) == "200"
    assert machine.run("systemctl", "--failed", "--no-legend").stdout == ""
    print(machine.run("systemd-analyze", "security", "--no-pager", "ilot-release", check=False).stdout[-200:])
