"""How long the crisis room takes: a board of 10,000 hubs, a ranking of 20,000 rooms, the documents of both, on SQLite.

    python bench/city_crisis.py [--hubs 10000] [--rooms 20000] [--runs 7]

Hubs are rows of the backend's own database, each with a state that it signed, and half of them say something new before
each run, as they do every 15 s. "Page" is a request over TCP to the handler behind a viewer who is signed in, until the
last byte; its figures are of hubs and alerts that were read at most ten seconds before.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "backend"))
sys.path.insert(0, str(Path(__file__).parents[1]))
import apsw
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from backend_kit import Desk
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measure import figure

from backend.city.city import City
from backend.city.crisis import export, log, measures, pdf, routes, snapshot
from backend.city.crisis.hubs import HubReader
from backend.city.crisis.service import WHOLE, room_of
from backend.city.crisis.situation import Limits, gather
from backend.city.people.viewer import FORM_TOKEN, VIEWER, Role, Scope, Viewer
from backend.city.store import CityStore
from backend.queries.views import Views
from backend.storage.city.database import open_city
from backend.storage.opening import open_queries
from backend.storage.shared import SharedStorage
from hub.protocol.link_messages import State, sign_state

PAGE_S = 0.3
ZONE = ZoneInfo("Europe/Paris")
OPERATOR = Viewer("p:1", "Camille", Role.OPERATOR, Scope())
HEAD = Viewer("p:2", "Dominique", Role.HEAD, Scope(services=frozenset({"service-1"})))


def put_hubs(database: Path, count: int, now: float) -> None:
    """Put hubs with signed states into the backend's tables; every tenth has been silent for an hour."""
    with apsw.Connection(str(database)) as db, db:
        for n in range(count):
            hub, key = f"hub-{n:016d}", Ed25519PrivateKey.generate()
            public = key.public_key().public_bytes_raw()
            said = State(hub=hub, boot=bytes(16), nonce=bytes(16), n=1, streams={}, every=30, heard=now)
            seen = now - (3600.0 if n % 10 == 0 else n % 30)
            db.execute(
                """insert into hubs (hub, identity, name, enrolled_at, seen_at, state, state_at)
                values (?, ?, ?, ?, ?, ?, ?)""",
                (hub, public, f"Site {n}", now, seen, sign_state(said, key), seen),
            )


def put_rooms(city: City, count: int, hubs: int, now: float) -> None:
    with city.store.database.transaction() as t:
        for n in range(200):
            t.run(
                """insert into sites (id, name, address, lat, lon, service, kind, plan, plan_type, changed_at)
                values (?, ?, '', null, null, '', '', null, '', 0)""",
                f"s{n}", f"École {n}",
            )  # fmt: skip
        t.many(
            """insert into things (id, hub, device, site, zone, place, kind, layer, service, provider, privacy, mobile,
            lat, lon, name, seen_at, status, given)
            values (?, ?, ?, ?, '', ?, 'room', 'gtb', ?, '', 'internal', 0, null, null, ?, ?, '', '')""",
            [
                (n, f"hub-{n % hubs:016d}", f"d{n}", f"s{n % 200}", f"p{n}", f"service-{n % 10}", f"Salle {n}", now)
                for n in range(1, count + 1)
            ],
        )
        t.many(
            """insert into thing_series (id, thing, metric, unit, series, kind, device_class, state_class, privacy)
            values (?, ?, 'temperature', 'Cel', ?, 'number', '', '', 'environment')""",
            [(n, n, f"hub-{n % hubs:016d}/p{n}/temperature") for n in range(1, count + 1)],
        )
        t.many(
            """insert into latest (series, thing, time_ms, value, number, quality, trust, change)
            values (?, ?, ?, ?, ?, 0, 1, 1)""",
            [(n, n, int(now * 1000), "0", 18 + (n * 7919 % 2000) / 100) for n in range(1, count + 1)],
        )
        measures.take(
            t, measures.HEAT, "Canicule", {"threshold": 28.0}, who="Camille", now=now, expires=now + 86_400, drill=0
        )
        for n in range(200):
            log.note(t, 0, now, "Camille", "note", f"Ligne {n} de la main courante, comme on en écrit dans une cellule")


def timed(work: Callable[[], Any], runs: int) -> list[float]:
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return took


def told(name: str, took: list[float], gate: float | None = None) -> None:
    median, most = statistics.median(took) * 1000, max(took) * 1000
    figure(name, median, "ms", f"slowest {most:.0f}" + (f"; gate {gate * 1000:.0f}" if gate is not None else ""))


async def main(hubs: int, rooms: int, runs: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        desk, now = Desk(Path(scratch) / "owner"), time.time()
        queries, storage = open_queries(desk.address), SharedStorage(desk.address)
        city = City(
            directory=desk.owner.directory, owner=desk.owner, address=desk.address,
            store=CityStore(open_city(desk.owner.directory, desk.address)), queries=queries, views=Views(queries),
            storage=storage, clock=time.time,
        )  # fmt: skip
        put_hubs(Path(str(desk.address)), hubs, now)
        put_rooms(city, rooms, hubs, now)
        reader = HubReader(queries)
        told(f"{hubs:,} hubs and their alerts read, the first time", timed(lambda: reader.read(now), 1))

        def some_spoke() -> None:
            with apsw.Connection(str(desk.address)) as db:
                db.execute("update hubs set state_at = state_at + 1 where cast(substr(hub, 5) as int) % 2 = 0")

        took = []
        for _ in range(runs):
            some_spoke()
            took += timed(lambda: reader.read(now), 1)
        told("the same, half of them with a new state", took)
        seen = reader.read(now)

        def situation(scope: Scope, limits: Limits) -> Any:
            with city.store.database.snapshot() as r:
                return gather(r, seen, scope, city="Ville", now=now, limits=limits)

        told(f"situation with {rooms:,} rooms ranked, whole city", timed(lambda: situation(WHOLE, Limits()), runs))
        told("the same, of one service of ten", timed(lambda: situation(HEAD.scope, Limits()), runs))
        one = situation(WHOLE, Limits(300, 300, 100, 100))
        told("point de situation as PDF", timed(lambda: pdf.point_of_situation(one, "fr", ZONE), runs))
        made = snapshot.files(one, [], ZONE)
        told("files of a snapshot", timed(lambda: snapshot.files(one, [], ZONE), runs))
        figure("page of a snapshot", len(made["situation.html"]) / 1000, "kB", "one language, no script")
        whole = situation(WHOLE, Limits(100_000, 100_000, 100_000, 100_000))
        told(
            "export of everything",
            timed(lambda: export.archive(whole, who="c", scope="", lang="fr", zone=ZONE), min(3, runs)),
        )
        for viewer, name in ((OPERATOR, "operator"), (HEAD, "head of a service")):
            told(f"page /crisis, {name}", await pages(city, viewer, runs), PAGE_S)
        took = []
        for _ in range(min(3, runs)):
            began = time.perf_counter()
            await room_of(city).tick()
            took.append(time.perf_counter() - began)
        told("what is done every minute", took)
        await city.store.close()
        await storage.close()
        desk.close()


async def pages(city: City, viewer: Viewer, runs: int) -> list[float]:
    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        request[VIEWER], request[FORM_TOKEN] = viewer, "t"
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[signed_in])
    routes.route(app.router, city)
    took = []
    async with TestClient(TestServer(app)) as client:
        await (await client.get("/crisis")).read()  # the first one compiles the template
        for _ in range(runs):
            began = time.perf_counter()
            answer = await client.get("/crisis")
            assert answer.status == 200
            await answer.read()
            took.append(time.perf_counter() - began)
    return took


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hubs", type=int, default=10_000)
    parser.add_argument("--rooms", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    asyncio.run(main(options.hubs, options.rooms, options.runs))
