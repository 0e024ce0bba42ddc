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
from collections.abc import Sequence
from typing import Any

import msgspec

from backend.storage.tables import AlertChange, AlertState, AlertTable
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.protocol.records.rows import Row, Shape

FIELDS = (
    "alert", "alert_rule", "alert_key", "alert_state", "alert_severity", "alert_by", "alert_why", "alert_value",
    "alert_text", "alert_text_fr", "alert_n", "alert_raised",
)  # fmt: skip
STATES = ("raised", "acknowledged", "muted", "escalated", "cleared")
MAX_TEXT = 300
MAX_ALERTS = 10_000
"""Maximum number of alerts of one hub, in any state."""
_MAKE_ROOM = 100
"""Cleared alerts that are deleted at once where there are too many."""


class NoAlert(HubError):
    """The alert is unknown here, or it is cleared."""

    exit_code = 3


def is_alert(shape: Shape) -> bool:
    return tuple(column.metric for column in shape.columns) == FIELDS


def take(table: AlertTable, hub: str, rows: Sequence[Row], offset_ms: int | None) -> list[Row]:
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
        known = table.find(hub, change.alert)
        if known is None:
            if left is None:
                left = MAX_ALERTS - table.count(hub)
            if left <= 0:
                left += table.forget_cleared(hub, _MAKE_ROOM)
            if left <= 0:
                others.append(row)
                continue
            left -= 1
            table.add(change)
        elif _counts(change, known):
            table.replace(change, keep_request=change.state not in (known.wanted, "cleared"))
    return others


def _counts(change: AlertChange, known: AlertState) -> bool:
    """Return whether a change is current from now on. A hub that was put back may end its alert with a lower number."""
    return known.state != "cleared" and (change.n > known.n or change.state == "cleared")


def _change(hub: str, row: Row, offset_ms: int | None, now: float) -> AlertChange | None:
    *texts, n, raised = row.values
    if not all(isinstance(text, str) for text in texts) or isinstance(n, str) or isinstance(raised, str):
        return None
    name, rule, key, state, severity, by, why, value, text, text_fr = (str(one)[:MAX_TEXT] for one in texts)
    if state not in STATES or not name or not 0 < n < 2**53 or not 0 <= raised < 2**43:
        return None
    changed = row.time_ms / 1000 if row.sure else now if offset_ms is None else (row.time_ms + offset_ms) / 1000
    about = row.subject
    return AlertChange(
        hub, name, int(n), rule, key, state, severity, by, why, value, text, text_fr, about.device, about.place,
        about.site, about.zone, about.integration, float(raised), changed, now,
    )  # fmt: skip


def request_change(
    table: AlertTable, alert: str, state: str, by: str, why: str = "", until: float | None = None, hub: str = ""
) -> str:
    """Ask the hub to change an open alert; return its hub. Call it inside a transaction.

    Hubs choose the ids of their alerts, so two hubs can use the same one: `hub` then says which is meant. Raises
    NoAlert.
    """
    found = table.states(alert, hub)
    if not found:
        raise NoAlert(
            phrase(
                "alert-unknown-here",
                "no alert {alert!r} is known here; `ilot backend alerts list` shows them",
                alert=alert,
            )
        )
    standing = [(one, how) for one, how in found if how != "cleared"]
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
        table.request(hub, alert, state, msgspec.json.encode(act))
    return hub


def requested_changes(table: AlertTable, hub: str) -> list[dict[str, Any]]:
    """Return the changes that the operator requests from this hub."""
    acts = [msgspec.json.decode(body) for body in table.requests(hub)]
    return [act for act in acts if act["until"] is None or act["until"] > time.time()]
