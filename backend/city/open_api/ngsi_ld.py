"""Things and sites as NGSI-LD entities of the Smart Data Models: export alone, in normalised form. Pure.

    waste-container  WasteContainer        street-light  Streetlight       weather  WeatherObserved
    air              AirQualityObserved    parking-spot  ParkingSpot       any      Device
    a site           Building

Each thing is a Device; those of a kind above are also an entity of their model, with `refDevice`. Only what was
measured and has a place in the model is told; a share is 0 … 1 there, where a metric is in per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from backend.city.open_api.times import time_text

CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
_CONTEXT = "https://raw.githubusercontent.com/smart-data-models/{subject}/master/context.jsonld"
TYPES = {
    "WasteContainer": "dataModel.WasteManagement",
    "AirQualityObserved": "dataModel.Environment",
    "Streetlight": "dataModel.Streetlighting",
    "ParkingSpot": "dataModel.Parking",
    "Device": "dataModel.Device",
    "Building": "dataModel.Building",
    "WeatherObserved": "dataModel.Weather",
}
MODEL_OF = {
    "waste-container": "WasteContainer", "air": "AirQualityObserved", "street-light": "Streetlight",
    "parking-spot": "ParkingSpot", "weather": "WeatherObserved",
}  # fmt: skip
"""Models of kinds of things, besides Device."""
_CONTROLLED = {
    "temperature": "temperature", "humidity": "humidity", "pressure": "atmosphericPressure", "co2": "co2",
    "fill_level": "fillingLevel", "sound_level": "soundPressureLevel", "illuminance": "light", "occupancy": "occupancy",
    "precipitation": "precipitation", "speed": "windSpeed", "direction": "windDirection", "battery": "batteryLife",
    "energy": "energy", "power": "power", "water": "waterConsumption", "gas": "gasConsumption",
    "water_level": "waterLevel", "motion": "motion", "door": "openCloseState", "window": "openCloseState",
    "pm2_5": "airPollution", "pm10": "airPollution", "people": "occupancy",
}  # fmt: skip


class Newest(NamedTuple):
    """The newest reading of a metric."""

    value: Any
    unit: str
    time_ms: int


class ThingToTell(NamedTuple):
    """A thing, with its newest readings by metric."""

    id: int
    hub: str
    device: str
    kind: str
    name: str
    site: str
    status: str
    provider: str
    point: tuple[float, float] | None
    seen_ms: int | None
    newest: Mapping[str, Newest]


class Rule(NamedTuple):
    """How a metric becomes an attribute; `code` is the unit's UN/CEFACT code. `value` gives None for what the model
    cannot say."""

    metric: str
    attribute: str
    code: str
    value: Callable[[Any], Any]


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _share(value: Any) -> Any:
    number = _number(value)
    return None if number is None else round(min(1.0, max(0.0, number / 100)), 6)


def _occupied(value: Any) -> Any:
    return ("occupied" if value else "free") if isinstance(value, bool | int | float) else "unknown"


def _power(value: Any) -> Any:
    return ("on" if value else "off") if isinstance(value, bool | int | float) else None


_AIR = (
    Rule("temperature", "temperature", "CEL", _number), Rule("humidity", "relativeHumidity", "C62", _share),
    Rule("pm10", "pm10", "GQ", _number), Rule("pm2_5", "pm25", "GQ", _number), Rule("co2", "co2", "59", _number),
    Rule("no2", "no2", "GQ", _number), Rule("o3", "o3", "GQ", _number), Rule("so2", "so2", "GQ", _number),
    Rule("precipitation", "precipitation", "", _number),
)  # fmt: skip
RULES: dict[str, tuple[Rule, ...]] = {
    "WasteContainer": (
        Rule("fill_level", "fillingLevel", "C62", _share),
        Rule("temperature", "temperature", "CEL", _number),
    ),
    "AirQualityObserved": _AIR,
    "Streetlight": (
        Rule("light", "powerState", "", _power), Rule("powered", "powerState", "", _power),
        Rule("dimmer", "illuminanceLevel", "C62", _share),
    ),
    "ParkingSpot": (Rule("occupancy", "status", "", _occupied), Rule("presence", "status", "", _occupied)),
    "WeatherObserved": (
        Rule("temperature", "temperature", "CEL", _number), Rule("humidity", "relativeHumidity", "C62", _share),
        Rule("pressure", "atmosphericPressure", "A97", _number), Rule("speed", "windSpeed", "MTS", _number),
        Rule("direction", "windDirection", "DD", _number), Rule("precipitation", "precipitation", "", _number),
        Rule("irradiance", "solarRadiation", "D54", _number), Rule("dew_point", "dewPoint", "CEL", _number),
        Rule("illuminance", "illuminance", "LUX", _number),
    ),
}  # fmt: skip


def context(models: Sequence[str]) -> list[str]:
    """Return the `@context` of entities of these models."""
    return [*sorted({_CONTEXT.format(subject=TYPES[model]) for model in models}), CORE]


def entities(thing: ThingToTell) -> list[dict[str, Any]]:
    """Return the entities of a thing: its Device, then the one of its model."""
    model = MODEL_OF.get(thing.kind)
    found = [_device(thing)]
    if model is not None and (made := _modelled(thing, model)) is not None:
        found.append(made)
    return found


def building(site: str, name: str, address: str, kind: str, point: tuple[float, float] | None) -> dict[str, Any]:
    """Return a site as a Building."""
    known = {"school": "school", "hospital": "hospital", "church": "church", "museum": "museum", "hotel": "hotel"}
    made: dict[str, Any] = {"id": urn("Building", site), "type": "Building"}
    made["name"] = _property(name or site)
    made["address"] = _property({"streetAddress": address, "addressCountry": "FR"})
    made["category"] = _property([known.get(kind, "public")])
    if point is not None:
        made["location"] = _place(point)
    return made


def urn(model: str, name: str) -> str:
    return f"urn:ngsi-ld:{model}:{quote(name, safe='-._~:')}"


def thing_urn(model: str, thing: ThingToTell) -> str:
    return urn(model, f"{thing.hub}:{thing.device}")


def _modelled(thing: ThingToTell, model: str) -> dict[str, Any] | None:
    """Return the entity of a model; None where the model demands what is not known."""
    made: dict[str, Any] = {"id": thing_urn(model, thing), "type": model, "name": _property(thing.name)}
    newest = [one.time_ms for one in thing.newest.values()]
    for rule in RULES[model]:
        reading = thing.newest.get(rule.metric)
        value = None if reading is None else rule.value(reading.value)
        if reading is not None and value is not None and rule.attribute not in made:
            made[rule.attribute] = _property(value, reading.time_ms, rule.code)
    if thing.point is None:
        return None
    made["location"] = _place(thing.point)
    device = thing_urn("Device", thing)
    if model in ("AirQualityObserved", "WeatherObserved"):
        if not newest:
            return None
        made["dateObserved"] = _property(time_text(max(newest)))
        made["refDevice"] = {"type": "Relationship", "object": device}
    else:
        made["refDevice"] = {"type": "Relationship", "object": [device]}
    if model == "WasteContainer":
        made["serialNumber"] = _property(thing.device)
    if model == "Streetlight":
        broken = [metric for metric in ("fault", "alarm") if (one := thing.newest.get(metric)) and one.value is True]
        made["status"] = _property("defectiveLamp" if broken else "ok")
    if model == "ParkingSpot":
        made.setdefault("status", _property("unknown"))
        made["category"] = _property(["onstreet"])
        made["refParkingSite"] = {"type": "Relationship", "object": urn("Building", thing.site)}
    return made


def _device(thing: ThingToTell) -> dict[str, Any]:
    measured = sorted({_CONTROLLED[metric] for metric in thing.newest if metric in _CONTROLLED})
    made: dict[str, Any] = {"id": thing_urn("Device", thing), "type": "Device", "name": _property(thing.name)}
    made["category"] = _property(["sensor"])
    made["controlledProperty"] = _property(measured or ["other"])
    made["serialNumber"] = _property(thing.device)
    if thing.status:
        made["deviceState"] = _property(thing.status)
    if thing.provider:
        made["provider"] = _property(thing.provider)
    if thing.newest:
        pairs = [f"{metric}={_text(one.value)}" for metric, one in sorted(thing.newest.items())]
        made["value"] = _property(";".join(pairs))
        made["dateLastValueReported"] = _property(time_text(max(one.time_ms for one in thing.newest.values())))
    if thing.point is not None:
        made["location"] = _place(thing.point)
    return made


def _property(value: Any, time_ms: int | None = None, code: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"type": "Property", "value": value}
    if time_ms is not None:
        made["observedAt"] = time_text(time_ms)
    if code:
        made["unitCode"] = code
    return made


def _place(point: tuple[float, float]) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(point)}}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
