"""The yearly table for the OPERAT declaration (arrêté du 10 avril 2020): a line per site, energy and unit.

As JSON it is a list of objects; as CSV it is for people with a spreadsheet: headings, energies and months in words, in
the language requested. What a meter did not report is in no sum, and is listed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from hub.energy.report_texts import MONTHS, word
from hub.energy.submeters import without_submeters
from hub.i18n.typography import unit_text

COLUMNS = ("year", "site", "carrier", "used", "unit", "kwh", "estimated", "complete", "missing", "meters")
_BETWEEN = " / "
"""Separator of meters in one cell; a semicolon or a comma would end the cell in some spreadsheets."""


def lines(year: int, meters: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Build the table. `meters`: facts and figures of each; `titles`: site id → name.

    `used` and `estimated` in `unit` (UCUM), None where nothing was read; `kwh` None where a meter counts no energy;
    `completeness` in percent; `missing` months.
    """
    by: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for meter in meters:
        by.setdefault((meter["site"], meter["carrier"], meter["unit"]), []).append(meter)
    found = []
    behind = {one["place"]: one["behind"] for one in meters if one.get("behind")}
    for (site, carrier, unit), every in sorted(by.items()):
        some = without_submeters(every, lambda one: str(one["place"]), behind)
        known = [one for one in some if len(one["missing"]) < len(one["months"])]
        kwh = [one["kwh"] for one in known]
        found.append({
            "year": year, "site": titles.get(site) or site, "carrier": carrier, "unit": unit,
            "used": round(sum(one["used"] for one in known), 3) if known else None,
            "kwh": round(sum(kwh), 3) if known and None not in kwh else None,
            "estimated": round(sum(one["estimated"] for one in known), 3) if known else None,
            "completeness": round(sum(one["completeness"] for one in some) / len(some), 1),
            "meters": [
                {"place": one["place"], "name": one["name"], "serial": one["serial"], "missing": one["missing"]}
                for one in some
            ],
        })  # fmt: skip
    return found


def as_csv(table: Sequence[Mapping[str, Any]], lang: str) -> bytes:
    """Encode the table: in French as French spreadsheets open it (semicolons, decimal commas, a byte order mark),
    otherwise by RFC 4180."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";" if lang == "fr" else ",", lineterminator="\r\n")
    writer.writerow([word(f"operat-{name}", lang) for name in COLUMNS])
    for one in table:
        cells = (
            one["year"], one["site"], word(one["carrier"], lang), one["used"], unit_text(one["unit"], lang), one["kwh"],
            one["estimated"], one["completeness"], _BETWEEN.join(_missing(one["meters"], lang)),
            _BETWEEN.join(_called(meter, lang) for meter in one["meters"]),
        )  # fmt: skip
        writer.writerow([_cell(cell, lang) for cell in cells])
    return out.getvalue().encode("utf-8-sig" if lang == "fr" else "utf-8")


def _called(meter: Mapping[str, Any], lang: str) -> str:
    """Return a meter's name with its number; a number alone would be read as a figure and lose its leading zeros."""
    return word("operat-meter", lang, name=meter["name"], serial=meter["serial"]) if meter["serial"] else meter["name"]


def _missing(meters: Sequence[Mapping[str, Any]], lang: str) -> list[str]:
    """Return the months without data of each meter, without its name if it is the only one."""
    said = [(meter["name"], months_text(meter["missing"], lang)) for meter in meters]
    colon = " : " if lang == "fr" else ": "
    return [months if len(meters) == 1 else f"{name}{colon}{months}" for name, months in said if months]


def months_text(names: Sequence[str], lang: str) -> str:
    """Format months of one year, given as `2026-03`, in words; three and more consecutive ones as a span."""
    numbers = sorted(int(name.partition("-")[2]) for name in names)
    spans = [[at for _, at in run] for _, run in groupby(enumerate(numbers), lambda one: one[1] - one[0])]
    titles = [month[lang == "en"] for month in MONTHS]
    parts = []
    for span in spans:
        if len(span) > 2:
            parts.append(word("operat-span", lang, first=titles[span[0] - 1], last=titles[span[-1] - 1]))
        else:
            parts += [titles[at - 1] for at in span]
    return ", ".join(parts)


def _cell(cell: Any, lang: str) -> Any:
    """Encode a cell: None is empty, and none starts a formula (OWASP, CSV Injection)."""
    if isinstance(cell, float):
        return str(cell).replace(".", ",") if lang == "fr" else cell
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell
