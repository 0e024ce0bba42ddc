"""The areas of the pages, in the order of the menu."""

from __future__ import annotations

from hub.web.area import Area
from hub.web.areas import (
    about,
    accounts,
    adding,
    alerts,
    audit,
    commands,
    commissioning,
    configuration,
    crisis,
    devices,
    diagnostics,
    energy,
    entrance,
    integrations,
    link,
    overview,
    packs,
    plan,
    privacy,
    quarantine,
    radio,
    tokens,
)
from hub.web.menu import Entry

AREAS: tuple[Area, ...] = (
    entrance.AREA,
    overview.AREA,
    alerts.AREA,
    crisis.AREA,
    plan.AREA,
    devices.AREA,
    commissioning.AREA,
    adding.AREA,
    energy.AREA,
    radio.AREA,
    commands.AREA,
    quarantine.AREA,
    link.AREA,
    integrations.AREA,
    packs.AREA,
    configuration.AREA,
    diagnostics.AREA,
    privacy.AREA,
    audit.AREA,
    accounts.AREA,
    tokens.AREA,
    about.AREA,
)

MENU: tuple[Entry, ...] = tuple(entry for area in AREAS for entry in area.menu)
SAID: frozenset[str] = frozenset().union(*(area.said for area in AREAS))
"""What a form may have done, told on the page it leads to."""
FILES: dict[str, str] = {name: kind for area in AREAS for name, kind in area.files.items()}
