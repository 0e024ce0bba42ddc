"""Results, stages and errors of a change of the configuration."""

from __future__ import annotations

from typing import Any

from hub.core.errors import HubError
from hub.core.text import phrase

LINGER_S = 1.0
"""Seconds before a change of the pages restarts them, so that the client reads the answer first."""

# results of a change
SAME, PLANNED, COMMITTED, UNCONFIRMED, TAKEN_BACK = "same", "planned", "committed", "unconfirmed", "taken-back"
UNDER_WAY, FAILED = "under-way", "failed"
# stages of a change
WRITING, RELOADING, WATCHING, WAITING, RETURNING = "writing", "reloading", "watching", "waiting", "returning"


class ManagedExternally(HubError):
    """The configuration is managed by somebody else."""

    exit_code = 5


class Busy(HubError):
    """A change is in progress."""

    exit_code = 6


MAX_CONFIRM_S = 900.0
"""Maximum seconds that a change waits for confirmation."""


def confirm_seconds(arguments: dict[str, Any], otherwise: float) -> float:
    """Return `confirm_s`: how long to wait for confirmation, in seconds. Raises HubError before anything is written."""
    asked = arguments.get("confirm_s") or otherwise
    if isinstance(asked, str):
        try:
            asked = float(asked)
        except ValueError:
            asked = None
    if not isinstance(asked, int | float) or not asked > 0:
        raise HubError(
            phrase(
                "confirm-seconds-expected",
                "`confirm_s` is a number of seconds above 0: so long a change waits to be confirmed",
            )
        )
    return min(MAX_CONFIRM_S, asked)


def origin(arguments: dict[str, Any]) -> str:
    """Return where the request came from: the address of a browser, or "local", since the control socket answers only
    this machine's own user."""
    return str(arguments.get("origin") or "local")[:64]
