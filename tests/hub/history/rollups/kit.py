"""Rollups over real files, in a test's directory, with a clock that moves when told."""

from decimal import Decimal

from hub.core.model import Device, Meter, MeterSwap, Metric, Place, Quality
from hub.core.store import Store
from hub.history.latest import LatestValues
from hub.history.memory import History
from hub.history.recorder import HistoryRecorder
from hub.history.rollups import Calendar
from hub.history.rollups.recorder import Rollups
from hub.history.rollups.tables import SCHEMA, RollupTables
from hub.sdk.testing import ManualClock

H = 3600
ENERGY = Metric(key="energy", unit="kW.h", resolution="0.001", state_class="total_increasing")
TEMPERATURE = Metric(key="temperature", unit="Cel", resolution="0.01", state_class="measurement")
KEY = b"k" * 32


def at(text, zone="Europe/Paris"):
    """Local time as people write it → Unix seconds."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def meter_place(swaps=(), wraps=None, zone="technique", name="tgbt", **facts):
    meter = Meter(
        metric="energy",
        carrier="electricity",
        kwh=Decimal(1),
        wraps=wraps and Decimal(wraps),
        swaps=tuple(
            MeterSwap(at=time, final=None if f is None else Decimal(f), initial=None if i is None else Decimal(i))
            for time, f, i in swaps
        ),
        **facts,
    )
    return Place(id=name, site="s", zone=zone, meter=meter)


class Hub:
    """One life of a hub, as far as rollups go."""

    def __init__(self, path, now, *, places=(), timezone="Europe/Paris", budget=8 << 20, life=1, **options):
        self.path, self.clock = path, ManualClock(now)
        self.places = {place.id: place for place in places}
        self._options = {"timezone": timezone, "budget": budget, "life": life, **options}
        self.live = LatestValues()
        self.slots = {}

    async def __aenter__(self):
        options = dict(self._options)
        calendar = Calendar(options.pop("timezone"))
        self.history = History(options.pop("budget"))
        self.store = await Store.open(self.path / "store.db", KEY)
        self.file = await Store.open(self.path / "rollups.db", KEY, SCHEMA)
        self.memory = RollupTables(self.file, self.store)
        self.rollups = Rollups(
            self.memory,
            self.history,
            clock=self.clock,
            place=self.places.get,
            calendar=lambda site: calendar,
            **options,
        )
        await self.rollups.load()
        self.observer = HistoryRecorder(self.rollups, self.clock)
        self.views = self.rollups.views
        return self

    async def __aexit__(self, *error):
        await self.file.close()
        await self.store.close()

    def say(self, time, value, *, metric=ENERGY, device="x:1", place="tgbt", sure=True, quality=Quality.GOOD):
        """A reading, as the straight path would observe it."""
        key = (device, metric.key)
        if key not in self.slots:
            known = Device(id=device, integration="x", place=place)
            self.slots[key] = self.live.slot(known, (metric,))
        self.observer.see(self.slots[key], time, sure, quality, (value,))

    async def write(self, *, everything=False):
        self.observer.drain()
        return await self.rollups.write(everything=everything)

    async def hours(self, begin, end, key=("tgbt", "energy")):
        self.observer.drain()
        edges = [*self.views.calendar_of(key).hours(begin, end), end]
        return await self.views.counter(key, edges)
