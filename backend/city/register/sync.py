"""Keeps the register as the backend's hubs are: new devices become things, new readings the latest ones.

Hubs of which something came since the last round are read, each from a snapshot of its own, and written in small
transactions, so that whoever else writes waits little. What was written is remembered there: a process that takes over
goes on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

import msgspec

from backend.city.city import City
from backend.city.register import geometry
from backend.city.register.reading import News, read_hub
from backend.storage.city import register
from backend.storage.city.database import Reader, Transaction
from hub.core.errors import DecodeError

log = logging.getLogger(__name__)

ROUND_S = 2.0
INVENTORY_S = 30.0
"""Seconds after which the list of a hub's series is read again, where no unknown one was met."""
SILENT_S = 60.0


class _Known(NamedTuple):
    """Facts about a hub that this process remembers."""

    followed: register.Followed
    numbers: dict[tuple[str, str], tuple[int, int]]
    listed_at: float


class Synchroniser:
    """Reads hubs and writes the register. One task."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._known: dict[str, _Known] = {}
        self._followed: dict[str, register.Followed] | None = None
        self._marks: dict[str, tuple[int, int]] = {}
        self._silent_at = 0.0

    async def run(self) -> None:
        """Go round until cancelled. Raises StorageError."""
        while True:
            await self.round()
            await asyncio.sleep(ROUND_S)

    async def round(self) -> int:
        """Read the hubs of which something came since the last round; return how many there were. Raises
        StorageError."""
        city = self._city
        if self._followed is None:
            self._followed = await city.store.read(register.followed)
        changed = await city.store.run(self._changed)
        for hub, mark in changed:
            now = city.clock()
            known = self._known.get(hub)
            news = await city.store.run(lambda hub=hub, known=known, now=now: self._read(hub, known, now))  # type: ignore[misc]
            await self._write(hub, news, now)
            self._marks[hub] = mark
        if city.clock() >= self._silent_at + SILENT_S:
            self._silent_at = city.clock()
            kept = await city.store.run(self._kept)
            await city.store.write(lambda t: _tidy(t, kept, self._silent_at))
        return len(changed)

    def _kept(self) -> dict[str, int]:
        """Return for how many days readings of each class are kept, of those that are not kept for ever."""
        with self._city.queries.snapshot() as now:
            return {line.privacy: line.days for line in now.retention() if line.days}

    def _changed(self) -> list[tuple[str, tuple[int, int]]]:
        with self._city.queries.snapshot() as now:
            return [(hub, mark) for hub, mark in now.marks().items() if mark != self._marks.get(hub)]

    def _read(self, hub: str, known: _Known | None, now: float) -> News:
        before = known.followed if known is not None else (self._followed or {}).get(hub)
        listing = known is None or now >= known.listed_at + INVENTORY_S
        with self._city.queries.snapshot() as seen:
            news = read_hub(seen, hub, before, now, inventory=listing)
            if not listing and known is not None and any(key not in known.numbers for key in news.latest):
                news = read_hub(seen, hub, before, now)
        return news

    async def _write(self, hub: str, news: News, now: float) -> None:
        known = self._known.get(hub)
        unchanged = known is not None and known.followed == news.followed and not news.latest
        if unchanged and news.devices is None and not news.whole:
            return
        numbers = None if known is None or news.devices is not None else known.numbers
        listed_at = now if known is None or now >= known.listed_at + INVENTORY_S else known.listed_at
        written = await self._city.store.write(lambda t: write_news(t, hub, news, numbers, now))
        self._known[hub] = _Known(news.followed, written, listed_at)


def _tidy(t: Transaction, kept: dict[str, int], now: float) -> None:
    """Note who is silent, and forget readings that the backend keeps no more."""
    register.put_silent(t, now)
    for privacy, days in kept.items():
        register.purge_latest(t, privacy, int((now - days * 86_400.0) * 1000))


def write_news(
    t: Transaction, hub: str, news: News, numbers: dict[tuple[str, str], tuple[int, int]] | None, now: float
) -> dict[tuple[str, str], tuple[int, int]]:
    """Write what is new of a hub; return the numbers of its series. `numbers` are those, where they are known."""
    areas: geometry.Areas | None = None
    if news.whole:
        register.forget_latest(t, hub)
    if news.devices is not None:
        areas = areas_of(t)
        register.put_devices(t, hub, news.devices, areas.of, now)
    if numbers is None:
        numbers = register.series_numbers(t, hub)
    latest, seen = {}, dict[int, tuple[float, int]]()
    where: dict[int, dict[str, float]] = {}
    for (device, metric), one in news.latest.items():
        if (device, metric) not in numbers:
            continue
        series, thing = numbers[device, metric]
        latest[series] = thing, one
        at = max(one.time_ms / 1000, seen.get(thing, (0.0, 1))[0])
        seen[thing] = at, max(1, news.heard.get(device, 1))
        if metric in ("latitude", "longitude") and one.number is not None:
            where.setdefault(thing, {})[metric] = one.number
    register.put_latest(t, latest)
    register.put_seen(t, seen, now)
    for thing, position in where.items():
        if len(position) == 2:
            areas = areas or areas_of(t)
            register.move_thing(t, thing, position["latitude"], position["longitude"], areas.of)
    register.put_followed(t, hub, news.followed)
    return numbers


def areas_of(r: Reader) -> geometry.Areas:
    """Return the areas of all sectors."""
    found = {}
    for name, _, text in register.sectors(r):
        try:
            found[name] = geometry.read_area(msgspec.json.decode(text))
        except (DecodeError, msgspec.DecodeError):
            log.warning("the area of sector %s is damaged: import it again", name)
    return geometry.Areas(found)
