"""Table of the sessions in the store: a restart of the hub signs nobody out, and what was ended stays ended.

A row holds the hash of a token, never the token, and is in no backup (`hub.core.store.STAYS`). It is worth nothing once
its account is gone or has another password. Times are of the monotonic clock, which neither a restart of the hub nor a
step of the wall clock moves; over a restart of the machine the difference of the two clocks counts, which is written
again when the wall clock was set. Between two writes of `seen` up to SEEN_S pass: a hub that was killed ends a session
so much too early, never too late.
"""

from __future__ import annotations

import asyncio
import logging

import apsw
import msgspec

from hub.core.clock import EXACT_S, Clock
from hub.core.disk.sqlite import transaction
from hub.core.errors import StorageError
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.page_kit.people.sessions import Kept, Session, Sessions
from hub.protocol.documents.badges import Badge
from hub.web.people.accounts import Accounts
from hub.web.people.break_glass import BreakGlassLog

SEEN_S, STEP_S, SOON_S = 300.0, 60.0, 5.0
"""Seconds: how old `seen` may be in the table; how often it is looked at; the same while sessions wait."""

Row = tuple[bytes, str, bytes, bytes, bool, bytes, float, float, float | None]

_log = logging.getLogger("hub.web")


class SessionTable:
    """The table of `sessions`. `broken` hears which of them go on that a badge should have begun."""

    def __init__(self, store: Store, clock: Clock, sessions: Sessions, broken: BreakGlassLog) -> None:
        self._store, self._clock, self._sessions, self._broken = store, clock, sessions, broken
        self._written: dict[bytes, Row] = {}
        self._turn = asyncio.Lock()
        self._error = ""

    async def load(self, accounts: Accounts) -> None:
        """Resume the sessions of the process before. Raises StorageError."""

        def work(db: apsw.Connection) -> list[Row]:
            return list(
                db.execute("SELECT hash, name, mark, badge, broken, boot, began, seen, ahead FROM web_sessions")
            )

        kept: dict[bytes, Kept] = {}
        for row in await self._store.call(work):
            self._written[row[0]] = row
            if (one := _kept(row, accounts)) is not None:
                kept[row[0]] = one
        self._sessions.recall(kept)
        self._resume()
        await self.save()

    def _resume(self) -> None:
        now = self._clock.monotonic()
        for session in self._sessions.resume(self._clock.boot, self._clock.date()):
            if session.broken:
                self._broken.recall(session.name, now - session.began)

    async def keep(self) -> None:
        """Write what has changed, again and again."""
        while True:
            await self._clock.sleep(SOON_S if self._sessions.waiting else STEP_S)
            self._resume()
            await self.save()

    async def save(self, *, whole: bool = False) -> None:
        """Write what began and what ended since the last time, and `seen` where it is old; all of it if `whole`. What
        the disk refuses is written later."""
        async with self._turn:
            sessions, waiting = self._sessions.rows()
            date, now = self._clock.date(), self._clock.monotonic()
            ahead = None if date is None else date - now
            rows = {key: self._row(key, one, ahead) for key, one in sessions.items()}
            fresh = [row for key, row in rows.items() if _differs(self._written.get(key), row, whole=whole)]
            gone = [key for key in self._written if key not in rows and key not in waiting]
            if not fresh and not gone:
                return

            def work(db: apsw.Connection) -> None:
                with transaction(db):
                    db.executemany("DELETE FROM web_sessions WHERE hash = ?", [(key,) for key in gone])
                    db.executemany("INSERT OR REPLACE INTO web_sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", fresh)

            try:
                await self._store.call(work)
            except StorageError as error:
                self._say(reason_of(error))
                return
            self._error = ""
            self._written.update({row[0]: row for row in fresh})
            for key in gone:
                del self._written[key]

    def _say(self, error: str) -> None:
        if error != self._error:
            _log.warning(
                phrase(
                    "sessions-not-written",
                    "who is signed in cannot be written, it is tried again: a restart would not know who signed in or "
                    "out meanwhile: {reason}",
                    reason=error,
                )
            )
        self._error = error

    def _row(self, key: bytes, one: Session, ahead: float | None) -> Row:
        badge = msgspec.msgpack.encode(one.badge) if one.badge is not None else b""
        return key, one.name, one.mark, badge, one.broken, self._clock.boot, one.began, one.seen, ahead


def _kept(row: Row, accounts: Accounts) -> Kept | None:
    """Return a session that may go on; None for one whose account is gone or has another password."""
    _, name, mark, badge, broken, boot, began, seen, ahead = row
    session = Session(name, began, seen, mark=mark, broken=bool(broken))
    if badge:
        try:
            session.badge = msgspec.msgpack.decode(badge, type=Badge)
        except msgspec.DecodeError:  # of another version
            return None
    elif (account := accounts.get(name)) is None or account.mark != mark:
        return None
    return Kept(session, boot, ahead)


def _differs(old: Row | None, new: Row, *, whole: bool) -> bool:
    if old is None or (old[2], old[5]) != (new[2], new[5]) or (whole and old[7] != new[7]) or new[7] - old[7] >= SEEN_S:
        return True
    before, after = old[8], new[8]
    return after is not None and (before is None or abs(after - before) > EXACT_S)
