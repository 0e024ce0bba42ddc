"""Hourly and monthly aggregates of every series, exact, on the hub's own disk.

Rules
    A counter (state class `total_increasing`) is stored as its readings, never as differences: an hour's row holds the
    (second, index) pairs that an exact computation needs, and nothing between them. Consumption is computed on demand,
    in whole steps of the metric's resolution, by linear interpolation between two readings, cut at the edges of hours.
    The parts of one interval add up to it exactly, so the sum over all hours is last index − first index, plus what
    resets, roll-overs and declared swaps add, in whatever order and batches readings came. A swap declared later also
    applies to the past. Between two readings more than `counter.GAP_S` apart the amount is known but not its
    distribution: it is marked as estimated.

    A gauge is stored as the sum value × seconds, minimum, maximum, count and the seconds covered by readings. A value
    holds until the next one, at most an hour.

    Columns that the plan does not keep never arrive here: values that may not be stored are not aggregated.

Durability
    Readings stay in memory (`hub.history.memory`) and are written once an hour, in one transaction, and at stop, since
    flash wears with the number of writes. A kill loses no unit of a counter, because its next reading includes it; it
    loses the gauges of the current hour, whose completeness shows it. A gauge's row has a part for each run of the
    process, and writing a run's part again replaces it: a repeated write changes nothing.

Days and months are those of the site's zone, an hour starts with the hour of its clocks (Pacific/Marquesas: half past,
UTC). A day has 23 or 25 hours when the clocks change. Zones whose offset changes by less than an hour within a year
(Lord Howe) are not kept apart: their days begin at the nearest hour.
"""

from hub.history.rollups.calendar import Calendar

__all__ = ["Calendar"]
