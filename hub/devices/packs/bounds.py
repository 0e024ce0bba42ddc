"""Bounds the worst-case time of a label pattern. Pure.

CPython's matcher backtracks over every way in which parts of open length can share a text, and cannot be interrupted.
The pattern comes from whoever wrote the pack, and the text from a sticker: matching `(A+)+B` against forty letters
would block the hub for years. Hence the ways are counted before a pattern is used, and too many are refused.
"""

from __future__ import annotations

from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

# CPython's own parser, which has no public name. Unknown opcodes are refused, so that a newer version of it cannot
# bypass the check.

MOST_WAYS = 300_000
"""Two parts of open length in a label of 512 characters: about 20 ms on a PC."""

_ONE = frozenset((op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.AT))
_REPEATS = frozenset((op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT))


def bounded(pattern: str, longest: int) -> bool:
    """Return whether matching a text of at most `longest` characters takes at most MOST_WAYS tries. Raises re.error."""
    return _ways(_parser.parse(pattern), longest) <= MOST_WAYS


def _ways(parts: Any, longest: int) -> int:
    """Return an upper bound of the ways in which a sequence can match; MOST_WAYS + 1 stands for anything above."""
    ways = 1
    for kind, told in parts:
        ways = min(ways * _of(kind, told, longest), MOST_WAYS + 1)
    return ways


def _of(kind: Any, told: Any, longest: int) -> int:
    if kind in _ONE:
        return 1
    if kind is op.SUBPATTERN:
        return _ways(told[3], longest)
    if kind is op.BRANCH:
        return sum(_ways(one, longest) for one in told[1])
    if kind in _REPEATS:
        least, most, what = told
        if most > 1 and what.getwidth()[0] == 0:  # repeats without consuming a character
            return MOST_WAYS + 1
        least, most, inner = min(least, longest), min(most, longest), _ways(what, longest)
        if inner == 1:
            return int(most - least + 1)
        return int(sum(inner**times for times in range(least, min(most, 64) + 1))) if most <= 64 else MOST_WAYS + 1
    return MOST_WAYS + 1  # look-around and references to groups
