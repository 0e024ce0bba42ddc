"""Heard and silent hubs and critical alerts, from the backend's tables.

A hub is heard while its last signed state is younger than the moment from which the backend calls it silent
(`backend.hubs.silences`). What a state says is read once: 10,000 hubs are looked at without decoding those that said
nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from backend.hubs.silences import UNKNOWN_EVERY_S, silent_after
from backend.storage.queries import AlertLine, HubLine, Queries
from hub.core.errors import DecodeError
from hub.protocol.link_messages import stored_state

READ_ONLY = "read-only"
CRITICAL = "critical"


class HubSign(NamedTuple):
    """A hub that is not revoked. `seen_at` is when its last state arrived, None before the first; `every` the seconds
    between its states; `crisis` what it states of itself; `sites` those of its series."""

    hub: str
    name: str
    sites: tuple[str, ...]
    seen_at: float | None
    every: float
    crisis: str

    def silent(self, now: float) -> bool:
        return self.seen_at is None or now - self.seen_at > silent_after(self.every)


class Alert(NamedTuple):
    """An open critical alert, as its hub reported it."""

    hub: str
    alert: str
    state: str
    text: str
    text_fr: str
    device: str
    place: str
    site: str
    raised_at: float


class Seen(NamedTuple):
    """Hubs and alerts at a moment (Unix seconds): hubs by their ids, alerts by the time they were raised."""

    at: float
    hubs: tuple[HubSign, ...]
    alerts: tuple[Alert, ...]


class HubReader:
    """Reads signs of life from the backend's tables. One thread at a time."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._said: dict[str, tuple[float, float, str]] = {}  # hub → (arrival of its state, every, crisis)

    def read(self, now: float) -> Seen:
        """Read hubs and critical alerts out of one snapshot. Raises StorageError."""
        with self._queries.snapshot() as seen:
            lines, sites = seen.hubs(), seen.sites()
            alerts = seen.alerts()
        of: dict[str, list[str]] = {}
        for hub, site in sites:
            of.setdefault(hub, []).append(site)
        found = tuple(self._sign(line, of) for line in lines if line.hub.revoked_at is None)
        known = {one.hub for one in found}
        self._said = {hub: said for hub, said in self._said.items() if hub in known}
        return Seen(now, found, tuple(_critical(alerts)))

    def _sign(self, line: HubLine, sites: dict[str, list[str]]) -> HubSign:
        hub = line.hub.hub
        every, crisis = self._stated(line)
        return HubSign(hub, line.hub.name, tuple(sorted(sites.get(hub, ()))), line.state_at, every, crisis)

    def _stated(self, line: HubLine) -> tuple[float, str]:
        if line.state is None or line.state_at is None:
            return UNKNOWN_EVERY_S, ""
        known = self._said.get(line.hub.hub)
        if known is None or known[0] != line.state_at:
            try:
                state = stored_state(line.state)
            except DecodeError:  # damaged here: its next state says more
                return UNKNOWN_EVERY_S, ""
            every = UNKNOWN_EVERY_S if state.every is msgspec.UNSET else float(state.every)
            crisis = "" if state.crisis is msgspec.UNSET else state.crisis
            known = self._said[line.hub.hub] = (line.state_at, every, crisis)
        return known[1:]


def _critical(lines: Iterable[AlertLine]) -> list[Alert]:
    found = [Alert(*(getattr(one, name) for name in Alert._fields)) for one, _ in lines if one.severity == CRITICAL]
    return sorted(found, key=lambda one: one.raised_at)
