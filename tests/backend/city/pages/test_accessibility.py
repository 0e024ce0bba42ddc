"""Every page of the city as people meet it who enlarge, space, force colours, still movement, have no pointer or no
eyes: the criteria of docs/reference/accessibility-rgaa.md that a browser can judge.

Pages are found by the routes: one that is added is walked through without being named here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pages_kit import Sensor
from people_kit import Browser, Town
from playwright.async_api import Page, async_playwright

from backend.city.people.viewer import Role, guard_of
from tests import axe

from ....journeys.keyboard import FOCUSED, MOST, TOP
from ....journeys.test_pages import SPACED
from ..waiting import PATIENCE_MS
from .test_history import measured  # noqa: F401 a fixture
from .test_in_browser import CHROMIUM, FOLLOWS, READY, RULES, WIDER, Enter

sys.path.append(str(Path(__file__).parents[2]))

from dispatch_kit import Ear, arrive, change, dispatcher, plan, turns

pytestmark = [
    pytest.mark.real("network, processes"),
    pytest.mark.parametrize("city_address", ["sqlite"], indirect=True),
    pytest.mark.long("starts a browser", of="tests/backend/city"),
]

ROLES = (Role.OPERATOR, Role.ADMIN, Role.DPO, Role.ELECTED, Role.PROVIDER, Role.HEAD, Role.CREW)
"""Roles in the order in which one is chosen that may open a page."""
OBJECTS = (
    "/things/hub-0/dev-0", "/sites/site-8", "/history?series=hub-0/dev-0/fill_level", "/alerts/h1/a1", "/incidents/1",
    "/interventions/1", "/nowhere",
)  # fmt: skip
"""Pages of one thing each."""
MOVING = """() => [...document.querySelectorAll("*")].filter((one) => {
    const css = getComputedStyle(one), long = (text) => text.split(",").some((part) => parseFloat(part) > 0.01);
    const moves = css.transitionProperty.split(",").some((part) => /all|transform|top|left|width|height/.test(part));
    return (css.animationName !== "none" && long(css.animationDuration)) || (moves && long(css.transitionDuration));
}).map((one) => one.className || one.tagName)"""
"""Elements that move by themselves or when they change, for longer than an instant."""
EDGES = """() => [...document.querySelectorAll("button, .button, input, select, textarea, #map .pin")].filter((one) => {
    if (!one.checkVisibility({ visibilityProperty: true }) || /checkbox|radio|file|hidden/.test(one.type)) return false;
    const css = getComputedStyle(one);
    return !["Top", "Bottom"].some((side) => parseFloat(css[`border${side}Width`]) > 0)
        && !(one.innerText || "").trim() && !one.querySelector("svg, img");
}).map((one) => one.outerHTML.slice(0, 120))"""
"""Controls with neither an edge nor a word nor a sign once backgrounds are gone."""
UNNAMED = """() => [...document.querySelectorAll("#map .pin, ilot-chart, [role=img]")].filter((one) => {
    const named = one.dataset.label || one.closest("[aria-label], [aria-labelledby], [aria-hidden=true], figure");
    return one.checkVisibility() && !named;
}).map((one) => one.outerHTML.slice(0, 120))"""
LONELY = """() => [...document.querySelectorAll("ilot-chart")].filter((one) =>
    !document.getElementById(one.getAttribute("table"))?.querySelector("tbody tr")
).map((one) => one.outerHTML.slice(0, 120))"""
"""Charts without a table that tells the same."""
WITHOUT_MENU = ("/nowhere", "/signin/code")
BY_KEYS = ("/", "/alerts/h1/a1", "/interventions/1", "/duty", "/history?series=hub-0/dev-0/fill_level")
OUTLINE = """() => ({
    title: document.title.trim(), lang: document.documentElement.lang,
    heads: document.querySelectorAll("h1").length,
    marks: ["header", "nav", "main", "footer"].filter((one) => document.querySelectorAll(`body > ${one}`).length !== 1
        && document.querySelectorAll(one).length === 0),
    skips: Boolean(document.querySelector("a.skip[href^='#']")),
})"""


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        await browser.close()


@pytest.fixture
async def people(town: Town, enter: Enter, things: list[Sensor]) -> dict[Role, Browser]:
    """Somebody in each role, in a town in which something happens."""
    await plan(town.city)
    one = dispatcher(town.city, Ear())
    for rule in ("loop", "lift"):
        await arrive(town.city, *(change(f"{rule}{n}", hub=f"h{n}", site=f"s{n}", rule=rule, at=town.now[0]) for n in
                                  range(3)))  # fmt: skip
    await arrive(town.city, change(at=town.now[0], severity="critical"))
    await turns(one)
    from backend.city.people.viewer import Scope

    found = {}
    for role in ROLES:
        scope = Scope(provider="acme") if role is Role.PROVIDER else Scope()
        found[role] = await enter(role, scope)
    return found


@pytest.fixture
async def pages(town: Town, people: dict[Role, Browser]) -> list[tuple[Role, str]]:
    """Every page with somebody who may open it."""
    found: list[tuple[Role, str]] = [(Role.OPERATOR, one) for one in OBJECTS]
    for route in town.app.router.routes():
        guard, path = guard_of(route.handler), route.resource.canonical if route.resource else "{"
        if route.method != "GET" or guard is None or guard.stream or "{" in path or path.startswith("/v1"):
            continue
        role = next(one for one in ROLES if guard.roles is None or one in guard.roles)
        [cookies] = people[role].cookies.values()
        headers = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        async with town.session.get(town.url + path, headers=headers, allow_redirects=False) as answer:
            if answer.status == 200 and answer.content_type == "text/html":
                found.append((role, path))
    assert len(found) > 25
    return found


Walk = Callable[..., Any]


@pytest.fixture
def walk(town: Town, chromium: Any, people: dict[Role, Browser], pages: list[tuple[Role, str]]) -> Walk:
    """Walks through all pages in a window of these options, and yields each."""

    async def walked(**options: Any) -> AsyncIterator[tuple[str, Page]]:
        for role in ROLES:
            async with _window(town, chromium, people[role], **options) as page:
                for path in [path for who, path in pages if who is role]:
                    await page.goto(town.url + path)
                    if options.get("java_script_enabled", True):
                        if path == "/":
                            await page.wait_for_function(READY)
                        await page.evaluate(
                            "() => document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
                        )
                    yield path, page

    return walked


def lines(found: list[Any]) -> str:
    return "\n".join(map(str, found))


@asynccontextmanager
async def _window(town: Town, chromium: Any, who: Browser, **options: Any) -> AsyncIterator[Page]:
    context = await chromium.new_context(
        ignore_https_errors=True,
        locale="fr-FR",
        bypass_csp=True,
        **{"viewport": {"width": 1280, "height": 800}, **options},
    )
    for name, value in next(iter(who.cookies.values())).items():
        await context.add_cookies([{"name": name, "value": value, "url": town.url, "secure": True}])
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    await context.close()


async def test_axe_finds_nothing_and_each_page_has_a_title_a_heading_landmarks_and_a_way_past_the_menu(
    walk: Walk,
) -> None:
    found, titles = [], dict[str, str]()
    async for path, page in walk():
        told = (await page.evaluate(axe.run(), RULES))["violations"]
        found += [(path, one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in told]
        said = await page.evaluate(OUTLINE)
        lacks = [one for one in said["marks"] if not (one == "nav" and path in WITHOUT_MENU)]
        if (said["lang"], said["heads"], said["skips"], lacks) != ("fr", 1, True, []) or not said["title"]:
            found.append((path, "outline", [str(said)]))
        titles[path] = said["title"]
    assert lines(found) == ""
    assert len(set(titles.values())) > len(titles) * 0.8  # a title tells one page from another


@pytest.mark.parametrize(("percent", "width"), [(200, 640), (400, 320)])
async def test_nothing_is_wider_than_an_enlarged_window_with_wide_spacing(walk: Walk, percent: int, width: int) -> None:
    """A window of 1,280 pixels at 200 % has 640 for the page, at 400 % it has 320."""
    found = []
    async for path, page in walk(viewport={"width": width, "height": 800 * 100 // percent}):
        await page.add_style_tag(content=SPACED)
        if (wide := await page.evaluate(WIDER)) > 0:
            found.append((path, wide))
    assert lines(found) == ""


async def test_nothing_moves_for_whoever_wants_no_motion(walk: Walk) -> None:
    found = []
    async for path, page in walk(reduced_motion="reduce"):
        if moving := await page.evaluate(MOVING):
            found.append((path, sorted(set(map(str, moving)))))
    assert lines(found) == ""


async def test_with_forced_colours_what_is_operated_keeps_an_edge_or_a_word(walk: Walk) -> None:
    found = []
    async for path, page in walk(forced_colors="active"):
        assert await page.evaluate("() => matchMedia('(forced-colors: active)').matches")
        found += [(path, one) for one in await page.evaluate(EDGES)]
    assert lines(found) == ""


@pytest.mark.usefixtures("measured")
async def test_marks_of_the_map_have_names_and_charts_a_name_and_a_table(walk: Walk) -> None:
    found, marks, charts = [], 0, 0
    async for path, page in walk():
        found += [(path, one) for one in [*await page.evaluate(UNNAMED), *await page.evaluate(LONELY)]]
        if path == "/":
            labels = await page.locator("#map .pin").evaluate_all("all => all.map((one) => one.ariaLabel)")
            marks = len(labels)
            assert all(label and len(label) > 5 for label in labels)
        charts += await page.locator("ilot-chart").count()
    assert lines(found) == ""
    assert marks > 5
    assert charts > 0


async def test_a_keyboard_sees_where_it_is_and_is_caught_nowhere(
    town: Town, chromium: Any, people: dict[Role, Browser]
) -> None:
    found = []
    async with _window(town, chromium, people[Role.OPERATOR], viewport={"width": 1280, "height": 1000}) as page:
        for path in BY_KEYS:
            await page.goto(town.url + path)
            if path == "/":
                await page.wait_for_function(READY)
            await page.wait_for_function(FOLLOWS)  # what shows itself then is there before the first key
            await page.evaluate(TOP)
            seen, last = 0, None
            for _ in range(MOST):
                await page.keyboard.press("Tab")
                at = await page.evaluate(FOCUSED)
                if at is None or at["round"]:
                    break
                seen += 1
                inside = at["tag"] == "INPUT" and at["name"] == last  # day, month and hour of one field
                last = at["name"]
                if inside:
                    continue
                if not at["seen"] or at["covered"] or not at["name"] or not at["after"]:
                    found.append((path, {name: at[name] for name in ("name", "tag", "seen", "covered", "after")}))
            else:
                found.append((path, "caught"))
            if seen < 10:
                found.append((path, f"{seen} reached"))
    assert lines(found) == ""


async def test_every_page_says_what_it_has_without_scripts(walk: Walk) -> None:
    found = []
    async for path, page in walk(java_script_enabled=False):
        if await page.locator("h1").count() != 1 or len((await page.locator("main").inner_text()).strip()) < 10:
            found.append(path)
    assert lines(found) == ""
