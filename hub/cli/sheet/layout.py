"""Layout of the label. Millimetres from the upper left corner; `y` of a text is its base line. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.i18n.typography import fingerprint_lines
from hub.operations.network.settings import wifi_text

WIDTH, HEIGHT = 105.0, 74.0
"""ISO 216, A7 across."""
QR = 30.0
"""Side of a code with its quiet zone: at 45 modules a module is 0.67 mm, which phones read at arm's length."""
MAX_WIFI_TEXT = 17
"""Maximum characters of a Wi-Fi's name or key that are printed as text."""
EDGE = 3.0
"""Free space at the right of a line."""
QUIET = 4
"""Modules of quiet zone round a QR code (ISO/IEC 18004, 6.3.8)."""


class Code(NamedTuple):
    """A QR code with its quiet zone; `modules` by row, True is dark."""

    x: float
    y: float
    side: float
    modules: tuple[tuple[bool, ...], ...]


class Line(NamedTuple):
    """A line of text. `mono`: every character as wide as another."""

    x: float
    y: float
    size: float
    text: str
    mono: bool = False
    bold: bool = False


class Sheet(NamedTuple):
    codes: tuple[Code, ...]
    lines: tuple[Line, ...]


def groups(fingerprint: str) -> list[str]:
    """Return a SHA-256 fingerprint, AB:CD:…, in two lines of eight groups of four digits."""
    return fingerprint_lines(fingerprint, 8)


def layout(facts: dict[str, Any], link: str) -> Sheet:
    """Return the sheet. `facts` is the answer of the call `web.label`; `link` the text of the page's QR code."""
    wifi = facts.get("wifi")
    codes, lines = [], [Line(5, 9, 5.2, f"Îlot · {facts['hub']}", bold=True)]
    at = 5.0
    if wifi:
        codes.append(Code(at, 16, QR, _modules(wifi_text(wifi["name"], wifi["key"]))))
        lines += [Line(at + 2, 15, 3.2, "1. Rejoindre le Wi-Fi", bold=True)]
        at += QR + 3
    codes.append(Code(at, 16, QR, _modules(link)))
    lines.append(Line(at + 2, 15, 3.2, f"{'2' if wifi else '1'}. Ouvrir la page", bold=True))
    at += QR + 3
    size = 3.2 if wifi else 4.6
    lines += [Line(at, 20, 3.0, "Code, une seule fois"), Line(at, 26, size, facts["code"] or "déjà remis", True, True)]
    if wifi:
        named = [text if len(text) <= MAX_WIFI_TEXT else "par le code QR" for text in (wifi["name"], wifi["key"])]
        lines += [Line(at, 32 + 4.5 * n, 3.0, text, n > 0) for n, text in enumerate(["Wi-Fi et clé", *named])]
    lines += [
        Line(5, 54, 3.2, "Adresse"),
        Line(24, 54, 3.2, facts["url"], True),
        Line(5, 60, 3.2, "Empreinte du certificat (SHA-256) : la même que sur la page"),
    ]
    lines += [Line(5, 65.0 + 4.5 * n, 3.2, text, True) for n, text in enumerate(groups(facts["fingerprint"]))]
    return Sheet(tuple(codes), tuple(map(_fitted, lines)))


def _fitted(line: Line) -> Line:
    """Shrink a line that would leave the sheet: a hub may have a long name, a page an IPv6 address."""
    wide = (0.6 if line.mono else 0.58 if line.bold else 0.52) * line.size * len(line.text)
    room = WIDTH - EDGE - line.x
    return line if wide <= room else line._replace(size=line.size * room / wide)


def _modules(text: str) -> tuple[tuple[bool, ...], ...]:
    import segno

    rows = segno.make(text, error="m", micro=False).matrix_iter(border=QUIET)
    return tuple(tuple(bool(module) for module in row) for row in rows)
