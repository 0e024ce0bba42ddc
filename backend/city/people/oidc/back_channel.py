"""Sign-out that the provider says to this server itself (OpenID Connect Back-Channel Logout 1.0).

A logout token names a session of the provider's (`sid`), a person (`sub`), or both. Sessions are rows of the shared
database, so that they end in all processes at once. Right tokens are always obeyed, whatever strangers send meanwhile;
wrong ones are answered with 400 and noted in the journal, with 429 and only counted beyond a number an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import parse_qsl

from aiohttp import web

from backend.api.requests import answer
from backend.city.city import City
from backend.city.people import journal
from backend.city.people import throttle as guesses
from backend.city.people.desk import Desk, address_of, desk_of
from backend.city.people.oidc import checks
from backend.city.people.oidc.checks import BEGIN_S, LEEWAY_S, LOGOUT_S, MOST_TOKEN, Logout, SignInRefused
from backend.city.people.oidc.provider import Away, Provider
from backend.city.people.oidc.settings import BACK_CHANNEL
from backend.city.people.viewer import program
from backend.storage.city import people as table
from backend.storage.city.database import Transaction
from hub.core.errors import ConfigError

MOST_AT_ONCE = 16
"""Tokens that are checked at a time; whoever comes then is asked to come again."""
MOST_BODY = MOST_TOKEN + 1024
BODY_S = 10.0
BUSY_S = 5.0
_NO_STORE = {"Cache-Control": "no-store"}


class _Busy(Exception):
    """Too many tokens are being checked."""


class BackChannel:
    """Handler of the provider's logout tokens."""

    def __init__(self, city: City) -> None:
        self._store, self._clock = city.store, city.clock
        self._desk: Desk = desk_of(city)
        self._checking = 0
        self._quiet_until = 0.0
        self._unnoted = 0

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_post(BACK_CHANNEL, program(self.logout))

    async def logout(self, request: web.Request) -> web.StreamResponse:
        address = address_of(request)
        try:
            provider = await self._desk.provider()
            if provider is None:
                raise web.HTTPNotFound
            await self._obey(provider, await _token_of(request), address)
        except SignInRefused as error:
            return await self._refused(error, address)
        except (Away, ConfigError) as error:
            return _wrong("temporarily_unavailable", str(error))
        except _Busy:
            return _later(BUSY_S)
        return web.Response(headers=_NO_STORE)

    async def _obey(self, provider: Provider, token: str, address: str) -> None:
        """Check a token, and end what it names. Raises SignInRefused, Away, _Busy."""
        if self._checking >= MOST_AT_ONCE:
            raise _Busy
        self._checking += 1
        try:
            await self._end(provider.settings.issuer, await provider.logout(token), address)
        finally:
            self._checking -= 1

    async def _end(self, issuer: str, said: Logout, address: str) -> None:
        """End what a token names. Raises SignInRefused where the token was used before."""
        now = self._clock()

        def end(t: Transaction) -> None:
            used = sha256(b"logout" + issuer.encode() + b"\0" + said.id.encode()).digest()
            if not table.use_once(t, used, now + LOGOUT_S + 2 * LEEWAY_S):
                raise SignInRefused("this logout token was used before")
            if said.session:
                table.use_once(t, checks.left_mark(issuer, said.session), now + BEGIN_S + LEEWAY_S)
            for name, count in table.end_sessions_of_provider(t, issuer, said.subject, said.session):
                journal.note(t, "system", "people.provider-ended", name, {"count": count, "from": address}, now)

        await self._store.write(end)

    async def _refused(self, error: SignInRefused, address: str) -> web.Response:
        now = self._clock()
        if now < self._quiet_until:
            self._unnoted += 1
            return _later(self._quiet_until - now)
        facts: Mapping[str, object] = {"from": address, "unnoted": self._unnoted}

        def note(t: Transaction) -> float:
            if wait := guesses.take_logout(t, now):
                return wait
            journal.note(t, "stranger", "people.logout-refused", error.why[:200], facts, now)
            return 0.0

        wait = await self._store.write(note)
        if wait:
            self._quiet_until = now + wait
            self._unnoted += 1
            return _later(wait)
        self._unnoted = 0
        return _wrong("invalid_request", error.why)


async def _token_of(request: web.Request) -> str:
    """Return the logout token of a request, of a form that is bounded in size and time. Raises SignInRefused."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise SignInRefused("the request is no form")
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            while len(body) <= MOST_BODY and (part := await request.content.read(MOST_BODY)):
                body += part
        if len(body) > MOST_BODY:
            raise SignInRefused("the request is too large")
        fields = parse_qsl(body.decode("ascii"), strict_parsing=True, max_num_fields=8)
    except (TimeoutError, ValueError) as error:
        raise SignInRefused("the request cannot be read") from error
    found = [value for name, value in fields if name == "logout_token"]
    if len(found) != 1:
        raise SignInRefused("the request holds no logout token, or several")
    return found[0]


def _wrong(code: str, why: str) -> web.Response:
    return answer({"error": code, "error_description": why}, 400, _NO_STORE)


def _later(seconds: float) -> web.Response:
    return answer({"error": "slow_down"}, 429, {**_NO_STORE, "Retry-After": f"{seconds:.0f}"})
