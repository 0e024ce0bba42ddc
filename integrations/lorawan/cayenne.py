"""Cayenne LPP: a self-describing payload → readings. Pure.

    channel 1 | type 1 | value of the size that its type implies, big-endian          several in a row

Types 0 to 136 of myDevices' "Cayenne Low Power Payload" 1.x, and those that ElectronicCats' CayenneLPP library added
(100, 116 to 133, 142), which The Things Stack reads too. A metric on channel 1 has its plain name, `temperature`; on
channel n it is `temperature_n`. The meaning of a digital or analog channel is known to its owner only: it counts as
personal data until configured otherwise. An unknown type ends the payload, because its size is not known.
"""

from __future__ import annotations

from typing import NamedTuple

import hub
from hub.sdk.metric_names import numbered, of_plugin
from hub.sdk.phrases import phrase

Value = float | int | bool


class Field(NamedTuple):
    """`size` bytes; the value is raw × `multiplier` / `divisor`."""

    metric: str
    size: int
    signed: bool = False
    divisor: float = 1
    multiplier: float = 1
    flag: bool = False


G = 9.80665
TYPES: dict[int, tuple[Field, ...]] = {
    0: (Field("digital_input", 1),),
    1: (Field("digital_output", 1),),
    2: (Field("analog_input", 2, True, 100),),
    3: (Field("analog_output", 2, True, 100),),
    100: (Field("generic", 4),),
    101: (Field("illuminance", 2),),
    102: (Field("presence", 1, flag=True),),
    103: (Field("temperature", 2, True, 10),),
    104: (Field("humidity", 1, False, 2),),
    113: tuple(Field(f"acceleration_{axis}", 2, True, 1000, G) for axis in "xyz"),
    115: (Field("pressure", 2, False, 10),),
    116: (Field("voltage", 2, False, 100),),
    117: (Field("current", 2, False, 1000),),
    118: (Field("frequency", 4),),
    120: (Field("percentage", 1),),
    121: (Field("altitude", 2, True),),
    125: (Field("concentration", 2),),
    128: (Field("power", 2),),
    130: (Field("distance", 4),),
    131: (Field("energy", 4, False, 1000),),
    132: (Field("direction", 2),),
    133: (Field("timestamp", 4),),
    134: tuple(Field(f"gyroscope_{axis}", 2, True, 100) for axis in "xyz"),
    142: (Field("switch", 1, flag=True),),
}
POSITION = 136
_POSITION_SIZE = 9

_GYROSCOPE = "metric-gyroscope"
"""Code of a name that the hub's catalogue has."""
_OWN = of_plugin(
    "lorawan",
    hub.Metric(key="digital_input", resolution="1", privacy="personal", en="Digital input"),
    hub.Metric(key="digital_output", resolution="1", privacy="personal", en="Digital output"),
    hub.Metric(key="analog_input", privacy="personal", en="Analog input"),
    hub.Metric(key="analog_output", privacy="personal", en="Analog output"),
    hub.Metric(key="generic", resolution="1", privacy="personal", en="Value"),
    hub.Metric(key="percentage", unit="%", resolution="1", low=0, high=255, privacy="personal", en="Percentage"),
    hub.Metric(key="altitude", unit="m", resolution="1", low=-1000, high=20000, en="Altitude"),
    hub.Metric(key="concentration", unit="[ppm]", resolution="1", low=0, high=65535, privacy="personal",
               en="Concentration"),
    hub.Metric(key="timestamp", unit="s", resolution="1", low=0, en="Timestamp"),
    *(hub.Metric(key=f"gyroscope_{axis}", unit="deg/s", low=-10000, high=10000, en="Angular rate",
                 code=_GYROSCOPE, number=axis.upper()) for axis in "xyz"),
    hub.Metric(key="switch", resolution="1", kind="flag", privacy="personal", en="Switch"),
)  # fmt: skip
METRICS = {**hub.METRICS, **{metric.key: metric for metric in _OWN}}
"""Every metric a payload may hold, by its plain name."""


class Read(NamedTuple):
    """The outcome of decoding. `metrics`: those that are not in the catalogue. `skipped`: slugs of values that gave no
    reading."""

    values: dict[str, Value]
    metrics: tuple[hub.Metric, ...]
    position: hub.Position | None
    skipped: tuple[str, ...]


def decode(payload: bytes) -> Read:
    """Decode a payload.

    Raises DecodeError `truncated` when the last value is cut, because then none of the lengths can be trusted; and
    `unknown-lpp-type-…` when the first type is unknown."""
    values: dict[str, Value] = {}
    metrics: dict[str, hub.Metric] = {}
    position: hub.Position | None = None
    skipped: list[str] = []
    at = 0
    while at < len(payload):
        kind = payload[at + 1] if at + 1 < len(payload) else None
        if kind is None:
            raise hub.DecodeError("truncated", phrase("lorawan.lpp-channel-without-type", "a channel without a type"))
        fields = TYPES.get(kind)
        if fields is None and kind != POSITION:
            skipped.append(f"unknown-lpp-type-{kind}")
            break
        size = sum(field.size for field in fields) if fields is not None else _POSITION_SIZE
        body = payload[at + 2 : at + 2 + size]
        if len(body) < size:
            raise hub.DecodeError(
                "truncated", phrase("lorawan.lpp-value-cut-short", "a value of type {kind} is cut short", kind=kind)
            )
        if fields is None:
            position, slug = _position(body)
            skipped += [slug] if slug else []
        else:
            _take(values, metrics, fields, body, payload[at])
        at += 2 + size
    if skipped and not values and position is None:
        raise hub.DecodeError(
            skipped[0], phrase("lorawan.lpp-rest-unreadable", "nothing else in the payload can be read")
        )
    return Read(values, tuple(metrics.values()), position, tuple(skipped))


def _take(
    values: dict[str, Value], metrics: dict[str, hub.Metric], fields: tuple[Field, ...], body: bytes, channel: int
) -> None:
    for field in fields:
        raw = int.from_bytes(body[: field.size], "big", signed=field.signed)
        body = body[field.size :]
        key = field.metric if channel == 1 else f"{field.metric}_{channel}"
        scaled = field.divisor != 1 or field.multiplier != 1
        values[key] = raw != 0 if field.flag else raw * field.multiplier / field.divisor if scaled else raw
        if key not in hub.METRICS:
            known = METRICS[field.metric]
            metrics[key] = known if channel == 1 else numbered(known, key, channel)


def _position(body: bytes) -> tuple[hub.Position | None, str]:
    latitude, longitude, altitude = (int.from_bytes(body[i : i + 3], "big", signed=True) for i in (0, 3, 6))
    if abs(latitude) > 900_000 or abs(longitude) > 1_800_000:
        return None, "bad-position"
    return hub.Position(latitude / 10_000, longitude / 10_000, altitude=altitude / 100), ""
