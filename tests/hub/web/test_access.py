"""Badges and tokens at the door, against the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.core import password_hash
from hub.core.clock import SystemClock
from hub.identity.badges import BadgeVerifier
from hub.page_kit.people.throttle import ADDRESS
from hub.protocol.documents.badges import BadBadge, Badge, Revoked, make_badge, make_revoked
from tests.hub.identity.test_badges import trust
from tests.hub.protocol.documents.test_badges import KEY, OTHER

from .web_kit import NAME, PASSWORD, Browser, Pages

PASS = "K7M2Q-9XRTH"


def badge(**changes: Any) -> Badge:
    now = int(SystemClock().now())
    facts = {
        "id": b"abcdefgh", "name": "Dominique Martin", "role": "technicien", "sites": ("ecole",), "begin": now - 10,
        "until": now + 86_400, "secret": password_hash.make(PASS),
    }  # fmt: skip
    return Badge(**{**facts, **changes})


class Door(Pages):
    """Pages of a hub whose district has badges."""

    async def __aenter__(self) -> Door:
        await super().__aenter__()
        made = BadgeVerifier(
            self.store,
            SystemClock(),
            http=None,
            url="https://x",
            trust=lambda: trust(KEY),
            here={"ecole"},  # type: ignore[arg-type]
            up=lambda: False,
        )
        self.badging = made
        self.site.parts = self.site.parts._replace(badges=made)
        self.web._parts = self.site.parts
        return self


async def show(browser: Browser, text: str, passphrase: str = PASS) -> tuple[int, str]:
    status, body, _ = await browser.post("/badge", "/badge", badge=text, passphrase=passphrase)
    return status, body


@pytest.mark.real("network")
async def test_a_badge_and_its_passphrase_open_the_pages_with_its_role_and_name(tmp_path: Path) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        browser = pages.browser()
        assert (await show(browser, make_badge(badge(), KEY), "k7m2q 9xrth"))[0] == 303
        session = json.loads((await browser.get("/api/1/session"))[1])
        assert (session["name"], session["role"]) == ("badge:61626364 Dominique Martin", "technicien")
        assert (await browser.get("/add"))[0] == 200
        assert (await browser.get("/accounts"))[0] == 403
        status, _, _ = await browser.post("/add", "/add", device="lorawan:AA", place="salle-9", zone="rooms")
        assert status == 303
        assert pages.hub.asked[-1][1]["by"] == "web:badge:61626364 Dominique Martin"
        assert [one.who for one in await pages.store.audited()][-1] == "web:badge:61626364 Dominique Martin"


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("made", "passphrase", "says"),
    [
        (lambda: make_badge(badge(), KEY), "K7M2Q-9XRT0", "Phrase secrète incorrecte"),
        (lambda: make_badge(badge(), OTHER), PASS, "pas signé par la collectivité"),
        (lambda: make_badge(badge(sites=("piscine",)), KEY), PASS, "sur ce site"),
        (lambda: make_badge(badge(until=badge().begin + 5), KEY), PASS, "expiré"),
        (lambda: "un badge", PASS, "lisible"),
    ],
)
async def test_a_picture_alone_a_stranger_another_site_and_a_lapsed_badge_stay_outside(
    tmp_path: Path, made: Any, passphrase: str, says: str
) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        browser = pages.browser()
        status, body = await show(browser, made(), passphrase)
        assert status == 422
        assert says in body.replace("\u00a0", " ")
        assert (await browser.get("/api/1/status"))[0] == 401


@pytest.mark.real("network")
async def test_whoever_is_inside_by_a_badge_is_outside_once_it_is_withdrawn(tmp_path: Path) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        browser = pages.browser()
        assert (await show(browser, make_badge(badge(), KEY)))[0] == 303
        assert (await browser.get("/api/1/status"))[0] == 200
        await pages.badging.keep(make_revoked(Revoked(1, 1, (b"abcdefgh",)), KEY), "backend")
        assert (await browser.get("/api/1/status"))[0] == 401


@pytest.mark.real("network")
async def test_a_badge_comes_as_a_file_too(tmp_path: Path) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        browser = pages.browser()
        form = aiohttp.FormData()
        form.add_field("csrf", await browser.token("/badge"))
        form.add_field("badge", "")
        form.add_field("passphrase", PASS)
        form.add_field("file", make_badge(badge(), KEY).encode(), filename="badge.txt", content_type="text/plain")
        status, _, _ = await browser.ask("POST", "/badge", data=form, headers={"Origin": pages.url})
        assert status == 303


@pytest.mark.real("network")
async def test_a_stolen_picture_has_few_guesses_at_a_hub_and_forged_ones_cost_no_argon2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = 0
    async with Door(tmp_path) as pages:
        await pages.claimed()

        async def fits(secret: bytes | None, password: str) -> bool:
            nonlocal evaluated
            evaluated += 1
            return False

        monkeypatch.setattr(pages.site.passwords, "fits", fits)
        browser = pages.browser()
        token = await browser.token("/badge")

        async def guess(text: str) -> int:
            data = {"csrf": token, "badge": text, "passphrase": "AAAAA-AAAAA"}
            return (await browser.ask("POST", "/badge", data=data, headers={"Origin": pages.url}))[0]

        stolen, forged = make_badge(badge(), KEY), make_badge(badge(), OTHER)
        assert [await guess(forged) for _ in range(30)] == [422] * 30
        assert evaluated == 0
        answers = [await guess(stolen) for _ in range(30)]
        assert evaluated == answers.count(422) == ADDRESS
        assert answers[-1] == 429


@pytest.mark.real("network")
async def test_a_local_account_is_for_when_the_glass_is_broken_and_each_use_is_audited_and_told(tmp_path: Path) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        assert not pages.web.complaints()
        assert (await pages.browser().sign_in())[0] == 303
        last = (await pages.store.audited())[-1]
        assert (last.who, last.what["break_glass"]) == (f"web:{NAME}", True)
        assert NAME in pages.web.complaints()[0]
        assert pages.broken == [(NAME, "127.0.0.1")]
        await show(pages.browser(), make_badge(badge(), KEY))
        assert len(pages.broken) == 1  # a badge breaks no glass
        page = (await pages.browser().get("/signin"))[1]
        assert 'href="/badge"' in page


@pytest.mark.real("network")
async def test_a_claim_of_a_claimed_hub_breaks_the_glass_too_and_its_first_claim_does_not(tmp_path: Path) -> None:
    async with Door(tmp_path) as pages:
        await pages.claimed()
        assert not pages.broken
        code = (await pages.web.calls()["web.reset"]({}))["code"]
        assert (await pages.browser().claim(code, "somebody", "another good passphrase"))[0] == 303
        assert pages.broken == [("somebody", "127.0.0.1")]


@pytest.mark.real("network")
async def test_without_badges_nothing_is_said_of_them(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        assert (await pages.browser().sign_in())[0] == 303
        assert not pages.web.complaints()
        assert not pages.broken
        assert "break_glass" not in (await pages.store.audited())[-1].what
        browser = pages.browser()
        assert 'href="/badge"' not in (await browser.get("/signin"))[1]
        assert (await show(browser, make_badge(badge(), KEY)))[0] == 422


class Script:
    """Calls the API as a program does: no cookie, no Origin, no form token."""

    def __init__(self, pages: Pages, token: str) -> None:
        self.browser, self.headers = pages.browser(), {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        status, text, _ = await self.browser.ask(method, f"/api/1{path}", headers=self.headers, **more)
        return status, json.loads(text) if text.startswith("{") else text


@pytest.mark.real("network")
async def test_a_script_reads_and_changes_with_its_token_and_its_role_alone(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        owner = await pages.claimed()
        status, made = await owner.api("POST", "/tokens", {"name": "relevés", "role": "technicien", "days": 30})
        assert status == 200
        script = Script(pages, made["token"])
        assert (await script.ask("GET", "/status"))[0] == 200
        assert (await script.ask("POST", "/devices", json={"device": "lorawan:AA", "place": "p"}))[0] == 200
        assert pages.hub.asked[-1][1]["by"] == "web:token:relevés"
        assert (await script.ask("GET", "/accounts"))[0] == 403
        weak = (await owner.api("POST", "/tokens", {"name": "lecture", "role": "lecteur", "days": 1}))[1]
        assert (await Script(pages, weak["token"]).ask("POST", "/devices", json={"device": "x"}))[0] == 403
        # a token is no way into the pages, and a cookie beside it changes nothing
        status, _, _ = await script.browser.ask("GET", "/devices", headers=script.headers)
        assert status == 401


@pytest.mark.real("network")
async def test_an_administrateurs_token_makes_neither_accounts_nor_tokens(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        owner = await pages.claimed()
        token = (await owner.api("POST", "/tokens", {"name": "sauvegarde", "role": "administrateur", "days": 1}))[1]
        script = Script(pages, token["token"])
        assert (await script.ask("POST", "/backup"))[0] == 200
        for method, path, body in (
            ("POST", "/accounts", {"name": "mallory", "password": PASSWORD, "role": "administrateur"}),
            ("POST", "/tokens", {"name": "autre", "role": "lecteur", "days": 1}),
            ("DELETE", f"/tokens/{token['id']}", None),
            ("POST", "/password", {"former": PASSWORD, "password": PASSWORD}),
        ):
            assert (await script.ask(method, path, json=body))[0] == 403, path


@pytest.mark.real("network")
async def test_a_token_is_kept_as_a_hash_shown_once_ends_and_can_be_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Pages(tmp_path) as pages:
        owner = await pages.claimed()
        made = (await owner.api("POST", "/tokens", {"name": "a", "role": "lecteur", "days": 1}))[1]
        rows = await pages.store.call(lambda db: [str(row) for row in db.execute("SELECT * FROM web_tokens")])
        secret = made["token"].split("_", 2)[2]
        assert secret not in "".join(rows)
        listed = json.loads((await owner.get("/api/1/tokens"))[1])["tokens"]
        assert [sorted(one) for one in listed] == [["at", "by", "expires", "id", "name", "role"]]
        assert secret not in (await owner.get("/tokens"))[1]
        bent = made["token"][:-1] + ("A" if made["token"][-1] != "A" else "B")
        for bad in (bent, "ilot_00000000_" + "A" * 43, "x", ""):
            assert (await Script(pages, bad).ask("GET", "/status"))[0] == 401
        now = pages.site.clock.now()
        monkeypatch.setattr(pages.site.tokens._clock, "date", lambda: now + 86_401)
        assert (await Script(pages, made["token"]).ask("GET", "/status"))[0] == 401
        monkeypatch.undo()
        assert (await Script(pages, made["token"]).ask("GET", "/status"))[0] == 200
        assert (await owner.api("DELETE", f"/tokens/{made['id']}"))[0] == 200
        assert (await Script(pages, made["token"]).ask("GET", "/status"))[0] == 401


@pytest.mark.real("network")
async def test_the_page_shows_a_new_token_this_once_and_the_document_names_both_ways_in(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        owner = await pages.claimed()
        status, body, _ = await owner.post("/tokens", "/tokens", name="grafana", role="lecteur", days="90")
        assert status == 200
        assert "data-token>ilot_" in body
        assert "data-token" not in (await owner.get("/tokens"))[1]
        assert (await owner.post("/tokens", "/tokens", name="", role="lecteur", days="9"))[0] == 422
        document = json.loads((await owner.get("/api/1/openapi.json"))[1])
        assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        assert document["paths"]["/api/1/devices"]["post"].get("security") is None
        assert document["paths"]["/api/1/accounts"]["post"]["security"] == [{"session": []}]


def test_a_refused_badge_tells_a_reason_that_the_pages_have_words_for() -> None:
    from hub.web.words import WORDS

    for reason in ("unreadable", "altered", "stranger", "early", "expired", "revoked", "site", "none", "wrong"):
        assert f"badge-{reason}" in WORDS
    assert issubclass(BadBadge, Exception)
