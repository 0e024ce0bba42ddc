"""Queue of the Sigfox operator's callbacks until a hub fetches them. One connection, one thread.

The hub decodes them, with its packs, its places and its rules of privacy, and sends the readings back as it sends all
others: sealed, signed, numbered. This module stores the callbacks as they came, in tables of its own beside those of
`backend.schema`, and the tokens that authorise callbacks:

    doors       one token each: the SHA-256 of its secret, and the hub that its callbacks are for
    callbacks   `key` identifies the callback and its hub: hub, kind, device, time, seqNumber, infoCode; `fields`
                (MessagePack, by the names of `hub.sdk.sigfox.callback`) until the hub has it, then null; `answer` the 8
                bytes that were answered and `answered` the id of that downlink. A row stays for `KNOWN_S` after it is
                done, so that a repeated callback is recognised
    downlinks   the hub's answer for a device: `id` to send it once, or "" to send it each time

    *_at        Unix seconds by this machine's clock
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, cast

import apsw
import msgspec
from msgspec import Meta

from backend.schema import transaction
from backend.storage import Storage
from hub.core.errors import ConfigError, DecodeError, NotReady
from hub.core.text import phrase
from hub.sdk.sigfox.callback import Callback, identity, written

MAX_WAITING = 100_000
"""Callbacks that may wait for one hub; beyond it the operator's cloud is told to retry."""
MAX_BATCH = 500
LATE_S = 24 * 3600.0
"""Seconds after which somebody should look why the hub does not fetch."""
KNOWN_S = 30 * 24 * 3600.0
ALARM = "callbacks-wait"
DETAIL = phrase("sigfox-callbacks-wait", "Sigfox callbacks wait for this hub to fetch them")

_TABLES = """
create table if not exists doors (
    id text primary key, secret blob not null, hub text not null, name text not null, created_at real not null,
    revoked_at real, used_at real, taken integer not null default 0, repeated integer not null default 0
) without rowid;
create table if not exists callbacks (
    id integer primary key autoincrement, key text not null unique, hub text not null, door text not null, fields blob,
    answer blob, answered text not null default '', received_at real not null, done_at real
);
create index if not exists callbacks_waiting on callbacks (hub, id) where fields is not null;
create index if not exists callbacks_done on callbacks (done_at) where done_at is not null;
create table if not exists downlinks (
    hub text not null, device text not null, id text not null, data blob not null, until real, sent_at real,
    primary key (hub, device, id)
) without rowid;
"""

_OTHERS = "{} where door = ?2 and hub <> ?1 and fields is not null"
_MOVE = """
update or ignore callbacks set hub = ?1, key = ?1 || '/' || case
    when substr(key, 1, length(hub) + 1) = hub || '/' then substr(key, length(hub) + 2) else key end
where door = ?2 and hub <> ?1
"""
"""A former release wrote keys without the hub."""


class Downlink(msgspec.Struct, frozen=True):
    """8 bytes, hexadecimal, for the next time the device asks; `id` "": for every time. `until` is Unix seconds."""

    id: str
    data: str
    until: float | None = None


class HubUpdate(msgspec.Struct, frozen=True):
    """A hub's report: callbacks that it has stored, and all downlinks that devices may be given from now on."""

    done: tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...] = ()
    downlinks: dict[str, Downlink] = {}


class Entry(NamedTuple):
    """A callback that waits."""

    id: int
    kind: str
    fields: dict[str, Any]
    answered: str


def prepare(connection: apsw.Connection) -> None:
    """Create the tables where they are missing."""
    connection.execute(_TABLES)


class CallbackTokens:
    """Tokens of callbacks. Blocking; of any process."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        prepare(connection)

    def issue(self, hub: str, name: str, now: float) -> tuple[str, str]:
        """Return (id, secret) of a new token for the callbacks of one hub. Raises ConfigError for an unknown hub."""
        self._known(hub)
        door, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        self._db.execute(
            "insert into doors (id, secret, hub, name, created_at) values (?, ?, ?, ?, ?)",
            (door, _digest(secret), hub, name, now),
        )
        return door, secret

    def revoke(self, door: str, now: float) -> None:
        self._db.execute("update doors set revoked_at = coalesce(revoked_at, ?) where id = ?", (now, door))
        self._changed(door)

    def assign(self, door: str, hub: str, now: float) -> int:
        """Give its callbacks to another hub from now on; return how many waiting ones moved along."""
        self._known(hub)
        with transaction(self._db):  # or waiting callbacks could stay with a hub that no longer runs
            self._db.execute("update doors set hub = ? where id = ?", (hub, door))
            self._changed(door)
            waiting = self._db.execute(_OTHERS.format("select count(*) from callbacks"), (hub, door)).get
            self._db.execute(_MOVE, (hub, door))  # done ones too: their keys recognise repeated callbacks
            # rows that stay behind exist for the new hub already, by a token of its own
            self._db.execute(_OTHERS.format("update callbacks set fields = null, done_at = ?3"), (hub, door, now))
            return cast(int, waiting) - self._db.changes()

    def find(self, user: str, secret: str) -> str | None:
        """Return the token whose id and secret these are; without a user, `secret` is "<id>.<secret>"."""
        door, _, rest = secret.partition(".") if not user else (user, "", secret)
        row = cast(Any, self._db.execute("select secret, revoked_at from doors where id = ?", (door,)).get)
        right = hmac.compare_digest(_digest(rest), bytes(row[0]) if row is not None else bytes(32))
        return door if row is not None and right and row[1] is None else None

    def listed(self) -> list[dict[str, Any]]:
        names = ("id", "hub", "name", "created_at", "revoked_at", "used_at", "taken", "repeated")
        rows = self._db.execute(f"select {', '.join(names)} from doors order by created_at")  # noqa: S608
        return [dict(zip(names, row, strict=True)) for row in rows]

    def waiting(self) -> list[dict[str, Any]]:
        """Return for each hub how many callbacks wait for it, and since when the oldest does."""
        rows = self._db.execute(
            "select hub, count(*), min(received_at) from callbacks where fields is not null group by hub order by hub"
        )
        return [dict(zip(("hub", "waiting", "oldest_at"), row, strict=True)) for row in rows]

    def _known(self, hub: str) -> None:
        if self._db.execute("select 1 from hubs where hub = ?", (hub,)).get is None:
            raise ConfigError(phrase("no-such-hub-here", "no hub {hub!r} is enrolled here", hub=hub))

    def _changed(self, door: str) -> None:
        if not self._db.changes():
            raise ConfigError(phrase("no-such-callback-token", "there is no callback token {token!r}", token=door[:32]))


class Mailbox:
    """Writing side, in the database's thread. A callback is durable when `take` returns."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._db = storage, storage.connection

    def take(self, door: str, callback: Callback, now: float) -> bytes | None:
        """Store a callback once; return the 8 bytes of the answer to its device, or None.

        Raises NotReady when too much waits for the hub, StorageError when the disk refuses.
        """
        with self._storage.transaction():
            hub = str(self._db.execute("select hub from doors where id = ?", (door,)).get)
            known = self._db.execute(  # the second key is that of a former release
                "select answer from callbacks where key = ?1 or (key = ?2 and hub = ?3)",
                (f"{hub}/{_key(callback)}", _key(callback), hub),
            ).fetchall()
            if known:
                self._db.execute("update doors set repeated = repeated + 1, used_at = ? where id = ?", (now, door))
                return cast("bytes | None", known[0][0])
            full = self._full(hub, now)
            if not full:
                return self._keep(door, hub, callback, now)
        raise NotReady(full)  # after the commit of the alarm

    def _keep(self, door: str, hub: str, callback: Callback, now: float) -> bytes | None:
        name, answer = self._answer(hub, callback, now) if callback.waits else ("", None)
        self._db.execute(
            "insert into callbacks (key, hub, door, fields, answer, answered, received_at) values (?,?,?,?,?,?,?)",
            (
                f"{hub}/{_key(callback)}", hub, door,
                msgspec.msgpack.encode((callback.kind, written(callback))), answer, name, now,
            ),
        )  # fmt: skip
        self._db.execute("update doors set taken = taken + 1, used_at = ? where id = ?", (now, door))
        return answer

    def pending(self, hub: str) -> tuple[list[Entry], bool]:
        """Return the oldest callbacks that wait for a hub, and whether there are more."""
        rows = self._db.execute(
            "select id, fields, answered from callbacks where hub = ? and fields is not null order by id limit ?",
            (hub, MAX_BATCH + 1),
        ).fetchall()
        found = [
            Entry(number, *msgspec.msgpack.decode(fields, type=tuple[str, dict[str, Any]]), answered)
            for number, fields, answered in cast(list[tuple[int, bytes, str]], rows)
        ]
        return found[:MAX_BATCH], len(found) > MAX_BATCH

    def apply_update(self, hub: str, said: HubUpdate, now: float) -> None:
        """Delete the callbacks that the hub has stored, and replace its downlinks. Raises DecodeError."""
        staged = _checked(said.downlinks)
        with self._storage.transaction():
            self._db.executemany(
                "update callbacks set fields = null, done_at = ? where id = ? and hub = ? and fields is not null",
                [(now, number, hub) for number in said.done[: 4 * MAX_BATCH]],
            )
            self._db.execute("delete from callbacks where done_at < ?", (now - KNOWN_S,))
            self._db.execute("delete from downlinks where hub = ? and sent_at is null", (hub,))
            self._db.execute("delete from downlinks where sent_at < ?", (now - KNOWN_S,))
            self._db.executemany(  # a downlink that was sent is not offered again
                "insert or ignore into downlinks (hub, device, id, data, until) values (?, ?, ?, ?, ?)",
                [(hub, device, one.id, bytes.fromhex(one.data), one.until) for device, one in staged.items()],
            )
            if said.done:
                self._storage.clear_alarm(ALARM, hub, DETAIL, now)

    def _full(self, hub: str, now: float) -> str:
        """Return why no more may wait for a hub, "" when some may; raise an alarm when some have waited for long."""
        oldest = self._db.execute(
            "select id, received_at from callbacks where hub = ? and fields is not null order by id limit 1", (hub,)
        ).fetchall()
        if not oldest:
            return ""
        number, since = cast(tuple[int, float], oldest[0])
        if now - since > LATE_S:
            self._storage.alarm(ALARM, hub, DETAIL)
        newest = cast(int, self._db.execute("select max(id) from callbacks").get)
        if newest - number + 1 < MAX_WAITING:
            return ""  # the number of ids since then bounds the count, without counting rows
        waiting = cast(
            int,
            self._db.execute("select count(*) from callbacks where hub = ? and fields is not null", (hub,)).get,
        )
        if waiting < MAX_WAITING:
            return ""
        return phrase("callbacks-full", "{count} callbacks wait for {hub} to fetch them", count=waiting, hub=hub)

    def _answer(self, hub: str, callback: Callback, now: float) -> tuple[str, bytes | None]:
        row = self._db.execute(
            "select id, data from downlinks where hub = ? and device = ? and sent_at is null"
            " and (until is null or until >= ?) order by id = '' limit 1",
            (hub, callback.device, now),
        ).get
        if row is None:
            return "", None
        name, data = str(row[0]), bytes(row[1])
        if name:
            self._db.execute(
                "update downlinks set sent_at = ? where hub = ? and device = ? and id = ?",
                (now, hub, callback.device, name),
            )
        return name, data


def _checked(downlinks: Mapping[str, Downlink]) -> dict[str, Downlink]:
    found = {}
    for device, one in downlinks.items():
        try:
            size = len(bytes.fromhex(one.data))
        except ValueError:
            size = 0
        if size != 8 or len(one.id) > 64:
            raise DecodeError(
                "bad-downlink",
                phrase("downlink-form-wrong", "a downlink is 8 bytes in hexadecimal, its id at most 64 characters"),
            )
        found[identity(device)] = one
    return found


def _key(callback: Callback) -> str:
    parts = (callback.kind, callback.device, callback.time, callback.seq, callback.code, callback.severity)
    return "/".join("" if part is None else str(part) for part in parts)


def _digest(secret: str) -> bytes:
    """Hash a secret. It is 256 random bits that nobody can guess, so no slow hash is needed."""
    return hashlib.sha256(b"ilot/callback/1\0" + secret.encode("utf-8", "replace")).digest()
