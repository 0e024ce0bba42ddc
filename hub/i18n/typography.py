"""Sentences and figures for people, as French and English print them. Pure.

Between a number and its unit, and between thousands, stands a narrow space at which no line ends (SI brochure, 5.4.3
and 5.4.4); so it does before `;`, `?` and `!` in French, a wider one before the colon and within quotation marks
(Imprimerie nationale, Règles typographiques). The number of an article of law stays on one line too: browsers end one
after its hyphen.
"""

from __future__ import annotations

import re

NARROW, KEPT, JOINED = "\u202f", "\u00a0", "\u2060"

_SIGNS = (
    *((plain, plain.replace(" ", KEPT)) for plain in (" :", " »", "« ")),
    *((plain, plain.replace(" ", NARROW)) for plain in (" ;", " ?", " !")),
)
"""French signs that never begin a line, nor end one."""
_UNIT = re.compile(r"(?<=[\d}]) (?=(?:%|°C|dBm?|[kMG]?[oB]|Mi[oB]|MHz|k?Wh?|ppm|mm?|ms|s|min|[hjd])(?![\w'’{]))")
"""Between a number, or what becomes one, and its unit."""
_ARTICLE = re.compile(r"(?<=\b[LRD]\d{3})-(?=\d)|(?<=\b[LRD]\d{3}-\d)-(?=\d)")
"""R175-3, R175-5-1: a code's numbering."""
_QUANTITY = re.compile(r"(-?)(0|[1-9]\d{0,17})(\.\d+)?(?: (\S{1,12}))?")
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|min|ms|s))+")
_STEP = re.compile(r"(\d+(?:\.\d+)?)(d|h|min|ms|s)")
_POINT = re.compile(r"(?<![\w.])(\d+)\.(\d+)(?!\.?\d)")
"""Of a decimal number; an address or a version has more of them."""
_UNITS = {
    "Cel": "°C", "1": "", "[ppm]": "ppm", "kW.h": "kWh", "W.h": "Wh", "m3": "m³", "m3/h": "m³/h", "[degF]": "°F",
    "ug/m3": "µg/m³", "m2": "m²", "deg": "°", "W/m2": "W/m²", "m/s2": "m/s²", "dB[SPL]": "dB", "dB[mW]": "dBm",
    "deg/s": "°/s", "uS/cm": "µS/cm", "Bq/m3": "Bq/m³", "MiBy": "MiB", "{rev}/min": "rpm",
}  # fmt: skip
_FRENCH = {"d": "j", "MiBy": "Mio", "{rev}/min": "tr/min"}
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_TRUTH = {"fr": ("non", "oui"), "en": ("no", "yes")}


class Dated(str):
    """A text with dates in it, as English has them: 2026-11-28. Browsers end a line after their hyphens, so a page
    prints each as a whole, by `dates_whole`; the text stays what can be copied and searched."""

    __slots__ = ()


def dates_whole(markup: str) -> str:
    """A text as HTML has it, each of its dates on one line."""
    return _DATE.sub(r'<span class="whole">\g<0></span>', markup)


def no_break_signs(text: str) -> str:
    """French, with its signs where they are on one line with their word."""
    for plain, kept in _SIGNS:
        text = text.replace(plain, kept)
    return text


def with_units(text: str) -> str:
    """Of either language, each number on one line with its unit, and that of an article."""
    return _ARTICLE.sub(f"-{JOINED}", _UNIT.sub(NARROW, text))


def typeset(text: str) -> str:
    """A French sentence as it is printed."""
    return with_units(no_break_signs(text))


def ascii_spaces(text: str) -> str:
    """With the spaces that a keyboard has: to search in, and for programmes that know no others."""
    return text.replace(NARROW, " ").replace(KEPT, " ").replace(JOINED, "")


def whole_text(value: int, lang: str) -> str:
    """A count, its thousands apart: by a narrow space in French, by a comma in English."""
    return f"{value:,}".replace(",", NARROW if lang == "fr" else ",")


def fingerprint_lines(text: str, groups: int) -> list[str]:
    """A fingerprint, AB:CD:…, in lines of so many groups of four digits: as the hub's label has it, for people who read
    it to each other."""
    plain = text.replace(":", "")
    parts = [plain[at : at + 4] for at in range(0, len(plain), 4)]
    return [" ".join(parts[at : at + groups]) for at in range(0, len(parts), groups)]


def quantity(text: str, lang: str) -> str:
    """A value as the hub writes it for programmes, for people: `55.2 °C`, `12345 W`, `1h30min`, `true`. What is none of
    these stays as it is, with a decimal comma in French."""
    if text.lower() in ("true", "false"):
        return _TRUTH[lang][text.lower() == "true"]
    if _SPAN.fullmatch(text):
        steps = [f"{number}{NARROW}{_day(unit, lang)}" for number, unit in _STEP.findall(text)]
        return _comma(KEPT.join(steps), lang)
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return _comma(text, lang)
    sign, whole, rest, unit = found.groups()
    shown = f"{sign}{whole_text(int(whole), lang)}{(rest or '').replace('.', ',' if lang == 'fr' else '.')}"
    return f"{shown}{NARROW}{_day(unit, lang)}" if unit else shown


def _day(unit: str, lang: str) -> str:
    return "j" if unit == "d" and lang == "fr" else unit


def _comma(text: str, lang: str) -> str:
    return _POINT.sub(r"\1,\2", text) if lang == "fr" else text


def unit_text(unit: str, lang: str = "en") -> str:
    """A UCUM unit as people write it."""
    own = _FRENCH.get(unit, "") if lang == "fr" else ""
    return own or _UNITS.get(unit, unit.replace("[", "").replace("]", ""))
