"""Calls that a read-only hub still answers. Pure.

Every request to a hub is a call: of the CLI, of the pages, of their API. A call that is not in the table is refused, so
a new one that is forgotten here fails safe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hub.core.actor import actor
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.crisis.state import State

Call = Callable[[dict[str, Any]], Awaitable[Any]]

READS = frozenset({
    "status", "pulse", "devices", "radio", "concentrator", "logs", "diagnostics", "support", "support.lines",
    "availability", "history", "history.raw", "backup",
    "badge.status", "doctor.state",
    "pack.list", "pack.draft", "pack.drafts", "device.label", "device.picture", "inventory.card", "inventory.list",
    "quarantine.list",
    "notify.list", "recette.status", "roster.report", "roster.show",
    "web.account.list", "web.token.list", "picture.list", "picture.show",
    "command.list", "command.wait", "command.stop",
    "alert.list", "alert.show", "alert.ack", "alert.mute", "rule.limits", "rule.choices", "rule.compiled",
    "rule.replay",
    "plugin.list", "release.health", "release.list", "release.offered", "release.return",
    "config.check", "config.diff", "config.form", "config.log", "config.options", "config.progress", "config.stage",
    "config.show",
    "consent.access", "consent.list", "consent.withdraw", "history.list", "history.moving",
    "privacy.document", "privacy.view",
    "find.lines", "find.state", "find.stop",
    "energy.meter", "energy.meters", "energy.report", "energy.judge", "energy.today", "energy.zone",
    "network.show", "network.scan", "network.key", "network.revert",
    "security.events", "audit.list", "audit.verify", "counted",
    "crisis.status", "crisis.isolate", "crisis.readonly", "crisis.end", "crisis.export", "crisis.runbook",
    "crisis.sampling.plan", "crisis.sampling.restore", "crisis.sampling.status",
})  # fmt: skip
"""Calls that read, answer alerts, stop writes, withdraw a consent, which nobody may hinder, or leave the crisis. Raised
sampling may be given back: polled devices at once, others by a downlink when the hub may write again."""


class ReadOnly(HubError):
    """The hub is read-only: nothing of it is changed until the crisis is over."""

    exit_code = 5
    reason = "read-only"


def is_refused(call: str) -> bool:
    """Return whether a read-only hub refuses this call."""
    return call not in READS


def guard(calls: Mapping[str, Call], state: Callable[[], State]) -> dict[str, Call]:
    """Return the calls of a hub so that, while it is read-only, those that change something raise ReadOnly."""
    return {name: _guarded(name, call, state) if is_refused(name) else call for name, call in calls.items()}


def _guarded(name: str, call: Call, state: Callable[[], State]) -> Call:
    async def asked(arguments: dict[str, Any]) -> Any:
        now = state()
        if now.read_only:
            raise ReadOnly(
                phrase(
                    "call-refused-read-only",
                    "this hub is read-only since {by} said so ({why}): {call} is refused; `ilot crisis end` leaves it",
                    by=[actor(one) for one in now.by.split(", ")],
                    why=now.why,
                    call=name,
                )
            )
        return await call(arguments)

    return asked
