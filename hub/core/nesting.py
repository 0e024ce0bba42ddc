"""Bounds how deep JSON of strangers is nested, alike on each version of Python.

A parser by itself refuses 1,000 levels with Python 3.11 and 10,000 with 3.13; whatever then walks through its result
fails earlier.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TypeVar

import msgspec

from hub.core.text import phrase

DEEPEST = 64
"""Levels of objects and lists within each other. No message that a hub reads has ten."""
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)  # possessive: each byte is looked at once
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


Text = TypeVar("Text", bound=bytes | str)


def shallow_json(text: Text) -> Text:
    """JSON to be parsed, as it came. Raises msgspec.DecodeError, a ValueError, for what is nested more than `DEEPEST`
    levels. Whether it is well-formed, the parser says."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") > DEEPEST:
        brackets = _STRINGS.sub(b"", data).translate(None, _OTHERS)
        if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > DEEPEST:
            raise msgspec.DecodeError(
                phrase("json-too-deep", "JSON is nested more than {levels} levels deep", levels=DEEPEST)
            )
    return text
