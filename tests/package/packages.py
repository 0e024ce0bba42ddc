"""Builds Debian packages, keeps them by their commit, and packs one anew with a change.

The same commit gives the same bytes (that is a test of its own), so what was built is kept in .cache/packages/COMMIT,
where a second process of one run, and the next run, find it.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .machine import ROOT

KEPT = ROOT / ".cache/packages"
KEPT_S = 86_400.0
"""How long those of another commit stay: another run may be using them."""

Files = dict[str, Path]
"""Files by their names without the version."""


def build(repository: Path, out: Path, architecture: str) -> Files:
    """Build the commit of `repository`."""
    command = [sys.executable, "tools/package/build.py", "--out", out, "--arch", architecture]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return listed(out)


def listed(out: Path) -> Files:
    return {re.sub(r"[-_]\d+\.\d+\.\d+(-1)?", "", file.name, count=1): file for file in out.iterdir()}


def clone(to: Path, commit: str) -> Path:
    """Clone a commit of this repository, with what was fetched for it."""
    subprocess.run(["git", "clone", "-q", "--no-checkout", ROOT, to], check=True)
    subprocess.run(["git", "-C", to, "checkout", "-q", "--detach", commit], check=True)
    (ROOT / ".cache").mkdir(exist_ok=True)
    (to / ".cache").symlink_to(ROOT / ".cache")
    shutil.copytree(ROOT / "hub/page_kit/static/qr", to / "hub/page_kit/static/qr")
    return to


def kept(commit: str, name: str, make: Callable[[Path], object]) -> Files:
    """What `make` once wrote into the folder that it is given, for this commit."""
    place = KEPT / commit / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for other in KEPT.iterdir():
            if other.is_dir() and other.name != commit and time.time() - other.stat().st_mtime > KEPT_S:
                shutil.rmtree(other)
        if not place.exists():
            fresh = place.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            make(fresh)
            fresh.rename(place)
    return listed(place)


def version_in(package: Path) -> str:
    return subprocess.check_output(["dpkg-deb", "-f", package, "Version"], text=True).strip()


class Unpacked:
    """A hub's package, unpacked to be packed again as another: seconds, where building takes minutes."""

    def __init__(self, package: Path, tree: Path) -> None:
        subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
        self._tree, self._home = tree, tree / "usr/lib/ilot"

    def change(self, name: str, before: str, after: str) -> None:
        """Edit one module. Its bytecode is older then, and Python leaves it alone."""
        path = next(self._home.glob(f"lib/python3.*/site-packages/{name}"))
        text = path.read_text()
        assert before in text, name
        path.write_text(text.replace(before, after, 1))

    def trust(self, line: str) -> None:
        """Add a key that may sign later releases."""
        with (self._home / "release-keys").open("a") as keys:
            keys.write(f"{line}\n")

    def rise(self) -> None:
        """Become the next build: another counter, another version of the package."""
        counter, control = self._home / "counter", self._tree / "DEBIAN/control"
        before = counter.read_text().strip()
        after = str(int(before) + 1)
        counter.write_text(f"{after}\n")
        text, changed = re.subn(rf"(?m)^(Version: .*\.){before}-1$", rf"\g<1>{after}-1", control.read_text())
        assert changed == 1
        control.write_text(text)

    def pack(self, target: Path) -> Path:
        words = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", self._tree, target]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        return target
