"""Registry in PostgreSQL: hubs and enrolment tokens. See `backend.storage.tables.HubTable`.

What is written of a hub here raises its version, so that a revocation acts on its next message at every worker.
"""

from __future__ import annotations

from collections.abc import Iterable

from backend.storage.postgresql.hub_rows import HUB, HUBS, hub_of
from backend.storage.postgresql.writing import Writing
from backend.storage.tables import EnrolmentToken, Hub

_ENROLMENT = "select id, secret, name, created_at, expires_at, used_at, hub, cancelled_at, tags from tokens"


class Hubs:
    """The tables `hubs` and `tokens`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def find(self, hub: str) -> Hub | None:
        known = self._writing.known(hub)
        if known is not None:
            return known
        row = self._writing.one(f"select {HUB} {HUBS} where h.hub = %s", (hub,))
        return None if row is None else hub_of(row)

    def hubs(self) -> list[Hub]:
        return [hub_of(row) for row in self._writing.ask(f'select {HUB} {HUBS} order by h.hub collate "C"')]

    def enrol(self, hub: Hub) -> None:
        if self._writing.number(hub.hub) is not None:
            self._writing.registered(hub.hub)
        self._writing.change(
            "insert into hubs (hub, identity, name, enrolled_at, tags) values (%s, %s, %s, %s, %s)"
            " on conflict (hub) do update set name = excluded.name,"
            " tags = case when excluded.tags = '{}' then hubs.tags else excluded.tags end,"
            " version = hubs.version + 1, changed = hubs.version + 1",
            (hub.hub, hub.identity, hub.name, hub.enrolled_at, list(hub.tags)),
        )

    def revoke(self, hub: str, now: float) -> bool:
        return self._update("revoked_at = coalesce(revoked_at, %s)", now, hub)

    def readmit(self, hub: str) -> bool:
        return self._update("revoked_at = %s", None, hub)

    def tag(self, hub: str, tags: tuple[str, ...]) -> bool:
        return self._update("tags = %s", list(tags), hub)

    def token(self, token: str) -> EnrolmentToken | None:
        lock = " for update" if self._writing.inside else ""
        row = self._writing.one(f"{_ENROLMENT} where id = %s{lock}", (token,))
        return None if row is None else _token(row)

    def tokens(self) -> list[EnrolmentToken]:
        rows = self._writing.ask(f'{_ENROLMENT} order by created_at, name collate "C", id collate "C"')
        return [_token(row) for row in rows]

    def add_tokens(self, tokens: Iterable[EnrolmentToken]) -> None:
        self._writing.change_many(
            "insert into tokens (id, secret, name, created_at, expires_at, tags) values (%s, %s, %s, %s, %s, %s)",
            [(one.id, one.secret, one.name, one.created_at, one.expires_at, list(one.tags)) for one in tokens],
        )

    def use_token(self, token: str, hub: str, now: float) -> None:
        self._writing.change("update tokens set used_at = %s, hub = %s, secret = null where id = %s", (now, hub, token))

    def cancel_token(self, token: str, now: float) -> bool:
        done = self._writing.change(
            "update tokens set cancelled_at = %s, secret = null where id = %s and used_at is null"
            " and cancelled_at is null",
            (now, token),
        )
        return done > 0

    def _update(self, change: str, value: object, hub: str) -> bool:
        if self._writing.number(hub) is None:
            return False
        self._writing.registered(hub)
        return self._writing.change(f"update hubs set {change} where hub = %s", (value, hub)) > 0  # noqa: S608


def _token(row: Iterable[object]) -> EnrolmentToken:
    *facts, tags = row
    return EnrolmentToken._make((*facts, tuple(tags)))  # type: ignore[arg-type]
