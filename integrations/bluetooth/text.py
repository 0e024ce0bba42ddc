"""Cleans texts received by radio for screens and logs. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

from hub.sdk.phrases import Phrase, phrase

_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def printable(text: str) -> str:
    """Replace controls, line ends and marks that change the direction of writing by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def cleaned(said: str) -> str:
    """Apply `printable` to a sentence, a phrase with all its parameters."""
    if not isinstance(said, Phrase):
        return printable(said)
    return Phrase(printable(said), said.code, {name: _cleaned(value) for name, value in said.params.items()})


def _cleaned(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_cleaned(one) for one in value)
    return cleaned(value) if isinstance(value, str) else value


def together(reasons: Sequence[str]) -> str:
    """Join reasons by semicolons, as one phrase where there are several."""
    if not reasons:
        return ""
    return reduce(
        lambda former, further: phrase("bluetooth.two-reasons", "{former}; {further}", former=former, further=further),
        reasons,
    )
