"""How soon a drift is found, and how often one is found that is none, over simulated systems.

    python bench/drift.py [--systems N] [--seed N] [--eemeter WHEEL]

The generator makes buildings the detector knows nothing of: weather with spells, sun and wind that no sensor sees,
weekends, holidays, hot water, thermal inertia, missing days, a meter's resolution. Seed and list of faults stay here.
A system has a reference year, then two years of operation. Half of the systems stay sound; the others consume 10 % more
(or, one in four, less) from a day of the heating season on: at once, or rising over two weeks.
"""

from __future__ import annotations

import argparse
import gzip
import math
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure

from hub.energy.baseline import Day, fit
from hub.energy.drift import judge, threshold

START = 739_890  # 2026-10-01


def system(chance: Random, noise: float) -> tuple[list[Day], int, dict[int, float]]:
    """(days, the day that operation begins, factor by day of the fault)."""
    days, temperature, sun, before = [], 0.0, 0.0, 10.0
    base, slope, balance = chance.uniform(20, 300), chance.uniform(10, 60), chance.uniform(13, 18)
    inertia, weekend = chance.uniform(0, 0.4), chance.choice([1.0, 0.85, 0.6, 0.5])
    mean, swing = chance.uniform(10, 13), chance.uniform(7, 10)
    resolution = chance.choice([0.001, 0.1, 1.0, 10.0])
    closed = {day for week in (12, 30, 44, 45) for day in range(week * 7, week * 7 + 7)} if weekend < 0.8 else set()
    for n in range(3 * 365):
        temperature = 0.82 * temperature + chance.gauss(0, 2.0)
        sun = 0.55 * sun + chance.gauss(0, noise * math.sqrt(1 - 0.55**2) * 0.7)
        outdoor = mean + swing * math.cos((n - 290) / 365 * 2 * math.pi) + temperature
        felt = (1 - inertia) * outdoor + inertia * before
        kind = weekend if (START + n - 1) % 7 > 4 or ((n % 365) in closed and chance.random() < 0.5) else 1.0
        used = (base + slope * max(0.0, balance - felt)) * kind
        used *= max(0.05, 1 + sun + chance.gauss(0, noise * 0.7))
        days.append(Day(START + n, round(used / resolution) * resolution, outdoor, before))
        before = outdoor
    return days, START + 365, {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--eemeter", type=Path, help="a wheel of eemeter 3: judge the meters that it ships, too")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time())
    for noise in (0.04, 0.06, 0.08):
        chance = Random(f"{seed}/{noise}")
        delays: list[float] = []
        missed = early = false = years = 0.0
        for n in range(options.systems):
            days, begin, _ = system(chance, noise)
            faulty, less, ramp = n % 2 == 0, chance.random() < 0.25, chance.random() < 0.5
            # in the heating season of the first or second year of operation
            start = begin + chance.choice([0, 365]) + chance.randrange(20, 170)
            if faulty:
                size = -0.10 if less else 0.10
                days = [
                    day._replace(used=day.used * (1 + size * min(1.0, (day.number - start + 1) / (14 if ramp else 1))))
                    if day.number >= start else day
                    for day in days
                ]  # fmt: skip
            days = [day for day in days if chance.random() > 0.02]
            baseline = fit([day for day in days if day.number < begin])
            assert baseline is not None
            limit = threshold(baseline)
            verdict = judge(baseline, [day for day in days if begin <= day.number], limit)
            before = [day for day in verdict.alarms if not faulty or day < start]
            false += len(before)
            years += ((start if faulty else begin + 730) - begin) / 365
            if faulty:
                reached = start + (14 if ramp else 0)
                after = [day for day in verdict.alarms if day >= start]
                running = before and not after  # it still held a false alarm when the fault came
                if running:
                    early += 1
                elif not after:
                    missed += 1
                else:
                    delays.append(max(0, after[0] - reached + 1))
        delays.sort()
        name = f"daily noise {noise:.0%}"
        found = [delay for delay in delays if delay <= 14]
        figure(f"{name}: 10 % found within 14 days", 100 * len(found) / max(1, len(delays) + missed), "%", "gate 100")
        figure(f"{name}: median delay", delays[len(delays) // 2] if delays else math.nan, "days")
        figure(f"{name}: longest delay", delays[-1] if delays else math.nan, "days", f"missed {missed:.0f}")
        figure(f"{name}: false alarms a system and year", false / years, "", "gate 1")
    if options.eemeter:
        strangers(options.eemeter)
    return 0


def strangers(wheel: Path) -> None:
    """Homes that somebody else simulated (eemeter, OpenEEmeter; Apache-2.0): 10 % less is used from 2017-01-04 on."""

    def rows(name: str) -> list[list[str]]:
        with zipfile.ZipFile(wheel) as files:
            text = gzip.decompress(files.read(f"eemeter/samples/{name}")).decode()
        return [line.split(",") for line in text.splitlines()[1:]]

    hours: dict[int, list[float]] = {}
    for at, fahrenheit in rows("il-tempF.csv.gz"):
        hours.setdefault(datetime.fromisoformat(at).toordinal(), []).append((float(fahrenheit) - 32) / 1.8)
    mean = {day: sum(some) / len(some) for day, some in hours.items() if len(some) > 20}
    for name in ("il-gas-hdd-only", "il-electricity-cdd-hdd"):
        days = []
        for at, used in rows(f"{name}-daily.csv.gz"):
            day = datetime.fromisoformat(at).toordinal()
            if used not in ("", "nan") and day in mean and day - 1 in mean:
                days.append(Day(day, float(used), mean[day], mean[day - 1]))
        stop, begin = datetime(2016, 12, 26).toordinal(), datetime(2017, 1, 4).toordinal()
        baseline = fit([day for day in days if day.number < stop][-365:])
        assert baseline is not None
        verdict = judge(baseline, [day for day in days if day.number >= begin], threshold(baseline))
        delay = verdict.alarms[0] - begin + 1 if verdict.alarms else math.nan
        figure(f"{name} of eemeter: a fall of 10 % found after", delay, "days", f"daily spread {baseline.sigma:.0%}")


if __name__ == "__main__":
    sys.exit(main())
