"""Accounts of this hub: their table in the store, and the claim that makes the first one.

A claim code is valid for one claim, until another is made. It is hashed like a password: nobody can read it again.
Whoever claims chooses a name and a password; there is no account before, and no default password.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256

import apsw
import msgspec

from hub.automation.commands.policy import ROLES
from hub.core.clock import Clock
from hub.core.disk.sqlite import transaction
from hub.core.store import Store, audit
from hub.page_kit.people.passwords import Passwords, new_code, normalised_code, password_problem
from hub.web.refusals import Refused

CLAIM, COOKIE_KEY = "web/claim", "web/cookie-key"
NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
MOST = 64
ADMINISTRATOR = ROLES[-1]


class Account(msgspec.Struct, frozen=True):
    """An account. `mark` changes with the password."""

    name: str
    role: str
    secret: bytes
    at: float

    @property
    def mark(self) -> bytes:
        return sha256(b"ilot/web/mark\0" + self.secret).digest()[:16]


class Accounts:
    """Accounts, read whole at the start; the store is written first, then the memory. Changes are serialised: each is
    checked against the result of the one before. `changed` is called after each, `claimed` once a claim code was used.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        passwords: Passwords,
        changed: Callable[[], None] = lambda: None,
        *,
        claimed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store, self._clock, self._passwords, self._changed = store, clock, passwords, changed
        self._when_claimed = claimed
        self._known: dict[str, Account] = {}
        self._claim = b""
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Load the accounts. Raises StorageError."""

        def work(db: apsw.Connection) -> list[Account]:
            return [Account(*row) for row in db.execute("SELECT name, role, secret, at FROM users ORDER BY name")]

        self._known = {one.name: one for one in await self._store.call(work)}
        self._claim = await self._store.get(CLAIM) or b""

    def get(self, name: str) -> Account | None:
        return self._known.get(name)

    def all(self) -> list[Account]:
        return list(self._known.values())

    @property
    def claimed(self) -> bool:
        """Return whether this hub has an administrateur."""
        return any(one.role == ADMINISTRATOR for one in self._known.values())

    @property
    def claimable(self) -> bool:
        """Return whether an unused claim code exists."""
        return bool(self._claim)

    async def new_claim(self, who: str, code: str = "") -> str:
        """Make a code, the only valid one from now on, or store `code`, made before with `new_code`; return it. Raises
        StorageError."""
        code = code or new_code()
        secret = await self._passwords.make(code)
        async with self._turn:
            await self._write({"web": "claim code made"}, who, claim=secret)
        return code

    async def claim(self, code: str, name: str, password: str) -> bool:
        """Make the first administrateur, or one more after `ilot claim reset`; the code is used up. An account of that
        name gets this password. Return whether the hub had an administrateur before. Raises Refused, Busy,
        StorageError."""
        claim = self._claim
        if not await self._passwords.fits(claim or None, normalised_code(code)):
            raise Refused("claim-wrong")
        account = await self._account(name, password, ADMINISTRATOR)
        async with self._turn:
            if self._claim != claim:  # the code was used or replaced during the check
                raise Refused("claim-wrong")
            again = self.claimed
            await self._write({"web": "claimed", "name": name}, f"web:{name}", account, claim=b"")
        if self._when_claimed is not None:
            await self._when_claimed()
        return again

    async def fits(self, name: str, password: str) -> Account | None:
        """Return the account when name and password are right. Raises Busy."""
        account = self.get(name)
        right = await self._passwords.fits(account.secret if account else None, password)
        return account if right and account == self.get(name) else None

    async def put(self, name: str, password: str, role: str, who: str) -> Account:
        """Add an account, or set another role and password. Raises Refused, Busy, StorageError."""
        account = await self._account(name, password, role)
        async with self._turn:
            if name not in self._known and len(self._known) >= MOST:
                raise Refused("accounts-full")
            if role != ADMINISTRATOR:
                self._keeps_one(name)
            await self._write({"web": "account", "name": name, "role": role}, who, account)
        return account

    async def change(self, name: str, former: str, password: str, who: str) -> Account:
        """Change the password of somebody who knows the former one; return the account. Raises Refused, Busy,
        StorageError."""
        known = await self.fits(name, former)
        if known is None:
            raise Refused("password-wrong")
        account = await self._account(name, password, known.role)
        async with self._turn:
            if self.get(name) != known:  # removed or changed during the check
                raise Refused("password-wrong")
            await self._write({"web": "account", "name": name, "role": account.role}, who, account)
        return account

    async def remove(self, name: str, who: str) -> None:
        """Remove an account. Raises Refused, StorageError."""
        async with self._turn:
            if name not in self._known:
                raise Refused("account-unknown")
            self._keeps_one(name)
            await self._write({"web": "account removed", "name": name}, who, gone=name)

    def _keeps_one(self, name: str) -> None:
        others = [one for one in self._known.values() if one.role == ADMINISTRATOR and one.name != name]
        if not others and name in self._known:
            raise Refused("last-administrator")

    async def _account(self, name: str, password: str, role: str) -> Account:
        if not NAME.fullmatch(name):
            raise Refused("name-bad")
        if role not in ROLES:
            raise Refused("role-bad")
        if why := password_problem(password, name):
            raise Refused(why)
        return Account(name, role, await self._passwords.make(password), self._clock.now())

    async def _write(
        self,
        what: dict[str, object],
        who: str,
        account: Account | None = None,
        *,
        gone: str = "",
        claim: bytes | None = None,
    ) -> None:
        now = self._clock.now()

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                if account is not None:
                    row = (account.name, account.role, account.secret, account.at)
                    db.execute("INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?)", row)
                if gone:
                    db.execute("DELETE FROM users WHERE name = ?", (gone,))
                if claim is not None:
                    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (CLAIM, claim))
                audit(db, now, who, what)

        await self._store.call(work)
        self._changed()
        if account is not None:
            self._known[account.name] = account
        self._known.pop(gone, None)
        if claim is not None:
            self._claim = claim
