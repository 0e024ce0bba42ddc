"""Decide which changes of which alerts a notifier sends, and when. Pure.

TELL    now
WAIT    later: quiet hours; alerts that still hold afterwards are sent then
NEVER   not for this notifier, or the end of an alert that it never sent
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hub.automation.alerts.lifecycle import CLEARED, ESCALATED, RAISED, SEVERITIES, STATES, Alert

TELL, WAIT, NEVER = "tell", "wait", "never"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of one notifier, from `hub.config.parts.notifiers`.

    `quiet` returns whether a moment (Unix seconds) lies in its quiet hours; an empty `zones` means all zones.
    """

    least: str = "info"
    when: str = RAISED
    states: frozenset[str] = frozenset(STATES)
    zones: frozenset[str] = frozenset()
    quiet: Callable[[float], bool] | None = None
    quiet_least: str = "critical"
    per_hour: int | None = None


EVERYTHING = Policy()


def notification_decision(policy: Policy, alert: Alert, now: float, *, sent: bool, held_back: bool) -> str:
    """Return TELL, WAIT or NEVER for the present state of an alert.

    `sent`: an earlier change of this alert was sent here; `held_back`: an earlier change was held back here.
    """
    weight = SEVERITIES.index(alert.severity)
    if weight < SEVERITIES.index(policy.least) or (policy.zones and alert.zone not in policy.zones):
        return NEVER
    if not sent and (held_back or policy.when == ESCALATED) and alert.state not in (RAISED, ESCALATED):
        return NEVER
    if not sent and policy.when == ESCALATED and alert.state != ESCALATED:
        return NEVER
    if alert.state not in policy.states:
        return NEVER
    if policy.quiet is not None and weight < SEVERITIES.index(policy.quiet_least) and policy.quiet(now):
        return WAIT
    return TELL


def next_alert(alerts: list[Alert]) -> Alert:
    """Return the waiting alert to send next: the most severe, then the longest waiting; cleared ones last."""
    return max(alerts, key=lambda one: (one.state != CLEARED, SEVERITIES.index(one.severity)))
