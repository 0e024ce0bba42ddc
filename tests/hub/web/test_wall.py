"""A screen on a wall: what it shows, what follows what, and how it reads without anybody signed in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.model import Place
from hub.web.presentation.wall import Wall, wall
from hub.web.roles import LECTEUR
from hub.web.site import SCREEN_COOKIE

from .test_floors import put_plan
from .web_kit import Browser, Hub, Pages


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, Hub(many=8)) as pages:
        for number in range(8):
            pages.hub.hear(number, 20.0 + number)
        yield pages


def following(text: str) -> str:
    """The address of the next page."""
    [found] = re.findall(r'<main data-following="([^"]*)">', text)
    return str(found).replace("&amp;", "&")


def test_pages_of_places_are_followed_by_plans_and_those_by_places_again() -> None:
    every = Wall(20, "all")
    assert [every.after_places(page, 2, ["a", "b"]) for page in (1, 2)] == ["/wall?page=2", "/plan/wall?view=a"]
    assert [every.after_plan(view, ["a", "b"]) for view in "ab"] == ["/plan/wall?view=b", "/wall?page=1"]
    assert every.after_places(1, 1, []) == "/wall?page=1"
    assert Wall(60, "places").after_places(1, 1, ["a"]) == "/wall?page=1&turn=60&show=places"
    assert Wall(0, "plans").after_plan("b", ["a", "b"]) == "/plan/wall?view=a&turn=0&show=plans"


def test_the_seconds_of_a_page_are_bounded_and_what_is_no_wish_is_none() -> None:
    assert wall({}) == Wall(20, "all")
    assert [wall({"turn": text}).turn for text in ("0", "1", "90", "99999", "-3", "x", "9" * 400, "²")] == [
        0, 5, 90, 3600, 20, 20, 20, 20,
    ]  # fmt: skip
    assert wall({"zone": "a b"}).places(2) == "/wall?page=2&zone=a+b"
    assert [wall({"show": text}).show for text in ("plans", "places", "<b>", "")] == ["plans", "places", "all", "all"]


@pytest.mark.real("network")
async def test_a_wall_shows_large_tiles_without_a_menu_and_then_the_plan(pages: Pages) -> None:
    browser = await pages.claimed()
    await put_plan(pages, **{"salle-0": (0.25, 0.5)})
    status, first, _ = await browser.get("/wall?lang=fr&turn=30")
    assert status == 200
    assert "<nav" not in first
    assert len(re.findall(r'<li class="place', first)) == 6
    assert '<noscript><meta http-equiv="refresh" content="30;url=/wall?page=2&amp;turn=30"></noscript>' in first
    _, second, _ = await browser.get(following(first))
    assert len(re.findall(r'<li class="place', second)) == 2
    _, plan, _ = await browser.get(following(second))
    assert following(plan) == "/wall?page=1&turn=30"
    assert 'data-series="salle-0/temperature"' in plan
    assert "/plan/places/" not in plan, "nobody taps a wall"
    status, _, headers = await browser.get("/wall?show=plans")
    assert (status, headers["Location"]) == (303, "/plan/wall?view=ab12&show=plans")


async def screen(pages: Pages) -> tuple[Browser, Browser]:
    """The administrateur at the desk, and the browser that was left to the screen."""
    desk, left = await pages.claimed(), await pages.person("administrateur")
    assert (await left.post("/wall/keep", "/wall"))[0] == 303
    return desk, left


@pytest.mark.real("network")
async def test_a_screen_reads_its_pages_and_nothing_else_and_nobody_is_signed_in_there(pages: Pages) -> None:
    await put_plan(pages, **{"salle-0": (0.25, 0.5)})
    desk, left = await screen(pages)
    for path in ("/wall", "/plan/wall", "/plans/ab12"):
        async with left.session.get(pages.url + path) as answer:
            assert answer.status == 200, path
    text = (await left.get("/wall"))[1]
    assert "/wall/keep" not in text
    assert 'href="/"' not in text
    for path in ("/", "/plan", "/devices", "/tokens", "/api/1/devices", "/api/1/status", "/building"):
        assert (await left.get(path))[0] == 401, path
    headers = {"Origin": pages.url, "Sec-Fetch-Site": "same-origin"}
    assert (await left.ask("POST", "/wall/keep", headers=headers))[0] == 401
    async with left.session.get(f"{pages.url}/api/1/live") as stream:
        assert stream.status == 200
        assert b"event: clock" in await stream.content.readuntil(b"\n\n")
    [token] = (await desk.api("GET", "/tokens"))[1]["tokens"]
    assert (token["role"], token["by"]) == (LECTEUR, "web:p-administrateur")


@pytest.mark.real("network")
async def test_a_screen_whose_token_is_revoked_or_is_not_a_readers_shows_nothing(pages: Pages) -> None:
    desk, left = await screen(pages)
    [token] = (await desk.api("GET", "/tokens"))[1]["tokens"]
    assert (await desk.api("DELETE", f"/tokens/{token['id']}"))[0] == 200
    status, text, _ = await left.get("/wall")
    assert (status, "salle-" in text) == (401, False)
    fields = {"name": "x", "role": "administrateur", "days": 1}
    status, strong = await desk.api("POST", "/tokens", fields)
    assert status == 200
    other = pages.browser()
    for said in (strong["token"], "ilot_00000000_" + "A" * 43, "nonsense"):
        assert (await other.get("/wall", Cookie=f"{SCREEN_COOKIE}={said}"))[0] == 401


@pytest.mark.real("network")
async def test_only_an_administrateur_leaves_a_screen_and_it_ends_no_other_session(pages: Pages) -> None:
    await pages.claimed()
    reader = await pages.person("lecteur")
    assert "/wall/keep" not in (await reader.get("/wall"))[1]
    assert (await reader.post("/wall/keep", "/"))[0] == 403
    assert (await reader.get("/"))[0] == 200


@pytest.mark.real("network")
async def test_homes_are_never_on_a_wall_neither_as_a_tile_nor_as_an_extreme_nor_on_the_plan(pages: Pages) -> None:
    browser = await pages.claimed()
    parts = pages.site.parts
    parts.places.assign([*parts.places, Place(id="salle-7", name="Logis", site="school", zone="homes")])
    pages.site.set_services(
        parts._replace(dwellings=frozenset({"homes"}), zones={**parts.zones, "homes": ("Logements", "school")})
    )
    await put_plan(pages, **{"salle-0": (0.25, 0.5), "salle-7": (0.5, 0.5)})
    assert "Logis" in (await browser.get("/plan?lang=fr"))[1]
    for path in ("/wall?page=1", "/wall?page=2", "/plan/wall"):
        text = (await browser.get(path))[1]
        assert "salle-" in text
        assert "Logis" not in text, path
        assert "Logements" not in text, path
