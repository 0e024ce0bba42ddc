"""The simulated town: its services, sectors and sites, twenty hubs with their devices, and what these measure. Pure.

All that a device measures follows from its name and the moment, so that the past can be told as well as the present.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from hub.core.model import Position
from hub.protocol.records.rows import Column, Row, Shape, Subject

NAME = "Rive-sur-Aubette"
LATITUDE, LONGITUDE = 47.052, 5.905
DAY_S = 86_400.0
SERVICES = {
    "proprete": "Propreté urbaine",
    "batiments": "Bâtiments",
    "voirie": "Voirie et éclairage",
    "eaux": "Eaux et rivières",
}
SECTORS = ("nord-est", "nord-ouest", "sud-ouest", "sud-est")
"""Quarters between river and main street, from the east to the left."""
RADIUS = 0.021, 0.029
"""Degrees of latitude and longitude from the middle to the town's border."""
RIVER_LOW_M = 2.0
"""Below it the river is where it should be."""
PROVIDER = "lora-rive"
"""Company whose radio sensors these are."""

ROOM = Shape((
    Column("temperature", "Cel", "0.01", device_class="temperature", state_class="measurement", privacy="environment"),
    Column("humidity", "%", "0.1", device_class="humidity", state_class="measurement", privacy="environment"),
    Column("co2", "[ppm]", "1", device_class="carbon_dioxide", state_class="measurement", privacy="personal"),
))  # fmt: skip
METER = Shape((
    Column("energy", "kW.h", "0.001", device_class="energy", state_class="total_increasing", privacy="technical"),
    Column("power", "W", "1", device_class="power", state_class="measurement", privacy="technical"),
))  # fmt: skip
PLANT = Shape((
    Column("flow_temperature", "Cel", "0.1", device_class="temperature", state_class="measurement",
           privacy="technical"),
    Column("return_temperature", "Cel", "0.1", device_class="temperature", state_class="measurement",
           privacy="technical"),
))  # fmt: skip
WATER = Shape((Column("water", "L", "1", device_class="water", state_class="total_increasing", privacy="technical"),))
LAMP = Shape((
    Column("light", kind="flag", device_class="light", privacy="technical"),
    Column("power", "W", "0.1", device_class="power", state_class="measurement", privacy="technical"),
))  # fmt: skip
BIN = Shape((
    Column("fill_level", "%", "0.1", state_class="measurement", privacy="technical"),
    Column("battery", "%", "1", device_class="battery", state_class="measurement", privacy="technical"),
))  # fmt: skip
SPOT = Shape((Column("occupancy", kind="flag", device_class="occupancy", privacy="personal"),))
RIVER = Shape((Column("water_level", "m", "0.001", state_class="measurement", privacy="technical"),))
WEATHER = Shape((
    Column("temperature", "Cel", "0.01", device_class="temperature", state_class="measurement", privacy="environment"),
    Column("precipitation", "mm", "0.1", state_class="measurement", privacy="environment"),
    Column("pressure", "hPa", "0.1", device_class="atmospheric_pressure", state_class="measurement",
           privacy="environment"),
))  # fmt: skip
DUST = Shape((
    Column("pm10", "ug/m3", "0.1", device_class="pm10", state_class="measurement", privacy="environment"),
    Column("pm2_5", "ug/m3", "0.1", device_class="pm25", state_class="measurement", privacy="environment"),
))  # fmt: skip


class Device(NamedTuple):
    """A device: what it is, where it stands when that is not its site, and whether it drives about."""

    subject: Subject
    shape: Shape
    where: tuple[float, float] | None = None
    mobile: bool = False
    privacy: str = ""
    """The class that the operator gives it, "" for that of its readings."""


class Site(NamedTuple):
    """A site with a hub."""

    id: str
    name: str
    kind: str
    service: str
    latitude: float
    longitude: float
    tags: tuple[str, ...]
    devices: tuple[Device, ...]


def sites() -> list[Site]:
    """Return the twenty sites."""
    return [*_buildings(), *_streets()]


def rows(site: Site, now: float, changed: dict[str, dict[str, float | bool]]) -> Iterator[Row]:
    """Yield what the devices of a site report at a moment, Unix s. `changed`: device → values by metric, for what the
    story wants otherwise."""
    for one in site.devices:
        values = {**measured(one, now), **changed.get(one.subject.device, {})}
        where = Position(*route(one.subject.device, now)) if one.mobile else None
        yield Row(
            one.subject, one.shape, int(now * 1000), True, tuple(values[column.metric] for column in one.shape.columns),
            0, 1, position=where,
        )  # fmt: skip


def measured(one: Device, now: float) -> dict[str, float | bool]:
    """Return what a device measures at a moment, by metric."""
    seed = zlib.crc32(one.subject.device.encode())
    turn = 2 * math.pi * (now % DAY_S) / DAY_S
    day, wave = -math.cos(turn), math.sin(turn * 5 + seed % 100)
    busy = max(0.0, day) * (1 + wave) / 2
    offset = seed % 17 / 10
    hours = now / 3600
    night = day < -0.2
    found: dict[str, float | bool] = {
        "humidity": round(48 + 6 * wave, 1), "co2": round(430 + 900 * busy),
        "energy": round(1000 + hours % 100_000 * (3 + offset), 3), "power": round(1800 + 2600 * busy + 90 * offset),
        "flow_temperature": round(52 + 6 * wave, 1), "return_temperature": round(38 + 4 * wave, 1),
        "water": round(hours % 100_000 * (40 + 9 * offset)), "light": night,
        "fill_level": round((hours * (1.1 + offset / 3) + seed % 70) % 78, 1), "battery": float(60 + seed % 40),
        "occupancy": (hours * 2 + seed % 13) % 3 < 1 + 1.6 * busy, "water_level": round(1.1 + 0.12 * wave, 3),
        "precipitation": 0.0, "pressure": round(1013 + 7 * math.sin(hours / 31), 1),
        "pm10": round(14 + 16 * busy + 2 * offset, 1), "pm2_5": round(8 + 9 * busy + offset, 1),
        "temperature": round((9 + 6 * day if one.shape is WEATHER else 19.5 + offset / 2) + 0.8 * wave, 2),
    }  # fmt: skip
    if one.shape is LAMP:
        found["power"] = round(38 + offset, 1) if night else 0.4
    return found


def route(device: str, now: float) -> tuple[float, float]:
    """Return where a vehicle is at a moment: latitude and longitude of a loop through the town."""
    turn = now / 900 + zlib.crc32(device.encode()) % 7
    return LATITUDE + 0.012 * math.sin(turn), LONGITUDE + 0.014 * math.cos(turn * 0.7)


def services_csv() -> str:
    return "id,name\n" + "".join(f"{one},{name}\n" for one, name in SERVICES.items())


def sectors_geojson() -> str:
    features = []
    for n, name in enumerate(SECTORS):
        border = [(math.cos(turn), math.sin(turn)) for turn in (math.pi / 2 * (n + step / 12) for step in range(13))]
        spoke, next_spoke = _spoke(n), _spoke(n + 1)
        ring = [*spoke, *border, *reversed(next_spoke)]
        shape = {"type": "Polygon", "coordinates": [[_on_earth(*one) for one in [*ring, ring[0]]]]}
        features.append({"type": "Feature", "properties": {"id": name, "name": name}, "geometry": shape})
    return json.dumps({"type": "FeatureCollection", "features": features})


def _spoke(n: int) -> list[tuple[float, float]]:
    """Return a line from the middle to the border: of the river to the east and west, of the street to the others."""
    bend = 0.13 if n % 2 == 0 else 0.04
    points = []
    for step in range(9):
        along, aside = step / 9, bend * math.sin(step / 9 * 5)
        turn = math.pi / 2 * n
        points.append((
            along * math.cos(turn) - aside * math.sin(turn), along * math.sin(turn) + aside * math.cos(turn),
        ))  # fmt: skip
    return points


def _on_earth(x: float, y: float) -> list[float]:
    return [round(LONGITUDE + x * RADIUS[1], 6), round(LATITUDE + y * RADIUS[0], 6)]


def sites_csv() -> str:
    lines = (
        f"{one.id},{one.name},{one.latitude:.6f},{one.longitude:.6f},{one.service},{one.kind}\n" for one in sites()
    )
    return "id,name,lat,lon,service,kind\n" + "".join(lines)


def things_csv(hubs: dict[str, str]) -> str:
    """Return what the operator says of things; `hubs`: site → its hub."""
    lines = []
    for site in sites():
        for one in site.devices:
            if one.where or one.privacy:
                lat, lon = (f"{one.where[0]:.6f}", f"{one.where[1]:.6f}") if one.where else ("", "")
                provider = PROVIDER if one.subject.integration == "lorawan" else ""
                lines.append(f"{hubs[site.id]},{one.subject.device},{provider},{one.privacy},{lat},{lon}\n")
    return "hub,device,provider,privacy,lat,lon\n" + "".join(lines)


def _buildings() -> Iterator[Site]:
    schools = ("Jean-Jaurès", "Louis-Pergaud", "Marie-Curie", "Jules-Ferry", "Victor-Hugo")
    for n, name in enumerate(schools):
        one = f"ecole-{name.lower().replace('è', 'e')}"
        yield _site(one, f"École {name}", "school", "batiments", n, [
            *(_device(one, f"ble:{n}{room}", f"salle-{room}", "bluetooth", ROOM) for room in range(1, 7)),
            _device(one, f"linky:{n}", "compteur", "linky", METER),
            _device(one, f"modbus:{n}", "chaufferie", "modbus", PLANT),
        ])  # fmt: skip
    others = (("gymnase", "Gymnase des Tilleuls", "gym"), ("mairie", "Hôtel de ville", "town-hall"),
              ("mediatheque", "Médiathèque", "library"))  # fmt: skip
    for n, (one, name, kind) in enumerate(others, 5):
        yield _site(one, name, kind, "batiments", n, [
            *(_device(one, f"ble:{n}{room}", f"salle-{room}", "bluetooth", ROOM) for room in range(1, 4)),
            _device(one, f"linky:{n}", "compteur", "linky", METER),
        ])  # fmt: skip
    yield _site("piscine", "Piscine des Saules", "pool", "batiments", 8, [
        _device("piscine", "ble:81", "bassin", "bluetooth", ROOM), _device("piscine", "mbus:8", "eau", "mbus", WATER),
        _device("piscine", "linky:8", "compteur", "linky", METER),
        _device("piscine", "modbus:8", "chaufferie", "modbus", PLANT),
    ])  # fmt: skip


def _streets() -> Iterator[Site]:
    for n, (part, of) in enumerate((("centre", "du centre"), ("gare", "de la gare"), ("nord", "nord")), 9):
        one = f"eclairage-{part}"
        yield _site(one, f"Armoire d'éclairage {of}", "cabinet", "voirie", n, [
            _device(one, f"lampe:{part}-{lamp}", f"lampadaire-{part}-{lamp}", "knx", LAMP, _along(n, lamp))
            for lamp in range(1, 9)
        ], ("feeder:" + part,))  # fmt: skip
    for n, (part, of) in enumerate((("marche", "du marché"), ("berges", "des berges"), ("plateau", "du plateau")), 12):
        one = f"bacs-{part}"
        yield _site(one, f"Bacs {of}", "gateway", "proprete", n, [
            _device(one, f"lorawan:{part}-{bin_}", f"bac-{part}-{bin_}", "lorawan", BIN, _along(n, bin_))
            for bin_ in range(1, 13)
        ], ("operator:lora-rive",))  # fmt: skip
    for n, (part, of) in enumerate((("halles", "des halles"), ("gare", "de la gare")), 15):
        one = f"parking-{part}"
        yield _site(one, f"Parking {of}", "car-park", "voirie", n, [
            _device(one, f"place:{part}-{spot}", f"parking-{part}-{spot}", "lorawan", SPOT, _along(n, spot, 0.00006),
                    privacy="public")
            for spot in range(1, 16)
        ], ("operator:lora-rive",))  # fmt: skip
    yield _site("pont-vieux", "Échelle du Pont-Vieux", "river-gauge", "eaux", 17, [
        _device("pont-vieux", "sdi:river", "aubette", "modbus", RIVER, privacy="public"),
    ])  # fmt: skip
    yield _site("stade", "Station météo du stade", "stadium", "eaux", 18, [
        _device("stade", "modbus:meteo", "meteo-stade", "modbus", WEATHER, privacy="public"),
    ])  # fmt: skip
    yield _site("depot", "Centre technique", "depot", "proprete", 19, [
        Device(Subject(f"lorawan:benne-{n}", f"benne-{n}-air", "depot", "", "air", "lorawan"), DUST, None, True,
               "public")
        for n in (1, 2)
    ])  # fmt: skip


def _device(
    site: str,
    name: str,
    place: str,
    integration: str,
    shape: Shape,
    where: tuple[float, float] | None = None,
    privacy: str = "",
) -> Device:
    return Device(Subject(name, place, site, "", "", integration), shape, where, False, privacy)


def _site(
    one: str, name: str, kind: str, service: str, n: int, devices: list[Device], tags: tuple[str, ...] = ()
) -> Site:
    latitude, longitude = _place(n)
    return Site(one, name, kind, service, latitude, longitude, tags, tuple(devices))


def _place(n: int) -> tuple[float, float]:
    """Return where a site is: on a spiral around the town's middle."""
    turn, far = n * 2.4, 0.0036 * math.sqrt(n + 0.6)
    return LATITUDE + far * math.sin(turn), LONGITUDE + 1.2 * far * math.cos(turn)


def _along(n: int, step: int, apart: float = 0.0006) -> tuple[float, float]:
    """Return where the thing of this number stands, along a street that begins at a site."""
    latitude, longitude = _place(n)
    return latitude + step * apart * math.sin(n), longitude + step * apart * math.cos(n)
