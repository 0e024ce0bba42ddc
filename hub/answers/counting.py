"""What was refused, left out or noted since the hub started, each reason with its words: the call `counted`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.counts import Counts
from hub.reasons import Words

Meaning = Callable[[str, str], Words | None]
"""(reason, subject) → what it means there, in French and in English; None where nobody has words for it."""


class Counting:
    """The call `counted`."""

    def __init__(self, counts: Counts, meaning: Meaning) -> None:
        self._counts, self._meaning = counts, meaning

    def calls(self) -> dict[str, Any]:
        return {"counted": self._counted}

    async def _counted(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """{subject, for one alone} → {counted: [{subject, reason, times, fr, en}]}, of each subject the most frequent
        first. A subject is a device's id or the name of an instance. `fr` and `en` are "" where a reason has no words.
        """
        wanted, counted = arguments.get("subject"), self._counts.by_subject()
        shown = counted if wanted is None else {wanted: counted.get(wanted, {})}
        return {
            "counted": [
                self._row(subject, reason, times)
                for subject, events in shown.items()
                for reason, times in sorted(events.items(), key=lambda event: -event[1])
            ]
        }

    def _row(self, subject: str, reason: str, times: int) -> dict[str, Any]:
        french, english = self._meaning(reason, subject) or ("", "")
        return {"subject": subject, "reason": reason, "times": times, "fr": french, "en": english}
