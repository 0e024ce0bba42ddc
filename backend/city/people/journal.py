"""Journal of what people did: each line holds a digest over itself and over the line before it, so that an edited,
deleted or reordered line shows. Heads are noted in a file outside the database, so that a shortened journal, or one
that somebody computed anew, shows as well.

    digest = SHA-256("ilot/city/journal" ‖ digest before ‖ n, 8 bytes ‖ at, double ‖ for each of who, what, object,
             facts: length, 4 bytes ‖ UTF-8)          integers and doubles big-endian, the first line follows 32 zeros
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from backend.storage.city import journal
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.journal import Line
from hub.core.errors import StorageError
from hub.core.text import phrase, system_error

HEADS = "city-journal.heads"
"""File in the owner's directory: one line `n digest time` for each head that was noted."""
START = bytes(32)
MOST_TEXT, MOST_FACTS = 256, 16 << 10


def note(t: Transaction, who: str, what: str, object: str, facts: Mapping[str, Any], at: float | None = None) -> Line:
    """Add a line in the caller's transaction: `who` is a viewer's id, `what` an action such as `people.account`,
    `object` the thing that it was done to; `facts` holds what JSON can."""
    number = journal.next_number(t)
    before = journal.last(t)
    text = msgspec.json.encode(dict(facts), order="sorted").decode()
    if len(text) > MOST_FACTS:
        text = msgspec.json.encode({"cut": text[: MOST_FACTS // 2]}).decode()
    when = time.time() if at is None else at
    line = Line(number, when, who[:MOST_TEXT], what[:MOST_TEXT], object[:MOST_TEXT], text, b"")
    line = line._replace(digest=digest(before.digest if before else START, line))
    journal.append(t, line)
    return line


def digest(before: bytes, line: Line) -> bytes:
    """Return the digest of a line that follows another one."""
    texts = [one.encode() for one in (line.who, line.what, line.object, line.facts)]
    packed = b"".join(struct.pack(">I", len(one)) + one for one in texts)
    return sha256(b"ilot/city/journal" + before + struct.pack(">Qd", line.n, line.at) + packed).digest()


class Verdict(NamedTuple):
    """Result of a verification. `wrong` is the first line that does not fit, 0 where all fit; `lost` are noted heads
    that the journal does not have."""

    lines: int
    head: int
    digest: bytes
    wrong: int
    lost: tuple[int, ...]

    @property
    def whole(self) -> bool:
        return not self.wrong and not self.lost


def verify(r: Reader, heads: Mapping[int, bytes]) -> Verdict:
    """Compute every digest anew, and compare with noted heads."""
    before, count, wrong, missing = START, 0, 0, dict(heads)
    head = 0
    for line in journal.all_lines(r):
        if not wrong and (line.n != head + 1 or digest(before, line) != line.digest):
            wrong = line.n
        head, before, count = line.n, line.digest, count + 1
        if missing.get(head) == line.digest:
            del missing[head]
    return Verdict(count, head, before if head else START, wrong, tuple(sorted(missing)))


def read_heads(directory: Path) -> dict[int, bytes]:
    """Return the heads that were noted for an owner's directory. Raises StorageError."""
    file = directory / HEADS
    try:
        text = file.read_text("ascii")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StorageError(
            phrase("people-heads-unread", "{file} cannot be read: {reason}", file=file, reason=_reason(error))
        ) from error
    found: dict[int, bytes] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        if number.isdigit():
            found[int(number)] = bytes.fromhex(rest.partition(" ")[0])
    return found


def note_head(directory: Path, r: Reader, now: float) -> None:
    """Note the head where it is another one than the last that was noted. Raises StorageError."""
    last = journal.last(r)
    if last is None or last.n in read_heads(directory):
        return
    file = directory / HEADS
    try:
        with file.open("a", encoding="ascii") as target:
            target.write(f"{last.n} {last.digest.hex()} {now:.0f}\n")
    except OSError as error:
        raise StorageError(
            phrase("people-heads-unwritten", "{file} cannot be written: {reason}", file=file, reason=_reason(error))
        ) from error


def _reason(error: Exception) -> str:
    return system_error(error) if isinstance(error, OSError) else str(error)
