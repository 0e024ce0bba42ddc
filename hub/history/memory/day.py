"""The column groups of one hub, within their time span and memory budget. Pure; see `hub.history.memory`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hub.history.memory.column_groups import BLOCK_S, RING_BYTES, Block, ColumnGroup, Ring

SPAN_S = 24 * 3600
BUDGET = 8 << 20
"""Maximum bytes of all column groups of a hub."""
SHAPES = 8
"""Maximum multi-column groups of one place: a device that reports ever new sets of metrics gets a group per metric."""
SWEEP_S = 900
SPARE = 64
LEAST_PAGE = 4

Column = tuple[str, str]
"""Key and step of a metric."""


class History:
    """The raw history in memory.

    `letting_go(strip, block)` is called before a block is dropped; `sealed(strip, page)` with each new page, without
    the rows that `hand_over` gave before: every row once.
    """

    def __init__(self, budget: int = BUDGET, span_s: int = SPAN_S) -> None:
        self.budget, self.span_s = budget, span_s
        self.rings: dict[tuple[str, str], Ring] = {}
        self.strips: list[ColumnGroup] = []
        self.letting_go: Callable[[ColumnGroup, Block], None] = lambda strip, block: None
        self.sealed: Callable[[ColumnGroup, bytes], None] | None = None
        self.bytes = 0
        self._named: dict[tuple[str, tuple[str, ...]], ColumnGroup] = {}
        self._shapes: dict[str, int] = {}  # place → number of its sets of more than one metric
        self._swept = 0.0

    def ring(self, place: str, metric: str, step: str) -> Ring:
        """Return the ring of a series, creating it on first use."""
        ring = self.rings.get((place, metric))
        if ring is None:
            ring = self.rings[place, metric] = Ring(step, metric)
            self.bytes += RING_BYTES
        return ring

    def get(self, place: str, metric: str) -> Ring | None:
        return self.rings.get((place, metric))

    def seats(self, place: str, columns: Sequence[Column]) -> list[ColumnGroup]:
        """Return the column groups for the metrics that a place reports together: one of all columns, or one per
        column, in order, where the place has had too many different sets."""
        rings = [self.ring(place, key, step) for key, step in columns]
        if len(columns) > 1:
            name = place, tuple(key for key, _ in columns)
            if name in self._named:
                return [self._named[name]]
            if self._shapes.get(place, 0) >= SHAPES:
                return [strip for column in columns for strip in self.seats(place, [column])]
            self._shapes[place] = self._shapes.get(place, 0) + 1
            strip = self._named[name] = ColumnGroup(place, rings)
        else:
            for known, _ in rings[0].columns:
                if len(known.rings) == 1:
                    return [known]
            strip = ColumnGroup(place, rings)
        self.strips.append(strip)
        # open rows of all strips may take a quarter of the budget
        strip.page = max(LEAST_PAGE, min(strip.page, self.budget // 4 // (8 * strip.width * len(self.strips))))
        self.bytes += strip.size
        self._fit()
        return [strip]

    def close(self, strip: ColumnGroup) -> None:
        """Put a group's open rows into a page, and drop the oldest blocks of all where memory is short."""
        if not strip.open:
            return
        fresh = strip.untold() if strip.told else None
        page, grown = strip.close()
        self.bytes += grown
        page = page if fresh is None else fresh
        if self.sealed is not None and page:
            self.sealed(strip, page)
        self._fit()

    def hand_over(self, begin: int = 0, count: int | None = None) -> None:
        """Pass the open rows to `sealed` too, of all groups or of `count` from index `begin`.

        They stay open, so that pages in memory reach their normal length.
        """
        if self.sealed is None:
            return
        for strip in self.strips[begin : None if count is None else begin + count]:
            page = strip.untold()
            if page:
                self.sealed(strip, page)

    def expire(self, now: float) -> None:
        """Drop what is older than the span; does something every SWEEP_S seconds only."""
        if 0 <= now - self._swept < SWEEP_S:
            return
        self._swept = now
        for strip in list(self.strips):
            if strip.open and strip.open[0] < now - BLOCK_S:
                self.close(strip)
            for block in [block for block in strip.blocks if block.last < now - self.span_s]:
                self._drop(strip, block)

    def forget(self, place: str, metric: str | None = None) -> int:
        """Erase the rings of a place, or one of them. Returns how many."""
        gone = {key: ring for key, ring in self.rings.items() if key[0] == place and metric in (None, key[1])}
        for key, ring in gone.items():
            del self.rings[key]
            self.bytes -= RING_BYTES
            for strip, _ in list(ring.columns):
                self._forget(strip, ring)
        return len(gone)

    def since(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield each series and the second from which it is complete."""
        return ((key, ring.cut) for key, ring in self.rings.items())

    def _forget(self, strip: ColumnGroup, ring: Ring) -> None:
        """Remove one column of a group. The others keep their readings; the next report of these metrics starts a new
        group."""
        self._named = {name: one for name, one in self._named.items() if one is not strip}
        if len(strip.rings) > 1:
            self.bytes += strip.drop(ring)
            return
        self._remove(strip)
        strip.rings, ring.columns = [], []

    def _remove(self, strip: ColumnGroup) -> None:
        self.bytes -= strip.size
        self.strips.remove(strip)

    def _fit(self) -> None:
        """Drop the blocks that ended first until the budget holds, and a little more, so that the next page does not
        cause another scan."""
        if self.bytes <= self.budget:
            return
        blocks = [(block.last, at, block) for at, strip in enumerate(self.strips) for block in strip.blocks]
        strips = list(self.strips)
        for _, at, block in sorted(blocks, key=lambda one: one[:2]):
            self._drop(strips[at], block)
            if self.bytes <= self.budget - self.budget // SPARE:
                return

    def _drop(self, strip: ColumnGroup, block: Block) -> None:
        self.letting_go(strip, block)
        strip.blocks.remove(block)
        self.bytes -= block.size
        for ring in strip.rings:
            ring.cut = max(ring.cut, block.last)
        if len(strip.rings) > 1 and not strip.blocks and not strip.open and strip not in self._named.values():
            for ring in strip.rings:
                ring.columns = [one for one in ring.columns if one[0] is not strip]
            self._remove(strip)
