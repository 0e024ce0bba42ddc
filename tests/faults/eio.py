"""EIO at each read, write and sync of a running hub in turn, by strace: three in a row from the nth on, in each thread.

The call fails and is not done. The hub stays up, or comes up by itself as soon as the disk works, also when it is the
first call of its start; it says what is wrong; what it acknowledged arrives, and nothing that is there is
declared lost.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from rig import Rig, Verdict
from syscalls import CALLS, count_calls, inject

READS = ("pread64",)
SYNCS = ("fsync", "fdatasync")
_LIFE_S = 15.0


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
        random.Random(seed).shuffle(places)
        places = (places * (runs // len(places) + 1))[:runs]
        said = met = 0
        for call, n in places:
            log = rig.root / "strace.log"
            log.unlink(missing_ok=True)
            hub = rig.start_hub(wait=False, prefix=inject(log, call, "error=EIO", f"{n}..{n + 2}"))
            goal, end = len(rig.numbers(b"durable")) + 25, time.monotonic() + _LIFE_S
            degraded = False
            while len(rig.numbers(b"durable")) < goal:
                if hub.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{call} {n}: the hub ended or hangs, exit {hub.poll()}: {rig.logs()}")
                time.sleep(0.05)
                if not degraded and _met(log) and (rig.state / "hub.sock").exists():
                    degraded = _degraded(rig)
            met += _met(log)
            said += degraded
            rig.kill(hub)
        rig.settle()
        verdict = rig.verdict(f"{fault.format(len(set(places)))} ({met} met, {said} shown)", len(places))
        # a fault of three calls may pass between two looks; that none of many is ever shown would be a fault of the hub
        if (len(places) >= 10 and not said) or met < len(places) // 2:
            raise RuntimeError(f"the faults did not happen, or were not shown: {verdict}")
        return verdict
    finally:
        rig.close()


def _met(log: Path) -> bool:
    return log.exists() and "INJECTED" in log.read_text()


def _degraded(rig: Rig) -> bool:
    try:
        status = rig.status()["buffer"]
    except RuntimeError:  # not there yet, or gone
        return False
    return bool(status["error"] or status["poisoned"] or status["notes"])
