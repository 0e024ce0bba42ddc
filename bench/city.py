"""The register of a city at the size of a district: how fast it follows, takes a file, and answers within a scope.

    python bench/city.py [--things 20000] [--hubs 20] [--engine sqlite postgresql]

Hubs report through ingest, as they do over the network: a quarter each of bins, rooms, meters and mobile sensors of
air. Then the synchroniser goes round: the first time, with nothing new, and with reports of one thing in twenty. Files
of 300 sites in 40 sectors and of all things are imported. Queries are those of pages: one page of 200 things and the
count within a scope of two services, four sectors and two classes; and the newest readings of 5,000 things. Each is
asked 200 times.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests" / "backend"), str(Path(__file__).parent)]

import postgres_kit  # noqa: E402
from backend_kit import Desk  # noqa: E402
from measure import figure  # noqa: E402
from postgres_desk import PostgresDesk  # noqa: E402

from backend.city.city import City  # noqa: E402
from backend.city.people.viewer import Scope  # noqa: E402
from backend.city.register import files, importing  # noqa: E402
from backend.city.register.sync import Synchroniser  # noqa: E402
from backend.city.store import CityStore  # noqa: E402
from backend.owner import directory as owners  # noqa: E402
from backend.queries.views import Views  # noqa: E402
from backend.storage.city import register, scope  # noqa: E402
from backend.storage.city.database import open_city  # noqa: E402
from backend.storage.opening import open_queries, open_storage  # noqa: E402
from backend.storage.shared import SharedStorage  # noqa: E402
from hub.core.model import Position  # noqa: E402
from hub.protocol.records.rows import Column, Row, Shape, Subject  # noqa: E402

SITES, SIDE, BLOCK, ASKED = 300, 8, 500, 200
_KINDS = (
    Shape((Column("fill_level", "%", "0.1", privacy="technical"), Column("battery", "%", "1", privacy="technical"))),
    Shape((Column("temperature", "Cel", "0.01", privacy="environment"), Column("co2", "[ppm]", privacy="personal"))),
    Shape((Column("energy", "kW.h", "0.001", privacy="technical"), Column("power", "W", privacy="technical"))),
    Shape((Column("pm10", "ug/m3", "0.1", privacy="environment"), Column("pm2_5", "ug/m3", privacy="environment"))),
)


def report(number: int, at_ms: int) -> Row:
    subject = Subject(f"device:{number}", f"place-{number}", f"site-{number % SITES}", "", "", "bench")
    where = Position(48.0 + number % 97 / 100, 2.0 + number % 89 / 100) if number % 4 == 3 else None
    return Row(subject, _KINDS[number % 4], at_ms, True, (number % 100 / 2, float(number % 90)), position=where)


def square(x: int, y: int) -> dict[str, Any]:
    west, south = 2 + x / SIDE, 48 + y / 5
    ring = [[west, south], [west + 1 / SIDE, south], [west + 1 / SIDE, south + 0.2], [west, south + 0.2], [west, south]]
    return {
        "type": "Feature", "properties": {"id": f"s{x}-{y}"}, "geometry": {"type": "Polygon", "coordinates": [ring]},
    }  # fmt: skip


async def timed(name: str, work: Any, note: str = "") -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    await work
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figure(name, wall, "s", f"{cpu:.2f} s of CPU{note}")
    return wall


async def p95(name: str, city: City, ask: Callable[[register.Reader], Any]) -> None:
    times, at = [], time.process_time()
    for _ in range(ASKED):
        began = time.perf_counter()
        await city.store.read(ask)
        times.append(1000 * (time.perf_counter() - began))
    worked = 1000 * (time.process_time() - at) / ASKED
    figure(
        name,
        sorted(times)[math.ceil(0.95 * len(times)) - 1],
        "ms",
        f"p95; {worked:.1f} ms of CPU each, without a server's",
    )


async def load(city: City, text: str, hubs: set[str]) -> None:
    parsed = files.parse(text.encode())
    problems = await city.store.write(lambda t: importing.apply(t, parsed, hubs, time.time()))
    if problems:
        raise SystemExit(problems[0])


async def measure(engine: str, city: City, ingest: Desk, things: int, hubs: int) -> None:
    senders = [ingest.enrol() for _ in range(hubs)]
    segments = [one.segment() for one in senders]
    now_ms = int(time.time() * 1000)

    def send(step: int, at_ms: int) -> None:
        for n, (sender, segment) in enumerate(zip(senders, segments, strict=True)):
            rows = [report(number, at_ms) for number in range(n, things, hubs)][::step]
            for begin in range(0, len(rows), BLOCK):
                ingest.post(sender, segment.message([segment.block(rows[begin : begin + BLOCK])]))

    send(1, now_ms - 60_000)
    synchroniser = Synchroniser(city)
    wall = await timed(f"{engine}: first round over {things} things", synchroniser.round())
    figure(f"{engine}: things a second in it", things / wall, "1/s")
    await timed(f"{engine}: a round with nothing new", synchroniser.round())
    send(20, now_ms)
    await timed(f"{engine}: a round with {things // 20} reports", synchroniser.round())
    names = {one.hub for one in senders}
    services = "id,name\n" + "".join(f"service-{n},Service {n}\n" for n in range(6))
    sectors = {"type": "FeatureCollection", "features": [square(x, y) for x in range(SIDE) for y in range(5)]}
    sites = "id,name,lat,lon,service\n" + "".join(
        f"site-{n},Site {n},{48 + n % 97 / 100},{2 + n % 89 / 100},service-{n % 6}\n" for n in range(SITES)
    )
    await load(city, services, names)
    await timed(f"{engine}: import of 40 sectors", load(city, json.dumps(sectors), names))
    await timed(f"{engine}: import of {SITES} sites", load(city, sites, names))
    lines = "hub,device,name,provider\n" + "".join(
        f"{senders[number % hubs].hub},device:{number},Thing {number},p{number % 7}\n" for number in range(things)
    )
    await timed(f"{engine}: import of {things} things", load(city, lines, names))
    within = Scope(frozenset({"service-1", "service-4"}), frozenset({"s1-1", "s2-2", "s3-3", "s4-4"}))
    condition, values = scope.things("t", within)
    await p95(f"{engine}: a page of 200 things within a scope", city, lambda r: register.things(r, within, limit=200))
    await p95(
        f"{engine}: their count", city, lambda r: r.one(f"select count(*) from things t where {condition}", *values)
    )
    some = [one.id for one in await city.store.read(lambda r: register.things(r, limit=5000))]
    await p95(f"{engine}: newest readings of {len(some)} things", city, lambda r: register.latest_of(r, some))
    if engine == "sqlite":
        size = sum(path.stat().st_size for path in city.directory.glob("city.db*"))
        figure(f"{engine}: city.db", size / 1e6, "MB", "with its log")


@contextlib.contextmanager
def address_of(engine: str, directory: Path) -> Iterator[Path | str]:
    if engine == "sqlite":
        yield directory / "backend.db"
        return
    with postgres_kit.cluster() as cluster:
        yield postgres_kit.Shared(cluster).url


async def run(engine: str, things: int, hubs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as place:
        directory = Path(place) / "owner"
        owners.init(directory, owner="Ville")
        with address_of(engine, directory) as address:
            open_storage(address).close()
            queries, storage = open_queries(address), SharedStorage(address)
            city = City(
                directory=directory, owner=owners.load(directory), address=address,
                store=CityStore(open_city(directory, address)), queries=queries, views=Views(queries), storage=storage,
                clock=time.time,
            )  # fmt: skip
            ingest = Desk(directory) if engine == "sqlite" else PostgresDesk(directory, str(address))
            try:
                await measure(engine, city, ingest, things, hubs)
            finally:
                ingest.close()
                await city.store.close()
                await storage.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--things", type=int, default=20_000)
    parser.add_argument("--hubs", type=int, default=20)
    parser.add_argument("--engine", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    given = parser.parse_args()
    for engine in given.engine:
        asyncio.run(run(engine, given.things, given.hubs))


if __name__ == "__main__":
    main()
