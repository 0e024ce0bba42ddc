"""Finder of the comments in a YAML text, without building data. Pure; imports ruamel.yaml.

A comment starts at a `#` at the start of a line or after a blank, outside of every scalar (YAML 1.2.2, §6.6).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.tokens import ScalarToken

_COMMENT = re.compile(r"(?:(?<=[\s])|\A)#[^\r\n]*")


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line from 1, comment) in the order of the text, which must be YAML."""
    last, line = 0, 1
    for start, end in [*_scalars(text), (len(text), len(text))]:
        for found in _COMMENT.finditer(text, last, max(start, last)):
            yield line + text.count("\n", last, found.start()), found.group().rstrip()
        line += text.count("\n", last, max(end, last))
        last = max(end, last)


def _scalars(text: str) -> Iterator[tuple[int, int]]:
    """Yield the extents of scalars. The line of a block scalar's `|` may end in a comment, and is searched too."""
    for token in YAML(typ="safe", pure=True).scan(text):
        if isinstance(token, ScalarToken):
            start, end = token.start_mark.index, token.end_mark.index
            if token.style in ("|", ">"):
                start = min(end, text.find("\n", start) if "\n" in text[start:end] else end)
            yield start, end
