"""The program of ilot-release.service: `python3 -I -m hub.operations.releases.root serve | stick /dev/DEVICE`.

It runs as root, from the package's tree alone. It imports few modules, asks no network, and believes nothing that the
hub's user wrote. One of it works at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hub.core.disk.atomic_files import make_directory
from hub.core.errors import HubError
from hub.core.state_dir import StateDir
from hub.core.text import phrase, reason_of
from hub.operations.releases.bundle import SUFFIX
from hub.operations.releases.inbox import INSTALL, RETURN, Request, TakenInbox
from hub.operations.releases.machine import PACKAGE, Machine
from hub.operations.releases.notes import ROOT, Notes, Outcome
from hub.operations.releases.package import Package
from hub.operations.releases.switching import Switching
from hub.operations.releases.trial import WINDOW_S

STATE = Path("/var/lib/ilot")
MOST_ON_A_STICK = 64
FILE_SYSTEMS = "vfat,exfat"
_log = logging.getLogger("ilot-release")


class Program:
    """The program on one machine; the directories are others in tests."""

    def __init__(
        self,
        state: Path = STATE,
        root: Path = ROOT,
        package: Path = PACKAGE,
        machine: Machine | None = None,
        *,
        window_s: float = WINDOW_S,
    ) -> None:
        self._root, self._inbox = root, TakenInbox(state)
        self._again: Request | None = None
        machine = machine or Machine(StateDir(state).socket)
        self.switching = Switching(
            Package(package), state, Notes(root), machine, wanted=self._wanted, window_s=window_s
        )

    def _wanted(self) -> str:
        """Return who asks to go back while a release is judged; another wish waits until that has ended."""
        if self._again is None:
            self._again = self._inbox.take()
        if self._again is None or self._again.do != RETURN:
            return ""
        by, self._again = self._again.by or "?", None
        return by

    def serve(self) -> None:
        """Go on with what was cut short, then do what is wished for, until nothing is."""
        with self._alone() as alone:
            if not alone:
                return
            _tell(self.switching.go_on())
            while (request := self._again or self._inbox.take()) is not None:
                self._again = None
                _tell(self._do(request))

    def _do(self, request: Request) -> Outcome | None:
        if request.do == RETURN:
            return self.switching.give_back(request.by)
        if request.do != INSTALL:
            return None
        try:
            with self._inbox.bundle() as source:
                return self.switching.install(source, request.by, again=request.again)
        except HubError as error:
            return self.switching.refused(0, request.by, error)
        finally:
            self._inbox.drop()

    def install_from(self, folder: Path) -> None:
        """Install the newest release in a folder that this hub takes, of a stick that somebody put in."""
        with self._alone() as alone:
            if not alone:
                return
            _tell(self.switching.go_on())
            if (path := self._newest(folder)) is not None:
                with path.open("rb", buffering=0) as source:
                    _tell(self.switching.install(source, "stick"))

    def _newest(self, folder: Path) -> Path | None:
        """Return the bundle of the highest counter that would be taken, else one that says why not; None where there is
        no bundle."""
        names = sorted(os.listdir(folder))[:4096]
        paths = [folder / name for name in names if name.endswith(SUFFIX) and not name.startswith(".")]
        found: list[tuple[bool, int, Path]] = []
        for path in paths[:MOST_ON_A_STICK]:
            if not path.is_file() or path.is_symlink():
                continue
            try:
                with path.open("rb", buffering=0) as source:
                    release, objection = self.switching.show(source)
                found.append((not objection, release.counter, path))
            except (HubError, OSError) as error:
                _log.warning("%s: %s", path.name, reason_of(error))
                found.append((False, -1, path))
        return max(found)[2] if found else None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the lock; False where another one works, which takes up what is wished for."""
        make_directory(self._root, 0o755)
        lock = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _log.warning(phrase("release-under-way", "another update is under way: this one is not looked at"))
                yield False
            else:
                yield True
        finally:
            os.close(lock)


def _tell(outcome: Outcome | None) -> None:
    if outcome is not None:
        reason = f": {outcome.reason.phrase}" if outcome.reason is not None else ""
        _log.warning("release %s %s%s", outcome.counter or "?", outcome.result, reason)


def stick(program: Program, device: str) -> int:
    """Look for bundles on a stick: mounted read-only, where nobody else sees it, and without anything that runs."""
    with tempfile.TemporaryDirectory(prefix="ilot-release-") as folder:
        command = ["mount", "-t", FILE_SYSTEMS, "-o", "ro,nodev,nosuid,noexec,nosymfollow", "--", device, folder]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode:
            _log.info("%s: %s", device, mounted.stderr.strip()[:200])
            return 0  # a stick of another kind is no error
        try:
            program.install_from(Path(folder))
        except OSError as error:
            _log.warning("%s: %s", device, reason_of(error))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=False)
    return 0


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    os.umask(0o022)
    match list(arguments):
        case ["serve"]:
            Program().serve()
        case ["stick", device] if device.startswith("/dev/"):
            return stick(Program(), device)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
