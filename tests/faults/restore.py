"""Two hubs on one state directory, and a state directory set back to an older image of itself.

A second hub refuses to start. A hub that was set back begins a new run: what it says from then on has numbers of its
own, nothing is dropped, and no key and nonce serves twice. Twin: one that keeps the run id of the image forks, and the
backend must set its records aside with an alarm instead of dropping them.
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

from rig import Rig, Verdict


def two_hubs(root: Path, runs: int, seed: int) -> Verdict:
    """So many attempts to start another hub on the directory of a running one; also right after it was killed."""
    rng = random.Random(seed)
    rig = Rig(root)
    try:
        for _ in range(runs):
            first = rig.start_hub()
            second = rig.start_hub(wait=False)
            time.sleep(rng.uniform(0.0, 0.3))
            code = second.wait(30.0)
            assert code not in (0, -9), f"a second hub ran beside the first: exit {code}"
            assert first.poll() is None, "the first hub ended because of the second"
            rig.wait_durable(3)
            rig.kill(second)
            rig.kill(first)
        rig.settle()
        return rig.verdict("two hubs on one state directory", runs)
    finally:
        rig.close()


def _set_back(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root)
    image = root / "image"
    try:
        rig.start_hub()
        for _ in range(runs):
            rig.wait_durable(rng.randint(2, 6))
            rig.kill(rig.hub)
            shutil.rmtree(image, ignore_errors=True)
            shutil.copytree(rig.state, image, ignore=shutil.ignore_patterns("hub.sock"))
            rig.start_hub(options=options)
            rig.wait_durable(rng.randint(2, 6))
            if not options:
                rig.drain()
            rig.kill(rig.hub)  # what came since the image is delivered, or lies in what is thrown away now
            shutil.rmtree(rig.state)
            shutil.copytree(image, rig.state)
            rig.start_hub(options=options)
        rig.wait_durable(3)
        rig.stop(rig.hub)
        if not options:  # a fork is never acked: the twin does not drain
            rig.settle()
        verdict = rig.verdict(fault, runs)
        verdict.wrong += rig.sql("SELECT count(*) - count(DISTINCT eid) FROM epochs")[0][0]
        return verdict
    finally:
        rig.close()


def restored_image(root: Path, runs: int, seed: int) -> Verdict:
    return _set_back(root, runs, seed, "state directory set back to an older image")


def twin_same_run(root: Path, runs: int, seed: int) -> Verdict:
    return _set_back(root, runs, seed, "twin: set back and keeping its run id", ("--same-run",))
