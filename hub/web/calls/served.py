"""What there is of people while the pages are served: shapes only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hub.web.people.accounts import Accounts
    from hub.web.people.sessions import Sessions
    from hub.web.people.tokens import Tokens


class Served(NamedTuple):
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens


Asking = Callable[[], Served]
"""Raises ConfigError while the pages are not served."""


def text(arguments: dict[str, Any], name: str, otherwise: str = "") -> str:
    """An argument that is text; `otherwise` where there is none."""
    return str(arguments.get(name) or otherwise)


def who(arguments: dict[str, Any]) -> str:
    """For the audit log."""
    return text(arguments, "by", "cli")
