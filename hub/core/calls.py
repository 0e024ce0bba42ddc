"""Calls: questions to a running hub, by name, as the control socket and the pages ask them. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hub.core.errors import HubError
from hub.core.text import phrase

Call = Callable[[dict[str, Any]], Awaitable[Any]]
"""Takes the arguments by name, with JSON's types; returns what JSON can write. Raises HubError."""


def number(arguments: dict[str, Any], name: str, otherwise: float) -> float:
    """A number that a caller gave. Raises HubError."""
    given = arguments.get(name)
    if given is None or given == "":
        return otherwise
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = float("nan")
    if not abs(value) < 1e11:
        raise HubError(phrase("argument-not-number", "{name} must be a number, not {given!r}", name=name, given=given))
    return value
