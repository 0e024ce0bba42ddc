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

    `on_drop(group, block)` is called before a block is dropped; `on_page(group, page)` with each new page, without
    the rows that `hand_over` gave before: every row once.
    """

    def __init__(self, budget: int = BUDGET, span_s: int = SPAN_S) -> None:
        self.budget, self.span_s = budget, span_s
        self.rings: dict[tuple[str, str], Ring] = {}
        self.groups: list[ColumnGroup] = []
        self.on_drop: Callable[[ColumnGroup, Block], None] = lambda group, block: None
        self.on_page: Callable[[ColumnGroup, bytes], None] | None = None
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

    def bind(self, place: str, columns: Sequence[Column]) -> list[ColumnGroup]:
        """Return the column groups for the metrics that a place reports together: one of all columns, or one per
        column, in order, where the place has had too many different sets."""
        rings = [self.ring(place, key, step) for key, step in columns]
        if len(columns) > 1:
            name = place, tuple(key for key, _ in columns)
            if name in self._named:
                return [self._named[name]]
            if self._shapes.get(place, 0) >= SHAPES:
                return [group for column in columns for group in self.bind(place, [column])]
            self._shapes[place] = self._shapes.get(place, 0) + 1
            group = self._named[name] = ColumnGroup(place, rings)
        else:
            for known, _ in rings[0].columns:
                if len(known.rings) == 1:
                    return [known]
            group = ColumnGroup(place, rings)
        self.groups.append(group)
        # open rows of all groups may take a quarter of the budget
        group.page = max(LEAST_PAGE, min(group.page, self.budget // 4 // (8 * group.width * len(self.groups))))
        self.bytes += group.size
        self._fit()
        return [group]

    def close(self, group: ColumnGroup) -> None:
        """Put a group's open rows into a page, and drop the oldest blocks of all where memory is short."""
        if not group.open:
            return
        fresh = group.pending_page() if group.handed_over else None
        page, grown = group.close()
        self.bytes += grown
        page = page if fresh is None else fresh
        if self.on_page is not None and page:
            self.on_page(group, page)
        self._fit()

    def hand_over(self, begin: int = 0, count: int | None = None) -> None:
        """Pass the open rows to `on_page` too, of all groups or of `count` from index `begin`.

        They stay open, so that pages in memory reach their normal length.
        """
        if self.on_page is None:
            return
        for group in self.groups[begin : None if count is None else begin + count]:
            page = group.pending_page()
            if page:
                self.on_page(group, page)

    def expire(self, now: float) -> None:
        """Drop what is older than the span; does something every SWEEP_S seconds only."""
        if 0 <= now - self._swept < SWEEP_S:
            return
        self._swept = now
        for group in list(self.groups):
            if group.open and group.open[0] < now - BLOCK_S:
                self.close(group)
            for block in [block for block in group.blocks if block.last < now - self.span_s]:
                self._drop(group, block)

    def forget(self, place: str, metric: str | None = None) -> int:
        """Erase the rings of a place, or one of them. Returns how many."""
        gone = {key: ring for key, ring in self.rings.items() if key[0] == place and metric in (None, key[1])}
        for key, ring in gone.items():
            del self.rings[key]
            self.bytes -= RING_BYTES
            for group, _ in list(ring.columns):
                self._forget(group, ring)
        return len(gone)

    def since(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield each series and the second from which it is complete."""
        return ((key, ring.cut) for key, ring in self.rings.items())

    def _forget(self, group: ColumnGroup, ring: Ring) -> None:
        """Remove one column of a group. The others keep their readings; the next report of these metrics starts a new
        group."""
        self._named = {name: one for name, one in self._named.items() if one is not group}
        if len(group.rings) > 1:
            self.bytes += group.drop(ring)
            return
        self._remove(group)
        group.rings, ring.columns = [], []

    def _remove(self, group: ColumnGroup) -> None:
        self.bytes -= group.size
        self.groups.remove(group)

    def _fit(self) -> None:
        """Drop the blocks that ended first until the budget holds, and a little more, so that the next page does not
        cause another scan."""
        if self.bytes <= self.budget:
            return
        blocks = [(block.last, at, block) for at, group in enumerate(self.groups) for block in group.blocks]
        groups = list(self.groups)
        for _, at, block in sorted(blocks, key=lambda one: one[:2]):
            self._drop(groups[at], block)
            if self.bytes <= self.budget - self.budget // SPARE:
                return

    def _drop(self, group: ColumnGroup, block: Block) -> None:
        self.on_drop(group, block)
        group.blocks.remove(block)
        self.bytes -= block.size
        for ring in group.rings:
            ring.cut = max(ring.cut, block.last)
        if len(group.rings) > 1 and not group.blocks and not group.open and group not in self._named.values():
            for ring in group.rings:
                ring.columns = [one for one in ring.columns if one[0] is not group]
            self._remove(group)
