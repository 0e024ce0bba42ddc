"""Every fault in turn, one line each; exit 1 unless all passed.

    python tests/faults/run.py [short|long|MINUTES] [ROW …] [--seed N]

ROW names the rows to run, by default all. MINUTES: all of them in their short form, again and again with other seeds,
until the time is over. A fault that this machine cannot make, or that the time did not reach, is named with the reason,
and is not called a pass.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from aborted import aborted_journal, twin_believes_fdatasync
from backend_power import power_cut_of_backend, twin_backend_without_sync
from broken_database import (
    database_disk_full,
    database_read_only,
    standby_gone,
    twin_believes_a_commit_without_standby,
    twin_boasts_over_a_full_disk,
    twin_boasts_over_a_read_only_database,
)
from card import card_destroyed, twin_without_mirror
from clocks import late_answers, twin_believes_its_clock, twin_trusts_late_answers, wrong_clocks
from compacting import (
    compactor_killed,
    twin_compacts_in_two_steps,
    twin_drops_what_is_late,
    twin_one_watermark_for_all,
)
from copied import restored_copy
from crowded import buffer_beyond_its_cap, twin_gives_up_silently, twin_tells_the_start_alone
from damage import damaged_directory, twin_without_manifest
from district import district_primary_dies, twin_without_synchronous_commit
from eio import failing_calls, failing_syncs
from flap import flapping_link
from fleet_district import fleet_on_a_district
from fleet_rows import fleet_over_kills, twin_acknowledges_early
from full_disk import full_disk, read_only
from hostile import hostile_between, twin_believes_what_lies_between
from kill import kill_backend, kill_hub
from lies import lying_acks, rolled_back_backend, twin_believes_acks
from lost_card import (
    card_dies,
    one_backup_twice,
    twin_card_thrown_away,
    twin_counters_stay,
    twin_counters_stay_twice,
    twin_salvages_silently,
)
from needs import Missing
from outage import outage
from power import (
    power_cut,
    power_cut_and_failing_syncs,
    power_cut_in_a_write,
    twin_without_marks,
    twin_without_sync,
)
from put_back import put_back_to_a_moment, twin_served_as_it_was_put_back
from releases import release_killed_at_each_call, twin_switches_first
from restore import restored_backup, restored_image, twin_same_run, twin_unlocked, two_hubs
from rig import Verdict
from stick import stick_loses_power, twin_stick_without_sync
from syscalls import kill_at_each_call
from webhooks import (
    twin_keeps_each_on_a_full_disk,
    twin_keeps_each_while_syncs_fail,
    twin_remembers_in_memory,
    webhooks_on_a_full_disk,
    webhooks_over_kills,
    webhooks_while_syncs_fail,
)
from workers import twin_worker_answers_before_commit, workers_killed


class Row(NamedTuple):
    """A fault and how often; `short` 0: test_kill.py is its short run. A twin is broken on purpose: it must not hold.
    README.md says which twin stands behind which row. `make test` runs those of the `gate`, `make test-all` each."""

    fault: Callable[[Path, int, int], Verdict]
    short: int
    long: int
    twin: bool = False
    gate: bool = False


ROWS = (
    Row(kill_hub, 0, 10_000),
    Row(kill_backend, 0, 1_000),
    Row(kill_at_each_call, 8, 2_000),
    Row(compactor_killed, 12, 1_000, gate=True),
    Row(twin_compacts_in_two_steps, 16, 60, twin=True, gate=True),
    Row(twin_drops_what_is_late, 12, 60, twin=True),
    Row(twin_one_watermark_for_all, 6, 30, twin=True, gate=True),
    Row(fleet_over_kills, 6, 1_000),
    Row(twin_acknowledges_early, 16, 40, twin=True),
    Row(power_cut, 6, 1_000, gate=True),
    Row(power_cut_and_failing_syncs, 3, 200),
    Row(twin_without_sync, 4, 12, twin=True),  # the fourth life is one whose records are on the card alone
    Row(power_cut_of_backend, 2, 400, gate=True),
    Row(twin_backend_without_sync, 2, 8, twin=True),
    Row(district_primary_dies, 1, 40),
    Row(twin_without_synchronous_commit, 1, 2, twin=True),
    Row(fleet_on_a_district, 1, 60),  # minutes
    Row(database_read_only, 1, 100),
    Row(twin_boasts_over_a_read_only_database, 1, 4, twin=True),
    Row(database_disk_full, 1, 100),
    Row(twin_boasts_over_a_full_disk, 1, 4, twin=True),
    Row(standby_gone, 2, 40),
    Row(twin_believes_a_commit_without_standby, 1, 4, twin=True),
    Row(put_back_to_a_moment, 1, 40),
    Row(twin_served_as_it_was_put_back, 1, 4, twin=True),
    Row(workers_killed, 3, 600, gate=True),
    Row(twin_worker_answers_before_commit, 10, 40, twin=True, gate=True),
    Row(power_cut_in_a_write, 4, 500, gate=True),
    Row(twin_without_marks, 3, 20, twin=True, gate=True),
    Row(failing_calls, 2, 2_000, gate=True),
    Row(failing_syncs, 2, 500),
    Row(full_disk, 1, 500, gate=True),
    Row(buffer_beyond_its_cap, 2, 300, gate=True),
    Row(twin_gives_up_silently, 1, 4, twin=True, gate=True),
    Row(twin_tells_the_start_alone, 1, 4, twin=True),
    Row(read_only, 2, 50),
    Row(webhooks_on_a_full_disk, 1, 300),
    Row(twin_keeps_each_on_a_full_disk, 1, 4, twin=True),
    Row(webhooks_while_syncs_fail, 2, 300),
    Row(twin_keeps_each_while_syncs_fail, 1, 4, twin=True),
    Row(webhooks_over_kills, 4, 1_000, gate=True),
    Row(twin_remembers_in_memory, 6, 40, twin=True, gate=True),
    Row(release_killed_at_each_call, 3, 500, gate=True),
    Row(twin_switches_first, 6, 12, twin=True, gate=True),
    Row(aborted_journal, 12, 1_000, gate=True),
    Row(twin_believes_fdatasync, 1, 1, twin=True, gate=True),
    Row(damaged_directory, 4, 20_000, gate=True),
    Row(twin_without_manifest, 1, 6, twin=True, gate=True),
    Row(outage, 50, 1_000),  # thousandths of a week
    Row(flapping_link, 9, 20_000, gate=True),
    Row(lying_acks, 6, 600, gate=True),
    Row(twin_believes_acks, 1, 6, twin=True, gate=True),
    Row(hostile_between, 8, 800),
    Row(twin_believes_what_lies_between, 1, 8, twin=True),
    Row(rolled_back_backend, 2, 200),
    Row(restored_copy, 2, 200),
    Row(wrong_clocks, 3, 1_000, gate=True),
    Row(twin_believes_its_clock, 3, 8, twin=True, gate=True),  # the third one delivers what the first dated
    Row(late_answers, 2, 200),
    Row(twin_trusts_late_answers, 1, 4, twin=True),
    Row(two_hubs, 2, 200, gate=True),
    Row(twin_unlocked, 1, 5, twin=True, gate=True),
    Row(restored_image, 2, 200),
    Row(twin_same_run, 1, 10, twin=True),
    Row(restored_backup, 1, 200),
    Row(card_destroyed, 1, 200),
    Row(twin_without_mirror, 1, 5, twin=True),
    Row(card_dies, 4, 200),
    Row(twin_counters_stay, 1, 4, twin=True),
    Row(twin_salvages_silently, 2, 4, twin=True),
    Row(twin_card_thrown_away, 2, 4, twin=True),
    Row(one_backup_twice, 1, 100),
    Row(twin_counters_stay_twice, 1, 4, twin=True),
    Row(stick_loses_power, 1, 200, gate=True),
    Row(twin_stick_without_sync, 3, 5, twin=True, gate=True),
)
_SHORT_KILLS = 10


def chosen(words: Sequence[str]) -> tuple[str, list[Row]]:
    """The length ("short", "long", or a number of minutes) and the rows that `words` name, in the order of ROWS. Raises
    ValueError."""
    lengths = [word for word in words if word in ("short", "long") or word.isdecimal()]
    names = {word for word in words if word not in lengths}
    unknown = names - {row.fault.__name__ for row in ROWS}
    if unknown:
        known = " ".join(row.fault.__name__ for row in ROWS)
        raise ValueError(f"no row is called {' or '.join(sorted(unknown))}; there are {known}")
    if len(lengths) > 1:
        raise ValueError("short, long or minutes, once")
    return (lengths or ["long"])[0], [row for row in ROWS if not names or row.fault.__name__ in names]


def turns(length: str, rows: Sequence[Row], seed: int) -> Iterator[tuple[Row, int, int]]:
    """(row, runs, seed), one after the other. Minutes end none that has begun."""
    if length == "long":
        yield from ((row, row.long, seed) for row in rows)
        return
    end = time.monotonic() + 60 * int(length) if length.isdecimal() else None
    for more in itertools.count():
        for row in rows:
            if end is not None and time.monotonic() >= end:
                return
            yield row, row.short or _SHORT_KILLS, seed + more
        if end is None:
            return


def told(row: Row, runs: int, seed: int) -> bool:
    """Run one row and print its line. Whether it passed; what it leaves on the disk stays where it did not."""
    name, began = row.fault.__name__, time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="ilot-faults-"))
    try:
        verdict = row.fault(root, runs, seed)
        good = verdict.durable > 0 and verdict.held is not row.twin
        said, what = ("caught" if row.twin else "held") if good else f"BROKEN, see {root}", f"{name}, {verdict}"
    except Missing as reason:
        good, what, said = False, name, f"NOT RUN: {reason}"
    except Exception as error:  # the hub ended, hung or was too slow: the rows behind it are run all the same
        good, what, said = False, name, f"BROKEN: {error}, see {root}"
    print(f"{what}: {said}, {time.monotonic() - began:.0f} s, seed {seed}", flush=True)
    if "BROKEN" not in said:
        shutil.rmtree(root, ignore_errors=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = "how long, and which rows; long, and all"
    parser.add_argument("words", nargs="*", metavar="short|long|MINUTES|ROW", help=words)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    try:
        length, rows = chosen(options.words)
    except ValueError as error:
        parser.error(str(error))
    passed: dict[str, bool] = {}
    lines = 0
    try:
        for row, runs, seed in turns(length, rows, options.seed):
            good = told(row, runs, seed)
            passed[row.fault.__name__] = passed.get(row.fault.__name__, True) and good
            lines += 1
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    names = [row.fault.__name__ for row in rows]
    bad = [f"{name} {'failed' if name in passed else 'not reached'}" for name in names if not passed.get(name)]
    said = ", ".join(bad) or "no promise broke"
    print(f"{len(rows) - len(bad)} of {len(rows)} rows passed in {lines} lines: {said}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
