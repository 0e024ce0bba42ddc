"""Tables of pages: pages of rows, and CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_ROWS = 200


def page_of(found: Sequence[Any], query: Mapping[str, str]) -> tuple[list[Any], int, int]:
    """Return (rows of the requested page, its number from 1, rows a page)."""
    size = min(MOST_ROWS, max(1, _int(query.get("size", ""), 50)))
    last = max(1, -(-len(found) // size))
    page = min(last, max(1, _int(query.get("page", ""), 1)))
    return list(found[(page - 1) * size : page * size]), page, size


def rows_of_csv(rows: Iterable[Sequence[Any]], lang: str, *, first: bool = False) -> bytes:
    """Return lines of a CSV that is sent in parts; `first`: the first of them. In French for a French spreadsheet:
    semicolons, a decimal comma, a byte order mark; otherwise as in RFC 4180. No cell begins a formula."""
    out = io.StringIO()
    write = csv.writer(out, delimiter=";" if lang == "fr" else ",", lineterminator="\r\n")
    for row in rows:
        cells = [
            str(cell).replace(".", ",") if isinstance(cell, float) and lang == "fr" else without_formula(cell)
            for cell in row
        ]
        write.writerow(cells)
    return out.getvalue().encode("utf-8-sig" if lang == "fr" and first else "utf-8")


def without_formula(cell: Any) -> Any:
    """Return a cell that a spreadsheet does not execute (OWASP, CSV Injection)."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _int(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else otherwise
