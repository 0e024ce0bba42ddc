"""Decisions of people about senders that are not admitted: ignored, or blocked. Pure.

An ignored sender is not listed any more, only counted. A blocked one is not listed, is never admitted whatever else
says so, and each of its frames is a security event. A decision is about one id, or about all senders that match a
filter with wildcards. Blocking wins over ignoring. What the configuration decides cannot be taken back by a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate

import msgspec

from hub.core.text import phrase

IGNORE, BLOCK = "ignore", "block"
KINDS = (IGNORE, BLOCK)
MOST_IDS, MOST_FILTERS = 16_384, 256
CONFIGURATION = "configuration"


class Filter(msgspec.Struct, frozen=True):
    """A filter that matches senders by all three fields: `*` is any text, `?` one character; case is ignored."""

    id: str = "*"
    integration: str = "*"
    model: str = "*"

    @property
    def one(self) -> bool:
        """True when the filter names a single device by its id."""
        return not re.search(r"[*?\[]", self.id) and self.integration == self.model == "*"

    @property
    def everybody(self) -> bool:
        return {self.id, self.integration, self.model} == {"*"}

    def fits(self, device: str, integration: str, model: str) -> bool:
        return all(
            pattern == "*" or re.fullmatch(_compiled(pattern), text.lower())
            for pattern, text in ((self.id, device), (self.integration, integration), (self.model, model))
        )

    def parts(self) -> list[str]:
        """Return its patterns for people, "*" for everybody."""
        said = [self.id] if self.id != "*" else []
        if self.integration != "*":
            said.append(phrase("integration-like", "integration {pattern}", pattern=self.integration))
        if self.model != "*":
            said.append(phrase("model-like", "model {pattern}", pattern=self.model))
        return said or ["*"]

    def __str__(self) -> str:
        return ", ".join(self.parts())


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision. `at` is Unix seconds, `by` who decided ("cli", an account, or the configuration), `why` free text."""

    kind: str
    filter: Filter
    at: float = 0.0
    by: str = ""
    why: str = ""


class Decisions:
    """All decisions in force. `counts`: frames kept out since the start, by filter."""

    def __init__(self, configured: Iterable[Decision] = (), given: Iterable[Decision] = ()) -> None:
        self._configured: list[Decision] = list(configured)
        self._ids: dict[str, Decision] = {}
        self._filters: dict[Filter, Decision] = {}
        self.counts: dict[Filter, int] = {}
        for decision in given:
            self.put(decision)

    def put(self, decision: Decision) -> None:
        """Add a decision, or replace the one about the same filter. Raises OverflowError when there are too many."""
        one = decision.filter.one
        where: dict[str, Decision] | dict[Filter, Decision] = self._ids if one else self._filters
        key = decision.filter.id.lower() if one else decision.filter
        if key not in where and len(where) >= (MOST_IDS if one else MOST_FILTERS):
            raise OverflowError(
                phrase(
                    "too-many-decisions",
                    "at most {ids} single ids and {filters} filters are decided about",
                    ids=MOST_IDS,
                    filters=MOST_FILTERS,
                )
            )
        where[key] = decision  # type: ignore[index]  # each has its own kind of key

    def drop(self, what: Filter) -> Decision | None:
        """Take a decision back. Returns None when no command made it."""
        self.counts.pop(what, None)
        return self._ids.pop(what.id.lower(), None) if what.one else self._filters.pop(what, None)

    def judge(self, device: str, integration: str, model: str = "") -> Decision | None:
        """Return the decision about a sender and count it; None when there is none."""
        found = self.about(device, integration, model)
        if found is not None:
            self.counts[found.filter] = self.counts.get(found.filter, 0) + 1
        return found

    def about(self, device: str, integration: str, model: str = "") -> Decision | None:
        """Return the decision about a sender without counting it; None when there is none."""
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
        """Return the decision that blocks a sender; None when it is not blocked."""
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
