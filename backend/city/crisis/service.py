"""The crisis room in one process: what pages, documents and the task beside ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from backend.city.city import City
from backend.city.crisis import drills, measures, snapshot
from backend.city.crisis.hubs import HubReader, Seen
from backend.city.crisis.situation import Limits, Situation, gather, unlimited
from backend.city.people import journal
from backend.city.people.viewer import Role, Scope, Viewer
from backend.city.zone import read_zone
from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Drill
from backend.storage.city.database import Reader, Transaction
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

FRESH_S, OLD_S = 10.0, 60.0
"""Seconds after which hubs and alerts are read again beside, and after which a page waits for it."""
DRILL_S = 3.0
"""Seconds after which it is asked again whether a drill is on."""
EVERY_S = 60.0
"""Seconds between two snapshots."""
CELL = frozenset({Role.OPERATOR, Role.ADMIN})
"""Roles of the crisis cell: they write, and read the main courante where their scope has everything."""
READS = CELL | {Role.HEAD}
WHOLE = Scope()
"""Contents of the last snapshot: everything but what is personal."""
SNAPSHOT_TO, WRITTEN = "snapshot-to", "written"


class CrisisRoom:
    """Crisis room of a city. Raises StorageError where a database refuses."""

    def __init__(self, city: City) -> None:
        self.city = city
        with city.store.database.snapshot() as r:
            self._drill = tables.drill(r, city.clock())
        self._drill_at = city.clock()
        self._looking: asyncio.Task[Drill | None] | None = None
        self._reader = HubReader(city.queries)
        self._seen: Seen | None = None
        self._reading: asyncio.Task[Seen] | None = None
        self._one_at_a_time = asyncio.Lock()

    # drills

    @property
    def drill(self) -> Drill | None:
        """The drill that is on, as it was known a few seconds ago: another process may have begun or ended it."""
        now = self.city.clock()
        if now - self._drill_at > DRILL_S and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(_noted)
        return self._drill if self._drill is not None and self._drill.expires > now else None

    async def _look(self) -> Drill | None:
        now = self.city.clock()
        found = await self.city.store.read(lambda r: tables.drill(r, now))
        self._drill, self._drill_at = found, now
        return found

    # reading

    async def seen(self) -> Seen:
        """Return hubs and alerts, at most OLD_S old; what is older than FRESH_S is read again beside."""
        now = self.city.clock()
        if self._seen is None or now - self._seen.at > FRESH_S:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read())
            if self._seen is None or now - self._seen.at > OLD_S:
                return await asyncio.shield(self._reading)
            self._reading.add_done_callback(_noted)
        return self._seen

    async def _read(self) -> Seen:
        async with self._one_at_a_time:
            self._seen = await self.city.store.run(lambda: self._reader.read(self.city.clock()))
        return self._seen

    async def situation(self, viewer: Viewer, limits: Limits = Limits()) -> Situation:  # noqa: B008
        """Return the situation as a viewer may see it."""
        return await self._situation(viewer.scope, limits, log=sees_log(viewer))

    async def _situation(self, scope: Scope, limits: Limits, *, log: bool) -> Situation:
        seen, now = await self.seen(), self.city.clock()
        name = self.city.owner.settings.owner

        def work(r: Reader) -> Situation:
            self._drill, self._drill_at = tables.drill(r, now), now
            return gather(r, seen, scope, city=name, now=now, limits=limits, log=log)

        return await self.city.store.read(work)

    async def zone(self) -> ZoneInfo:
        return await self.city.store.read(read_zone)

    # acting

    async def act(self, viewer: Viewer, what: str, object: str, work: Callable[[Transaction, float, int], Any]) -> Any:
        """Do something that a viewer asked for, in one transaction with its line in the journal. `work` is given the
        moment and the drill that is on, 0 in earnest."""
        now = self.city.clock()

        def whole(t: Transaction) -> Any:
            drill = drills.number_of(t, now)
            done = work(t, now, drill)
            journal.note(t, viewer.id, f"crisis.{what}", object, {"drill": drill} if drill else {}, now)
            self._drill, self._drill_at = tables.drill(t, now), now
            return done

        return await self.city.store.write(whole)

    # beside

    async def keep(self) -> None:
        """Write a snapshot every minute, note what expired and who is heard again, until cancelled."""
        while True:
            try:
                await self.tick()
            except StorageError as error:  # the last snapshot stays as it is
                log.warning(phrase("crisis-tick-failed", "no snapshot this minute: {reason}", reason=reason_of(error)))
            await asyncio.sleep(EVERY_S)

    async def tick(self) -> list[snapshot.Written]:
        """Do what is due, and write the snapshot. Raises StorageError before anything is written."""
        await self._read()
        seen, now = await self.seen(), self.city.clock()
        heard = {one.hub: one.seen_at for one in seen.hubs if one.seen_at is not None}

        def due(t: Transaction) -> tuple[int, list[str]]:
            return measures.note_expired(t, now), measures.heard_again(t, heard, now)

        if await self.city.store.read(lambda r: bool(tables.expired_measures(r, now) or tables.isolated(r, 0))):
            await self.city.store.write(due)
        one = await self._situation(WHOLE, Limits(hubs=300, alerts=300, rooms=40, log=100), log=True)
        sheets = await self.city.store.read(tables.sheets)
        where, zone = await self.city.store.read(lambda r: (tables.setting(r, SNAPSHOT_TO), read_zone(r)))
        directories = [self.city.directory / snapshot.DIRECTORY, *([Path(where)] if where else [])]
        made = await self.city.store.run(lambda: snapshot.files(one, sheets, zone))
        written = await self.city.store.run(lambda: snapshot.write(made, directories))
        for place in written:
            if place.problem:
                log.warning(
                    phrase(
                        "crisis-snapshot-unwritten",
                        "the snapshot cannot be written to {where}: {reason}",
                        where=place.where,
                        reason=place.problem,
                    )
                )
        note = msgspec.json.encode({"at": one.made, "places": [place._asdict() for place in written]}).decode()
        await self.city.store.write(lambda t: tables.set_setting(t, WRITTEN, note))
        return written


def sees_log(viewer: Viewer) -> bool:
    """Return whether a viewer is of the crisis cell and sees everything."""
    return viewer.role in CELL and unlimited(viewer.scope)


def room_of(city: City) -> CrisisRoom:
    """Return the crisis room of this process."""
    found = city.parts.get("crisis")
    if not isinstance(found, CrisisRoom):
        found = city.parts["crisis"] = CrisisRoom(city)
    return found


def _noted(task: asyncio.Task[Any]) -> None:
    """Let a reading beside fail: the next page that waits for one says why."""
    if not task.cancelled():
        task.exception()
