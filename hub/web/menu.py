"""The menu of the pages: which lines there are, and under what heading. Pure."""

from __future__ import annotations

from typing import NamedTuple

GROUPS = ("group-now", "group-field", "group-hub", "group-people")
"""The menu's parts: what happens, what stands in the building, the hub itself, who may and who did."""


class Entry(NamedTuple):
    """A line of the menu: `key` of the catalogue, also the page's name; `roles` None: all who are signed in."""

    key: str
    href: str
    group: str
    roles: frozenset[str] | None = None
