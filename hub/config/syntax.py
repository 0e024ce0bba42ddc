"""Explanation of a YAML parser's errors in plain English: where to look and what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.core.text import Phrase, phrase

_Saying = Callable[[int], Phrase]
_SAYINGS: tuple[tuple[str, str, _Saying], ...] = (
    # (in the context, in the problem, the explanation, given the line where the construct began)
    ("", "character '\\t'",
     lambda _: phrase("yaml-tab", "a tab stands here; YAML is indented with spaces only")),
    ("", "that cannot start any token",
     lambda _: phrase("yaml-text-needs-quotes", "a text cannot start with this character; put the text in quotes")),
    ("", "mapping values are not allowed",
     lambda _: phrase("yaml-colon-misplaced", "this ':' is out of place; check the indentation, or quote the text")),
    ("", "sequence entries are not allowed",
     lambda _: phrase("yaml-list-after-key", "a list starts on a line of its own, not after a key")),
    ("quoted scalar", "unexpected end",
     lambda _: phrase("yaml-quote-open", "the quote opened here is never closed")),
    ("quoted scalar", "unknown escape",
     lambda _: phrase("yaml-escape-unknown", "this backslash sequence is not known; write \\\\ for a backslash")),
    ("flow sequence", "expected ','",
     lambda line: phrase("yaml-bracket-open", "the '{bracket}' at line {line} is not closed, or a comma is missing",
                         bracket="[", line=line)),
    ("flow mapping", "expected ','",
     lambda line: phrase("yaml-bracket-open", "the '{bracket}' at line {line} is not closed, or a comma is missing",
                         bracket="{", line=line)),
    ("simple key", "could not find expected ':'",
     lambda _: phrase("yaml-colon-missing", "this line needs a ':' and a space after its key")),
    ("block", "expected <block end>",
     lambda line: phrase("yaml-indentation-differs",
                         "this line is not indented like the ones before it (they start at line {line})", line=line)),
    ("", "undefined tag handle",
     lambda _: phrase("yaml-tag-handle-unknown", "this tag is not known; there are !secret and !include")),
    ("", "expected '<document start>'",
     lambda _: phrase("yaml-nothing-may-follow", "nothing may follow here; check brackets and the start of the line")),
)  # fmt: skip
_AT_START = ("quoted scalar", "unexpected end")


def explain(error: Exception, *, literal: bool = False) -> tuple[int, Phrase]:
    """Return (index in the text, sentence). With `literal`, nothing of the text is repeated."""
    problem = str(getattr(error, "problem", "") or "")
    context = str(getattr(error, "context", "") or "")
    begun: Any = getattr(error, "context_mark", None)
    mark: Any = getattr(error, "problem_mark", None) or begun
    if mark is None:
        return 0, phrase("file-not-yaml", "this file is not valid YAML; a character or an escape in it has no meaning")
    for in_context, in_problem, saying in _SAYINGS:
        if in_context in context and in_problem in problem:
            if begun is not None and (in_context, in_problem) == _AT_START:
                mark = begun
            return mark.index, saying(begun.line + 1 if begun is not None else 1)
    if literal or not problem:
        return mark.index, phrase("not-yaml", "this is not valid YAML")
    return mark.index, phrase("not-yaml-because", "this is not valid YAML: {reason}", reason=problem)
