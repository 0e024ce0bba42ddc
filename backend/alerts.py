"""Alerts of the hubs: the state of each, and the operator's answers to them.

A row of the `alerts` stream whose metrics are those of `hub.automation.alerts.stream_rows` is one change of one alert,
whole. The change with the greatest number is current, and a cleared alert stays cleared. The hub alone numbers the
changes of its alerts; the backend stores a request, until a later change from the hub shows that it was carried out.

    acknowledged here → `requested_changes` → fetched by the hub (GET /v1/alerts) → its change arrives → request deleted

Input from hubs is bounded: texts are cut, and a row that does not fit the shape stays a reading. At most MAX_ALERTS are
kept for each hub. A new one replaces the one that was cleared first; where none is cleared, it stays a reading too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import apsw
import msgspec

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.protocol.records.rows import Row, Shape

TABLE = """
create table if not exists alerts (
    hub text, alert text, n integer not null, rule text not null, key text not null, state text not null,
    severity text not null, by text not null, why text not null, value text not null, text text not null,
    text_fr text not null, device text not null, place text not null, site text not null, zone text not null,
    integration text not null, raised_at real not null, changed_at real not null, received_at real not null,
    wanted blob, wanted_state text, primary key (hub, alert)
) without rowid;
create index if not exists alerts_open on alerts (state, changed_at);
"""
FIELDS = (
    "alert", "alert_rule", "alert_key", "alert_state", "alert_severity", "alert_by", "alert_why", "alert_value",
    "alert_text", "alert_text_fr", "alert_n", "alert_raised",
)  # fmt: skip
STATES = ("raised", "acknowledged", "muted", "escalated", "cleared")
MAX_TEXT = 300
MAX_ALERTS = 10_000
"""Maximum number of alerts of one hub, in any state."""
_OLDEST = (
    "delete from alerts where (hub, alert) in (select hub, alert from alerts where hub = ? and state = 'cleared'"
    " order by received_at limit 100)"
)
_COLUMNS = (
    "hub, alert, n, rule, key, state, severity, by, why, value, text, text_fr, device, place, site, zone,"
    " integration, raised_at, changed_at, received_at"
)
_UPSERT = (
    f"insert into alerts ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    " on conflict (hub, alert) do update set n = excluded.n, state = excluded.state, severity = excluded.severity,"
    " by = excluded.by, why = excluded.why, value = excluded.value, text = excluded.text,"
    " text_fr = excluded.text_fr, changed_at = excluded.changed_at, received_at = excluded.received_at,"
    " wanted = case when excluded.state in (alerts.wanted_state, 'cleared') then null else alerts.wanted end"
    " where alerts.state <> 'cleared' and (excluded.n > alerts.n or excluded.state = 'cleared')"
)


class NoAlert(HubError):
    """The alert is unknown here, or it is cleared."""

    exit_code = 3


def is_alert(shape: Shape) -> bool:
    return tuple(column.metric for column in shape.columns) == FIELDS


def take(db: apsw.Connection, hub: str, rows: Sequence[Row], offset_ms: int | None) -> list[Row]:
    """Store the changes of alerts among the rows of a block, inside the caller's transaction; return the other rows.

    `offset_ms` converts a boot's monotonic time to Unix time; None while it is unknown.
    """
    others: list[Row] = []
    now = time.time()
    left: int | None = None
    for row in rows:
        change = _change(hub, row, offset_ms, now) if is_alert(row.shape) else None
        if change is None:
            others.append(row)
            continue
        if db.execute("select 1 from alerts where hub = ? and alert = ?", change[:2]).get is None:
            if left is None:
                left = MAX_ALERTS - cast(int, db.execute("select count(*) from alerts where hub = ?", (hub,)).get)
            if left <= 0:
                db.execute(_OLDEST, (hub,))
                left += db.changes()
            if left <= 0:
                others.append(row)
                continue
            left -= 1
        db.execute(_UPSERT, change)
    return others


def _change(hub: str, row: Row, offset_ms: int | None, now: float) -> tuple[Any, ...] | None:
    *texts, n, raised = row.values
    if not all(isinstance(text, str) for text in texts) or isinstance(n, str) or isinstance(raised, str):
        return None
    name, rule, key, state, severity, by, why, value, text, text_fr = (str(one)[:MAX_TEXT] for one in texts)
    if state not in STATES or not name or not 0 < n < 2**53 or not 0 <= raised < 2**43:
        return None
    changed = row.time_ms / 1000 if row.sure else now if offset_ms is None else (row.time_ms + offset_ms) / 1000
    about = row.subject
    return (
        hub, name, int(n), rule, key, state, severity, by, why, value, text, text_fr, about.device, about.place,
        about.site, about.zone, about.integration, float(raised), changed, now,
    )  # fmt: skip


def request_change(
    db: apsw.Connection, alert: str, state: str, by: str, why: str = "", until: float | None = None, hub: str = ""
) -> str:
    """Ask the hub to change an open alert; return its hub. Call it inside a transaction.

    Hubs choose the ids of their alerts, so two hubs can use the same one: `hub` then says which is meant. Raises
    NoAlert.
    """
    rows = db.execute("select hub, state from alerts where alert = ?1 and ?2 in ('', hub)", (alert, hub)).fetchall()
    if not rows:
        raise NoAlert(
            phrase(
                "alert-unknown-here",
                "no alert {alert!r} is known here; `ilot backend alerts list` shows them",
                alert=alert,
            )
        )
    standing = [(str(one), str(how)) for one, how in rows if how != "cleared"]
    if not standing:
        raise NoAlert(phrase("alert-already-cleared", "alert {alert} is cleared already", alert=alert))
    if len(standing) > 1:
        raise NoAlert(
            phrase(
                "alert-of-several-hubs",
                "{hubs} each have an alert {alert}: say of which hub",
                hubs=[one for one, _ in standing[:5]],
                alert=alert,
            )
        )
    hub, now = standing[0]
    act = {"alert": alert, "state": state, "by": by[:64], "why": why[:200], "until": until}
    if now != state or state == "muted":
        db.execute(
            "update alerts set wanted = ?, wanted_state = ? where hub = ? and alert = ?",
            (msgspec.json.encode(act), state, hub, alert),
        )
    return hub


def requested_changes(db: apsw.Connection, hub: str) -> list[dict[str, Any]]:
    """Return the changes that the operator requests from this hub."""
    rows = db.execute("select wanted from alerts where hub = ? and wanted is not null limit 1000", (hub,))
    acts = [msgspec.json.decode(cast(bytes, body)) for (body,) in rows]
    return [act for act in acts if act["until"] is None or act["until"] > time.time()]


def listed(
    db: apsw.Connection, hub: str = "", *, everything: bool = False, limit: int = 1000
) -> Iterator[dict[str, Any]]:
    """Yield alerts, the newest first: those not cleared, or all.

    Where there are more than `limit`, the newest of each hub come before any hub's older ones: the times are the hubs'
    own, so one hub must not fill the list alone.
    """
    names = [*_COLUMNS.replace(" ", "").split(","), "wanted"]
    rows = db.execute(
        f"select {_COLUMNS}, wanted from (select *, row_number() over (partition by hub order by raised_at desc, alert)"  # noqa: S608
        " as place_of_hub from alerts where ? in ('', hub) and (? or state <> 'cleared') order by place_of_hub limit ?)"
        " order by raised_at desc, alert",
        (hub, everything, limit),
    )
    for row in rows:
        found = dict(zip(names, row, strict=True))
        asked = found.pop("wanted")
        yield found | {"wanted": None if asked is None else msgspec.json.decode(cast(bytes, asked))}
