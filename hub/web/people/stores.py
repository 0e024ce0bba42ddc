"""All that tells who may come in, opened together out of the store."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from hub.core.clock import Clock
from hub.core.store import Store
from hub.web.people.accounts import COOKIE_KEY, Accounts
from hub.web.people.break_glass import BrokenGlass
from hub.web.people.passwords import Passwords
from hub.web.people.sessions import Sessions
from hub.web.people.tokens import Tokens


class People(NamedTuple):
    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    tokens: Tokens
    broken: BrokenGlass


async def open_people(
    store: Store,
    clock: Clock,
    broken: BrokenGlass,
    *,
    changed: Callable[[], None],
    claimed: Callable[[], Awaitable[None]],
    former: People | None = None,
) -> People:
    """`changed` and `claimed`: see `Accounts`. Who is signed in among the `former` stays so. Raises StorageError."""
    passwords = Passwords()
    accounts, tokens = Accounts(store, clock, passwords, changed, claimed=claimed), Tokens(store, clock, changed)
    await accounts.load()
    await tokens.load()
    if former is not None:
        return People(accounts, passwords, former.sessions, tokens, broken)
    secret = await store.get(COOKIE_KEY)
    if secret is None:
        secret = secrets.token_bytes(32)
        await store.put(COOKIE_KEY, secret)
    return People(accounts, passwords, Sessions(clock.monotonic, secret), tokens, broken)
