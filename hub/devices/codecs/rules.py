"""Rules by which the concepts of a name make a metric, and the values that are proof of its unit. Pure data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Usual(NamedTuple):
    """Values that tell the unit where no other unit is likely: all between `low` and `high`, the largest at least
    `least`. `whole`: all are whole numbers; False: one at least is not."""

    low: float
    high: float
    unit: str
    least: float | None = None
    whole: bool | None = None


def within(numbers: Sequence[float], usual: Usual) -> bool:
    """Return whether all numbers are those of a usual unit."""
    low, high = min(numbers), max(numbers)
    if low < usual.low or high > usual.high or (usual.least is not None and high < usual.least):
        return False
    return usual.whole is None or usual.whole == all(number == int(number) for number in numbers)


class Option(NamedTuple):
    """A metric that a rule may mean.

    `usual`: values that are proof enough without a unit; `own`: values that are taken in the metric's own unit where a
    shipped pack promises it; `doubtful`: whatever else is known, only a person can say.
    """

    metric: str
    usual: tuple[Usual, ...] = ()
    own: tuple[float, float] | None = None
    doubtful: bool = False


class Rule(NamedTuple):
    """Concepts that make a metric, together with any of `also`. `beside`: what else the codec's names must tell, one at
    least; `always`: even where a unit is given."""

    needs: frozenset[str]
    options: tuple[Option, ...]
    also: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    always: bool = False


def _rule(needs: str, *options: Option | str, also: str = "", beside: str = "", always: bool = False) -> Rule:
    made = tuple(Option(one) if isinstance(one, str) else one for one in options)
    return Rule(frozenset(needs.split()), made, frozenset(also.split()), frozenset(beside.split()), always)


def _maybe(metric: str) -> Option:
    return Option(metric, doubtful=True)


_ANY = (-1e9, 1e9)
_PERCENT = (Usual(0, 100, "%", least=1.5),)
_ROOM = (Usual(-40, 44.9, "°C"),)
_PLANT = (Usual(5, 120, "°C"),)
_DUST = (Usual(0, 1000, "ug/m3"),)
_AIR = Option("pressure", (Usual(850, 1100, "hPa"), Usual(85_000, 110_000, "Pa")), (300, 1200))
_LEVEL = Option("battery", (Usual(0, 100, "%", least=38),), (5.01, 100))
_CELL = Option("battery_voltage", (Usual(1.5, 4.5, "V", whole=False), Usual(1500, 5000, "mV", whole=True)))
_CELLS = Option("battery_voltage", (Usual(1.2, 30, "V"), Usual(1500, 30_000, "mV", whole=True)), (0.1, 100))
_VOLTS = Option(
    "voltage", (Usual(1.8, 5.5, "V"), Usual(10, 15, "V"), Usual(22, 29, "V"), Usual(85, 480, "V")), (0, 500)
)
_METER = "current total meter supplied active index"
_FLAG = "state alarm detected"
_AMBIENT = "air external indoor"
_PLACE = "pipe inlet outlet leaf floor wall"
_THERMOSTAT = "setpoint thermostat valve heating humidity"
_NEEDS_COMPANY = "mains_voltage"

RULES: tuple[Rule, ...] = (
    # air, room and ground
    _rule(
        "temperature", Option("temperature", _ROOM, _ANY), also=f"{_AMBIENT} {_PLACE} soil surface water tank current"
    ),
    _rule("setpoint temperature", Option("setpoint", (Usual(5, 35, "°C"),), _ANY), also="current heating air"),
    _rule("target temperature", Option("setpoint", (Usual(5, 35, "°C"),), _ANY), beside=_THERMOSTAT, always=True),
    _rule("setpoint", _maybe("setpoint")),
    _rule("target", _maybe("setpoint")),
    _rule("dew", Option("dew_point", _ROOM, _ANY), also="point temperature air"),
    _rule("flow temperature", Option("flow_temperature", _PLANT, _ANY), also="supply water current heating heat"),
    _rule("supply temperature", Option("flow_temperature", _PLANT, _ANY), also="water heating heat", beside="return"),
    _rule("return temperature", Option("return_temperature", _PLANT, _ANY), also="flow water current heating heat"),
    _rule("humidity", Option("humidity", _PERCENT, (1, 100)), also=f"{_AMBIENT} relative current"),
    _rule("humidity soil", Option("moisture", _PERCENT, _ANY), also="relative current"),
    _rule("moisture", Option("moisture", _PERCENT, _ANY), also="soil relative water"),
    _rule("soil water", Option("moisture", _PERCENT, _ANY)),
    _rule("content volumetric water", Option("moisture", (Usual(1.5, 100, "%"),)), also="soil"),
    _rule("barometric pressure", _AIR, also=f"{_AMBIENT} relative"),
    _rule("air pressure", _AIR),
    _rule("barometric", _AIR, also="air"),
    _rule("pressure", _AIR, _maybe("water_pressure"), beside="temperature humidity co2"),
    _rule("pressure water", Option("water_pressure")),
    _rule("co2", Option("co2", (Usual(250, 10_000, "ppm"),), _ANY), also=f"{_AMBIENT} concentration level"),
    _rule("eco2", _maybe("co2")),
    _rule("voc", Option("tvoc"), also="air total concentration level"),
    _rule("pm1", Option("pm1", _DUST, _ANY), also="mass concentration"),
    _rule("pm2_5", Option("pm2_5", _DUST, _ANY), also="mass concentration"),
    _rule("pm10", Option("pm10", _DUST, _ANY), also="mass concentration"),
    _rule("radon", Option("radon"), also="air concentration"),
    _rule("illuminance", Option("illuminance", (Usual(0, 200_000, "lx"),), _ANY), also=f"{_AMBIENT} light"),
    _rule("light", Option("illuminance", (Usual(0, 200_000, "lx", least=101),), _ANY), also=f"{_AMBIENT} intensity"),
    _rule("sound", Option("sound_level", (Usual(25, 130, "dB"),), _ANY), also="air level pressure"),
    _rule("index uv", Option("uv_index", (Usual(0, 20, ""),), _ANY), also="solar"),
    _rule("wind speed", Option("speed"), also="air"),
    _rule("speed", Option("speed"), also="gps"),
    _rule("direction wind", Option("direction", (Usual(0, 360, "°"),), _ANY)),
    _rule("heading", _maybe("direction")),
    _rule("rain", Option("precipitation"), also="total"),
    _rule("radiation", Option("irradiance"), also="solar"),
    _rule(
        "conductivity", Option("conductivity", (Usual(50, 50_000, "uS/cm", whole=True),)), also="electrical soil water"
    ),
    # the device itself
    _rule("battery", _LEVEL, _CELL, also="level"),
    _rule("battery voltage", _CELLS, also="level supply"),
    _rule("battery low", Option("battery_low"), also="voltage level state alarm"),
    _rule("charging", Option("charging"), also=f"{_FLAG} battery"),
    _rule("firmware", Option("firmware"), also="version"),
    _rule("press", Option("button"), also="button state"),
    _rule("button", Option("button"), also="state"),
    _rule("tamper", Option("tamper"), also=f"{_FLAG} box"),
    _rule("alarm", _maybe("alarm"), also="state"),
    _rule("error", _maybe("fault")),
    # quantities
    _rule("distance", Option("distance", (Usual(0, 20_000, "mm", least=1500, whole=True),))),
    _rule("fill level", Option("fill_level", _PERCENT, _ANY), also="tank water"),
    _rule("fill", _maybe("fill_level")),
    _rule("level water", Option("water_level")),
    _rule("depth water", _maybe("water_level")),
    _rule("level", _maybe("fill_level"), _maybe("water_level")),
    _rule("mass", Option("mass")),
    _rule("count", Option("count"), also="total"),
    _rule("counter", Option("count"), also="total", beside="numbered_counter"),
    _rule("pulse", Option("count"), also="count counter total"),
    _rule("in people total", Option("people_in"), also="count line"),
    _rule("out people total", Option("people_out"), also="count line"),
    _rule("in total", Option("people_in"), also="line", beside="in_period"),
    _rule("out total", Option("people_out"), also="line", beside="in_period"),
    _rule("count in", _maybe("people_in"), also="line"),
    _rule("count out", _maybe("people_out"), also="line"),
    _rule("count people", Option("people"), also="all current"),
    # energy and fluids
    _rule("voltage", _VOLTS, also="mains supply external line"),
    _rule("current", Option("current", (Usual(0, 100, "A", whole=False),)), also="mains", beside=_NEEDS_COMPANY),
    _rule("power", Option("power", (Usual(0, 20_000, "W"),)), also="active mains current total", beside=_NEEDS_COMPANY),
    _rule("apparent power", Option("apparent_power"), also="mains current total"),
    _rule("power reactive", Option("reactive_power"), also="mains current total"),
    _rule(
        "factor power",
        Option("power_factor", (Usual(-1, 1, ""), Usual(-100, 100, "%/100", least=2, whole=True))),
        also="mains total",
    ),
    _rule(
        "factor",
        Option("power_factor", (Usual(-1, 1, "", whole=False), Usual(-100, 100, "%/100", least=2, whole=True))),
        beside=_NEEDS_COMPANY,
        always=True,
    ),
    _rule("frequency", Option("frequency", (Usual(45, 65, "Hz"),), _ANY), also="mains"),
    _rule("energy", Option("energy"), also=f"{_METER} heat"),
    _rule("volume", Option("volume"), also="current total"),
    _rule("water", Option("water"), also=f"{_METER} volume"),
    _rule("gas", Option("gas"), also=f"{_METER} volume"),
    _rule("flow", Option("volume_flow"), also="rate volume water current"),
    _rule("position valve", Option("valve_position", _PERCENT, _ANY), also="current"),
    _rule("open valve", Option("valve_position", _PERCENT, _ANY), also="position current"),
    # states
    _rule("leak", Option("leak"), also=f"{_FLAG} water"),
    _rule("flood", Option("leak"), also=f"{_FLAG} water"),
    _rule("detected liquid", Option("leak"), also=_FLAG),
    _rule("detected water", Option("leak"), also=_FLAG),
    _rule("smoke", Option("smoke"), also=_FLAG),
    _rule("motion", Option("motion"), also=_FLAG),
    _rule("occupancy", Option("occupancy"), also=_FLAG),
    _rule("presence", Option("presence"), also=_FLAG),
    _rule("door", Option("door"), also=f"{_FLAG} open"),
    _rule("window", Option("window"), also=f"{_FLAG} open"),
    _rule("open", Option("opening")),
    _rule("contact", _maybe("opening"), also=f"{_FLAG} open"),
    _rule("vibration", Option("vibration"), also=_FLAG),
)


class Letter(NamedTuple):
    """Concepts that a letter stands for among others of its kind, and the values that it then has."""

    needs: frozenset[str]
    usual: Usual


_T, _RH = Letter(frozenset({"temperature"}), _ROOM[0]), Letter(frozenset({"humidity"}), Usual(1.5, 100, "%"))
LETTERED = {"t": _T, "rh": _RH, "h": _RH, "p": Letter(frozenset({"barometric", "pressure"}), Usual(850, 1100, "hPa"))}
"""Letters of the weather, as codecs of few bytes name it."""

_DIMENSIONS = """
temperature=temperature energy=energy power=power apparent=apparent_power reactive=reactive_power voltage=voltage
current=current frequency=frequency volume=volume flow=volume_flow illuminance=illuminance sound=sound_level
conductivity=conductivity mass=mass length=distance irradiance=irradiance radon=radon
"""
OF_DIMENSION = dict(pair.split("=") for pair in _DIMENSIONS.split())
"""Dimension of a unit → the metric to propose where nothing but the unit is known."""
