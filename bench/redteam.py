"""How late a reading of a good plugin is taken while a hostile one attacks the hub, for each attack of tests/redteam.

    python bench/redteam.py [--seconds 5] [--only NAME]        as root: plugins run under users of their own

The hub is the real one, in this process, with the real starter and a backend; the hostile plugin runs apart, and so
does one of its two good neighbours. The other one, in the hub's own process, hands over a reading every 5 ms: a figure
is the time from when that was due until the hub had taken it, over all of the attack, from the start of its process to
so many seconds later; starts again after it was killed are in it. Both neighbours also count, each number durable
before the next; the backend's database tells what of that never arrived. The hub's own work is the processor time of
its thread meanwhile: on a machine that is busy with other things, the rest is theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1])]
from measure import as_installed, figure, quantile, remark  # noqa: E402 - found through the line above

from tests.redteam.attacks import ATTACKS  # noqa: E402 - the same
from tests.redteam.whole_hub import Seen, Town, attacked, founded  # noqa: E402

NAMES = ("nothing", *ATTACKS, "burns", "swallows_cancellation")


def measured(town: Town, name: str, seconds: float) -> Seen:
    async def attack(seen: Seen) -> None:
        await asyncio.sleep(seconds)

    return attacked(town, [] if name == "nothing" else [name], attack)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", choices=NAMES)
    options = parser.parse_args()
    if os.geteuid() != 0:
        remark("a neighbour's reading, p99, while a plugin attacks", "needs root, to start plugins under own users")
        return 0
    as_installed()
    durable, lost, python = 0, 0, platform.python_version()
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="ilot-redteam-") as folder, founded(Path(folder)) as town:
        for name in (options.only,) if options.only else NAMES:
            seen = measured(town, name, options.seconds)
            durable, lost = sum(seen.said.values()), sum(map(len, seen.lost().values()))  # they count on
            worked = quantile(seen.worked, 0.99)
            worst = max(worst, worked)
            count, most = len(seen.late), max(seen.late)
            note = f"{worked:.1f} ms of the hub's own work; at most {most:.0f} ms of {count} readings"
            what = name.replace("_", " ")
            figure(f"a neighbour's reading, p99, while a plugin {what}", quantile(seen.late, 0.99), "ms", note)
    figure("the hub's own work before such a reading, p99, the worst", worst, "ms", "without what other programs take")
    figure("durable readings of both neighbours that never arrived", lost, "readings", f"of {durable}; Python {python}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
