"""Explanation of a YAML parser's errors in plain English: where to look and what to do. Pure."""

from __future__ import annotations

from typing import Any

_SAYINGS = (
    # (in the context, in the problem, the explanation; {line} is where the construct began)
    ("", "character '\\t'", "a tab stands here; YAML is indented with spaces only"),
    ("", "that cannot start any token", "a text cannot start with this character; put the text in quotes"),
    ("", "mapping values are not allowed", "this ':' is out of place; check the indentation, or quote the text"),
    ("", "sequence entries are not allowed", "a list starts on a line of its own, not after a key"),
    ("quoted scalar", "unexpected end", "the quote opened here is never closed"),
    ("quoted scalar", "unknown escape", "this backslash sequence is not known; write \\\\ for a backslash"),
    ("flow sequence", "expected ','", "the '[' at line {line} is not closed, or a comma is missing"),
    ("flow mapping", "expected ','", "the '{{' at line {line} is not closed, or a comma is missing"),
    ("simple key", "could not find expected ':'", "this line needs a ':' and a space after its key"),
    ("block", "expected <block end>", "this line is not indented like the ones before it (they start at line {line})"),
    ("", "undefined tag handle", "this tag is not known; there are !secret and !include"),
    ("", "expected '<document start>'", "nothing may follow here; check brackets and the start of the line"),
)
_AT_START = ("quoted scalar", "unexpected end")


def explain(error: Exception, *, literal: bool = False) -> tuple[int, str]:
    """Return (index in the text, sentence). With `literal`, nothing of the text is repeated."""
    problem = str(getattr(error, "problem", "") or "")
    context = str(getattr(error, "context", "") or "")
    begun: Any = getattr(error, "context_mark", None)
    mark: Any = getattr(error, "problem_mark", None) or begun
    if mark is None:
        return 0, "this file is not valid YAML; a character or an escape in it has no meaning"
    for in_context, in_problem, saying in _SAYINGS:
        if in_context in context and in_problem in problem:
            if begun is not None and (in_context, in_problem) == _AT_START:
                mark = begun
            return mark.index, saying.format(line=begun.line + 1 if begun is not None else 1)
    if literal or not problem:
        return mark.index, "this is not valid YAML"
    return mark.index, f"this is not valid YAML: {problem}"
