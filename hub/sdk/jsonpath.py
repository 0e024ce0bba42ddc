"""Where a value stands in a JSON document. Pure.

meters[0].energy     keys joined by dots; [n] is the nth element of a list
['a key'].x          a key with any characters
(empty)              the document itself
"""

from __future__ import annotations

import re
from typing import Any

from hub.core.text import phrase

MAX_STEPS = 16

_STEP = re.compile(r"""\.?([A-Za-z_@$][\w$@-]*)|\[(\d{1,4})\]|\[(?:'([^']{1,64})'|"([^"]{1,64})")\]""", re.ASCII)


class JsonPath(tuple[str | int, ...]):
    """Keys and numbers, from the document inwards."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Raises ValueError for what is no path, or more than `MAX_STEPS` deep."""
        found: list[str | int] = []
        at = 0
        while at < len(text):
            match = _STEP.match(text, at)
            if match is None or len(found) >= MAX_STEPS:
                raise ValueError(
                    phrase("not-a-json-path", "not a path: {path!r}; expected one like meters[0].energy", path=text)
                )
            key, number, single, double = match.groups()
            found.append(int(number) if number is not None else key or single or double)
            at = match.end()
        return cls(found)

    def of(self, data: Any) -> Any:
        """What stands there in `data`, as JSON gives it; None when nothing does."""
        for step in self:
            if isinstance(step, str) and isinstance(data, dict):
                data = data.get(step)
            elif isinstance(step, int) and isinstance(data, list) and step < len(data):
                data = data[step]
            else:
                return None
        return data
