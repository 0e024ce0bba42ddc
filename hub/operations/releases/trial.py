"""Health before and after a switch, and the verdict. Pure.

A release is judged for WINDOW_S. What fails for sure ends it at once; what may only be slow (devices that are not heard
yet, a link that connects, pages that open) is judged at the end, against what was so before the switch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from hub.core.text import Phrase, as_data, from_data, phrase

WINDOW_S = 900.0
SILENT_S = 150.0
"""A hub that does not answer for so long does not come back: it has 60 s to stop and needs one to start."""
MOST_RESTARTS = 3
MOST_TRIES = 4
"""Beginnings of one trial, one at each start of the machine: a release that takes the machine with it is taken back."""
FRESH_S = 60.0
_FEW, _MANY = 5, 50


class Said(msgspec.Struct, frozen=True):
    """A sentence that is kept or sent, with its code and parameters."""

    sentence: str
    text: dict[str, Any] | None = None

    @classmethod
    def of(cls, said: str) -> Said:
        return cls(str(said), as_data(said))

    @property
    def phrase(self) -> str:
        return from_data(self.sentence[:4000], self.text)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a running hub says of itself. `reporting` of `expected`: devices that were to be heard in the window.
    `parts`: status of each part, for the next release to compare with; `objections`: against what came before."""

    counter: int = 0
    reporting: int = 0
    expected: int = 0
    link: bool = True
    oldest_unsent_s: float = 0.0
    written: int = 0
    pages: str = ""
    parts: list[tuple[str, str, str, str, int, bool]] = []
    objections: list[Said] = []


class Sample(NamedTuple):
    """One look, so many seconds after the trial began. `health` None: no answer. `pages`: whether they answered."""

    at: float
    health: Health | None
    pages: bool
    restarts: int


PASSED = phrase("release-passed", "it passed")


def verdict(to: int, before: Health | None, samples: Sequence[Sample], window_s: float = WINDOW_S) -> Phrase | None:
    """Return None while it is not decided, PASSED, or why the release is taken back."""
    now = samples[-1]
    if now.restarts >= MOST_RESTARTS:
        return phrase("release-falls-over", "the hub ended {count} times by itself", count=now.restarts)
    heard = [one for one in samples if one.health is not None and one.health.counter == to]
    if now.at - (heard[-1].at if heard else 0.0) >= SILENT_S:
        return _silent(to, now)
    health = now.health
    if health is None or health.counter != to:
        return None
    if health.objections:
        return _objected(health)
    if now.at < window_s:
        return None
    return _worse(before, health, samples) or PASSED


def _silent(to: int, now: Sample) -> Phrase:
    if now.health is None:
        return phrase("release-silent", "the hub did not answer any more")
    return phrase("release-not-running", "release {counter} did not start: {running} runs", counter=to,
                  running=now.health.counter)  # fmt: skip


def _objected(health: Health) -> Phrase:
    return phrase("release-part-worse", "{reasons}", reasons=[one.phrase for one in health.objections[:8]])


def _worse(before: Health | None, now: Health, samples: Sequence[Sample]) -> Phrase | None:
    """Return what is worse at the end than it was before the switch."""
    if before is not None and now.reporting < before.reporting - _allowed(before.reporting):
        return phrase(
            "release-fewer-reporting",
            "{now} of {expected} devices report, and {before} did before",
            now=now.reporting, expected=now.expected, before=before.reporting,
        )  # fmt: skip
    if before is not None and before.reporting and not now.written:
        return phrase("release-writes-nothing", "no reading reached the disk")
    if (before is None or before.link) and not _drains(now, samples):
        return phrase(
            "release-buffer-stands",
            "the buffer does not drain: the oldest reading waits for {seconds:.0f} s",
            seconds=now.oldest_unsent_s,
        )
    if (before is None or before.pages) and now.pages and not any(one.pages for one in samples[-12:]):
        return phrase("release-pages-silent", "the pages do not answer")
    if before is not None and before.pages and not now.pages:
        return phrase("release-pages-silent", "the pages do not answer")
    return None


def _allowed(reporting: int) -> int:
    """Return how many devices may have fallen silent by themselves."""
    return reporting // _MANY if reporting >= _MANY else int(reporting >= _FEW)


def _drains(now: Health, samples: Sequence[Sample]) -> bool:
    if now.oldest_unsent_s <= FRESH_S:
        return True
    middle = [one.health for one in samples[len(samples) // 2 :] if one.health is not None]
    return now.link and bool(middle) and now.oldest_unsent_s < middle[0].oldest_unsent_s
