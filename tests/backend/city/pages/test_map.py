"""The map's data, lists and pages: what of the town each viewer is given."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pages_kit import Sensor, alert, raise_alerts, told_inside, told_things
from people_kit import Browser, Town

from backend.city.pages.live import live_of
from backend.city.people.viewer import CLASSES, Role, Scope
from backend.storage.city import map as tables

pytestmark = pytest.mark.real("network")

Enter = Callable[..., Awaitable[Browser]]
BINS = Scope(services=frozenset({"proprete"}))
PUBLIC = Scope(classes=frozenset({"public"}))
INTERNAL = Scope(classes=frozenset({"public", "internal"}))


async def columns(browser: Browser) -> dict[str, Any]:
    """Return the map's things as its script reads them: numbers, positions, layers, states, flags."""
    answer, rest = await browser.get("/map/things"), await browser.get("/map/exact")
    assert (answer.status, rest.status) == (200, 200), answer.text
    told, inside = told_things(answer.body), told_inside(rest.body)
    assert list(inside) == told.n
    return {
        "n": told.n, "layer": told.layer, "state": told.state, "flag": told.flag, "tag": answer.headers["ETag"],
        "lat": [lat * 16 + inside[n][0] - 9_000_000 for n, lat in zip(told.n, told.lat, strict=True)],
        "lon": [lon * 16 + inside[n][1] - 18_000_000 for n, lon in zip(told.n, told.lon, strict=True)],
    }  # fmt: skip


async def numbers(town: Town, condition: str) -> set[int]:
    rows = await town.city.store.read(lambda r: r.rows(f"select id from things where {condition}"))
    return {int(number) for (number,) in rows}


async def test_the_map_holds_every_thing_with_its_place_layer_and_state(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    told = await columns(await enter())
    assert set(told["n"]) == await numbers(town, "1 = 1")
    at = dict(zip(told["n"], zip(told["lat"], told["lon"], told["layer"], told["state"], strict=True), strict=True))
    for number, one in enumerate(things, 1):
        state = "silent" if one.status == "silent" else "ok"
        assert at[number] == (round(one.lat * 1e5), round(one.lon * 1e5), one.layer, state)


async def test_what_is_unchanged_is_not_sent_again(town: Town, enter: Enter, things: list[Sensor]) -> None:
    browser = await enter()
    tag = (await columns(browser))["tag"]
    assert (await browser.get("/map/things", **{"If-None-Match": tag})).status == 304
    await raise_alerts(town.city, [alert(things[0].hub, things[0].device, town.now[0])])
    await live_of(town.city).renew()
    assert (await browser.get("/map/things", **{"If-None-Match": tag})).status == 200


async def test_a_crew_is_given_its_own_service_alone_everywhere(town: Town, enter: Enter, things: list[Sensor]) -> None:
    await raise_alerts(town.city, [alert(one.hub, one.device, town.now[0]) for one in things])
    crew = await enter(Role.CREW, BINS)
    mine, others = await numbers(town, "service = 'proprete'"), await numbers(town, "service <> 'proprete'")
    assert set((await columns(crew))["n"]) == mine
    asked = ",".join(map(str, sorted(mine | others)))
    named = json.loads((await crew.get(f"/map/names?n={asked}")).text)["names"]
    assert {number for number, _ in named} == mine
    found = json.loads((await crew.get("/map/find?q=rue")).text)
    assert {one[0] for one in found["found"]} <= mine
    foreign = next(one for one in things if one.service != "proprete")
    for path in (
        f"/map/things/{min(others)}", f"/things/{foreign.hub}/{foreign.device}", "/sites/site-2",
        f"/history/data?series={foreign.hub}/{foreign.device}/pm25",
        f"/history.csv?series={foreign.hub}/{foreign.device}/pm25",
    ):  # fmt: skip
        assert (await crew.get(path)).status == 404, path
    listed = (await crew.get("/things?size=200")).text
    for one in things:
        assert (f"/things/{one.hub}/{one.device}" in listed) == (one.service == "proprete")


async def test_a_provider_is_given_its_own_devices_alone(town: Town, enter: Enter) -> None:
    provider = await enter(Role.PROVIDER, Scope(provider="acme"))
    assert set((await columns(provider))["n"]) == await numbers(town, "provider = 'acme'")
    assert (await provider.get("/hubs")).status == 403


async def test_an_elected_person_is_given_sums_and_no_single_thing(town: Town, enter: Enter) -> None:
    elected = await enter(Role.ELECTED, INTERNAL)
    page = await elected.get("/")
    assert page.status == 200
    assert "map.js" not in page.text
    for path in (
        "/map/things",
        "/map/exact",
        "/map/names?n=1",
        "/map/find?q=rue",
        "/things",
        "/sites",
        "/history",
        "/hubs",
        "/gaps",
    ):
        assert (await elected.get(path)).status == 403, path


@pytest.mark.parametrize("scope", [INTERNAL, Scope(classes=frozenset({"public", "internal", "personal"})), PUBLIC])
async def test_a_moving_thing_is_shown_by_its_privacy_class(
    town: Town, enter: Enter, things: list[Sensor], scope: Scope
) -> None:
    told = await columns(await enter(Role.OPERATOR, scope))
    at = dict(zip(told["n"], zip(told["lat"], told["lon"], told["flag"], strict=True), strict=True))
    for number, one in enumerate(things, 1):
        if one.privacy not in scope.classes:
            assert number not in at
        elif one.mobile:
            exact = one.privacy == "public" or "personal" in scope.classes
            lat, lon, flag = at[number]
            assert flag & 1 == (not exact)
            if exact:
                assert (lat, lon) == (round(one.lat * 1e5), round(one.lon * 1e5))
            else:
                assert lat % 1000 == 500
                assert lon % 1000 == 500
                assert abs(lat / 1e5 - one.lat) <= 0.0051


async def test_two_places_of_one_neighbourhood_look_the_same_to_who_may_not_see_persons(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    moving = next(n for n, one in enumerate(things, 1) if one.mobile and one.privacy == "internal")
    browser = await enter(Role.OPERATOR, INTERNAL)
    seen = set()
    for lat in (48.1201, 48.1255, 48.1299):
        await town.city.store.write(lambda t, lat=lat: t.run("update things set lat = ? where id = ?", lat, moving))
        await live_of(town.city).renew()
        told = await columns(browser)
        seen.add(dict(zip(told["n"], told["lat"], strict=True))[moving])
    assert seen == {4812500}


async def test_alerts_are_on_the_map_by_their_worst_and_go_with_them(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    one = things[0]
    await raise_alerts(
        town.city,
        [alert(one.hub, one.device, town.now[0], severity=name) for name in ("info", "critical", "warning")],
    )
    await live_of(town.city).renew()
    browser = await enter()
    told = await columns(browser)
    assert dict(zip(told["n"], told["state"], strict=True))[1] == "critical"
    page = (await browser.get(f"/things/{one.hub}/{one.device}?lang=fr")).text
    assert page.count("Conteneur plein") == 3
    listed = (await browser.get("/things?state=critical")).text
    assert re.findall(r'href="(/things/[^"?]+)"', listed) == [f"/things/{one.hub}/{one.device}"]


async def test_search_finds_without_accents_and_by_the_site_and_its_address(town: Town, enter: Enter) -> None:
    browser = await enter()
    found = json.loads((await browser.get("/map/find?q=HOTEL de")).text)
    assert [one[1] for one in found["found"]] == ["Conteneur de l'hôtel de ville"]
    by_site = json.loads((await browser.get("/map/find?q=ecole lices")).text)["found"]
    assert by_site
    assert all("École" in one[2] for one in by_site)
    assert json.loads((await browser.get("/map/find?q=%25_")).text)["found"] == []


async def test_a_list_is_paged_filtered_and_says_values(town: Town, enter: Enter) -> None:
    browser = await enter()
    page = (await browser.get("/things?layer=waste&size=2&page=2&lang=en")).text
    assert len(re.findall(r'<th scope="row"', page)) == 2
    assert "Page 2 of 2" in page
    assert "Fill level" in page
    assert (await browser.get("/things?layer=<script>&q=<script>")).status == 200


async def test_series_are_seen_by_the_class_that_hubs_tell_and_that_of_their_thing(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    of = {one: next(n for n, thing in enumerate(things, 1) if thing.privacy == one) for one in ("internal", "public")}
    for number in of.values():
        await town.city.store.write(
            lambda t, n=number: t.run(
                "insert into thing_series values (?, ?, 'occupancy', '', ?, 'flag', '', '', 'personal')",
                t.next("series"), n, f"more-{n}",
            )
        )  # fmt: skip

    async def seen(scope: Scope) -> dict[str, int]:
        rows = await town.city.store.read(lambda r: tables.series_of(r, scope, list(of.values())))
        return {key: sum(row.thing == number for row in rows) for key, number in of.items()}

    assert await seen(Scope(classes=CLASSES)) == {"internal": 2, "public": 2}
    assert await seen(INTERNAL) == {"internal": 1, "public": 2}  # declared public, all of it is
    assert await seen(PUBLIC) == {"internal": 0, "public": 2}


async def test_who_may_not_list_devices_is_offered_no_search_and_told_whom_to_ask(town: Town, enter: Enter) -> None:
    elected = await enter(Role.ELECTED, INTERNAL)
    assert 'action="/things"' not in (await elected.get("/?lang=en")).text
    refused = await elected.get("/things?lang=en")
    assert refused.status == 403
    assert "Your role does not allow this. If you need this page, ask an administrator." in refused.text


async def test_a_text_of_a_device_is_no_markup(town: Town, enter: Enter) -> None:
    evil = "<img src=x onerror=alert(1)>"
    await town.city.store.write(lambda t: t.run("update things set name = ? where id = 1", evil))
    await live_of(town.city).renew()
    browser = await enter()
    for path in ("/things", "/things/hub-0/dev-0", "/gaps"):
        assert evil not in (await browser.get(path)).text


async def test_sectors_are_told_as_geojson(town: Town, enter: Enter) -> None:
    told = json.loads((await (await enter()).get("/map/sectors")).text)
    assert [one["properties"]["name"] for one in told["features"]] == ["Centre", "Nord"]
    assert told["features"][0]["geometry"]["type"] == "Polygon"


async def test_the_script_of_a_page_hears_how_long_the_session_lasts_and_makes_it_last(
    town: Town, enter: Enter
) -> None:
    browser = await enter()
    csrf = await browser.form_token("/account")
    town.now[0] += 1800
    told = json.loads((await browser.get("/api/1/session")).text)
    assert told["csrf"] == csrf
    assert 1700 < told["left_s"] < 1850
    again = {"X-CSRF": csrf, "Sec-Fetch-Site": "same-origin", "Origin": town.url}
    assert (await browser.ask("POST", "/api/1/session", headers=again)).status == 200
    assert json.loads((await browser.get("/api/1/session")).text)["left_s"] > 3500
    assert (await browser.ask("POST", "/api/1/session", headers={"Sec-Fetch-Site": "same-origin"})).status == 403
    assert (await town.browser().get("/api/1/session", Accept="application/json")).status == 401
