"""What is too old in PostgreSQL, of what holds no readings. See `backend.storage.engine.Retention`."""

from __future__ import annotations

from backend.storage.postgresql.writing import Writing

_OTHERS = {
    "alerts": "alerts where received_at < %s and (state = 'cleared' or hub in (select hub from hubs where revoked_at"
    " is not null))",
    "alarms": "alarms where cleared_at < %s",
    "forks": "forks where received_at < %s",
    "quarantine": "quarantine where received_at < %s",
    "callbacks": "callbacks where received_at < %s and fields is not null",
    "questions": "lookups where last_at < %s",
    "witnesses": "anchors where received_at < %s",
}
"""Class → table and condition of what is older than a moment (Unix s)."""

EVIDENCE = ("forks", "quarantine")
"""Tables that are small, and hold what a person may want gone."""


class Retention:
    """The table `retention`, and deletion from those that hold no readings."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def days(self) -> dict[str, int]:
        return {str(privacy): int(days) for privacy, days in self._writing.ask("select privacy, days from retention")}

    def set_days(self, privacy: str, days: int) -> None:
        self._writing.change("update retention set days = %s where privacy = %s", (days, privacy))

    def delete_others(self, kind: str, before: float, most: int) -> int:
        table = _OTHERS[kind].partition(" ")[0]
        removed = self._writing.change(
            f"delete from {table} where ctid = any(array(select ctid from {_OTHERS[kind]} limit %s for update skip"  # noqa: S608
            " locked))",
            (before, most),
        )
        if removed and kind in EVIDENCE:
            self._writing.deleted(table)
        return removed

    def count(self, privacy: str, removed: int, now: float) -> None:
        self._writing.change(
            "update retention set purged = purged + %s, purged_at = %s where privacy = %s", (removed, now, privacy)
        )
