"""One figure for people: numbers, units, spans, moments, names, as a language writes them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any

_WISH = re.compile(r"(\d+)(s|min|h|d)")
_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def number(value: float, digits: int, lang: str) -> str:
    text = f"{value:.{digits}f}"
    return text.replace(".", ",") if lang == "fr" else text


def whole_text(value: int, lang: str) -> str:
    """A count, its thousands apart: by a narrow space in French (SI brochure, 5.4.4), by a comma in English."""
    return f"{value:,}".replace(",", "\u202f" if lang == "fr" else ",")


def said_value(text: str, lang: str, words: tuple[str, str]) -> str:
    """A value that the hub put into words, as this language writes it: `65.5 °C`, `true`."""
    if text.lower() in ("true", "false"):
        return words[text.lower() == "true"]
    return _POINT.sub(",", text) if lang == "fr" else text


WHO = {
    "cli": ("la ligne de commande", "the command line"), "hub": ("le concentrateur", "the hub"),
    "configuration": ("la configuration", "the configuration"), "backend": ("le serveur", "the backend"),
}  # fmt: skip
WHO_OF = {
    "web:?": ("personne de connu, depuis {}", "nobody known, from {}"), "web:": ("{}", "{}"),
    "rule:": ("règle {}", "rule {}"), "backend:": ("{}, au serveur", "{}, at the backend"),
    "cli:": ("{}, en ligne de commande", "{}, at the command line"), "token:": ("jeton {}", "token {}"),
}  # fmt: skip


def who_text(by: str, lang: str) -> str:
    """Who did something, of the name that the audit log has: `web:camille`, `rule:night`, `cli`."""
    if by in WHO:
        return WHO[by][lang != "fr"]
    for prefix, texts in WHO_OF.items():
        if by.startswith(prefix):
            return texts[lang != "fr"].format(by.removeprefix(prefix))
    return by


def value_text(value: Any, lang: str, words: tuple[str, str]) -> str:
    """A reading for people; `words` of false and true."""
    if isinstance(value, bool):
        return words[value]
    if isinstance(value, float | int):
        text = f"{value:.6g}" if abs(value) < 1e9 else f"{value:.0f}"
        return text.replace(".", ",") if lang == "fr" else text
    return str(value)


UNITS = {
    "Cel": "°C", "1": "", "[ppm]": "ppm", "kW.h": "kWh", "W.h": "Wh", "m3": "m³", "m3/h": "m³/h", "[degF]": "°F",
    "ug/m3": "µg/m³", "m2": "m²", "deg": "°", "W/m2": "W/m²", "m/s2": "m/s²", "dB[SPL]": "dB", "dB[mW]": "dBm",
}  # fmt: skip


def unit_text(unit: str) -> str:
    """A UCUM unit as people write it."""
    return UNITS.get(unit, unit.replace("[", "").replace("]", ""))


def size_text(size: float, lang: str) -> str:
    units = ("o", "ko", "Mo", "Go") if lang == "fr" else ("B", "kB", "MB", "GB")
    step = 0
    while size >= 1000 and step < len(units) - 1:
        size, step = size / 1000, step + 1
    return f"{number(size, 0 if step == 0 or size >= 100 else 1, lang)} {units[step]}"


def span_text(seconds: float | None, lang: str) -> str:
    """A duration for people, in its two largest units; "" of none."""
    if seconds is None:
        return ""
    day = "j" if lang == "fr" else "d"
    whole = max(0, int(seconds))
    if whole >= 86_400:
        return f"{whole // 86_400} {day} {whole % 86_400 // 3600} h"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"


def wish_text(text: str, lang: str) -> str:
    """A duration as the configuration has it (`5min`, `2d`), for people."""
    found = _WISH.fullmatch(text)
    if found is None:
        return text
    return f"{found[1]}\u00a0{'j' if found[2] == 'd' and lang == 'fr' else found[2]}"


def moment_text(unix_s: float | None, lang: str, zone: tzinfo) -> str:
    """A moment in the site's zone."""
    if unix_s is None:
        return ""
    return (
        datetime.fromtimestamp(unix_s, UTC)
        .astimezone(zone)
        .strftime("%d/%m/%Y %H:%M:%S" if lang == "fr" else "%Y-%m-%d %H:%M:%S")
    )


def day_text(iso: str, lang: str) -> str:
    """A date of the configuration (ISO 8601), as this language writes it."""
    parts = iso.split("-")
    return "/".join(reversed(parts)) if lang == "fr" and len(parts) == 3 else iso
