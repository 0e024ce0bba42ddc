"""Cleans texts received by radio for screens and logs. Pure."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def printable(text: str) -> str:
    """Replace controls, line ends and marks that change the direction of writing by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)
