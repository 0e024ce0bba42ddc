"""kill -9 of the hub at random moments, again and again: nothing durable is lost, nothing arrives twice.

python tests/faults/kill.py [--kills 300] [--seed N] [--keep]     prints one line; exit 1 when a promise broke
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from rig import Rig, Verdict, until


def kill_hub(root: Path, kills: int, seed: int, longest: float = 0.8) -> Verdict:
    """Start, let it run for a random while (also not at all: while it starts), kill; then drain and count. Two of three
    lives have said something durable by then, however slow the machine is."""
    rng = random.Random(seed)
    rig = Rig(root)
    try:
        for n in range(kills):
            starting = n % 10 == 9
            process = rig.start_hub(wait=not starting)
            if not starting and n % 3:
                rig.wait_durable(rng.randint(1, 3))
            time.sleep(rng.uniform(0.0, 0.9 if starting else longest))
            rig.kill(process)
        rig.settle()
        return rig.verdict("kill -9 of the hub", kills)
    finally:
        rig.close()


def kill_backend(root: Path, kills: int, seed: int) -> Verdict:
    """The same with the backend: what it acknowledged is in its database. The first one has some when it is killed."""
    rng = random.Random(seed)
    rig = Rig(root)
    try:
        rig.start_hub()
        until(lambda: bool(rig.arrived()), 60.0, lambda: f"nothing arrives: {rig.logs()}")
        for _ in range(kills):
            rig.wait_durable(1)
            time.sleep(rng.uniform(0.1, 0.8))
            rig.kill(rig.backend)
            rig.start_backend()
        rig.wait_whole()
        rig.stop(rig.hub)
        rig.settle()
        return rig.verdict("kill -9 of the backend", kills)
    finally:
        rig.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", action="store_true", help="keep the directory")
    options = parser.parse_args()
    held = True
    for fault in (kill_hub, kill_backend):
        root = Path(tempfile.mkdtemp(prefix="ilot-kill-"))
        verdict = fault(root, options.kills if fault is kill_hub else max(1, options.kills // 10), options.seed)
        print(f"{verdict}, seed {options.seed}", flush=True)
        held &= verdict.held and verdict.durable > 0
        if options.keep or not verdict.held:
            print(f"kept: {root}", file=sys.stderr)
        else:
            shutil.rmtree(root)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
