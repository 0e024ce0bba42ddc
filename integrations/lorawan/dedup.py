"""Deduplication of uplinks that several gateways heard. Sans-I/O.

Copies of the same bytes that arrive within `window` seconds of the first are collected; when the window closes they are
returned together, the best signal first. A copy that arrives later, within a second of the first, came over a slow
link: it is dropped and counted, because a device never repeats a frame before its own second window is over.
"""

from __future__ import annotations

from collections import OrderedDict

from integrations.lorawan.parts import Reception

WINDOW_S = 0.2
LATE_S = 1.0
LIMIT = 4096
"""Maximum frames at once. A flood beyond it closes the oldest window early: nothing is lost, a copy may count as
late."""


class Dedup:
    """Collects copies: call `hear`, then `due` at or after `wake`. Times are monotonic seconds."""

    def __init__(self, window: float = WINDOW_S) -> None:
        self._window = window
        self._open: OrderedDict[bytes, tuple[float, list[Reception]]] = OrderedDict()
        self._closed: OrderedDict[bytes, float] = OrderedDict()
        self._early: list[tuple[Reception, ...]] = []

    def hear(self, reception: Reception) -> str:
        """Take one reception. Returns why it is dropped: "late-copy", "duplicate" (the same gateway twice), or ""."""
        self._forget(reception.at)
        held = self._open.get(reception.raw)
        if held is not None:
            if any(copy.gateway == reception.gateway for copy in held[1]):
                return "duplicate"
            held[1].append(reception)
            return ""
        if reception.raw in self._closed:
            return "late-copy"
        if len(self._open) >= LIMIT:
            self._close(next(iter(self._open)))
        self._open[reception.raw] = reception.at + self._window, [reception]
        return ""

    def due(self, now: float) -> list[tuple[Reception, ...]]:
        """Return the frames whose windows have closed at `now`, in the order of arrival, each with its best reception
        first."""
        while self._open and next(iter(self._open.values()))[0] <= now:
            self._close(next(iter(self._open)))
        done, self._early = self._early, []
        return done

    def wake(self) -> float | None:
        """Return the time at which `due` has something to return; None while nothing waits."""
        if self._early:
            return 0.0
        return next(iter(self._open.values()))[0] if self._open else None

    def _close(self, raw: bytes) -> None:
        ends, copies = self._open.pop(raw)
        copies.sort(key=lambda copy: (copy.snr, copy.rssi), reverse=True)
        self._closed[raw] = ends - self._window + LATE_S
        while len(self._closed) > LIMIT:
            self._closed.popitem(last=False)
        self._early.append(tuple(copies))

    def _forget(self, now: float) -> None:
        while self._closed and next(iter(self._closed.values())) <= now:
            self._closed.popitem(last=False)
