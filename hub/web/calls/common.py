"""Shared parts of the pages' calls: access to accounts while the pages are served, and arguments that are text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hub.core.errors import HubError
from hub.core.text import phrase

if TYPE_CHECKING:
    from hub.web.people.stores import People

PeopleProvider = Callable[[], "People"]
"""Returns the accounts. Raises ConfigError while the pages are not served."""


def text(arguments: dict[str, Any], name: str) -> str:
    """Return an argument that is text, "" where there is none."""
    return str(arguments.get(name) or "")


def picture_bytes(given: object) -> bytes:
    """Return the bytes of a picture, which the socket carries in base64. Raises HubError."""
    try:
        return msgspec.convert(given, bytes)
    except msgspec.ValidationError:
        raise HubError(phrase("data-bytes-picture", "data is the bytes of a picture, in base64")) from None
