"""Services given to the pages: shapes only."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hub.core.model import Metric
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.identity.badges import BadgeVerifier


class ServerAddress(NamedTuple):
    """Address of the server. `names`: see `hub.page_kit.request.guard`; `fingerprint` returns that of its certificate
    now, AB:CD:…"""

    hub: str
    address: str
    port: int
    names: frozenset[str]
    tls: ssl.SSLContext
    fingerprint: Callable[[], str]


class PageServices(NamedTuple):
    """Data that pages read without a call. `zones`: id → (name, site); `metric` returns a device's metric; `title`: the
    hub's name for people; `timezone` of its site; `badges` of the district; `contact`: address for reports of
    vulnerabilities and difficulties, "" without one; `raised` returns the number of open alerts; `dwellings`: the zones
    where people live; `sites`: id → name; `rooms`: the zones whose rooms people stay in; `enrolled` False: the
    hub waits for its owner, and has few pages."""

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
    rooms: frozenset[str] = frozenset()
    enrolled: bool = True
