"""Renders reports as printable HTML, with dates, numbers and months in the reader's language."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.core.actor import who
from hub.energy.report_texts import MONTHS, WORDS, word
from hub.i18n.ambiguous_time import offset_if_ambiguous
from hub.i18n.catalogues import translate
from hub.i18n.typography import KEPT as WIDE
from hub.i18n.typography import NARROW, Dated, dates_whole, typeset, unit_text, with_units

MOST = 40
"""Periods listed per kind in a meter's section; the JSON has all."""


def as_html(report: dict[str, Any], lang: str, timezone: str) -> bytes:
    """Render one self-contained file. Blocking."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from jinja2.filters import do_forceescape, do_mark_safe

    french, zone = lang == "fr", ZoneInfo(timezone)

    def number(value: float) -> str:
        plain = f"{value:,.3f}".rstrip("0").rstrip(".")
        return plain.replace(",", NARROW).replace(".", ",") if french else plain

    def percent(share: float, sign: bool = False) -> str:
        plain = f"{share * 100:z,.1f}".removesuffix(".0")
        plain = f"{share * 100:+,.1f}" if sign and plain != "0" else plain
        return f"{plain.replace(',', NARROW).replace('.', ',') if french else plain}{NARROW}%"

    def moment(seconds: float) -> str:
        local = datetime.fromtimestamp(seconds, zone)
        twice = offset_if_ambiguous(local)
        return Dated(f"{local:{'%d/%m/%Y %H:%M' if french else '%Y-%m-%d %H:%M'}}{WIDE + twice if twice else ''}")

    def day(iso: str) -> str:
        return Dated("/".join(reversed(iso.split("-"))) if french and iso.count("-") == 2 else iso)

    def month(name: str) -> str:
        year, _, at = name.partition("-")
        return f"{MONTHS[int(at) - 1][not french]} {year}"

    def said(prefix: str, value: str) -> str:
        """Translate a value where there is a text for it."""
        return word(prefix + value, lang) if prefix + value in WORDS else value

    def css(text: str) -> str:
        """Escape a string for CSS: all but letters and digits by code point (CSS Syntax 3, 4.3.7)."""
        return "".join(char if char.isalnum() and char.isascii() else f"\\{ord(char):06x}" for char in text)

    def spoken(key: str, **filled: object) -> str:
        text = (typeset if french else with_units)(word(key, lang, **filled))
        return Dated(text) if any(isinstance(one, Dated) for one in filled.values()) else text

    def printed(value: Any) -> Any:
        """Keep dates from wrapping: a browser would break a line within an English date."""
        return do_mark_safe(dates_whole(str(do_forceescape(str(value))))) if isinstance(value, Dated) else value

    def told(value: Any, ucum: str = "") -> str:
        """Format a value written to a device."""
        if isinstance(value, bool):
            return word("yes" if value else "no", lang)
        if isinstance(value, dict):
            return ", ".join(f"{name}{WIDE if french else ''}: {told(one)}" for name, one in value.items())
        if value is None:
            return word("released", lang)
        unit = unit_text(ucum, lang)
        said = number(value) if isinstance(value, int | float) else str(value)
        return f"{said}{NARROW}{unit}" if unit else said

    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printed,
    )
    env.globals.update(
        _=spoken,
        number=number,
        moment=moment,
        lang=lang,
        percent=percent,
        day=day,
        month=month,
        said=said,
        css=css,
        unit=lambda ucum: unit_text(ucum, lang),
        most=MOST,
        told=told,
        who=lambda by: translate(who(by), lang),
        this_year=datetime.fromtimestamp(report["made"], zone).year,
    )
    return env.get_template("report.html").render(**report).encode()
