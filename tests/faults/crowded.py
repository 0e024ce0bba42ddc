"""A buffer that is full by its own cap while the backend is away: the oldest goes, and is declared before it goes.

Each report has three readings. What the backend's table of gaps declares, and has not all the same, lies between what
is missing of the reports that were promised, and what is missing of all that were emitted: no reading less, and none
more. A record that was on its way when its hub gave it up is both declared and there: the data wins. Each report that
was promised and is missing was made between the times of a gap. Twins: a hub that gives up its oldest without a word,
and one that declares them in the second in which their segment began.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from rig import Rig, Verdict, until

_READINGS = 3
_PER_SECOND = 100.0  # a segment holds some seconds


def _fills(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    """So many times full; every second time the hub is killed while it is."""
    rng = random.Random(seed)
    rig = Rig(root, buffer=", max_size: 256KB, keep_after_ack: 0s", generator=["--bulky", "--timed", *options])
    try:
        for n in range(runs):
            rig.kill(rig.backend)
            hub = rig.start_hub(_PER_SECOND)
            until(lambda: _given_up(rig), 180.0, lambda: f"nothing is given up: {rig.logs()}")
            time.sleep(rng.uniform(0.0, 1.0))
            if n % 2:
                rig.kill(hub)
                hub = rig.start_hub(_PER_SECOND)
                rig.wait_durable(1)
            rig.start_backend()
            rig.stop(hub)
        rig.settle()
        verdict = rig.verdict(fault, runs, may_declare=True)
        arrived = rig.arrived()
        promised, emitted = (len(said - arrived) for said in (rig.promised(), rig.numbers(b"emit")))
        verdict.lost = max(0, _READINGS * promised - verdict.declared)
        verdict.wrong += max(0, verdict.declared - _READINGS * emitted) + _outside(rig, arrived)
        return verdict
    finally:
        rig.close()


def _outside(rig: Rig, arrived: set[int]) -> int:
    """How many of those that are missing were made at a time that no gap tells."""
    spans = rig.sql("SELECT from_s, to_s FROM gaps WHERE stream = 'readings'")
    moments = rig.moments()
    missing = [moments[n] for n in rig.promised() - arrived]
    return sum(not any(first <= moment < last + 1 for first, last in spans) for moment in missing)


def _given_up(rig: Rig) -> bool:
    """Whether the newest run's first segment has left the disk."""
    names = [path.stem.split("-") for path in (rig.state / "buffer" / "readings").glob("*.seg")]
    newest = max(((int(number), run) for number, run, _ in names), default=(0, ""))[1]
    return bool(names) and not any(run == newest and int(first) == 1 for _, run, first in names)


def buffer_beyond_its_cap(root: Path, runs: int, seed: int) -> Verdict:
    return _fills(root, runs, seed, "a buffer beyond its cap")


def twin_gives_up_silently(root: Path, runs: int, seed: int) -> Verdict:
    return _fills(root, runs, seed, "twin: a buffer beyond its cap, not declared", ("--silent",))


def twin_tells_the_start_alone(root: Path, runs: int, seed: int) -> Verdict:
    return _fills(root, runs, seed, "twin: a buffer beyond its cap, declared in one second", ("--start-alone",))
