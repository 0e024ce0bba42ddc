"""Typography of sentences and figures in French and English. Pure.

Between a number and its unit, and between thousands, is a narrow no-break space (SI brochure, 5.4.3 and 5.4.4);
likewise before `;`, `?` and `!` in French, and a wider one before the colon and within quotation marks (Imprimerie
nationale, Règles typographiques). The number of an article of law stays on one line too: browsers break one after its
hyphen.
"""

from __future__ import annotations

import re

NARROW, KEPT, JOINED = "\u202f", "\u00a0", "\u2060"

_SIGNS = (
    *((plain, plain.replace(" ", KEPT)) for plain in (" :", " »", "« ")),
    *((plain, plain.replace(" ", NARROW)) for plain in (" ;", " ?", " !")),
)
"""French signs that must neither begin nor end a line."""
_UNIT = re.compile(r"(?<=[\d}]) (?=(?:%|°C|dBm?|[kMG]?[oB]|Mi[oB]|MHz|k?Wh?|ppm|mm?|ms|s|min|[hjd])(?![\w'’{]))")
"""The space between a number, or a placeholder of one, and its unit."""
_ARTICLE = re.compile(r"(?<=\b[LRD]\d{3})-(?=\d)|(?<=\b[LRD]\d{3}-\d)-(?=\d)")
"""Hyphens in R175-3, R175-5-1: a code's numbering."""
_QUANTITY = re.compile(r"(-?)(0|[1-9]\d{0,17})(\.\d+)?(?: (\S{1,12}))?")
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|min|ms|s))+")
_STEP = re.compile(r"(\d+(?:\.\d+)?)(d|h|min|ms|s)")
_POINT = re.compile(r"(?<![\w.])(\d+)\.(\d+)(?!\.?\d)")
"""A decimal number; an address or a version has more points."""
_UNITS = {
    "Cel": "°C", "1": "", "[ppm]": "ppm", "kW.h": "kWh", "W.h": "Wh", "m3": "m³", "m3/h": "m³/h", "[degF]": "°F",
    "ug/m3": "µg/m³", "m2": "m²", "deg": "°", "W/m2": "W/m²", "m/s2": "m/s²", "dB[SPL]": "dB", "dB[mW]": "dBm",
    "deg/s": "°/s", "uS/cm": "µS/cm", "Bq/m3": "Bq/m³", "MiBy": "MiB", "{rev}/min": "rpm",
}  # fmt: skip
_FRENCH = {"d": "j", "MiBy": "Mio", "{rev}/min": "tr/min"}
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_TRUTH = {"fr": ("non", "oui"), "en": ("no", "yes")}


class Dated(str):
    """Text with ISO dates in it, as in English: 2026-11-28. Browsers break lines after their hyphens, so `dates_whole`
    prints each as a whole; the text itself can still be copied and searched."""

    __slots__ = ()


def dates_whole(markup: str) -> str:
    """Return HTML text with each of its dates on one line."""
    return _DATE.sub(r'<span class="whole">\g<0></span>', markup)


def no_break_signs(text: str) -> str:
    """Return French text with its signs on one line with their word."""
    for plain, kept in _SIGNS:
        text = text.replace(plain, kept)
    return text


def with_units(text: str) -> str:
    """Return text of either language, each number on one line with its unit, and that of an article."""
    return _ARTICLE.sub(f"-{JOINED}", _UNIT.sub(NARROW, text))


def typeset(text: str) -> str:
    """Return a French sentence with its typography."""
    return with_units(no_break_signs(text))


def ascii_spaces(text: str) -> str:
    """Replace typographic spaces with ASCII spaces, for searching and for programs that know no others."""
    return text.replace(NARROW, " ").replace(KEPT, " ").replace(JOINED, "")


def whole_text(value: int, lang: str) -> str:
    """Return a count with separated thousands: by a narrow space in French, by a comma in English."""
    return f"{value:,}".replace(",", NARROW if lang == "fr" else ",")


def fingerprint_lines(text: str, groups: int) -> list[str]:
    """Return a fingerprint, AB:CD:…, in lines of `groups` groups of four digits, as on the hub's label, for reading
    aloud."""
    plain = text.replace(":", "")
    parts = [plain[at : at + 4] for at in range(0, len(plain), 4)]
    return [" ".join(parts[at : at + groups]) for at in range(0, len(parts), groups)]


def quantity(text: str, lang: str) -> str:
    """Return a value of program output for people: `55.2 °C`, `12345 W`, `1h30min`, `true`. Anything else stays, with a
    decimal comma in French."""
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
    """Return a UCUM unit as people write it."""
    own = _FRENCH.get(unit, "") if lang == "fr" else ""
    return own or _UNITS.get(unit, unit.replace("[", "").replace("]", ""))
