"""A town on a map, for tests, pictures and measurements of the city's pages."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.city.city import City
from backend.city.pages.board import STATES
from backend.storage.city import register
from backend.storage.city.database import Transaction
from backend.storage.tables import AlertChange
from hub.protocol.link_messages import State, sign_state

CENTRE = 48.1173, -1.6778
LAYERS = {
    "waste": ("waste-container", "fill_level", "%", "Conteneur verre"), "air": ("air", "pm25", "ug/m3", "Station air"),
    "water": ("water", "level", "m", "Limnimètre"), "energy": ("energy-meter", "power", "W", "Compteur"),
    "lighting": ("street-light", "power", "W", "Lampadaire"), "parking": ("parking-spot", "occupancy", "1", "Place"),
    "traffic": ("other", "speed", "km/h", "Comptage"), "weather": ("weather", "temperature", "Cel", "Météo"),
    "gtb": ("room", "temperature", "Cel", "Salle"), "networks": ("gateway", "rssi", "dBm", "Passerelle"),
}  # fmt: skip
STREETS = (
    "rue de la Paix",
    "quai Émile Zola",
    "place des Lices",
    "rue de Fougères",
    "mail Mitterrand",
    "rue Jules Ferry",
)

SERIES_CLASS = {"public": "environment", "internal": "technical", "personal": "personal"}
"""Class of a series, as hubs tell it, by the class of its thing."""


class Sensor(NamedTuple):
    """A thing of the town."""

    hub: str
    device: str
    site: str
    layer: str
    lat: float
    lon: float
    name: str
    service: str
    privacy: str = "internal"
    mobile: int = 0
    status: str = "heard"
    provider: str = ""
    value: Any = 42.5


def sensors(many: int, *, seed: int = 7) -> list[Sensor]:
    """Return things around a town, of every layer; each twentieth is silent, the last five move."""
    dice, found = random.Random(seed), []
    names = list(LAYERS)
    for n in range(many):
        layer = names[n % len(names)]
        lat, lon = CENTRE[0] + dice.gauss(0, 0.03), CENTRE[1] + dice.gauss(0, 0.045)
        title = f"{LAYERS[layer][3]} {n + 1}, {STREETS[n % len(STREETS)]}"
        site = f"site-{n % 30}" if layer == "gtb" else ""
        found.append(
            Sensor(
                f"hub-{n % 20}", f"dev-{n}", site, layer, lat, lon, title,
                "proprete" if layer == "waste" else "batiments", status="silent" if n % 20 == 3 else "heard",
                value=round(dice.uniform(0, 100), 1),
            )
        )  # fmt: skip
    return [one._replace(mobile=1) if n >= many - 5 else one for n, one in enumerate(found)]


def square(lat: float, lon: float, side: float) -> str:
    """Return an area as GeoJSON."""
    ring = [[lon - side, lat - side], [lon + side, lat - side], [lon + side, lat + side], [lon - side, lat + side]]
    return json.dumps({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})


def fill(t: Transaction, things: Iterable[Sensor], now: float, *, sites: int = 30) -> None:
    """Put a town into the register."""
    register.put_sectors(
        t, [("centre", "Centre", square(*CENTRE, 0.02)), ("nord", "Nord", square(CENTRE[0] + 0.05, CENTRE[1], 0.025))]
    )
    register.put_services(t, [("proprete", "Propreté"), ("batiments", "Bâtiments")])
    dice = random.Random(3)
    for n in range(sites):
        facts = {
            "name": f"École {n + 1}" if n else "Piscine Bréquigny", "address": f"{n + 1} {STREETS[n % len(STREETS)]}",
            "lat": CENTRE[0] + dice.gauss(0, 0.02), "lon": CENTRE[1] + dice.gauss(0, 0.03), "service": "batiments",
            "kind": "school",
        }  # fmt: skip
        register.put_sites(t, [(f"site-{n}", facts, None)], now)
    rows, series, newest = list[tuple[Any, ...]](), list[tuple[Any, ...]](), list[tuple[Any, ...]]()
    for one in things:
        number, (kind, metric, unit, _) = t.next("things"), LAYERS[one.layer]
        rows.append(
            (number, one.hub, one.device, one.site, "", one.device, kind, one.layer, one.service, one.provider,
             one.privacy, one.mobile, one.lat, one.lon, one.name, now - 120, 600.0, one.status, "[]")
        )  # fmt: skip
        of = t.next("series")
        value = "flag" if metric == "occupancy" else "number"
        name, privacy = f"{one.hub}/{one.device}/{metric}", SERIES_CLASS[one.privacy]
        series.append((of, number, metric, unit, name, value, "", "measurement", privacy))
        newest.append((of, number, int((now - 120) * 1000), json.dumps(one.value), one.value, 0, 0, t.next("latest")))
    t.many(f"insert into things values ({', '.join('?' * 19)})", rows)
    t.many(f"insert into thing_series values ({', '.join('?' * 9)})", series)
    t.many(f"insert into latest values ({', '.join('?' * 8)})", newest)


def alert(hub: str, device: str, now: float, *, severity: str = "critical", n: int = 1, **more: Any) -> AlertChange:
    """Return an alert of a device's rule."""
    plain = {
        "hub": hub, "alert": f"a-{device}-{severity}", "n": n, "rule": "plein", "key": device, "state": "raised",
        "severity": severity, "by": "", "why": "", "value": "100", "text": "Container full: 100 %",
        "text_fr": "Conteneur plein : 100 %", "device": device, "place": device, "site": "", "zone": "",
        "integration": "lorawan", "raised_at": now - 600, "changed_at": now - 600, "received_at": now - 590,
    }  # fmt: skip
    return AlertChange(**{**plain, **more})


async def raise_alerts(city: City, alerts: Iterable[AlertChange]) -> None:
    """Store alerts as the backend does when a hub's records hold them."""
    some = list(alerts)

    def store(storage: Any) -> None:
        for one in some:
            storage.alerts.add(one)

    await city.storage.call(store)


def store_history(town: Any, things: Iterable[Sensor], now: float, *, hours: int = 30) -> None:
    """Store readings of things, each ten minutes, but for two hours in which none came."""
    from hub.protocol.records.rows import Column, Row, Shape, Subject

    for order, one in enumerate(things):
        _, metric, unit, _ = LAYERS[one.layer]
        shape = Shape((Column(metric, unit, "0.1", privacy="environment", state_class="measurement"),))
        subject = Subject(one.device, one.device, one.site, "")
        rows = [
            Row(subject, shape, at * 1000, True, (round(40 + 25 * math.sin(at / 9000 + order) + (at // 600) % 7, 1),),
                quality=0, trust=1)
            for at in range(int(now) - hours * 3600, int(now), 600)
            if not now - 8 * 3600 < at < now - 6 * 3600
        ]  # fmt: skip
        town.arrive(one.hub, rows)
    town.settle(100_000)


class Told(NamedTuple):
    """A body of `/map/things` as the map's script reads it: numbers, cells of 16/100,000 degree, …"""

    head: dict[str, Any]
    n: list[int]
    lat: list[int]
    lon: list[int]
    layer: list[str]
    state: list[str]
    flag: list[int]


def told_things(body: bytes) -> Told:
    """Read a body of `/map/things`."""
    head, column = _columns_of(body)
    n, lat, lon = column(4, True), column(3, head["steps"]), column(3, head["steps"])
    layers, states, flags = (column(1, False) for _ in range(3))
    return Told(head, n, lat, lon, [head["layers"][one] for one in layers], [STATES[one] for one in states], flags)


def told_inside(body: bytes) -> dict[int, tuple[int, int]]:
    """Read a body of `/map/exact`: what is added to the cell, by the number of the thing."""
    _, column = _columns_of(body)
    return {n: (one & 15, one >> 4) for n, one in zip(column(4, True), column(1, False), strict=True)}


def _columns_of(body: bytes) -> tuple[dict[str, Any], Callable[[int, bool], list[int]]]:
    begin = 4 + int.from_bytes(body[:4], "little")
    head, planes = json.loads(body[4:begin]), iter(body[begin:])
    assert len(body) - begin in {head["count"] * 13, head["count"] * 5}

    def column(width: int, steps: bool) -> list[int]:
        found = [0] * head["count"]
        for byte in range(width):
            for row in range(head["count"]):
                found[row] += next(planes) << 8 * byte
        return list(accumulate(one >> 1 ^ -(one & 1) for one in found)) if steps else found

    return head, column


def store_hubs(database: Path, many: int, now: float) -> None:
    """Store hubs with their last states: each tenth was last heard long ago, one never, and one is revoked."""
    key = Ed25519PrivateKey.generate()
    with closing(apsw.Connection(str(database))) as db, db:
        for n in range(many):
            heard = None if n == 7 else now - (86_400 * 2 if n % 10 == 3 else 20)
            state = State(
                hub=f"hub-{n}",
                boot=b"b" * 16,
                nonce=b"n" * 16,
                n=1 + n,
                streams={},
                heard=now,
                every=30,
                release="2026.11",
            )
            db.execute(
                "insert into hubs (hub, identity, name, tags, enrolled_at, revoked_at, seen_at, state, state_at) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (f"hub-{n}", key.public_key().public_bytes_raw() + n.to_bytes(4, "big"), f"École {n}", "[]",
                 now - 1e6, now if n == 11 else None, heard, None if heard is None else sign_state(state, key), heard),
            )  # fmt: skip
