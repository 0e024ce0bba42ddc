"""The operator's declarations of meters and buildings, as CSV. Pure.

    series,name,operator,carrier,use,kwh,reference,behind,serial,accuracy,calibrated,wraps      meters
    site,operator,area,outdoor                                                                   buildings

Commas or semicolons; numbers with a point or a comma. Only the first column has to be there; others may be left out.
All errors are told at once, with line and column.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from datetime import date
from typing import Any

from backend.city.energy.portfolio import CARRIERS
from backend.storage.city.energy import Building, MeterFacts
from hub.core.errors import ConfigError
from hub.core.text import phrase

METER = ("series", "name", "operator", "carrier", "use", "kwh", "reference", "behind", "serial", "accuracy",
         "calibrated", "wraps")  # fmt: skip
BUILDING = ("site", "operator", "area", "outdoor")
MAX_ROWS, MAX_TEXT = 100_000, 200


class _Rows:
    """Rows of a file, and what is wrong in them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wrong: list[str] = []

    def text(self, row: dict[str, str], column: str, line: int) -> str:
        found = (row.get(column) or "").strip()
        if len(found) > MAX_TEXT:
            self.say(line, column, phrase("energy-csv-long", "longer than {most} characters", most=MAX_TEXT))
        return found[:MAX_TEXT]

    def number(self, row: dict[str, str], column: str, line: int) -> float | None:
        text = self.text(row, column, line).replace(",", ".")
        if not text:
            return None
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not math.isfinite(found) or not 0 < found <= 1e12:
            self.say(line, column, phrase("energy-csv-number", "{text!r} is no number above 0", text=text[:40]))
            return None
        return found

    def say(self, line: int, column: str, what: str) -> None:
        self.wrong.append(
            phrase(
                "energy-csv-where",
                "{file}:{line}: {column}: {what}",
                file=self.name,
                line=line,
                column=column,
                what=what,
            )
        )


def read(name: str, data: bytes) -> list[MeterFacts] | list[Building]:
    """Return the meters or the buildings of a file. Raises ConfigError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            phrase("energy-csv-text", "{file} is no text in UTF-8: byte {at}", file=name, at=error.start)
        ) from None
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    columns = [one.strip() for one in reader.fieldnames or ()]
    reader.fieldnames = columns
    wanted = METER if "series" in columns else BUILDING
    if wanted[0] not in columns or set(columns) - set(wanted) or len(set(columns)) < len(columns):
        raise ConfigError(
            phrase(
                "energy-csv-columns",
                "{file}: the first line names the columns, {meters} or {buildings}; here it is {found}",
                file=name,
                meters=", ".join(METER),
                buildings=", ".join(BUILDING),
                found=", ".join(columns)[:200] or "-",
            )
        )
    rows = _Rows(name)
    make: Callable[[_Rows, dict[str, str], int], Any] = _meter if wanted is METER else _building
    found: dict[str, Any] = {}
    try:
        for row in reader:
            if None in row:
                rows.say(reader.line_num, wanted[-1], phrase("energy-csv-more", "more cells than columns"))
                continue
            one = make(rows, row, reader.line_num)
            if one[0] in found:
                rows.say(reader.line_num, wanted[0], phrase("energy-csv-twice", "{text} stands twice", text=one[0]))
            found[one[0]] = one
            if len(found) > MAX_ROWS:
                raise ConfigError(
                    phrase("energy-csv-many", "{file} has more than {most} rows", file=name, most=MAX_ROWS)
                )
    except csv.Error as error:
        rows.say(reader.line_num, wanted[0], str(error))
    if rows.wrong:
        raise ConfigError("\n".join(rows.wrong[:50]))
    return list(found.values())


def _meter(rows: _Rows, row: dict[str, str], line: int) -> MeterFacts:
    carrier = rows.text(row, "carrier", line) or "other"
    if carrier not in CARRIERS:
        rows.say(
            line,
            "carrier",
            phrase(
                "energy-csv-carrier", "{text!r} is none of {carriers}", text=carrier[:40], carriers=", ".join(CARRIERS)
            ),
        )
    calibrated = rows.text(row, "calibrated", line)
    if calibrated:
        try:
            date.fromisoformat(calibrated)
        except ValueError:
            rows.say(
                line, "calibrated", phrase("energy-csv-date", "{text!r} is no date: 2026-03-01", text=calibrated[:40])
            )
    series = _id(rows, row, "series", line, 3)
    behind = rows.text(row, "behind", line)
    if behind == series:
        rows.say(line, "behind", phrase("energy-csv-behind", "a meter is not behind itself"))
    plain = {name: rows.text(row, name, line) for name in ("name", "operator", "use", "serial", "accuracy")}
    figures = {name: rows.number(row, name, line) for name in ("kwh", "reference", "wraps")}
    return MeterFacts(
        series, plain["name"], plain["operator"], carrier, plain["use"], figures["kwh"], figures["reference"], behind,
        plain["serial"], plain["accuracy"], calibrated, figures["wraps"],
    )  # fmt: skip


def _building(rows: _Rows, row: dict[str, str], line: int) -> Building:
    return Building(
        _id(rows, row, "site", line, 1),
        rows.text(row, "operator", line),
        rows.number(row, "area", line),
        rows.text(row, "outdoor", line),
    )


def _id(rows: _Rows, row: dict[str, str], column: str, line: int, parts: int) -> str:
    found = rows.text(row, column, line)
    if not found or len([one for one in found.split("/") if one]) < parts:
        rows.say(line, column, phrase("energy-csv-id", "{text!r} is no id", text=found[:80]))
    return found
