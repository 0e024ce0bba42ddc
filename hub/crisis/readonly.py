"""What may still be asked of a hub that is read-only. Pure.

A call that is not in the table is refused: a new one is forgotten on the safe side.
"""

from __future__ import annotations

READS = frozenset({
    "status", "pulse", "devices", "radio", "logs", "diagnostics", "availability", "history", "history.raw", "backup",
    "badge.status",
    "pack.list", "device.label", "inventory.card", "inventory.list", "quarantine.list",
    "notify.list", "recette.status", "roster.show", "web.token.list",
    "command.list", "command.wait", "command.stop",
    "alert.list", "alert.show", "alert.ack", "alert.mute",
    "config.check", "config.diff", "config.log", "config.progress", "config.stage", "config.show",
    "consent.access", "consent.list", "consent.withdraw", "history.list",
    "energy.meter", "energy.meters", "energy.report", "energy.judge",
    "security.events", "audit.list", "audit.verify",
    "crisis.status", "crisis.isolate", "crisis.readonly", "crisis.end", "crisis.export", "crisis.runbook",
    "crisis.sampling.plan", "crisis.sampling.restore", "crisis.sampling.status",
})  # fmt: skip
"""Looking, answering alerts, stopping writes, withdrawing a consent, which nobody may hinder, leaving the crisis.
Sampling that is raised may be given back: what is polled at once, what a downlink must be told when the hub may write
again."""

PATHS = frozenset(
    {"/signin", "/signout", "/badge", "/api/1/session", "/crisis", "/crisis/end", "/crisis/isolate", "/crisis/readonly"}
)
"""Pages whose forms still work."""
ALERTS = ("/alerts", "/api/1/alerts", "/crisis", "/api/1/crisis")
"""…and all below these."""


def refused(call: str) -> bool:
    """Whether a read-only hub refuses this call."""
    return call not in READS


def page_refused(method: str, path: str) -> bool:
    """Whether a read-only hub refuses this request."""
    if method in ("GET", "HEAD"):
        return False
    return path not in PATHS and not any(path == one or path.startswith(f"{one}/") for one in ALERTS)
