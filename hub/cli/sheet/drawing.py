"""Drawing of a sheet as SVG, PDF or PNG. PNG needs Pillow (extra `photos`), the others nothing.

SVG 1.1, text as text in the reader's own fonts. PDF by `hub.page_kit.pdf`. PNG at 300 dots an inch, grey.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from hub.cli.sheet.layout import HEIGHT, WIDTH, Code, Line, Sheet
from hub.core.errors import ConfigError
from hub.core.text import phrase
from hub.page_kit import pdf

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

KINDS = ("png", "pdf", "svg")
_DOTS = 300 / 25.4


def ready(kind: str) -> None:
    """Raise ConfigError where Pillow is missing for a PNG."""
    if kind == "png":
        from importlib.util import find_spec

        if find_spec("PIL") is None:
            raise ConfigError(
                phrase("png-needs-pillow", "a label as PNG needs the extra `photos`; as .svg or .pdf it needs nothing")
            )


def draw(sheet: Sheet, kind: str) -> bytes:
    """Return the file, of a kind that is `ready`."""
    return {"svg": _svg, "pdf": _pdf, "png": _png}[kind](sheet)


def _runs(code: Code) -> Iterator[tuple[float, float, float, float]]:
    """Yield x, y, width and height of each run of dark modules."""
    step = code.side / len(code.modules)
    for row, modules in enumerate(code.modules):
        at = 0
        while at < len(modules):
            end = at
            while end < len(modules) and modules[end]:
                end += 1
            if end > at:
                yield code.x + at * step, code.y + row * step, (end - at) * step, step
            at = end + 1


def _svg(sheet: Sheet) -> bytes:
    size = f'width="{WIDTH:g}mm" height="{HEIGHT:g}mm" viewBox="0 0 {WIDTH:g} {HEIGHT:g}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} lang="fr"><rect width="100%" height="100%" fill="#fff"/>']
    for code in sheet.codes:
        path = "".join(f"M{x:.3f} {y:.3f}h{w:.3f}v{h:.3f}h-{w:.3f}z" for x, y, w, h in _runs(code))
        parts.append(f'<path d="{path}" shape-rendering="crispEdges"/>')
    for one in sheet.lines:
        family = "monospace" if one.mono else "sans-serif"
        weight = ' font-weight="bold"' if one.bold else ""
        place = f'x="{one.x:g}" y="{one.y:g}" font-size="{one.size:.2f}" font-family="{family}"{weight}'
        parts.append(f'<text {place} xml:space="preserve">{escape(one.text)}</text>')
    return "\n".join([*parts, "</svg>\n"]).encode()


def _pdf(sheet: Sheet) -> bytes:
    codes = (pdf.Box(*run) for code in sheet.codes for run in _runs(code))
    lines = (pdf.Text(one.x, one.y, one.size, one.text, one.bold, one.mono) for one in sheet.lines)
    return pdf.document([pdf.Page(WIDTH, HEIGHT, (*codes, *lines))])


def _png(sheet: Sheet) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("L", (round(WIDTH * _DOTS), round(HEIGHT * _DOTS)), 255)
    pen = ImageDraw.Draw(image)
    for code in sheet.codes:
        side = max(1, int(code.side * _DOTS / len(code.modules)))  # whole dots, so that all modules are equally wide
        for row, modules in enumerate(code.modules):
            for column, dark in enumerate(modules):
                if dark:
                    x, y = round(code.x * _DOTS) + column * side, round(code.y * _DOTS) + row * side
                    pen.rectangle((x, y, x + side - 1, y + side - 1), fill=0)
    for one in sheet.lines:
        _write(pen, one)
    out = io.BytesIO()
    image.save(out, "png", dpi=(300, 300), optimize=True)
    return out.getvalue()


def _write(pen: ImageDraw, line: Line) -> None:
    """Write a line with Pillow's only font, which has no accents: they are drawn over the letter."""
    from PIL import ImageFont

    font: Any = ImageFont.load_default(line.size * _DOTS)
    size, at, base = line.size * _DOTS, line.x * _DOTS, line.y * _DOTS
    even = line.mono and not set(line.text) - set(
        "0123456789ABCDEF "
    )  # digits only: other letters differ too much in width
    for char in line.text:
        letter, *marks = list(unicodedata.normalize("NFD", char))
        step = size * 0.66 if even else font.getlength(letter)
        left = at + (step - font.getlength(letter)) / 2
        pen.text((left, base), letter, font=font, anchor="ls", fill=0, stroke_width=size * 0.02 if line.bold else 0)
        top = base - size * (0.76 if letter.isupper() or letter == "i" else 0.58)
        for mark in marks:
            _accent(pen, mark, left + font.getlength(letter) / 2, top, size)
        at += step


_STROKES = {
    "\u0301": ((-0.05, 0, 0.08, -0.14),), "\u0300": ((0.05, 0, -0.08, -0.14),),
    "\u0302": ((-0.11, 0, 0, -0.12), (0, -0.12, 0.11, 0)), "\u0327": ((0, 0.6, -0.04, 0.72),),
    "\u0308": ((-0.09, -0.05, -0.08, -0.05), (0.08, -0.05, 0.09, -0.05)),
}  # fmt: skip


def _accent(pen: ImageDraw, mark: str, x: float, y: float, size: float) -> None:
    for x0, y0, x1, y1 in _STROKES.get(mark, ()):
        ends = (x + x0 * size, y + y0 * size, x + x1 * size, y + y1 * size)
        pen.line(ends, fill=0, width=max(2, round(size * 0.06)))
