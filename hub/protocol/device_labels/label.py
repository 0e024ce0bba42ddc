"""Labels of devices, and the elements that labels are made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from hub.core.errors import DecodeError
from hub.core.text import phrase

MAX_TEXT = 4096
"""Characters of one label; a QR code of the largest kind holds 4,296."""

BLUETOOTH_ADDRESS = phrase("bluetooth-address", "Bluetooth address")
_BETWEEN = re.compile(r"[\s:.-]")
_HEX = re.compile(r"[0-9A-Fa-f]*")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
"""Form that a spreadsheet gives to an identifier of digits."""


class Unreadable(DecodeError):
    """A label, or a cell of a table, that cannot be used. `detail` says why and what to do, `column` where;
    neither repeats what may be a key."""

    def __init__(self, reason: str, said: str, column: str = "") -> None:
        super().__init__(reason, said)
        self.column = column

    def at(self, column: str) -> Unreadable:
        """Return the error for this column, unless it names one already."""
        return Unreadable(self.reason, self.detail, self.column or column)


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A device as its label names it. `form` is the kind of label; `device` the id; `key` its radio key where the label
    holds it; `settings` options for its integration; `profile` the ProfileID of TR005 (8 hexadecimal digits, upper
    case)."""

    form: str
    device: str
    key: bytes | None = None
    settings: dict[str, str] = {}
    profile: str = ""
    serial: str = ""
    name: str = ""
    model: str = ""

    def __repr__(self) -> str:
        return f"<Label {self.form} {self.device}{' with a key' if self.key else ''}>"


def plain(text: str) -> str:
    """Hexadecimal as people write it (spaces, `:`, `-`, `.`, `0x`) → the digits alone."""
    return _BETWEEN.sub("", text.strip().removeprefix("0x").removeprefix("0X"))


def digits(text: str, size: int, what: str, column: str = "") -> str:
    """`size` bytes in hexadecimal → lower-case digits. Raises Unreadable."""
    found = plain(text)
    if len(found) == 2 * size and _HEX.fullmatch(found):
        return found.lower()
    if _NUMBER.fullmatch(text.strip()):
        said = phrase(
            "label-turned-into-number",
            "a spreadsheet turned this {what} into a number: make the column text there, and enter it again",
            what=what,
        )
        raise Unreadable("spreadsheet", said, column=column)
    if _HEX.fullmatch(found):
        said = phrase(
            "label-wrong-digit-count",
            "a {what} has {expected} hexadecimal digits (0-9, A-F); this has {count}",
            what=what,
            expected=2 * size,
            count=len(found),
        )
    else:
        said = phrase(
            "label-not-hexadecimal",
            "a {what} has {expected} hexadecimal digits (0-9, A-F); this has {count} characters, others among them",
            what=what,
            expected=2 * size,
            count=len(found),
        )
    raise Unreadable("bad-digits", said, column=column)


def eui(text: str, what: str = "DevEUI", column: str = "") -> str:
    """An EUI-64 → 16 lower-case digits. Raises Unreadable."""
    return digits(text, 8, what, column)


def mac(text: str, column: str = "") -> str:
    """A Bluetooth address → `A4:C1:38:01:02:03`. Raises Unreadable."""
    found = digits(text, 6, BLUETOOTH_ADDRESS, column).upper()
    return ":".join(found[i : i + 2] for i in range(0, 12, 2))


def key(text: str, sizes: Collection[int], column: str = "") -> bytes:
    """A key in hexadecimal, of one of these sizes in bytes. Raises Unreadable, which does not repeat it."""
    found = plain(text)
    if _HEX.fullmatch(found) and len(found) % 2 == 0 and len(found) // 2 in sizes:
        return bytes.fromhex(found)
    said = phrase(
        "label-key-digit-count",
        "this key must have {expected} hexadecimal digits; it has {count}",
        expected=digit_counts(sizes),
        count=len(found),
    )
    raise Unreadable("bad-key", said, column=column)


def digit_counts(sizes: Collection[int]) -> str:
    """Return the numbers of hexadecimal digits of these sizes in bytes, for a sentence."""
    counts = [2 * size for size in sorted(sizes)]
    if isinstance(sizes, range):
        return f"{counts[0]}, {counts[1]} … {counts[-1]}"
    if len(counts) == 1:
        return str(counts[0])
    *others, last = counts
    return phrase("one-number-or-another", "{numbers} or {last}", numbers=others, last=last)


def shown(text: str, most: int = 60) -> str:
    """Text from outside, short and printable."""
    text = "".join(letter if letter.isprintable() else "�" for letter in text.strip())
    return text if len(text) <= most else text[: most - 1] + "…"
