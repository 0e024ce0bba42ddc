"""What people decided about senders that are not admitted: ignored, or blocked. Pure.

Ignored: not listed any more, counted. Blocked: the same, never admitted whatever else says so, and each that speaks is
a security event. A decision is about one id, or about all senders that fit a filter with wildcards. Blocking wins over
ignoring; what the configuration says cannot be taken back by a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate

import msgspec

IGNORE, BLOCK = "ignore", "block"
KINDS = (IGNORE, BLOCK)
MOST_IDS, MOST_FILTERS = 16_384, 256
CONFIGURATION = "configuration"


class Filter(msgspec.Struct, frozen=True):
    """Senders that fit all three: `*` is anything, `?` one character; letters count alike, large or small."""

    id: str = "*"
    integration: str = "*"
    model: str = "*"

    @property
    def one(self) -> bool:
        """Does it name one device by its id?"""
        return not re.search(r"[*?\[]", self.id) and self.integration == self.model == "*"

    @property
    def everybody(self) -> bool:
        return {self.id, self.integration, self.model} == {"*"}

    def fits(self, device: str, integration: str, model: str) -> bool:
        return all(
            pattern == "*" or re.fullmatch(_compiled(pattern), text.lower())
            for pattern, text in ((self.id, device), (self.integration, integration), (self.model, model))
        )

    def __str__(self) -> str:
        said = [self.id] if self.id != "*" else []
        said += [f"integration {self.integration}"] if self.integration != "*" else []
        said += [f"model {self.model}"] if self.model != "*" else []
        return ", ".join(said) or "*"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is Unix seconds, `by` who decided ("cli", an account, or the configuration), `why` in their own words."""

    kind: str
    filter: Filter
    at: float = 0.0
    by: str = ""
    why: str = ""


class Decisions:
    """All that holds. `counts` are the senders' words kept out since the start, by decision."""

    def __init__(self, configured: Iterable[Decision] = (), given: Iterable[Decision] = ()) -> None:
        self._configured: list[Decision] = list(configured)
        self._ids: dict[str, Decision] = {}
        self._filters: dict[Filter, Decision] = {}
        self.counts: dict[Filter, int] = {}
        for decision in given:
            self.put(decision)

    def put(self, decision: Decision) -> None:
        """Add one, or decide anew about the same filter. Raises OverflowError when there are too many."""
        one = decision.filter.one
        where: dict[str, Decision] | dict[Filter, Decision] = self._ids if one else self._filters
        key = decision.filter.id.lower() if one else decision.filter
        if key not in where and len(where) >= (MOST_IDS if one else MOST_FILTERS):
            raise OverflowError(f"at most {MOST_IDS} single ids and {MOST_FILTERS} filters are decided about")
        where[key] = decision  # type: ignore[index]  # each has its own kind of key

    def drop(self, what: Filter) -> Decision | None:
        """Take one back. None when no command decided that."""
        self.counts.pop(what, None)
        return self._ids.pop(what.id.lower(), None) if what.one else self._filters.pop(what, None)

    def judge(self, device: str, integration: str, model: str = "") -> Decision | None:
        """What was decided about this sender, counted; None when nothing was."""
        found = self.about(device, integration, model)
        if found is not None:
            self.counts[found.filter] = self.counts.get(found.filter, 0) + 1
        return found

    def about(self, device: str, integration: str, model: str = "") -> Decision | None:
        """The same, not counted."""
        found = self._ids.get(device.lower()) if self._ids else None
        if found is not None and found.kind == BLOCK:
            return found
        if self._filters or self._configured:
            for decision in (*self._configured, *self._filters.values()):
                if decision.filter.fits(device, integration, model):
                    if decision.kind == BLOCK:
                        return decision
                    found = found or decision
        return found

    def blocked(self, device: str, integration: str, model: str = "") -> Decision | None:
        """The decision by which this sender is blocked."""
        found = self.about(device, integration, model)
        return found if found is not None and found.kind == BLOCK else None

    def __iter__(self) -> Iterator[Decision]:
        return iter([*self._configured, *self._filters.values(), *self._ids.values()])

    def __len__(self) -> int:
        return len(self._configured) + len(self._filters) + len(self._ids)


_patterns: dict[str, re.Pattern[str]] = {}


def _compiled(pattern: str) -> re.Pattern[str]:
    found = _patterns.get(pattern)
    if found is None:
        if len(_patterns) > 4 * MOST_FILTERS:
            _patterns.clear()
        found = _patterns[pattern] = re.compile(translate(pattern.lower()))
    return found
