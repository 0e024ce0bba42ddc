"""What tests of the open API share: a small town with readings, its register, and the API over it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from backend.api.requests import Handler, errors
from backend.city.city import City
from backend.city.open_api import routes
from backend.city.people.viewer import VIEWER, Role, Scope, Viewer
from backend.storage.city.database import Transaction
from hub.core.request_log import RequestLog
from hub.protocol.records.rows import Column, Row, Shape, Subject

from ...compaction_kit import HOUR, NOW, Town

EVERYTHING = Scope(classes=frozenset({"public", "internal", "personal"}))
MINUTE = 60_000
CLASS_OF = {"temperature": "environment", "motion": "personal", "label": "technical"}
"""Class of a series, as hubs tell it, by its metric."""


class Series(NamedTuple):
    """A series of the town: what the register says of it, and its readings as (Unix ms, value, quality)."""

    id: int
    metric: str
    unit: str
    kind: str
    readings: list[tuple[int, Any, int]]


class Device(NamedTuple):
    """A device of the town."""

    id: int
    hub: str
    device: str
    site: str
    place: str
    kind: str
    layer: str
    service: str
    provider: str
    privacy: str
    at: tuple[float, float] | None
    seen_at: float | None
    series: list[Series]


def a_town() -> list[Device]:
    """Eight devices of two hubs; one of persons, one without a position, one that was never heard of."""
    kinds = [
        ("air", "air"), ("waste-container", "waste"), ("room", "gtb"), ("weather", "weather"),
        ("parking-spot", "parking"), ("street-light", "lighting"), ("air", "air"), ("other", "networks"),
    ]  # fmt: skip
    found = []
    number = 0
    for at, (kind, layer) in enumerate(kinds):
        series = []
        for metric, unit, of_kind in (("temperature", "Cel", "number"), ("motion", "", "flag"), ("label", "", "text")):
            if (at + len(metric)) % 3 == 0 and metric != "temperature":
                continue
            number += 1
            step = (7 + at) * MINUTE
            count = 0 if at == 7 else 30 + 5 * at
            values = {
                "number": lambda n: round(15 + ((n * 37) % 100) / 10, 2), "flag": lambda n: n % 3 == 0,
                "text": lambda n: f"it's {n % 4}",
            }[of_kind]  # fmt: skip
            readings = [(NOW + n * step, values(n), (0, 0, 1)[n % 3]) for n in range(count)]
            series.append(Series(number, metric, unit, of_kind, readings))
        found.append(
            Device(
                at + 1, f"hub-{at % 2 + 1:03d}", f"ble:{at + 1}", f"site-{at % 3}", f"place-{at + 1}", kind, layer,
                ("roads", "parks")[at % 2], ("", "acme")[at in (4, 5)],
                ("public", "internal", "personal")[at % 3],
                None if at == 5 else (2.30 + at / 100, 48.80 + at / 50), None if at == 7 else NOW / 1000 + at, series,
            )
        )  # fmt: skip
    return found


def store_readings(town: Town, devices: list[Device]) -> None:
    """Store the readings of the devices, two thirds of them in chunks."""
    shapes = {"number": "0.01", "flag": "1", "text": "1"}
    for part in (0, 1):
        for one in devices:
            subject = Subject(one.device, one.place, one.site, "zone")
            for each in one.series:
                shape = Shape((Column(each.metric, each.unit, shapes[each.kind], kind=each.kind),))  # type: ignore[arg-type]
                cut = 2 * len(each.readings) // 3
                chosen = each.readings[:cut] if part == 0 else each.readings[cut:]
                rows = [
                    Row(subject, shape, at, True, (value,), quality=quality, trust=1) for at, value, quality in chosen
                ]
                if rows:
                    town.arrive(one.hub, rows)
        if part == 0:
            town.settle(100_000)


def register(t: Transaction, devices: list[Device], *, latest: bool = True) -> None:
    """Note the devices in the register."""
    for site in sorted({one.site for one in devices}):
        t.run(
            "insert into sites (id, name, address, lat, lon, service, kind, plan, plan_type, changed_at)"
            " values (?, ?, '', null, null, '', '', null, '', 0)",
            site, f"Site {site}",
        )  # fmt: skip
    for one in devices:
        lon, lat = one.at or (None, None)
        t.run(
            "insert into things (id, hub, device, site, zone, place, kind, layer, service, provider, privacy,"
            " mobile, lat, lon, name, seen_at, status, given)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 'ok', '')",
            one.id, one.hub, one.device, one.site, "zone", one.place, one.kind, one.layer, one.service, one.provider,
            one.privacy, lat, lon, f"{one.kind} {one.id}", one.seen_at,
        )  # fmt: skip
        for each in one.series:
            t.run(
                "insert into thing_series (id, thing, metric, unit, series, kind, device_class, state_class, privacy)"
                " values (?, ?, ?, ?, ?, ?, '', '', ?)",
                each.id, one.id, each.metric, each.unit, f"{one.hub}/{one.place}/{each.metric}", each.kind,
                CLASS_OF[each.metric],
            )  # fmt: skip
            if latest and each.readings:
                at, value, quality = each.readings[-1]
                t.run(
                    "insert into latest (series, thing, time_ms, value, number, quality, trust, change)"
                    " values (?, ?, ?, ?, null, ?, 1, ?)",
                    each.id, one.id, at, json.dumps(value), quality, each.id,
                )  # fmt: skip


def person(scope: Scope = EVERYTHING, role: Role = Role.OPERATOR) -> Viewer:
    return Viewer("anne", "Anne", role, scope)


@asynccontextmanager
async def serving(city: City, viewer: Viewer | None) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Serve the open API to one viewer, whoever signs in elsewhere."""

    @web.middleware
    async def signed_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[VIEWER] = viewer
        return await handler(request)

    app = web.Application(middlewares=[errors(RequestLog(logging.getLogger("test"))), signed_in])
    routes.route(app.router, city)
    async with TestClient(TestServer(app)) as client:
        yield client


def make_town(address: Path | str) -> Town:
    """Open a town over the database of a city."""
    if isinstance(address, Path):
        return Town(address)
    from ...postgres_town import PostgresTown

    return PostgresTown(address)


__all__ = ["HOUR", "NOW"]
