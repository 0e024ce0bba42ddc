"""Places of a zone that are proposed for a scanned device: those that wait for one, and those of a silent device."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from hub.devices.place_names import in_order
from hub.onboarding.adoption.resolve import ResolutionContext

MOST = 24
FREE, SILENT = "free", "silent"
LOST = ("silent", "unreachable", "not-heard")
"""Reasons for which a device in trouble is perhaps to be replaced."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A place. `kind`: `free` where no device stands, `silent` where `device` is not heard any more."""

    place: str
    name: str
    kind: str
    device: str = ""


class WaitingPlaces:
    """Places that are proposed; `taken`: those that rows of the commissioning have."""

    def __init__(
        self, context: ResolutionContext, taken: Collection[str], status_of: Callable[[str], dict[str, Any]]
    ) -> None:
        self._context, self._taken, self._status_of = context, taken, status_of
        self._standing: dict[str, list[str]] = {}
        for one in context.devices:
            self._standing.setdefault(one.place, []).append(one.id)
        self._found: dict[tuple[str, str], list[Proposal]] = {}

    def of(self, zone: str, device: str) -> list[Proposal]:
        """Return the places of a zone for a device: a silent device is replaced by one of its own kind only."""
        scheme = device.partition(":")[0]
        if (zone, scheme) not in self._found:
            self._found[zone, scheme] = self._of(zone, scheme) if zone else []
        return self._found[zone, scheme]

    def _of(self, zone: str, scheme: str) -> list[Proposal]:
        free, silent = list[Proposal](), list[Proposal]()
        for place in self._context.places:
            if place.zone != zone or place.id in self._taken:
                continue
            title, there = place.name or place.id, self._standing.get(place.id, [])
            if not there:
                free.append(Proposal(place=place.id, name=title, kind=FREE))
            silent += [
                Proposal(place=place.id, name=title, kind=SILENT, device=one)
                for one in there
                if one.partition(":")[0] == scheme and _lost(self._status_of(one))
            ]
        return [*sorted(free, key=_order), *sorted(silent, key=_order)][:MOST]


def _lost(status: dict[str, Any]) -> bool:
    return status.get("state") == "trouble" and status.get("why") in LOST


def _order(one: Proposal) -> tuple[list[tuple[bool, int, str]], str]:
    return in_order(one.name), one.device
