"""The building on the overview: which values of a place are its main ones, its trend, its comfort, and the order of the
tiles. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from hub.automation.alerts.lifecycle import SEVERITIES
from hub.core.metric_catalogue import METRICS
from hub.core.model import LastValue
from hub.page_kit.formatting import YES_NO

MOST_VALUES = 3
ALARMS = ("smoke", "co_detected", "gas_detected", "leak", "fault", "alarm")
"""Flags that come before everything else while they are true."""
MAIN = (
    "temperature", "co2", "humidity", "power", "fill_level", "flow_temperature", "return_temperature", "setpoint",
    "valve_position", "running", "door", "window", "opening", "garage_door", "lock", "light", "people", "occupancy",
    "presence", "motion", "water_level", "distance", "water_pressure", "volume_flow", "energy", "water", "gas",
    "volume", "pm2_5", "pm10", "radon", "tvoc", "sound_level", "illuminance", "irradiance", "moisture",
    "precipitation", "speed", *ALARMS, "cpu_temperature", "memory_used", "disk_used", "disk_free", "cpu_load",
)  # fmt: skip
"""What people ask of a place, most often asked first."""
LAST = frozenset({
    "battery", "battery_days", "battery_voltage", "battery_low", "availability", "link_margin", "tx_power",
    "acceleration_x", "acceleration_y", "acceleration_z", "firmware", "text", "raw",
})  # fmt: skip
"""Metrics shown last: they tell of the device, not of its place."""
_RANKS = {key: rank for rank, key in enumerate(MAIN)}
_NUMBERED = re.compile(r"_\d+$")

ROOMS = (
    "bureau", "office", "classe", "classroom", "enseignement", "teaching", "école", "ecole", "school", "réunion",
    "reunion", "meeting", "biblioth", "library", "librar", "crèche", "creche", "nurser",
)  # fmt: skip
"""Beginnings of the words by which a zone's `use` says that its rooms are for work or rest while seated."""
SPARK_WIDTH, SPARK_HEIGHT = 100.0, 24.0
_EDGE = 2.0
LEAST_POINTS = 3


class Scale(NamedTuple):
    """The limits of comfort of a metric; `words` and `states` are those below `low`, between, and above `high`."""

    low: float
    high: float
    words: tuple[str, str, str]
    states: tuple[str, str, str]

    def at(self, value: float) -> int:
        """Return 0 below `low`, 1 between, 2 above `high`."""
        return 0 if value < self.low else 2 if value > self.high else 1


COMFORT = {
    # EN 16798-1:2019, annex B, category II: rooms for sedentary activity, heated to 20 and cooled to 26 degrees
    "temperature": Scale(20.0, 26.0, ("comfort-cool", "comfort-good", "comfort-warm"), ("waiting", "green", "waiting")),
    # arrêté of 27 December 2022 on the direct reading of CO2 (code de l'environnement, R221-30)
    "co2": Scale(800.0, 1500.0, ("air-good", "air-fair", "air-poor"), ("green", "waiting", "trouble")),
}


class Spark(NamedTuple):
    """A trend as a path of SVG in a box of SPARK_WIDTH × SPARK_HEIGHT, with its lowest and its highest value."""

    path: str
    low: float
    high: float


class Tile(NamedTuple):
    """A place. `state`: the worst of its devices, "green" or "trouble"; `alert`: the open one of the highest severity;
    `alerts`: how many are open."""

    place: str
    zone: str
    devices: tuple[str, ...]
    state: str
    alert: Mapping[str, Any] | None = None
    alerts: int = 0

    @property
    def urgent(self) -> bool:
        return self.alert is not None or self.state != "green"


def main_values(values: Iterable[LastValue], most: int = MOST_VALUES) -> list[LastValue]:
    """Return the values to show of a place, the most important first. A second one of a kind (`temperature_2`) comes
    after the first ones of all kinds; those of LAST are shown where there is nothing else."""

    def rank(value: LastValue) -> tuple[bool, bool, int, str]:
        key = _kind(value.metric)
        alarm = key in ALARMS and value.value is True
        return (not alarm, value.metric != key, _RANKS.get(key, len(_RANKS)), value.metric)

    some = list(values)
    return sorted([one for one in some if _kind(one.metric) not in LAST] or some, key=rank)[:most]


def _kind(metric: str) -> str:
    """Return the key without its number: `temperature` of `temperature_2`."""
    return _NUMBERED.sub("", metric)


def is_room(use: str) -> bool:
    """Return whether the `use` of a zone means rooms that people stay in, and not a plant or the outside."""
    return any(word.startswith(ROOMS) for word in re.findall(r"[^\W\d_]+", use.casefold()))


def comfort_scale(value: LastValue, *, room: bool) -> Scale | None:
    """Return the scale by which a value is judged; None where no norm says anything of it: a temperature is judged only
    in a `room` where people stay."""
    judged = isinstance(value.value, int | float) and not isinstance(value.value, bool)
    if not judged or (value.metric == "temperature" and not room):
        return None
    return COMFORT.get(value.metric)


def told(
    values: Iterable[LastValue],
    now: float,
    *,
    room: bool = False,
    said: Callable[[str, str], tuple[str, str]] = lambda device, metric: YES_NO,
) -> list[dict[str, Any]]:
    """Return values as data, with their age in seconds (None: not known), their comfort (None: no norm says one), and
    the words of a flag's two values, which `said` returns for a device and a metric."""
    found = []
    for value in values:
        scale = comfort_scale(value, room=room)
        at = scale.at(float(value.value)) if scale is not None else 0
        found.append(
            {
                **msgspec.to_builtins(value),
                "age_s": None if value.time is None else max(0.0, now - value.time),
                "words": said(value.device, value.metric),
                "comfort": None
                if scale is None
                else {**scale._asdict(), "word": scale.words[at], "state": scale.states[at]},
            }
        )
    return found


def tiles(
    places: Mapping[str, tuple[str, str]],
    devices: Iterable[tuple[str, str, bool]],
    trouble: Iterable[str],
    alerts: Iterable[Mapping[str, Any]],
    zones: Mapping[str, str],
    rooms: Set[str] = frozenset(),
) -> list[Tile]:
    """Return the tiles in their order: those with an alert, the most severe first, then those in trouble, then the
    others by zone and name, `rooms` before other zones.

    `places`: id → (name, zone); `devices`: (id, place, whether it has values); `zones`: id → name. A place has a tile
    when one of its devices has values, is in trouble, or it has an alert.
    """
    bad, there = set(trouble), dict[str, list[tuple[str, bool]]]()
    for device, place, heard in devices:
        there.setdefault(place, []).append((device, heard))
    place_of = {device: place for place, some in there.items() for device, _ in some}
    open_: dict[str, list[Mapping[str, Any]]] = {}
    for alert in alerts:
        open_.setdefault(alert["place"] or place_of.get(alert["device"], ""), []).append(alert)
    found = []
    for place, some in there.items():
        here = open_.get(place, [])
        here.sort(key=lambda one: (-SEVERITIES.index(one["severity"]), -one["raised"]))
        silent = any(device in bad for device, _ in some)
        if here or silent or any(heard for _, heard in some):
            zone = places.get(place, ("", ""))[1]
            names = tuple(device for device, heard in some if heard) or tuple(device for device, _ in some)
            state = "trouble" if silent else "green"
            found.append(Tile(place, zone, names, state, here[0] if here else None, len(here)))
    return sorted(found, key=lambda tile: _order(tile, places, zones, rooms))


def _order(
    tile: Tile, places: Mapping[str, tuple[str, str]], zones: Mapping[str, str], rooms: Set[str]
) -> tuple[Any, ...]:
    severity = -1 if tile.alert is None else SEVERITIES.index(tile.alert["severity"])
    name = (places.get(tile.place, ("", ""))[0] or tile.place).casefold()
    zone = (0, "") if tile.urgent else (_rank_of_zone(tile.zone, rooms), zones.get(tile.zone, tile.zone).casefold())
    return (-severity, tile.state == "green", *zone, tile.zone if zone[0] else "", _natural(name), tile.place)


def _rank_of_zone(zone: str, rooms: Set[str]) -> int:
    return 3 if not zone else 1 if zone in rooms else 2


@lru_cache(maxsize=4096)
def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts « Salle 2 » before « Salle 10 »; the names of a building hardly change."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]{1,9})", name)]


def grouped(shown: Sequence[Tile]) -> list[tuple[str | None, list[Tile]]]:
    """Return consecutive tiles as (zone, its tiles), the urgent ones as (None, them)."""
    groups: list[tuple[str | None, list[Tile]]] = []
    for tile in shown:
        zone = None if tile.urgent else tile.zone
        if not groups or groups[-1][0] != zone:
            groups.append((zone, []))
        groups[-1][1].append(tile)
    return groups


def trend_of(values: Iterable[LastValue]) -> LastValue | None:
    """Return the value whose trend is drawn: the first number, of a counter only where there is nothing else."""
    numbers = [one for one in values if isinstance(one.value, int | float) and not isinstance(one.value, bool)]
    counted = {one.series for one in numbers if _counter(one.metric)}
    return next(iter(sorted(numbers, key=lambda one: one.series in counted)), None)


def _counter(metric: str) -> bool:
    known = METRICS.get(_kind(metric))
    return known is not None and known.state_class.startswith("total")


def spark(points: Sequence[Sequence[Any]], begin: float, end: float) -> Spark | None:
    """Draw (Unix second, value or None) of [begin, end]; None where too little is known. Silence stays blank."""
    known = [value for _, value in points if value is not None]
    if len(known) < LEAST_POINTS or end <= begin:
        return None
    low, high = min(known), max(known)

    def at(point: Sequence[Any]) -> str:
        across = min(SPARK_WIDTH, max(0.0, (point[0] - begin) / (end - begin) * SPARK_WIDTH))
        share = (high - point[1]) / (high - low) if high > low else 0.5
        return f"{across:.1f} {_EDGE + share * (SPARK_HEIGHT - 2 * _EDGE):.1f}"

    path, drawn = "", False
    for one, after in pairwise([*points, (end, None)]):
        if one[1] is not None:
            alone = not drawn and after[1] is None
            path += f"{'L' if drawn else 'M'}{at(one)}{'h.1' if alone else ''}"
        drawn = one[1] is not None
    return Spark(path, low, high)
