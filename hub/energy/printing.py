"""Reports as HTML to print."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.energy.words import word

UNITS = {"kW.h": "kWh", "Cel": "°C", "m3": "m³", "1": ""}


def as_html(report: dict[str, Any], lang: str, timezone: str) -> bytes:
    """One file that needs nothing else. Blocking."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def number(value: float) -> str:
        plain = f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", " ")
        return plain.replace(".", ",") if lang == "fr" else plain

    def moment(seconds: float) -> str:
        return f"{datetime.fromtimestamp(seconds, ZoneInfo(timezone)):%Y-%m-%d %H:%M}"

    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    env.globals.update(
        _=lambda key, **filled: word(key, lang, **filled), number=number, moment=moment, lang=lang,
        percent=lambda ratio: f"{ratio * 100:+.1f} %".replace(".", "," if lang == "fr" else "."),
        unit=lambda ucum: UNITS.get(ucum, ucum),
    )  # fmt: skip
    return env.get_template("report.html").render(**report).encode()
