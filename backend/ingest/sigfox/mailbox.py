"""Queue of the Sigfox operator's callbacks until a hub fetches them. One thread.

The hub decodes them, with its packs, its places and its rules of privacy, and sends the readings back as it sends all
others: sealed, signed, numbered. This module stores the callbacks as they came, with the tokens that authorise them. A
callback is identified by its hub, kind, device, time, seqNumber and infoCode, and is recognised when it is repeated,
for `KNOWN_S` after it is done. Its fields (MessagePack, by the names of `hub.sdk.sigfox.callback`) stay until the hub
has them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from backend.hubs.alarms import clear_alarm, raise_alarm
from backend.storage.engine import Storage
from backend.storage.tables import CallbackToken, NewCallback, Tables, WaitingDownlink
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


class CallbackTokens:
    """Tokens of callbacks. Blocking; of any process."""

    def __init__(self, storage: Tables) -> None:
        self._storage, self._table = storage, storage.callbacks

    def issue(self, hub: str, name: str, now: float) -> tuple[str, str]:
        """Return (id, secret) of a new token for the callbacks of one hub. Raises ConfigError for an unknown hub."""
        self._known(hub)
        token, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        with self._storage.transaction():
            self._table.add_token(CallbackToken(token, _digest(secret), hub, name, now))
        return token, secret

    def revoke(self, token: str, now: float) -> None:
        with self._storage.transaction():
            known = self._table.revoke_token(token, now)
        if not known:
            raise _no_token(token)

    def assign(self, token: str, hub: str, now: float) -> int:
        """Give its callbacks to another hub from now on; return how many waiting ones moved along."""
        self._known(hub)
        with self._storage.transaction():  # or waiting callbacks could stay with a hub that no longer runs
            moved = self._table.assign_token(token, hub, now)
        if moved is None:
            raise _no_token(token)
        return moved

    def find(self, user: str, secret: str) -> str | None:
        """Return the token whose id and secret these are; without a user, `secret` is "<id>.<secret>"."""
        token, _, rest = secret.partition(".") if not user else (user, "", secret)
        known = self._table.token(token)
        right = hmac.compare_digest(_digest(rest), known.secret if known is not None else bytes(32))
        return token if known is not None and right and known.revoked_at is None else None

    def _known(self, hub: str) -> None:
        if self._storage.registry.find(hub) is None:
            raise ConfigError(phrase("no-such-hub-here", "no hub {hub!r} is enrolled here", hub=hub))


def _no_token(token: str) -> ConfigError:
    return ConfigError(phrase("no-such-callback-token", "there is no callback token {token!r}", token=token[:32]))


class Mailbox:
    """Writing side, in the database's thread. A callback is durable when `take` returns."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._table = storage, storage.callbacks

    def take(self, token: str, callback: Callback, now: float) -> bytes | None:
        """Store a callback once; return the 8 bytes of the answer to its device, or None.

        Raises NotReady when too much waits for the hub, StorageError when the disk refuses.
        """
        with self._storage.transaction():
            known = self._table.token(token)
            hub = known.hub if known is not None else ""
            before = self._table.known_answer(hub, _key(callback))
            if before is not None:
                self._table.count_repeated(token, now)
                return before[0]
            full = self._full(hub, now)
            if not full:
                return self._keep(token, hub, callback, now)
        raise NotReady(full)  # after the commit of the alarm

    def _keep(self, token: str, hub: str, callback: Callback, now: float) -> bytes | None:
        name, answer = self._answer(hub, callback, now) if callback.waits else ("", None)
        fields = msgspec.msgpack.encode((callback.kind, written(callback)))
        self._table.add(NewCallback(_key(callback), hub, token, fields, answer, name, now))
        return answer

    def pending(self, hub: str) -> tuple[list[Entry], bool]:
        """Return the oldest callbacks that wait for a hub, and whether there are more."""
        found = [
            Entry(number, *msgspec.msgpack.decode(fields, type=tuple[str, dict[str, Any]]), answered)
            for number, fields, answered in self._table.waiting(hub, MAX_BATCH + 1)
        ]
        return found[:MAX_BATCH], len(found) > MAX_BATCH

    def apply_update(self, hub: str, said: HubUpdate, now: float) -> None:
        """Delete the callbacks that the hub has stored, and replace its downlinks. Raises DecodeError."""
        staged = _checked(said.downlinks)
        with self._storage.transaction():
            self._table.finish(hub, said.done[: 4 * MAX_BATCH], now)
            self._table.forget(now - KNOWN_S)
            self._table.replace_downlinks(
                hub,
                [WaitingDownlink(device, one.id, bytes.fromhex(one.data), one.until) for device, one in staged.items()],
            )
            if said.done:
                clear_alarm(self._storage, ALARM, hub, DETAIL, now)

    def _full(self, hub: str, now: float) -> str:
        """Return why no more may wait for a hub, "" when some may; raise an alarm when some have waited for long."""
        oldest = self._table.oldest(hub)
        if oldest is None:
            return ""
        number, since = oldest
        if now - since > LATE_S:
            raise_alarm(self._storage, ALARM, hub, DETAIL)
        if self._table.newest_number() - number + 1 < MAX_WAITING:
            return ""  # the count of numbers since then bounds that of callbacks, without counting these
        waiting = self._table.count_waiting(hub)
        if waiting < MAX_WAITING:
            return ""
        return phrase("callbacks-full", "{count} callbacks wait for {hub} to fetch them", count=waiting, hub=hub)

    def _answer(self, hub: str, callback: Callback, now: float) -> tuple[str, bytes | None]:
        found = self._table.next_downlink(hub, callback.device, now)
        if found is None:
            return "", None
        name, data = found
        if name:
            self._table.mark_sent(hub, callback.device, name, now)
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
