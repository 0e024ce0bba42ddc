"""EIO at each read, write and sync of a running hub in turn, by strace: three in a row from the nth on, in each thread.

The call fails and is not done. The hub stays up, or comes up by itself as soon as the disk works, also when it is the
first call of its start; it says what is wrong; what it acknowledged arrives, and nothing that is there is
declared lost.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from rig import Rig, Verdict
from syscalls import CALLS, LIFE_S, chances, count_calls, inject

READS = ("pread64",)
SYNCS = ("fsync", "fdatasync")
_MEET_S = 10.0
"""So long a life may go on after all that it was to do, until the fault has happened."""
LOOK_S = 0.05
"""Between two looks at a life. However far apart, nothing is missed: what happened is written down."""


def failing_calls(root: Path, runs: int, seed: int) -> Verdict:
    """So many lives, each with a fault at another place."""
    return _fail(root, runs, seed, (*CALLS, *READS), "EIO at each of {} reads and writes")


def failing_syncs(root: Path, runs: int, seed: int) -> Verdict:
    """Syncs alone, each in turn: what they covered is not durable, and must not be called so."""
    return _fail(root, runs, seed, SYNCS, "EIO at each of {} syncs")


def _fail(root: Path, runs: int, seed: int, calls: tuple[str, ...], fault: str) -> Verdict:
    rig = Rig(root)
    try:
        places = count_calls(rig, calls)
        last = {call: max(n for other, n in places if other == call) for call, _ in places}
        places = [(c, n) for c, n in places if n == last[c] or (c, n + 1) in places]  # the fault lasts for three
        said, lives, met = 0, 0, list[tuple[str, int]]()
        for call, n in chances(places, runs, seed, met):
            lives += 1
            log = rig.root / "strace.log"
            log.unlink(missing_ok=True)
            (rig.root / "hub.log").unlink(missing_ok=True)  # what it says is of this life
            hub = rig.start_hub(wait=False, prefix=inject(log, call, "error=EIO", f"{n}..{n + 2}"))
            goal, end = len(rig.numbers(b"durable")) + 25, time.monotonic() + LIFE_S
            happened, done = False, math.inf
            while (durable := len(rig.numbers(b"durable"))) < goal or (not happened and time.monotonic() < done):
                if hub.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{call} {n}: the hub ended or hangs, exit {hub.poll()}: {rig.logs()}")
                time.sleep(LOOK_S)
                if not happened and _met(log):
                    happened, goal = True, max(goal, durable + 10)  # it comes up again, and has said what was wrong
                elif durable >= goal and done == math.inf:
                    done = time.monotonic() + _MEET_S
            met += [(call, n)] * happened
            said += _shown(rig)
            rig.kill(hub)
        rig.settle()
        verdict = rig.verdict(f"{fault.format(len(set(places)))} ({len(met)} met, {said} shown)", lives)
        # not every call is the buffer's; that none of many is ever shown would be a fault of the hub
        if (lives >= 10 and not said) or len(met) < max(1, runs // 2):
            raise RuntimeError(f"the faults did not happen, or were not shown: {verdict}")
        return verdict
    finally:
        rig.close()


def _met(log: Path) -> bool:
    return log.exists() and "INJECTED" in log.read_text()


def _shown(rig: Rig) -> bool:
    """Whether this life said that its disk failed: in its log, or by what its status counts since its start."""
    if "does not reach the disk" in (rig.root / "hub.log").read_text(errors="replace"):
        return True
    status = rig.status()["buffer"]
    return bool(status["error"] or status["poisoned"] or status["notes"])
