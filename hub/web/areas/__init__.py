"""The areas of the pages, in the order of the menu."""

from __future__ import annotations

from hub.web.area import Area, Entry
from hub.web.areas import accounts, adding, audit, commands, devices, entrance, integrations, link, overview, tokens

AREAS: tuple[Area, ...] = (
    entrance.AREA,
    overview.AREA,
    devices.AREA,
    adding.AREA,
    link.AREA,
    integrations.AREA,
    commands.AREA,
    audit.AREA,
    accounts.AREA,
    tokens.AREA,
)

MENU: tuple[Entry, ...] = tuple(entry for area in AREAS for entry in area.menu)
SAID: frozenset[str] = frozenset().union(*(area.said for area in AREAS))
"""What a form may have done, told on the page it leads to."""
FILES: dict[str, str] = {name: kind for area in AREAS for name, kind in area.files.items()}
