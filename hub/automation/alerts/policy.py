"""Which change of which alert one notifier tells, and when. Pure.

TELL    now
WAIT    not yet: quiet hours; what still holds afterwards is told then
NEVER   it is not for this notifier, or says the end of what it never told
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hub.automation.alerts.lifecycle import CLEARED, ESCALATED, RAISED, SEVERITIES, STATES, Alert

TELL, WAIT, NEVER = "tell", "wait", "never"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What `hub.config.parts.notifiers` says of one notifier. `quiet` tells whether a moment (Unix seconds) is in its
    quiet hours; `zones` empty: all."""

    least: str = "info"
    when: str = RAISED
    states: frozenset[str] = frozenset(STATES)
    zones: frozenset[str] = frozenset()
    quiet: Callable[[float], bool] | None = None
    quiet_least: str = "critical"
    per_hour: int | None = None


EVERYTHING = Policy()


def judge(policy: Policy, alert: Alert, now: float, *, told: bool, passed: bool) -> str:
    """`told`: something of this alert was told here before; `passed`: something of it was kept back here before."""
    weight = SEVERITIES.index(alert.severity)
    if weight < SEVERITIES.index(policy.least) or (policy.zones and alert.zone not in policy.zones):
        return NEVER
    if not told and (passed or policy.when == ESCALATED) and alert.state not in (RAISED, ESCALATED):
        return NEVER
    if not told and policy.when == ESCALATED and alert.state != ESCALATED:
        return NEVER
    if alert.state not in policy.states:
        return NEVER
    if policy.quiet is not None and weight < SEVERITIES.index(policy.quiet_least) and policy.quiet(now):
        return WAIT
    return TELL


def first(alerts: list[Alert]) -> Alert:
    """Of those that wait, the one whose turn it is: the most severe, the one that waits longest; ends come last."""
    return max(alerts, key=lambda one: (one.state != CLEARED, SEVERITIES.index(one.severity)))
