"""Who asks, as every call of the control socket and of the pages says it, and as the audit log has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST = 64


def asker(arguments: Mapping[str, Any]) -> str:
    """`cli:camille`, `web:anne`, `token:…`; plain `cli` where nobody said: who reaches the socket is root or the hub's
    own user."""
    return str(arguments.get("by") or "cli")[:LONGEST]
