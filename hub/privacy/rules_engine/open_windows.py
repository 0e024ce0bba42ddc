"""Windows that were begun and not told: remembered without a value, so that one that a restart cut is declared. Pure.

What devices said in a window is in RAM only, and stays there: on a disk it would be what the window is there to hide.
That a window was begun says nothing of anybody. So only that is remembered, with the commit of what else was said then,
and a window that a former life began has no figure: it is declared missing when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

PREFIX = "window/"
MOST = 4096
"""Windows of former lives that are declared; a hub that is off for years has no more rules than that."""


class Unit(NamedTuple):
    """What one figure a window is told of: a metric of a zone (`zone:hall`) or of a site, under one rule."""

    rule: str
    device: str
    site: str
    zone: str
    metric: str
    window_s: float

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.rule}/{self.device}/{self.metric}/{self.window_s:g}"


class Unfinished:
    """`remembered` and `remember` are the buffer's small state. Starts are Unix seconds."""

    def __init__(
        self,
        remembered: Mapping[str, Any] | None = None,
        remember: Callable[[str, Any], None] = lambda key, value: None,
    ) -> None:
        self._remember = remember
        self._begun: dict[Unit, set[float]] = {}
        self._cut: dict[Unit, set[float]] = {}
        for key, body in (remembered or {}).items():
            if key.startswith(PREFIX) and body:
                unit = Unit(*body[:-1])
                self._cut[unit] = {float(start) for start in body[-1][:MOST]}

    def begin(self, unit: Unit, start: float) -> None:
        """Somebody said something in this window."""
        begun = self._begun.setdefault(unit, set())
        if start not in begun:
            begun.add(start)
            self._note(unit)

    def abandon(self, unit: Unit) -> None:
        """What was begun of it is forgotten: its rule is another one."""
        if begun := self._begun.pop(unit, None):
            self._cut.setdefault(unit, set()).update(begun)

    def cut(self, unit: Unit, start: float) -> bool:
        """Was a part of it forgotten?"""
        return start in self._cut.get(unit, ())

    def over(self, now: float, grace_s: float) -> Iterator[tuple[Unit, float]]:
        """Those that were cut and are over."""
        for unit, starts in self._cut.items():
            for start in sorted(starts):
                if start + unit.window_s + grace_s <= now:
                    yield unit, start

    def done(self, unit: Unit, start: float) -> None:
        """It was told, or there is nothing to tell."""
        known = False
        for windows in (self._begun, self._cut):
            if start in windows.get(unit, ()):
                windows[unit].discard(start)
                known = True
                if not windows[unit]:
                    del windows[unit]
        if known:
            self._note(unit)

    def _note(self, unit: Unit) -> None:
        starts = sorted(self._begun.get(unit, set()) | self._cut.get(unit, set()))
        self._remember(unit.key, [*unit, starts] if starts else None)
