"""Local accounts: how one comes to a password, signs in, and what ends a session."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest

from backend.city.people import accounts, approvals
from backend.city.people.viewer import Role, Scope, Viewer
from backend.storage.city import people as table
from hub.page_kit.people.passwords import Passwords
from hub.page_kit.people.throttle import ADDRESS, ALL, KNOWN, STRANGERS
from hub.page_kit.refusals import Refused

from .people_kit import PASSWORD, Browser, Town

pytestmark = pytest.mark.real("network")


async def test_nobody_enters_a_city_without_accounts(town: Town) -> None:
    browser = town.browser()
    for name in ("admin", "administrator", "root", "ilot", ""):
        for password in ("admin", "", "password", "ilot", name):
            answer = await browser.post("/signin", {"name": name, "password": password})
            assert answer.status in (422, 429)
    assert not browser.cookie("__Host-ilot")
    assert (await browser.get("/people")).status == 303


async def test_a_code_makes_a_password_once_and_for_three_days(town: Town) -> None:
    code, browser = await town.add("anne"), town.browser()
    form = {"name": "anne", "code": code, "password": PASSWORD, "again": PASSWORD}
    assert (await browser.post("/signin", {"name": "anne", "password": code})).status == 422  # it is no password
    assert (await browser.post("/signin/code", {**form, "again": "another of them"})).status == 422
    assert (await browser.post("/signin/code", {**form, "password": "short", "again": "short"})).status == 422
    assert (await browser.post("/signin/code", {**form, "code": code.lower().replace("-", " ")})).status == 303
    assert (await browser.get("/account")).status == 200
    assert (await town.browser().post("/signin/code", form)).status == 422
    late = await town.add("late")
    town.now[0] += accounts.CODE_S + 1
    assert (await town.browser().post("/signin/code", {**form, "name": "late", "code": late})).status == 422


async def test_the_cookie_of_a_session_is_of_this_origin_alone_and_stored_as_a_digest(town: Town) -> None:
    browser = await town.enter("anne")
    line = next(one for one in browser.raw_cookies if one.startswith("__Host-ilot="))
    parts = {one.strip().lower() for one in line.split(";")[1:]}
    assert parts == {"path=/", "secure", "httponly", "samesite=strict"}
    token = browser.cookie("__Host-ilot")
    rows = await town.city.store.read(table.sessions)
    assert len(rows) == 1
    assert token.encode() not in rows[0].digest
    assert token not in repr(rows)


async def test_a_session_that_was_there_before_the_sign_in_is_never_taken_over(town: Town) -> None:
    site = urlsplit(town.url).netloc
    owner = await town.enter("anne")
    planted = owner.cookie("__Host-ilot")
    victim = town.browser()
    await town.enter("bob")
    victim.cookies[site] = {"__Host-ilot": "A" * 43}
    token = await victim.form_token("/signin")
    assert (await victim.post("/signin", {"name": "bob", "password": PASSWORD}, csrf=token)).status == 303
    assert victim.cookie("__Host-ilot") not in ("A" * 43, planted)
    again = await owner.post("/signin", {"name": "anne", "password": PASSWORD}, csrf=await owner.form_token("/account"))
    assert again.status == 303
    thief = town.browser()
    thief.cookies[site] = {"__Host-ilot": planted}  # the session that the sign-in replaced
    assert (await thief.get("/account")).status == 303


async def test_a_session_ends_an_hour_after_the_last_request_and_twelve_after_the_sign_in(town: Town) -> None:
    browser = await town.enter("anne")
    town.now[0] += 3599
    assert (await browser.get("/account")).status == 200
    town.now[0] += 3601
    assert (await browser.get("/account")).status == 303
    town.now[0] -= 3600
    assert (await browser.get("/account")).status == 303  # ended for good
    assert (await browser.post("/signin", {"name": "anne", "password": PASSWORD})).status == 303
    for _ in range(13):
        town.now[0] += 3300
        last = (await browser.get("/account")).status
    assert last == 200
    town.now[0] += 12 * 3600 - 13 * 3300 + 1
    assert (await browser.get("/account")).status == 303


async def test_another_role_a_ban_or_a_removal_ends_what_is_open_at_once(town: Town) -> None:
    admin = await town.enter("anne")
    for name, do, form in (
        ("bob", "role", {"role": "operator"}),
        ("carl", "disable", {}),
        ("dora", "sessions", {}),
        ("ella", "remove", {}),
    ):
        browser = await town.enter(name, Role.HEAD)
        assert (await browser.get("/account")).status == 200
        csrf = await admin.form_token("/people")
        assert (await admin.post(f"/people/{name}/{do}", form, csrf=csrf)).status == 303
        assert (await browser.get("/account")).status == 303, do
    refused = await town.browser().post("/signin", {"name": "carl", "password": PASSWORD})
    assert refused.status == 422


async def test_a_change_behind_the_pages_back_ends_a_session_as_well(town: Town) -> None:
    browser = await town.enter("bob", Role.HEAD)

    def demote(t: object) -> None:
        from dataclasses import replace

        one = table.person_named(t, "bob")  # type: ignore[arg-type]
        assert one is not None
        table.put_person(t, replace(one, role="crew"))  # type: ignore[arg-type]

    await town.city.store.write(demote)
    assert (await browser.get("/account")).status == 303


async def test_a_new_password_needs_the_former_one_and_signs_every_other_browser_out(town: Town) -> None:
    here = await town.enter("anne")
    there = town.browser()
    await there.post("/signin", {"name": "anne", "password": PASSWORD})
    new = "cinq canards verts"
    form = {"former": "wrong wrong wrong", "password": new, "again": new}
    csrf = await here.form_token("/account")
    assert (await here.post("/account/password", form, csrf=csrf)).status == 422
    assert (await here.post("/account/password", {**form, "former": PASSWORD}, csrf=csrf)).status == 303
    assert (await here.get("/account")).status == 200
    assert (await there.get("/account")).status == 303
    assert (await town.browser().post("/signin", {"name": "anne", "password": PASSWORD})).status == 422


async def test_the_last_administrator_with_a_local_account_stays(town: Town) -> None:
    admin = await town.enter("anne")
    for do, form in (("remove", {}), ("disable", {}), ("role", {"role": "crew"})):
        csrf = await admin.form_token("/people")
        assert (await admin.post(f"/people/anne/{do}", form, csrf=csrf)).status == 422
    assert (await admin.get("/account")).status == 200


async def test_guesses_are_few_and_whoever_signed_in_before_still_gets_in(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await town.enter("anne")
    await owner.post("/signout", {})
    evaluated = 0

    async def count(self: Passwords, secret: bytes | None, password: str) -> bool:
        nonlocal evaluated
        evaluated += 1
        return False

    with monkeypatch.context() as patched:
        patched.setattr(Passwords, "fits", count)
        for n in range(3):  # addresses of a botnet: the same throttle of a city, seen from several networks
            patched.setattr("backend.city.people.pages.address_of", lambda request, n=n: f"203.0.113.{n}")
            attacker = town.browser()
            token = await attacker.form_token("/signin")
            for _ in range(25):
                answer = await attacker.post("/signin", {"name": "anne", "password": "x"}, csrf=token)
                assert answer.status in (422, 429)
    assert evaluated == min(3 * ADDRESS, STRANGERS)
    assert KNOWN + STRANGERS <= 50
    assert ALL >= STRANGERS
    assert (await owner.post("/signin", {"name": "anne", "password": PASSWORD})).status == 303
    town.now[0] += 3601
    stranger = town.browser()
    assert (await stranger.post("/signin", {"name": "anne", "password": PASSWORD})).status == 303


async def test_codes_are_guessed_as_seldom_as_passwords(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.add("anne")
    evaluated = 0

    async def count(self: Passwords, secret: bytes | None, password: str) -> bool:
        nonlocal evaluated
        evaluated += 1
        return False

    monkeypatch.setattr(Passwords, "fits", count)
    attacker = town.browser()
    token = await attacker.form_token("/signin/code")
    form = {"name": "anne", "code": "AAAA-AAAA-AAAA", "password": PASSWORD, "again": PASSWORD}
    for _ in range(20):
        await attacker.post("/signin/code", form, csrf=token)
    assert evaluated == ADDRESS


async def test_an_unknown_name_takes_as_long_as_a_known_one(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts what is derived, and looks at the answers: a clock would say what the machine did beside."""
    from hub.core import password_hash

    await town.enter("anne")
    await town.add("fresh")  # has a code and no password
    derived: list[str] = []
    plain = password_hash.derive

    def derive(typed: str, salt: bytes) -> bytes:
        derived.append(typed)
        return plain(typed, salt)

    browser = town.browser()
    await browser.post("/signin", {"name": "nobody", "password": "to make the one for nobody"})
    monkeypatch.setattr(password_hash, "derive", derive)
    texts = set()
    for name in ("anne", "nobody", "fresh", "sso-1"):
        derived.clear()
        answer = await browser.post("/signin", {"name": name, "password": "wrong wrong wrong"})
        assert answer.status == 422
        assert len(derived) == 1, name
        texts.add(answer.text.replace(f'value="{name}"', "").replace(await browser.form_token("/signin"), ""))
    assert len(texts) == 1


async def test_the_page_after_a_sign_in_is_one_of_this_server(town: Town) -> None:
    await town.enter("anne")
    for to, where in (
        ("/people?x=1", "/people?x=1"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/" + "a" * 3000, "/"),
    ):
        browser = town.browser()
        answer = await browser.post("/signin", {"name": "anne", "password": PASSWORD, "to": to})
        assert (answer.status, answer.location) == (303, where), to
        assert (await browser.get(f"/signin?to={quote(to, safe='')}")).location == where


async def test_a_stranger_is_led_to_the_sign_in_and_back_and_a_program_is_told(town: Town) -> None:
    stranger = town.browser()
    answer = await stranger.get("/people?x=1")
    assert (answer.status, answer.location) == (303, "/signin?to=%2Fpeople%3Fx%3D1")
    assert (await stranger.ask("GET", "/people", headers={"Accept": "application/json"})).status == 401
    # A link in a mail comes without the strict cookie: a page of ours asks once more, from here.
    answer = await stranger.get("/people?x=1", **{"Sec-Fetch-Site": "cross-site"})
    assert (answer.status, 'content="0;url=/people?x=1"' in answer.text) == (200, True)


async def forged(browser: Browser, path: str, **headers: str) -> int:
    return (await browser.ask("POST", path, headers=headers, data={"role": "admin"})).status


async def test_no_other_site_changes_anything(town: Town) -> None:
    admin = await town.enter("anne")
    csrf = await admin.form_token("/people")
    assert await forged(admin, "/people/anne/sessions") == 403  # nothing shows that a page of ours sent it
    for site in ("cross-site", "same-site", "none"):
        assert await forged(admin, "/people/anne/sessions", **{"Sec-Fetch-Site": site, "X-CSRF": csrf}) == 403
    for origin in ("https://evil.example", "null", town.url.replace("https", "http")):
        assert await forged(admin, "/people/anne/sessions", Origin=origin, **{"X-CSRF": csrf}) == 403
    ours = {"Origin": town.url, "Sec-Fetch-Site": "same-origin"}
    assert await forged(admin, "/people/anne/sessions", **ours) == 403  # no token
    other = await town.enter("bob")
    assert await forged(admin, "/people/anne/sessions", **ours, **{"X-CSRF": await other.form_token("/people")}) == 403
    assert (await admin.get("/account")).status == 200
    assert await forged(admin, "/people/anne/sessions", **ours, **{"X-CSRF": csrf}) == 303


async def test_nobody_signs_a_browser_in_without_a_page_of_ours(town: Town) -> None:
    await town.enter("anne")
    stranger = town.browser()
    form = {"name": "anne", "password": PASSWORD}
    ours = {"Origin": town.url, "Sec-Fetch-Site": "same-origin"}
    assert (await stranger.ask("POST", "/signin", headers=ours, data=form)).status == 403
    token = await stranger.form_token("/signin")
    stolen = town.browser()
    assert (await stolen.ask("POST", "/signin", headers=ours, data={**form, "csrf": token})).status == 403


async def test_only_our_names_are_answered(town: Town) -> None:
    browser = await town.enter("anne")
    port = urlsplit(town.url).port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost",
        f"localhost:{port}.evil.example",
        "",
        "127.0.0.2",
    ):
        for path in ("/signin", "/account", "/nowhere", "/static/style.css"):
            assert (await browser.get(path, Host=host)).status in (400, 421), host
    assert (await browser.get("/account", Host=f"127.0.0.1:{port}")).status == 200


async def test_every_answer_forbids_frames_foreign_scripts_and_guesses_of_types(town: Town) -> None:
    admin = await town.enter("anne")
    for path in ("/signin", "/account", "/people", "/journal.csv", "/nowhere", "/signin/provider"):
        headers = (await admin.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers


async def test_what_is_published_needs_two_persons_who_mean_the_same(town: Town) -> None:
    anne, bob = (Viewer(name, name, Role.DPO, Scope()) for name in ("anne", "bob"))
    program = Viewer("token:1", "p", Role.DPO, Scope())

    async def ask(viewer: Viewer, digest: str, at: float = 1000.0) -> bool:
        return await town.city.store.write(
            lambda t: approvals.second_person(t, viewer, "publication.release", "air", digest, at)
        )

    assert not await ask(anne, "one")
    with pytest.raises(Refused):
        await ask(anne, "one")
    with pytest.raises(Refused):
        await ask(program, "one")
    assert not await ask(bob, "two")  # something else: Anne's approval does not count for it
    assert await ask(anne, "two")
    assert not await ask(anne, "two")  # each release anew
    assert not await ask(bob, "two", 1000.0 + approvals.LIFE_S + 1)  # too late
    said = [one.what for one in await town.lines() if one.object == "air"]
    assert said.count("publication.release.confirmed") == 1


async def test_a_person_has_eight_sessions_at_most(town: Town) -> None:
    first = await town.enter("anne")
    for _ in range(8):
        town.now[0] += 1
        assert (await town.browser().post("/signin", {"name": "anne", "password": PASSWORD})).status == 303
    rows = await town.city.store.read(table.sessions)
    assert len(rows) == 8
    assert (await first.get("/account")).status == 303


@pytest.mark.parametrize(
    ("role", "to", "first"),
    [(Role.CREW, "/", "/interventions"), (Role.ELECTED, "/", "/elected"), (Role.CREW, "/things", "/things"),
     (Role.OPERATOR, "/", "/")],
)  # fmt: skip
async def test_who_signs_in_begins_where_the_role_works_or_where_they_wanted_to_go(
    town: Town, role: Role, to: str, first: str
) -> None:
    code, browser = await town.add("anne", role), town.browser()
    form = {"name": "anne", "code": code, "password": PASSWORD, "again": PASSWORD}
    chosen = await browser.post("/signin/code", form)
    assert urlsplit(chosen.headers["Location"]).path == (first if to == "/" else "/interventions")
    answer = await town.browser().post("/signin", {"name": "anne", "password": PASSWORD, "to": to})
    assert answer.status == 303
    assert urlsplit(answer.headers["Location"]).path == first
