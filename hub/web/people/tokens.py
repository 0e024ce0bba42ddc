"""Tokens for scripts: `Authorization: Bearer ilot_<id>_<secret>` on the API, instead of a cookie and its form token.

The secret is 256 random bits that nobody can guess, so its SHA-256 suffices, and no slow hash is needed. A token has a
role and an end; it is shown once, when it is made. It cannot make accounts, tokens or passwords, so that its effects
end with it.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
from collections.abc import Callable
from hashlib import sha256

import apsw
import msgspec

from hub.automation.commands.policy import ROLES
from hub.core.clock import Clock
from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit
from hub.web.people.accounts import Account
from hub.web.refusals import Refused

MOST = 64
LONGEST_S = 366 * 86_400.0
PREFIX = "ilot_"
_BEARER = re.compile(r"ilot_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[\w][\w .-]{0,31}")


class Token(msgspec.Struct, frozen=True):
    """A token. `expires` and `at` are Unix seconds, `by` is its maker."""

    id: str
    name: str
    role: str
    hash: bytes
    at: float
    expires: float
    by: str

    def shown(self) -> dict[str, object]:
        """Return all fields but the hash."""
        names = ("id", "name", "role", "at", "expires", "by")
        return {name: getattr(self, name) for name in names}


class Tokens:
    """Tokens, read whole at the start; the store is written first, one change after the other. `changed` is called
    after each."""

    def __init__(self, store: Store, clock: Clock, changed: Callable[[], None]) -> None:
        self._store, self._clock, self._changed = store, clock, changed
        self._known: dict[str, Token] = {}
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Load the tokens. Raises StorageError."""

        def work(db: apsw.Connection) -> list[Token]:
            rows = db.execute("SELECT id, name, role, hash, at, expires, by FROM web_tokens ORDER BY at")
            return [Token(*row) for row in rows]

        self._known = {one.id: one for one in await self._store.call(work)}

    def all(self) -> list[Token]:
        return list(self._known.values())

    def of(self, header: str) -> Account | None:
        """Return the token of an `Authorization` header as an account without a password. While the clock is not
        trusted, a token's end is not checked: a wrong clock must lock nobody out."""
        kind, _, said = header.partition(" ")
        found = _BEARER.fullmatch(said.strip()) if kind.lower() == "bearer" else None
        token = self._known.get(found[1]) if found else None
        digest = sha256(found[2].encode()).digest() if found else b""
        if token is None or not hmac.compare_digest(digest, token.hash):
            return None
        now = self._clock.date()
        if now is not None and now >= token.expires:
            return None
        return Account(f"token:{token.name}", token.role, b"", token.at)

    async def make(self, name: str, role: str, days: float, who: str) -> tuple[Token, str]:
        """Make a token; return it, and the text that is shown once. Raises Refused, StorageError."""
        if not _NAME.fullmatch(name):
            raise Refused("token-name-bad")
        if role not in ROLES:
            raise Refused("role-bad")
        if not 0 < days * 86_400 <= LONGEST_S:
            raise Refused("token-days-bad")
        now = self._clock.now()
        number, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        token = Token(number, name, role, sha256(secret.encode()).digest(), now, now + days * 86_400, who[:64])

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                db.execute("DELETE FROM web_tokens WHERE expires <= ?", (now,))
                db.execute("INSERT INTO web_tokens VALUES (?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(token))
                audit(db, now, who, {"web": "token", "id": number, "name": name, "role": role, "days": days})

        async with self._turn:
            kept = {one.id: one for one in self._known.values() if one.expires > now}
            if len(kept) >= MOST:
                raise Refused("tokens-full")
            await self._store.call(work)
            self._changed()
            self._known = {**kept, number: token}
        return token, f"{PREFIX}{number}_{secret}"

    async def revoke(self, number: str, who: str) -> Token:
        """Revoke a token. Raises Refused, StorageError."""
        async with self._turn:
            token = self._known.get(number)
            if token is None:
                raise Refused("token-unknown")
            what = {"web": "token revoked", "id": number, "name": token.name}

            def work(db: apsw.Connection) -> None:
                with transaction(db):
                    db.execute("DELETE FROM web_tokens WHERE id = ?", (number,))
                    audit(db, self._clock.now(), who, what)

            await self._store.call(work)
            self._changed()
            self._known.pop(number, None)
        return token
