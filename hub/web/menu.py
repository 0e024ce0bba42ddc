"""Menu of the pages: its lines and groups. Pure."""

from __future__ import annotations

from typing import NamedTuple

GROUPS = ("group-now", "group-field", "group-hub", "group-people")
"""Groups of the menu: current state, devices in the building, the hub itself, people and their actions."""


class Entry(NamedTuple):
    """A line of the menu: `key` of the catalogue, also the page's name; `roles` None: everybody who is signed in."""

    key: str
    href: str
    group: str
    roles: frozenset[str] | None = None
