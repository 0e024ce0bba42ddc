"""Sign-in and sessions of a city's people, over the database that all its processes share.

A session's token is 256 random bits, of which the database has the digest. A session ends an hour after the last
request, twelve hours after the sign-in, and at once when its person's password, role or scope changes or the account is
disabled: it carries the mark of all these.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from aiohttp import web

from backend.city.city import City
from backend.city.people import accounts, journal, tokens
from backend.city.people import throttle as guesses
from backend.city.people.oidc import checks
from backend.city.people.oidc import settings as oidc_settings
from backend.city.people.oidc.checks import SignInRefused
from backend.city.people.oidc.provider import Away, Provider, Signed
from backend.city.people.refusals import refused
from backend.city.people.tokens import Holder, Quotas, QuotaSpent, TokenWrong
from backend.city.people.viewer import Viewer
from backend.storage.city import people as table
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.people import Person, SessionRow
from hub.core.errors import ConfigError
from hub.page_kit.people.passwords import Passwords, normalised_code, password_problem
from hub.page_kit.people.sessions import IDLE_S, LONGEST_S, MOST_EACH, Signer
from hub.page_kit.refusals import Refused

TOUCH_S = 30.0
"""Seconds after which a request of a session is written down again."""
PART = "people"


class Throttled(Refused):
    """Too many guesses; `seconds` until another may be tried."""

    def __init__(self, seconds: float) -> None:
        super().__init__("people-throttled")
        self.seconds = seconds


class Open(NamedTuple):
    """An open session: who, and the seconds until it ends without activity and in any case."""

    viewer: Viewer
    person: Person
    row: SessionRow
    left: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Entered:
    """Somebody who just signed in: the token for the cookie, and the proof that this browser is known."""

    token: str
    viewer: Viewer
    known: str


class Desk:
    """Signs people in and out, and says who asks."""

    def __init__(self, city: City) -> None:
        self._store, self._clock, self._directory = city.store, city.clock, city.directory
        self.passwords = Passwords()
        self._quotas = Quotas()
        self._secret = b""
        self._provider: Provider | None = None
        self._stamp: tuple[int, int] | None = None
        self._reading = asyncio.Lock()

    async def signer(self) -> Signer:
        """Return the signer of forms, the same in all processes."""
        return Signer(await self._shared_secret())

    async def provider(self) -> Provider | None:
        """Return the sign-in provider, as its file says now; None where there is none. Raises ConfigError."""
        async with self._reading:
            stamp = await asyncio.to_thread(oidc_settings.stamp, self._directory)
            if stamp != self._stamp:
                self._provider = None
                found = await asyncio.to_thread(oidc_settings.load, self._directory)
                if found is not None:
                    self._provider = Provider(*found, self._clock, self._directory)
                self._stamp = stamp
            return self._provider

    async def public_address(self) -> str:
        """Return where browsers call this server by the provider's file, "" where it does not say."""
        try:
            provider = await self.provider()
        except ConfigError:
            return ""
        return "" if provider is None else provider.settings.url

    async def has_provider(self) -> bool:
        """Return whether people sign in by a provider, also where its file is wrong just now."""
        try:
            return await self.provider() is not None
        except ConfigError:
            return True

    async def open(self, token: str, *, touch: bool) -> Open | None:
        """Return the session of a token; None where there is none, or it is over."""
        if not 20 <= len(token) <= 64:
            return None
        digest, now = _digest(token), self._clock()

        def read(r: Reader) -> tuple[SessionRow, Person] | None:
            row = table.session(r, digest)
            person = None if row is None else table.person(r, row.person)
            return None if row is None or person is None else (row, person)

        found = await self._store.read(read)
        if found is None:
            return None
        row, person = found
        over = now - row.seen > IDLE_S or now - row.began > LONGEST_S or now < row.began - 60
        if over or person.disabled or accounts.mark_of(person) != row.mark:
            await self._store.write(lambda t: table.end_session(t, digest))
            return None
        if touch and now - row.seen >= TOUCH_S:
            await self._store.write(lambda t: table.touch_session(t, digest, now))
        most = max(0.0, LONGEST_S - (now - row.began))
        return Open(
            accounts.viewer_from(person), person, row, (min(most, IDLE_S if touch else IDLE_S - now + row.seen), most)
        )

    async def program(self, header: str, use: str) -> Viewer:
        """Return the viewer of an `Authorization` header, and count the request. Raises TokenWrong, QuotaSpent."""
        kind, _, text = header.partition(" ")
        if kind.lower() != "bearer" or not use:
            raise TokenWrong
        now = self._clock()
        return await self.admitted(lambda r: tokens.holder(r, text, use, now), now)

    async def admitted(self, find: Callable[[Reader], Holder], now: float) -> Viewer:
        """Return the viewer of a token that `find` finds, and count a request. Raises QuotaSpent, and what `find`
        does."""
        found = await self._store.read(find)
        if not self._quotas.take(found.token, now):
            await self._store.write(lambda t: self._quotas.fetch(t, found.token, now))
        return found.viewer

    async def sign_in(self, name: str, password: str, address: str, *, known: str = "", former: str = "") -> Entered:
        """Sign in with a local account. `known`: the browser's proof that it signed in before; `former`: the session
        that this one replaces. Raises Refused, Throttled, Busy."""
        name, signer = name.strip().lower()[:64], await self.signer()
        person = await self._store.read(lambda r: table.person_named(r, name))
        local = person is not None and not person.issuer and not person.disabled
        proven = person is not None and local and signer.is_known(known, name, accounts.mark_of(person))
        await self._guess(name if local else guesses.NOBODY, address, known=proven)
        secret = person.secret if person is not None and local else None
        right = await self.passwords.fits(secret, password[:1024])
        now = self._clock()
        if not right or person is None:
            await self._failed("people.sign-in-wrong", name, address)
            raise refused("people-wrong")
        by_password, one = await self.has_provider(), person

        def enter(t: Transaction) -> tuple[str, Person]:
            current = table.person(t, one.id)
            if current is None or accounts.mark_of(current) != accounts.mark_of(one):
                raise refused("people-wrong")
            guesses.give_back(t, name, address, known=proven)
            token = self._begin(t, current, address, now, local=True, former=former)
            facts = {"from": address, "break_glass": by_password}
            journal.note(t, name, "people.signed-in", name, facts, now)
            return token, current

        token, current = await self._store.write(enter)
        return Entered(token, accounts.viewer_from(current), signer.known(name, accounts.mark_of(current)))

    async def choose(self, name: str, code: str, password: str, address: str) -> Entered:
        """Choose the password of a local account by its code, and sign in. Raises Refused, Throttled, Busy."""
        name = name.strip().lower()[:64]
        if why := password_problem(password, name):
            raise Refused(why)
        await self._guess(guesses.CODE, address, known=False)
        person = await self._store.read(lambda r: table.person_named(r, name))
        usable = person is not None and not person.disabled and self._clock() < person.code_until
        code_hash = person.code if person is not None and usable else None
        if not await self.passwords.fits(code_hash, normalised_code(code[:64])) or code_hash is None:
            await self._failed("people.code-wrong", name, address)
            raise refused("people-code-wrong")
        secret, now, used = await self.passwords.make(password), self._clock(), code_hash

        def enter(t: Transaction) -> tuple[str, Person]:
            one = accounts.set_password(t, name, secret, now, by_code=used)
            guesses.give_back(t, guesses.CODE, address, known=False)
            journal.note(t, name, "people.signed-in", name, {"from": address}, now)
            return self._begin(t, one, address, now, local=True), one

        token, one = await self._store.write(enter)
        return Entered(token, accounts.viewer_from(one), (await self.signer()).known(name, accounts.mark_of(one)))

    async def change_password(self, viewer: Viewer, former: str, password: str, address: str) -> Entered:
        """Change one's own password; all sessions end but the new one. Raises Refused, Throttled, Busy."""
        if why := password_problem(password, viewer.id):
            raise Refused(why)
        await self._guess(viewer.id, address, known=True)
        person = await self._store.read(lambda r: accounts.find(r, viewer.id))
        if not await self.passwords.fits(person.secret, former[:1024]):
            await self._failed("people.sign-in-wrong", viewer.id, address)
            raise refused("people-wrong")
        secret, now, mark = await self.passwords.make(password), self._clock(), accounts.mark_of(person)

        def enter(t: Transaction) -> tuple[str, Person]:
            if accounts.mark_of(accounts.find(t, viewer.id)) != mark:
                raise refused("people-wrong")
            one = accounts.set_password(t, viewer.id, secret, now)
            guesses.give_back(t, viewer.id, address, known=True)
            return self._begin(t, one, address, now, local=True), one

        token, one = await self._store.write(enter)
        return Entered(token, accounts.viewer_from(one), (await self.signer()).known(one.name, accounts.mark_of(one)))

    async def leave_for(self, to: str) -> tuple[str, str]:
        """Begin a sign-in by the provider; return (its address, the cookie). Raises Away, ConfigError, Refused."""
        provider = await self.provider()
        if provider is None:
            raise refused("people-oidc-none")
        begun = checks.begin(to, self._clock())
        return await provider.begin_at(begun), checks.sealed(begun, await self._shared_secret())

    async def came_back(
        self, query: dict[str, str], cookie: str, address: str, former: str = ""
    ) -> tuple[Entered, str]:
        """Finish a sign-in by the provider; return who entered, and the page that they came for. Raises SignInRefused,
        Away, ConfigError."""
        provider = await self.provider()
        if provider is None:
            raise SignInRefused("there is no provider")
        try:
            begun = checks.opened(cookie, await self._shared_secret(), self._clock())
            state = sha256(b"state" + begun.state.encode()).digest()
            until = self._clock() + checks.BEGIN_S + 60
            if not await self._store.write(lambda t: table.use_once(t, state, until)):
                raise SignInRefused("this state was used before", "people-oidc-again")
            signed = await provider.signed(query, begun)
            rule = provider.settings.admitted(signed.claims)
            if rule is None:
                raise SignInRefused("no rule gives a role", "people-oidc-nobody")
            role, scope, now = rule.role, rule.scope, self._clock()
            name = _name_in(signed.claims)
            language = "en" if str(signed.claims.get("locale", "")).lower().startswith("en") else "fr"

            def enter(t: Transaction) -> tuple[str, Person]:
                issuer = provider.settings.issuer
                if signed.session and table.was_used(t, checks.left_mark(issuer, signed.session)):
                    raise refused("people-oidc-again")
                one = accounts.of_provider(t, issuer, signed.subject, name, role, scope, language, now)
                token = self._begin(t, one, address, now, local=False, former=former, by=signed)
                journal.note(t, one.name, "people.signed-in", one.name, {"from": address, "name": name}, now)
                return token, one

            try:
                token, one = await self._store.write(enter)
            except Refused as error:
                raise SignInRefused(str(error), error.key) from error
        except SignInRefused as error:
            await self._failed("people.provider-refused", error.why[:200], address)
            raise
        return Entered(token, accounts.viewer_from(one), ""), begun.to

    async def sign_out(self, session: Open) -> str:
        """End a session; return the address at which the browser signs out of the provider too, "" for none."""

        def end(t: Transaction) -> None:
            table.end_session(t, session.row.digest)
            journal.note(t, session.viewer.id, "people.signed-out", session.viewer.id, {}, self._clock())

        await self._store.write(end)
        if not session.row.id_token:
            return ""
        try:
            provider = await self.provider()
            return "" if provider is None else await provider.leave_at(session.row.id_token)
        except (Away, ConfigError):
            return ""

    def _begin(
        self,
        t: Transaction,
        one: Person,
        address: str,
        now: float,
        *,
        local: bool,
        former: str = "",
        by: Signed | None = None,
    ) -> str:
        """Begin a session, and return its token: never one that the browser brought."""
        table.drop_over(t, now, IDLE_S, LONGEST_S)
        if former:
            table.end_session(t, _digest(former))
        for old in table.sessions(t, one.id)[MOST_EACH - 1 :]:
            table.end_session(t, old.digest)
        token = secrets.token_urlsafe(32)
        id_token, sid = ("", "") if by is None else (by.id_token, by.session)
        row = SessionRow(_digest(token), one.id, accounts.mark_of(one), now, now, local, address[:64], id_token, sid)
        table.add_session(t, row)
        return token

    async def _guess(self, account: str, address: str, *, known: bool) -> None:
        now = self._clock()
        wait = await self._store.write(lambda t: guesses.take(t, account, address, now, known=known))
        if wait:
            raise Throttled(wait)

    async def _failed(self, what: str, name: str, address: str) -> None:
        """Note a wrong guess. The throttle bounds how many there are."""
        now = self._clock()
        await self._store.write(lambda t: journal.note(t, "stranger", what, name, {"from": address}, now))

    async def _shared_secret(self) -> bytes:
        if not self._secret:
            fresh = secrets.token_bytes(32)
            self._secret = await self._store.write(lambda t: table.secret(t, "forms", fresh))
        return self._secret


def desk_of(city: City) -> Desk:
    """Return the desk of a city, made once for a process."""
    found = city.parts.get(PART)
    if not isinstance(found, Desk):
        found = city.parts[PART] = Desk(city)
    return found


def address_of(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _name_in(claims: dict[str, object]) -> str:
    """Return how a provider calls somebody."""
    parts = [claims.get("given_name"), claims.get("usual_name") or claims.get("family_name")]
    whole = claims.get("name") or " ".join(one for one in parts if isinstance(one, str))
    found = whole or claims.get("preferred_username") or claims.get("email") or ""
    return str(found)[:80]


__all__ = ["Desk", "Entered", "Open", "QuotaSpent", "SignInRefused", "Throttled", "TokenWrong", "address_of", "desk_of"]
