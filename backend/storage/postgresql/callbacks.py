"""Callbacks of the Sigfox operator in PostgreSQL. See `backend.storage.tables.CallbackTable`.

callback_tokens   one each: the SHA-256 of its secret, and the hub that its callbacks are for
callbacks         `key` is "<hub>/<what identifies the callback>"; `fields` until the hub has it, then null. A row stays
                  for a while after it is done
downlinks         the hub's answer for a device
"""

from __future__ import annotations

from collections.abc import Iterable

from backend.storage.postgresql.writing import Writing
from backend.storage.tables import CallbackToken, NewCallback, WaitingDownlink

_WAITS = "hub = %s and fields is not null"
_OTHERS = "token = %s and hub <> %s and fields is not null"
_MOVE = (
    "update callbacks as c set hub = %(hub)s, key = %(hub)s || substr(key, length(c.hub) + 1) where token = %(token)s"
    " and hub <> %(hub)s and not exists (select 1 from callbacks o where o.key = %(hub)s || substr(c.key,"
    " length(c.hub) + 1))"
)
_NEXT = (
    "select id, data from downlinks where hub = %s and device = %s and sent_at is null"
    " and (until is null or until >= %s) order by id = '' limit 1"
)


class Callbacks:
    """The tables `callback_tokens`, `callbacks` and `downlinks`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def token(self, token: str) -> CallbackToken | None:
        row = self._writing.one(
            "select id, secret, hub, name, created_at, revoked_at from callback_tokens where id = %s", (token,)
        )
        return None if row is None else CallbackToken(*row)

    def add_token(self, token: CallbackToken) -> None:
        self._writing.change(
            "insert into callback_tokens (id, secret, hub, name, created_at, revoked_at)"
            " values (%s, %s, %s, %s, %s, %s)",
            token,
        )

    def revoke_token(self, token: str, now: float) -> bool:
        done = self._writing.change(
            "update callback_tokens set revoked_at = coalesce(revoked_at, %s) where id = %s", (now, token)
        )
        return done > 0

    def assign_token(self, token: str, hub: str, now: float) -> int | None:
        if not self._writing.change("update callback_tokens set hub = %s where id = %s", (hub, token)):
            return None
        ((waiting,),) = self._writing.ask(f"select count(*) from callbacks where {_OTHERS}", (token, hub))  # noqa: S608
        # done ones too: their keys recognise repeated callbacks
        self._writing.change_named(_MOVE, {"hub": hub, "token": token})
        # rows that stay behind exist for the new hub already, by a token of its own
        left = self._writing.change(
            f"update callbacks set fields = null, done_at = %s where {_OTHERS}",  # noqa: S608
            (now, token, hub),
        )
        return int(waiting) - left

    def known_answer(self, hub: str, key: str) -> tuple[bytes | None] | None:
        row = self._writing.one("select answer from callbacks where key = %s", (f"{hub}/{key}",))
        return None if row is None else (row[0],)

    def add(self, callback: NewCallback) -> None:
        self._writing.change(
            "insert into callbacks (key, hub, token, fields, answer, answered, received_at)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            (f"{callback.hub}/{callback.key}", *callback[1:]),
        )
        self._writing.change(
            "update callback_tokens set taken = taken + 1, used_at = %s where id = %s",
            (callback.received_at, callback.token),
        )

    def count_repeated(self, token: str, now: float) -> None:
        self._writing.change(
            "update callback_tokens set repeated = repeated + 1, used_at = %s where id = %s", (now, token)
        )

    def waiting(self, hub: str, most: int) -> list[tuple[int, bytes, str]]:
        rows = self._writing.ask(
            f"select id, fields, answered from callbacks where {_WAITS} order by id limit %s",  # noqa: S608
            (hub, most),
        )
        return [(int(number), bytes(fields), str(answered)) for number, fields, answered in rows]

    def oldest(self, hub: str) -> tuple[int, float] | None:
        row = self._writing.one(
            f"select id, received_at from callbacks where {_WAITS} order by id limit 1",  # noqa: S608
            (hub,),
        )
        return None if row is None else (int(row[0]), float(row[1]))

    def newest_number(self) -> int:
        ((number,),) = self._writing.ask("select coalesce(max(id), 0) from callbacks")
        return int(number)

    def count_waiting(self, hub: str) -> int:
        ((count,),) = self._writing.ask(f"select count(*) from callbacks where {_WAITS}", (hub,))  # noqa: S608
        return int(count)

    def finish(self, hub: str, numbers: Iterable[int], now: float) -> None:
        self._writing.change(
            f"update callbacks set fields = null, done_at = %s where id = any(%s::bigint[]) and {_WAITS}",  # noqa: S608
            (now, list(numbers), hub),
        )

    def forget(self, before: float) -> None:
        self._writing.change("delete from callbacks where done_at < %s", (before,))
        self._writing.change("delete from downlinks where sent_at < %s", (before,))

    def next_downlink(self, hub: str, device: str, now: float) -> tuple[str, bytes] | None:
        row = self._writing.one(_NEXT, (hub, device, now))
        return None if row is None else (str(row[0]), bytes(row[1]))

    def mark_sent(self, hub: str, device: str, downlink: str, now: float) -> None:
        self._writing.change(
            "update downlinks set sent_at = %s where hub = %s and device = %s and id = %s",
            (now, hub, device, downlink),
        )

    def replace_downlinks(self, hub: str, downlinks: Iterable[WaitingDownlink]) -> None:
        self._writing.change("delete from downlinks where hub = %s and sent_at is null", (hub,))
        self._writing.change_many(
            "insert into downlinks (hub, device, id, data, until) values (%s, %s, %s, %s, %s) on conflict do nothing",
            [(hub, *one) for one in downlinks],
        )
