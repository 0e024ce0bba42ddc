"""Diagnostics published by plugins, kept in memory by subject; only the latest. See `hub.sdk.session.Session`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.sdk.session_rules import FactBounds


class PluginFacts:
    """The published facts of one hub, by integration instance."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, dict[str, Any]]] = {}
        self._bounds: dict[str, FactBounds] = {}

    def publish(self, integration: str, subject: str, facts: Mapping[str, Any]) -> None:
        """Replace the facts of a subject; empty ones remove it. Raises PluginError for facts that cannot be packed or
        exceed the limits."""
        subjects = self._facts.setdefault(integration, {})
        self._bounds.setdefault(integration, FactBounds()).take(subject, facts)
        if facts:
            subjects[subject] = dict(facts)
        else:
            subjects.pop(subject, None)

    def of(self, integration: str, subject: str) -> dict[str, Any]:
        return self._facts.get(integration, {}).get(subject, {})

    def __iter__(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield (integration, subject, facts)."""
        for integration, subjects in list(self._facts.items()):
            for subject, facts in list(subjects.items()):
                yield integration, subject, facts
