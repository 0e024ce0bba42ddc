"""Values that the Bluetooth SIG defines: characteristics of the services Environmental Sensing, Battery and Health
Thermometer, and of generic sensors, as read over a connection or broadcast. Pure.

Sources: Assigned Numbers (16-bit UUIDs), GATT Specification Supplement (types, units, values that mean "not known"),
Environmental Sensing Service 1.0.1, Battery Service 1.1, Health Thermometer Service 1.0.

    section "characteristic:2a6e"    a value read or notified; little-endian
    section "service:2a6e"           service data under the UUID of a characteristic: its value
    section "service:180f"           service data of the Battery Service: the battery level, one byte

No document gives the service data of Environmental Sensing (0x181A) a layout: `integrations.bluetooth.atc` reads the
known ones by their length, any other is refused rather than guessed at. A number is `raw * multiplier / divisor` in
the metric's own unit, computed on integers. Raw values that a characteristic reserves, or that its range prohibits,
give no reading.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import hub
from hub.sdk.metric_names import of_plugin
from hub.sdk.phrases import phrase
from integrations.bluetooth import advert, atc
from integrations.bluetooth.floats import medfloat16, medfloat32

Values = dict[str, float | int | bool | str]


class Kind(Enum):
    """Encoding of a value."""

    NUMBER = "number"
    FLAG = "flag"
    FLOAT = "medfloat16"
    THERMOMETER = "temperature measurement"


class Characteristic(NamedTuple):
    """A characteristic. `size` is in bytes; `low` and `high` are the raw values allowed, both included; `shift` is the
    power of ten from the unit of a medfloat16 to the metric's."""

    metric: str
    size: int
    signed: bool = False
    multiplier: int = 1
    divisor: int = 1
    low: int | None = None
    high: int | None = None
    kind: Kind = Kind.NUMBER
    shift: int = 0


def _uint(metric: str, bits: int, divisor: int = 1, *, high: int | None = None, multiplier: int = 1) -> Characteristic:
    return Characteristic(metric, bits // 8, False, multiplier, divisor, None, high)


def _sint(
    metric: str, bits: int, divisor: int = 1, *, low: int | None = None, high: int | None = None
) -> Characteristic:
    return Characteristic(metric, bits // 8, True, 1, divisor, low, high)


def _concentration(metric: str, shift: int = 9) -> Characteristic:
    """Define a concentration: kg/m3 in a medfloat16, to ug/m3 unless `shift` is given."""
    return Characteristic(metric, 2, kind=Kind.FLOAT, shift=shift)


CHARACTERISTICS: dict[str, Characteristic] = {
    "2a19": _uint("battery", 8, high=100),
    "2a1c": Characteristic("temperature", 5, kind=Kind.THERMOMETER),
    "2a1e": Characteristic("temperature", 5, kind=Kind.THERMOMETER),  # intermediate: the same layout
    "2a6c": _sint("altitude", 24, 100),
    "2a6d": _uint("pressure", 32, 1000),  # 0.1 Pa
    "2a6e": _sint("temperature", 16, 100, low=-27315),
    "2a6f": _uint("humidity", 16, 100, high=10000),
    "2a70": _uint("wind_speed", 16, 100),
    "2a71": _uint("wind_direction", 16, 100, high=35999),
    "2a72": _uint("apparent_wind_speed", 16, 100),
    "2a73": _uint("apparent_wind_direction", 16, 100, high=35999),
    "2a74": _uint("gust_factor", 8, 10),
    "2a75": _uint("pollen", 24),
    "2a76": _uint("uv_index", 8),
    "2a77": _uint("irradiance", 16, 10),
    "2a78": _uint("precipitation", 16),
    "2a79": _sint("wind_chill", 8),
    "2a7a": _sint("heat_index", 8),
    "2a7b": _sint("dew_point", 8),
    "2ae2": Characteristic("generic_flag", 1, kind=Kind.FLAG),
    "2aea": _uint("count", 16, high=0xFFFE),
    "2aeb": _uint("count", 24, high=0xFFFFFE),
    "2aee": _uint("current", 16, 100, high=0xFFFE),
    "2af2": _uint("energy", 24, high=0xFFFFFE),
    "2afb": _uint("illuminance", 24, 100, high=0xFFFFFE),
    "2b05": _uint("power", 24, 10, high=0xFFFFFD),
    "2b0d": _sint("temperature", 8, 2, low=-128, high=126),
    "2b18": _uint("voltage", 16, 64, high=65408),
    "2b1b": _uint("volume_flow", 16, 10_000, high=0xFFFE, multiplier=36),  # 0.001 L/s
    "2b8c": _uint("co2", 16, high=0xFFFD),
    "2ba8": _uint("energy", 32, 1000, high=0xFFFFFFFD),
    "2bcf": _concentration("nh3"),
    "2bd0": _concentration("co"),
    "2bd1": _concentration("ch4", 0),  # parts per billion
    "2bd2": _concentration("no2"),
    "2bd3": _concentration("nmvoc"),
    "2bd4": _concentration("o3"),
    "2bd5": _concentration("pm1"),
    "2bd6": _concentration("pm2_5"),
    "2bd7": _concentration("pm10"),
    "2bd8": _concentration("so2"),
    "2bd9": _concentration("sf6"),
    "2be4": _uint("sound_level", 8, high=0xFD),
    "2be7": _uint("voc", 16, high=0xFFFD),
    "2be8": _uint("frequency", 16, high=0xFFFD),  # 0 is direct current
    "2c1b": _uint("humidity", 8, 2, high=200),
}
"""Characteristics by the shortest name of their UUID, lower case."""


def _air(key: str, unit: str, *, en: str, device_class: str = "", resolution: str = "0.01") -> hub.Metric:
    return hub.Metric(
        key=key,
        unit=unit,
        resolution=resolution,
        low=0,
        high=1e9,
        device_class=device_class,
        state_class="measurement",
        privacy="environment",
        en=en,
    )


def _degrees(key: str, *, en: str) -> hub.Metric:
    return hub.Metric(
        key=key,
        unit="Cel",
        resolution="1",
        low=-100,
        high=150,
        device_class="temperature",
        state_class="measurement",
        privacy="environment",
        en=en,
    )


METRICS: tuple[hub.Metric, ...] = of_plugin(
    "bluetooth",
    hub.Metric(
        key="altitude", unit="m", resolution="0.01", low=-12_000, high=100_000, device_class="distance",
        state_class="measurement", en="Elevation",
    ),
    _air("wind_speed", "m/s", en="Wind speed", device_class="wind_speed"),
    _air("wind_direction", "deg", en="Wind direction"),
    _air("apparent_wind_speed", "m/s", en="Apparent wind speed", device_class="wind_speed"),
    _air("apparent_wind_direction", "deg", en="Apparent wind direction"),
    _air("gust_factor", "1", en="Gust factor", resolution="0.1"),
    _air("pollen", "/m3", en="Pollen count", resolution="1"),
    _degrees("wind_chill", en="Wind chill"),
    _degrees("heat_index", en="Heat index"),
    _air("nh3", "ug/m3", en="Ammonia"),
    _air("co", "ug/m3", en="Carbon monoxide"),
    _air("ch4", "[ppb]", en="Methane"),
    _air("no2", "ug/m3", en="Nitrogen dioxide", device_class="nitrogen_dioxide"),
    _air("nmvoc", "ug/m3", en="Non-methane VOC", device_class="volatile_organic_compounds"),
    _air("o3", "ug/m3", en="Ozone", device_class="ozone"),
    _air("so2", "ug/m3", en="Sulphur dioxide", device_class="sulphur_dioxide"),
    _air("sf6", "ug/m3", en="Sulphur hexafluoride"),
    _air("voc", "[ppb]", en="VOC", device_class="volatile_organic_compounds_parts", resolution="1"),
)  # fmt: skip
"""Metrics that these values add to the catalogue."""

_FAHRENHEIT = 0x01
_PREFIXES = ("characteristic:", "service:")
_OWN = frozenset(prefix + key for key in CHARACTERISTICS for prefix in _PREFIXES)
_BATTERY = "service:180f"
_ENVIRONMENT = "service:181a"


def value(uuid: str, data: bytes) -> Values:
    """Decode a characteristic to its metric and value; empty when the value is not known or not allowed.

    `uuid` is a key of CHARACTERISTICS. Raises DecodeError `truncated` or `too-long` when `data` is not of its size."""
    item = CHARACTERISTICS[uuid]
    if item.kind is Kind.THERMOMETER:
        return _thermometer(uuid, data)
    if len(data) != item.size:
        reason = "truncated" if len(data) < item.size else "too-long"
        raise hub.DecodeError(
            reason,
            phrase(
                "bluetooth.characteristic-size",
                "characteristic {uuid} ({metric}) has {expected} bytes, got {received}",
                uuid=uuid,
                metric=item.metric,
                expected=item.size,
                received=len(data),
            ),
        )
    raw = int.from_bytes(data, "little", signed=item.signed)
    if item.kind is Kind.FLAG:
        return {item.metric: raw == 1} if raw <= 1 else {}
    if item.kind is Kind.FLOAT:
        number = medfloat16(raw, item.shift)
        return {} if number is None or number < 0 else {item.metric: number}
    if (item.low is not None and raw < item.low) or (item.high is not None and raw > item.high):
        return {}
    raw *= item.multiplier
    return {item.metric: raw / item.divisor if item.divisor != 1 else raw}


def _thermometer(uuid: str, data: bytes) -> Values:
    """Decode flags u8 (bit 0: Fahrenheit) | temperature medfloat32 | time stamp and type, not read."""
    if len(data) < 5:
        raise hub.DecodeError(
            "truncated",
            phrase(
                "bluetooth.thermometer-too-short",
                "characteristic {uuid} (temperature) has 5 bytes or more, got {received}",
                uuid=uuid,
                received=len(data),
            ),
        )
    degrees = medfloat32(int.from_bytes(data[1:5], "little"))
    if degrees is None or abs(degrees) > 1e4:
        return {}
    if data[0] & _FAHRENHEIT:
        degrees = round((degrees - 32) * 5 / 9, 2)
    return {"temperature": degrees}


def decode(frame: hub.Frame, keys: Callable[[str], bytes | None]) -> hub.Decoded | None:
    """Read one advertisement, or one value read over a connection. None when it holds nothing of the above.

    Raises DecodeError: `clear-but-keyed`, `unsupported-layout` (Environmental Sensing in an unknown layout), and what
    `value` raises.
    """
    data = frame.data
    own = sorted(_OWN & data.keys())
    if not own and _BATTERY not in data:
        if _ENVIRONMENT in data and len(data[_ENVIRONMENT]) not in atc.LENGTHS:
            length = len(data[_ENVIRONMENT])
            raise hub.DecodeError(
                "unsupported-layout",
                phrase(
                    "bluetooth.unknown-environment-layout",
                    "Environmental Sensing service data of {count} bytes, an unknown layout",
                    count=length,
                ),
            )
        return None
    device = advert.speaker(frame, keys)
    values: Values = {}
    if _BATTERY in data:
        values |= value("2a19", data[_BATTERY])
    for section in own:
        values |= value(section.rpartition(":")[2], data[section])
    return hub.Decoded(device=device, values=values, proof=hub.Proof("gatt"), model="")
