"""Tokens of programs: what they are for, how much they may ask, and what they never see."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from aiohttp import web

from backend.city.city import City
from backend.city.people import accounts, tokens
from backend.city.people.viewer import Role, Scope, Viewer, needs, viewer_of
from backend.city.server import ROOMS, Room
from backend.city.store import CityStore
from backend.storage.city import people as table
from backend.storage.city.database import CityDatabase
from hub.page_kit.refusals import Refused

from .people_kit import PASSWORD, Browser, Town, served


async def who_asks(request: web.Request) -> web.Response:
    viewer = viewer_of(request)
    return web.json_response({"id": viewer.id, "role": viewer.role, "services": sorted(viewer.scope.services or ())})


def _route(router: web.UrlDispatcher, city: City) -> None:
    router.add_get("/open/me", needs(Role.HEAD, Role.PROVIDER, use="open")(who_asks))


@pytest.fixture
async def town(city: City, tmp_path: object):  # type: ignore[no-untyped-def]
    async with served(city, tmp_path / "tls", (*ROOMS, Room("me", _route))) as found:  # type: ignore[operator]
        yield found


async def ask(town: Town, token: str, path: str = "/open/me") -> tuple[int, str]:
    answer = await town.browser().ask("GET", path, headers={"Authorization": f"Bearer {token}"})
    return answer.status, answer.text


async def make(browser: Browser, **form: object) -> str:
    """Make a token on the page; return it."""
    sent = {"name": "a program", "use": ["open"], "days": "90", "quota": "1000", **form}
    answer = await browser.post("/tokens", sent)
    found = re.search(r"ilotc_[0-9a-f]{12}_[\w-]{43}", answer.text)
    assert found, (answer.status, answer.text)
    return found[0]


def secret_of(token: str) -> str:
    """The part that nobody may know. It may hold underscores."""
    return token.split("_", 2)[2]


@pytest.mark.real("network")
async def test_a_token_is_shown_once_and_sees_what_its_maker_sees(town: Town) -> None:
    head = await town.enter("rose", Role.HEAD, Scope(services=frozenset({"waste"})))
    token = await make(head)
    assert token not in (await head.get("/tokens")).text
    status, text = await ask(town, token)
    assert (status, '"services": ["waste"]' in text, '"id": "token:' in text) == (200, True, True)
    rows = await town.city.store.read(table.tokens)
    assert secret_of(token) not in repr(rows)


@pytest.mark.real("network")
async def test_a_wrong_an_expired_a_revoked_token_and_one_for_another_use_are_refused(town: Town) -> None:
    head = await town.enter("rose", Role.HEAD)
    token = await make(head, days="2")
    for wrong in (
        "", "x", token[:-1], f"{token}x", token[:-1] + ("A" if token[-1] != "A" else "B"),
        token.replace("ilotc_", "ilotc_0"), f"ilotc_{'0' * 12}_{secret_of(token)}",
    ):  # fmt: skip
        assert (await ask(town, wrong))[0] == 401, wrong
    assert (await ask(town, await make(head, use=["feeds"])))[0] == 401
    assert (await ask(town, token, "/account"))[0] == 401  # pages are for people
    assert (await ask(town, token, "/people"))[0] == 401
    town.now[0] += 2 * 86_400
    assert (await ask(town, token))[0] == 401
    assert (await head.post("/signin", {"name": "rose", "password": PASSWORD})).status == 303
    other = await make(head)
    assert (await head.post("/tokens/revoke", {"id": other.split("_")[1]})).status == 303
    assert (await ask(town, other))[0] == 401


@pytest.mark.real("network")
async def test_a_token_ends_with_its_maker_and_shrinks_with_them(town: Town) -> None:
    admin = await town.enter("anne")
    head = await town.enter("rose", Role.HEAD, Scope(services=frozenset({"waste", "roads"})))
    token = await make(head)
    csrf = await admin.form_token("/people")
    fewer = {"role": "head", "services": "roads", "sectors": "", "provider": ""}
    assert (await admin.post("/people/rose/role", fewer, csrf=csrf)).status == 303
    assert '"services": ["roads"]' in (await ask(town, token))[1]
    await admin.post("/people/rose/role", {**fewer, "role": "crew"}, csrf=csrf)
    status, text = await ask(town, token)
    assert (status, text.count("roads")) == (200, 0)  # of a role that its maker has no more: it sees nothing
    await admin.post("/people/rose/disable", {}, csrf=csrf)
    assert (await ask(town, token))[0] == 401


@pytest.mark.real("network")
async def test_nobody_makes_a_token_that_sees_more_than_they_do(town: Town) -> None:
    head = await town.enter("rose", Role.HEAD, Scope(services=frozenset({"waste"})))
    token = await make(head, role="admin", services="roads", classes=["personal"])
    assert '"role": "head"' in (await ask(town, token))[1]
    assert '"services": ["waste"]' in (await ask(town, token))[1]
    viewer = Viewer("rose", "Rose", Role.HEAD, Scope(services=frozenset({"waste"})))
    with pytest.raises(Refused):
        await town.city.store.write(lambda t: tokens.make(t, viewer, "x", ["open"], 0, role=Role.ADMIN))
    wide = Scope(classes=frozenset({"public", "internal", "personal"}))
    made = await town.city.store.write(lambda t: tokens.make(t, viewer, "y", ["open"], town.now[0], scope=wide))
    row = await town.city.store.read(lambda r: tokens.holder(r, made, "open", town.now[0]))
    assert row.viewer.scope == viewer.scope


@pytest.mark.real("network")
async def test_a_token_of_a_provider_sees_its_devices_alone(town: Town) -> None:
    admin = await town.enter("anne")
    token = await make(admin, role="provider", provider="acme")
    assert '"role": "provider"' in (await ask(town, token))[1]
    answer = await admin.post("/tokens", {"name": "p", "use": ["open"], "days": "1", "quota": "1", "role": "provider"})
    assert answer.status == 422  # without a provider's name it would see everything


async def test_a_quota_is_what_all_processes_answer_together(
    city: City, open_again: Callable[[], CityDatabase]
) -> None:
    admin = Viewer("anne", "Anne", Role.ADMIN, Scope())
    now, quota = 1000 * 3600.0, 100

    def begin(t: object) -> str:
        accounts.add(t, "test", "anne", Role.ADMIN, Scope(), b"code", now)  # type: ignore[arg-type]
        return tokens.make(t, admin, "p", ["open"], now, quota=quota)  # type: ignore[arg-type]

    text = await city.store.write(begin)
    stores = [CityStore(open_again()) for _ in range(3)]

    async def process(store: CityStore, at: float) -> int:
        quotas, answered = tokens.Quotas(), 0
        row = (await store.read(lambda r: tokens.holder(r, text, "open", at))).token
        for _ in range(80):
            if not quotas.take(row, at):
                try:
                    await store.write(lambda t: quotas.fetch(t, row, at))
                except tokens.QuotaSpent:
                    continue
            answered += 1
        return answered

    counts = await asyncio.gather(*(process(store, now + 5) for store in stores))
    assert sum(counts) == quota
    assert sum(await asyncio.gather(*(process(store, now + 3600) for store in stores))) == quota
    for store in stores:
        await store.close()


@pytest.mark.real("network")
async def test_a_token_that_asks_too_much_is_told_when_to_come_again(town: Town) -> None:
    head = await town.enter("rose", Role.HEAD)
    token = await make(head, quota="3")
    assert [(await ask(town, token))[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    answer = await town.browser().ask("GET", "/open/me", headers={"Authorization": f"Bearer {token}"})
    assert 0 < int(answer.headers["Retry-After"]) <= 3600


@pytest.mark.real("network")
async def test_whoever_makes_no_tokens_cannot_revoke_another_ones(town: Town) -> None:
    token = await make(await town.enter("rose", Role.HEAD))
    other = await town.enter("paul", Role.HEAD)
    assert "a program" not in (await other.get("/tokens")).text
    assert (await other.post("/tokens/revoke", {"id": token.split("_")[1]})).status == 422
    assert (await ask(town, token))[0] == 200
