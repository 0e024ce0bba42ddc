"""Registry in SQLite: hubs and enrolment tokens. See `backend.storage.tables.HubTable`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

import apsw
import msgspec

from backend.storage.sqlite.errors import refusals
from backend.storage.tables import EnrolmentToken, Hub

HUB = "hub, identity, name, enrolled_at, revoked_at, seen_at, tags"
_COLUMNS = "id, secret, name, created_at, expires_at, used_at, hub, cancelled_at, tags"


class Hubs:
    """The tables `hubs` and `tokens`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def find(self, hub: str) -> Hub | None:
        row = self._db.execute(f"select {HUB} from hubs where hub = ?", (hub,)).get  # noqa: S608
        return None if row is None else hub_of(row)

    @refusals()
    def hubs(self) -> list[Hub]:
        return [hub_of(row) for row in self._db.execute(f"select {HUB} from hubs order by hub")]  # noqa: S608

    @refusals()
    def enrol(self, hub: Hub) -> None:
        self._db.execute(
            "insert into hubs (hub, identity, name, enrolled_at, tags) values (?, ?, ?, ?, ?)"
            " on conflict (hub) do update set name = excluded.name, tags = coalesce(excluded.tags, tags)",
            (hub.hub, hub.identity, hub.name, hub.enrolled_at, _packed(hub.tags)),
        )

    @refusals()
    def revoke(self, hub: str, now: float) -> bool:
        self._db.execute("update hubs set revoked_at = coalesce(revoked_at, ?) where hub = ?", (now, hub))
        return self._db.changes() > 0

    @refusals()
    def readmit(self, hub: str) -> bool:
        self._db.execute("update hubs set revoked_at = null where hub = ?", (hub,))
        return self._db.changes() > 0

    @refusals()
    def tag(self, hub: str, tags: tuple[str, ...]) -> bool:
        self._db.execute("update hubs set tags = ? where hub = ?", (_packed(tags), hub))
        return self._db.changes() > 0

    @refusals()
    def token(self, token: str) -> EnrolmentToken | None:
        row = self._db.execute(f"select {_COLUMNS} from tokens where id = ?", (token,)).get  # noqa: S608
        return None if row is None else _token(row)

    @refusals()
    def tokens(self) -> list[EnrolmentToken]:
        rows = self._db.execute(f"select {_COLUMNS} from tokens order by created_at, name, id")  # noqa: S608
        return [_token(row) for row in rows]

    @refusals()
    def add_tokens(self, tokens: Iterable[EnrolmentToken]) -> None:
        self._db.executemany(
            "insert into tokens (id, secret, name, created_at, expires_at, tags) values (?, ?, ?, ?, ?, ?)",
            [(one.id, one.secret, one.name, one.created_at, one.expires_at, _packed(one.tags)) for one in tokens],
        )

    @refusals()
    def use_token(self, token: str, hub: str, now: float) -> None:
        self._db.execute("update tokens set used_at = ?, hub = ?, secret = null where id = ?", (now, hub, token))

    @refusals()
    def cancel_token(self, token: str, now: float) -> bool:
        self._db.execute(
            "update tokens set cancelled_at = ?, secret = null where id = ? and used_at is null"
            " and cancelled_at is null",
            (now, token),
        )
        return self._db.changes() > 0


def hub_of(row: tuple[Any, ...]) -> Hub:
    *facts, tags = row
    return Hub._make((*facts, unpacked_tags(tags)))


@lru_cache(4096)
def unpacked_tags(tags: object) -> tuple[str, ...]:
    """Return the tags in a column, which is empty in rows of former releases."""
    return () if tags is None else msgspec.json.decode(cast(str, tags), type=tuple[str, ...])


def _token(row: tuple[Any, ...]) -> EnrolmentToken:
    *facts, tags = row
    return EnrolmentToken._make((*facts, unpacked_tags(tags)))


def _packed(tags: tuple[str, ...]) -> str | None:
    return msgspec.json.encode(tags).decode() if tags else None
