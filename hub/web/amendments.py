"""Changes of a device's name and place, from the audit log: what its pages show and take back."""

from __future__ import annotations

from typing import Any

from hub.web.site import Site

MOST_ENTRIES, LAST_ENTRIES, MOST_CHANGES = 1000, 100, 5
"""Entries of the audit log that are searched for the page of changes and for a device's own page, and changes that are
shown."""


async def amendments(site: Site, device: str, entries: int = MOST_ENTRIES) -> list[dict[str, Any]]:
    """Return the last changes of a device's name and place, the newest first."""
    found = (await site.call("audit.list", limit=entries))["entries"]
    return [
        {"at": one["at"], "who": one["who"], **one["what"]}
        for one in found
        if one["what"].get("device") == "amend" and one["what"].get("id") == device
    ][:MOST_CHANGES]


async def last_amendment(site: Site, device: str) -> dict[str, Any] | None:
    """Return the change that can be taken back from the device's own page: its last one, while it is among the last
    entries and still holds."""
    known = site.parts.devices.get(device)
    last = next(iter(await amendments(site, device, LAST_ENTRIES)), None)
    if known is None or last is None or (known.name, known.place) != (last["name"], last["place"]):
        return None
    return last
