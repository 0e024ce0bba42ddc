"""Root's program of releases, in the rig: the real one, with directories of the rig, a short trial, and no systemd.

    python switcher.py ROOT STATE PACKAGE PID-FILE go-on|install [BUNDLE] [--switch-first]

PID-FILE names the hub that `releases.py` keeps running, as systemd would. --switch-first breaks it, as a twin: the link
names the new release before all of it is there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from hub.operations.releases import switching, trees
from hub.operations.releases.machine import Machine
from hub.operations.releases.notes import Notes
from hub.operations.releases.package import Package
from hub.operations.releases.trial import Health

START_S = 120.0


class RigMachine(Machine):
    """The hub of the rig, by its process number."""

    def __init__(self, state: Path, pid_file: Path) -> None:
        super().__init__(state / "hub.sock")
        self._pid_file = pid_file

    def restart(self) -> None:
        before = self._pid_file.read_text()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(before), signal.SIGTERM)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._pid_file.read_text() not in ("", before) and self.ask(None, over=False) is not None:
                return
            time.sleep(0.05)

    def restarts(self) -> int:
        return 0

    def stopped(self) -> bool:
        return False

    def ask(self, before: Health | None, *, over: bool) -> Health | None:
        return super().ask(None, over=False)  # the rig's link comes and goes


def switch_first(tree: trees.Trees, counter: int) -> None:
    """The broken twin's: everything is done in the directory that `current` names already."""
    os.mkdir(str(counter), 0o755, dir_fd=tree.at)
    tree.point(counter)
    os.rmdir(str(counter), dir_fd=tree.at)


def main(words: list[str]) -> int:
    root, state, package, pid_file = map(Path, words[:4])
    switching.STEP_S = 0.2  # type: ignore[misc]
    program = switching.Switching(Package(package), state, Notes(root), RigMachine(state, pid_file), window_s=1.0)
    if "--switch-first" in words:
        trees.Trees.part = lambda self, counter: (switch_first(self, counter), str(counter))[1]  # type: ignore[method-assign]
        trees.Trees.finish = lambda self, counter: None  # type: ignore[method-assign]
    outcome = program.go_on() if words[4] == "go-on" else None
    if words[4] == "install":
        with Path(words[5]).open("rb", buffering=0) as source:
            outcome = program.install(source, "rig", again=True)
    print(
        outcome.result if outcome is not None else "nothing",
        outcome.reason.sentence if outcome and outcome.reason else "",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
