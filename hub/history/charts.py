"""Fewer points that look like all of them, for charts. Pure."""

from __future__ import annotations


def thinned(points: list[tuple[int, float]], most: int, gap_s: float) -> list[tuple[int, float | None]]:
    """At most about `most` points that look like all of them: of each stretch of time the lowest and the highest, in
    their order; a None where nothing was said for longer than `gap_s`."""
    if len(points) > most > 1:
        begin, width = points[0][0], max(1, (points[-1][0] - points[0][0]) * 2 // most + 1)
        kept: list[tuple[int, float]] = []
        stretch: list[tuple[int, float]] = []
        edge = begin + width
        for point in [*points, (points[-1][0] + 2 * width, 0.0)]:
            if point[0] >= edge:
                ends = (
                    {min(stretch, key=lambda one: one[1]), max(stretch, key=lambda one: one[1])} if stretch else set()
                )
                kept += sorted(ends)
                stretch = []
                edge += ((point[0] - edge) // width + 1) * width
            stretch.append(point)
        points = kept
        gap_s = max(gap_s, 2.0 * width)
    shown: list[tuple[int, float | None]] = []
    for point in points:
        if shown and point[0] - shown[-1][0] > gap_s:
            shown.append((shown[-1][0] + 1, None))
        shown.append(point)
    return shown
