"""A map of registers made by hand: rows of a form → settings of a device, with the scale that a unit asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.text import reason_of
from hub.i18n.quantities import read_quantity

MOST_ROWS, FRESH = 40, 3
"""Maximum number of rows of a form, and how many are empty at first."""


def rows(fields: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the rows of a form, `r0.address`…, that have a value in their first column, in their order."""
    found = []
    for number in range(MOST_ROWS):
        row = {one["name"]: str(fields.get(f"r{number}.{one['name']}") or "").strip()[:64] for one in columns}
        if row[columns[0]["name"]]:
            found.append(row)
    return found


def empty(columns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return a new row, with the defaults of its columns."""
    return {one["name"]: _text(one["default"]) for one in columns}


def settings(row: Mapping[str, str], columns: Sequence[Mapping[str, Any]], lang: str) -> dict[str, Any]:
    """Return a row as the integration has it: numbers as numbers, and the factor of its unit in its scale. Raises
    HubError."""
    made: dict[str, Any] = {}
    for one in columns:
        name, text = one["name"], row.get(one["name"], "")
        if not text or (one["choices"] and text not in one["choices"]):
            continue
        made[name] = _number(text) if one["type"] in ("integer", "number") else text
    metric = METRICS.get(str(made.get("metric", "")))
    unit = str(made.pop("unit", "")) if "unit" in made else ""
    if metric is not None and unit:
        factor = _factor(unit, metric.unit, lang)
        made["scale"] = float(made.get("scale", 1.0)) * factor
    elif unit:
        made["unit"] = unit
    return made


def _factor(written: str, unit: str, lang: str) -> float:
    """Return by how much a value in the unit as written is multiplied. Raises HubError."""
    try:
        return read_quantity(f"1 {written}", unit, lang, difference=True)
    except ValueError as error:
        raise HubError(reason_of(error)) from error


def _number(text: str) -> Any:
    text = text.replace("\u202f", "").replace(" ", "").replace(",", ".")
    try:
        return int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text  # the model of the integration says what is wrong


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
