"""Reads quantities and durations as people write them: `19,5 °C`, `1 500 W`, `1,5 kW`, `1 h 30`. Pure.

A decimal comma and a decimal point are both right, whatever the language; thousands are apart by spaces, or by the sign
that is not the decimal one. `1,500` is one and a half in French; in English it may be meant as fifteen hundred, and is
asked about instead of guessed.
"""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from hub.core.text import phrase
from hub.core.ucum import is_ucum, likely_ucum
from hub.core.ucum_conversion import convert
from hub.i18n.catalogues import FRENCH
from hub.i18n.typography import unit_text

LONGEST = 60
_SPACES = re.compile(r"[\s\u00a0\u2009\u202f\u2060]+")
_NUMBER = re.compile(r"([+-]?)(\d{1,3}(?: \d{3})+(?!\d)|\d[\d.,]*\d|\d)((?<=[\d ])[.,]\d+)? ?(.*)")
_PER_HOUR = re.compile(r"(.*?) ?(?:/ ?h|par heure|à l[’']heure|per hour|an hour)")
_STEP = re.compile(r"(\d+(?:[.,]\d+)?) ?([a-zé]*) ?")
_SECONDS = {
    "ms": Fraction(1, 1000), "s": Fraction(1), "sec": Fraction(1), "min": Fraction(60), "mn": Fraction(60),
    "h": Fraction(3600), "d": Fraction(86_400), "j": Fraction(86_400), "w": Fraction(604_800),
}  # fmt: skip
_WORDS = {
    "seconde": "s", "second": "s", "minute": "min", "heure": "h", "hour": "h", "jour": "d", "day": "d", "sem": "w",
    "semaine": "w", "week": "w", "hr": "h",
}  # fmt: skip
_FINER = {"h": "min", "min": "s", "d": "h", "j": "h"}
"""Unit of a number without one that follows a number in this unit: `1 h 30`."""


def read_quantity(text: str, unit: str, lang: str, *, difference: bool = False) -> float:
    """Return a quantity in `unit`, of UCUM; without a unit it is meant in that one. `difference`: of two values. Raises
    ValueError with a sentence."""
    number, written = _split(text, lang)
    if not written:
        return _float(number)
    value = _in_unit(number, written, unit, difference=difference)
    if value is None:
        raise ValueError(_wrong_unit(written, unit, lang))
    return _float(value)


def read_rate(text: str, unit: str, lang: str) -> float:
    """Return a change per hour in `unit` an hour: `2 °C/h`, `2 °C par heure`, `2 °C`, `2`, and `3 kW` of a `kW.h`.
    Raises ValueError with a sentence."""
    number, written = _split(text, lang)
    hourly = _PER_HOUR.fullmatch(written)
    if not written:
        return _float(number)
    value = _in_unit(number, hourly[1], unit, difference=True) if hourly is not None else None
    if value is None:
        value = _in_unit(number, written, f"{unit}/h" if unit != "1" else "/h", difference=True)
    if value is None:
        value = _in_unit(number, written, unit, difference=True)
    if value is None:
        raise ValueError(_wrong_unit(written, unit, lang, hourly=True))
    return _float(value)


def read_duration(text: str, lang: str) -> timedelta:
    """Return a duration: `10 min`, `2 h`, `1 h 30`, `1h30min`, `2 jours`, `1,5 h`. Raises ValueError with a
    sentence."""
    plain, at, total, former = _plain(text).casefold(), 0, Fraction(0), ""
    if not plain or len(plain) > LONGEST:
        raise ValueError(_no_duration(text, lang))
    while at < len(plain):
        found = _STEP.match(plain, at)
        if found is None:
            raise ValueError(_no_duration(text, lang))
        word = found[2]
        unit = word if word in _SECONDS else _WORDS.get(word) or _WORDS.get(word.removesuffix("s"), "")
        if not word and former:
            unit = _FINER.get(former, "")
        if not unit:
            raise ValueError(_no_duration(text, lang))
        total += Fraction(found[1].replace(",", ".")) * _SECONDS[unit]
        former, at = unit, found.end()
    try:
        return timedelta(milliseconds=round(total * 1000))
    except OverflowError:
        raise ValueError(_no_duration(text, lang)) from None


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text.replace("\u2212", "-")).strip()


def _split(text: str, lang: str) -> tuple[Fraction, str]:
    """Return the number and the unit as written. Raises ValueError with a sentence."""
    plain = _plain(text)
    found = _NUMBER.fullmatch(plain) if len(plain) <= LONGEST else None
    if found is None:
        raise ValueError(_no_number(text))
    sign, digits, decimals, unit = found.groups()
    number = _number(f"{digits.replace(' ', '')}{decimals or ''}", lang, text)
    return -number if sign == "-" else number, unit.strip()


def _number(digits: str, lang: str, text: str) -> Fraction:
    marks = [one for one in digits if one in ".,"]
    if len(set(marks)) == 2 and marks[-1] != marks[0] and marks.count(marks[-1]) == 1:
        thousands, rest = digits.split(marks[-1])
        groups = thousands.split(marks[0])
        if all(len(group) == 3 for group in groups[1:]) and 1 <= len(groups[0]) <= 3:
            return Fraction(f"{''.join(groups)}.{rest}")
    elif len(marks) <= 1:
        if lang != FRENCH and re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits):
            raise ValueError(
                phrase(
                    "number-of-two-meanings",
                    "{given} may be read in two ways: write {thousands} or {decimal}",
                    given=digits,
                    thousands=digits.replace(",", ""),
                    decimal=digits.replace(",", "."),
                )
            )
        return Fraction(digits.replace(",", "."))
    raise ValueError(_no_number(text))


def _in_unit(number: Fraction, written: str, unit: str, *, difference: bool) -> Fraction | None:
    for meant in _meanings(written, unit):
        value = convert(number, meant, unit, difference=difference)
        if value is not None:
            return value
    return None


def _meanings(written: str, unit: str) -> list[str]:
    """Return the units of UCUM that a text may mean, the likeliest first; capitals count only where they must."""
    spoken = {text.casefold(): unit for text in (unit, unit_text(unit), unit_text(unit, FRENCH)) if text}
    if unit == "Cel":
        spoken |= dict.fromkeys(("c", "°", "degre", "degré", "degres", "degrés", "degree", "degrees"), unit)
    tight = written.replace(" ", "")
    found = [spoken.get(written.casefold(), ""), likely_ucum(tight), tight if is_ucum(tight) else ""]
    found.append(f"{tight[:2]}By" if re.fullmatch(r"[KMGT]i[Bo]", tight) else "")  # 2 GiB, 2 Gio
    for base in ("W", "W.h", "Pa", "V", "A", "V.A"):  # 1,5 kw
        shown = unit_text(base)
        found += [f"k{base}" if tight.casefold() == f"k{shown}".casefold() else "",
                  base if tight.casefold() == shown.casefold() else ""]  # fmt: skip
    return [one for one in dict.fromkeys(found) if one]


def _float(value: Fraction) -> float:
    try:
        return float(f"{float(value):.12g}")  # 66 °F are 18.8888888889 °C
    except OverflowError:
        raise ValueError(phrase("quantity-too-large", "this number is too large")) from None


def _no_number(text: str) -> str:
    return phrase("no-number-with-unit", "{given!r} is no number: write it like 19.5, with or without its unit",
                  given=text[:LONGEST])  # fmt: skip


def _wrong_unit(written: str, unit: str, lang: str, *, hourly: bool = False) -> str:
    wanted = unit_text(unit, lang) + ("/h" if hourly else "")
    if not wanted:
        return phrase("unit-not-wanted", "this is counted without a unit: write the number alone, without {given!r}",
                      given=written[:LONGEST])  # fmt: skip
    return phrase("unit-not-convertible", "{given!r} cannot be converted to {unit}: write it in {unit}",
                  given=written[:LONGEST], unit=wanted)  # fmt: skip


def _no_duration(text: str, lang: str) -> str:
    days = "2 j" if lang == FRENCH else "2 d"
    return phrase(
        "no-such-duration", "{given!r} is no duration: write it like 10 min, 2 h, 1 h 30 or {days}",
        given=text[:LONGEST], days=days,
    )  # fmt: skip
