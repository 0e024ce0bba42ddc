"""All things with their states, as the map shows them: one picture of the register and the open alerts, in memory.

Answers are made of it for a set of things that a query with the viewer's scope returned.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from backend.city.pages import position
from backend.city.pages.columns import MICRO, Columns
from backend.storage.city.map import Pin
from backend.storage.city.register import HEARD

OK, SILENT, INFO, WARNING, CRITICAL = range(5)
STATES = ("ok", "silent", "info", "warning", "critical")
"""Names of the states, the worst last: also of their words and marks."""
LAYERS = (
    "waste", "air", "water", "energy", "lighting", "parking", "traffic", "weather", "gtb", "networks", "other",
)  # fmt: skip
_SEVERITIES = {"info": INFO, "warning": WARNING, "critical": CRITICAL}
_LAYER = {name: number for number, name in enumerate(LAYERS)}
COARSE, MOBILE = 1, 2
"""Flags of a thing on the map."""

Alert = Mapping[str, Any]


class Change(NamedTuple):
    """Difference of a board to the one before it: numbers of things that look different, and alerts that are new or
    have another state."""

    things: frozenset[int]
    alerts: tuple[Alert, ...]


NOTHING = Change(frozenset(), ())


class Board:
    """Things, their states and the open alerts at one look. It never changes: `after` makes the next one."""

    def __init__(self, pins: Sequence[Pin] = (), alerts: Sequence[Alert] = (), former: Board | None = None) -> None:
        self.pins = {pin.id: pin for pin in pins}
        self.alerts = list(alerts)
        self.stamp = 0
        """Another one with whatever the map shows."""
        self._of_device = {(pin.hub, pin.device): pin.id for pin in pins}
        self._of_place: dict[tuple[str, str], list[int]] = {}
        for pin in pins:
            self._of_place.setdefault((pin.hub, pin.place), []).append(pin.id)
        known = {} if former is None else former._folded
        before = {} if former is None else former.pins
        self._folded: dict[int, str] = {
            pin.id: known[pin.id]
            if pin.id in known and _named(before[pin.id]) == _named(pin)
            else folded(" ".join(_named(pin)))
            for pin in pins
        }
        self._states = self._judged()

    def after(self, pins: Sequence[Pin] | None, alerts: Sequence[Alert]) -> tuple[Board, Change]:
        """Return the next board, of these things (None: the same) and open alerts, and the difference."""
        if pins is None and self.alerts == alerts:
            return self, NOTHING
        made = Board(list(self.pins.values()) if pins is None else pins, alerts, self)
        things = frozenset(
            number
            for number in made.pins.keys() | self.pins.keys()
            if made.state(number) != self.state(number) or _look(made.pins.get(number)) != _look(self.pins.get(number))
        )
        known = {(one["hub"], one["alert"]): one for one in self.alerts}
        raised = tuple(one for one in alerts if known.get((one["hub"], one["alert"])) != one)
        made.stamp = self.stamp + 1 if things or raised or len(alerts) != len(self.alerts) else self.stamp
        return made, Change(things, raised)

    def state(self, number: int) -> int:
        """Return the worst that is open of a thing."""
        return self._states.get(number, OK)

    def things_of(self, alert: Alert) -> list[int]:
        """Return the numbers of the things that an alert is about: of its device, else of its place."""
        if alert["device"]:
            one = self._of_device.get((alert["hub"], alert["device"]))
            return [] if one is None else [one]
        return self._of_place.get((alert["hub"], alert["place"]), []) if alert["place"] else []

    def alerts_of(self, some: Collection[int]) -> list[Alert]:
        """Return the open alerts about any of these things, the worst and newest first."""
        found = [one for one in self.alerts if any(number in some for number in self.things_of(one))]
        return sorted(found, key=lambda one: (-_SEVERITIES.get(one["severity"], INFO), -one["raised_at"]))

    def counts(self, some: Iterable[int]) -> tuple[Counter[str], Counter[str]]:
        """Return how many of these things each layer has, and each state."""
        known = [number for number in some if number in self.pins]
        layers = Counter(layer_of(self.pins[number]) for number in known)
        return layers, Counter(STATES[self.state(number)] for number in known)

    def listed(
        self, some: Collection[int], *, q: str = "", layer: str = "", state: str = "", site: str = "", hub: str = ""
    ) -> list[int]:
        """Return the numbers of these things that match, the worst first, then by name."""
        words = folded(q).split()[:8]
        found = [
            number
            for number, pin in self.pins.items()
            if number in some
            and (not layer or layer_of(pin) == layer)
            and (not state or STATES[self.state(number)] == state)
            and (not site or pin.site == site)
            and (not hub or pin.hub == hub)
            and all(word in self._folded[number] for word in words)
        ]
        return sorted(found, key=lambda number: (-self.state(number), folded(self.pins[number].name), number))

    def columns(self, some: Collection[int], classes: Collection[str]) -> Columns:
        """Return things with a position by columns."""
        pins = [pin for pin in self.pins.values() if pin.lat is not None and pin.id in some]
        placed = [self._placed(pin, classes) for pin in pins]
        return Columns(
            [pin.id for pin in pins], [lat for lat, _, _ in placed], [lon for _, lon, _ in placed],
            bytes(_LAYER[layer_of(pin)] for pin in pins), bytes(self.state(pin.id) for pin in pins),
            bytes(flag for _, _, flag in placed),
        )  # fmt: skip

    def moved(
        self, changed: Collection[int], some: Collection[int], before: Collection[int], classes: Collection[str]
    ) -> list[list[int]]:
        """Return what an open map has to change: a line for each of `some` things that changed or was not among those
        `before`, and the mere number of each that was and is no more."""
        told = list[list[int]]()
        fresh = set() if some is before else set(some) - set(before)
        left = set() if some is before else set(before) - set(some)
        for number in sorted({*changed, *fresh, *left}):
            pin = self.pins.get(number)
            if pin is not None and pin.lat is not None and number in some:
                lat, lon, flag = self._placed(pin, classes)
                told.append([number, lat, lon, _LAYER[layer_of(pin)], self.state(number), flag])
            elif number in before:
                told.append([number])
        return told

    def nowhere(self, some: Iterable[int]) -> int:
        """Return how many of these things have no position."""
        return sum(1 for number in some if (pin := self.pins.get(number)) is not None and pin.lat is None)

    def _placed(self, pin: Pin, classes: Collection[str]) -> tuple[int, int, int]:
        coarse = position.is_coarse(pin.privacy, pin.mobile, classes)
        lat, lon = position.shown(pin.lat or 0.0, pin.lon or 0.0, coarse=coarse)
        return round(lat * MICRO), round(lon * MICRO), (COARSE if coarse else 0) + (MOBILE if pin.mobile else 0)

    def _judged(self) -> dict[int, int]:
        found = {number: SILENT for number, pin in self.pins.items() if pin.status != HEARD}
        for alert in self.alerts:
            severity = _SEVERITIES.get(alert["severity"], INFO)
            for number in self.things_of(alert):
                found[number] = max(severity, found.get(number, OK))
        return found


def layer_of(pin: Pin) -> str:
    return pin.layer if pin.layer in _LAYER else "other"


def folded(text: str) -> str:
    """Return a text without accents and capitals, as people search."""
    if text.isascii():
        return text.lower()
    return "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))


def _look(pin: Pin | None) -> object:
    return pin and (pin.lat, pin.lon, pin.layer, pin.privacy, pin.mobile)


def _named(pin: Pin) -> tuple[str, ...]:
    return pin.name, pin.site_name, pin.address, pin.device, pin.hub
