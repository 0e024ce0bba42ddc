"""Alerts of the hubs, and anchors of their audit chains, in PostgreSQL. See `backend.storage.tables`."""

from __future__ import annotations

from backend.storage.postgresql.writing import Writing
from backend.storage.tables import AlertChange, AlertState, Anchor

_COLUMNS = AlertChange._fields
_ADD = f"insert into alerts ({', '.join(_COLUMNS)}) values ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: S608
_REPLACE = (
    "update alerts set n = %s, state = %s, severity = %s, by = %s, why = %s, value = %s, text = %s, text_fr = %s,"
    " changed_at = %s, received_at = %s, wanted = case when %s then wanted end where hub = %s and alert = %s"
)
_OLDEST = (
    "delete from alerts where (hub, alert) in ("
    "select hub, alert from alerts where hub = %s and state = 'cleared' order by received_at limit %s)"
)


class Alerts:
    """The table `alerts`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def find(self, hub: str, alert: str) -> AlertState | None:
        row = self._writing.one(
            "select n, state, case when wanted is null then null else wanted_state end from alerts"
            " where hub = %s and alert = %s",
            (hub, alert),
        )
        return None if row is None else AlertState(row[0], row[1], row[2] or "")

    def count(self, hub: str) -> int:
        ((count,),) = self._writing.ask("select count(*) from alerts where hub = %s", (hub,))
        return int(count)

    def forget_cleared(self, hub: str, most: int) -> int:
        return self._writing.change(_OLDEST, (hub, most))

    def add(self, change: AlertChange) -> None:
        self._writing.change(_ADD, change)

    def replace(self, change: AlertChange, *, keep_request: bool) -> None:
        now = (
            change.n, change.state, change.severity, change.by, change.why, change.value, change.text, change.text_fr,
            change.changed_at, change.received_at,
        )  # fmt: skip
        self._writing.change(_REPLACE, (*now, keep_request, change.hub, change.alert))

    def states(self, alert: str, hub: str = "") -> list[tuple[str, str]]:
        rows = self._writing.ask(
            "select hub, state from alerts where alert = %s and %s in ('', hub) order by hub", (alert, hub)
        )
        return [(str(of), str(state)) for of, state in rows]

    def request(self, hub: str, alert: str, state: str, body: bytes) -> None:
        self._writing.change(
            "update alerts set wanted = %s, wanted_state = %s where hub = %s and alert = %s", (body, state, hub, alert)
        )

    def requests(self, hub: str) -> list[bytes]:
        rows = self._writing.ask("select wanted from alerts where hub = %s and wanted is not null limit 1000", (hub,))
        return [bytes(body) for (body,) in rows]


class Anchors:
    """The table `anchors`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def add(self, anchor: Anchor) -> None:
        self._writing.change(
            "insert into anchors (hub, told_ms, count, head, counts, received_at) values (%s, %s, %s, %s, %s, %s)"
            " on conflict do nothing",
            anchor,
        )
