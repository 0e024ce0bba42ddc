"""Stall watch: notices when the event loop does not turn, and names who holds it.

A thread asks the loop for an answer several times a second. While none comes it looks at what the loop's thread
executes: the innermost code of a plugin or of the hub is the culprit. Code that holds the interpreter itself (a regular
expression that runs away) lets no thread look; then a timer's signal has the loop's thread note its own stack, as soon
as that code comes back to Python, and that is read afterwards. A loop that waits and yet does not answer is one whose
process gets no time: that is the machine's. So is the time in which the loop's thread was ready to run and got no
processor: nobody is accused of it.

Plugins pay nothing for it: no call of theirs is wrapped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from hub.core.text import phrase

LOOK_S = 0.1
NOTICED_S = 0.25
"""Shortest stall that is surely counted; from NOTICED_S - LOOK_S on it may be."""
TOLD_S = 2.0
"""A stall from here on, less the time without a processor, is an error in the log, an incident, and a complaint for an
hour."""
COMPLAINT_S = 3600.0
QUIET_S = 60.0
"""Shorter stalls of one culprit are logged once in this time."""
MOST_CULPRITS = 64
TRACE_EVERY, TRACE_S = 5, 1.0
"""Looks between two armings of the timer, and the seconds after which it goes off. It is armed anew before as long as
this thread runs."""
HUB, LIBRARY, MACHINE = "hub", "library", "machine"

_CORE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_TURN = os.path.join("asyncio", "events.py")
_WAITS = (os.sep + "selectors.py", os.path.join("asyncio", "base_events.py"))
_log = logging.getLogger("hub.stalls")


class Place(NamedTuple):
    """A line of a program that was executed: file, line, function."""

    file: str
    line: int
    function: str


class Culprit(NamedTuple):
    """Who held the loop: the name of a plugin, HUB, LIBRARY or MACHINE; and where, as function and file:line, "" if
    unknown."""

    who: str
    function: str
    where: str


_WEIGHT = {MACHINE: 0, LIBRARY: 1, HUB: 2}
"""Of several that were seen during one stall the heaviest is named; a plugin is."""
UNKNOWN = Culprit(MACHINE, "", "")


class Stall(NamedTuple):
    """A stall that is over. `seconds`: how long the loop did not turn, at least."""

    at: float
    seconds: float
    culprit: Culprit


def frames(frame: FrameType | None) -> Iterator[Place]:
    """Yield the places of a stack, the innermost first."""
    while frame is not None:
        code = frame.f_code
        yield Place(code.co_filename, frame.f_lineno, code.co_qualname)
        frame = frame.f_back


def culprit(places: Iterable[Place], roots: Mapping[str, str]) -> Culprit:
    """Return who executes this stack: the first plugin or part of the hub from within. `roots`: folder with a closing
    slash, or file → plugin. UNKNOWN for a loop that waits."""
    first = None
    for place in places:
        if first is None and place.file.endswith(_WAITS):
            return UNKNOWN
        first = first or place
        if place.file.endswith(_TURN):  # all further out is the loop itself
            break
        for root, plugin in roots.items():
            if place.file.startswith(root):
                return _named(plugin, place)
        if place.file.startswith(_CORE):
            return _named(HUB, place)
    return _named(LIBRARY, first) if first else UNKNOWN


def _named(who: str, place: Place) -> Culprit:
    return Culprit(who, place.function, f"{'/'.join(Path(place.file).parts[-2:])}:{place.line}")


def starved_s(thread: int) -> float:
    """Return how long a thread of this process (its native id) has been ready to run without a processor, in seconds; 0
    where the kernel does not count it."""
    try:
        with open(f"/proc/self/task/{thread}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def roots_of(modules: Mapping[str, str]) -> dict[str, str]:
    """Return where the code of plugins lies that were imported: folder or file → plugin; the longest first.
    `modules`: plugin → name of its module."""
    found = {}
    for plugin, name in modules.items():
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            found[os.path.dirname(file) + os.sep if os.path.basename(file) == "__init__.py" else file] = plugin
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


class StallWatch:
    """Watch of the loop that `run` is called on. `modules` gives plugin → name of its module; `now` is the wall clock;
    `traces`: also arm the timer, of which a process has one: then `run` is called in the main thread; `starved` as
    `starved_s`."""

    def __init__(
        self,
        modules: Callable[[], Mapping[str, str]],
        now: Callable[[], float],
        *,
        traces: bool = False,
        starved: Callable[[int], float] = starved_s,
    ) -> None:
        self._modules, self._now, self.traces = modules, now, traces
        self._starved: Callable[[], float] = lambda: starved(self._loops)
        self._loops = 0
        self.suspects: Callable[[str], None] = lambda _: None
        """Called from the thread with the plugin that has held the loop for TOLD_S."""
        self.count = 0
        self.longest: Stall | None = None
        self.last: Stall | None = None
        self.told: Counter[str] = Counter()
        """Plugin or library → stalls of TOLD_S and more: an incident. The hub's own are a complaint."""
        self.by: dict[str, list[float]] = {}
        """Culprit → [stalls, seconds in all, the longest]."""
        self._last_told: Stall | None = None
        self._logged: dict[str, float] = {}
        self._answered = threading.Event()
        self._over = threading.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        self._loops = threading.get_native_id()
        trace = _Trace() if self.traces else None
        arguments = (loop, threading.get_ident(), trace)
        thread = threading.Thread(target=self._watch, args=arguments, name="stalls", daemon=True)
        thread.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._over.set()
            self._answered.set()
            thread.join()  # at once; a timer that it left would end the program that this process becomes

    def status(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "last": _told(self.last),
            "longest": _told(self.longest),
            "by": {who: {"count": int(n), "seconds": round(s, 3), "longest_s": round(most, 3)}
                   for who, (n, s, most) in self.by.items()},
        }  # fmt: skip

    def complaints(self) -> list[str]:
        stall = self._last_told
        if stall is None or self._now() - stall.at > COMPLAINT_S:
            return []
        return [
            phrase(
                "loop-was-held",
                "{who} held the whole hub for {seconds:.1f} s, in {function} ({where})",
                who=stall.culprit.who,
                seconds=stall.seconds,
                function=stall.culprit.function,
                where=stall.culprit.where,
            )
        ]

    # -- the thread -------------------------------------------------------------------------------------------------

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int, trace: _Trace | None) -> None:
        looks = 0
        try:
            while not self._over.is_set():
                if trace is not None and looks % TRACE_EVERY == 0:
                    trace.arm()
                looks += 1
                self._answered.clear()
                starved, asked = self._starved(), time.monotonic()
                try:
                    loop.call_soon_threadsafe(self._answered.set)
                except RuntimeError:  # the loop is closed
                    return
                answered = self._answered.wait(LOOK_S)
                if self._late(asked):
                    if self._answered.wait(LOOK_S):
                        self._end(time.monotonic() - asked, starved, self._traced(trace))
                    else:  # this thread runs again, and the loop does not
                        self._stalled(asked, starved, thread, self._traced(trace))
                elif not answered:
                    self._stalled(asked, starved, thread, UNKNOWN)
                starved, rests = self._starved(), time.monotonic()
                self._over.wait(LOOK_S)
                if self._late(rests):
                    self._end(time.monotonic() - rests - LOOK_S, starved, self._traced(trace))
        finally:
            if trace is not None:
                trace.close()

    def _late(self, since: float) -> bool:
        """Return whether this thread was kept from running while it waited: the interpreter was held, or the process
        got no time."""
        return not self._over.is_set() and time.monotonic() - since > NOTICED_S

    def _traced(self, trace: _Trace | None) -> Culprit:
        return UNKNOWN if trace is None else culprit(trace.read(), roots_of(self._modules()))

    def _stalled(self, asked: float, starved: float, thread: int, found: Culprit) -> None:
        """Look at the loop's thread until it answers. `found`: who held it before."""
        told = False
        while True:
            seen = culprit(frames(sys._current_frames().get(thread)), roots_of(self._modules()))
            if _WEIGHT.get(seen.who, 3) > _WEIGHT.get(found.who, 3) or not found.function:
                found = seen
            held = time.monotonic() - asked - (self._starved() - starved)
            if held >= TOLD_S and not told and found.who != MACHINE:
                told = True
                self._tell(found, held)
                if found.who not in _WEIGHT:
                    self.suspects(found.who)
            if self._answered.wait(LOOK_S):
                break
        if not self._over.is_set() and time.monotonic() - asked > NOTICED_S - LOOK_S:
            self._end(time.monotonic() - asked, starved, found)

    def _tell(self, found: Culprit, held: float) -> None:
        _log.error(
            phrase(
                "loop-is-held",
                "{who} has held the whole hub for {seconds:.1f} s, in {function} ({where}); nothing else runs",
                who=found.who,
                seconds=held,
                function=found.function,
                where=found.where,
            )
        )

    def _end(self, seconds: float, starved: float, found: Culprit) -> None:
        """Count a stall that is over, and log it. `starved`: what was read of it before."""
        told = seconds - (self._starved() - starved) >= TOLD_S and found.who != MACHINE
        stall = Stall(self._now(), seconds, found)
        who = found.who if found.who in self.by or len(self.by) < MOST_CULPRITS else MACHINE
        count, total, most = self.by.get(who, (0, 0.0, 0.0))
        self.by[who] = [count + 1, total + seconds, max(most, seconds)]
        self.count += 1
        self.last = stall
        if self.longest is None or seconds > self.longest.seconds:
            self.longest = stall
        if told:
            self._last_told = stall
            if who != HUB:
                self.told[who] += 1
        since = time.monotonic() - self._logged.get(who, -QUIET_S)
        if not told and since < QUIET_S:
            return
        self._logged[who] = time.monotonic()
        _log.log(
            logging.ERROR if told else logging.WARNING,
            phrase(
                "loop-turns-again",
                "{who} held the hub for {seconds:.2f} s, in {function} ({where})",
                who=found.who,
                seconds=seconds,
                function=found.function or "?",
                where=found.where or "?",
            ),
        )


class _Trace:
    """The places that the main thread executed when a timer's signal reached it, TRACE_S after it was armed.

    A handler in Python runs between two of its instructions. What `faulthandler` writes from a handler in C, or from
    another thread, reads frames while they change: where the loop was not held, but the process late, that crashed.
    """

    def __init__(self) -> None:
        """Install the handler. Raises ValueError in another thread than the main one."""
        self._places: list[Place] = []
        signal.signal(signal.SIGALRM, self._note)

    def _note(self, _: int, frame: FrameType | None) -> None:
        self._places = list(frames(frame))

    def arm(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._places = []
        signal.setitimer(signal.ITIMER_REAL, TRACE_S)

    def read(self) -> list[Place]:
        """Return the stack of the thread of the loop, the innermost place first; empty where the timer did not go
        off."""
        return self._places

    def close(self) -> None:
        """Disarm. The handler stays: a signal under way would end the process without it."""
        signal.setitimer(signal.ITIMER_REAL, 0)


def _told(stall: Stall | None) -> dict[str, Any] | None:
    if stall is None:
        return None
    return {
        "at": stall.at,
        "seconds": round(stall.seconds, 3),
        "plugin": stall.culprit.who,
        "function": stall.culprit.function,
        "where": stall.culprit.where,
    }
