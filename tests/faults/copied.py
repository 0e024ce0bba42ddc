"""A copy made by `ilot backend backup` while a hub delivers, put back by `ilot backend restore`.

The oracle is that of every row. What was acknowledged after the copy arrives again from the segments that the hub
keeps: within seconds, since the database has another identity. A copy that is moved into place by hand is whole again,
too, by what the hub states and the backend wants, but only after its next states.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rig import Rig, Verdict, until


def restored_copy(root: Path, runs: int, seed: int) -> Verdict:
    """So many copies, each put back, by turns over what is there and into an empty directory. Prints how long the
    slowest took to be whole."""
    rng = random.Random(seed)
    rig = Rig(root, generator=["--quick"])
    slowest = 0.0
    try:
        rig.kill(rig.backend)
        rig.start_backend(bent=["--quick"])
        rig.start_hub(200.0)
        for n in range(runs):
            rig.wait_durable(3)
            copy = root / f"copy-{n}"
            _ilot("backup", rig.backend_dir, copy)  # while it takes records
            for _ in range(rng.randint(1, 3)):
                rig.wait_durable(rng.randint(2, 6))
                rig.drain()
                rig.kill(rig.hub)
                rig.start_hub(200.0)
            rig.wait_durable(3)
            rig.drain()
            rig.kill(rig.backend)
            before = _stored(rig)
            _put_back(rig, copy, lost=n % 2 == 1)
            assert not before <= _stored(rig), "putting it back must have lost something"
            rig.start_backend(bent=["--quick"])
            began = time.monotonic()
            until(lambda before=before: before <= _stored(rig), 180.0, lambda: f"it does not come again: {rig.logs()}")
            slowest = max(slowest, time.monotonic() - began)
        rig.stop(rig.hub)
        rig.settle()
        return rig.verdict(f"a copy made in service is put back (whole again in {slowest:.1f} s at most)", runs)
    finally:
        rig.close()


def _put_back(rig: Rig, copy: Path, *, lost: bool) -> None:
    if lost:
        shutil.rmtree(rig.backend_dir)
    _ilot("restore", copy, rig.backend_dir)


def _stored(rig: Rig) -> set[int]:
    rows = rig.sql(
        "SELECT value FROM readings r JOIN series s ON s.id = r.series"
        " WHERE s.metric = 'uptime' AND s.place = 'generator'"
    )
    return {int(value) for (value,) in rows}


def _ilot(*arguments: object) -> None:
    command = [sys.executable, "-m", "hub", "backend", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
