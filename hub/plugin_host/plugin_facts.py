"""Diagnostics published by plugins, kept in memory by subject; only the latest. See `hub.sdk.session.Session`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hub.core.errors import PluginError

SIZE_LIMIT = 4096
SUBJECTS = 8192


class PluginFacts:
    """The published facts of one hub, by integration instance."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, dict[str, Any]]] = {}

    def tell(self, integration: str, subject: str, facts: Mapping[str, Any]) -> None:
        """Replace the facts of a subject; empty ones remove it. Raises PluginError for facts that cannot be packed or
        exceed the limits."""
        held = self._facts.setdefault(integration, {})
        if not facts:
            held.pop(subject, None)
            return
        try:
            size = len(msgspec.msgpack.encode(facts))
        except (TypeError, OverflowError) as error:
            raise PluginError(f"what is told of {subject!r} cannot be kept: {error}") from error
        if size > SIZE_LIMIT or len(subject) > 200:
            raise PluginError(f"{size} bytes told of {subject[:200]!r}; a subject has {SIZE_LIMIT}")
        if subject not in held and len(held) >= SUBJECTS:
            raise PluginError(f"facts of more than {SUBJECTS} subjects")
        held[subject] = dict(facts)

    def of(self, integration: str, subject: str) -> dict[str, Any]:
        return self._facts.get(integration, {}).get(subject, {})

    def __iter__(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield (integration, subject, facts)."""
        for integration, held in list(self._facts.items()):
            for subject, facts in list(held.items()):
                yield integration, subject, facts
