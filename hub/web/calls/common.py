"""What the calls of the pages have in common: who may come in while they are served, and arguments that are text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.web.people.stores import People

Asking = Callable[[], "People"]
"""Raises ConfigError while the pages are not served."""


def text(arguments: dict[str, Any], name: str) -> str:
    """An argument that is text, empty where there is none."""
    return str(arguments.get(name) or "")
