"""How soon a drift is found, and how often one is found that is none, beside what chance allows at the best.

    python bench/drift.py [--systems N] [--seed N] [--kinds plain,white,rooms,halls] [--public DIR]

A simulated system (bench/buildings.py) has a reference year, then two years of operation, which are judged as they are
and then with eight faults in turn: 10 % more (or, one in four, less) from a day of the heating season on, at once
(step), or rising over two weeks (ramp; counted from the day on which the 10 % are reached). One day in fifty is
missing. The detector sees days alone: neither seed nor list of faults.

`plain` and `white` have a noise that is set, so the best that any test can do is known, and printed beside:

    Neyman-Pearson    no test whatever, told baseline, noise and size of the drift, finds more within the time at one
                      false alarm a year: without a drift it may say so within these days in 1 − exp(−days/365) of cases
    the same mean     our own test with baseline and noise known: the rest is lost to learning from one year of data
    Page's CUSUM      laid out for 10 %, likewise with all known, at as many false alarms: the classic choice

`rooms` and `halls` have the noise that sun, wind and people make: systems stand under the spread that the detector
itself finds for them. The detector's constants were chosen on `plain` and `rooms` with seeds 1 to 9; judge with
others. `halls` and the public data took no part in that.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
import buildings
from ceilings import best, known
from measure import figure, remark

from hub.energy.baseline import Day
from hub.energy.baseline_fit import fit
from hub.energy.drift import WINDOWS, evaluate
from hub.energy.significance import limit_of

SIZE = 0.10
WITHIN = WINDOWS[0]
FAULTS = 8
LEVELS = (0.04, 0.06, 0.08)


class Outcome(NamedTuple):
    """Of one system: `false` alarms in `years` without a fault, and the `delays` of the faults that were tried on it,
    (ramp, days), from 1; math.inf of one that was never found. `standing` of them came while a false alarm stood."""

    spread: float
    false: int
    years: float
    delays: list[tuple[bool, float]]
    standing: int


def tried(chance: Random, system: buildings.System) -> Outcome:
    days = [day for day in system.days if chance.random() > 0.02]
    reference = [day for day in days if day.number < system.begin]
    after = [day for day in days if day.number >= system.begin]
    baseline = fit(reference)
    assert baseline is not None
    limit = limit_of(baseline, reference)
    false = len(evaluate(baseline, after, limit).alarms)
    delays, standing = [], 0
    for n in range(FAULTS):
        size, ramp = -SIZE if chance.random() < 0.25 else SIZE, n % 2 == 1
        start, rise = system.begin + chance.choice([0, 365]) + chance.randrange(20, 170), WITHIN if ramp else 1
        faulty = [
            day._replace(used=day.used * (1 + size * min(1.0, (day.number - start + 1) / rise)))
            if day.number >= start
            else day
            for day in after
        ]
        alarms = evaluate(baseline, faulty, limit).alarms
        found = [day for day in alarms if day >= start]
        if len(found) < len(alarms) and (not found or found[0] > start + 60):
            standing += 1
            continue
        reached = start + (WITHIN if ramp else 0)
        delays.append((ramp, max(1, found[0] - reached + 1) if found else math.inf))
    return Outcome(baseline.sigma, false, (after[-1].number + 1 - system.begin) / 365, delays, standing)


def told(name: str, outcomes: list[Outcome]) -> None:
    for ramp, shape in ((False, "step"), (True, "ramp")):
        delays = sorted(delay for one in outcomes for kind, delay in one.delays if kind is ramp)
        if delays:
            found = sum(1 for delay in delays if delay <= WITHIN)
            figure(
                f"{name}: {shape} of 10 % found within {WITHIN} days",
                100 * found / len(delays),
                "%",
                f"{found} of {len(delays)}, median day {delays[len(delays) // 2]:.0f}",
            )
    years = sum(one.years for one in outcomes)
    figure(
        f"{name}: false alarms a system and year",
        sum(one.false for one in outcomes) / years,
        "",
        f"{years:.0f} years; one stood when {sum(one.standing for one in outcomes)} faults came",
    )


def limits(name: str, noise: float, spells: float) -> None:
    for shape, rise in (("step", 1), ("ramp", WITHIN)):
        figure(
            f"{name}: {shape}, Neyman-Pearson", 100 * best(noise, spells, SIZE, rise, WITHIN), "%", "no test finds more"
        )
    for test, share in known(noise, spells, SIZE, WITHIN).items():
        figure(f"{name}: step, {test}, all known", 100 * share, "%")


def level(spread: float) -> str:
    return next((f"spread up to {most:.0%}" for most in (0.03, 0.05, 0.07, 0.09) if spread < most), "spread above 9%")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=60, help="of each kind and level")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kinds", default="plain,white,rooms,halls")
    parser.add_argument("--public", type=Path, help="a folder for the public data: installed there from PyPI")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time())
    remark("seed", str(seed))
    begun = time.process_time()
    count = 0
    kinds: Iterable[str] = filter(None, options.kinds.split(","))
    for kind in kinds:
        chance = Random(f"{seed}/{kind}")
        if kind in ("plain", "white"):
            spells = 0.5 if kind == "plain" else 0.0
            for noise in LEVELS:
                name = f"{kind}, daily noise {noise:.0%}"
                made = [tried(chance, buildings.plain(chance, noise, spells)) for _ in range(options.systems)]
                told(name, made)
                limits(name, noise, spells)
                count += len(made)
        else:
            by: dict[str, list[Outcome]] = defaultdict(list)
            for _ in range(2 * options.systems):
                one = tried(chance, getattr(buildings, kind)(chance))
                by[level(one.spread)].append(one)
                count += 1
            for name in sorted(by):
                told(f"{kind}, {name}", by[name])
            told(f"{kind}, all", [one for some in by.values() for one in some])
    if count:
        figure("processor time of a system, three years, with its making", (time.process_time() - begun) / count, "s")
        cost()
    if options.public:
        from public import strangers  # type: ignore[attr-defined]  # beside this file

        strangers(options.public)
    return 0


def cost() -> None:
    """Of what the hub does: once a year learning, four times a day judging."""
    system = buildings.rooms(Random(0))
    reference = [day for day in system.days if day.number < system.begin]
    after: list[Day] = [day for day in system.days if day.number >= system.begin]
    begun = time.process_time()
    baseline = fit(reference)
    assert baseline is not None
    fitted = time.process_time()
    limit = limit_of(baseline, reference)
    limited = time.process_time()
    evaluate(baseline, after, limit)
    figure("one meter: baseline fitted", 1000 * (fitted - begun), "ms", "once")
    figure("one meter: threshold found", 1000 * (limited - fitted), "ms", "once")
    figure("one meter: two years judged", 1000 * (time.process_time() - limited), "ms", "four times a day")


if __name__ == "__main__":
    sys.exit(main())
