"""kill -9 of root's program at each system call in turn that changes a file, while it installs a release.

The hub runs from the releases themselves, started by the real launcher: each is a tree of its own that brings its
counter. At every kill the launcher must find a release that is whole; the next run must bring the update to its end;
and no reading may be lost, doubled or wrong over all of it. `wrong` counts a moment without a whole release too.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import needs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rig import GENERATOR, Rig, Verdict
from syscalls import chances, inject

from hub.operations.releases import bundle
from hub.operations.releases.machine import ARCHITECTURE
from hub.protocol.documents.release import Release, sign_release

SWITCHER = Path(__file__).with_name("switcher.py")
LAUNCHER = Path(__file__).parents[2] / "deploy" / "launcher" / "ilot"
ROOT = Path(__file__).parents[2]
CALLS = ("write", "fsync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdirat", "symlinkat", "fchmod")
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
FIRST = 100
LIFE_S = 240.0
_LINE = re.compile(r"^(\d+) +(\w+)\(")


class Releases:
    """A package, releases and a launcher beside a rig, and a thread that keeps the hub running as systemd would."""

    def __init__(self, rig: Rig, broken: Sequence[str]) -> None:
        needs.root()  # whose releases must be
        if not Path(f"/usr/bin/python{PYTHON}").exists():
            raise needs.Missing(f"/usr/bin/python{PYTHON} is missing: releases run by the system's Python")
        self.rig, self.broken = rig, broken
        self.root, self.package = rig.root / "release-root", rig.root / "package"
        self.pid_file, self.launcher = rig.root / "hub.pid", rig.root / "launcher"
        self.key = Ed25519PrivateKey.generate()
        self.root.mkdir()
        self.expected: dict[int, dict[str, bytes]] = {}
        self._tree(self.package, FIRST)
        (self.package / "bin").mkdir()
        (self.package / "bin/python3").symlink_to(f"/usr/bin/python{PYTHON}")
        public = self.key.public_key().public_bytes_raw().hex()
        (self.package / "release-keys").write_text(f"threshold 1\ned25519 {public} rig\n")
        text = LAUNCHER.read_text().replace("/usr/lib/ilot", str(self.package), 2)
        text = text.replace("/var/lib/ilot/releases", str(rig.state / "releases")).replace(" -I -m hub", "")
        assert str(self.package) in text
        self.launcher.write_text(text)
        self.launcher.chmod(0o755)
        self.pid_file.write_text("")
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _tree(self, tree: Path, counter: int) -> None:
        site = tree / "lib" / f"python{PYTHON}" / "site-packages"
        site.mkdir(parents=True)
        here = [path for path in sys.path if path.endswith("site-packages")]
        (site / "rig.pth").write_text("\n".join([*here, str(ROOT)]) + "\n")
        (site / "code.py").write_text(f"counter = {counter}\n" * 2000)
        (tree / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
        (tree / "counter").write_text(f"{counter}\n")
        self.expected[counter] = {
            path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()
        }

    def bundle(self, counter: int) -> Path:
        tree = self.rig.root / "trees" / str(counter)
        self._tree(tree, counter)
        now = time.time()
        release = Release(
            counter=counter, version=f"0.0.{counter}", architecture=ARCHITECTURE[os.uname().machine], python=PYTHON,
            issued=now, expires=now + 86_400.0, built=int(now), writes=1, reads=1, files=bundle.listed(tree),
        )  # fmt: skip
        target = io.BytesIO()
        bundle.write(sign_release(release, [self.key]), tree, release.files, target)
        path = self.rig.root / "bundle"
        path.write_bytes(target.getvalue())
        return path

    # -- the hub, as systemd keeps it ------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._ending.is_set():
            command = [str(self.launcher), str(GENERATOR), str(self.rig.config), str(self.rig.journal), "100"]
            process = self.rig._start([*command, *self.rig.generator], "hub")
            self.rig.hub = process
            self.pid_file.write_text(str(process.pid))
            process.wait()
            if process.stdout:
                process.stdout.close()
            time.sleep(0.1)

    def end(self) -> None:
        self._ending.set()
        if self.rig.hub is not None:
            self.rig.hub.terminate()
        self._keeper.join(60)
        self.rig.hub = None

    # -- the switch ------------------------------------------------------------------------------------------------

    def run(self, *words: str, prefix: Sequence[str] = ()) -> str:
        """Run root's program; returns what it printed, "" when it was killed."""
        places = [str(path) for path in (self.root, self.rig.state, self.package, self.pid_file)]
        command = [*prefix, sys.executable, str(SWITCHER), *places, *words, *self.broken]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIFE_S, check=False, cwd=ROOT)
        if done.returncode not in (0, -9, 137):
            raise RuntimeError(f"{words}: {done.returncode}: {done.stderr[-3000:]}")
        return done.stdout.strip()

    def started(self) -> int:
        """Return the counter of the release that the launcher starts, 0 where it starts none that is whole."""
        done = subprocess.run(
            [str(self.launcher), "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=False
        )
        tree = Path(done.stdout.strip() or "/nowhere")
        try:
            counter = int((tree / "counter").read_text())
            whole = all((tree / name).read_bytes() == data for name, data in self.expected[counter].items())
        except (OSError, ValueError, KeyError):
            return 0
        return counter if whole else 0


def count_calls(releases: Releases, counter: int) -> list[tuple[str, int]]:
    """The places of one installation: (call, n) when the nth such call is about the releases or what root notes."""
    log = releases.rig.root / "strace.count"
    path = releases.bundle(counter)
    trace = ",".join(CALLS)
    prefix = [needs.strace(), "-f", "-qq", "-y", "--seccomp-bpf", "-o", str(log), "-e", f"trace={trace}"]
    said = releases.run("install", str(path), prefix=prefix)
    if not said.startswith("installed"):
        raise RuntimeError(f"the counting life did not install: {said}: {releases.rig.logs()}")
    made: Counter[tuple[str, str]] = Counter()
    places = set()
    for line in log.read_text().splitlines():
        if match := _LINE.match(line):
            thread, call = match.groups()
            made[thread, call] += 1
            if str(releases.rig.state / "releases") in line or str(releases.root) in line:
                places.add((call, made[thread, call]))
    return sorted(places)


def release_killed_at_each_call(root: Path, runs: int, seed: int, broken: Sequence[str] = ()) -> Verdict:
    """One installation per place; each is ended by the next run of the program."""
    rig = Rig(root)
    try:
        releases = Releases(rig, broken)
        rig.wait_durable(3)
        counter, unsound, killed = FIRST + 1, 0, list[tuple[str, int]]()
        places = count_calls(releases, counter)
        for call, n in chances(places, runs, seed, killed):
            counter += 1
            path = releases.bundle(counter)
            said = releases.run("install", str(path), prefix=inject(root / "strace.log", call, "signal=KILL", str(n)))
            if not said:
                killed.append((call, n))
            found = releases.started()
            unsound += found not in (counter - 1, counter)
            releases.run("go-on")
            if releases.started() != counter:
                said = releases.run("install", str(path))
            unsound += releases.started() != counter
        rig.wait_durable(3)
        releases.end()
        rig.settle()
        verdict = rig.verdict(
            f"kill -9 of an installation at each of {len(places)} calls ({len(killed)} hit)", len(killed)
        )
        if len(killed) < max(1, runs // 2):
            raise RuntimeError(f"the fault did not happen: {verdict}")
        verdict.wrong += unsound
        return verdict
    finally:
        rig.close()


def twin_switches_first(root: Path, runs: int, seed: int) -> Verdict:
    """The link names the new release before it is unpacked."""
    return release_killed_at_each_call(root, runs, seed, ["--switch-first"])
