"""Meters behind another one, which counted already what they count. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

Counted = TypeVar("Counted")


def without_submeters(
    some: Iterable[Counted], place: Callable[[Counted], str], behind: Mapping[str, str]
) -> list[Counted]:
    """Return the meters to add up: none that is behind another one of them, at once or by others. `behind`: place of a
    meter → place of the one before it."""
    known = list(some)
    there = {place(one) for one in known}
    return [one for one in known if not there & _before(place(one), behind)]


def _before(place: str, behind: Mapping[str, str]) -> set[str]:
    """Return the places of all meters before one; a circle ends where it begins."""
    found, at = set[str](), place
    while (at := behind.get(at, "")) and at not in found and at != place:
        found.add(at)
    return found
