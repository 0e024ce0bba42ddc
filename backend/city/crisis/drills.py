"""Drills: a crisis that is only rehearsed. It has a log, measures and declarations of its own, numbered by the drill.

While one is on, whatever a person does on the pages of the room belongs to it; hubs, alerts and temperatures shown are
the real ones. When it ends, or its time is over, what was real before is there again, unchanged.
"""

from __future__ import annotations

import math

from backend.city.crisis import log
from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Drill
from backend.storage.city.database import Reader, Transaction
from hub.core.errors import HubError
from hub.core.text import phrase

LONGEST_S = 24 * 3600.0
MAX_TITLE = 100


def begin(t: Transaction, title: str, *, who: str, now: float, seconds: float) -> Drill:
    """Begin a drill, noted in the real log and in its own. Raises HubError where one is on already."""
    title = title.strip()
    if not title or len(title) > MAX_TITLE:
        raise HubError(phrase("crisis-drill-title", "the title of a drill has 1 to {most} characters", most=MAX_TITLE))
    if not math.isfinite(seconds) or not 60.0 <= seconds <= LONGEST_S:
        raise HubError(phrase("crisis-drill-time", "a drill lasts between one minute and 24 hours"))
    number = t.next("crisis_drill")  # first: until this transaction ends, nobody else begins one
    if tables.drill(t, now) is not None:
        raise HubError(phrase("crisis-drill-on", "a drill is on already: end it first"))
    made = Drill(number, title, who, now, now + seconds, None)
    tables.begin_drill(t, made)
    for chain in (0, number):
        log.note(t, chain, now, who, "drill", title, {"drill": number, "begins": True, "until": made.expires})
    return made


def end(t: Transaction, *, who: str, now: float) -> Drill:
    """End the drill that is on. Raises HubError where there is none."""
    one = tables.drill(t, now)
    if one is None or not tables.end_drill(t, one.id, now):
        raise HubError(phrase("crisis-no-drill", "no drill is on"))
    for chain in (one.id, 0):
        log.note(t, chain, now, who, "drill", one.title, {"drill": one.id, "begins": False})
    return one


def number_of(r: Reader, now: float) -> int:
    """Return the number of the drill that is on, 0 without one."""
    one = tables.drill(r, now)
    return 0 if one is None else one.id
