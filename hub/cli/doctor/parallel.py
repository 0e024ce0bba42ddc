"""Looks at several things at once, each until a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from hub.core.errors import HubError
from hub.core.text import phrase, reason_of
from hub.operations.doctor.findings import WRONG, Finding

Task = Callable[[], Iterable[Finding]]


class Begun:
    """Tasks that run, each in a thread of its own, from now on. One that hangs in the kernel is left behind: it ends
    with the process."""

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self._began = time.monotonic()
        self._found: dict[str, list[Finding]] = {name: [] for name in tasks}
        self._bugs: list[BaseException] = []
        self._threads = {
            name: threading.Thread(target=self._run, args=(name, task), daemon=True) for name, task in tasks.items()
        }
        for thread in self._threads.values():
            thread.start()

    def _run(self, name: str, task: Task) -> None:
        try:
            for one in task():
                self._found[name].append(one)
        except HubError as error:
            self._found[name].append(Finding(name, WRONG, reason_of(error)))
        except BaseException as error:
            self._bugs.append(error)

    def findings(self, seconds: float) -> list[Finding]:
        """Return what all have found within so many seconds from their beginning, in their order; of one that is not
        done what it has found, and that it was not done."""
        for name, thread in self._threads.items():
            thread.join(max(0.0, self._began + seconds - time.monotonic()))
            if thread.is_alive():
                late = phrase("not-done-in-time", "not done within {seconds:.1f} s", seconds=seconds)
                remedy = phrase("hangs-in-time", "what is named last is what does not answer")
                self._found[name].append(Finding(name, WRONG, late, remedy))
        if self._bugs:
            raise self._bugs[0]
        return [one for found in self._found.values() for one in list(found)]


def together(tasks: Mapping[str, Task], seconds: float) -> list[Finding]:
    """Return what all find within so many seconds."""
    return Begun(tasks).findings(seconds)
