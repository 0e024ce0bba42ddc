"""State of the sources: which listen, and which have gone deaf. Pure.

A source is one adapter ("hci0"), one proxy ("proxy-hall") or one capture. Sources come in groups ("adapters", each
proxy): groups fail independently, and the integration fails only when no source is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

import hub
from hub.sdk.phrases import reason_of
from integrations.bluetooth.text import together


class Sources:
    """The sources that listen now. `groups` are those that should; `changed` is called with the number of sources that
    listen."""

    def __init__(self, groups: Iterable[str], changed: Callable[[int], None]) -> None:
        self._groups = set(groups)
        self._errors: dict[str, hub.NotReady | hub.AuthFailed] = {}
        self._changed = changed
        self.up: dict[str, str] = {}
        """Source → its group."""

    def began(self, source: str, group: str) -> None:
        """Note that a source listens now."""
        self.up[source] = group
        self._errors.pop(group, None)
        self._changed(len(self.up))

    def ended(self, source: str) -> None:
        """Note that a source has stopped, by itself or on request."""
        if self.up.pop(source, None) is not None:
            self._changed(len(self.up))

    def failed(self, group: str, error: hub.NotReady | hub.AuthFailed) -> bool:
        """Note that no source of `group` can listen. Returns True when that is new. Raises the error when no other
        group can either."""
        news = str(self._errors.get(group)) != str(error)
        self._errors[group] = error
        if not self.up and self._errors.keys() >= self._groups:
            # A missing source may return by itself; a refused credential needs a person.
            away = any(isinstance(one, hub.NotReady) for one in self._errors.values())
            kind = hub.NotReady if away else hub.AuthFailed
            raise kind(together([reason_of(one) for one in self._errors.values()])) from error
        return news


class Hearing:
    """Last reception of each source, and which have gone deaf. Times are seconds on one clock.

    Deaf: it received nothing for `limit` seconds while another source did; or, alone, nothing for four times that
    although it had received something before. Each time a source is found deaf its limit doubles, up to a day, until it
    receives: a cellar may really be silent."""

    LONGEST = 86_400.0

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._since: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._named: dict[str, float] = {}
        self._patience: dict[str, float] = {}

    def began(self, source: str, now: float) -> None:
        self._since[source] = now

    def ended(self, source: str) -> None:
        self._since.pop(source, None)

    def heard(self, source: str, now: float) -> None:
        self._last[source] = now

    def silent(self, source: str, now: float) -> float:
        """Return for how long a listening source has received nothing, in seconds."""
        return now - max(self._since[source], self._last.get(source, -inf))

    def deaf(self, now: float, among: Iterable[str]) -> list[str]:
        """Return which of the sources `among` are deaf, each once; its limit is then doubled."""
        if not self._limit:
            return []
        found = []
        for source in among:
            since = max(self._since[source], self._named.get(source, -inf))
            last = self._last.get(source, -inf)
            if last > since:
                self._patience.pop(source, None)
            patience = self._patience.get(source, self._limit)
            silent = now - max(since, last)
            heard = self._since.keys() & self._last.keys()
            others = any(other != source and now - self._last[other] < self._limit for other in heard)
            alone = len(self._since) == 1 and source in heard and silent >= 4 * patience
            if silent >= patience and (others or alone):
                found.append(source)
                self._named[source] = now
                self._patience[source] = min(2 * patience, self.LONGEST)
        return found
