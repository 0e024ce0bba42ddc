"""What the pages are handed: shapes only."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hub.core.model import Metric
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.identity.badges import BadgeVerifier


class Place(NamedTuple):
    """Where the server stands. `names`: see `hub.web.request.guard`; `fingerprint` of its certificate now,
    AB:CD:…"""

    hub: str
    address: str
    port: int
    names: frozenset[str]
    tls: ssl.SSLContext
    fingerprint: Callable[[], str]


class Parts(NamedTuple):
    """What pages read that no call answers. `zones`: id → (name, site); `metric`: what is known of a device's metric;
    `title`: the hub's name for people; `timezone` of its site; `badges` of the district; `contact`: where
    vulnerabilities and difficulties are reported, "" where nobody said;
    `raised` counts the open alerts; `dwellings`: the zones where people live; `sites`: id → name."""

    live: LatestValues
    devices: Devices
    places: Places
    metric: Callable[[str, str], Metric | None]
    zones: Mapping[str, tuple[str, str]]
    title: str
    timezone: str
    badges: BadgeVerifier | None = None
    contact: str = ""
    raised: Callable[[], int] = lambda: 0
    dwellings: frozenset[str] = frozenset()
    sites: Mapping[str, str] = {}
