"""Combines hours, days or months of the series of a zone. Pure.

A sum has a value where any of its meters has one, and its completeness is the mean of theirs: a missing meter lowers
the completeness, so the sum is never silently too small. A mean covers the series with values.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.history.rollups.cells import Cell


def summed(many: Sequence[Sequence[Cell]], factors: Sequence[float]) -> list[Cell]:
    """Add up the counters of a zone, each times its factor; all with the same edges."""
    whole = [one for one in many if one]
    found = []
    for at in range(max((len(one) for one in whole), default=0)):
        row = [(one[at], factor) for one, factor in zip(many, factors, strict=True) if at < len(one)]
        known = [(cell, factor) for cell, factor in row if cell.value is not None]
        value = round(sum((cell.value or 0.0) * factor for cell, factor in known), 6) if known else None
        estimated = round(sum(cell.estimated * factor for cell, factor in known), 6)
        complete = round(sum(cell.completeness for cell, _ in row) / len(many), 1)
        found.append(Cell(row[0][0].begin, value, None, None, estimated, complete))
    return found


def averaged(many: Sequence[Sequence[Cell]]) -> list[Cell]:
    """Average the gauges of a zone; all with the same edges."""
    found = []
    for at in range(max((len(one) for one in many), default=0)):
        row = [one[at] for one in many if at < len(one)]
        known = [cell.value for cell in row if cell.value is not None]
        low = min((cell.low for cell in row if cell.low is not None), default=None)
        high = max((cell.high for cell in row if cell.high is not None), default=None)
        mean = round(sum(known) / len(known), 3) if known else None
        complete = round(sum(cell.completeness for cell in row) / len(many), 1)
        found.append(Cell(row[0].begin, mean, low, high, 0.0, complete))
    return found
