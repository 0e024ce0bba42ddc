"""Accounts, passwords, sessions and tokens, opened together from the store."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from hub.core.clock import Clock
from hub.core.store import Store
from hub.page_kit.people.passwords import Passwords
from hub.page_kit.people.sessions import Sessions
from hub.web.people.accounts import COOKIE_KEY, Accounts
from hub.web.people.break_glass import BreakGlassLog
from hub.web.people.session_table import SessionTable
from hub.web.people.tokens import Tokens


class People(NamedTuple):
    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    tokens: Tokens
    broken: BreakGlassLog
    kept: SessionTable


async def open_people(
    store: Store,
    clock: Clock,
    broken: BreakGlassLog,
    *,
    changed: Callable[[], None],
    claimed: Callable[[], Awaitable[None]],
    former: People | None = None,
) -> People:
    """Open them. `changed` and `claimed`: see `Accounts`. Sessions of `former` go on. Raises StorageError."""
    passwords = Passwords()
    accounts, tokens = Accounts(store, clock, passwords, changed, claimed=claimed), Tokens(store, clock, changed)
    await accounts.load()
    await tokens.load()
    if former is not None:
        return People(accounts, passwords, former.sessions, tokens, broken, former.kept)
    secret = await store.get(COOKIE_KEY)
    if secret is None:
        secret = secrets.token_bytes(32)
        await store.put(COOKIE_KEY, secret)
    sessions = Sessions(clock.monotonic, secret)
    kept = SessionTable(store, clock, sessions, broken)
    await kept.load(accounts)
    return People(accounts, passwords, sessions, tokens, broken, kept)
