"""Sign-in: the claim, the sign-in, the sign-out; and the static files of every page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from hub.core.password_hash import code_of
from hub.page_kit import scanning
from hub.page_kit.assets import Assets
from hub.page_kit.people.passwords import Busy
from hub.page_kit.people.sessions import COOKIE, KNOWN_COOKIE, KNOWN_S
from hub.page_kit.request import responses as answers
from hub.page_kit.request.guard import SAFE
from hub.page_kit.request.responses import cookie, drop_cookie
from hub.page_kit.request.routes import EVERYBODY, FILE, PAGE, Route
from hub.page_kit.request.visit import Visit
from hub.protocol.documents.badges import GROUPS, MAX_TEXT, BadBadge, Badge
from hub.web.area import Area, get, post
from hub.web.refusals import Refused
from hub.web.render import HERE
from hub.web.roles import READS
from hub.web.site import Site
from hub.web.words import word

BROKEN = ("badge-unreadable", "badge-altered", "badge-stranger", "badge-none")
FILES = {"icon.svg": "image/svg+xml", "icons.svg": "image/svg+xml"}


async def entrance(site: Site, visit: Visit, status: int = 200) -> web.Response:
    """Return the page for anonymous visitors: the claim while there is no account, the sign-in otherwise."""
    return _entrance(site, visit, claim=not site.accounts.claimed, status=status)


def _entrance(site: Site, visit: Visit, *, claim: bool, status: int, name: str = "") -> web.Response:
    page = "claim" if claim else "signin"
    text = site.render.page(
        page,
        visit,
        fingerprint=site.place.fingerprint(),
        claimable=site.accounts.claimable,
        claimed=site.accounts.claimed,
        name=name,
        title=site.parts.title,
        to=_meant(site, visit),
        badges=site.parts.badges is not None and site.parts.badges.known,
    )
    return answers.html(text, status)


def _meant(site: Site, visit: Visit) -> str:
    """Return the page that the visitor requested first; "" where unknown. Only pages of this hub."""
    if visit.route.kind == PAGE and visit.route.roles != EVERYBODY:
        return visit.request.rel_url.raw_path_qs if visit.request.method in SAFE else ""
    said = visit.fields.get("to", visit.query.get("to", ""))
    path = said.partition("?")[0] if isinstance(said, str) and said.isascii() and said.isprintable() else ""
    route, _, _ = site.table.find("GET", path)
    return said if route is not None and route.kind == PAGE and route.roles != EVERYBODY else ""


class Entrance:
    def __init__(self, site: Site) -> None:
        self._site = site
        self.assets = Assets([HERE / "static"], site.files)

    async def claim_page(self, visit: Visit) -> web.Response:
        claim = self._site.accounts.claimable or not self._site.accounts.claimed
        return _entrance(self._site, visit, claim=claim, status=200)

    async def claim(self, visit: Visit) -> web.Response:
        """Claim the hub, {code, name, password, again}: a right code makes the first administrateur, once."""
        site, name = self._site, visit.text("name").lower()
        purse = ("\0claim", visit.address)
        try:
            if visit.fields.get("password") != visit.fields.get("again"):
                raise Refused("password-differs")
            if site.throttle.take(*purse, known=False):
                await site.refuse("throttled", visit, visit.address)
                raise Refused("throttled")
            again = (
                await site.guessed(
                    visit,
                    purse[0],
                    "claim-wrong",
                    "web.claim",
                    known=False,
                    name=name,
                    code=visit.text("code"),
                    password=str(visit.fields.get("password", "")),
                )
            )["again"]
        except (Refused, Busy) as error:
            visit.error = word(error.key if isinstance(error, Refused) else "busy", visit.lang)
            return _entrance(site, visit, claim=True, status=422, name=name)
        broken = site.broken.use(name, visit.address) if again else False
        return await self._signed_in(visit, name, broken=broken)

    async def sign_in(self, visit: Visit) -> web.Response:
        """Sign in, {name, password}."""
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
        broken = site.broken.use(name, visit.address)
        answer = await self._signed_in(visit, name, broken=broken)
        said = {"break_glass": True} if broken else {}
        await site.note(f"web:{name}", {"web": "signed in", "from": visit.address, **said})
        return answer

    async def badge_page(self, visit: Visit) -> web.Response:
        return answers.redirect("/") if visit.account else self._badge_again(visit, "", 200)

    def _badge_again(self, visit: Visit, why: str, status: int = 422) -> web.Response:
        visit.error = word(why, visit.lang) if why else ""
        text = visit.text("badge")[:MAX_TEXT] if why not in BROKEN else ""
        page = self._site.render.page(
            "badge", visit, badge=text, title=self._site.parts.title, to=_meant(self._site, visit)
        )
        return scanning.with_leave(answers.html(page, status))

    async def badge(self, visit: Visit) -> web.Response:
        """Sign in with {badge or a file of it, passphrase}. A forged badge costs only a signature check; for a real
        one, guesses are throttled as for an account."""
        site = self._site
        file = visit.files.get("file")
        text = file.data[:MAX_TEXT].decode("ascii", "replace") if file else visit.text("badge")
        try:
            if site.parts.badges is None or not site.parts.badges.known:
                raise BadBadge("none", "")
            badge = site.parts.badges.read(text)
        except BadBadge as error:
            await site.refuse(f"badge-{error.reason}", visit, visit.address)
            return self._badge_again(visit, f"badge-{error.reason}")
        visit.fields["badge"] = text
        name = f"badge:{badge.id.hex()[:8]} {badge.name}"
        purse = (f"\0badge {badge.id.hex()}", visit.address)
        if site.throttle.take(*purse, known=False):
            await site.refuse("throttled", visit, visit.address)
            return self._badge_again(visit, "throttled", 429)
        try:
            right = await site.passwords.fits(badge.secret, code_of(visit.text("passphrase"), GROUPS))
        except Busy:
            return self._badge_again(visit, "busy", 429)
        if not right:
            await site.refuse("badge-wrong", visit, visit.address)
            return self._badge_again(visit, "badge-wrong")
        site.throttle.give_back(*purse, known=False)
        sure = {} if site.clock.sure() else {"clock": "not sure"}
        await site.note(f"web:{name}", {"web": "signed in by badge", "from": visit.address, "role": badge.role, **sure})
        return await self._signed_in(visit, name, badge)

    def _not_signed_in(self, visit: Visit, why: str, status: int, name: str) -> web.Response:
        visit.error = word(why, visit.lang)
        return _entrance(self._site, visit, claim=False, status=status, name=name)

    async def _signed_in(
        self, visit: Visit, name: str, badge: Badge | None = None, *, broken: bool = False
    ) -> web.Response:
        site = self._site
        if visit.token:
            site.sessions.end(visit.token)
        # before anything is awaited, so that a change of the password ends this session too
        account = site.accounts.get(name) if badge is None else None
        token, _ = site.sessions.begin(name, badge, mark=account.mark if account else b"", broken=broken)
        await site.kept_sessions.save()
        answer = answers.redirect(_meant(site, visit) or "/")
        cookie(answer, COOKIE, token)
        if account is not None:
            cookie(answer, KNOWN_COOKIE, site.sessions.known(name, account.mark), max_age=KNOWN_S)
        return answer

    async def sign_out(self, visit: Visit) -> web.Response:
        self._site.sessions.end(visit.token)
        await self._site.kept_sessions.save()
        await self._site.note(visit.who, {"web": "signed out"})
        answer = answers.redirect("/signin")
        drop_cookie(answer, COOKIE)
        answer.headers["Clear-Site-Data"] = '"storage"'  # the next one who takes this phone finds nothing
        return answer

    async def session(self, visit: Visit) -> Any:
        """Return {name, role, csrf, left_s, most_s}: `csrf` is required for changes; the session ends `left_s` from now
        without activity, `most_s` in any case (None for a token). A script asks before it warns: that is no activity,
        so a GET does not lengthen the session. A POST does."""
        left, most = self._site.sessions.left(visit.session) if visit.session else (None, None)
        return {
            "name": visit.person.name, "role": visit.person.role, "csrf": visit.form_token, "left_s": left,
            "most_s": most,
        }  # fmt: skip

    async def signin_page(self, visit: Visit) -> web.Response:
        return answers.redirect("/") if visit.account else await entrance(self._site, visit)


def routes(site: Site) -> list[Route]:
    do = Entrance(site)
    return [
        Route("GET", "/static/{name}", do.assets.answer, EVERYBODY, FILE),
        Route("GET", "/static/{folder}/{name}", do.assets.answer, EVERYBODY, FILE),
        Route("GET", "/claim", do.claim_page, EVERYBODY),
        Route("POST", "/claim", do.claim, EVERYBODY),
        Route("GET", "/signin", do.signin_page, EVERYBODY),
        Route("POST", "/signin", do.sign_in, EVERYBODY),
        Route("GET", "/badge", do.badge_page, EVERYBODY),
        Route("POST", "/badge", do.badge, EVERYBODY),
        Route("POST", "/signout", do.sign_out, READS),
        replace(get("/session", do.session, "Who is signed in, what changes carry, how long it lasts"), quiet=True),
        post("/session", do.session, "Stay signed in", READS, people=True),
    ]


AREA = Area(routes, files=FILES, order=10, unenrolled=True)
