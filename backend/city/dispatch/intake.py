"""Changes of alerts and alarms since the last look, from the backend's own database. Blocking.

Hubs on trial are left out: nobody is called for what a suite of tests sends.

A look asks for what arrived after the last one, with an overlap, since a process that ingests may commit later than it
dated. Every minute all that is open is compared: what is open here and no longer there is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from backend.storage.queries import AlarmLine, Queries
from backend.storage.tables import AlertChange
from hub.core.text import Phrase, from_data
from hub.i18n.catalogues import translate

OVERLAP_S = 30.0
WHOLE_EVERY_S = 60.0
CLEARED_S = 86_400.0
"""A clearing that is older when it arrives is found by the comparison of all that is open."""
ALARM = "alarm:"
SEVERE = frozenset(
    {"forged", "set-back", "old-state", "two-hubs", "nobody-on-duty", "nobody-may-see", "restored", "damaged-state"}
)
"""Kinds of alarms that are critical; others are warnings."""
OPEN, CLEARED = "raised", "cleared"

Known = Mapping[tuple[str, str], tuple[int, str, float]]


class Looked(NamedTuple):
    """Findings of a look. `tags` are those of the hubs, by their ids."""

    changes: list[AlertChange]
    tags: dict[str, Sequence[str]]


class Intake:
    """Looks at one database; `known` says what dispatch has open: (hub, alert) → (n, state, time of change)."""

    def __init__(
        self, queries: Queries, wall: Callable[[], float], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._queries, self._wall, self._monotonic = queries, wall, monotonic
        self._mark = 0.0
        self._whole_at: float | None = None
        self._tags: dict[str, Sequence[str]] = {}

    def look(self, known: Known) -> Looked:
        """Return what changed. Raises StorageError."""
        now, moment = self._wall(), self._monotonic()
        whole = self._whole_at is None or moment - self._whole_at >= WHOLE_EVERY_S
        with self._queries.snapshot() as there:
            mark = 0.0 if whole else min(self._mark, now) - OVERLAP_S
            trials = there.on_trial()
            found = [one for one in there.alert_changes(mark, now - CLEARED_S) if one.hub not in trials]
            alarms = [one for one in there.alarms(everything=False) if one.hub not in trials]
            if whole:
                self._tags = {line.hub.hub: line.hub.tags for line in there.hubs() if line.hub.revoked_at is None}
            changes = [one for one in found if _is_new(one, known)]
            present = {(one.hub, one.alert) for one in found}
            if whole:
                changes += self._vanished(there, known, present)
        changes += _alarms(alarms, known, now)
        self._mark = now
        if whole:
            self._whole_at = moment
        return Looked(changes, dict(self._tags))

    def _vanished(self, there: object, known: Known, present: set[tuple[str, str]]) -> list[AlertChange]:
        """Return the clearings of alerts that are open here alone; one that is not kept any more is over too."""
        gone = [key for key in known if key not in present and not key[1].startswith((ALARM, "incident:"))]
        found: list[AlertChange] = []
        for hub in {hub for hub, _ in gone}:
            lines = {line.change.alert: line.change for line in there.alerts(hub, everything=True)}  # type: ignore[attr-defined]
            for name in (name for of, name in gone if of == hub):
                change = lines.get(name)
                n = known[hub, name][0]
                found.append(
                    change if change is not None and change.state == CLEARED else _over(hub, name, n, self._wall())
                )
        return found


def _is_new(one: AlertChange, known: Known) -> bool:
    before = known.get((one.hub, one.alert))
    if before is None:
        return True  # cleared before it was ever seen here: dispatch notes it and tells nobody
    return (one.n, one.state) != before[:2]


def _alarms(lines: Sequence[AlarmLine], known: Known, now: float) -> list[AlertChange]:
    """Return alarms that are new, and those that are over."""
    names = {f"{ALARM}{line.id}": line for line in lines}
    found = [_alarm(name, line, now) for name, line in names.items() if (line.hub, name) not in known]
    found += [
        _over(hub, name, n + 1, now)
        for (hub, name), (n, _, _) in known.items()
        if name.startswith(ALARM) and name not in names
    ]
    return found


def _alarm(name: str, line: AlarmLine, now: float) -> AlertChange:
    import msgspec

    said = line.detail if line.coded is None else from_data(line.detail, msgspec.json.decode(line.coded))
    french = translate(said, "fr") if isinstance(said, Phrase) else ""
    return AlertChange(
        line.hub, name, 1, f"alarm/{line.kind}", "", OPEN, "critical" if line.kind in SEVERE else "warning", "backend",
        "", "", str(said)[:300], str(french)[:300], "", "", "", "", "", line.raised_at, line.raised_at, now,
    )  # fmt: skip


def _over(hub: str, name: str, n: int, now: float) -> AlertChange:
    return AlertChange(hub, name, n, "", "", CLEARED, "", "backend", "", "", "", "", "", "", "", "", "", now, now, now)
