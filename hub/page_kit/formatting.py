"""Formatting of one figure for people: numbers, units, spans, moments, names, in each language. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from hub.i18n.ambiguous_time import offset, offset_if_ambiguous
from hub.i18n.typography import KEPT, NARROW

_WISH = re.compile(r"(\d+)(s|min|h|d)")


def number(value: float, digits: int, lang: str) -> str:
    text = f"{value:z.{digits}f}"  # the option z turns -0 into 0
    return text.replace(".", ",") if lang == "fr" else text


YES_NO = ("yes", "no")
"""Keys of the words for true and false."""
FINEST = {"Cel": 2, "%": 1, "hPa": 1, "[ppm]": 0, "lx": 0}
"""Maximum useful decimals of a value of that unit."""
COARSE = {"Cel": 1, "%": 0, "hPa": 0, "[ppm]": 0, "lx": 0, "W": 0, "V": 0, "A": 1, "kW.h": 1, "L": 0, "MiBy": 0}
"""Decimals of a value of that unit where it is seen in passing: on the overview and in the list of devices."""
SIGNIFICANT = 6


def with_unit(text: str, unit: str) -> str:
    return f"{text}{NARROW}{unit}" if unit else text


def decimals(value: float, unit: str = "") -> int:
    """Return the number of decimals to show: six significant digits, all of those before the point, and at most
    FINEST."""
    size = math.floor(math.log10(abs(value))) if value else 0
    most = min(12, max(0, SIGNIFICANT - 1 - size))
    return min(most, FINEST[unit]) if unit in FINEST and abs(value) >= 1 else most


def value_text(value: Any, lang: str, words: tuple[str, str], unit: str = "") -> str:
    """Return a reading for people; `words` of false and true, `unit` in UCUM. Equal to live.js."""
    if isinstance(value, bool):
        return words[value]
    if isinstance(value, float | int) and math.isfinite(value):
        text = f"{value:,.{decimals(value, unit)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        text = "0" if text == "-0" else text
        return text.replace(",", NARROW).replace(".", ",") if lang == "fr" else text
    return str(value)


def size_text(size: float, lang: str) -> str:
    units = ("o", "ko", "Mo", "Go") if lang == "fr" else ("B", "kB", "MB", "GB")
    step = 0
    while size >= 1000 and step < len(units) - 1:
        size, step = size / 1000, step + 1
    return with_unit(number(size, 0 if step == 0 or size >= 100 else 1, lang), units[step])


def span_text(seconds: float | None, lang: str) -> str:
    """Return a duration for people, in its two largest units, or the largest where it is whole; "" for None."""
    if seconds is None:
        return ""
    day, whole = "j" if lang == "fr" else "d", max(0, int(seconds))
    if whole >= 86_400:
        parts = [(str(whole // 86_400), day), (str(whole % 86_400 // 3600), "h")]
    elif whole >= 3600:
        parts = [(str(whole // 3600), "h"), (f"{whole % 3600 // 60:02d}", "min")]
    else:
        parts = [(str(whole // 60), "min")] if whole >= 60 else [(str(whole), "s")]
    if len(parts) == 2 and whole % (86_400 if whole >= 86_400 else 3600) == 0:
        parts = parts[:1]
    return "\u00a0".join(with_unit(text, unit) for text, unit in parts)


def duration_text(text: str, lang: str) -> str:
    """Return a duration of the configuration (`5min`, `2d`) for people."""
    found = _WISH.fullmatch(text)
    if found is None:
        return text
    return with_unit(found[1], "j" if found[2] == "d" and lang == "fr" else found[2])


def moment_text(unix_s: float | None, lang: str, zone: tzinfo) -> str:
    """Return a moment in the site's zone, with its offset in the hour that occurs twice."""
    return _local_text(unix_s, lang, zone, "%H:%M:%S")


def minute_text(unix_s: float | None, lang: str, zone: tzinfo) -> str:
    """Return a moment as `moment_text` does, without its seconds."""
    return _local_text(unix_s, lang, zone, "%H:%M")


def _local_text(unix_s: float | None, lang: str, zone: tzinfo, time_of_day: str) -> str:
    if unix_s is None:
        return ""
    local = datetime.fromtimestamp(unix_s, UTC).astimezone(zone)
    said = local.strftime(f"{'%d/%m/%Y' if lang == 'fr' else '%Y-%m-%d'} {time_of_day}")
    twice = offset_if_ambiguous(local)
    return f"{said}{KEPT}{twice}" if twice else said


def zone_text(unix_s: float, lang: str, zone: ZoneInfo) -> str:
    """Return the name of the time zone used on a page, for readers in another one."""
    said = ("Heures du site\u00a0: {} ({}).", "Times are the site's: {} ({}).")[lang != "fr"]
    return said.format(zone.key, offset(datetime.fromtimestamp(unix_s, zone)))


def day_text(iso: str, lang: str) -> str:
    """Return a date of the configuration (ISO 8601) in this language."""
    parts = iso.split("-")
    return "/".join(reversed(parts)) if lang == "fr" and len(parts) == 3 else iso
