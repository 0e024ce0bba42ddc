"""The open API over a database of many readings: a day of one series, the newest of 5,000, lists, counts.

    python bench/city_open_api.py [--hubs 35] [--listed 10] [--queries 200]

A hub of 500 devices says 33 readings a second for a day, as in `bench/compaction.py`; what the compactor made of it is
copied to other hubs, until some 100 million readings are stored. Of `--listed` hubs the things are in the register.
Questions come one after the other over HTTP on loopback, without TLS, to one process; each asks for another series.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from compaction import SHAPE, START, Hub
from measure import figure

from backend.api.requests import Handler
from backend.city.city import City
from backend.city.open_api import routes
from backend.city.people.viewer import CLASSES, VIEWER, Role, Scope, Viewer
from backend.city.store import CityStore
from backend.owner import directory as owners
from backend.queries.views import Views
from backend.readings.compaction import QUIET_S, WAIT_S
from backend.storage.city.database import Transaction, open_city
from backend.storage.opening import open_queries
from backend.storage.shared import SharedStorage

DEVICES, HOURS = 500, 24
METRICS = [column.metric for column in SHAPE.columns]
_COPY = (
    """
    with recursive copies (n) as (select 2 union all select n + 1 from copies where n < {hubs})
    insert into compacted (hub, through, version) select 'h' || n, 1, 1 from copies where n <= {hubs}
    """,
    """
    insert into series (hub, place, metric, device, unit, resolution, kind, device_class, state_class, privacy, site,
        zone, model, integration, day, classes)
    select c.hub, place, metric, device, unit, resolution, kind, device_class, state_class, privacy, site, zone, model,
        integration, day, classes from compacted c, series s where s.hub = 'h' and c.hub <> 'h'
    """,
    """
    insert into chunks (hub, privacy, boot, hour, rows, arrived_at, loose, data)
    select c.number, privacy, boot, hour, rows, arrived_at, loose, data from compacted c, chunks k
    where c.hub <> 'h' and k.hub = (select number from compacted where hub = 'h')
    """,
)


def fill(path: Path, hubs: int) -> int:
    """Store a day of one hub, copy it, and return how many readings there are."""
    hub = Hub(path, DEVICES, HOURS + 3)
    hub.live(HOURS * 3600 + QUIET_S + 2 * WAIT_S, compact=True)
    for statement in _COPY:
        hub.db.execute(statement.format(hubs=hubs))
    hub.db.execute("pragma wal_checkpoint(truncate)")
    readings = hub.readings
    hub.chunks.close()
    hub.db.close()
    return readings * hubs


def register(t: Transaction, hubs: int) -> None:
    """Note the things of some hubs, with their newest readings."""
    rng = random.Random(1)
    things, series, latest = [], [], []
    for hub in range(1, hubs + 1):
        name = "h" if hub == 1 else f"h{hub}"
        for at in range(DEVICES):
            thing = len(things) + 1
            position = 48.8 + rng.random() / 10, 2.3 + rng.random() / 10
            things.append(
                (thing, name, f"ble:{at:012x}", "school", f"floor-{at % 5}", f"room-{at}", *position, f"Room {at}")
            )
            for metric in METRICS:
                number = len(series) + 1
                series.append((number, thing, metric, f"{name}/room-{at}/{metric}"))
                latest.append((number, thing, START + HOURS * 3_600_000, "20.5", 20.5, number))
    t.many(
        "insert into things (id, hub, device, site, zone, place, lat, lon, name, kind, layer, service, provider,"
        " privacy, mobile, seen_at, status, given)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'room', 'gtb', 'halls', '', 'internal', 0,"
        " 1.8e9, '', '')",
        things,
    )
    t.many(
        "insert into thing_series (id, thing, metric, series, unit, kind, device_class, state_class, privacy)"
        " values (?, ?, ?, ?, 'Cel', 'number', '', '', 'internal')",
        series,
    )
    t.many(
        "insert into latest (series, thing, time_ms, value, number, quality, trust, change)"
        " values (?, ?, ?, ?, ?, 0, 3, ?)",
        latest,
    )


@contextmanager
def city(directory: Path, hubs: int) -> Iterator[City]:
    address = owners.load(directory).database
    store = CityStore(open_city(directory, address))
    with store.database.transaction() as t:
        register(t, hubs)
    queries = open_queries(address)
    storage = SharedStorage(address)
    yield City(directory, owners.load(directory), address, store, queries, Views(queries), storage, time.time)
    store.database.close()


async def measure(served: City, queries: int, readings: int) -> None:
    viewer = Viewer("bench", "Bench", Role.OPERATOR, Scope(classes=CLASSES))

    @web.middleware
    async def signed_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[VIEWER] = viewer
        return await handler(request)

    app = web.Application(middlewares=[signed_in])
    routes.route(app.router, served)
    rng = random.Random(2)
    count = await served.store.read(lambda r: int((r.one("select count(*) from thing_series") or (0,))[0]))
    day = "phenomenonTime ge 2027-01-15T08:00:00Z and phenomenonTime lt 2027-01-16T08:00:00Z"
    newest = "$expand=Observations($top=1;$orderby=phenomenonTime desc)"
    async with TestClient(TestServer(app)) as client:

        async def ask(path: str) -> tuple[float, Any]:
            began = time.perf_counter()
            async with client.get(f"/sta/v1.1/{path}") as reply:
                body = await reply.read()
                took = time.perf_counter() - began
                assert reply.status == 200, body
                return took, await reply.json()

        async def times(name: str, paths: list[str], note: str) -> None:
            began = time.process_time()
            found = sorted([(await ask(path))[0] for path in paths])
            processor = (time.process_time() - began) / len(paths)
            figure(f"{name}, p50", found[len(found) // 2] * 1e3, "ms", note)
            figure(f"{name}, p95", found[int(len(found) * 0.95)] * 1e3, "ms", note)
            figure(f"{name}, mean", processor * 1e3, "ms CPU", "the client's included")

        some = [rng.randint(1, count) for _ in range(queries)]
        _, page = await ask(f"Datastreams({some[0]})/Observations?$filter={day}&$top=10000")
        note = f"{len(page['value'])} observations, {readings / 1e6:.0f} M readings stored"
        await times(
            "a day of one series", [f"Datastreams({n})/Observations?$filter={day}&$top=10000" for n in some], note
        )
        _, page = await ask(f"Datastreams?$top=5000&$filter=ObservedProperty/name eq 'temperature'&{newest}")
        told = sum(len(one["Observations"]) for one in page["value"])
        whole = [f"Datastreams?$top=5000&$filter=ObservedProperty/name eq 'temperature'&{newest}"] * 20
        await times("the newest of 5,000 series", whole, f"{told} observations, {count} series in the register")
        last = [f"Datastreams({n})/Observations?$top=10&$orderby=phenomenonTime desc" for n in some]
        await times("the last ten of one series", last, "")
        counted = [f"Datastreams({n})/Observations?$top=0&$count=true" for n in some[: queries // 4]]
        await times("the count of one series", counted, "out of chunks, no column read")
        pages = [f"Things?$top=100&$skip={n}&$expand=Datastreams" for n in range(0, 2000, 100)]
        await times("a page of 100 things with their series", pages, "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hubs", type=int, default=35)
    parser.add_argument("--listed", type=int, default=10)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "owner"
        owners.init(directory, owner="Ville")
        database = owners.load(directory).database
        assert isinstance(database, Path)
        readings = fill(database, options.hubs)
        figure("readings stored", readings, "", f"{database.stat().st_size / 1e6:,.0f} MB")
        with city(directory, options.listed) as served:
            asyncio.run(measure(served, options.queries, readings))


if __name__ == "__main__":
    main()
