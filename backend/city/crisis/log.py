"""Main courante: an append-only log of which each line holds a digest over itself and the line before it.

    digest   SHA-256 of lp("ilot/city/crisis-log/1", digest of the line before, drill, n, at, who, kind, text, facts)

Numbers are decimal, `at` is Unix seconds as Python writes a float, and the line before the first one has 32 zero bytes.
A line that was altered, taken out or put between others breaks the chain; lines cut off at the end do not, so that the
last digest stands on each printed point de situation, where it is out of reach.
"""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Line
from backend.storage.city.database import Reader, Transaction
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.protocol.length_prefix import lp

DOMAIN = b"ilot/city/crisis-log/1"
MAX_TEXT = 2000
KINDS = ("note", "measure", "crew", "heat", "hub", "drill", "sheet", "document", "call", "end")
"""Kinds of lines: those that a person writes are notes and calls, all others tell of an act."""
WRITTEN = ("note", "call")


class Verdict(NamedTuple):
    """Result of a check: `lines` hold, and `broken` is the number of the first line that does not, 0 without."""

    lines: int
    broken: int
    head: str


def note(
    t: Transaction, drill: int, at: float, who: str, kind: str, text: str, facts: dict[str, object] | None = None
) -> Line:
    """Append a line, and return it. Raises HubError for an empty text or one that is too long."""
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise HubError(phrase("crisis-log-text", "a line of the log has 1 to {most} characters", most=MAX_TEXT))
    number = tables.next_line(t, drill)
    before = tables.last_line(t, drill)
    if before is not None:
        at = max(at, before.at)  # a clock that is set back does not reorder what was written
    encoded = json.dumps(facts or {}, ensure_ascii=False, sort_keys=True)
    line = Line(number, at, who, kind, text, encoded, b"")
    line = line._replace(digest=digest(bytes(32) if before is None else before.digest, drill, line))
    tables.append_line(t, drill, line)
    return line


def digest(before: bytes, drill: int, line: Line) -> bytes:
    parts = (str(drill), str(line.n), repr(line.at), line.who, line.kind, line.text, line.facts)
    return hashlib.sha256(lp(DOMAIN, before, *(one.encode() for one in parts))).digest()


def verify(r: Reader, drill: int = 0) -> Verdict:
    """Check a log from its first line."""
    before, count = bytes(32), 0
    for line in tables.all_lines(r, drill):
        if line.n != count + 1 or digest(before, drill, line) != line.digest:
            return Verdict(count, line.n, before.hex())
        before, count = line.digest, count + 1
    return Verdict(count, 0, before.hex() if count else "")
