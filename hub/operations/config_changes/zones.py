"""The one change of the configuration that a technicien may make: a new zone of a known site. Pure.

Commissioning finds rooms that are not in the file. A whole file, or any other option, is left to an administrateur:
this call cannot set a purpose, a use or a limit, and it does not change an existing zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.config.model import Core
from hub.core.errors import ConfigError
from hub.core.model import PLACE_ID
from hub.core.text import phrase

LONGEST = 100


def new_zone(config: Core, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the edits that add a zone, from {id, site, name?}. Raises ConfigError: no id, an id that is taken, an
    unknown site."""
    zone, site = (str(arguments.get(name) or "").strip() for name in ("id", "site"))
    if not PLACE_ID.fullmatch(zone):
        raise ConfigError(
            phrase(
                "zone-id-wrong",
                "{zone!r} is no id of a zone: letters a-z, digits, `-` and `_`, as in `classes-2`",
                zone=zone,
            )
        )
    if zone in config.zones:
        raise ConfigError(
            phrase(
                "zone-exists-already",
                "there is a zone {zone!r} already: an administrator changes it in the configuration",
                zone=zone,
            )
        )
    sites = {*config.sites, *(one.site for one in config.zones.values())}
    if site not in sites:
        if not sites:
            raise ConfigError(
                phrase(
                    "no-site-yet",
                    "there is no site {site!r}; there is none yet: an administrator adds the first in the "
                    "configuration",
                    site=site,
                )
            )
        raise ConfigError(
            phrase("site-not-known", "there is no site {site!r}; there is {sites}", site=site, sites=sorted(sites))
        )
    name = str(arguments.get("name") or "").strip()[:LONGEST]
    return [{"path": ["zones", zone], "value": {"site": site, "name": name or zone}}]
