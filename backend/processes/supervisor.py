"""The process of `ilot backend run`: it starts the parts of a backend, each in a process of its own, and starts again
whichever ends. It holds no key, opens no database and runs no thread, so that it can fork at any moment.

    start    in their order, each when the one before it works. One that ends before all worked for the first time
             ends the command, with its exit code: it has said why
    again    after half a second, then twice as long each time up to 30 s; at once after a minute of work
    hung     one whose event loop says nothing for HUNG_S is killed
    end      at SIGTERM or SIGINT in their order: hubs are answered no more, then operators, then the compactor ends.
             When this process is killed, so are they
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from hub.core.service_manager import FEEDS, ServiceManager
from hub.core.text import phrase

log = logging.getLogger(__name__)

HUNG_S = 60.0
STOP_S = 25.0
"""Seconds that a part has to end in order; then it is killed."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
WORKED_S = 60.0
TURN_S = 5.0
_LINE = 65536
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # prctl(2)

Facts = dict[str, Any]


@dataclass
class Part:
    """A part of the backend. `main` runs it in its process until SIGTERM, given what it told when it worked last and
    the descriptor to tell it by; it returns the exit code."""

    name: str
    main: Callable[[Facts, int], int]
    facts: Facts = field(default_factory=dict)
    ready: bool = False
    pid: int = 0
    pipe: int = -1
    heard: float = 0.0
    began: float = 0.0
    failures: int = 0
    due: float = 0.0  # when it is started again
    rest: bytes = b""


class Supervisor:
    """Runs `parts`. `ready` is called with them once all of them work, and returns the sentence for `manager`."""

    def __init__(self, parts: Sequence[Part], ready: Callable[[Sequence[Part]], str], manager: ServiceManager) -> None:
        self._parts, self._ready, self._manager = parts, ready, manager
        self._told = ""  # the sentence for the manager; "" before all worked
        self._stop = False
        self._turned = 0.0

    def run(self) -> int:
        """Run them until SIGTERM or SIGINT; return the exit code of the command."""
        gc.freeze()  # so that what was loaded before stays in pages that all of them share
        with self._signals() as wake:
            while not self._stop:
                if (code := self._turn(wake)) is not None:
                    self._end()
                    return code
            self._manager.stopping()
            self._end()
        return 0

    def _turn(self, wake: int) -> int | None:
        """Start what is to be started, and wait a moment for what the parts say; return the exit code of one that could
        not begin."""
        now = time.monotonic()
        if now - self._turned > 2 * TURN_S:  # this process did not run itself: neither did they
            for part in self._parts:
                part.heard = now
        self._turned = now
        self._start_due(now)
        self._manager.alive()
        pipes = {part.pipe: part for part in self._parts if part.pid}
        for descriptor in select.select([wake, *pipes], [], [], self._wait(now))[0]:
            if descriptor == wake:
                os.read(wake, _LINE)
            elif (code := self._hear(pipes[descriptor])) is not None:
                return code
        for part in self._parts:
            if part.pid and time.monotonic() - part.heard > HUNG_S:
                log.error(phrase("part-hangs", "{part} has hung for {seconds} s, it is killed", part=part.name,
                                 seconds=round(HUNG_S)))  # fmt: skip
                _kill(part, signal.SIGKILL)
                part.heard = time.monotonic()
        return None

    def _wait(self, now: float) -> float:
        beat = self._manager.watchdog_s / FEEDS if self._manager.watchdog_s else TURN_S
        due = [part.due - now for part in self._parts if not part.pid and part.due]
        return max(0.0, min(beat, TURN_S, *due))

    def _start_due(self, now: float) -> None:
        for part in self._parts:
            if not part.pid and now >= part.due:
                self._start(part, now)
            if not part.ready and not self._told:
                return

    def _start(self, part: Part, now: float) -> None:
        theirs, ours = os.pipe()
        others = [one.pipe for one in self._parts if one.pid]
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            _be(part, parent, ours, [theirs, *others])
        os.close(ours)
        os.set_blocking(theirs, False)
        part.pid, part.pipe, part.heard, part.began, part.rest = pid, theirs, now, now, b""

    def _hear(self, part: Part) -> int | None:
        """Read what a part says; return its exit code if it ended before all worked."""
        part.heard = time.monotonic()
        data = os.read(part.pipe, _LINE)
        if not data:
            return self._ended(part)
        *lines, part.rest = (part.rest + data).split(b"\n")
        for line in filter(None, lines):
            self._take(part, json.loads(line))
        if all(one.ready for one in self._parts):
            self._told = self._told or self._ready(self._parts)
            self._manager.ready(self._told)
        return None

    def _take(self, part: Part, said: dict[str, Any]) -> None:
        if "starting" in said:
            self._manager.starting(*said["starting"])
            return
        part.facts, part.ready = said["ready"], True
        if self._told:
            log.warning(phrase("part-works-again", "{part} works again", part=part.name))

    def _ended(self, part: Part) -> int | None:
        now = time.monotonic()
        code = _reap(part)
        part.ready = False
        if not self._told:
            return code or 1
        part.failures = 0 if now - part.began >= WORKED_S else part.failures + 1
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (min(part.failures, 10) - 1)) if part.failures else 0.0
        part.due = now + pause
        said = phrase(
            "part-ended",
            "{part} ended with code {code}; it is started again in {seconds} s",
            part=part.name,
            code=code,
            seconds=pause,
        )
        log.error(said)
        self._manager.status(said)
        return None

    def _end(self) -> None:
        for part in self._parts:
            if part.pid:
                _kill(part, signal.SIGTERM)
                self._wait_for(part)

    def _wait_for(self, part: Part) -> None:
        until = time.monotonic() + STOP_S
        while time.monotonic() < until:
            self._manager.alive()
            if select.select([part.pipe], [], [], 0.5)[0] and not os.read(part.pipe, _LINE):
                break
        else:
            log.error(phrase("part-does-not-end", "{part} does not end, it is killed", part=part.name))
            _kill(part, signal.SIGKILL)
        _reap(part)

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Note SIGTERM and SIGINT; yields a descriptor that can be read when one came."""

        def note(number: int, frame: object) -> None:
            self._stop = True

        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        former = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        before = signal.set_wakeup_fd(woken)
        try:
            yield wake
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in former.items():
                signal.signal(number, handler)
            os.close(wake)
            os.close(woken)


def _be(part: Part, parent: int, pipe: int, others: Sequence[int]) -> None:
    """Be the process of a part, in the fork; does not return."""
    code = 1
    try:
        _bind_to(parent, part.name)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of them: the parent ends them
        for descriptor in others:
            os.close(descriptor)
        code = part.main(part.facts, pipe)
    except Exception:
        log.exception(phrase("process-failed", "{part} failed", part=part.name))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _bind_to(parent: int, name: str) -> None:
    """Have the kernel kill this process when the parent dies, and name it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NAME, f"ilot-{name}".encode()[:15], 0, 0, 0)
    if os.getppid() != parent:  # it died before
        os._exit(1)


def _kill(part: Part, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(part.pid, number)


def _reap(part: Part) -> int:
    """Return the exit code of a part that has closed its pipe, 128 + the signal that ended it."""
    os.close(part.pipe)
    _, status = os.waitpid(part.pid, 0)
    part.pid, part.pipe = 0, -1
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
