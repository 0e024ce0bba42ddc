"""Author and reason of an action in a crisis: none is done without a reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.core.actor import asker
from hub.core.errors import HubError
from hub.core.text import phrase


def author_and_reason(arguments: Mapping[str, Any], longest: int = 200) -> tuple[str, str]:
    """Return author and reason, cut to `longest` characters. Raises HubError without a reason."""
    why = str(arguments.get("why") or "").strip()[:longest]
    if not why:
        raise HubError(
            phrase(
                "say-why-in-crisis", "say why: it stands in the audit log and on every page until the crisis is over"
            )
        )
    return asker(arguments), why
