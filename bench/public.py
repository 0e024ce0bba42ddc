"""Metered loads that public packages ship, for bench/drift.py: fetched when it runs, each by its hash, never committed.

qgam (Debian: r-cran-qgam, GPL-2+; Fasiolo and others, J. Stat. Software 100, 2021)
    `UKload`: the electricity that Great Britain drew at half past eleven of each day from 2011 to mid-2016, and the
    temperature of its cities, as National Grid published them. Real, and no building: a country of them, whose noon
    loses a few percent a year to the sun on its roofs. That holidays and the end of the year may stand apart was laid
    out on these data; nothing else was.
pyedautils 0.0.29 (Reto Marek, MIT)
    `bldg_engy_sig_pes.csv`: hourly power, outdoor and room temperature of one building, 2018-12 to 2020-06;
    `bldg_engy_sig_simple.csv`: daily consumption and outdoor temperature of one, 2018-03 to 2020-09. The package does
    not say where they were measured; gaps, outliers and the author's trade (building technology at a Swiss university)
    speak for real meters. Both end in 2020, when many buildings stood empty.
opendsm 1.2.7 (LF Energy, Apache-2.0)
    homes in Illinois (gas, electricity) and in the United Kingdom, hourly. Its `load_sample` says that the samples are
    simulated, not real.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import lzma
import math
import shutil
import struct
import subprocess
import venv
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

from measure import figure, remark

from hub.energy.baseline import Baseline, Day
from hub.energy.baseline_fit import fit
from hub.energy.drift import WINDOWS, Limit, evaluate
from hub.energy.significance import limit_of

NEEDS = Path(__file__).with_suffix(".txt")
DEBIAN, UKLOAD = "r-cran-qgam", "usr/lib/R/site-library/qgam/data/UKload.RData"
UKLOAD_SHA256 = "0f0205f9480abdacad7716afc5d9506d2b588f5c26de556cf14285b2c8a22d38"
UKLOAD_DAYS, UKLOAD_FIRST = 2008, date(2011, 1, 1)
REFERENCE, STEP, SIZE = 365, 21, 0.10
AFTER = 60
"""Days of sound operation, at least, that an injected drift comes after; from then on one is tried every STEP days."""


class Judged(NamedTuple):
    """`alarms` in `years` of an untouched series, and how many of the drifts that were put into it were `found` within
    two weeks, of how many."""

    alarms: int
    years: float
    found: int
    tried: int


def strangers(folder: Path) -> None:
    country(folder)
    at = _packages(folder)
    eda, dsm = at / "pyedautils/data", at / "opendsm/eemeter/samples"
    judged(
        "real: heat of a building (pyedautils, hourly)",
        _days(
            _rows(eda / "bldg_engy_sig_pes.csv", "timestamp", "power"),
            _rows(eda / "bldg_engy_sig_pes.csv", "timestamp", "outside_temp"),
        ),
    )
    judged("real: a building (pyedautils, daily)", _daily(eda / "bldg_engy_sig_simple.csv"))
    uk = {0: "uk-tempC-sample-0", 1: "uk-tempC-sample-1_2", 2: "uk-tempC-sample-1_2"}
    for name, weather in (("gas", 0), *(("electricity", n) for n in uk)):
        meter = dsm / f"uk-{name}-hdd-only-hourly-sample-{weather}.csv.gz"
        judged(
            f"simulated: {meter.name.split('.')[0]}",
            _days(_rows(meter, "start", "value"), _rows(dsm / f"{uk[weather]}.csv.gz", "dt", "tempC")),
        )
    for name in ("gas-hdd-only", "gas-intercept-only", "electricity-cdd-only", "electricity-cdd-hdd"):
        temperatures = [(when, (value - 32) / 1.8) for when, value in _rows(dsm / "il-tempF.csv.gz", "dt", "tempF")]
        days = _days(_rows(dsm / f"il-{name}-hourly.csv.gz", "start", "value"), temperatures)
        # From 2017-01-04 on its authors let it use 10 % less: what comes after is no sound operation.
        judged(f"simulated: il-{name}", days, datetime(2017, 1, 4).toordinal())


def country(folder: Path) -> None:
    """Each of its years judged by the one before."""
    name = "real: Great Britain at noon (qgam)"
    days = _country(folder)
    if days is None:
        remark(name, f"the Debian package {DEBIAN} with this file cannot be had here")
        return
    years = range(days[0].number, days[-1].number - 2 * REFERENCE + 2, REFERENCE)
    some = [
        one
        for begin in years
        if (
            one := judged(
                f"{name}, from {date.fromordinal(begin + REFERENCE)}",
                [day for day in days if begin <= day.number < begin + 2 * REFERENCE],
            )
        )
    ]
    alarms, length = sum(one.alarms for one in some), sum(one.years for one in some)
    found, tried = sum(one.found for one in some), sum(one.tried for one in some)
    figure(f"{name}, all years: alarms a year, untouched", alarms / length, "", f"{alarms} in {length:.0f} years")
    figure(f"{name}, all years: put-in 10 % found within {WINDOWS[0]} days", 100 * found / tried, "%", f"{tried} tried")


def judged(name: str, days: list[Day], falls: int | None = None) -> Judged | None:
    """Fit, alarms of the untouched series, and drifts put into it; `falls` where the data have one of their own."""
    begin = falls - 9 if falls is not None else days[0].number + REFERENCE
    reference = [day for day in days if begin - REFERENCE <= day.number < begin]
    after = [day for day in days if day.number >= (falls or begin)]
    baseline = fit(reference)
    if baseline is None or not after:
        remark(name, "too short")
        return None
    limit = limit_of(baseline, reference)
    verdict = evaluate(baseline, after, limit)
    figure(f"{name}: CV(RMSE) of days", 100 * baseline.cv, "%", f"{len(reference)} days")
    figure(f"{name}: R2", baseline.r2, "", f"{baseline.shape.parameters} parameters")
    figure(f"{name}: finds within two weeks, nine in ten", 100 * limit.sure, "%", "by its own reckoning")
    if falls is not None:
        delay = verdict.alarms[0] - falls + 1 if verdict.alarms else math.inf
        figure(f"{name}: the authors' fall of 10 % found on day", delay, "")
        return None
    years = (after[-1].number - after[0].number + 1) / 365
    figure(f"{name}: alarms a year, untouched", len(verdict.alarms) / years, "", f"{years:.1f} years")
    starts = range(after[0].number + AFTER, after[-1].number - WINDOWS[0], STEP)
    delays = sorted(delayed(baseline, limit, after, start, size) for start in starts for size in (SIZE, -SIZE))
    found = sum(1 for delay in delays if delay <= WINDOWS[0])
    if delays:
        figure(
            f"{name}: put-in 10 % found within {WINDOWS[0]} days",
            100 * found / len(delays),
            "%",
            f"{len(delays)} tried",
        )
    return Judged(len(verdict.alarms), years, found, len(delays))


def delayed(baseline: Baseline, limit: Limit, days: list[Day], start: int, size: float) -> float:
    """On which day of a drift that is put into a series it is found; infinite where it is not."""
    drifting = [day._replace(used=day.used * (1 + size)) if day.number >= start else day for day in days]
    alarms = evaluate(baseline, drifting, limit).alarms
    return min((alarm - start + 1 for alarm in alarms if alarm >= start), default=math.inf)


def _packages(folder: Path) -> Path:
    python, done = folder / "bin/python", folder / "installed"
    if not done.exists() or done.read_text() != NEEDS.read_text():
        venv.create(folder, with_pip=True)
        # Their data alone is wanted, not what they import.
        pip = [python, "-m", "pip", "-q", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        subprocess.run([*pip, "--requirement", NEEDS], check=True)
        done.write_text(NEEDS.read_text())
    return next(folder.glob("lib/python3*/site-packages"))


def _country(folder: Path) -> list[Day] | None:
    """None where this machine cannot fetch it, or Debian has another edition of the data."""
    at = folder / UKLOAD
    if not at.exists():
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", DEBIAN], cwd=folder, check=False, capture_output=True)
        for package in folder.glob(f"{DEBIAN}_*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    if not at.exists() or hashlib.sha256(at.read_bytes()).hexdigest() != UKLOAD_SHA256:
        return None
    # The file is known to the byte, so its first two columns of doubles are taken: NetDemand, and wM in °C.
    # Of its factors the second, Holy, tells holidays: level 2.
    body, found, start = lzma.decompress(at.read_bytes()), [], 0
    for _ in range(2):
        start = body.index(struct.pack(">II", 14, UKLOAD_DAYS), start) + 8
        found.append(struct.unpack_from(f">{UKLOAD_DAYS}d", body, start))
        start += 8 * UKLOAD_DAYS
    used, means = found
    marked = body.index(struct.pack(">II", 0x30D, UKLOAD_DAYS), body.index(struct.pack(">II", 0x30D, UKLOAD_DAYS)) + 8)
    holy = struct.unpack_from(f">{UKLOAD_DAYS}i", body, marked + 8)
    first = UKLOAD_FIRST.toordinal()
    return [Day(first + at, used[at], means[at], means[max(0, at - 1)], holy[at] == 2) for at in range(UKLOAD_DAYS)]


def _rows(path: Path, when: str, value: str) -> Iterator[tuple[datetime, float]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for row in csv.DictReader(file):
            if row[value] not in ("", "nan"):
                yield datetime.fromisoformat(row[when]).replace(tzinfo=None), float(row[value])


def _days(used: Iterable[tuple[datetime, float]], temperatures: Iterable[tuple[datetime, float]]) -> list[Day]:
    """Of whole days: at most four hours may be unknown."""
    sums: dict[int, dict[int, float]] = {}
    for when, value in used:
        hours = sums.setdefault(when.toordinal(), {})
        hours[when.hour] = hours.get(when.hour, 0.0) + value
    warm: dict[int, list[float]] = {}
    for when, value in temperatures:
        warm.setdefault(when.toordinal(), []).append(value)
    mean = {day: sum(some) / len(some) for day, some in warm.items() if len(some) >= 20}
    return [
        Day(day, sum(hours.values()) * 24 / len(hours), mean[day], mean.get(day - 1, mean[day]))
        for day, hours in sorted(sums.items())
        if len(hours) >= 20 and day in mean
    ]


def _daily(path: Path) -> list[Day]:
    with path.open() as file:
        rows = [
            (datetime.fromisoformat(row["timestamp"]).toordinal(), float(row["value"]), float(row["temperature"]))
            for row in csv.DictReader(file, delimiter=";")
            if row["value"] and row["temperature"]
        ]
    mean = {day: temperature for day, _, temperature in rows}
    return [Day(day, used, mean[day], mean.get(day - 1, mean[day])) for day, used, _ in rows]
