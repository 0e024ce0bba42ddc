"""A buffer that is full by its own cap while the backend is away: the oldest goes, and is declared before it goes.

Each report has three readings. What the backend's table of gaps declares, and has not all the same, lies between what
is missing of the reports that were promised, and what is missing of all that were emitted: no reading less, and none
more. A record that was on its way when its hub gave it up is both declared and there: the data wins. Twin: a hub that
gives up its oldest without a word.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from rig import Rig, Verdict, until

_READINGS = 3


def _fills(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    """So many times full; every second time the hub is killed while it is."""
    rng = random.Random(seed)
    rig = Rig(root, buffer=", max_size: 256KB, keep_after_ack: 0s", generator=["--bulky", *options])
    try:
        for n in range(runs):
            rig.kill(rig.backend)
            hub = rig.start_hub()
            until(lambda: _given_up(rig), 180.0, lambda: f"nothing is given up: {rig.logs()}")
            time.sleep(rng.uniform(0.0, 1.0))
            if n % 2:
                rig.kill(hub)
                hub = rig.start_hub()
                rig.wait_durable(1)
            rig.start_backend()
            rig.stop(hub)
        rig.settle()
        verdict = rig.verdict(fault, runs, may_declare=True)
        arrived = rig.arrived()
        promised, emitted = (len(said - arrived) for said in (rig.promised(), rig.numbers(b"emit")))
        verdict.lost = max(0, _READINGS * promised - verdict.declared)
        verdict.wrong += max(0, verdict.declared - _READINGS * emitted)
        return verdict
    finally:
        rig.close()


def _given_up(rig: Rig) -> bool:
    """Whether the newest run's first segment has left the disk."""
    names = [path.stem.split("-") for path in (rig.state / "buffer" / "readings").glob("*.seg")]
    newest = max(((int(number), run) for number, run, _ in names), default=(0, ""))[1]
    return bool(names) and not any(run == newest and int(first) == 1 for _, run, first in names)


def buffer_beyond_its_cap(root: Path, runs: int, seed: int) -> Verdict:
    return _fills(root, runs, seed, "a buffer beyond its cap")


def twin_gives_up_silently(root: Path, runs: int, seed: int) -> Verdict:
    return _fills(root, runs, seed, "twin: a buffer beyond its cap, not declared", ("--silent",))
