"""The work beside requests: makes cells, notes the digests of closed months, and keeps the register of sensors."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from backend.city.city import City
from backend.city.publication import files, making, sensors
from backend.city.publication.calendar import Calendar
from backend.city.publication.source import BackendSource, Source
from backend.city.store import CityStore
from backend.storage.city import publication as table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.publication import FIRST, Month
from backend.storage.queries import Queries
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

PAUSE_S = 20.0
REGISTER_S = 600.0


async def work(city: City) -> None:
    """Make what is due, until cancelled."""
    source, refreshed, kept = BackendSource(city.queries), 0.0, dict[str, int]()
    while True:
        now = city.clock()
        if now - refreshed >= REGISTER_S or now < refreshed:
            kept = await city.store.run(lambda: days_kept(city.queries))
            await refresh_sensors(city)
            refreshed = now
        made = await step(city.store, source, now, kept)
        await note_months(city.store, now)
        if not made:
            await asyncio.sleep(PAUSE_S)


async def refresh_sensors(city: City) -> bool:
    """Write the public register of sensors anew where it changed."""
    kept = await city.store.run(lambda: days_kept(city.queries))
    return await city.store.write(lambda t: sensors.refresh(t, kept))


async def step(store: CityStore, source: Source, now: float, kept: Mapping[str, int]) -> int:
    """Let each pass go over what is due to it, at most `making.MOST_CELLS` columns; return how many did something. One
    data set that cannot be made does not keep the others waiting. `kept`: see `making.due`."""
    done = 0
    for pointer in await store.read(table.pointers):
        try:
            work = await store.read(lambda r, pointer=pointer: making.due(r, pointer, now, kept))  # type: ignore[misc]
            if work is None:
                continue
            found = await store.run(
                lambda work=work: source.cells(work.definition, work.members, work.starts)  # type: ignore[misc]
            )
            made = await store.write(
                lambda t, work=work, found=found: making.write(t, work, found, now)  # type: ignore[misc]
            )
            done += made is not None
        except HubError as error:
            log.warning(
                phrase(
                    "publication-not-made",
                    "cells of {dataset} are made later: {reason}",
                    dataset=pointer.dataset,
                    reason=reason_of(error),
                )
            )
    return done


class _Closed(NamedTuple):
    """A closed month whose files have no digest yet."""

    id: str
    month: str
    modified: float


async def note_months(store: CityStore, now: float) -> int:
    """Note the digests of the files of closed months; return how many."""
    count = 0
    for one in await store.read(_closed):
        made = await store.read(lambda r, one=one: month_files(r, one.id, one.month))  # type: ignore[misc]
        count += await store.write(lambda t, one=one, made=made: _note(t, one, made, now))  # type: ignore[misc]
    return count


def month_files(r: Reader, id: str, month: str) -> dict[str, bytes]:
    """Return the files of a month by format."""
    return {format: month_file(r, id, month, format) for format in files.month_formats()}


def month_file(r: Reader, id: str, month: str, format: str, limit: int = -1) -> bytes:
    """Return the cells of a month as a file, the first `limit` of them. Raises ValueError for what is no month,
    KeyError for an unknown data set."""
    shown = table.Published(r)
    one = shown.set(id)
    if one is None:
        raise KeyError(id)
    about = read_about(one)
    calendar = Calendar.of(about)
    found = shown.cells(id, *calendar.month_span(month), limit=limit)
    lines = files.rows(found, shown.areas(id), units(about), calendar)
    return files.csv_bytes(lines, calendar) if format == "csv" else files.parquet_bytes(lines)


def _closed(r: Reader) -> list[_Closed]:
    shown, found = table.Published(r), []
    for one in shown.sets():
        first, bounds = table.pointer(r, one.id, FIRST), shown.bounds(one.id)
        if first is None or bounds is None:
            continue
        noted = {(month.month, month.format) for month in shown.months(one.id) if month.maker == files.maker()}
        calendar = Calendar.of(read_about(one))
        for month in calendar.months_between(*bounds):
            closed = calendar.month_span(month)[1] <= first.next
            if closed and not all((month, format) in noted for format in files.month_formats()):
                found.append(_Closed(one.id, month, one.modified))
    return found


def _note(t: Transaction, one: _Closed, made: dict[str, bytes], now: float) -> int:
    current = table.Published(t).set(one.id)
    if current is None or current.state != "published" or current.modified != one.modified:
        return 0  # changed meanwhile: next time
    for format, content in made.items():
        digest = hashlib.sha256(content).hexdigest()
        table.put_month(t, one.id, Month(one.month, format, digest, len(content), now, files.maker()))
    return len(made)


def read_about(one: table.PublishedSet) -> dict[str, Any]:
    """Return what the public sees of a data set."""
    found: dict[str, Any] = msgspec.json.decode(one.about)
    return found


def units(about: Mapping[str, Any]) -> dict[str, str]:
    """Return metric → unit."""
    return {metric["key"]: metric["unit"] for metric in about["metrics"]}


def days_kept(queries: Queries) -> dict[str, int]:
    """Return privacy class → days for which the backend keeps it, 0 for ever."""
    with queries.snapshot() as now:
        return {line.privacy: line.days for line in now.retention()}
