"""A wall clock that is wrong or jumps, by libfaketime; the monotonic clock is left alone, as the kernel does.

The generator gives its reports no time: the hub dates them, at once or by CLOCK afterwards. The journal holds the
monotonic time of each, which this process can turn into the true one. Twin: a hub that believes its clock.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import needs
from rig import Rig, Verdict

HOUR = 3600
LIVES = ("1970", "2040", "right", "jumps", "-1 h", "right", "1970", "right")
TOLERANCE_MS = 1000


def _offset(what: str) -> int:
    """Seconds from the true time to the wrong one."""
    now = int(time.time())
    return {"1970": 86_400 - now, "2040": 2_208_988_800 - now, "right": 0, "-1 h": -HOUR, "+1 h": HOUR}[what]


def wrong_clocks(root: Path, runs: int, seed: int) -> Verdict:
    """So many lives with the clocks of LIVES in turn."""
    return _lives(root, runs, seed, "wrong clocks")


def twin_believes_its_clock(root: Path, runs: int, seed: int) -> Verdict:
    """Dates readings by whatever the machine says, and is locked out by certificates that are not good yet."""
    return _lives(root, runs, seed, "twin: wrong clocks, believed", ("--credulous",))


def _lives(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    rng = random.Random(seed)
    rig = Rig(root, generator=["--undated"])
    told = root / "offset"
    environment = {
        "LD_PRELOAD": str(needs.faketime()), "FAKETIME_TIMESTAMP_FILE": str(told), "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    lives: list[tuple[str, int, int]] = []
    unsure = 0

    def set_to(what: str) -> None:
        fresh = told.with_suffix(".new")
        fresh.write_text(f"{_offset(what):+d}\n")
        fresh.replace(told)

    try:
        for n in range(runs):
            life = LIVES[n % len(LIVES)]
            set_to("right" if life == "jumps" else life)
            first = len(rig.numbers(b"emit")) + 1
            rig.start_hub(200.0, environment=environment, options=options)
            rig.wait_durable(3)
            if life == "jumps":
                for what in rng.sample(["1970", "2040", "-1 h", "+1 h"], 4):
                    set_to(what)
                    time.sleep(rng.uniform(0.2, 1.2))
            time.sleep(1.5)  # an ack, and the look at the clock that follows it
            unsure += life != "2040" and not rig.status()["clock_sure"]
            rig.stop(rig.hub)
            lives.append((life, first, len(rig.numbers(b"emit"))))
        rig.stop(rig.backend)
        verdict = _verdict(rig, lives, runs, fault)
        verdict.fault += f", {unsure} lives that never knew the time"
        verdict.wrong += unsure
        return verdict
    finally:
        rig.close()


def _verdict(rig: Rig, lives: list[tuple[str, int, int]], runs: int, fault: str) -> Verdict:
    """Lost, twice, and wrong: out of order within a run, or dated wrongly or not at all in a life whose clock was
    right, or plainly wrong so that the backend's time is believed."""
    skew = (time.time() - time.monotonic()) * 1000
    lines = [line.split() for line in rig.journal.read_bytes().splitlines()]
    true = {int(line[1]): int(line[2]) + skew for line in lines if line[0] == b"emit" and len(line) == 3}
    dated = rig.sql(_ROWS.format(time="r.time", table="readings"))
    undated = rig.sql(_ROWS.format(time="NULL", table="undated"))
    wrong = late = 0
    last: dict[tuple[str, int], int] = {}
    seen: list[int] = []
    believed = {n for life, first, end in lives if life in ("1970", "right") for n in range(first, end + 1)}
    for metric, at, value, stream, _, _ in sorted(dated + undated, key=lambda row: row[3:]):
        if metric != "uptime":
            continue
        n = int(value)
        wrong += last.get((metric, stream), 0) >= n
        last[metric, stream] = n
        seen.append(n)
        late += n in believed and (at is None or abs(at - true[n]) > TOLERANCE_MS)
    emitted, promised = rig.numbers(b"emit"), rig.promised()
    return Verdict(
        f"{fault} ({late} dated wrongly)", runs, len(emitted), len(promised), len(dated) + len(undated),
        len(promised - set(seen)), len(seen) - len(set(seen)), wrong + late, 0,
    )  # fmt: skip


_ROWS = """
SELECT s.metric, {time}, r.value, c.stream, c.seq, r.origin FROM {table} r JOIN series s ON s.id = r.series
JOIN records c ON c.id = r.origin / 4096 WHERE s.place = 'generator'
"""
