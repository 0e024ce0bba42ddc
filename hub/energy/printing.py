"""Reports as HTML to print: dates, numbers and months as the language writes them."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.doubled import which
from hub.energy.words import MONTHS, UNITS, WORDS, word
from hub.typography import KEPT as WIDE
from hub.typography import NARROW

MOST = 40
"""Stretches of a kind that a meter's section lists; the JSON has all."""


def as_html(report: dict[str, Any], lang: str, timezone: str) -> bytes:
    """One file that needs nothing else. Blocking."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    french, zone = lang == "fr", ZoneInfo(timezone)

    def number(value: float) -> str:
        plain = f"{value:,.3f}".rstrip("0").rstrip(".")
        return plain.replace(",", NARROW).replace(".", ",") if french else plain

    def percent(share: float, sign: bool = False) -> str:
        plain = f"{share * 100:z.1f}".removesuffix(".0")
        plain = f"{share * 100:+.1f}" if sign and plain != "0" else plain
        return f"{plain.replace('.', ',')}{WIDE}%" if french else f"{plain}{WIDE}%"

    def moment(seconds: float) -> str:
        local = datetime.fromtimestamp(seconds, zone)
        twice = which(local)
        return f"{local:{'%d/%m/%Y %H:%M' if french else '%Y-%m-%d %H:%M'}}{WIDE + twice if twice else ''}"

    def day(iso: str) -> str:
        return "/".join(reversed(iso.split("-"))) if french and iso.count("-") == 2 else iso

    def month(name: str) -> str:
        year, _, at = name.partition("-")
        return f"{MONTHS[int(at) - 1][not french]} {year}"

    def said(prefix: str, value: str) -> str:
        """In words, where there are some for it."""
        return word(prefix + value, lang) if prefix + value in WORDS else value

    def css(text: str) -> str:
        """For a string of a style: all but letters and digits by their numbers (CSS Syntax 3, 4.3.7)."""
        return "".join(char if char.isalnum() and char.isascii() else f"\\{ord(char):06x}" for char in text)

    def spoken(key: str, **filled: object) -> str:
        text = word(key, lang, **filled)
        return re.sub(r" ([:;?!%»])", rf"{WIDE}\1", text).replace("« ", f"«{WIDE}") if french else text

    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    env.globals.update(
        _=spoken, number=number, moment=moment, lang=lang, percent=percent,
        day=day, month=month, said=said, css=css, unit=lambda ucum: UNITS.get(ucum, ucum), most=MOST,
    )  # fmt: skip
    return env.get_template("report.html").render(**report).encode()
