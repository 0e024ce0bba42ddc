"""Areas of the pages, in the order of the menu."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from hub.page_kit.menu import Entry
from hub.web.area import Area

_FOUND = {one.name: import_module(f"{__name__}.{one.name}").AREA for one in iter_modules(__path__)}
AREAS: tuple[Area, ...] = tuple(sorted(_FOUND.values(), key=lambda area: area.order))

MENU: tuple[Entry, ...] = tuple(entry for area in AREAS for entry in area.menu)
SAID: frozenset[str] = frozenset().union(*(area.said for area in AREAS))
"""Keys of completed actions, shown on the page that a form leads to."""
FILES: dict[str, str] = {name: kind for area in AREAS for name, kind in area.files.items()}
