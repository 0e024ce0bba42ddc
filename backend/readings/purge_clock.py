"""The backend's own clock, judged before retention deletes by it.

A clock that is once 400 days ahead would have every personal reading deleted. So the moment of the last look at
retention is kept in the database, and a clock that went further since then than time did is believed by the size of its
step:

    up to 8 days     as it is: a backend that was off over a holiday
    up to 60 days    when more than half of the hubs that spoke within the last day date their newest reading within a
                     day of it
    more             when a person says so: `ilot backend retention DIRECTORY --clock-is-right`

Until then nothing is deleted, and an alarm says why. A clock that is behind deletes less and is no danger to what is
there; but what arrives would be dated too early, and count as old once the clock is right: a backend whose clock is
more than a day behind does not start.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from backend.hubs.alarms import raise_alarm
from backend.storage.engine import Storage
from hub.core.errors import NotReady
from hub.core.text import Phrase, phrase

DAY_S = 86_400.0
QUIET_STEP_S = 8 * DAY_S
AGREED_STEP_S = 60 * DAY_S
ALARM = "clock"


class PurgeClock:
    """Judges the clock of one backend. `monotonic` counts seconds also while nobody changes a clock."""

    def __init__(self, storage: Storage, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._storage, self._monotonic = storage, monotonic
        self._known: float | None = None
        self._at = 0.0

    def believes(self, now: float) -> bool:
        """Return whether retention may delete by `now`, Unix seconds. Inside a transaction."""
        known = self._storage.notes.believed()
        if known is None:  # a database of a former version, or a new one
            newest = self._storage.records.newest_arrival()
            known = min(newest, now) if newest is not None else now
        passed = self._monotonic() - self._at if known == self._known else 0.0
        step = now - known - passed
        if step > QUIET_STEP_S and not (step <= AGREED_STEP_S and self._hubs_agree(now)):
            raise_alarm(self._storage, ALARM, "", _ahead(known))
            return False
        if now >= known:
            believe(self._storage, now)
            self._known, self._at = now, self._monotonic()
        return True

    def _hubs_agree(self, now: float) -> bool:
        newest = self._storage.series.newest_of_hubs(now - DAY_S, now)
        return 2 * sum(abs(one - now) <= DAY_S for one in newest) > len(newest)


def believe(storage: Storage, now: float) -> None:
    """Note that this moment is believed, and end the alarm of a clock that was not. Inside a transaction."""
    storage.notes.believe(now)
    storage.alarms.clear_kind(ALARM, now)


def check_start(storage: Storage, now: float) -> None:
    """Raise NotReady where the clock is more than a day behind what was believed last."""
    known = storage.notes.believed()
    if known is not None and now < known - DAY_S:
        raise NotReady(
            phrase(
                "backend-clock-behind",
                "this machine's clock says {now}, but this backend ran on {known} already: set the clock. If it is"
                " right, run `ilot backend retention DIRECTORY --clock-is-right`",
                now=_day(now),
                known=_day(known),
            )
        )


def _ahead(known: float) -> Phrase:
    return phrase(
        "backend-clock-ahead",
        "this machine's clock went far ahead of {known}, the last moment that was sure: nothing is deleted by its age."
        " Set the clock; if it is right, run `ilot backend retention DIRECTORY --clock-is-right`",
        known=_day(known),
    )


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
