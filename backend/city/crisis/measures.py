"""Measures, crews and heat profiles: each holds until a moment that was set when it was taken, or until it is ended.

Nothing has to run for a measure to expire: what its time is over for is not read any more. The task beside only writes
the line of the log that says so.
"""

from __future__ import annotations

import json
import math
from typing import Any

from backend.city.crisis import log
from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Isolated, Measure
from backend.storage.city.database import Transaction
from hub.core.errors import HubError
from hub.core.text import phrase

MEASURE, CREW, HEAT = "measure", "crew", "heat"
SHORTEST_S, LONGEST_S = 60.0, 31 * 86_400.0
LOW_C, HIGH_C = 15.0, 60.0
"""Bounds of the threshold of a heat profile, °C."""
MAX_TEXT = 300
CLOCK = "clock"
"""Who ended a measure whose time was over."""


def take(
    t: Transaction, kind: str, text: str, facts: dict[str, Any], *, who: str, now: float, expires: float, drill: int
) -> Measure:
    """Take a measure until a moment (Unix seconds), and write it into the log. Raises HubError."""
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise HubError(phrase("crisis-measure-text", "a measure has 1 to {most} characters", most=MAX_TEXT))
    if not math.isfinite(expires) or not now + SHORTEST_S <= expires <= now + LONGEST_S:
        raise HubError(
            phrase(
                "crisis-expiry-wrong", "a measure ends by itself: between one minute and {days} days from now", days=31
            )
        )
    if kind == HEAT:
        threshold = facts.get("threshold")
        if not isinstance(threshold, float) or not LOW_C <= threshold <= HIGH_C:
            raise HubError(
                phrase(
                    "crisis-threshold-wrong",
                    "the threshold lies between {low:g} and {high:g} °C",
                    low=LOW_C,
                    high=HIGH_C,
                )
            )
    number = t.next("crisis_measure")
    made = Measure(number, drill, kind, text, json.dumps(facts, ensure_ascii=False), who, now, expires, None, "")
    tables.add_measure(t, made)
    log.note(t, drill, now, who, kind, text, {"measure": number, "until": expires, **facts})
    return made


def end(t: Transaction, number: int, *, who: str, now: float, drill: int) -> None:
    """End a measure before its time. Raises HubError where none of this drill, or of real life, holds any more."""
    found = tables.measure(t, number)
    if found is None or found.drill != drill or found.expires <= now or not tables.end_measure(t, number, now, who):
        raise HubError(phrase("crisis-measure-over", "this measure does not hold any more"))
    log.note(t, drill, now, who, "end", found.text, {"measure": number})


def note_expired(t: Transaction, now: float) -> int:
    """Write into the log which measures are over; return how many."""
    over = tables.expired_measures(t, now)
    for one in over:
        tables.end_measure(t, one.id, one.expires, CLOCK)
        log.note(t, one.drill, now, CLOCK, "end", one.text, {"measure": one.id, "expired": one.expires})
    return len(over)


def declare_isolated(t: Transaction, hub: str, why: str, *, who: str, now: float, drill: int) -> None:
    """Note that somebody on the spot isolated a hub. It lasts until the hub is heard again. Raises HubError."""
    why = why.strip()
    if not why or len(why) > MAX_TEXT:
        raise HubError(
            phrase("crisis-isolated-why", "say who told it and why, in 1 to {most} characters", most=MAX_TEXT)
        )
    tables.declare_isolated(t, drill, Isolated(hub, now, who, why))
    log.note(t, drill, now, who, "hub", why, {"hub": hub, "isolated": True})


def heard_again(t: Transaction, hubs: dict[str, float], now: float) -> list[str]:
    """Take back real declarations of hubs that spoke after they were made; `hubs`: hub → last state (Unix seconds)."""
    back = [one for one in tables.isolated(t, 0) if hubs.get(one.hub, 0.0) > one.at]
    for one in back:
        tables.undeclare(t, 0, one.hub)
        log.note(t, 0, now, CLOCK, "hub", one.hub, {"hub": one.hub, "isolated": False})
    return [one.hub for one in back]


def undeclare(t: Transaction, hub: str, *, who: str, now: float, drill: int) -> None:
    """Take a declaration back by hand. Raises HubError where there is none."""
    if not tables.undeclare(t, drill, hub):
        raise HubError(phrase("crisis-not-declared", "nobody declared this hub isolated"))
    log.note(t, drill, now, who, "hub", hub, {"hub": hub, "isolated": False})
