"""What is said of a change of the configuration: how it stands, what became of it, and why it is refused."""

from __future__ import annotations

from typing import Any

from hub.core.errors import HubError

LINGER_S = 1.0
"""A change of the pages waits so long before they move: whoever asked for it reads the answer first."""

# what became of a change
SAME, PLANNED, COMMITTED, UNCONFIRMED, TAKEN_BACK = "same", "planned", "committed", "unconfirmed", "taken-back"
UNDER_WAY, FAILED = "under-way", "failed"
# where a change under way stands
WRITING, RELOADING, WATCHING, WAITING, RETURNING = "writing", "reloading", "watching", "waiting", "returning"


class ManagedExternally(HubError):
    """The configuration is somebody else's to change."""

    exit_code = 5


class Busy(HubError):
    """A change is under way."""

    exit_code = 6


LONGEST_S = 900.0
"""A change that waits for a word waits no longer."""


def asked_s(arguments: dict[str, Any], otherwise: float) -> float:
    """`confirm_s`: how long to wait for a word, in seconds. Raises HubError: before anything is written."""
    asked = arguments.get("confirm_s") or otherwise
    if isinstance(asked, str):
        try:
            asked = float(asked)
        except ValueError:
            asked = None
    if not isinstance(asked, int | float) or not asked > 0:
        raise HubError("`confirm_s` is a number of seconds above 0: so long a change waits to be confirmed")
    return min(LONGEST_S, asked)


def origin(arguments: dict[str, Any]) -> str:
    """From where: the address of a browser, or "local": the control socket answers this machine's own user alone."""
    return str(arguments.get("origin") or "local")[:64]
