"""The pages: read by everybody who is signed in, their forms by the roles that may. They work without scripts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.commands.judging import ROLES
from hub.errors import HubError
from hub.web import answering as answers
from hub.web import showing
from hub.web.accounts import Refused
from hub.web.answering import cookie, drop_cookie
from hub.web.passwords import Busy
from hub.web.render import HERE
from hub.web.routes import AUDITS, EVERYBODY, FILE, READS, RULES, WORKS, Route
from hub.web.sessions import COOKIE, KNOWN_COOKIE, KNOWN_S
from hub.web.visit import Rejected, Visit
from hub.web.words import word

if TYPE_CHECKING:
    from hub.web.site import Site

FILES = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}


async def entrance(site: Site, visit: Visit, status: int = 200) -> web.Response:
    """What somebody sees who is not signed in: the claim while there is nobody, the sign-in otherwise."""
    claim = not site.accounts.claimed
    return _entrance(site, visit, claim=claim, status=status)


def _entrance(site: Site, visit: Visit, *, claim: bool, status: int, name: str = "") -> web.Response:
    page = "claim" if claim else "signin"
    text = site.render.page(
        page, visit, fingerprint=site.place.fingerprint, claimable=site.accounts.claimable,
        claimed=site.accounts.claimed, name=name, title=site.parts.title,
    )  # fmt: skip
    return answers.html(text, status)


class Pages:
    """`site` has the operations; a page shows what they answer."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._zone = ZoneInfo(site.parts.timezone)
        self._files = {name: (HERE / "static" / name).read_bytes() for name in FILES}

    def _page(self, name: str, visit: Visit, code: int = 200, /, **what: Any) -> web.Response:
        site = self._site

        def place_name(place: str) -> str:
            known = site.parts.places.get(place)
            return (known.name if known is not None else "") or place

        text = site.render.page(
            name, visit, title=site.parts.title, timezone=site.parts.timezone, place_name=place_name,
            zones={zone: title or zone for zone, (title, _) in site.parts.zones.items()},
            moment=lambda at: showing.moment_text(at, visit.lang, self._zone), **what,
        )  # fmt: skip
        return answers.html(text, code)

    async def file(self, visit: Visit) -> web.Response:
        name = visit.parts["name"]
        if name not in FILES:
            raise Rejected(404, "no-page")
        answer = web.Response(body=self._files[name], content_type=FILES[name], charset="utf-8")
        answer.headers["Cache-Control"] = "public, max-age=300"
        answer.enable_compression()
        return answer

    # entrance

    async def claim_page(self, visit: Visit) -> web.Response:
        claim = self._site.accounts.claimable or not self._site.accounts.claimed
        return _entrance(self._site, visit, claim=claim, status=200)

    async def claim(self, visit: Visit) -> web.Response:
        """{code, name, password, again}: a right code makes the first administrateur, once."""
        site, name = self._site, visit.text("name").lower()
        purse = ("\0claim", visit.address)
        try:
            if visit.fields.get("password") != visit.fields.get("again"):
                raise Refused("password-differs")
            if site.throttle.take(*purse, known=False):
                await site.refuse("throttled", visit, visit.address)
                raise Refused("throttled")
            if not await site.accounts.fits_claim(visit.text("code")):
                await site.refuse("claim-wrong", visit, visit.address)
                raise Refused("claim-wrong")
            site.throttle.give_back(*purse, known=False)
            await site.accounts.claim(name, str(visit.fields.get("password", "")))
        except (Refused, Busy) as error:
            visit.error = word(error.key if isinstance(error, Refused) else "busy", visit.lang)
            return _entrance(site, visit, claim=True, status=422, name=name)
        site.sessions.end_all(name)
        return self._signed_in(visit, name)

    async def sign_in(self, visit: Visit) -> web.Response:
        """{name, password}."""
        site, name = self._site, visit.text("name").lower()
        account = site.accounts.get(name)
        known = account is not None and site.sessions.is_known(
            visit.request.cookies.get(KNOWN_COOKIE, ""), name, account.mark
        )
        purse = (name if account else "\0nobody", visit.address)
        if site.throttle.take(*purse, known=known):
            await site.refuse("throttled", visit, visit.address)
            return self._not_signed_in(visit, "throttled", 429, name)
        try:
            right = await site.accounts.fits(name, str(visit.fields.get("password", ""))[:1024])
        except Busy:
            return self._not_signed_in(visit, "busy", 429, name)
        if right is None:
            await site.refuse("sign-in-wrong", visit, visit.address)
            return self._not_signed_in(visit, "sign-in-wrong", 422, name)
        site.throttle.give_back(*purse, known=known)
        await site.note(f"web:{name}", {"web": "signed in", "from": visit.address})
        return self._signed_in(visit, name)

    def _not_signed_in(self, visit: Visit, why: str, status: int, name: str) -> web.Response:
        visit.error = word(why, visit.lang)
        return _entrance(self._site, visit, claim=False, status=status, name=name)

    def _signed_in(self, visit: Visit, name: str) -> web.Response:
        site = self._site
        if visit.token:
            site.sessions.end(visit.token)
        token, _ = site.sessions.begin(name)
        account = site.accounts.get(name)
        answer = answers.redirect("/")
        cookie(answer, COOKIE, token)
        if account is not None:
            cookie(answer, KNOWN_COOKIE, site.sessions.known(name, account.mark), max_age=KNOWN_S)
        return answer

    async def sign_out(self, visit: Visit) -> web.Response:
        self._site.sessions.end(visit.token)
        await self._site.note(visit.who, {"web": "signed out"})
        answer = answers.redirect("/signin")
        drop_cookie(answer, COOKIE)
        return answer

    async def signin_page(self, visit: Visit) -> web.Response:
        return answers.redirect("/") if visit.account else await entrance(self._site, visit)

    # reading

    async def overview(self, visit: Visit) -> web.Response:
        status = await self._site.operations.status(visit)
        return self._page("overview", visit, status=status, summary=status["summary"])

    async def todo(self, visit: Visit) -> web.Response:
        return self._page("todo", visit, **await self._site.operations.todo(visit))

    async def devices(self, visit: Visit) -> web.Response:
        found = await self._site.operations.devices(visit)
        query = {name: visit.query.get(name, "") for name in ("q", "state", "zone", "sort", "dir")}
        asked = {name: value for name, value in query.items() if value}
        pages = max(1, -(-found["total"] // found["size"]))
        return self._page(
            "devices", visit, devices=found["devices"], total=found["total"], number_of_page=found["page"],
            pages=pages, query=query, asked=asked,
            states=showing.STATES,
            linked=lambda **more: "/devices?" + urlencode({**asked, **more}),
            table=f"/api/1/devices.csv?{urlencode({**asked, 'lang': visit.lang})}",
        )  # fmt: skip

    async def device(self, visit: Visit, status: int = 200) -> web.Response:
        return self._page("device", visit, status, one=await self._site.operations.device(visit))

    async def add_page(self, visit: Visit, status: int = 200, row: Any = None) -> web.Response:
        listed = await self._site.lately("devices")
        candidates = sorted((one for one in listed["quarantine"] if not one["known"]), key=lambda one: -one["last"])
        told = ("label", "device", "place", "zone", "name", "pack", "integration")
        fields = {name: visit.fields.get(name) or visit.query.get(name, "") for name in told}
        places = [place.id for place in self._site.parts.places]
        return self._page(
            "add", visit, status, candidates=candidates[: showing.MOST_ROWS], fields=fields, row=row, places=places
        )

    async def link(self, visit: Visit) -> web.Response:
        return self._page("link", visit, **await self._site.operations.link(visit))

    async def integrations(self, visit: Visit) -> web.Response:
        status = await self._site.lately("status")
        return self._page("integrations", visit, plugins=status["plugins"])

    async def commands(self, visit: Visit, status: int = 200) -> web.Response:
        return self._page("commands", visit, status, **await self._site.operations.commands(visit))

    async def audit(self, visit: Visit) -> web.Response:
        return self._page("audit", visit, **{"whole": None, **await self._site.operations.audit(visit)})

    async def accounts(self, visit: Visit, status: int = 200) -> web.Response:
        return self._page("accounts", visit, status, **await self._site.operations.accounts(visit), roles=ROLES)

    async def account(self, visit: Visit, status: int = 200) -> web.Response:
        return self._page("account", visit, status)

    # doing

    async def add(self, visit: Visit) -> web.Response:
        try:
            row = (await self._site.operations.add(visit))["rows"][0]
        except HubError as error:
            visit.error = str(error)
            return await self.add_page(visit, 422)
        if row["state"] == "wrong":
            visit.error = row[visit.lang]
            return await self.add_page(visit, 422)
        if visit.fields.get("dry_run") or row["state"] == "already":
            return await self.add_page(visit, row=row)
        return answers.redirect(f"/devices/{quote(row['device'], safe='')}?said=device-added")

    async def remove(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.remove, self.device)
        return done or answers.redirect("/devices?said=device-removed")

    async def replace(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.replace, self.device)
        new = quote(visit.text("new"), safe="")
        return done or answers.redirect(f"/devices/{new}?said=device-replaced")

    async def command(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.command, self.device)
        return done or answers.redirect("/commands?said=command-given")

    async def stop(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.stop, self.commands)
        return done or answers.redirect("/commands?said=saved")

    async def resume(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.resume, self.commands)
        return done or answers.redirect("/commands?said=saved")

    async def backup(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.backup, self._link_again)
        return done or answers.redirect("/link?said=backup-done")

    async def _link_again(self, visit: Visit, status: int) -> web.Response:
        return self._page("link", visit, status, **await self._site.operations.link(visit))

    async def put_account(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.put_account, self.accounts)
        return done or answers.redirect("/accounts?said=saved")

    async def remove_account(self, visit: Visit) -> web.Response:
        done = await self._done(visit, self._site.operations.remove_account, self.accounts)
        return done or answers.redirect("/accounts?said=saved")

    async def own_password(self, visit: Visit) -> web.Response:
        if visit.fields.get("password") != visit.fields.get("again"):
            visit.error = word("password-differs", visit.lang)
            return await self.account(visit, 422)
        done = await self._done(visit, self._site.operations.own_password, self.account)
        return done or answers.redirect("/account?said=saved")

    @staticmethod
    async def _done(
        visit: Visit, work: Callable[[Visit], Awaitable[Any]], again: Callable[[Visit, int], Awaitable[web.Response]]
    ) -> web.Response | None:
        """Do it; when the hub refuses, the page once more, saying why."""
        try:
            await work(visit)
        except HubError as error:
            visit.error = word(error.key, visit.lang) if isinstance(error, Refused) else str(error)
            return await again(visit, 422)
        return None


def routes(site: Site) -> list[Route]:
    """All pages and their forms."""
    do = Pages(site)
    return [
        Route("GET", "/static/{name}", do.file, EVERYBODY, FILE),
        Route("GET", "/claim", do.claim_page, EVERYBODY),
        Route("POST", "/claim", do.claim, EVERYBODY),
        Route("GET", "/signin", do.signin_page, EVERYBODY),
        Route("POST", "/signin", do.sign_in, EVERYBODY),
        Route("POST", "/signout", do.sign_out, READS),
        Route("GET", "/", do.overview, READS),
        Route("GET", "/todo", do.todo, READS),
        Route("GET", "/devices", do.devices, READS),
        Route("GET", "/devices/{device}", do.device, READS),
        Route("POST", "/devices/{device}/remove", do.remove, WORKS),
        Route("POST", "/devices/{device}/replace", do.replace, WORKS),
        Route("POST", "/devices/{device}/commands", do.command, WORKS),
        Route("GET", "/add", do.add_page, WORKS),
        Route("POST", "/add", do.add, WORKS),
        Route("GET", "/link", do.link, READS),
        Route("POST", "/link/backup", do.backup, RULES),
        Route("GET", "/integrations", do.integrations, READS),
        Route("GET", "/commands", do.commands, READS),
        Route("POST", "/commands/stop", do.stop, WORKS),
        Route("POST", "/commands/resume", do.resume, RULES),
        Route("GET", "/audit", do.audit, AUDITS),
        Route("GET", "/accounts", do.accounts, RULES),
        Route("POST", "/accounts", do.put_account, RULES),
        Route("POST", "/accounts/remove", do.remove_account, RULES),
        Route("GET", "/account", do.account, READS),
        Route("POST", "/account/password", do.own_password, READS),
    ]
