"""Menu of the pages: its few lines, and the groups of all others, which stand on the page of settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MOST_LINES = 9
"""Lines of a role's menu."""


class Entry(NamedTuple):
    """A page that people open by its name: `key` of the catalogue, also the page's name; the key `about-<key>` says in
    one line what it is for. `roles` None: everybody who is signed in. `menu`: the roles that have it as a line of their
    menu; the others find it on the page of settings; `badge`: the figure of the hub's summary that stands beside it."""

    key: str
    href: str
    group: str
    roles: frozenset[str] | None = None
    menu: frozenset[str] = frozenset()
    badge: str = ""


def opened_by(entries: Iterable[Entry], role: str) -> list[Entry]:
    """Return the entries that a role may open."""
    return [one for one in entries if one.roles is None or role in one.roles]


def lines(entries: Iterable[Entry], role: str) -> list[Entry]:
    """Return the lines of a role's menu."""
    return [one for one in opened_by(entries, role) if role in one.menu]


def others(entries: Iterable[Entry], role: str) -> list[Entry]:
    """Return what a role may open and has not in its menu."""
    return [one for one in opened_by(entries, role) if role not in one.menu]


def grouped(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return (group, its entries), the groups in the order of their first entries."""
    found: dict[str, list[Entry]] = {}
    for one in entries:
        found.setdefault(one.group, []).append(one)
    return list(found.items())
