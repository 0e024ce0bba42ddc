"""Finds the silences of a series: spans without a reading that are long beside its usual step. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise

STRETCHES = 1 << 15
"""Stretches that a span is cut into; of each, the first and the last reading are kept. Within 31 days one is 82 s."""
PERIODS = 3.0
"""A silence is longer than this many of the usual steps."""
SHARE = 0.05
"""Part of the time that steps up to the usual one fill: where readings come in bursts, nine steps in ten are short."""


class Silences:
    """Collects the times of readings in [begin, end), in bounded memory, in any order and repeatedly.

    A span of up to `STRETCHES` seconds is judged second by second; of a longer one, no silence within one stretch is
    seen.
    """

    def __init__(self, begin: int, end: int) -> None:
        self._begin = begin
        self._width = max(1, -(-(end - begin) // STRETCHES))
        count = max(1, -(-(end - begin) // self._width))
        self._seen = bytearray(count)
        self._first, self._last = array("I", bytes(4 * count)), array("I", bytes(4 * count))

    def add(self, points: Iterable[tuple[int, float]]) -> None:
        seen, first, last = self._seen, self._first, self._last
        for time, _ in points:
            since = time - self._begin
            at = since // self._width
            if not seen[at]:
                seen[at] = 1
                first[at] = last[at] = since
            elif since < first[at]:
                first[at] = since
            elif since > last[at]:
                last[at] = since

    def found(self, until: int, most: int) -> list[tuple[int, int]]:
        """Return (last reading before it, first one after it) of each silence in Unix seconds, sorted; the last one may
        end at `until`, when nothing has been heard since. At most `most`: the longest."""
        times = [self._begin + one for at in self._stretches() for one in (self._first[at], self._last[at])]
        steps = sorted(b - a for a, b in pairwise(times) if b > a)
        if not steps:
            return []
        limit = PERIODS * max(steps[len(steps) * 9 // 10], _by_time(steps))
        found = [(a, b) for a, b in pairwise([*times, max(until, times[-1])]) if b - a > limit]
        return sorted(sorted(found, key=lambda one: one[0] - one[1])[:most])

    def _stretches(self) -> Iterable[int]:
        at = self._seen.find(1)
        while at >= 0:
            yield at
            at = self._seen.find(1, at + 1)


def _by_time(steps: Sequence[int]) -> int:
    """Return the step up to which sorted steps fill SHARE of the time; the longest, which may be an outage, counts
    for nothing."""
    left = SHARE * sum(steps[:-1])
    for step in steps:
        left -= step
        if left <= 0:
            return step
    return steps[-1]


def broken(points: Iterable[tuple[int, float]], silences: Sequence[tuple[int, int]]) -> list[tuple[int, float | None]]:
    """Return the points with a None, a second after its begin, in each silence that lies between two of them."""
    shown: list[tuple[int, float | None]] = []
    rest = iter(silences)
    silence = next(rest, None)
    for point in points:
        while silence is not None and silence[1] <= point[0]:
            if shown and shown[-1][1] is not None:
                shown.append((silence[0] + 1, None))
            silence = next(rest, None)
        shown.append(point)
    return shown
