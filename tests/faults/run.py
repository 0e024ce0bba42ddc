"""Every fault in turn, one line each: python tests/faults/run.py [short|long] [--seed N]; exit 1 unless all passed.

A fault that this machine cannot make is named with the reason, and is not called a pass.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from clocks import wrong_clocks
from flap import flapping_link
from full_disk import read_only
from kill import kill_backend, kill_hub
from needs import Missing
from power import power_cut, power_cut_and_failing_syncs, twin_without_sync
from restore import restored_image, twin_same_run, two_hubs
from rig import Verdict
from syscalls import kill_at_each_call


class Row(NamedTuple):
    """A fault and how often; `short` 0: it is not a row of `make test` (the kills have tests of their own, and a
    sync that fails while the hub opens its store makes it refuse to start). A twin is broken on purpose: it must not
    hold."""

    fault: Callable[[Path, int, int], Verdict]
    short: int
    long: int
    twin: bool = False


ROWS = (
    Row(kill_hub, 0, 10_000),
    Row(kill_backend, 0, 1_000),
    Row(kill_at_each_call, 12, 2_000),
    Row(power_cut, 8, 1_000),
    Row(power_cut_and_failing_syncs, 0, 200),
    Row(twin_without_sync, 4, 12, twin=True),  # the fourth life is one whose records are on the card alone
    Row(read_only, 2, 50),
    Row(flapping_link, 9, 20_000),
    Row(wrong_clocks, 3, 1_000),
    Row(two_hubs, 2, 200),
    Row(restored_image, 2, 200),
    Row(twin_same_run, 2, 10, twin=True),
)
_SHORT_KILLS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("length", nargs="?", choices=["short", "long"], default="long")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    passed = True
    for row in ROWS:
        runs = row.long if options.length == "long" else row.short or _SHORT_KILLS
        root = Path(tempfile.mkdtemp(prefix="ilot-faults-"))
        try:
            verdict = row.fault(root, runs, options.seed)
        except Missing as reason:
            print(f"{row.fault.__name__}: NOT RUN: {reason}", flush=True)
            passed = False
            continue
        good = verdict.durable > 0 and verdict.held is not row.twin
        passed &= good
        said = ("caught" if row.twin else "held") if good else f"BROKEN, see {root}"
        print(f"{verdict}: {said}, seed {options.seed}", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
