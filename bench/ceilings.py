"""What chance allows at the best where baseline and noise are known: for bench/drift.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist

from hub.energy.least_squares import gauss

FOLLOW = 0.55
BACK = 40
"""Days before the change that a test may use to foresee the noise."""
YEARS = 300


def best(noise: float, spells: float, size: float, rise: int, within: int) -> float:
    """The power of the best test of all, told everything (Neyman and Pearson, 1933), for a change of `size` either way
    that takes `rise` days, until `within` days after it is complete, at one false alarm a year."""
    after = within + (rise if rise > 1 else 0)
    count = BACK + after
    change = [0.0] * BACK + [size * min(1.0, (at + 1) / rise) for at in range(after)]
    cover = [
        [noise**2 * (spells * FOLLOW ** abs(i - j) + (1 - spells) * (i == j)) for j in range(count)]
        for i in range(count)
    ]
    solved = gauss([[*line, one] for line, one in zip(cover, change, strict=True)])
    assert solved is not None
    clear = math.sqrt(sum(a * b for a, b in zip(change, solved, strict=True)))
    chance = 1 - math.exp(-after / 365)
    return NormalDist().cdf(clear + NormalDist().inv_cdf(chance / 2))  # half of it for more, half for less


def known(noise: float, spells: float, size: float, within: int) -> dict[str, float]:
    """Two tests that know baseline and noise, at one false alarm a year: the part of steps that each finds in time."""
    chance = Random(f"{noise}/{spells}")

    def year(change: float) -> list[float]:
        spell, made = 0.0, []
        for at in range(-30, 365):
            spell = FOLLOW * spell + chance.gauss(0, noise * math.sqrt((1 - FOLLOW**2) * spells))
            made.append(spell + chance.gauss(0, noise * math.sqrt(1 - spells)) + (change if at >= 200 else 0.0))
        return made[30:]

    def mean(days: list[float]) -> list[float]:
        found, over = [], 0.0
        for at, one in enumerate(days):
            over += one - (days[at - within] if at >= within else 0.0)
            found.append(abs(over) / within if at >= within else 0.0)
        return found

    def cusum(days: list[float]) -> list[float]:
        more = less = 0.0
        found = []
        for one in days:
            more, less = max(0.0, more + one - size / 2), max(0.0, less - one - size / 2)
            found.append(max(more, less))
        return found

    def share(test: Callable[[list[float]], list[float]]) -> float:
        quiet, drifting = [test(one) for one in sound], [test(one) for one in faulty]
        low, high = 0.0, 5.0
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if sum(_alarms(one, middle) for one in quiet) > YEARS else (low, middle)
        return sum(1 for one in drifting if max(one[200 : 200 + within]) > high) / YEARS

    sound, faulty = [year(0.0) for _ in range(YEARS)], [year(size) for _ in range(YEARS)]
    return {"the same mean": share(mean), "Page's CUSUM": share(cusum)}


def _alarms(values: list[float], threshold: float) -> int:
    """One stands for four weeks."""
    count, last = 0, -99
    for at, value in enumerate(values):
        if value > threshold and at - last > 28:
            count, last = count + 1, at
    return count
