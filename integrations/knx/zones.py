"""Parts of buildings → zones, and names → ids. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from integrations.knx.project.tables import Project

ROOMS = ("Room", "Corridor", "Stairway", "Area")
LEVELS = {
    "room": (*ROOMS, "Floor", "BuildingPart", "Building"),
    "floor": ("Floor", "BuildingPart", "Building"),
    "building": ("Building",),
}
"""Kinds of building parts that become a zone: the innermost around a device."""

LONGEST_NAME = 100
LONGEST_ID = 64


class Zones:
    """Zones made of parts of buildings, and their site."""

    def __init__(self, project: Project, kind: str, site: str, rest: str) -> None:
        """`kind` is a key of `LEVELS` or "none"; `site`: id of the site, empty for a new one named after the project;
        `rest`: zone of devices without a place, empty for one named after the project."""
        self._spaces = project.spaces
        self._kinds = LEVELS.get(kind, ())
        self._project = project.name
        self._site = site or slug(project.name) or "site"
        self._new_site = {} if site else {self._site: {"name": clean(project.name) or self._site}}
        self._rest = rest
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()

    def use(self, space: str) -> str:
        """Return the id of the zone of a part of a building, "" when `ilot import` chooses it."""
        around = self._around(space)
        if not around and (self._rest or not self._kinds):
            return ""
        if around not in self._ids:
            self._ids[around] = unique(slug(self._path(around) if around else self._project), self._taken)
        return self._ids[around]

    def name(self, space: str) -> str:
        found = self._spaces.get(self._around(space) or space)
        return clean(found.name) if found else ""

    def sections(self) -> dict[str, Any]:
        if not self._ids:
            return {}
        zones = {
            zone: {"site": self._site, "name": clean(self._path(space, " · ") if space else self._project) or zone}
            for space, zone in self._ids.items()
        }
        return {**({"sites": self._new_site} if self._new_site else {}), "zones": zones}

    def _chain(self, space: str) -> list[str]:
        chain: list[str] = []
        while space in self._spaces and space not in chain:
            chain.append(space)
            space = self._spaces[space].parent
        return chain

    def _around(self, space: str) -> str:
        return next((s for s in self._chain(space) if self._spaces[s].kind in self._kinds), "")

    def _path(self, space: str, between: str = " ") -> str:
        """Return the names from the outermost in, without the building when there is only one."""
        chain = self._chain(space)[::-1]
        buildings = sum(s.kind == "Building" for s in self._spaces.values())
        if buildings == 1 and len(chain) > 1 and self._spaces[chain[0]].kind == "Building":
            chain = chain[1:]
        return between.join(self._spaces[s].name for s in chain if self._spaces[s].name)


def slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_ID].strip("-")


def unique(slug: str, taken: set[str]) -> str:
    slug = slug or "place"
    name, number = slug, 1
    while name in taken:
        number += 1
        name = f"{slug[: LONGEST_ID - 6]}-{number}"
    taken.add(name)
    return name


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """Return an untrusted name on one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]
