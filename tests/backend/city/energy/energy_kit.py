"""What the tests of energy share: a backend with meters beside a city, and a naive account of consumption."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from backend_kit import Desk, Sender

from backend.city.city import City
from backend.city.store import CityStore
from backend.conformance.sender import Segment
from backend.queries.views import Views
from backend.storage.city.database import Transaction, open_city
from backend.storage.opening import open_queries
from backend.storage.postgresql.queries import PostgresQueries
from backend.storage.shared import SharedStorage
from hub.history.rollups.calendar import Calendar
from hub.protocol.records.rows import Column, Row, Shape, Subject

CALENDAR = Calendar("Europe/Paris")
ENERGY = Shape((Column("energy", "kW.h", "0.001", device_class="energy", state_class="total_increasing"),))
GAS = Shape((Column("gas", "m3", "0.001", device_class="gas", state_class="total_increasing"),))
AIR = Shape((Column("temperature", "Cel", "0.01", device_class="temperature", privacy="environment"),))


class Town(NamedTuple):
    """A backend's ingest and the city over the same database; `moment` is the city's clock."""

    desk: Desk
    city: City
    moment: list[float]

    def post(self, hub: Sender, segment: Segment, place: str, shape: Shape, points: Sequence[tuple[int, float]],
             device: str = "") -> None:  # fmt: skip
        """Have a hub send readings (Unix seconds, value)."""
        subject = Subject(device or f"dev-{place}", place, "site", "zone")
        rows = [Row(subject, shape, at * 1000, True, (value,), quality=0, trust=1) for at, value in points]
        for at in range(0, len(rows), 500):
            self.desk.post(hub, segment.message([segment.block(rows[at : at + 500])]))

    async def register(self, work: Callable[[Transaction], object]) -> None:
        await self.city.store.write(work)


@asynccontextmanager
async def town(desk: Desk, now: float) -> AsyncIterator[Town]:
    moment = [now]
    queries, storage = open_queries(desk.address), SharedStorage(desk.address)
    city = City(
        directory=desk.owner.directory,
        owner=desk.owner,
        address=desk.address,
        store=CityStore(open_city(desk.owner.directory, desk.address)),
        queries=queries,
        views=Views(queries),
        storage=storage,
        clock=lambda: moment[0],
    )
    yield Town(desk, city, moment)
    await city.store.close()
    await storage.close()
    city.parts.clear()
    if isinstance(queries, PostgresQueries):
        while queries._idle:  # a room and its pages hold their city: sessions would wait for the collector of cycles
            queries._idle.pop().close()


def put_meter(
    t: Transaction, number: int, hub: str, place: str, *, site: str = "s1", metric: str = "energy", unit: str = "kW.h",
    device_class: str = "energy", service: str = "", provider: str = "", kind: str = "energy-meter",
    state_class: str = "total_increasing",
) -> str:  # fmt: skip
    """Put a meter, or an outdoor temperature, into the register; return its series."""
    series = f"{hub}/{place}/{metric}"
    t.run(
        """insert into things (id, hub, device, site, zone, place, kind, layer, service, provider, privacy, mobile, lat,
        lon, name, seen_at, status, given)
        values (?, ?, ?, ?, 'rdc', ?, ?, 'energy', ?, ?, 'internal', 0, null, null, '', null, '', '')""",
        number, hub, f"dev-{place}", site, place, kind, service, provider,
    )  # fmt: skip
    t.run(
        """insert into thing_series (id, thing, metric, unit, series, kind, device_class, state_class, privacy)
        values (?, ?, ?, ?, ?, 'number', ?, ?, 'technical')""",
        number, number, metric, unit, series, device_class, state_class,
    )  # fmt: skip
    return series


def naive(points: Sequence[tuple[int, float]], begin: int, end: int, step: str = "0.001") -> Fraction:
    """Return the consumption in [begin, end): each rise spread evenly over its seconds, a fall counted as a meter that
    began at 0."""
    found = Fraction(0)
    for (a, low), (b, high) in pairwise(sorted(points)):
        before, after = (round(Fraction(str(one)) / Fraction(step)) for one in (low, high))
        rise = after - before if after >= before else after
        seconds = max(0, min(b, end) - max(a, begin))
        found += Fraction(rise * seconds, b - a)
    return found * Fraction(step)


def put_site(t: Transaction, site: str, name: str) -> None:
    t.run(
        """insert into sites (id, name, address, lat, lon, service, kind, plan, plan_type, changed_at)
        values (?, ?, '', null, null, '', '', null, '', 0)""",
        site, name,
    )  # fmt: skip
