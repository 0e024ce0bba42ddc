"""BTHome v2 objects: every object id, its metric and its encoding.

Source: bthome.io/format (BTHome v2), tables "Sensor data", "Binary sensor data", "Events", "Device
information" and "Misc data", with the object ids added up to 0x65. A number is `raw * multiplier / divisor` in
the metric's own unit, computed on integers, so that it is the double nearest to the decimal the sensor meant.
Units that differ from the catalogue's are converted here: lb to kg, m to mm, mL to L.
"""

from __future__ import annotations

from enum import Enum
from itertools import chain
from typing import NamedTuple

import hub
from hub.sdk.metric_names import numbered, of_plugin

SAME = 8
"""Maximum values of one metric in a packet: the second is `temperature_2`, the eighth `temperature_8`."""


class Kind(Enum):
    """Encoding of an object's value."""

    NUMBER = "number"
    FLAG = "flag"
    BUTTON = "button"
    DIMMER = "dimmer"
    COMMAND = "command"
    TEXT = "text"
    RAW = "raw"
    FIRMWARE = "firmware"
    PACKET_ID = "packet id"


class Object(NamedTuple):
    """An object id. `size` is in bytes; 0 means that a length byte follows the object id."""

    metric: str
    kind: Kind
    size: int
    signed: bool = False
    multiplier: int = 1
    divisor: int = 1


def _uint(metric: str, size: int, divisor: int = 1, multiplier: int = 1) -> Object:
    return Object(metric, Kind.NUMBER, size, False, multiplier, divisor)


def _sint(metric: str, size: int, divisor: int = 1, multiplier: int = 1) -> Object:
    return Object(metric, Kind.NUMBER, size, True, multiplier, divisor)


def _flag(metric: str) -> Object:
    return Object(metric, Kind.FLAG, 1)


OBJECTS: dict[int, Object] = {
    0x00: Object("", Kind.PACKET_ID, 1),
    0x01: _uint("battery", 1),
    0x02: _sint("temperature", 2, 100),
    0x03: _uint("humidity", 2, 100),
    0x04: _uint("pressure", 3, 100),
    0x05: _uint("illuminance", 3, 100),
    0x06: _uint("mass", 2, 100),
    0x07: _uint("mass", 2, 10_000_000_000, 45_359_237),  # pounds: 1 lb is 0.45359237 kg by definition
    0x08: _sint("dew_point", 2, 100),
    0x09: _uint("count", 1),
    0x0A: _uint("energy", 3, 1000),
    0x0B: _uint("power", 3, 100),
    0x0C: _uint("voltage", 2, 1000),
    0x0D: _uint("pm2_5", 2),
    0x0E: _uint("pm10", 2),
    0x0F: _flag("generic_flag"),
    0x10: _flag("powered"),
    0x11: _flag("opening"),
    0x12: _uint("co2", 2),
    0x13: _uint("tvoc", 2),
    0x14: _uint("moisture", 2, 100),
    0x15: _flag("battery_low"),
    0x16: _flag("charging"),
    0x17: _flag("co_detected"),
    0x18: _flag("cold"),
    0x19: _flag("connectivity"),
    0x1A: _flag("door"),
    0x1B: _flag("garage_door"),
    0x1C: _flag("gas_detected"),
    0x1D: _flag("heat"),
    0x1E: _flag("light"),
    0x1F: _flag("lock"),
    0x20: _flag("leak"),
    0x21: _flag("motion"),
    0x22: _flag("moving"),
    0x23: _flag("occupancy"),
    0x24: _flag("plugged"),
    0x25: _flag("presence"),
    0x26: _flag("fault"),
    0x27: _flag("running"),
    0x28: _flag("safe"),
    0x29: _flag("smoke"),
    0x2A: _flag("sound"),
    0x2B: _flag("tamper"),
    0x2C: _flag("vibration"),
    0x2D: _flag("window"),
    0x2E: _uint("humidity", 1),
    0x2F: _uint("moisture", 1),
    0x3A: Object("button", Kind.BUTTON, 1),
    0x3B: Object("command", Kind.COMMAND, 0),
    0x3C: Object("dimmer", Kind.DIMMER, 2),
    0x3D: _uint("count", 2),
    0x3E: _uint("count", 4),
    0x3F: _sint("rotation", 2, 10),
    0x40: _uint("distance", 2),
    0x41: _uint("distance", 2, 1, 100),  # 0.1 m
    0x42: _uint("duration", 3, 1000),
    0x43: _uint("current", 2, 1000),
    0x44: _uint("speed", 2, 100),
    0x45: _sint("temperature", 2, 10),
    0x46: _uint("uv_index", 1, 10),
    0x47: _uint("volume", 2, 10),
    0x48: _uint("volume", 2, 1000),  # mL
    0x49: _uint("volume_flow", 2, 1000),
    0x4A: _uint("voltage", 2, 10),
    0x4B: _uint("gas", 3, 1000),
    0x4C: _uint("gas", 4, 1000),
    0x4D: _uint("energy", 4, 1000),
    0x4E: _uint("volume", 4, 1000),
    0x4F: _uint("water", 4, 1000),
    0x50: _uint("timestamp", 4),
    0x51: _uint("acceleration", 2, 1000),
    0x52: _uint("gyroscope", 2, 1000),
    0x53: Object("text", Kind.TEXT, 0),
    0x54: Object("raw", Kind.RAW, 0),
    0x55: _uint("volume_storage", 4, 1000),
    0x56: _uint("conductivity", 2),
    0x57: _sint("temperature", 1),
    0x58: _sint("temperature", 1, 100, 35),
    0x59: _sint("count", 1),
    0x5A: _sint("count", 2),
    0x5B: _sint("count", 4),
    0x5C: _sint("power", 4, 100),
    0x5D: _sint("current", 2, 1000),
    0x5E: _uint("direction", 2, 100),
    0x5F: _uint("precipitation", 2, 10),
    0x60: _uint("channel", 1),
    0x61: _uint("rotational_speed", 2),
    0x62: _sint("velocity", 4, 1_000_000),
    0x63: _sint("linear_acceleration", 4, 1_000_000),
    0x64: _uint("light_level", 1),
    0x65: _uint("settings_revision", 1),
    0xF0: _uint("device_type", 2),
    0xF1: Object("firmware", Kind.FIRMWARE, 4),
    0xF2: Object("firmware", Kind.FIRMWARE, 3),
}

BUTTON_EVENTS = {
    0x01: "press",
    0x02: "double_press",
    0x03: "triple_press",
    0x04: "long_press",
    0x05: "long_double_press",
    0x06: "long_triple_press",
    0x80: "hold_press",
    0x81: "hold_release",
}
"""Events by code. 0x00 is "no event": a placeholder for a button, so that the next one keeps its own name."""

COMMANDS = {0x00: "off", 0x01: "on", 0x02: "toggle", 0x03: "step_up", 0x04: "step_down"}

_OWN = of_plugin(
    "bluetooth",
    hub.Metric(
        key="timestamp", unit="s", resolution="1", low=0, high=4_294_967_295, device_class="timestamp",
        en="Sensor's own timestamp",
    ),
    hub.Metric(key="channel", resolution="1", low=0, high=255, en="Channel"),
    hub.Metric(
        key="rotational_speed", unit="{rev}/min", resolution="1", low=0, high=65535, state_class="measurement",
        en="Rotational speed",
    ),
    hub.Metric(
        key="velocity", unit="m/s", resolution="0.000001", low=-2200, high=2200, device_class="speed",
        state_class="measurement", en="Signed speed",
    ),
    hub.Metric(
        key="linear_acceleration", unit="m/s2", resolution="0.000001", low=-2200, high=2200, state_class="measurement",
        en="Signed acceleration",
    ),
    hub.Metric(
        key="light_level", resolution="1", low=0, high=255, state_class="measurement", privacy="environment",
        en="Light level (sensor's own scale)",
    ),
    hub.Metric(
        key="settings_revision", resolution="1", low=0, high=255, en="Settings revision"
    ),
    hub.Metric(key="device_type", resolution="1", low=0, high=65535, en="Device type id"),
    hub.Metric(key="command", resolution="1", kind="text", privacy="personal", en="Command event"),
)  # fmt: skip


def _numbered() -> tuple[hub.Metric, ...]:
    known = {**hub.METRICS, **{metric.key: metric for metric in _OWN}}
    keys = dict.fromkeys(item.metric for item in OBJECTS.values() if item.metric)
    return tuple(numbered(known[key], f"{key}_{n}", n) for key in keys for n in range(2, SAME + 1))


METRICS: tuple[hub.Metric, ...] = tuple(chain(_OWN, _numbered()))
"""Metrics that BTHome adds to the catalogue: its own, and the second to the eighth value of every metric."""
