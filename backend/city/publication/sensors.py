"""The public register of sensors: what is measured at each site, why, by whom, and how long it is kept. Pure, but for
`refresh`.

It is written from the register beside requests. Sensors whose data are personal are named by kind and site, with a
number that is masked below K and rounded to its multiples; positions are those of sites.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from backend.city.publication.definition import K
from backend.storage.city import publication as table
from backend.storage.city.database import Transaction

Installed = tuple[str, str, str, str, str, str, int]
"""(site, kind, class of the thing, metric, unit, class of the series, how many things)."""


def refresh(t: Transaction, retention: Mapping[str, int]) -> bool:
    """Write the public register anew where it changed; `retention`: privacy class → days, 0 for ever. Return whether
    it did."""
    sites = table.sites(t)
    entries = sensors(table.installed(t), table.devices(t), table.purposes(t), retention, {site.id for site in sites})
    shown = table.Published(t)
    if shown.sites() == sites and shown.sensors() == entries:
        return False
    table.put_register(t, sites, entries)
    return True


def sensors(
    installed: Iterable[Installed],
    devices: Mapping[tuple[str, str], int],
    purposes: Mapping[str, tuple[str, str, str]],
    retention: Mapping[str, int],
    sites: set[str],
) -> list[tuple[str, str, str]]:
    """Return (site, kind, JSON) of each kind of sensor at each known site."""
    metrics: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    personal: set[tuple[str, str]] = set()
    for site, kind, of_thing, metric, unit, privacy, _ in installed:
        if site not in sites:
            continue
        metrics[site, kind][metric] = {
            "key": metric, "unit": unit, "class": privacy, "days": retention.get(privacy)
        }  # fmt: skip
        if of_thing == "personal":
            personal.add((site, kind))
    found = []
    for (site, kind), measured in sorted(metrics.items()):
        purpose, owner, basis = purposes.get(kind, ("", "", ""))
        about = {
            "devices": number(devices.get((site, kind), 0), (site, kind) in personal),
            "personal": (site, kind) in personal,
            "metrics": [measured[key] for key in sorted(measured)],
            "purpose": msgspec.json.decode(purpose) if purpose else {},
            "owner": owner,
            "basis": basis,
        }
        found.append((site, kind, msgspec.json.encode(about).decode()))
    return found


def number(count: int, personal: bool) -> int | None:
    """Return a number of devices as it is shown; None where it is masked."""
    if not personal:
        return count
    return None if count < K else (count + K // 2) // K * K
