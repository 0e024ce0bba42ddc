"""Tokens of programs for the open API: `Authorization: Bearer ilotc_<id>_<secret>`.

The secret is 256 random bits, so that its SHA-256 suffices. A token is for some uses, never sees more than its maker,
ends, and has a quota of requests an hour. Processes take requests from the quota some at a time, so that few requests
write; together they never answer more than the quota.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from backend.city.people import accounts, journal, scopes
from backend.city.people.refusals import refused
from backend.city.people.viewer import NOTHING, Role, Scope, Viewer
from backend.storage.city import people as table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.people import Person, TokenRow
from hub.core.errors import AuthFailed, HubError
from hub.core.text import phrase

USES = ("sensorthings", "open", "feeds", "open311", "provider")
LONGEST_DAYS = 366
MOST, MOST_QUOTA = 1000, 1_000_000
AT_ONCE = 20
"""Requests that a process takes from a quota at a time; fewer from a small one."""
_BEARER = re.compile(r"ilotc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[\w][\w .@-]{0,63}")


class TokenWrong(AuthFailed):
    """A token is unknown, over, or for another use."""

    def __init__(self) -> None:
        super().__init__(phrase("people-token-wrong", "this token is wrong, expired, revoked or for another use"))


class QuotaSpent(HubError):
    """A token has asked as much as it may in this hour; `seconds` until the next one."""

    def __init__(self, seconds: float) -> None:
        super().__init__(phrase("people-quota-spent", "this token has spent its requests of this hour"))
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Holder:
    """A program with a right token."""

    viewer: Viewer
    token: TokenRow


def make(
    t: Transaction,
    who: Viewer,
    name: str,
    uses: Iterable[str],
    now: float,
    *,
    days: float = 90,
    quota: int = 1000,
    role: Role | None = None,
    scope: Scope | None = None,
) -> str:
    """Make a token, and return the text that is shown once. Without a role and a scope it has its maker's; only an
    administrator gives another role. Raises Refused."""
    chosen = frozenset(uses)
    if not _NAME.fullmatch(name):
        raise refused("people-token-name")
    if not chosen or chosen - set(USES):
        raise refused("people-token-use")
    if not 0 < days <= LONGEST_DAYS or not 0 < quota <= MOST_QUOTA:
        raise refused("people-token-limits")
    as_role = role or who.role
    if as_role is not who.role and who.role is not Role.ADMIN:
        raise refused("people-token-role")
    within = who.scope if scope is None else scope.within(who.scope)
    scopes.check(as_role, within)
    owner = accounts.find(t, who.id)
    table.drop_tokens(t, now)
    if len(table.tokens(t)) >= MOST:
        raise refused("people-tokens-full")
    number, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = TokenRow(
        number, sha256(secret.encode()).digest(), name, owner.id, " ".join(sorted(chosen)), as_role.value,
        scopes.text_of(within), now, now + days * 86_400, quota,
    )  # fmt: skip
    table.add_token(t, row)
    sees = msgspec.Raw(row.scope.encode())
    facts = {"name": name, "uses": row.uses, "role": row.role, "scope": sees, "days": days, "quota": quota}
    journal.note(t, who.id, "people.token-made", number, facts, now)
    return f"ilotc_{number}_{secret}"


def revoke(t: Transaction, who: Viewer, number: str, now: float) -> None:
    """Revoke a token: one's own, or as an administrator any. Raises Refused."""
    row = table.token(t, number)
    owner = None if row is None else table.person(t, row.person)
    mine = owner is not None and owner.name == who.id
    if row is None or not (mine or who.role is Role.ADMIN):
        raise refused("people-token-unknown")
    table.remove_token(t, number)
    journal.note(t, who.id, "people.token-revoked", number, {"name": row.name}, now)


def holder(r: Reader, text: str, use: str, now: float) -> Holder:
    """Return who presents a token for a use. Raises TokenWrong."""
    found = _BEARER.fullmatch(text.strip())
    row = table.token(r, found[1]) if found else None
    digest = sha256(found[2].encode()).digest() if found else b""
    if row is None or not hmac.compare_digest(digest, row.digest):
        raise TokenWrong
    return valid(r, row.id, use, now)


def valid(r: Reader, number: str, use: str, now: float) -> Holder:
    """Return the holder of a token whose number was proven otherwise: by a public key, or by a broker. Raises
    TokenWrong."""
    row = table.token(r, number)
    owner = None if row is None else table.person(r, row.person)
    if row is None or now >= row.expires or use not in row.uses.split() or owner is None or owner.disabled:
        raise TokenWrong
    return Holder(_viewer(row, owner), row)


def _viewer(row: TokenRow, owner: Person) -> Viewer:
    """Return a token as a viewer, who sees what the token may and its owner may now."""
    role, maker = Role(row.role), accounts.viewer_from(owner)
    allowed = role is maker.role or maker.role is Role.ADMIN
    scope = scopes.seen_as(role, row.scope).within(maker.scope) if allowed else NOTHING
    return Viewer(f"token:{row.id}", row.name, role, scope, owner.language)


class Quotas:
    """Requests that this process took from the tokens' quotas and has not answered yet."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[int, int]] = {}

    def take(self, row: TokenRow, now: float) -> bool:
        """Return whether there is a request left here."""
        hour, left = self._left.get(row.id, (0, 0))
        if hour != int(now // 3600) or left <= 0:
            return False
        self._left[row.id] = (hour, left - 1)
        return True

    def fetch(self, t: Transaction, row: TokenRow, now: float) -> None:
        """Take some requests from the quota, one of which is used at once. Raises QuotaSpent."""
        hour = int(now // 3600)
        had = table.take_quota(t, row.id, hour, max(1, min(AT_ONCE, row.quota // 20)), row.quota)
        if not had:
            raise QuotaSpent((hour + 1) * 3600 - now)
        former = self._left.get(row.id, (0, 0))
        self._left[row.id] = (hour, had - 1 + (former[1] if former[0] == hour else 0))
        if len(self._left) > 2 * MOST:
            self._left = {key: value for key, value in self._left.items() if value[0] == hour}
