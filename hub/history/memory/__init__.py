"""Raw history in RAM: what each series said, for a day, in a bounded amount of memory.

The metrics that a device reports together share one column of times: they are a *strip*. Its newest rows, at most
`PAGE` of them, lie open; the others are in pages, and pages in blocks of up to `WHOLE` values or `BLOCK_S` seconds. A
block that is whole is compressed. A ring is one series: a column of one strip, or of several where a device does not
always report the same metrics.

    page      varint bytes of what follows · varint rows · varint first second · varint last − first ·
              then, when rows > 1, packed rows − 1 of the differences between neighbours' seconds ·
              and for each column packed 1 of its first value, then, when rows > 1, runs rows − 1 of the differences
              between neighbours (`hub.protocol.records.integers`)
    block     pages, one after the other; zlib of that once it is whole, where that is shorter

with a value counted in steps of its metric's resolution, a flag as 0 or 1, and the rows of a page sorted by time. That
is about one byte a reading (`bench/history.py` measures it). Blocks whose last row is older than SPAN_S go, so a row
stays for 24 hours at the least and 30 at the most; when all strips together pass their budget, the block that ended
first goes first. Nothing here touches the disk: `History.sealed` hands every row over once, and `hub.history.archive`
keeps them, where the owner wants it. Readings may come late: pages of a strip may overlap, and reading merges them.
"""

from hub.history.memory.column_groups import PAGE, WHOLE, Block, ColumnGroup, Ring
from hub.history.memory.day import BUDGET, SPAN_S, History
from hub.history.memory.downsampling import Fold, thinned
from hub.history.memory.scale import Scale

__all__ = ["BUDGET", "PAGE", "SPAN_S", "WHOLE", "Block", "ColumnGroup", "Fold", "History", "Ring", "Scale", "thinned"]
