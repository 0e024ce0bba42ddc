"""Five simulated years of meters that are read once an hour: which months the yearly reports miss, and how far their
sums are from what the dials say.

    python bench/archive.py [--years N] [--seed N]

The hub's own rollups, store and yearly figures, those of its reports, on real files, with a clock that the bench moves.
Each hour is written as a running hub writes it. Once a month the hub is killed between two writes, and is away for up
to two days. One dial goes over its end some times a year, one meter is replaced each second year with its figures
declared, one falls silent for weeks, across the end of a month. The consumption is drawn in whole Wh: what the months
must come to is known to the last of them. Seed and faults stay in the bench.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from measure import figure, remark

from hub.core.model import Device, Meter, MeterSwap, Metric, Place, Quality
from hub.core.store import Store
from hub.energy.figures import Survey
from hub.history.latest import LatestValues
from hub.history.memory import History
from hub.history.recorder import HistoryRecorder
from hub.history.rollups import Calendar
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.tables import SCHEMA, RollupTables
from hub.sdk.testing import ManualClock

HOUR, DAY = 3600, 86_400
PARIS = Calendar("Europe/Paris")
BEGIN = PARIS.month_start(2027 * 12)
ENERGY = Metric(key="energy", unit="kW.h", resolution="0.001", state_class="total_increasing")
SITE = "site"
END_WH = 100_000_000


class Dial:
    """A meter as it hangs there: `index` in Wh of its dial, `total` of all that went through since it was first
    read. `ends`: where the dial starts over."""

    def __init__(self, name: str, chance: Random, ends: int = 0) -> None:
        self.name, self._chance, self._ends = name, chance, ends
        self.index, self.total, self.device = chance.randrange(10_000_000), 0, f"x:{name}-0"
        self.swaps: list[MeterSwap] = []
        self._most = ends // 2_000 if ends else 20_000  # an end of the dial each five months or so

    def hour(self) -> None:
        used = int(self._chance.random() ** 2 * self._most)
        self.total += used
        self.index += used
        if self._ends:
            self.index %= self._ends

    def replace(self, at: int) -> None:
        first = self._chance.randrange(1_000_000)
        self.swaps.append(MeterSwap(at=at, final=_kwh(self.index), initial=_kwh(first), serial=f"B{len(self.swaps)}"))
        self.index, self.device = first, f"x:{self.name}-{len(self.swaps)}"

    def place(self) -> Place:
        meter = Meter(
            metric="energy",
            carrier="electricity",
            kwh=Decimal(1),
            wraps=_kwh(self._ends) if self._ends else None,
            swaps=tuple(self.swaps),
        )
        return Place(id=self.name, site=SITE, zone="zone", meter=meter)


def _kwh(wh: int) -> Decimal:
    return Decimal(wh) / 1000


class Life:
    """The hub between a start and a kill."""

    def __init__(self, folder: Path, clock: ManualClock, number: int, places: dict[str, Place]) -> None:
        self._folder, self._clock, self._number, self._places = folder, clock, number, places
        self._slots: dict[str, Any] = {}
        self._live = LatestValues()

    async def start(self) -> None:
        self.store = await Store.open(self._folder / "store.db", b"k" * 32)
        self._file = await Store.open(self._folder / "rollups.db", b"k" * 32, SCHEMA)
        self.rollups = Rollups(
            RollupTables(self._file, self.store),
            History(8 << 20),
            clock=self._clock,
            life=self._number,
            place=self._places.get,
            calendar=lambda site: PARIS,
        )
        await self.rollups.load()
        self._observer = HistoryRecorder(self.rollups, self._clock)

    def say(self, at: int, dial: Dial) -> None:
        slot = self._slots.get(dial.device)
        if slot is None:
            known = Device(id=dial.device, integration="x", place=dial.name)
            slot = self._slots[dial.device] = self._live.slot(known, (ENERGY,))
        self._observer.see(slot, at, True, Quality.GOOD, (dial.index / 1000,))

    async def write(self, *, everything: bool = False) -> None:
        self._observer.drain()
        await self.rollups.write(everything=everything)

    async def stop(self) -> None:
        await self._file.close()
        await self.store.close()


async def lived(folder: Path, years: int, chance: Random) -> None:
    dials = [Dial("plain", chance), Dial("over", chance, ends=END_WH), Dial("swapped", chance), Dial("silent", chance)]
    places = {dial.name: dial.place() for dial in dials}
    last = PARIS.month_start((2027 + years) * 12)
    replaced = {
        BEGIN + year * 365 * DAY + chance.randrange(20, 340) * DAY // HOUR * HOUR for year in range(1, years, 2)
    }
    silences = [
        (at, at + chance.randrange(20, 30) * DAY)
        for year in range(years)
        for at in [PARIS.month_start((2027 + year) * 12 + chance.randrange(1, 12)) - 10 * DAY]
    ]
    kills = [BEGIN + n * 30 * DAY + chance.randrange(29 * 24) * HOUR for n in range(years * 12)]
    clock, number, away = ManualClock(BEGIN), 1, 0
    life = Life(folder, clock, number, places)
    await life.start()
    killed = 0
    for now in range(BEGIN, last + 1, HOUR):
        if now > BEGIN:
            for dial in dials:
                dial.hour()
        if now in replaced:
            swapped = dials[2]
            swapped.replace(now + 60)
            places["swapped"] = swapped.place()
        if kills and now >= kills[0]:
            kills.pop(0)
            killed += 1
            await life.stop()  # what waits in RAM is gone
            number, away = number + 1, now + chance.randrange(1, 48) * HOUR
            life = Life(folder, clock, number, places)
            await life.start()
        if now < away and now < last:
            continue
        clock.set(now + 100)
        for dial in dials:
            quiet = dial.name == "silent" and any(begin <= now < end for begin, end in silences)
            if not quiet or now == last:
                life.say(now, dial)
        await life.write()
    clock.set(last + 2 * HOUR)
    await life.write(everything=True)
    await told(life, clock, dials, places, years, killed)
    await life.stop()


async def told(
    life: Life, clock: ManualClock, dials: list[Dial], places: dict[str, Place], years: int, killed: int
) -> None:
    survey = Survey(
        life.rollups,
        places=places.values,
        zones={"zone": ("", SITE, "")},
        outdoor=None,
        base=18.0,
        trust=lambda device: "",
        now=clock.now,
    )
    missing, wrong, kept = 0, 0, []
    for dial in dials:
        place = places[dial.name]
        assert place.meter is not None
        found = [await survey.year(place, place.meter, 2027 + year) for year in range(years)]
        rows = [row for one in found for row in one["months"] if row["used"] is not None]
        missing += 12 * years - len(rows)
        wrong += abs(sum(round(1000 * row["used"]) for row in rows) - dial.total)
        kept.append(len(await life.rollups.views.months([(dial.name, "energy")])))
    name = f"{years} years of {len(dials)} hourly meters"
    figure(f"{name}: months missing", missing, "months", f"of {12 * years * len(dials)}; {killed} kills")
    figure(f"{name}: months in the archive, the fewest of a meter", min(kept), "months")
    whole = sum(dial.total for dial in dials)
    figure(f"{name}: sums of the months off the dials", wrong, "Wh", f"of {whole / 1000:.0f} kWh")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int(time.time())
    remark("seed", f"{seed}, {datetime.now(UTC):%Y-%m-%d}")
    begun = time.process_time()
    with tempfile.TemporaryDirectory(prefix="ilot-archive-") as folder:
        asyncio.run(lived(Path(folder), options.years, Random(seed)))
    figure("processor time", time.process_time() - begun, "s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
