"""Labels of devices, and the elements that labels are made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from hub.core.errors import DecodeError
from hub.core.text import phrase

MAX_TEXT = 4096
"""Characters of one label; a QR code of the largest kind holds 4,296."""

_BETWEEN = re.compile(r"[\s:.-]")
_HEX = re.compile(r"[0-9A-Fa-f]*")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+")
"""Form that a spreadsheet gives to an identifier of digits."""


class Unreadable(DecodeError):
    """A label, or a cell of a table, that cannot be used. `detail` says why and what to do, `fr` the same in French
    where it is not in a catalogue, `column` where; none of them repeats what may be a key."""

    def __init__(self, reason: str, en: str, fr: str = "", column: str = "") -> None:
        super().__init__(reason, en)
        self.fr, self.column = fr, column

    def at(self, column: str) -> Unreadable:
        """Return the error for this column, unless it names one already."""
        return Unreadable(self.reason, self.detail, self.fr, self.column or column)


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
        raise Unreadable(
            "spreadsheet",
            phrase(
                "spreadsheet-turned-into",
                "a spreadsheet turned this {what} into a number: make the column text there, and enter it again",
                what=what,
            ),
            phrase(
                "le-tableur-transform",
                "le tableur a transformé ce {what} en nombre : passez la colonne en texte et saisissez-le de nouveau",
                what=what,
            ),
            column,
        )
    strange = "" if _HEX.fullmatch(found) else " with others among them"
    autres = "" if _HEX.fullmatch(found) else ", dont certains n'en sont pas"
    raise Unreadable(
        "bad-digits",
        phrase(
            "has-hexadecimal-digits",
            "a {what} has {value} hexadecimal digits (0-9, A-F); this has {count}{strange}",
            what=what,
            value=2 * size,
            count=len(found),
            strange=strange,
        ),
        phrase(
            "un-chiffres-hexad",
            "un {what} a {value} chiffres hexadécimaux (0-9, A-F) ; il y en a {count} ici{autres}",
            what=what,
            value=2 * size,
            count=len(found),
            autres=autres,
        ),
        column,
    )


def eui(text: str, what: str = "DevEUI", column: str = "") -> str:
    """An EUI-64 → 16 lower-case digits. Raises Unreadable."""
    return digits(text, 8, what, column)


def mac(text: str, column: str = "") -> str:
    """A Bluetooth address → `A4:C1:38:01:02:03`. Raises Unreadable."""
    found = digits(text, 6, "Bluetooth address", column).upper()
    return ":".join(found[i : i + 2] for i in range(0, 12, 2))


def key(text: str, sizes: Collection[int], column: str = "") -> bytes:
    """A key in hexadecimal, of one of these sizes in bytes. Raises Unreadable, which does not repeat it."""
    found = plain(text)
    if _HEX.fullmatch(found) and len(found) % 2 == 0 and len(found) // 2 in sizes:
        return bytes.fromhex(found)
    counts = [2 * size for size in sorted(sizes)]
    if isinstance(sizes, range):
        many = combien = f"{counts[0]}, {counts[1]} … {counts[-1]}"
    else:
        many, combien = " or ".join(map(str, counts)), " ou ".join(map(str, counts))
    raise Unreadable(
        "bad-key",
        phrase(
            "key-must-have", "this key must have {many} hexadecimal digits; it has {count}", many=many, count=len(found)
        ),
        phrase(
            "cette-cl-doit",
            "cette clé doit avoir {combien} chiffres hexadécimaux ; elle en a {count}",
            combien=combien,
            count=len(found),
        ),
        column,
    )


def shown(text: str, most: int = 60) -> str:
    """Text from outside, short and printable."""
    text = "".join(letter if letter.isprintable() else "�" for letter in text.strip())
    return text if len(text) <= most else text[: most - 1] + "…"
