"""Break-glass use of local accounts where the district has badges. Each use is audited, reported for a day, and a
security event.

Pure except for the clock it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hub.core.text import phrase

TOLD_S = 86_400.0
MOST = 32


class BreakGlassLog:
    """Uses of the last day. `now` is monotonic seconds; `badges`: whether the district has any; `tell(name, address)`
    is called with each use."""

    def __init__(self, now: Callable[[], float], badges: Callable[[], bool], tell: Callable[[str, str], None]) -> None:
        self._now, self._badges, self._tell = now, badges, tell
        self._used: deque[tuple[float, str]] = deque(maxlen=MOST)

    def use(self, name: str, address: str) -> bool:
        """Record a use of a local account; return whether to report it."""
        if self._badges():
            self._used.append((self._now(), name))
            self._tell(name, address)
            return True
        return False

    def recall(self, name: str, ago_s: float) -> None:
        """Report a use that a former process was told of, as long as its session goes on."""
        self._used.append((self._now() - ago_s, name))

    def complaints(self) -> list[str]:
        """Return the uses of the last day."""
        now = self._now()
        names = sorted({name for at, name in self._used if now - at < TOLD_S})
        if not names or not self._badges():
            return []
        return [
            phrase(
                "local-account-used",
                "local account {accounts} was used instead of a badge: was that meant? The audit log has when",
                accounts=names,
            )
        ]
