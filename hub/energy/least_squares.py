"""Weighted least squares for a few columns, in plain Python: a year of days with six columns takes about 2 ms. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Row = tuple[float, ...]


def dot(weights: Sequence[float], row: Sequence[float]) -> float:
    return sum(weight * one for weight, one in zip(weights, row, strict=True))


def solve(rows: Sequence[Row], values: Sequence[float], weights: Sequence[float]) -> tuple[float, Row] | None:
    """Return the weighted residual sum of squares and the coefficients; None where the system is singular."""
    size = len(rows[0])
    normal = [[0.0] * (size + 1) for _ in range(size)]
    total = 0.0
    for row, value, weight in zip(rows, values, weights, strict=True):
        total += weight * value * value
        for i, one in enumerate(row):
            if one:
                line, scaled = normal[i], weight * one
                for j in range(i, size):
                    line[j] += scaled * row[j]
                line[size] += scaled * value
    right = [line[size] for line in normal]
    for i in range(size):
        for j in range(i):
            normal[i][j] = normal[j][i]
    found = gauss(normal)
    if found is None:
        return None
    return max(0.0, total - dot(found, right)), found


def gauss(lines: list[list[float]]) -> Row | None:
    """Solve a linear system by elimination, each line with its right side appended (both are overwritten); None if
    singular."""
    size = len(lines)
    scale = [abs(lines[i][i]) for i in range(size)]
    for at in range(size):
        pivot = max(range(at, size), key=lambda i: abs(lines[i][at]))
        if abs(lines[pivot][at]) < 1e-10 * max(1e-300, scale[at]):
            return None
        lines[at], lines[pivot] = lines[pivot], lines[at]
        for i in range(at + 1, size):
            factor = lines[i][at] / lines[at][at]
            for j in range(at, size + 1):
                lines[i][j] -= factor * lines[at][j]
    found = [0.0] * size
    for at in reversed(range(size)):
        found[at] = (lines[at][size] - sum(lines[at][j] * found[j] for j in range(at + 1, size))) / lines[at][at]
    return tuple(found)
