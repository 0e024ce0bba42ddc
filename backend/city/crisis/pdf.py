"""The point de situation: one page of A4, made without a network, a browser or a font of this machine."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from backend.city.crisis.situation import Situation
from backend.city.crisis.texts import word
from hub.page_kit import formatting, pdf
from hub.page_kit.pdf import Box, Colour, Text

LEFT, RIGHT, GUTTER = 14.0, 196.0, 6.0
SIZE, LINE = 3.1, 4.3
_RED: Colour = (0.64, 0.13, 0.13)
_GREY: Colour = (0.35, 0.4, 0.42)
_RULE: Colour = (0.75, 0.78, 0.8)
_HALF = (RIGHT - LEFT - GUTTER) / 2
DRILL_EVERY = 97.0
"""Millimetres between two words of a drill at the edge of the page."""


class _Column:
    """Lines that run down a column until it is full."""

    def __init__(self, parts: list[Text | Box], x: float, y: float, width: float, bottom: float) -> None:
        self._parts, self._x, self.y, self._width, self._bottom = parts, x, y, width, bottom

    def heading(self, text: str, figure: str = "") -> None:
        self.y += 2.5
        if self.y + 2 * LINE > self._bottom:
            return
        wide = pdf.width(figure, 3.8, bold=True) + 3 if figure else 0.0
        for shown in pdf.wrapped(text, self._width - wide, 3.8, bold=True, most=1):
            self._parts.append(Text(self._x, self.y + LINE - 0.8, 3.8, shown, bold=True))
        if figure:
            wide = pdf.width(figure, 3.8, bold=True)
            self._parts.append(Text(self._x + self._width - wide, self.y + LINE - 0.8, 3.8, figure, bold=True))
        self._parts.append(Box(self._x, self.y + LINE + 0.6, self._width, 0.25, _RULE))
        self.y += LINE + 2

    def line(
        self, text: str, right: str = "", *, bold: bool = False, colour: Colour = pdf.BLACK, most: int = 2
    ) -> bool:
        """Add a line, broken where it is long; return False where there is no room for it."""
        room = self._width - (pdf.width(right, SIZE) + 3 if right else 0)
        lines = pdf.wrapped(text, room, SIZE, bold=bold, most=most)
        if self.y + len(lines) * LINE > self._bottom:
            return False
        if right:
            x = self._x + self._width - pdf.width(right, SIZE)
            self._parts.append(Text(x, self.y + SIZE, SIZE, right, colour=_GREY))
        for one in lines:
            self._parts.append(Text(self._x, self.y + SIZE, SIZE, one, bold=bold, colour=colour))
            self.y += LINE
        return True

    def lines(self, many: list[tuple[str, str]], in_all: int, more: Callable[[int], str], most: int) -> None:
        """Add lines as far as there is room, and say how many are left out."""
        shown = 0
        for text, right in many[:most]:
            if self.y + 2 * LINE > self._bottom or not self.line(text, right):
                break
            shown += 1
        if in_all > shown:
            self.line(more(in_all - shown), colour=_GREY, most=1)


def point_of_situation(one: Situation, lang: str, zone: ZoneInfo) -> bytes:
    """Return the page as PDF."""

    def say(key: str, **filled: object) -> str:
        return word(f"crisis-{key}", lang, **filled)

    def at(moment: float) -> str:
        return formatting.minute_text(moment, lang, zone)

    def more(count: int) -> str:
        return say("more", count=count)

    parts: list[Text | Box] = []
    top = 14.0
    if one.drill:
        drill = say("drill-word")
        for y in (0.0, pdf.A4[1] - 8):
            parts.append(Box(0, y, pdf.A4[0], 8, _RED))
            said = f"   {drill}   {drill}   {drill}   {drill}   {drill}   "
            parts.append(
                Text((pdf.A4[0] - pdf.width(said, 4.2, bold=True)) / 2, y + 5.5, 4.2, said, True, colour=(1, 1, 1))
            )
        top = 18.0
    parts.append(Text(LEFT, top + 4, 7, say("pdf-title"), bold=True))
    city = pdf.wrapped(one.city, 95, 5, most=1)
    parts.append(Text(RIGHT - pdf.width(city[0], 5) if city else RIGHT, top + 4, 5, city[0] if city else ""))
    parts.append(Text(LEFT, top + 10, SIZE, say("made", at=at(one.made)), colour=_GREY))
    seen = say("seen-at", at=at(one.seen_at))
    parts.append(Text(RIGHT - pdf.width(seen, SIZE), top + 10, SIZE, seen, colour=_GREY))
    if one.drill:
        banner = say("drill-banner", title=one.drill, until=at(one.drill_until))
        for n, line in enumerate(pdf.wrapped(banner, RIGHT - LEFT, SIZE, bold=True, most=2)):
            parts.append(Text(LEFT, top + 15 + n * LINE, SIZE, line, bold=True, colour=_RED))
        top += 2 * LINE + 1
    top += 14
    tiles = [
        (say("heard"), f"{one.heard}", say("of", count=one.hubs)),
        (say("silent"), f"{one.silent}", ""),
        (say("read-only"), f"{len(one.read_only)}", ""),
        (say("isolated"), f"{len(one.isolated)}", ""),
        (say("critical"), f"{one.critical}", ""),
    ]
    wide = (RIGHT - LEFT) / len(tiles)
    for n, (label, figure, of) in enumerate(tiles):
        x = LEFT + n * wide
        parts.append(Text(x, top + 6, 7, figure, bold=True))
        if of:
            parts.append(Text(x + pdf.width(figure, 7, bold=True) + 1.5, top + 6, SIZE, of, colour=_GREY))
        parts.append(Text(x, top + 11, SIZE, label))
    top += 14
    middle, bottom = 168.0, 274.0
    left = _Column(parts, LEFT, top, _HALF, middle)
    left.heading(say("critical"), str(one.critical))
    if not one.alerts:
        left.line(say("critical-none"))
    left.lines(
        [
            (f"{alert.site + ' · ' if alert.site else ''}{_text(alert.text, alert.text_fr, lang)}", at(alert.raised_at))
            for alert in one.alerts
        ],
        one.critical, more, 12,
    )  # fmt: skip
    right = _Column(parts, LEFT + _HALF + GUTTER, top, _HALF, middle)
    right.heading(say("silent-short"), str(one.silent))
    if not one.silent_hubs:
        right.line(say("silent-none"))
    right.lines(
        [
            (
                " · ".join(filter(None, (hub.name or hub.hub, hub.site))),
                at(hub.at) if hub.at else say("never-heard"),
            )
            for hub in one.silent_hubs
        ],
        one.silent, more, 10,
    )  # fmt: skip
    if one.isolated:
        right.heading(say("isolated-short"), str(len(one.isolated)))
        right.lines([(f"{h.name or h.hub} · {h.why}", at(h.at or 0)) for h in one.isolated], len(one.isolated), more, 5)
    if one.read_only:
        right.heading(say("read-only-short"), str(len(one.read_only)))
        right.lines([(h.name or h.hub, h.site) for h in one.read_only], len(one.read_only), more, 5)
    lower = max(left.y, right.y) + 1
    left = _Column(parts, LEFT, lower, _HALF, bottom)
    left.heading(say("measures"), str(len(one.measures) + len(one.crews)))
    if not one.measures and not one.crews:
        left.line(say("measures-none"))
    held = [*one.measures, *one.crews]
    left.lines(
        [(f"{m.text}{' · ' + m.place if m.place else ''}", say("until", at=at(m.expires))) for m in held],
        len(held), more, 12,
    )  # fmt: skip
    for heat in one.heat[:2]:
        left.heading(heat.text, str(heat.over))
        left.line(say("until", at=at(heat.expires)), colour=_GREY, most=1)
        left.line(_heat_line(heat.over, heat.known, heat.threshold, lang), bold=True)
        left.lines(
            [
                (f"{room.site} · {room.name}", f"{formatting.number(room.value, 1, lang)}\u00a0°C")
                for room in heat.rooms
            ],
            heat.known, more, 12,
        )  # fmt: skip
    right = _Column(parts, LEFT + _HALF + GUTTER, lower, _HALF, bottom)
    right.heading(say("log"), str(one.log_lines))
    if not one.log:
        right.line(say("log-none"))
    right.lines([(f"{e.n}. {e.text} ({e.who})", at(e.at)) for e in one.log], one.log_lines, more, 20)
    foot = pdf.A4[1] - 15.5
    parts.append(Text(LEFT, foot, 2.6, say("log-head", count=one.log_lines, digest=one.log_head or "-"), colour=_GREY))
    parts.append(Text(LEFT, foot + 3.6, 2.6, say("pdf-foot"), colour=_GREY))
    title = f"{say('drill-word')} · {say('pdf-title')}" if one.drill else say("pdf-title")
    return pdf.document([pdf.Page(*pdf.A4, tuple(parts))], title=f"{title} · {one.city}", lang=lang)


def _text(english: str, french: str, lang: str) -> str:
    return french if lang == "fr" and french else english


def _heat_line(over: int, known: int, threshold: float, lang: str) -> str:
    return word(
        "crisis-heat-over", lang, over=over, known=known, threshold=formatting.number(threshold, 1, lang)
    )  # fmt: skip
