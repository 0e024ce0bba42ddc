"""The one time zone in which a city's pages, files and messages tell times: a setting of the owner."""

from __future__ import annotations

import time
from contextlib import suppress
from zoneinfo import ZoneInfo

from backend.city.city import City
from backend.queries.intervals import DEFAULT_ZONE
from backend.storage.city import crisis as tables
from backend.storage.city.database import Reader

SETTING = "zone"
FRESH_S = 10.0
"""Seconds after which the setting is read again beside: another process may have changed it."""


def read_zone(r: Reader) -> ZoneInfo:
    """Return the zone that is set, Europe/Paris without."""
    return ZoneInfo(tables.setting(r, SETTING) or DEFAULT_ZONE)


def zone_of(city: City) -> ZoneInfo:
    """Return the zone as it was some seconds ago. Any thread. Raises StorageError the first time."""
    known: _Zone | None = city.parts.get("zone")
    if known is None:
        known = city.parts["zone"] = _Zone(city)
    return known.now()


class _Zone:
    def __init__(self, city: City) -> None:
        self._store, self._at = city.store, time.monotonic()
        with city.store.database.snapshot() as r:
            self._read(r)

    def now(self) -> ZoneInfo:
        if time.monotonic() - self._at > FRESH_S:
            self._at = time.monotonic()
            with suppress(RuntimeError):  # the store is being closed
                self._store.beside(self._read)
        return self._zone

    def _read(self, r: Reader) -> None:
        self._zone, self._at = read_zone(r), time.monotonic()
