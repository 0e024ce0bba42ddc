"""Retention of received data by class: a hub states the class of each series, the owner sets the days here.

    personal      readings: 396 days unless the owner sets another number. A series that nothing came of for so long
                  is deleted too: the names of the device, its place and its zone. A series that was personal once is
                  personal as a whole
    environment   readings, and
    technical     readings: for ever (0) unless set
    alerts        cleared ones, and all of hubs that were revoked; they name places, and people who answered
    alarms        closed ones
    forks         second contents of a number: sealed records like any other, for whoever looks into a copied hub
    quarantine    unreadable bytes, which may be of any class
    callbacks     of the Sigfox operator, that no hub fetched
    questions     devices that hubs asked for (`backend.ingest.other_hubs`)
    witnesses     heads of audit chains: hashes and counts, which show that a hub's log was cut

Everything else is the account of what was received, and holds no reading: rows of records (number, digest), epochs and
tables (sealed, to open repeated records), gaps, erasures (a promise that holds for late readings too).

The age of a reading counts from the end of its hour; of one without a time, since its boot never knew it, and of one
dated in the future, from the arrival of its record. The age of all else counts from its arrival, or its end. Checked
every hour, a few rows or chunks at a time; each purge is counted (reports, of readings), with its last moment, and
shown by `GET /v1/retention`.
"""

from __future__ import annotations

from collections.abc import Callable

from backend.storage.engine import Storage
from backend.storage.reading_rules import CLASSES as READINGS
from backend.storage.reading_rules import DEFAULT_DAYS
from hub.core.errors import ConfigError
from hub.core.text import phrase

CLASSES = tuple(DEFAULT_DAYS)
MAX_DELETED = 50_000
"""Rows that one purge deletes: messages of hubs wait meanwhile."""


class Retention:
    """Purges one database, but for its readings, whose chunks the compactor drops. One thread, outside any other
    transaction. `gone` is called when evidence was deleted, which may be counted in memory."""

    def __init__(self, storage: Storage, gone: Callable[[], None]) -> None:
        self._retention, self._gone = storage.retention, gone

    def purge(self, now: float) -> int:
        """Delete what is too old, MAX_DELETED rows at once; return how many. Inside a transaction."""
        gone = 0
        for kind, days in self._retention.days().items():
            if days <= 0 or kind not in CLASSES or kind in READINGS:
                continue
            before, most = now - days * 86_400, MAX_DELETED - gone
            removed = self._retention.delete_others(kind, before, most)
            if removed:
                self._retention.count(kind, removed, now)
            gone += removed
        if gone:
            self._gone()
        return gone


def days_of(text: str) -> tuple[str, int]:
    """Parse `personal=396` into class and days; 0: for ever. Raises ConfigError."""
    privacy, _, days = text.partition("=")
    if privacy not in CLASSES or not (days.isascii() and days.isdigit()) or int(days) > 36_500:
        raise ConfigError(
            phrase(
                "retention-form-wrong",
                "expected a class ({classes}) and days, like personal=396; 0: for ever; not {text!r}",
                classes=sorted(CLASSES),
                text=text,
            )
        )
    return privacy, int(days)
