"""Questions that a scope is tried with, beside each route with each of these names in its path.

A room whose routes take more than names (filters, expansions, pages, exports, events) adds its questions here: the
tests of routes ask each of them as people in several scopes, of a city that holds only what they may see and of one
that holds more, and the two answers must be the same. Names of the town are those of `open_api.open_kit.a_town`.
"""

from __future__ import annotations

NAMES: dict[str, tuple[str, ...]] = {
    "site": ("site-0", "site-1", "site-2"),
    "hub": ("hub-001", "hub-002"),
    "device": ("ble:1", "ble:2", "ble:3", "ble:4", "ble:5"),
    "number": ("1", "2", "3", "4", "5"),
    "service": ("roads", "parks"),
    "space": ("acme-roads", "nobody-parks", "nobody-roads"),
    "file": ("report.csv", "none.csv"),
    "provider": ("acme", "nobody"),
    "sector": ("north", "south"),
    "alert": ("alert-1", "alert-2", "alert-3"),
    "month": ("2027-01",),
    "path": ("", "/Things", "/Things(1)", "/Things(2)", "/Things(3)/Datastreams"),
    "": ("1", "2", "site-1", "ble:2", "hub-002", "A" * 16),
}
"""Values of a path's parameters, by their names; "" for any other. A route
is asked with those that its pattern takes; where that lists words, with each of these."""

ALL_SERIES = "&".join(
    f"series=hub-00{(n - 1) % 2 + 1}/place-{n}/{metric}" for n in range(1, 9) for metric in ("temperature", "motion")
)

QUERIES: dict[str, tuple[str, ...]] = {
    "/map/things": ("?layers=air,waste", "?since=0", "?sector=north"),
    "/map/exact": ("?layers=air,waste", "?since=0", "?sector=north"),
    "/map/find": ("?q=8", "?q=air", "?q=site"),
    "/things": ("?q=1", "?layer=air", "?page=2", "?service=parks", "?provider=acme", "?site=site-1", "?state=ok"),
    "/sites": ("?q=site-1", "?page=2"),
    "/history": (f"?{ALL_SERIES}",),
    "/history/data": (f"?{ALL_SERIES}&span=7d",),
    "/history.csv": (f"?{ALL_SERIES}&span=7d",),
    "/hubs": ("?q=hub-002", "?page=2"),
    "/gaps": ("?hub=hub-002",),
    "/sta/v1.1{path}": (
        "/sta/v1.1/Things?$count=true&$top=0",
        "/sta/v1.1/Things?$count=true&$top=1&$skip=1",
        "/sta/v1.1/Things?$expand=Locations,Datastreams($count=true;$expand=Observations($count=true;$top=3),Sensor)",
        "/sta/v1.1/Things?$orderby=name desc&$top=2",
        "/sta/v1.1/Things?$filter=name ne 'x'&$count=true",
        "/sta/v1.1/Things?$filter=Datastreams/Observations/result gt 1&$count=true",
        "/sta/v1.1/Datastreams?$count=true&$expand=Thing,Observations($top=2;$count=true)",
        "/sta/v1.1/Observations?$count=true&$top=5",
        "/sta/v1.1/Observations?$filter=result gt 1&$count=true&$top=2",
        "/sta/v1.1/Locations?$count=true&$expand=Things,HistoricalLocations",
        "/sta/v1.1/FeaturesOfInterest?$count=true&$top=3",
        "/sta/v1.1/Sensors?$count=true&$expand=Datastreams",
        "/sta/v1.1/ObservedProperties?$count=true&$expand=Datastreams($count=true)",
        "/sta/v1.1/HistoricalLocations?$count=true",
        *(f"/sta/v1.1/Datastreams({n})/Observations?$count=true&$top=2" for n in range(1, 9)),
    ),
}
"""Questions of routes by their path, in which parameters stand as `{name}`: ends of an address, or whole ones."""

SAME: dict[str, str] = {
    "/publication/about": "kinds of sensors of the whole city, which the public register names to everybody",
}
"""Paths that tell the same whatever somebody's scope, with the reason; they are not asked."""
