"""Pages of people: sign-in, one's own account, accounts, tokens, journal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from backend.city.city import City
from backend.city.pages import kit as pages
from backend.city.pages.kit import Area, Entry
from backend.city.people import accounts, deeds, journal, scopes, tokens, words
from backend.city.people.desk import Desk, Entered, Throttled, address_of, desk_of
from backend.city.people.guards import local_page, moved_here, session_of
from backend.city.people.oidc.checks import BEGIN_S, SignInRefused
from backend.city.people.oidc.provider import Away
from backend.city.people.refusals import refused
from backend.city.people.viewer import CLASSES, Role, Scope, Viewer, needs, public, stranger_or_viewer, viewer_of
from backend.city.zone import zone_of
from backend.storage.city import journal as journal_table
from backend.storage.city import people as table
from backend.storage.city import register
from backend.storage.city.database import Reader, Transaction
from backend.storage.city.people import Person, SessionRow
from hub.core.errors import ConfigError
from hub.core.nesting import shallow_json
from hub.page_kit.people.passwords import Busy, new_code, normalised_code
from hub.page_kit.people.sessions import COOKIE, KNOWN_COOKIE, KNOWN_S
from hub.page_kit.refusals import Refused
from hub.page_kit.request.responses import cookie, drop_cookie, redirect

HERE = Path(__file__).parent
BEGUN_COOKIE = "__Host-ilot-oidc"
FIRST_PAGES = {Role.CREW: "/interventions", Role.ELECTED: "/elected"}
"""Page of a role after its sign-in; that of the others is the map."""
ADMINS = frozenset({str(Role.ADMIN)})
READERS = frozenset({str(Role.ADMIN), str(Role.DPO)})
MAKERS = frozenset({str(Role.ADMIN), str(Role.HEAD), str(Role.OPERATOR)})
LINES = 100
MOST_CSV = 100_000
_LAST = 1 << 62

pages.add(
    Area(
        "people",
        menu=(
            Entry("people", "/people", "group-admin", ADMINS, menu=ADMINS),
            Entry("tokens", "/tokens", "group-admin", MAKERS, menu=ADMINS),
            Entry("journal", "/journal", "group-admin", READERS, menu=READERS),
        ),
        words=(words.PHRASES, deeds.PHRASES),
        templates=HERE / "templates",
        said=frozenset({"people-changed", "people-removed", "people-left", "token-revoked"}),
        order=90,
    )
)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A person as the list shows them."""

    person: Person
    scope: Scope
    sessions: int


class PeoplePages:
    """Handlers of the pages of people."""

    def __init__(self, city: City) -> None:
        self._city, self._store, self._clock = city, city.store, city.clock
        self._desk: Desk = desk_of(city)

    def route(self, router: web.UrlDispatcher) -> None:
        signed, admin = needs(), needs(Role.ADMIN)
        readers, makers = needs(Role.ADMIN, Role.DPO), needs(Role.ADMIN, Role.HEAD, Role.OPERATOR)
        router.add_get("/signin", public(self.sign_in_page))
        router.add_post("/signin", public(self.sign_in))
        router.add_get("/signin/provider", public(self.leave_for_provider))
        router.add_get("/signin/callback", public(self.come_back))
        router.add_get("/signin/code", public(self.code_page))
        router.add_post("/signin/code", public(self.choose))
        router.add_post("/signout", signed(self.sign_out))
        router.add_get("/account", signed(self.account_page))
        router.add_post("/account/password", signed(self.change_password))
        router.add_post("/account/sessions", signed(self.end_others))
        router.add_get("/people", admin(self.people_page))
        router.add_post("/people", admin(self.add))
        router.add_get("/people/{name}", admin(self.person_page))
        router.add_post("/people/{name}/{do}", admin(self.change))
        router.add_get("/tokens", makers(self.tokens_page))
        router.add_post("/tokens", makers(self.make_token))
        router.add_post("/tokens/revoke", makers(self.revoke_token))
        router.add_get("/journal", readers(self.journal_page))
        router.add_get("/journal.csv", readers(self.journal_csv))

    # Sign-in

    async def sign_in_page(self, request: web.Request) -> web.StreamResponse:
        to = local_page(request.query.get("to", "/"))
        if stranger_or_viewer(request) is not None:
            return redirect(to)
        return await self._sign_in_again(request, "", to=to, status=200)

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        name, to = _text(form, "name"), local_page(_text(form, "to") or "/")
        try:
            entered = await self._desk.sign_in(
                name,
                _text(form, "password", strip=False),
                address_of(request),
                known=request.cookies.get(KNOWN_COOKIE, ""),
                former=request.cookies.get(COOKIE, ""),
            )
        except Throttled as error:
            answer = await self._sign_in_again(request, error.key, name=name, to=to, status=429)
            answer.headers["Retry-After"] = f"{error.seconds:.0f}"
            return answer
        except (Refused, Busy) as error:
            key = error.key if isinstance(error, Refused) else "busy"
            return await self._sign_in_again(request, key, name=name, to=to)
        return _entered(redirect(_first_page(entered, to)), entered)

    async def leave_for_provider(self, request: web.Request) -> web.StreamResponse:
        to = local_page(request.query.get("to", "/"))
        try:
            where, begun = await self._desk.leave_for(to)
        except (Away, ConfigError, Refused) as error:
            key = error.key if isinstance(error, Refused) else "people-provider-away"
            return await self._sign_in_again(request, key, to=to, status=503)
        answer = redirect(where)
        # Lax: the provider's page, another site, leads back here, and a strict cookie would not come with that.
        answer.set_cookie(
            BEGUN_COOKIE, begun, path="/", secure=True, httponly=True, samesite="Lax", max_age=int(BEGIN_S)
        )
        return answer

    async def come_back(self, request: web.Request) -> web.StreamResponse:
        begun = request.cookies.get(BEGUN_COOKIE, "")
        try:
            if len(request.query) != len(set(request.query)):
                raise SignInRefused("a parameter came back twice")
            entered, to = await self._desk.came_back(
                dict(request.query), begun, address_of(request), request.cookies.get(COOKIE, "")
            )
        except SignInRefused as error:
            answer = await self._sign_in_again(request, error.key, status=403)
            answer.del_cookie(BEGUN_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
            return answer
        except (Away, ConfigError):
            return await self._sign_in_again(request, "people-provider-away", status=503)
        answer = _entered(moved_here(_first_page(entered, local_page(to))), entered)
        answer.del_cookie(BEGUN_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    async def code_page(self, request: web.Request) -> web.StreamResponse:
        return self._code_again(request, "", name=request.query.get("name", "")[:32], status=200)

    async def choose(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        name, password = _text(form, "name"), _text(form, "password", strip=False)
        if password != _text(form, "again", strip=False):
            return self._code_again(request, "people-differs", name=name)
        try:
            entered = await self._desk.choose(name, _text(form, "code"), password, address_of(request))
        except (Refused, Busy) as error:
            status = 429 if isinstance(error, Throttled | Busy) else 422
            return self._code_again(request, getattr(error, "key", "busy"), name=name, status=status)
        return _entered(redirect(_first_page(entered, "/")), entered)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        where = await self._desk.sign_out(session_of(request))
        # A form may lead to our own pages only, so that a page of ours leads on to the provider.
        answer = moved_here(where) if where else redirect("/signin?said=people-left")
        drop_cookie(answer, COOKIE)
        return answer

    async def _sign_in_again(
        self, request: web.Request, why: str, *, name: str = "", to: str = "/", status: int = 422
    ) -> web.Response:
        try:
            provider = await self._desk.provider()
            label = provider.settings.label if provider is not None else ""
            wrong = False
        except ConfigError:
            provider, label, wrong = None, "", True
        return pages.render(
            request,
            None,
            "people_signin",
            http_status=status,
            error=_sentence(request, None, why),
            name=name[:32],
            to="" if to == "/" else to,
            provider=provider is not None,
            label=label,
            wrong=wrong,
        )

    def _code_again(self, request: web.Request, why: str, *, name: str = "", status: int = 422) -> web.Response:
        error = _sentence(request, None, why)
        return pages.render(request, None, "people_code", http_status=status, error=error, name=name[:32])

    # One's own account

    async def account_page(self, request: web.Request) -> web.StreamResponse:
        return await self._account(request, "", 200)

    async def change_password(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        password = _text(form, "password", strip=False)
        try:
            if password != _text(form, "again", strip=False):
                raise refused("people-differs")
            former = _text(form, "former", strip=False)
            entered = await self._desk.change_password(viewer, former, password, address_of(request))
        except (Refused, Busy) as error:
            return await self._account(request, getattr(error, "key", "busy"), 422)
        return _entered(redirect("/account?said=people-changed"), entered)

    async def end_others(self, request: web.Request) -> web.StreamResponse:
        viewer, mine = viewer_of(request), session_of(request).row.digest
        await self._store.write(lambda t: accounts.end_sessions(t, viewer.id, viewer.id, self._clock(), but=mine))
        return redirect("/account?said=people-changed")

    async def _account(self, request: web.Request, why: str, status: int) -> web.Response:
        viewer, mine = viewer_of(request), session_of(request)
        found: list[SessionRow] = await self._store.read(lambda r: table.sessions(r, mine.person.id))
        return pages.render(
            request,
            viewer,
            "people_account",
            http_status=status,
            error=_sentence(request, viewer, why),
            by_provider=bool(mine.person.issuer),
            scope=viewer.scope,
            sessions=[(one, one.digest == mine.row.digest) for one in found],
        )

    # Accounts

    async def people_page(self, request: web.Request) -> web.StreamResponse:
        return await self._people(request)

    async def add(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        name, code = _text(form, "name").lower(), new_code()
        hashed, now = await self._desk.passwords.make(normalised_code(code)), self._clock()
        try:
            role, scope = _role(form), None
            scope = _scope(form, role)
            full = _text(form, "full_name")
            await self._store.write(lambda t: accounts.add(t, viewer.id, name, role, scope, hashed, now, full))
        except Refused as error:
            return await self._people(request, why=error.key, form=form, status=422)
        return await self._people(request, made=(name, code))

    async def person_page(self, request: web.Request) -> web.StreamResponse:
        return await self._person(request, "", 200)

    async def change(self, request: web.Request) -> web.StreamResponse:
        viewer, form = viewer_of(request), await request.post()
        name, do, now = request.match_info["name"], request.match_info["do"], self._clock()
        code = ""
        try:
            if do == "role":
                role = _role(form)
                scope = _scope(form, role)
                await self._store.write(lambda t: accounts.change(t, viewer.id, name, role, scope, now))
            elif do in ("disable", "enable"):
                off = do == "disable"
                await self._store.write(lambda t: accounts.disable(t, viewer.id, name, now, disabled=off))
            elif do == "sessions":
                await self._store.write(lambda t: accounts.end_sessions(t, viewer.id, name, now))
            elif do == "code":
                code = new_code()
                hashed = await self._desk.passwords.make(normalised_code(code))
                await self._store.write(lambda t: accounts.new_code(t, viewer.id, name, hashed, now))
            elif do == "remove":
                await self._store.write(lambda t: accounts.remove(t, viewer.id, name, now))
                return redirect("/people?said=people-removed")
            else:
                raise web.HTTPNotFound
        except Refused as error:
            return await self._person(request, error.key, 422)
        if code:
            return await self._people(request, made=(name, code))
        return redirect(f"/people/{name}?said=people-changed")

    async def _people(
        self,
        request: web.Request,
        *,
        made: tuple[str, str] | None = None,
        why: str = "",
        form: Any = None,
        status: int = 200,
    ) -> web.Response:
        viewer = viewer_of(request)

        def read(r: Reader) -> list[_Shown]:
            opened: dict[int, int] = {}
            for one in table.sessions(r):
                opened[one.person] = opened.get(one.person, 0) + 1
            return [_Shown(one, accounts.viewer_from(one).scope, opened.get(one.id, 0)) for one in table.people(r)]

        return pages.render(
            request,
            viewer,
            "people",
            http_status=status,
            error=_sentence(request, viewer, why),
            people=await self._store.read(read),
            roles=list(Role),
            **await self._choices(),
            made=made,
            where=f"{self._city.url}/signin/code",
            kept=_kept(form),
            provider=await self._desk.has_provider(),
        )

    async def _person(self, request: web.Request, why: str, status: int) -> web.Response:
        viewer, name = viewer_of(request), request.match_info["name"]

        def read(r: Reader) -> tuple[Person | None, list[SessionRow]]:
            one = table.person_named(r, name)
            return one, [] if one is None else table.sessions(r, one.id)

        one, opened = await self._store.read(read)
        if one is None:
            raise web.HTTPNotFound
        scope = scopes.scope_of(one.scope)
        return pages.render(
            request,
            viewer,
            "people_one",
            http_status=status,
            error=_sentence(request, viewer, why),
            one=one,
            roles=list(Role),
            **await self._choices(),
            kept=_of_scope(one.role, scope),
            sessions=opened,
        )

    async def _choices(self) -> dict[str, Any]:
        """Return the classes, services and sectors that the form of a scope offers."""
        classes = sorted(CLASSES, key=("public", "internal", "personal").index)
        return {"classes": classes, "offered": await self._store.read(_offered)}

    # Tokens

    async def tokens_page(self, request: web.Request) -> web.StreamResponse:
        return await self._tokens(request)

    async def make_token(self, request: web.Request) -> web.StreamResponse:
        viewer, form, now = viewer_of(request), await request.post(), self._clock()
        try:
            role = _role(form) if viewer.role is Role.ADMIN else viewer.role
            scope = _scope(form, role) if viewer.role is Role.ADMIN else viewer.scope
            days, quota = _whole(form, "days"), _whole(form, "quota")
            uses = [str(one) for one in form.getall("use", [])]
            name = _text(form, "name")

            def make(t: Transaction) -> str:
                return tokens.make(
                    t, viewer, name, uses, now, days=days, quota=quota, role=role, scope=scope
                )  # fmt: skip

            made = await self._store.write(make)
        except Refused as error:
            return await self._tokens(request, why=error.key, form=form, status=422)
        return await self._tokens(request, made=made)

    async def revoke_token(self, request: web.Request) -> web.StreamResponse:
        viewer, form, now = viewer_of(request), await request.post(), self._clock()
        try:
            await self._store.write(lambda t: tokens.revoke(t, viewer, _text(form, "id"), now))
        except Refused as error:
            return await self._tokens(request, why=error.key, status=422)
        return redirect("/tokens?said=token-revoked")

    async def _tokens(
        self, request: web.Request, *, made: str = "", why: str = "", form: Any = None, status: int = 200
    ) -> web.Response:
        viewer, hour = viewer_of(request), int(self._clock() // 3600)

        def read(r: Reader) -> list[tuple[table.TokenRow, str, int]]:
            names = {one.id: one.name for one in table.people(r)}
            return [
                (one, names.get(one.person, ""), table.quota_used(r, one.id, hour))
                for one in table.tokens(r)
                if viewer.role is Role.ADMIN or names.get(one.person) == viewer.id
            ]

        return pages.render(
            request,
            viewer,
            "tokens",
            http_status=status,
            error=_sentence(request, viewer, why),
            tokens=await self._store.read(read),
            uses=tokens.USES,
            roles=list(Role) if viewer.role is Role.ADMIN else [],
            **await self._choices(),
            kept=_kept(form),
            made=made,
        )

    # Journal

    async def journal_page(self, request: web.Request) -> web.StreamResponse:
        viewer, query = viewer_of(request), request.query
        before = int(query["before"]) if query.get("before", "").isdecimal() and len(query["before"]) < 18 else _LAST
        who, what, of = query.get("who", "")[:64], query.get("what", "")[:64], query.get("object", "")[:128]
        verified = None
        if "verify" in query:
            heads = await self._store.run(lambda: journal.read_heads(self._city.directory))
            verified = await self._store.read(lambda r: journal.verify(r, heads))
        lines = await self._store.read(
            lambda r: journal_table.lines(r, before=before, count=LINES, who=who, what=what, object=of)
        )
        lang = pages.lang_of(request, viewer)
        return pages.render(
            request,
            viewer,
            "journal",
            lines=lines,
            more=len(lines) == LINES,
            asked={"who": who, "what": what, "object": of},
            deed=lambda what: _deed(what, lang),
            deeds=sorted(
                ((one, _deed(one, lang)) for one in {*deeds.ACTIONS, what} if one), key=lambda one: one[1].lower()
            ),
            verified=verified,
            facts=_facts,
        )

    async def journal_csv(self, request: web.Request) -> web.StreamResponse:
        viewer = viewer_of(request)
        lines = await self._store.read(lambda r: journal_table.lines(r, before=_LAST, count=MOST_CSV))
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["n", "at", "who", "what", "object", "facts", "digest"])
        zone = zone_of(self._city)
        for one in reversed(lines):
            at = datetime.fromtimestamp(one.at, zone).isoformat(timespec="milliseconds")
            writer.writerow([one.n, at, *(_harmless(part) for part in one[2:6]), one.digest.hex()])
        if lines and len(lines) == MOST_CSV and lines[-1].n > 1:
            writer.writerow([pages.word("journal-csv-cut", pages.lang_of(request, viewer), line=lines[-1].n)])
        await self._store.write(
            lambda t: journal.note(t, viewer.id, "journal.exported", "", {"lines": len(lines)}, self._clock())
        )
        headers = {"Content-Disposition": 'attachment; filename="journal.csv"', "Cache-Control": "no-store"}
        return web.Response(text=text.getvalue(), content_type="text/csv", charset="utf-8", headers=headers)


def _entered(answer: web.Response, entered: Entered) -> web.Response:
    cookie(answer, COOKIE, entered.token)
    if entered.known:
        cookie(answer, KNOWN_COOKIE, entered.known, max_age=KNOWN_S)
    return answer


def _first_page(entered: Entered, to: str) -> str:
    """Return where somebody who just signed in goes: where they wanted to, else where their role works."""
    return FIRST_PAGES.get(entered.viewer.role, to) if to == "/" else to


def _sentence(request: web.Request, viewer: Viewer | None, key: str) -> str:
    """Return the sentence of a key in the language of its reader; "" for no key."""
    return pages.word(key, pages.lang_of(request, viewer)) if key else ""


def _text(form: Any, name: str, *, strip: bool = True) -> str:
    value = form.get(name, "")
    text = value if isinstance(value, str) else ""
    return text.strip() if strip else text


def _whole(form: Any, name: str) -> int:
    text = _text(form, name)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise refused("people-token-limits")
    return int(text)


def _role(form: Any) -> Role:
    try:
        return Role(_text(form, "role"))
    except ValueError:
        raise refused("people-role-bad") from None


def _scope(form: Any, role: Role) -> Scope:
    classes: Iterable[str] = [str(one) for one in form.getall("classes", [])]
    return scopes.given(_names(form, "services"), _names(form, "sectors"), _text(form, "provider"), classes, role)


def _names(form: Any, field: str) -> list[str]:
    """Return what was ticked, or typed with commas where there was nothing to tick."""
    return [name for one in form.getall(field, ()) for name in map(str.strip, str(one).split(",")) if name]


def _offered(r: Reader) -> dict[str, dict[str, str]]:
    """Return the services and sectors of the register, each id with its name."""
    return {"services": register.services(r), "sectors": {id: name for id, name, _ in register.sectors(r)}}


def _kept(form: Any) -> dict[str, Any]:
    """Return what was typed into a form that was refused."""
    names, ticked = (
        ("name", "full_name", "role", "provider", "days", "quota"),
        ("services", "sectors", "classes", "use"),
    )
    if form is None:
        return dict.fromkeys(names, "") | {"days": "90", "quota": "1000"} | {name: [] for name in ticked}
    return {name: _text(form, name) for name in names} | {name: _names(form, name) for name in ticked}


def _of_scope(role: str, scope: Scope) -> dict[str, Any]:
    return {
        "role": role,
        "services": sorted(scope.services or ()),
        "sectors": sorted(scope.sectors or ()),
        "provider": scope.provider,
        "classes": sorted(scope.classes),
    }


def _deed(what: str, lang: str) -> str:
    """Return the sentence of an action; the action itself where it has none."""
    return pages.word(deeds.sentence_of(what), lang) if what in deeds.ACTIONS else what


def _facts(text: str) -> list[tuple[str, str]]:
    """Return the facts of a line of the journal as names and texts; what holds others is named with points."""
    found: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{name}.{key}" if name else str(key), inner)
        elif isinstance(value, list):
            found.append((name, ", ".join(str(one) for one in value) or "–"))
        elif value is not None and value != "":
            found.append((name, str(value).lower() if isinstance(value, bool) else str(value)))

    add("", msgspec.json.decode(shallow_json(text)))
    return found


def _harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
