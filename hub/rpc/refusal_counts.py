"""Call `counted`: refusals and notes counted since the hub started, each reason with its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.core.counters import Counts
from hub.core.text import Phrase

Meaning = Callable[[str, str], Phrase | None]
"""(reason, type of integration) → its words; None where there are none."""


class CountedCalls:
    """Call `counted`."""

    def __init__(self, counts: Counts, meaning: Meaning, type_of: Callable[[str], str]) -> None:
        """`type_of` returns the type of integration that counts for a subject, or ""."""
        self._counts, self._meaning, self._type_of = counts, meaning, type_of

    def calls(self) -> dict[str, Any]:
        return {"counted": self._counted}

    async def _counted(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {subject, for one alone} with {counted: [{subject, reason, times, meaning}]}, of each subject the most
        frequent first. A subject is a device's id or the name of an instance. `meaning` is "" where a reason has no
        words."""
        wanted = arguments.get("subject")
        shown = self._counts.by_subject() if wanted is None else {wanted: self._counts.about(wanted)}
        known: dict[tuple[str, str], str] = {}  # cache: thousands of devices share a few reasons
        rows = []
        for subject, events in shown.items():
            type_ = self._type_of(subject)
            for reason, times in sorted(events.items(), key=lambda event: -event[1]):
                words = known.get((reason, type_))
                if words is None:
                    words = known[reason, type_] = self._meaning(reason, type_) or ""
                rows.append({"subject": subject, "reason": reason, "times": times, "meaning": words})
        return {"counted": rows}
