"""A wall clock that is wrong or jumps, by libfaketime; the monotonic clock is left alone, as the kernel does. And a
backend whose word about the time comes late.

The generator gives its reports no time: the hub dates them, at once or by CLOCK afterwards. The journal holds the
monotonic time before and after each, which this process can turn into true ones: however slow the machine is, the
report was dated in between. A date that is off by more than a second is wrong, unless the reading says itself that it
is uncertain. Twins: a hub that believes its clock; one that takes the backend's word for the time at which it hears it.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import needs
from flap import Proxy
from rig import Rig, Verdict, until

HOUR = 3600
LIVES = ("1970", "2040", "right", "jumps", "-1 h", "right", "1970", "right")
TOLERANCE_MS = 1000
UNCERTAIN_MS = 10_000
"""What is said to be uncertain is a few seconds off, and not somewhere."""
SURE_S = 120.0
"""So long a life may take to know the time: a busy machine is no fault."""


class Life(NamedTuple):
    """What its clock did, its first and last report, and the least and most true ms minus monotonic ms in it."""

    what: str
    first: int
    last: int
    skew: tuple[float, float]


def skew_ms() -> float:
    """True time minus monotonic time, from the closest of several pairs of readings."""
    pairs = []
    for _ in range(5):
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        pairs.append((after - before, wall - (before + after) / 2))
    return min(pairs)[1] * 1000


class Faked:
    """The wall clock of the hub's processes."""

    def __init__(self, root: Path) -> None:
        self._told = root / "offset"
        self.environment = {
            "LD_PRELOAD": str(needs.faketime()), "FAKETIME_TIMESTAMP_FILE": str(self._told), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip

    def set_to(self, what: str) -> None:
        fresh = self._told.with_suffix(".new")
        fresh.write_text(f"{_offset(what):+d}\n")
        fresh.replace(self._told)


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
    rig, faked = Rig(root, generator=["--undated"]), Faked(root)
    lives: list[Life] = []
    unsure = 0
    try:
        for n in range(runs):
            what = LIVES[n % len(LIVES)]
            faked.set_to("right" if what == "jumps" else what)
            first, skew = len(rig.numbers(b"emit")) + 1, skew_ms()
            rig.start_hub(200.0, environment=faked.environment, options=options)
            rig.wait_durable(3)
            if what == "jumps":
                for jump in rng.sample(["1970", "2040", "-1 h", "+1 h"], 4):
                    faked.set_to(jump)
                    time.sleep(rng.uniform(0.2, 1.2))
            time.sleep(1.5)  # an ack, and the look at the clock that follows it
            unsure += what != "2040" and not _knows(rig)
            rig.stop(rig.hub)
            lives.append(Life(what, first, len(rig.numbers(b"emit")), _range(skew, skew_ms())))
        rig.stop(rig.backend)
        # right, or plainly wrong so that the backend's time is believed
        verdict = _verdict(rig, lives, fault, lambda life: life.what in ("1970", "right"))
        verdict.fault += f", {unsure} lives that never knew the time"
        verdict.wrong += unsure
        return verdict
    finally:
        rig.close()


def late_answers(root: Path, runs: int, seed: int) -> Verdict:
    """So many lives without a clock, in which all that the backend says arrives 2.4 to 3 s late: to the end, or, in
    every second life, until its first readings are there."""
    return _late(root, runs, seed, "answers that come late")


def twin_trusts_late_answers(root: Path, runs: int, seed: int) -> Verdict:
    """Takes what an answer says for the time at which it arrives."""
    return _late(root, runs, seed, "twin: answers that come late, trusted", ("--trusting",))


def _late(root: Path, runs: int, seed: int, fault: str, options: tuple[str, ...] = ()) -> Verdict:
    rng = random.Random(seed)
    proxy, faked = Proxy(), Faked(root)
    rig = None
    lives: list[Life] = []
    try:
        rig = Rig(root, proxy=proxy.take, generator=["--undated"])
        faked.set_to("1970")
        for n in range(runs):
            what = ("late", "late, then quick")[n % 2]
            first, skew, stored = len(rig.numbers(b"emit")) + 1, skew_ms(), _count(rig)
            proxy.mode, proxy.late_s = "late", rng.uniform(2.4, 3.0)
            rig.start_hub(50.0, environment=faked.environment, options=(*options, *(["--hasty"] * (what == "late"))))
            until(lambda stored=stored: _count(rig) > stored, SURE_S, lambda: f"nothing arrives: {rig.logs()}")
            if what != "late":
                proxy.mode = "pass"
            if not _knows(rig):
                raise RuntimeError(f"{what}: the hub never knew the time: {rig.logs()}")
            rig.wait_durable(3)  # these carry a date of the hub's own
            proxy.mode = "pass"  # so that what is left leaves
            rig.stop(rig.hub)
            lives.append(Life(what, first, len(rig.numbers(b"emit")), _range(skew, skew_ms())))
        rig.settle()
        verdict = _verdict(rig, lives, fault, lambda life: True)
        if not options and " 0 of them off" in verdict.fault:
            raise RuntimeError(f"no answer was late enough to matter: {verdict}")
        return verdict
    finally:
        if rig is not None:
            rig.close()
        proxy.close()


def _knows(rig: Rig) -> bool:
    end = time.monotonic() + SURE_S
    while not rig.status()["clock_sure"]:
        if time.monotonic() > end:
            return False
    return True


def _count(rig: Rig) -> int:
    return int(rig.sql("SELECT (SELECT count(*) FROM readings) + (SELECT count(*) FROM undated)")[0][0])


def _range(*values: float) -> tuple[float, float]:
    return min(values), max(values)


def _verdict(rig: Rig, lives: Sequence[Life], fault: str, believed: Callable[[Life], bool]) -> Verdict:
    """Lost, twice, and wrong: out of order within a run, or, in a life whose clock can be `believed`, not dated, or
    dated wrongly without saying so."""
    lines = [line.split() for line in rig.journal.read_bytes().splitlines()]
    noted = {(line[0], int(line[1])): int(line[2]) for line in lines if len(line) == 3}
    dated = rig.sql(_ROWS.format(time="r.time", table="readings"))
    undated = rig.sql(_ROWS.format(time="NULL", table="undated"))
    skews = {n: life.skew for life in lives if believed(life) for n in range(life.first, life.last + 1)}
    wrong = late = uncertain = said = 0
    blocks: dict[tuple[int, int], list[int]] = defaultdict(list)
    seen: list[int] = []
    for metric, at, value, flags, stream, seq, _ in dated + undated:
        if metric != "uptime":
            continue
        n = int(value)
        blocks[stream, seq].append(n)
        seen.append(n)
        if n not in skews:
            continue
        low, high = skews[n]
        begin, end = noted[b"emit", n] + low, noted.get((b"dated", n), math.inf) + high
        error = math.inf if at is None else max(begin - at, at - end)
        says, off = flags & 15 > 0, error > TOLERANCE_MS
        late += error > (UNCERTAIN_MS if says else TOLERANCE_MS)
        uncertain, said = uncertain + says, said + (off and says)
    wrong += overtaken(blocks)
    emitted, promised = rig.numbers(b"emit"), rig.promised()
    return Verdict(
        f"{fault} ({late} dated wrongly; {uncertain} said to be uncertain, {said} of them off)",
        len(lives),
        len(emitted),
        len(promised),
        len(dated) + len(undated),
        len(promised - set(seen)),
        len(seen) - len(set(seen)),
        wrong + late,
        0,
    )


def overtaken(blocks: dict[tuple[int, int], list[int]]) -> int:
    """How many reports stand in a block of a run before one that was said earlier. Within a block, reports are sorted
    by time, which a clock that is set turns back; and one commit has a block of the dated and one of the undated."""
    count, run, before, last = 0, 0, 0, 0  # `before`: the greatest of all blocks but the last one
    for (stream, _), numbers in sorted(blocks.items()):
        if stream != run:
            run, before, last = stream, 0, 0
        count += sum(n <= before for n in numbers)
        before, last = max(before, last), max(numbers)
    return count


_ROWS = """
SELECT s.metric, {time}, r.value, r.flags, c.stream, c.seq, r.origin FROM {table} r JOIN series s ON s.id = r.series
JOIN records c ON c.id = r.origin / 4096 WHERE s.place = 'generator'
"""
