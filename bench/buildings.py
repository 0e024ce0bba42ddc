"""Simulated meters for bench/drift.py, of three kinds.

plain      the day's consumption is base + slope × cold, × weekend, × (1 + noise); half of the noise's variance comes in
           spells (correlation 0.55 from a day to the next), half is independent. Nothing in the hours tells it apart.
rooms      hour by hour, a heated room with a thermal mass (one resistance, one capacity), a thermostat with a night
           setback, sun through clouds, wind that cools, people who come and draw hot water. The noise of a day is what
           the outdoor temperature does not explain; nobody sets it, it is measured afterwards.

halls      an electricity meter of a heat pump that heats and cools (its efficiency falls with the cold outside), walls
           and air with a mass each, light by the season, equipment by how many come, closed in August. Written after
           the detector was laid out, and never used to lay it out: it judges only, as the public data do.

None knows of the detector. Seeds and faults stay in the bench.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from hub.energy.baseline import Day

START = 739_890  # 2026-10-01
YEARS = 3


class System(NamedTuple):
    """`days`; `begin`, the first of operation; `spells`, the part of the noise's variance that comes in spells."""

    days: list[Day]
    begin: int


def plain(chance: Random, noise: float, spells: float = 0.5) -> System:
    days, temperature, spell, before = [], 0.0, 0.0, 10.0
    base, slope, balance = chance.uniform(20, 300), chance.uniform(10, 60), chance.uniform(13, 18)
    inertia, weekend = chance.uniform(0, 0.4), chance.choice([1.0, 0.85, 0.6, 0.5])
    mean, swing = chance.uniform(10, 13), chance.uniform(7, 10)
    resolution = chance.choice([0.001, 0.1, 1.0, 10.0])
    closed = {day for week in (12, 30, 44, 45) for day in range(week * 7, week * 7 + 7)} if weekend < 0.8 else set()
    for n in range(YEARS * 365):
        temperature = 0.82 * temperature + chance.gauss(0, 2.0)
        spell = 0.55 * spell + chance.gauss(0, noise * math.sqrt(1 - 0.55**2) * math.sqrt(spells))
        outdoor = mean + swing * math.cos((n - 290) / 365 * 2 * math.pi) + temperature
        felt = (1 - inertia) * outdoor + inertia * before
        kind = weekend if (START + n - 1) % 7 > 4 or ((n % 365) in closed and chance.random() < 0.5) else 1.0
        used = (base + slope * max(0.0, balance - felt)) * kind
        used *= max(0.05, 1 + spell + chance.gauss(0, noise * math.sqrt(1 - spells)))
        days.append(Day(START + n, round(used / resolution) * resolution, outdoor, before))
        before = outdoor
    return System(days, START + 365)


def rooms(chance: Random) -> System:
    weather, cloud, wind = 0.0, 0.5, 0.0
    mean, swing = chance.uniform(10, 13), chance.uniform(7, 10)
    loss = chance.uniform(1.0, 8.0)  # kW/K
    hold = chance.uniform(30, 150)  # hours
    capacity = loss * hold  # kWh/K
    glass = loss * chance.uniform(1.0, 9.0)  # kW for each kW/m2 of sun
    people = loss * chance.uniform(0.5, 3.0)  # kW of gains when all are there
    breeze = chance.uniform(0.0, 0.06)  # of the loss, for each m/s
    draw = loss * chance.uniform(0.3, 2.0)  # kW of hot water, on the mean, when all are there
    whims = chance.uniform(0.05, 0.5)  # of how many come, from day to day
    base = loss * chance.uniform(0.2, 1.5)
    home = chance.random() < 0.4
    day_set, night_set = chance.uniform(19, 22), chance.uniform(15, 19)
    most = loss * 32
    inside, before, days = day_set, 10.0, []
    holiday = {day for week in (12, 30, 44, 45) for day in range(week * 7, week * 7 + 7)}
    for n in range(YEARS * 365):
        weather = 0.82 * weather + chance.gauss(0, 2.0)
        cloud = min(1.0, max(0.0, 0.5 + 0.6 * (cloud - 0.5) + chance.gauss(0, 0.25)))
        wind = max(0.0, 3 + 0.6 * (wind - 3) + chance.gauss(0, 1.5))
        season = math.cos((n - 290) / 365 * 2 * math.pi)  # 1 in mid-July
        height, light = 0.45 + 0.32 * season, 6.0 + 2.0 * season  # of the noon sun, kW/m2; half of the day, hours
        off = not home and ((START + n - 1) % 7 > 4 or (n % 365 in holiday and chance.random() < 0.5))
        come = max(0.05, (0.15 if off else 1.0) * (1 + chance.gauss(0, whims)))
        total = outdoors = 0.0
        for hour in range(24):
            sun = math.cos((hour - 13) / light * math.pi / 2) if abs(hour - 13) < light else 0.0
            shine = sun * height * (1 - 0.75 * cloud**3.4)
            outdoor = mean + swing * season + weather + (4.0 * (1 - cloud) + 1.0) * math.cos((hour - 15) / 12 * math.pi)
            there = (7 <= hour < 19) if not home else (hour < 8 or hour > 16)
            gains = glass * shine + (people * come if there else 0.1 * people)
            leak = loss * (1 + breeze * (wind - 3)) * (inside - outdoor)
            wanted = night_set if off or not 5 <= hour < 21 else day_set
            heat = min(most, max(0.0, (wanted - inside) * capacity / 3 + leak - gains))
            inside += (heat + gains - leak) / capacity
            water = draw * come * chance.expovariate(1.0) if there else 0.0
            total += heat / 0.9 + water + base
            outdoors += outdoor / 24
        days.append(Day(START + n, total, outdoors, before))
        before = outdoors
    return System(days, START + 365)


def halls(chance: Random) -> System:
    slow = fast = 0.0
    cover = 0.4
    mean, swing, warming = chance.uniform(11, 15), chance.uniform(6, 9), chance.uniform(0.0, 0.3)
    loss = chance.uniform(2.0, 20.0)  # kW/K
    air, wall = loss * chance.uniform(3, 10), loss * chance.uniform(40, 200)  # kWh/K
    couple = loss * chance.uniform(2.0, 5.0)  # kW/K between air and wall
    glass, devices = loss * chance.uniform(0.5, 4.0), loss * chance.uniform(0.3, 2.0)
    lights, standby = loss * chance.uniform(0.2, 1.0), loss * chance.uniform(0.1, 0.8)
    moods, cools = chance.uniform(0.03, 0.25), chance.random() < 0.7
    heat_set, cool_set, lower = chance.uniform(19.5, 21.5), chance.uniform(24, 26), chance.uniform(2, 5)
    saturdays = chance.random() < 0.5
    inside = walls = heat_set
    days, before = [], 12.0
    for n in range(YEARS * 365):
        slow = 0.93 * slow + chance.gauss(0, 0.9)
        fast = 0.4 * fast + chance.gauss(0, 1.6)
        cover = min(1.0, max(0.0, 0.45 + 0.7 * (cover - 0.45) + chance.gauss(0, 0.2)))
        season = math.cos((n - 292) / 365.25 * 2 * math.pi)
        height, light = 0.47 + 0.3 * season, 6.1 + 1.9 * season
        weekday, of_year = (START + n - 1) % 7, n % 365
        closed = weekday == 6 or (weekday == 5 and not saturdays) or 305 <= of_year < 325
        come = max(0.0, (0.05 if closed else 0.6 if weekday == 5 else 1.0) * (1 + chance.gauss(0, moods)))
        total = outdoors = 0.0
        for hour in range(24):
            sun = math.cos((hour - 13) / light * math.pi / 2) if abs(hour - 13) < light else 0.0
            shine = sun * height * (1 - 0.7 * cover**3)
            outdoor = mean + swing * season + slow + fast + warming * n / 365
            outdoor += (1.0 + 4.5 * (1 - cover)) * math.sin((hour - 9) / 12 * math.pi)
            there = come if 8 <= hour < 19 else 0.05
            plug, lamp = devices * there, lights * there * (0.4 + 0.6 * (shine < 0.15))
            gains = glass * shine + plug + lamp
            open_hours = 6 <= hour < 19 and not closed
            low, high = (heat_set, cool_set) if open_hours else (heat_set - lower, cool_set + 4)
            free = loss * (outdoor - inside) + couple * (walls - inside) + gains
            want = min(loss * 25, max(0.0, (low - inside) * air / 2 - free))
            take = min(loss * 20, max(0.0, free - (high - inside) * air / 2)) if cools else 0.0
            flow = (free + want - take) / (air + couple)
            walls += couple * (inside - walls) / wall
            inside += flow
            better = max(1.8, 4.6 - 0.09 * (20 - outdoor))
            total += want / better + take / max(2.0, 5.5 - 0.1 * (outdoor - 20)) + plug + lamp + standby
            outdoors += outdoor / 24
        days.append(Day(START + n, round(total), outdoors, before))
        before = outdoors
    return System(days, START + 365)
