"""The life of one alert. Pure.

    raised ─▶ acknowledged      somebody has seen it
       │  └▶ escalated          nobody did for too long; may be acknowledged, muted, cleared like a raised one
       ├───▶ muted              told to nobody until a moment, then raised again if it still holds
       └───▶ cleared            its rule is over, or a person says so; the end

Every change has the next number `n`; whoever keeps the greatest `n` of an alert keeps the truth. The hub alone numbers
them. What people say at either end is merged by this rule: acts are taken in the order in which they reach the hub, and
one that would move an alert backwards (to acknowledge what is acknowledged already, to touch what is cleared) changes
nothing. So of two acknowledgements the first to arrive stands, and none is ever undone by a late one.
"""

from __future__ import annotations

import msgspec

from hub.core.errors import HubError

RAISED, ACKNOWLEDGED, MUTED, ESCALATED, CLEARED = "raised", "acknowledged", "muted", "escalated", "cleared"
STATES = (RAISED, ACKNOWLEDGED, MUTED, ESCALATED, CLEARED)
SEVERITIES = ("info", "warning", "critical")
STORY = 50


class NoSuchAlert(HubError):
    """No alert of that id is known, or it is cleared."""

    exit_code = 3


class Step(msgspec.Struct, frozen=True):
    """One change of an alert, as its story keeps it."""

    n: int
    state: str
    at: float
    by: str
    why: str = ""
    until: float | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix seconds, as well as the hub knew them. `key` tells alerts of one rule apart; `value` is what was
    read; `by` who changed it last, and `why`; `until` the end of a mute; `told` the last `n` that is durable in the
    buffer; `evidence` why it was raised; `story` its changes, the last STORY of them."""

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


def moved(alert: Alert, state: str, now: float, by: str, why: str = "", until: float | None = None) -> Alert | None:
    """The alert after this, None when it changes nothing."""
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
    step = Step(alert.n + 1, state, now, by, why, until)
    return msgspec.structs.replace(
        alert, state=state, n=alert.n + 1, changed=now, by=by, why=why, until=until, story=noted(alert.story, step)
    )


def noted(story: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """The first is always kept: when it was raised."""
    return (*story[:1], *story[1:][-(STORY - 2) :], step)


def due(alert: Alert, now: float, waited_s: float | None = None) -> Alert | None:
    """What the clock does to it: a mute that ends, an escalation. None when nothing. `waited_s`: how long it has been
    as it is, None: by its date."""
    waited_s = now - alert.changed if waited_s is None else waited_s
    if alert.state == MUTED and alert.until is not None and now >= alert.until:
        return moved(alert, RAISED, now, "hub", "the mute is over")
    if alert.state == RAISED and alert.escalate_s is not None and waited_s >= alert.escalate_s:
        return moved(alert, ESCALATED, now, "hub", "nobody acknowledged it")
    return None
