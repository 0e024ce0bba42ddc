"""When alerts of several sites are one incident. Pure.

A family of rules makes an incident when enough different sites have an alert of it within a window. Enough is three in
an hour, and more where a family is so frequent that three would often meet by chance: the least number for which fewer
than CHANCE_A_YEAR incidents a year are expected of independent alerts at the rate of the last four weeks. The count is
arithmetic over what was stored, and stands in the evidence: nothing is learned that a person cannot check.

A cause is judged likewise, over alerts of any family at the sites that hang on it; half of these sites must be hit.

Weak signals have thresholds of their own, since each of them is rare, and means more at two sites than at one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from backend.city.dispatch.plan import Cause

HOUR, DAY = 3600.0, 86_400.0
YEAR_H = 8766.0
LEAST_SITES = 3
WINDOW_S = HOUR
CAUSE_WINDOW_S = 900.0
CAUSE_SHARE = 0.5
BASE_S = 28 * DAY
CHANCE_A_YEAR = 0.5
MOST_SITES = 50
"""Sites that are enough whatever the rate."""


class Signal(NamedTuple):
    """A weak signal: different sites within a window."""

    sites: int
    window_s: float


SIGNALS = {
    "security/doors": Signal(2, DAY),
    "security/network": Signal(2, DAY),
    "security/sensors": Signal(2, DAY),
    "security/hub": Signal(3, HOUR),
    "default-credential": Signal(2, 7 * DAY),
    "alarm/silent": Signal(3, HOUR),
    "alarm/forged": Signal(2, DAY),
    "alarm/two-hubs": Signal(1, DAY),
}
"""Family, or its beginning before a second `/` → signal. Refused sign-ins, calls and frames (scans, forged frames) of
hubs; the same default credential; hubs that fall silent one by one; forged records; a device heard at two hubs."""

PREFIXES = {"feeder": "feeder", "operator": "operator", "carrier": "operator", "gateway": "gateway",
            "release": "release", "ring": "ring"}  # fmt: skip
"""Beginning of a hub's tag, before a colon → kind of cause."""


def signal(family: str) -> Signal | None:
    """Return the signal of a family, None for a family of ordinary rules."""
    return SIGNALS.get(family) or SIGNALS.get(family.partition("/")[0])


def family_of(rule: str, key: str, value: str, named: str) -> str:
    """Return the family of an alert: `named` by the plan, but for what hubs raise of themselves: a security incident
    has its kind as key, and a default credential says which as value."""
    if rule == "security":
        return f"security/{key}"
    if rule == "default-credential":
        return f"default-credential/{value}"
    return named


def least_sites(rate_h: float, window_s: float, budget: float = CHANCE_A_YEAR) -> int:
    """Return how many sites make an incident, for `rate_h` independent alerts an hour."""
    for sites in range(LEAST_SITES, MOST_SITES):
        if chance_a_year(rate_h, window_s, sites) <= budget:
            return sites
    return MOST_SITES


def chance_a_year(rate_h: float, window_s: float, sites: int) -> float:
    """Return a bound of how many times a year `sites` or more independent alerts begin within one window: each alert,
    times the probability of that many more after it (Poisson)."""
    mean = rate_h * window_s / HOUR
    term, below = math.exp(-mean), 0.0
    for count in range(sites - 1):
        below += term
        term *= mean / (count + 1)
    return YEAR_H * rate_h * max(0.0, 1.0 - below)


def covers(cause: Cause, site: str, hub: str, tags: Collection[str]) -> bool:
    """Return whether something hangs on a cause."""
    return (
        (bool(site) and site in cause.sites) or (bool(hub) and hub in cause.hubs) or any(t in cause.tags for t in tags)
    )


def causes_of_tags(tags: dict[str, Sequence[str]]) -> list[Cause]:
    """Return the causes that tags of hubs name: each tag that several hubs have. `tags`: hub → its tags."""
    hubs: dict[str, list[str]] = {}
    for hub, names in tags.items():
        for name in names:
            hubs.setdefault(name, []).append(hub)
    return [
        Cause(kind=PREFIXES.get(tag.partition(":")[0], "tag"), name=tag, tags=(tag,))  # type: ignore[arg-type]
        for tag, having in sorted(hubs.items())
        if len(having) > 1
    ]


def size(cause: Cause, tags: dict[str, Sequence[str]]) -> int:
    """Return how many sites and hubs hang on a cause."""
    hubs = set(cause.hubs) | {hub for hub, names in tags.items() if any(one in cause.tags for one in names)}
    return max(len(set(cause.sites)), len(hubs))


def narrowest(
    causes: Iterable[Cause], places: Collection[tuple[str, str]], tags: dict[str, Sequence[str]]
) -> Cause | None:
    """Return the smallest cause that all of some (site, hub) hang on; it is no cause when everything hangs on it."""
    fitting = [
        (size(cause, tags), cause.name, cause)
        for cause in causes
        if all(covers(cause, site, hub, tags.get(hub, ())) for site, hub in places)
    ]
    smallest = min(fitting, key=lambda one: one[:2], default=None)
    if smallest is None or (tags and smallest[0] >= len(tags) and len(places) < smallest[0]):
        return None
    return smallest[2]
