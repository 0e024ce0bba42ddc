"""EIO at each read, write and sync of a running hub in turn, by strace: three in a row from the nth on.

The call fails and is not done. The hub stays up and says what is wrong; what it acknowledged arrives. The nth calls of
the start are among them: a start may fail, with a message; the next one has to succeed.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from rig import Rig, Verdict
from syscalls import CALLS, count_calls, inject

READS = ("pread64",)


def failing_calls(root: Path, runs: int, seed: int) -> Verdict:
    rig = Rig(root)
    try:
        most = count_calls(rig, (*CALLS, *READS))
        places = [(call, n) for call, count in most.items() for n in range(1, count + 1)]
        rng = random.Random(seed)
        rng.shuffle(places)
        places = (places * (runs // len(places) + 1))[:runs]
        said = refused = 0
        for call, n in places:
            log = rig.root / "strace.log"
            hub = rig.start_hub(wait=False, prefix=inject(log, call, "error=EIO", f"{n}..{n + 2}"))
            goal, end = len(rig.numbers(b"durable")) + 25, time.monotonic() + 8.0
            degraded = False
            while hub.poll() is None and len(rig.numbers(b"durable")) < goal and time.monotonic() < end:
                time.sleep(0.05)
                if "INJECTED" in log.read_text() and not degraded and (rig.state / "hub.sock").exists():
                    degraded = _degraded(rig)
            refused += hub.poll() is not None
            said += degraded
            rig.kill(hub)
        rig.settle()
        verdict = rig.verdict(
            f"EIO at each of {len(places)} calls ({said} shown, {refused} starts refused)",
            len(places),
            may_declare=True,
        )
        if not said:
            raise RuntimeError(f"no fault was ever shown: {verdict}")
        return verdict
    finally:
        rig.close()


def _degraded(rig: Rig) -> bool:
    try:
        status = rig.status()["buffer"]
    except RuntimeError:  # not there yet, or gone
        return False
    return bool(status["error"] or status["poisoned"] or status["notes"])
