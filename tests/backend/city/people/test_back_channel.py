"""Sign-out that an independent provider says to the city itself, and tokens that are no such word."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import KeySet

from backend.city.people.oidc import back_channel, checks
from backend.city.people.oidc.checks import LOGOUT_EVENT, MOST_TOKEN, SignInRefused
from backend.city.store import CityStore
from backend.storage.city import people as table
from backend.storage.city.database import CityDatabase
from backend.storage.city.people import Person, SessionRow
from hub.page_kit.people.throttle import HOUR, STRANGERS

from ..waiting import until
from .people_kit import (
    SECRET,
    Answer,
    Browser,
    Town,
    go_to_provider,
    provider,
    served,
    sign_in_there,
    sign_out_there,
    through_provider,
)
from .test_hostile_provider import KEY, LOCKS, OTHER, STRANGE, Claims, Hostile, hostile, shared, signed, unsigned

PATH = "/signin/backchannel"


@pytest.fixture
def city_address(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """One engine, but where a test asks for both: what the provider says does not depend on it."""
    return tmp_path / "owner" / "backend.db"


async def is_in(browser: Browser) -> bool:
    return (await browser.get("/account")).status == 200


@pytest.mark.real("clock, network, processes")
@pytest.mark.parametrize("names_session", [True, False])
async def test_a_sign_out_at_the_provider_ends_the_session_in_every_process(
    town: Town, tmp_path: Path, open_again: Callable[[], CityDatabase], names_session: bool
) -> None:
    other_process = replace(town.city, store=CityStore(open_again()))
    with provider(town, "keycloak", names_session=names_session) as peer:
        async with served(other_process, tmp_path / "other") as other:
            browser, local = town.browser(), await town.enter("anne")
            await through_provider(browser, "alice")
            there = other.browser()
            there.cookies[urlsplit(other.url).netloc] = {"__Host-ilot": browser.cookie("__Host-ilot")}
            assert await is_in(browser)
            assert await is_in(there)
            await sign_out_there(browser, peer.issuer)
            assert not await is_in(there)
            assert not await is_in(browser)
            assert await is_in(local)
        ended = [one for one in await town.lines() if one.what == "people.provider-ended"]
        assert [(one.who, one.object, '"count":1' in one.facts) for one in ended] == [("system", "sso-2", True)]
        assert (town.directory / "provider.log").read_text().count("logout token") == 0
        await other_process.store.close()


@pytest.mark.real("clock, network, processes")
async def test_another_session_of_the_same_person_goes_on(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        office, phone = town.browser(), town.browser()
        await through_provider(office, "alice")
        await through_provider(phone, "alice")
        await sign_out_there(office, peer.issuer)
        assert not await is_in(office)
        assert await is_in(phone)


@pytest.mark.real("clock, network, processes")
async def test_without_a_name_of_the_session_all_of_the_person_end(town: Town) -> None:
    with provider(town, "keycloak", names_session=False) as peer:
        office, phone = town.browser(), town.browser()
        await through_provider(office, "alice")
        await through_provider(phone, "alice")
        await sign_out_there(office, peer.issuer)
        assert not await is_in(office)
        assert not await is_in(phone)


@pytest.mark.real("clock, network, processes")
async def test_signing_out_here_leads_to_the_provider_whose_token_then_finds_nothing_left(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        browser = town.browser()
        await through_provider(browser, "alice")
        assert (await browser.post("/signout", {})).status == 200
        await sign_out_there(browser, peer.issuer)
        assert (town.directory / "provider.log").read_text().count("logout token") == 0  # it had its 200
        assert not [one for one in await town.lines() if one.what == "people.provider-ended"]


@pytest.mark.real("network")
async def test_a_sign_in_that_is_still_on_its_way_when_its_session_ends_enters_nobody(town: Town) -> None:
    async with hostile(town) as found:
        found.token = lambda claims: signed({**claims, "sid": "office"})
        late = town.browser()
        left = await late.get("/signin/provider")
        assert (await send(town, signed(word(found, sid="office")))).status == 200
        answer = await back(late, found, left)
        assert (answer.status, late.cookie("__Host-ilot")) == (403, "")


@pytest.mark.real("network, processes")
async def test_a_provider_that_is_away_is_told_that_its_word_was_not_heard(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        browser = town.browser()
        await through_provider(browser, "alice")
        peer.stop()
        town.now[0] += 3500  # keys are too old to be believed by themselves soon, and the session is not over
        await browser.get("/account")
        town.now[0] += 200
        answer = await send(town, signed({"iss": peer.issuer}))
        assert answer.status == 400
        assert "temporarily_unavailable" in answer.text
        assert await is_in(browser)


@pytest.mark.real("network")
async def test_without_a_provider_there_is_nobody_to_sign_people_out(town: Town) -> None:
    assert (await send(town, unsigned({}))).status == 404
    assert await town.lines() == []


def word(found: Hostile, **changed: Any) -> Claims:
    """Return the claims of a right logout token, with changes; None takes one away."""
    now = int(found.clock())
    claims = {
        "iss": found.issuer, "aud": "ilot", "iat": now, "exp": now + 120, "jti": secrets.token_hex(8), "sub": "alice",
        "events": {LOGOUT_EVENT: {}}, **changed,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


async def send(town: Town, token: str, **more: Any) -> Answer:
    """Send a logout token as a provider does: no cookie, no token of a form."""
    return await town.browser().ask("POST", PATH, **(more or {"data": {"logout_token": token}}))


async def back(browser: Browser, found: Hostile, left: Answer) -> Answer:
    asked = dict(one.split("=", 1) for one in urlsplit(left.location).query.split("&"))
    found.nonce = asked["nonce"]
    return await browser.get(f"/signin/callback?code=c&state={asked['state']}")


async def enter(town: Town, found: Hostile, **claims: Any) -> Browser:
    """Sign in by the provider with further claims."""
    browser = town.browser()
    found.token = lambda plain: signed({**plain, **claims})
    answer = await back(browser, found, await browser.get("/signin/provider"))
    assert answer.status == 200, answer.text
    return browser


@pytest.mark.real("network")
async def test_a_right_token_ends_what_it_names_and_nothing_else(town: Town) -> None:
    async with hostile(town) as found:
        office, phone = await enter(town, found, sid="office"), await enter(town, found, sid="phone")
        unnamed = await enter(town, found)
        for claims in (
            word(found, sid="elsewhere", sub=None), word(found, sid="phone", sub="bob"), word(found, sub="bob"),
        ):  # fmt: skip
            assert (await send(town, signed(claims))).status == 200
            assert [await is_in(one) for one in (office, phone, unnamed)] == [True, True, True], claims
        answer = await send(town, signed(word(found, sid="phone", sub=None), typ="logout+jwt"))
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
        assert [await is_in(one) for one in (office, phone, unnamed)] == [True, False, True]
        # which session of the provider's began the unnamed one is not known, so that it ends with the person's
        assert (await send(town, signed(word(found, sid="gone")))).status == 200
        assert [await is_in(one) for one in (office, unnamed)] == [True, False]
        assert (await send(town, signed(word(found)))).status == 200
        assert not await is_in(office)


def but(**changed: Any) -> Callable[[Hostile], str]:
    return lambda found: signed(word(found, **changed))


def by(make: Callable[..., str], *more: Any, **header: Any) -> Callable[[Hostile], str]:
    return lambda found: make(word(found), *more, **header)


def later(**changed: int) -> Callable[[Hostile], str]:
    return lambda found: signed(word(found, **{name: int(found.clock()) + by for name, by in changed.items()}))


BROKEN: dict[str, Callable[[Hostile], str]] = {
    "no signature": by(unsigned),
    "no signature, in other letters": by(unsigned, "NoNe"),
    "the client's secret as key": by(shared, SECRET.encode()),
    "the public key as secret": by(shared, KEY.as_pem(private=False)),
    "another key of the same name": by(signed, OTHER),
    "an unknown key": by(signed, STRANGE),
    "its own key beside it": by(signed, OTHER, jwk=OTHER.as_dict(private=False)),
    "a key for locking": by(signed, LOCKS),
    "locked": lambda found: jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A128GCM"}, b"{}", LOCKS),
    "an access token": by(signed, typ="at+jwt"),
    "another audience": but(aud="another"),
    "no audience": but(aud=None),
    "several audiences, given to another": but(aud=["ilot", "another"], azp="another"),
    "another issuer": but(iss="https://evil.example"),
    "no issuer": but(iss=None),
    "a nonce": but(nonce="n" * 43),
    "an empty nonce": but(nonce=""),
    "an identity token": lambda found: signed(found.claims),
    "no event": but(events=None),
    "another event": but(events={"http://schemas.openid.net/event/other": {}}),
    "an event that is text": but(events={LOGOUT_EVENT: "yes"}),
    "events in a list": but(events=[LOGOUT_EVENT]),
    "made long ago": later(iat=-400),
    "made in the future": later(iat=400),
    "no time": but(iat=None),
    "a time that is true": but(iat=True),
    "expired": later(exp=-61),
    "no end": but(exp=None),
    "no name": but(jti=None),
    "a long name": but(jti="x" * 300),
    "nobody": but(sub=None),
    "nobody's name": but(sub=""),
    "a session that is a list": but(sid=["office"]),
    "a session of nobody's length": but(sid="x" * 300),
    "no token": lambda found: "abc",
    "too long": but(pad="x" * MOST_TOKEN),
    "huge": but(pad="x" * 500_000),
}  # fmt: skip


@pytest.mark.real("network")
async def test_a_token_that_breaks_a_rule_ends_nothing_and_stands_in_the_journal(town: Town) -> None:
    async with hostile(town) as found:
        browser = await enter(town, found, sid="office")
        for what, broken in BROKEN.items():
            answer = await send(town, broken(found))
            assert answer.status == 400, (what, answer.text)
            assert (await town.lines())[-1].what == "people.logout-refused", what
        assert await is_in(browser)


@pytest.mark.real("network")
async def test_a_request_that_is_no_form_with_one_token_is_refused(town: Town) -> None:
    async with hostile(town) as found:
        browser, right = await enter(town, found), signed(word(found))
        json, twice = {"json": {"logout_token": right}}, f"logout_token={right}&logout_token={right}"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for more in (
            json, {"data": twice, "headers": form}, {"data": b"\xff\xfe", "headers": form}, {"data": {"token": right}},
            {"data": b"", "headers": form}, {"data": "a=1&" * 50 + f"logout_token={right}", "headers": form},
        ):  # fmt: skip
            assert (await send(town, right, **more)).status == 400, more
        assert (await town.browser().ask("GET", f"{PATH}?logout_token={right}")).status == 405
        assert await is_in(browser)
        assert (await send(town, right)).status == 200


@pytest.mark.real("network")
async def test_a_token_is_obeyed_once(town: Town) -> None:
    async with hostile(town) as found:
        token = signed(word(found))
        assert (await send(town, token)).status == 200
        again = await enter(town, found)
        town.now[0] += 100  # until it is too old by itself
        assert (await send(town, token)).status == 400
        assert await is_in(again)


@pytest.mark.real("network")
async def test_of_many_copies_that_come_at_once_one_is_obeyed(town: Town) -> None:
    async with hostile(town) as found:
        await enter(town, found)
        token = signed(word(found))
        answers = await asyncio.gather(*(send(town, token) for _ in range(12)))
        assert sorted(one.status for one in answers) == [200] + [400] * 11


@pytest.mark.real("network")
async def test_strangers_fill_no_journal_and_keep_the_provider_from_nothing(town: Town) -> None:
    async with hostile(town) as found:
        browser = await enter(town, found)
        statuses = [(await send(town, "abc")).status for _ in range(STRANGERS + 20)]
        assert statuses == [400] * STRANGERS + [429] * 20
        refused = [one for one in await town.lines() if one.what == "people.logout-refused"]
        assert len(refused) == STRANGERS
        assert 0 < int((await send(town, "abc")).headers["Retry-After"]) <= HOUR
        assert (await town.browser().post("/signin", {"name": "nobody", "password": "x"})).status == 422
        assert (await send(town, signed(word(found)))).status == 200
        assert not await is_in(browser)
        town.now[0] += HOUR + 1
        assert (await send(town, "abc")).status == 400
        assert '"unnoted":21' in (await town.lines())[-1].facts


@pytest.mark.real("network")
async def test_requests_that_come_slowly_take_no_places(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_channel, "BODY_S", 3.0)  # also of the one whose body comes at once
    begun = 0

    async def slow() -> Any:
        nonlocal begun
        begun += 1
        yield b"logout_token="
        await asyncio.sleep(60)

    async with hostile(town) as found:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        waiting = [asyncio.create_task(send(town, "", data=slow(), headers=headers)) for _ in range(20)]
        await until(lambda: begun == len(waiting), "all of them send")
        assert (await send(town, signed(word(found)))).status == 200
        for one in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(one, aiohttp.ClientError) or one.status in (400, 429), one


@pytest.mark.real("network")
async def test_tokens_by_unknown_keys_make_the_provider_say_its_keys_once_a_minute(town: Town) -> None:
    async with hostile(town) as found:
        await enter(town, found)
        town.now[0] += 61
        asked: list[str] = []
        shown = found.keys
        found.keys = _Counted(shown, asked)
        await asyncio.gather(*(send(town, signed(word(found), STRANGE)) for _ in range(10)))
        assert asked == ["keys"]


class _Counted(list[Any]):
    """Keys that count how often they are shown."""

    def __init__(self, keys: list[Any], asked: list[str]) -> None:
        super().__init__(keys)
        self._asked = asked

    def __iter__(self) -> Any:
        self._asked.append("keys")
        return super().__iter__()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_either_engine_ends_the_same_sessions(request: pytest.FixtureRequest, tmp_path: Path, engine: str) -> None:
    from backend.storage.city.database import open_city

    from ..conftest import empty_city

    address: Path | str = tmp_path / "backend.db"
    if engine == "postgresql":
        address = str(request.getfixturevalue("postgres_url"))
        empty_city(address)
    with closing(open_city(tmp_path, address)) as database, database.transaction() as t:
        whom = (("https://a", "alice"), ("https://a", "bob"), ("https://b", "alice"))
        for n, (issuer, subject) in enumerate(whom, 1):
            table.put_person(t, Person(n, f"sso-{n}", "", issuer, subject, "head", "{}", "fr", None, None, 0.0, False,
                                       0.0, 0.0))  # fmt: skip
            for sid in ("one", "two", ""):
                digest = f"{n}{sid}".encode()
                table.add_session(t, SessionRow(digest, n, b"m", 1.0, 1.0, False, "", "", sid))
        assert table.end_sessions_of_provider(t, "https://a", "", "one") == [("sso-1", 1), ("sso-2", 1)]
        assert table.end_sessions_of_provider(t, "https://a", "alice", "two") == [("sso-1", 2)]
        assert table.end_sessions_of_provider(t, "https://a", "bob", "") == [("sso-2", 2)]
        assert table.end_sessions_of_provider(t, "https://a", "bob", "") == []
        assert {one.person for one in table.sessions(t)} == {3}


KEYS = KeySet.import_key_set({"keys": [KEY.as_dict(private=False)]})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "aud", "azp", "iat", "exp", "jti", "sub", "sid", "events", "nonce", "typ"])


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(SignInRefused):
        checks.logout(token, KEYS, issuer="https://a", client="ilot", now=1000.0)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_claims_that_the_provider_signed_are_a_logout_or_refused(changed: dict[str, Any]) -> None:
    plain = {"iss": "https://a", "aud": "ilot", "iat": 990, "exp": 1100, "jti": "j", "sub": "alice",
             "events": {LOGOUT_EVENT: {}}}  # fmt: skip
    claims = {**plain, **changed}
    read = partial(checks.logout, keys=KEYS, issuer="https://a", client="ilot", now=1000.0)
    try:
        said = read(signed(claims))
    except SignInRefused:
        assert claims != plain
        return
    assert said.id
    assert said.subject or said.session
    assert "nonce" not in claims
    assert claims["iss"] == "https://a"


@pytest.mark.real("clock, network, processes")
async def test_another_way_in_of_a_browser_is_not_opened_by_it(town: Town) -> None:
    """The route looks at no cookie: a form of another site that posts to it signs nobody in or out."""
    with provider(town, "keycloak"):
        browser = town.browser()
        back_to = await sign_in_there(browser, await go_to_provider(browser), "alice")
        await browser.get(back_to)
        answer = await browser.ask("POST", PATH, data={"logout_token": "x"}, headers={"Origin": "https://evil.example"})
        assert answer.status == 400
        assert not browser.raw_cookies[-1:] or "__Host-ilot=" not in str(answer.headers.get("Set-Cookie", ""))
        assert await is_in(browser)
