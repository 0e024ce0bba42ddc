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

PATHS = frozenset({
    "/signin", "/signout", "/badge", "/api/1/session",
    "/commands/stop", "/api/1/commands/stop", "/link/backup", "/api/1/backup",
    "/privacy/withdraw", "/api/1/consents/withdraw",
    "/configuration/form", "/configuration/text", "/api/1/configuration/diff", "/api/1/labels",
})  # fmt: skip
"""Requests of the pages that go on: who they are from, what a call of READS does, and what only looks."""
BELOW = ("/alerts", "/api/1/alerts", "/crisis", "/api/1/crisis")
"""…and all below these; the calls judge what they ask."""


def refused(call: str) -> bool:
    """Whether a read-only hub refuses this call."""
    return call not in READS


def page_refused(method: str, path: str) -> bool:
    """Whether a read-only hub refuses this request of the pages. Most ask by calls, which are judged by themselves;
    accounts, tokens and pictures of a building are written by the pages, so a path is judged too."""
    if method in ("GET", "HEAD"):
        return False
    return path not in PATHS and not any(path.startswith(f"{one}/") for one in BELOW)
