"""Remembers windows that were started but not published, without any value, so that a restart can declare them missing.
Pure.

The values of a window stay in memory: on disk they would be exactly what the window hides. That a window was started
reveals nothing about anybody, so only this is stored, in the commit of the other data of that moment. A window started
by an earlier run has no figure: it is declared missing once it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

PREFIX = "window/"
MOST = 4096
"""Maximum number of windows of earlier runs declared, even if the hub was off for years."""


class WindowSubject(NamedTuple):
    """The subject of one published figure per window: a metric of a zone (`zone:hall`) or of a site, under one rule."""

    rule: str
    device: str
    site: str
    zone: str
    metric: str
    window_s: float

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.rule}/{self.device}/{self.metric}/{self.window_s:g}"


class OpenWindows:
    """The started windows. `remembered` and `remember` are the buffer's small state. Starts are Unix seconds."""

    def __init__(
        self,
        remembered: Mapping[str, Any] | None = None,
        remember: Callable[[str, Any], None] = lambda key, value: None,
    ) -> None:
        self._remember = remember
        self._begun: dict[WindowSubject, set[float]] = {}
        self._cut: dict[WindowSubject, set[float]] = {}
        for key, body in (remembered or {}).items():
            if key.startswith(PREFIX) and body:
                unit = WindowSubject(*body[:-1])
                self._cut[unit] = {float(start) for start in body[-1][:MOST]}

    def begin(self, unit: WindowSubject, start: float) -> None:
        """Record the first reading of a window."""
        begun = self._begun.setdefault(unit, set())
        if start not in begun:
            begun.add(start)
            self._note(unit)

    def abandon(self, unit: WindowSubject) -> None:
        """Mark the started windows as incomplete: their rule changed."""
        if begun := self._begun.pop(unit, None):
            self._cut.setdefault(unit, set()).update(begun)

    def cut(self, unit: WindowSubject, start: float) -> bool:
        """Return whether a window is incomplete."""
        return start in self._cut.get(unit, ())

    def over(self, now: float, grace_s: float) -> Iterator[tuple[WindowSubject, float]]:
        """Yield incomplete windows that are over."""
        for unit, starts in self._cut.items():
            for start in sorted(starts):
                if start + unit.window_s + grace_s <= now:
                    yield unit, start

    def done(self, unit: WindowSubject, start: float) -> None:
        """Forget a window that was published, or of which nothing is published."""
        known = False
        for windows in (self._begun, self._cut):
            if start in windows.get(unit, ()):
                windows[unit].discard(start)
                known = True
                if not windows[unit]:
                    del windows[unit]
        if known:
            self._note(unit)

    def _note(self, unit: WindowSubject) -> None:
        starts = sorted(self._begun.get(unit, set()) | self._cut.get(unit, set()))
        self._remember(unit.key, [*unit, starts] if starts else None)
