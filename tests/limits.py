"""Ends a test that does not end, and finds the processes and ports that a test leaves.

    limit_s        seconds of `pytest.ini` that each of set-up, call and teardown may take. Then the test fails with the
                   stacks of all threads and asyncio tasks; every AGAIN seconds once more, should it be swallowed
    limit_grace_s  seconds later the process ends, where code in C has not come back to Python: faulthandler writes the
                   stacks of its threads, xdist names the test and starts another worker
    limit_dying_s  seconds that a process may take which was told to end, before it counts as left

A process that a test started, and every one that such a process started, ends with the test; that of a fixture of wider
scope with that scope. So do ports of this process. What is left is killed, and the test fails. See ADR 0086.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import gc
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
AGAIN = 20.0
KILLED_S = 10.0
"""How long a process may take to end that was killed."""
DUMP = signal.SIGRTMIN + 9
"""A pytest process that gets it writes its stacks and goes on; no test uses it."""
GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""Fixtures that end what they start."""
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver", "tests/faults/commands.py")
"""They end with the process that they serve. What the last one forks is none: it has another name."""


class Process(NamedTuple):
    pid: int
    start: int  # clock ticks since boot: a number given again is another process

    def __str__(self) -> str:
        words = read(f"/proc/{self.pid}/cmdline").replace("\0", " ").strip()
        return f"process {self.pid}: {words[:200] or '?'}"


class Port(NamedTuple):
    inode: int
    name: str

    def __str__(self) -> str:
        return f"port: {self.name}"


Left = Process | Port


def adopt() -> None:
    """Makes orphans below this process its children, so that whoever started them, they are found."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def read(path: str) -> str:
    """A file of /proc; nothing when its process has ended."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def processes(dead: bool = False) -> set[Process]:
    """All below this process; those that have ended and wait for their parent instead, if `dead`."""
    children = _children if Path("/proc/self/task", str(os.getpid()), "children").exists() else _children_by_parents()
    found, waiting = set[Process](), [os.getpid()]
    while waiting:
        for pid in children(waiting.pop()):
            if text := read(f"/proc/{pid}/stat"):
                state, _, *rest = text.rpartition(")")[2].split()
                waiting.append(pid)
                if (state in "ZX") is dead:
                    found.add(Process(pid, int(rest[17])))
    return {each for each in found if not _helps(each)}


def _children(pid: int) -> list[int]:
    """Those of all its threads, as the kernel lists them: three times a test, all of /proc would take too long."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(child) for thread in threads for child in read(f"/proc/{pid}/task/{thread}/children").split()]


def _children_by_parents() -> Callable[[int], list[int]]:
    """The same of a kernel that does not list them."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (text := read(f"/proc/{name}/stat")):
            found.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(name))
    return lambda pid: found.get(pid, [])


def _above(process: Process) -> Iterable[int]:
    """Its parent, the parent of that, and so on."""
    pid = process.pid
    while text := read(f"/proc/{pid}/stat"):
        yield (pid := int(text.rpartition(")")[2].split()[1]))


def _helps(process: Process) -> bool:
    words = read(f"/proc/{process.pid}/cmdline")
    return any(word in words for word in HELPERS) and read(f"/proc/{process.pid}/comm") != "ilot\n"


def started_by(process: Process) -> str:
    """The test in whose environment a process was started, where it says so."""
    return environment(process).get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def environment(process: Process) -> dict[str, str]:
    """With what a process was started."""
    return dict(part.partition("=")[::2] for part in read(f"/proc/{process.pid}/environ").split("\0") if part)


def kill(left: Callable[[], Iterable[Process]]) -> None:
    """Kills what is left, and what that has started meanwhile, until nothing is."""
    until = time.monotonic() + KILLED_S
    while (found := list(left())) and time.monotonic() < until:
        for process in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.01)


def reap(known: Iterable[Process]) -> None:
    """Takes leave of children that have ended, but of those that are known: somebody waits for them."""
    for process in processes(dead=True) - set(known):
        with contextlib.suppress(ChildProcessError):  # its parent is another, or has just done so
            os.waitpid(process.pid, os.WNOHANG)


def ports() -> set[Port]:
    """Those at which this process listens, by TCP or UDP."""
    own = set[str]()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            own.add(os.readlink(f"/proc/self/fd/{fd}"))
    own = {name[8:-1] for name in own if name.startswith("socket:[")}
    found = set[Port]()
    for kind in ("tcp", "tcp6", "udp", "udp6") if own else ():
        for line in read(f"/proc/self/net/{kind}").splitlines()[1:]:
            words = line.split()
            if words[9] in own and words[3] == ("0A" if kind.startswith("tcp") else "07"):
                found.add(Port(int(words[9]), f"{kind} {int(words[1].rpartition(':')[2], 16)}"))
    return found


def stacks(main: FrameType | None) -> str:
    """Of all threads and all asyncio tasks of this process; the main thread's as it was before a signal."""
    lines = list[str]()
    names = {each.ident: each.name for each in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        shown = main if main and ident == threading.main_thread().ident else frame
        lines += [f"thread {names.get(ident, ident)}:\n", *traceback.format_stack(shown)]
    tasks = [each for each in gc.get_objects() if issubclass(type(each), asyncio.Task)]
    for task in tasks:
        if not task.done():
            lines += [f"asyncio task {task.get_name()}:\n", *_awaited(task.get_coro())]
    return "".join(lines)


def _awaited(coroutine: Any) -> Iterable[str]:
    """Where each coroutine waits for the next, the outermost first. `Task.get_stack` gives the outermost alone."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            if not hasattr(coroutine, "cr_await"):
                yield f"  waits for {coroutine!r}\n"
            return
        yield from traceback.format_list(traceback.extract_stack(frame, limit=1))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _stderr() -> int:
    """One that stays what it is, whatever pytest captures."""
    try:
        return os.dup(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return os.dup(2)


def add_options(parser: pytest.Parser) -> None:
    parser.addini("limit_s", "seconds that each phase of a test may take", default="600")
    parser.addini("limit_grace_s", "seconds later its process ends", default="60")
    parser.addini("limit_dying_s", "seconds that what a test started may take to end", default="60")


class Limits:
    """The plugin, of a process that runs tests and of one that hands them out."""

    def __init__(self, config: pytest.Config) -> None:
        self.limit_s = float(config.getini("limit_s"))
        self.grace_s = float(config.getini("limit_grace_s"))
        self.dying_s = float(config.getini("limit_dying_s"))
        self.again_s = min(AGAIN, self.grace_s / 4)
        self.stderr = _stderr()
        self.phase = ""
        self.told: str | None = None
        self.failed = False
        self.held: dict[Left, str] = {}  # until a scope ends
        self.starters: dict[Left, str] = {}
        self.told_ports = set[Left]()
        adopt()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, self._too_long)
            signal.signal(DUMP, self._dump)
            faulthandler.register(DUMP, file=self.stderr, all_threads=True, chain=True)

    def pytest_unconfigure(self) -> None:
        self._disarm()
        faulthandler.unregister(DUMP)
        signal.signal(DUMP, signal.SIG_IGN)
        os.close(self.stderr)

    # --- limits -----------------------------------------------------------------------------------------------------

    def _dump(self, signum: int, frame: FrameType | None) -> None:
        os.write(self.stderr, f"\n{self.phase or 'between tests'}\n{stacks(frame)}\n".encode(errors="replace"))

    def _too_long(self, signum: int, frame: FrameType | None) -> None:
        if self.phase:
            self.told = self.told or f"{self.phase} took more than {self.limit_s:g} s\n\n{stacks(frame)}"
            raise pytest.fail.Exception(self.told, pytrace=False)

    def _disarm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()

    def _limited(self, item: pytest.Item, phase: str) -> Generator[None, object, object]:
        self.phase, self.told = f"{phase} of {item.nodeid}", None
        if signal.getsignal(signal.SIGALRM) != self._too_long:  # a test took it for itself
            signal.signal(signal.SIGALRM, self._too_long)
        faulthandler.dump_traceback_later(self.limit_s + self.grace_s, exit=True, file=self.stderr)
        signal.setitimer(signal.ITIMER_REAL, self.limit_s, self.again_s)
        try:
            done = yield
        finally:
            self.phase = ""
            self._disarm()
        if self.told:  # and swallowed
            raise pytest.fail.Exception(self.told, pytrace=False)
        return done

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from self._limited(item, "set-up"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from self._limited(item, "call"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        return (yield from self._limited(item, "teardown"))

    def pytest_enter_pdb(self) -> None:
        self._disarm()

    # --- what is left -----------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """What a fixture of wider scope starts may stay as long as it."""
        if fixturedef.scope == "function":
            return (yield)
        before = self._there()
        try:
            return (yield)
        finally:
            for each in self._there() - before:
                self._hold(each, fixturedef.scope, str(request.node.nodeid or fixturedef.baseid))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self.failed |= report.failed
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        self.failed = False
        done = yield
        if nextitem is None:
            self.held.clear()
        elif nextitem.path != item.path:
            self.held = {each: scope for each, scope in self.held.items() if scope in ("session", "package")}
        scope = "" if self.failed else _widest(item, nextitem)
        if self.failed:
            forget()
        elif scope:  # a fixture of that scope may have started it just now, and go on starting
            for each in self._there() - self.held.keys():
                self._hold(each, scope, item.nodeid)
        if not scope and (left := self._left(patient=not self.failed)):
            words = "\n".join(("left when it had ended:", *map(self._told, left)))
            kill(lambda: processes() - self.held.keys())
            self.told_ports |= {each for each in left if isinstance(each, Port)}
            if not self.failed:
                keywords = dict.fromkeys(item.keywords, 1)
                report = pytest.TestReport(item.nodeid, item.location, keywords, "failed", words, "teardown")
                item.ihook.pytest_runtest_logreport(report=report)
        reap(each for each in self.held if isinstance(each, Process))
        return done

    def _hold(self, left: Left, scope: str, starter: str) -> None:
        self.held.setdefault(left, scope)
        self.starters.setdefault(left, starter)

    def _told(self, left: Left) -> str:
        return f"{left}, started in {self.starters[left]}" if left in self.starters else str(left)

    def _there(self) -> set[Left]:
        return {*processes(), *ports()}

    def _left(self, patient: bool) -> list[Left]:
        until = time.monotonic() + (self.dying_s if patient else 0)
        left = self._not_held()
        if any(isinstance(each, Port) for each in left):
            gc.collect()  # a socket in a ring of objects
            left = self._not_held()
        while left and time.monotonic() < until:
            time.sleep(0.02)
            left = self._not_held()
        return sorted(left)

    def _not_held(self) -> set[Left]:
        """Neither what may stay, nor what that has started meanwhile."""
        found = self._there() - self.held.keys() - self.told_ports
        may = {each.pid for each in self.held if isinstance(each, Process)}
        return {each for each in found if not (may and isinstance(each, Process) and may.intersection(_above(each)))}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from .scheduling import Files  # not before pytest has begun: it wants to rewrite xdist's assertions

        return Files(config, log) if config.getvalue("dist") == "loadfile" else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Kills what the test had started whose worker is gone: it is a child of this process now."""
        if error is None:
            return
        mark = {"PYTEST_XDIST_TESTRUNUID": node.workerinput["testrunuid"], "PYTEST_XDIST_WORKER": node.gateway.id}

        def its() -> list[Process]:
            return [each for each in processes() if mark.items() <= environment(each).items()]

        for process in its():
            os.write(self.stderr, f"\nleft by {started_by(process) or node.gateway.id}: {process}\n".encode())
        kill(its)


def _widest(item: pytest.Item, nextitem: pytest.Item | None) -> str:
    """The scope until which what a test has started may belong to one of its fixtures; "" when none is left."""
    info = getattr(item, "_fixtureinfo", None)
    found = {
        each[-1].scope
        for each in (info.name2fixturedefs.values() if info else ())
        if each[-1].baseid and inspect.unwrap(each[-1].func).__code__.co_flags & GENERATOR
    }
    if nextitem is not None and found & {"session", "package"}:
        return "session"
    return "module" if nextitem is not None and nextitem.path == item.path and found & {"module", "class"} else ""


def forget() -> None:
    """Lets go of what a test that failed had open. Else it is noticed when its traceback is forgotten, in the next
    test, which then fails as well."""
    for name in ("last_exc", "last_value", "last_type", "last_traceback"):  # they hold its frames
        with contextlib.suppress(AttributeError):
            delattr(sys, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    subprocess._cleanup()  # type: ignore[attr-defined]
