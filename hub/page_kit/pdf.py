"""Writer of PDF 1.4 (ISO 32000-1): texts, filled rectangles and lines on pages, without a library. Pure.

The four fonts are among the 14 that every reader has, in WinAnsiEncoding. It has all letters of French and of English;
other letters lose their marks, and what is left of them is a question mark. Millimetres from the upper left corner; `y`
of a text is its base line. Widths are those of Adobe's metrics for Helvetica; accented letters are as wide as plain
ones. Documents are tagged with title and language, not with a structure: a page of HTML with the same content stands
beside each one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FONTS = ("Helvetica", "Helvetica-Bold", "Courier", "Courier-Bold")
POINTS = 72 / 25.4
A4 = (210.0, 297.0)
BLACK = (0.0, 0.0, 0.0)
Colour = tuple[float, float, float]
"""Red, green, blue, 0 … 1."""

_REGULAR = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 "
    "556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 "
    "722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 "
    "500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584"
)
_BOLD = (
    "278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 "
    "556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778 667 778 "
    "722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611 611 278 278 "
    "556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584"
)
_WIDTHS = tuple({chr(32 + at): int(width) for at, width in enumerate(table.split())} for table in (_REGULAR, _BOLD))
_OTHERS = {"–": 556, "—": 1000, "’": 222, "‘": 222, "“": 333, "”": 333, "«": 556, "»": 556, "…": 1000, "•": 350,
           "°": 400, "·": 278, "€": 556, "Æ": 1000, "æ": 889, "Œ": 1000, "œ": 944, "ß": 611, "²": 333,
           "³": 333, "\u00a0": 278, "±": 584, "×": 584, "≥": 549}  # fmt: skip
_AS = str.maketrans({"\u202f": "\u00a0", "\u2009": "\u00a0", "\u2011": "-", "\u2212": "-", "ʻ": "‘", "ʼ": "’",
                     "≥": ">", "≤": "<", "→": ">", "\u200b": ""})  # fmt: skip


class Text(NamedTuple):
    x: float
    y: float
    size: float
    text: str
    bold: bool = False
    mono: bool = False
    colour: Colour = BLACK


class Box(NamedTuple):
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour = BLACK


class Page(NamedTuple):
    width: float
    height: float
    parts: tuple[Text | Box, ...]


def encoded(text: str) -> bytes:
    """Return a text in WinAnsiEncoding."""
    text = text.translate(_AS)
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError:
        plain = (
            char
            if _fits(char)
            else "".join(one for one in unicodedata.normalize("NFD", char) if not unicodedata.combining(one))
            for char in text
        )
        return "".join(plain).encode("cp1252", errors="replace")


def _fits(char: str) -> bool:
    try:
        return bool(char.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def width(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """Return the width of a text in millimetres; `size` too."""
    shown = encoded(text).decode("cp1252", errors="replace")
    if mono:
        return len(shown) * 0.6 * size
    table = _WIDTHS[bold]
    return sum(_width_of(char, table) for char in shown) * size / 1000


def _width_of(char: str, table: dict[str, int]) -> int:
    found = table.get(char) or _OTHERS.get(char)
    return found or table.get(unicodedata.normalize("NFD", char)[:1], 556)


def wrapped(text: str, room: float, size: float, *, bold: bool = False, most: int = 0) -> list[str]:
    """Break a text into lines that fit into `room` millimetres; with `most` lines, the last ends with an ellipsis where
    more would follow. A word that is too long is cut."""
    lines, line = [], ""
    for one in text.split():
        word = one
        longer = f"{line} {word}" if line else word
        if width(longer, size, bold=bold) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        while width(word, size, bold=bold) > room and len(word) > 1:
            at = len(word) - 1
            while at > 1 and width(word[:at], size, bold=bold) > room:
                at -= 1
            lines.append(word[:at])
            word = word[at:]
        line = word
    lines += [line] if line else []
    if most and len(lines) > most:
        last = lines[most - 1]
        while last and width(f"{last}…", size, bold=bold) > room:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last.rstrip()}…"]
    return lines


def document(pages: Sequence[Page], *, title: str = "", lang: str = "fr") -> bytes:
    """Return the file."""
    contents = [_content(page) for page in pages]
    first_font = 3
    first_page = first_font + len(FONTS)
    kids = " ".join(f"{first_page + 2 * n} 0 R" for n in range(len(pages)))
    fonts = " ".join(f"/F{n} {first_font + n} 0 R" for n in range(len(FONTS)))
    info = first_page + 2 * len(pages)
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R /Lang ({lang}) /ViewerPreferences << /DisplayDocTitle true >> >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        *(f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>".encode() for name in FONTS),
    ]
    for n, (page, content) in enumerate(zip(pages, contents, strict=True)):
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page.width * POINTS:.2f} {page.height * POINTS:.2f}] "
            f"/Contents {first_page + 2 * n + 1} 0 R /Resources << /Font << {fonts} >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    objects.append(f"<< /Title <{(chr(0xFEFF) + title).encode('utf-16-be').hex()}> /Producer (Ilot) >>".encode())
    out, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (len(objects) + 1, info)
    out += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(out)


def _content(page: Page) -> bytes:
    return "\n".join(_drawn(page)).encode("ascii")


def _drawn(page: Page) -> Iterator[str]:
    colour: Colour | None = None
    for part in page.parts:
        if part.colour != colour:
            colour = part.colour
            yield " ".join(f"{one:.3f}" for one in colour) + " rg"
        if isinstance(part, Box):
            bottom = (page.height - part.y - part.height) * POINTS
            box = (part.x * POINTS, bottom, part.width * POINTS, part.height * POINTS)
            yield " ".join(f"{one:.3f}" for one in box) + " re f"
        else:
            x, y = part.x * POINTS, (page.height - part.y) * POINTS
            font = 2 * part.mono + part.bold
            yield f"BT /F{font} {part.size * POINTS:.2f} Tf {x:.3f} {y:.3f} Td <{encoded(part.text).hex()}> Tj ET"
