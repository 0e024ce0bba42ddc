"""Sign-in by an independent provider, as Keycloak is configured and in ProConnect's stricter form."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from .people_kit import PASSWORD, Town, go_to_provider, provider, sign_in_there, through_provider

pytestmark = pytest.mark.real("clock, network, processes")

FORMS = ["keycloak", "proconnect"]


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: what the provider says does not depend on it."""
    return tmp_path / "owner" / "backend.db"


@pytest.mark.parametrize("form", FORMS)
async def test_a_group_of_the_provider_gives_a_role_and_a_scope(town: Town, form: str) -> None:
    with provider(town, form):
        browser = town.browser()
        answer = await through_provider(browser, "alice")
        assert answer.status == 200, answer.text
        assert "url=/account" in answer.text  # a page of ours leads on: a strict cookie comes with that
        page = await browser.get("/account")
        assert page.status == 200
        assert "Alice Martin" in page.text
        assert "waste" in page.text
        signed = [one for one in await town.lines() if one.what == "people.signed-in"]
        assert [one.who for one in signed] == ["sso-1"]


@pytest.mark.parametrize("form", FORMS)
async def test_leaving_for_the_provider_carries_what_its_form_allows_and_long_secrets(town: Town, form: str) -> None:
    with provider(town, form):
        first, second = [parse_qs(urlsplit(await go_to_provider(town.browser())).query) for _ in range(2)]
        for name in ("state", "nonce"):
            assert len(first[name][0]) >= 32
            assert first[name] != second[name]
        plain = {"response_type", "client_id", "redirect_uri", "scope", "state", "nonce"}
        pkce = {"code_challenge", "code_challenge_method"}
        assert first.keys() == (plain if form == "proconnect" else plain | pkce)


async def test_whoever_no_rule_fits_does_not_enter(town: Town) -> None:
    with provider(town, "keycloak"):
        browser = town.browser()
        answer = await through_provider(browser, "bob")
        assert answer.status == 403
        assert not browser.cookie("__Host-ilot")
        assert (await browser.get("/account")).status == 303
        assert [one.what for one in await town.lines()] == ["people.provider-refused"]


async def test_an_address_that_the_provider_did_not_verify_gives_no_role(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        peer.settings(rules='{ claim = "email", value = "bob@ville.example", role = "admin" }')
        assert (await through_provider(town.browser(), "bob")).status == 403


@pytest.mark.parametrize("form", FORMS)
async def test_signing_out_ends_the_session_here_and_at_the_provider(town: Town, form: str) -> None:
    with provider(town, form) as peer:
        browser = town.browser()
        await through_provider(browser, "alice")
        kept = browser.cookie("__Host-ilot")
        answer = await browser.post("/signout", {})
        assert answer.status == 200
        found = re.search(r'href="([^"]+)"', answer.text)
        assert found
        where = html.unescape(found[1])
        asked = parse_qs(urlsplit(where).query)
        assert where.startswith(f"{peer.issuer}/session/end?")
        assert asked["post_logout_redirect_uri"] == [f"{town.url}/signin"]
        page = await browser.get(where)
        assert page.status == 200, page.text  # the provider takes the hint and asks
        browser.cookies[urlsplit(town.url).netloc]["__Host-ilot"] = kept
        assert (await browser.get("/account")).status == 303


async def test_while_the_provider_is_away_local_accounts_enter_and_nobody_else(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        before, late = town.browser(), town.browser()
        await through_provider(before, "alice")
        back = await sign_in_there(late, await go_to_provider(late), "alice")
        peer.stop()
        assert (await late.get(back)).status == 503
        assert not late.cookie("__Host-ilot")
        town.now[0] += 3700  # what was discovered is forgotten, and Alice's session with it
        fresh = town.browser()
        answer = await fresh.get("/signin/provider")
        assert answer.status == 503
        assert 'name="password"' in answer.text  # the way of local accounts stands on the same page
        assert not fresh.cookie("__Host-ilot")
        glass = await town.enter("anne")
        assert (await glass.get("/account")).status == 200
        await glass.post("/signout", {})
        assert (await glass.post("/signin", {"name": "anne", "password": PASSWORD})).status == 303
        signed = [one for one in await town.lines() if one.what == "people.signed-in" and one.who == "anne"]
        assert '"break_glass":true' in signed[-1].facts


async def test_a_session_outlives_a_provider_that_goes_away(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        browser = town.browser()
        await through_provider(browser, "alice")
        peer.stop()
        assert (await browser.get("/account")).status == 200


async def test_another_role_at_the_provider_ends_the_sessions_of_the_former_one(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        former = town.browser()
        await through_provider(former, "alice")
        one = '{ claim = "realm_access.roles", value = "ilot-head-waste", role = "crew", services = ["waste"] }'
        peer.settings(rules=one)
        later = town.browser()
        assert (await through_provider(later, "alice")).status == 200
        assert (await former.get("/account")).status == 303
        assert (await later.get("/account")).status == 200


async def test_a_provider_that_changed_its_keys_is_understood_a_minute_later(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        await through_provider(town.browser(), "alice")
        peer.stop()
        peer.start()
        town.now[0] += 61
        assert (await through_provider(town.browser(), "alice")).status == 200


async def test_coming_back_twice_enters_once(town: Town) -> None:
    with provider(town, "keycloak"):
        browser = town.browser()
        back = await sign_in_there(browser, await go_to_provider(browser), "alice")
        site = urlsplit(town.url).netloc
        kept = browser.cookie("__Host-ilot-oidc")
        assert (await browser.get(back)).status == 200
        thief = town.browser()
        thief.cookies[site] = {"__Host-ilot-oidc": kept}
        assert (await thief.get(back)).status == 403
        assert not thief.cookie("__Host-ilot")


async def test_a_code_that_another_browser_began_enters_nobody(town: Town) -> None:
    with provider(town, "keycloak"):
        attacker, victim = town.browser(), town.browser()
        back = await sign_in_there(attacker, await go_to_provider(attacker), "alice")
        assert (await victim.get(back)).status == 403  # began nothing
        await go_to_provider(victim)
        assert (await victim.get(back)).status == 403  # began another one
        assert not victim.cookie("__Host-ilot")


async def test_a_sign_in_that_was_begun_too_long_ago_is_refused(town: Town) -> None:
    with provider(town, "keycloak"):
        browser = town.browser()
        back = await sign_in_there(browser, await go_to_provider(browser), "alice")
        town.now[0] += 601
        assert (await browser.get(back)).status == 403


async def test_the_page_that_somebody_came_for_is_never_on_another_site(town: Town) -> None:
    with provider(town, "keycloak"):
        for evil in ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/\t/evil"):
            browser = town.browser()
            answer = await through_provider(browser, "alice", to=quote(evil, safe=""))
            assert answer.status == 200
            assert 'content="0;url=/"' in answer.text, evil


async def test_the_address_that_the_providers_file_gives_is_a_name_of_the_server(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        browser = town.browser()
        assert (await browser.get("/signin", Host="ilot.example.fr")).status == 421
        peer.settings(url="https://ilot.example.fr")
        assert (await browser.get("/signin", Host="ilot.example.fr")).status == 200
        assert (await browser.get("/signin", Host="ilot.example.fr:8444")).status == 421
        assert (await browser.get("/signin", Host="other.example.fr")).status == 421
