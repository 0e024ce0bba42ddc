"""Raw history in memory: every reading of each series for a day, within a byte budget.

The metrics that a device reports together share one column of times: a *column group*. Its newest rows, at most `PAGE`
of them, are kept open; the others are in pages, and pages in blocks of up to `WHOLE` values or `BLOCK_S` seconds. A
full block is compressed. A ring is one series: a column of one group, or of several where a device does not always
report the same metrics.

    page      varint bytes of what follows · varint rows · varint first second · varint last − first ·
              then, when rows > 1, packed rows − 1 of the differences between neighbours' seconds ·
              and for each column packed 1 of its first value, then, when rows > 1, runs rows − 1 of the differences
              between neighbours (`hub.protocol.records.integers`)
    block     pages, one after the other; zlib of that once it is whole, where that is shorter

with values in steps of their metric's resolution, flags as 0 or 1, and the rows of a page sorted by time. That is about
one byte per reading (measured by `bench/history.py`). Blocks whose last row is older than SPAN_S are dropped, so a row
stays for 24 to 30 hours; when all groups together exceed their budget, the block that ended first is dropped first.
Nothing here touches the disk: `History.on_page` hands every row over once, and `hub.history.archive` stores them if the
owner wants it. Readings may come late: pages of a group may overlap, and reading merges them.
"""

from hub.history.memory.column_groups import PAGE, WHOLE, Block, ColumnGroup, Ring
from hub.history.memory.day import BUDGET, SPAN_S, History
from hub.history.memory.downsampling import Downsampler
from hub.history.memory.scale import Scale
from hub.history.memory.silences import Silences, broken

__all__ = [
    "BUDGET",
    "PAGE",
    "SPAN_S",
    "WHOLE",
    "Block",
    "ColumnGroup",
    "Downsampler",
    "History",
    "Ring",
    "Scale",
    "Silences",
    "broken",
]
