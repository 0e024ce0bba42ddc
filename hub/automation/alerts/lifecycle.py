"""States of an alert and the transitions between them. Pure.

    raised ─▶ acknowledged      a person has seen it
       │  └▶ escalated          nobody acknowledged it in time; acknowledged, muted and cleared like a raised one
       ├───▶ muted              not notified until a moment, then raised again if it still holds
       └───▶ cleared            the rule no longer holds, or a person cleared it; final

Each change gets the next number `n`; the greatest `n` of an alert is its current state. Only the hub assigns numbers.
Actions of people at the hub and at the backend are applied in the order in which they reach the hub; an action that
would move an alert backwards (acknowledging an acknowledged alert, changing a cleared one) is ignored. Hence the first
of two acknowledgements stands, and a late one never undoes it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.core.errors import HubError
from hub.core.text import as_data, phrase

RAISED, ACKNOWLEDGED, MUTED, ESCALATED, CLEARED = "raised", "acknowledged", "muted", "escalated", "cleared"
STATES = (RAISED, ACKNOWLEDGED, MUTED, ESCALATED, CLEARED)
SEVERITIES = ("info", "warning", "critical")
STORY_LIMIT = 50
MUTE_OVER = phrase("alert-mute-over", "the mute is over")
NOT_ACKNOWLEDGED = phrase("alert-not-acknowledged", "nobody acknowledged it")


class NoSuchAlert(HubError):
    """Raised for an alert id that is unknown or already cleared."""

    exit_code = 3


class Step(msgspec.Struct, frozen=True):
    """A change of an alert, as stored in its history."""

    n: int
    state: str
    at: float
    by: str
    why: str = ""
    until: float | None = None
    why_text: dict[str, Any] | None = None
    """Code and parameters of a reason of the hub's own; see `hub.core.text.as_data`."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert and its history. Times are Unix seconds by the hub's clock.

    `key` distinguishes alerts of one rule; `value` is the value read; `by` made the last change and `why` is the reason
    given; `until` is the end of a mute; `told` is the last `n` that is durable in the buffer; `evidence` says why the
    alert was raised; `story` holds its changes: the first, then the last ones, STORY at most.
    """

    id: str
    rule: str
    key: str
    severity: str
    state: str = RAISED
    n: int = 1
    raised: float
    changed: float
    by: str
    why: str = ""
    device: str = ""
    place: str = ""
    site: str = ""
    zone: str = ""
    integration: str = ""
    value: str = ""
    text: str = ""
    text_fr: str = ""
    until: float | None = None
    escalate_s: float | None = None
    told: int = 0
    evidence: dict[str, str] = {}
    story: tuple[Step, ...] = ()

    @property
    def open(self) -> bool:
        return self.state != CLEARED


def transition(
    alert: Alert, state: str, now: float, by: str, why: str = "", until: float | None = None
) -> Alert | None:
    """Return the alert after a transition, or None when the transition changes nothing."""
    if alert.state == CLEARED or state not in STATES:
        return None
    if state == ACKNOWLEDGED and alert.state == ACKNOWLEDGED:
        return None
    if state == MUTED and (until is None or until <= now or (alert.state == MUTED and alert.until == until)):
        return None
    if state == ESCALATED and alert.state != RAISED:
        return None
    if state == RAISED and alert.state != MUTED:
        return None
    until = until if state == MUTED else None
    step = Step(alert.n + 1, state, now, by, str(why), until, as_data(why))
    return msgspec.structs.replace(
        alert,
        state=state,
        n=alert.n + 1,
        changed=now,
        by=by,
        why=str(why),
        until=until,
        story=append_step(alert.story, step),
    )


def append_step(story: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """Append a step; the first one (when the alert was raised) is always kept."""
    return (*story[:1], *story[1:][-(STORY_LIMIT - 2) :], step)


def due_transition(alert: Alert, now: float, waited_s: float | None = None) -> Alert | None:
    """Apply what time alone changes: the end of a mute, an escalation. Return None when nothing is due.

    `waited_s`: seconds in the present state by a monotonic clock; None: computed from `changed`.
    """
    waited_s = now - alert.changed if waited_s is None else waited_s
    if alert.state == MUTED and alert.until is not None and now >= alert.until:
        return transition(alert, RAISED, now, "hub", MUTE_OVER)
    if alert.state == RAISED and alert.escalate_s is not None and waited_s >= alert.escalate_s:
        return transition(alert, ESCALATED, now, "hub", NOT_ACKNOWLEDGED)
    return None
