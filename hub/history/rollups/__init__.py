"""Hourly and monthly aggregates of every series, exact, on the hub's own disk.

The law
    A counter (state class `total_increasing`) is kept as its readings, never as differences: an hour's row holds the
    (second, index) pairs that an exact reckoning needs, and nothing between them. Consumption is reckoned when somebody
    asks, in whole steps of the metric's resolution, by a straight line between two readings, cut at the edges of hours.
    The parts of one line add up to it exactly, so the sum over all hours is last index − first index, plus what resets,
    roll-overs and declared swaps add, whatever the order in which readings came and however they were batched. A swap
    that is declared later counts backwards too. Between two readings more than `counter.GAP_S` apart the amount is
    known and its distribution is not: it is marked as estimated.

    A gauge is kept as the sum value × seconds, minimum, maximum, count and the seconds that readings cover. A value
    holds until the next one, at most an hour.

    What is not in the plan's kept columns is never seen here: what may not be stored is not rolled up.

What survives
    Readings wait in the RAM history (`hub.history.memory`) and are written once an hour, in one transaction, and at
    stop: flash wears by the number of writes. A kill costs no unit of a counter, because its next reading tells what
    passed; it costs the gauges of the hour under way, whose completeness says so. A row of a gauge has a part for each
    life of the process, and writing a life's part again replaces it: a write that is repeated changes nothing.

Days and months are those of the site's zone, an hour starts with the hour of its clocks (Pacific/Marquesas: half past,
UTC). A day has 23 or 25 hours when the clocks change. Zones whose offset changes by less than an hour within a year
(Lord Howe) are not kept apart: their days begin at the nearest hour.
"""

from hub.history.rollups.calendar import Calendar

__all__ = ["Calendar"]
