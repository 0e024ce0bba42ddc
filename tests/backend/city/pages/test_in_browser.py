"""The city's pages in Debian's chromium: accessibility, keyboard, live changes, search, plans, phones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pages_kit import Sensor, alert, raise_alerts
from people_kit import PASSWORD, Browser, Town
from PIL import Image
from playwright.async_api import Locator, Page, async_playwright, expect

from backend.city.pages.live import live_of
from tests import axe

from ..waiting import PATIENCE_MS, until

CHROMIUM = "/usr/bin/chromium"
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}  # fmt: skip
COLOURS = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
READY = "() => document.querySelector('#city-map[data-ready]')"
FOLLOWS = "() => document.documentElement.dataset.stream === 'on'"
"""The page is told of changes: what came before it loaded with it, and is not said."""
MOVED = """former => {
    const now = sessionStorage.getItem("ilot:map");
    return now !== former && !document.querySelector(".leaflet-zoom-anim");
}"""
"""The map rests, and elsewhere than formerly: a map that moves does not take the next order."""
BIN = "/things/hub-0/dev-0"
PAGES = (
    "/", "/things", "/things?q=nothing-of-that-name", BIN, "/sites", "/sites/site-8", "/hubs", "/gaps", "/sitemap",
    "/history", "/history?series=hub-0/dev-0/fill_level", "/nowhere",
)  # fmt: skip
Enter = Callable[..., Awaitable[Browser]]

expect.set_options(timeout=PATIENCE_MS)
pytestmark = [
    pytest.mark.real("network, processes"),
    pytest.mark.parametrize("city_address", ["sqlite"], indirect=True),
    pytest.mark.long("starts a browser", of="tests/backend/city"),
]


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        await browser.close()


@asynccontextmanager
async def page_of(town: Town, chromium: Any, *, lang: str = "fr", **options: Any) -> AsyncIterator[Page]:
    """Open a page of somebody who is signed in; a fault of a script, or anything that the policy of the pages
    forbids, fails the test."""
    context = await chromium.new_context(
        ignore_https_errors=True, locale="fr-FR" if lang == "fr" else "en-GB", **{"viewport": DESK, **options}
    )
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console", lambda said: faults.append(said.text) if said.type == "error" and "404" not in said.text else None
    )
    await page.goto(f"{town.url}/signin?lang={lang}")
    await page.fill("#name", "operator-1")
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await page.wait_for_function(READY)
    await page.wait_for_function(FOLLOWS)
    yield page
    assert faults == []
    await context.close()


CUT = """() => [...document.querySelectorAll("input[placeholder]")].filter((one) => {
    const style = getComputedStyle(one), pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return room > 0 && pen.measureText(one.placeholder).width > room;
}).map((one) => one.placeholder)"""


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_what_a_field_asks_for_is_not_cut(
    town: Town, chromium: Any, enter: Enter, lang: str, size: dict[str, Any]
) -> None:
    await enter()
    async with page_of(town, chromium, lang=lang, viewport=size) as page:
        for path in ("/", "/things", "/sites"):
            await page.goto(f"{town.url}{path}")
            assert await page.evaluate(CUT) == [], path


SEEN = """which => {
    const all = document.getElementById("map").getBoundingClientRect();
    const seen = [...document.querySelectorAll(which)].find((one) => {
        const box = one.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
        const inside = x > all.left + 30 && x < all.right - 80 && y > all.top + 30 && y < all.bottom - 30;
        return inside && one.contains(document.elementFromPoint(x, y));
    });
    if (!seen || document.querySelector(".leaflet-zoom-anim")) return false;
    seen.dataset.chosen = which;
    return true;
}"""
"""Marks the first mark of the map that stands in sight and under nothing, once the map rests."""
INSIDE = """() => {
    const one = document.activeElement.getBoundingClientRect();
    const all = document.getElementById("map").getBoundingClientRect();
    return one.left >= all.left && one.right <= all.right && one.top >= all.top && one.bottom <= all.bottom;
}"""


async def pin(page: Page, which: str) -> Locator:
    """Return a mark that stands in sight and under nothing."""
    await page.wait_for_function(SEEN, arg=which)
    return page.locator(f"[data-chosen='{which}']")


async def violations(page: Page, path: str) -> list[Any]:
    """Return what axe finds in a page, in light and in dark, and whether it is wider than its window."""
    await page.emulate_media(color_scheme="light")
    found = (await page.evaluate(axe.run(), RULES))["violations"]
    await page.emulate_media(color_scheme="dark")
    found += (await page.evaluate(axe.run(), COLOURS))["violations"]
    told = [(path, one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found]
    wide = await page.evaluate(WIDER)
    return [*told, (path, f"{wide} px too wide", [])] if wide > 0 else told


@pytest.mark.parametrize(("lang", "size"), [("fr", PHONE), ("en", DESK)], ids=["phone", "desk"])
async def test_axe_finds_nothing_on_any_page(
    town: Town, enter: Enter, chromium: Any, things: list[Sensor], lang: str, size: dict[str, int]
) -> None:
    await enter()
    await raise_alerts(
        town.city,
        [alert(one.hub, one.device, town.now[0], severity=name)
         for one, name in zip(things, ("critical", "warning", "info"), strict=False)],
    )  # fmt: skip
    found = []
    async with page_of(town, chromium, lang=lang, viewport=size) as page:
        for path in PAGES:
            await page.goto(town.url + path)
            assert await page.get_attribute("html", "lang") == lang
            if path == "/":
                await page.wait_for_function(READY)
                await page.evaluate("() => { document.querySelector('.map-side').open = true; }")
            await page.evaluate(
                "() => { document.querySelectorAll('main details').forEach((one) => { one.open = true; }); }"
            )
            found += await violations(page, path)
    assert found == []


async def test_axe_finds_nothing_in_a_chosen_thing_and_would_find_a_fault(
    town: Town, enter: Enter, chromium: Any
) -> None:
    await enter()
    async with page_of(town, chromium) as page:
        await (await pin(page, "#map .pin:not(.group)")).click()
        await expect(page.locator(".map-card h2")).to_be_visible()
        assert await violations(page, "card") == []
        await page.evaluate("() => document.querySelector('.map-card').append(document.createElement('img'))")
        assert [one[1] for one in await violations(page, "broken")] == ["image-alt"]


async def test_the_map_is_used_by_keyboard_alone_and_focus_stays(town: Town, enter: Enter, chromium: Any) -> None:
    await enter()
    async with page_of(town, chromium) as page:
        group = await pin(page, "#map .pin.group")
        label = await group.get_attribute("aria-label")
        assert label is not None
        assert "appareils" in label
        await group.focus()
        before = await page.locator("#map .pin").count()
        former = await page.evaluate("() => sessionStorage.getItem('ilot:map')")
        await page.keyboard.press("Enter")
        await page.wait_for_function(MOVED, arg=former)
        await page.wait_for_function("() => document.activeElement && document.activeElement.classList.contains('pin')")
        await page.locator("[data-map=all]").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#map .pin")).to_have_count(before)
        single = await pin(page, "#map .pin:not(.group)")
        await single.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".map-card")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator(".map-card")).to_be_hidden()
        await expect(single).to_be_focused()
        await page.locator("#map .pin").last.focus()
        await page.wait_for_function(INSIDE)
        await page.locator("#map").focus()
        moved = await page.evaluate("() => getComputedStyle(document.querySelector('.leaflet-map-pane')).transform")
        await page.keyboard.press("ArrowRight")
        await page.wait_for_function(
            "moved => getComputedStyle(document.querySelector('.leaflet-map-pane')).transform !== moved", arg=moved
        )


async def test_an_alert_changes_an_open_map_its_sums_and_says_so(
    town: Town, enter: Enter, chromium: Any, things: list[Sensor]
) -> None:
    await enter()
    async with page_of(town, chromium) as page:
        assert await page.locator("#map .pin.critical").count() == 0
        await raise_alerts(town.city, [alert(things[0].hub, things[0].device, town.now[0])])
        await expect(page.locator("#map .pin.critical")).to_have_count(1)
        await expect(page.locator("[data-sum=critical]")).to_have_text("1")
        await expect(page.locator(".map-said")).to_contain_text("Conteneur plein")
        label = await page.locator("#map .pin.critical").get_attribute("aria-label")
        assert label is not None
        assert "Critique" in label


async def test_layers_and_states_hide_what_is_not_chosen_and_all_others_stay(
    town: Town, enter: Enter, chromium: Any
) -> None:
    await enter()

    async def shown(page: Page) -> int:
        return int(
            await page.evaluate(
                "() => [...document.querySelectorAll('#map .pin')]"
                ".reduce((sum, one) => sum + Number(one.querySelector('.many')?.textContent || 1), 0)"
            )
        )

    async with page_of(town, chromium) as page:

        async def shows(many: int) -> None:
            async def there() -> bool:
                return await shown(page) == many

            await until(there, f"{many} things on the map")

        for _ in range(2):
            former = await page.evaluate("() => sessionStorage.getItem('ilot:map')")
            await page.locator("[data-map=out]").click()
            await page.wait_for_function(MOVED, arg=former)
        await shows(40)
        await page.locator("[data-layers=none]").click()
        await shows(0)
        await page.locator("input[name=layer][value=waste]").check()
        await shows(4)
        await page.locator("[data-layers=all]").click()
        await page.locator("input[name=state][value=silent]").uncheck()
        await shows(38)


BETWEEN = """() => {
    const all = [...document.querySelectorAll("#map .pin")];
    const [one, other] = ["t1", "t2"].map((key) => all.find((pin) => pin.mark.group.key === key));
    if (!one || !other) return null;
    const from = one.getBoundingClientRect(), to = other.getBoundingClientRect();
    return [to.x + to.width / 2 - from.x - from.width / 2, from.y + from.height / 2 - to.y - to.height / 2];
}"""
"""Pixels to the east and to the north from the first thing to the second, null where one does not stand singly."""


async def test_a_map_asks_where_in_its_cell_a_thing_is_once_it_is_near(town: Town, enter: Enter, chromium: Any) -> None:
    def two_in_one_cell(t: Any) -> None:
        for number, lat, lon in ((1, 48.11729, -1.67791), (2, 48.11742, -1.67778)):
            t.run("update things set lat = ?, lon = ?, site = '' where id = ?", lat, lon, number)

    await town.city.store.write(two_in_one_cell)
    await live_of(town.city).renew()
    await enter()
    async with page_of(town, chromium) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url.removeprefix(town.url)))
        await page.goto(f"{town.url}/?far#13/48.1173/-1.6778")
        await page.wait_for_function(READY)
        assert "/map/things" in asked
        assert "/map/exact" not in asked
        assert await page.evaluate(BETWEEN) is None
        async with page.expect_response("**/map/exact"):
            await page.click("[data-map=in]")
        await page.goto(f"{town.url}/?near#19/48.11735/-1.67785")
        await page.wait_for_function(READY)
        degree = 256 * 2**19 / 360
        east, north = await until(lambda: page.evaluate(BETWEEN), "both things stand singly")
        assert abs(east - 13e-5 * degree) < 3
        assert abs(north - 13e-5 * degree / 0.6676) < 3


async def test_search_on_the_map_leads_to_a_thing(town: Town, enter: Enter, chromium: Any) -> None:
    await enter()
    async with page_of(town, chromium) as page:
        await page.locator("#map-q").fill("hotel")  # at once: what is found for more letters takes the choice away
        await expect(page.locator("#map-found [role=option]")).to_have_count(1)
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.locator(".map-card h2")).to_have_text("Conteneur de l'hôtel de ville")
        await expect(page.locator(".map-card .number").first).to_be_visible()
        await page.locator(".map-card a.button").click()
        await page.wait_for_url(f"**{BIN}")
        await expect(page.locator("h1")).to_have_text("Conteneur de l'hôtel de ville")


async def test_a_value_on_a_page_follows_the_register(
    town: Town, enter: Enter, chromium: Any, things: list[Sensor]
) -> None:
    await enter()
    async with page_of(town, chromium) as page:
        await page.goto(town.url + BIN)
        value = page.locator("[data-series='hub-0/dev-0/fill_level']")
        await expect(value).to_have_text(f"{things[0].value}".replace(".", ","))
        await expect(page.locator("[data-live][data-state=on]")).to_be_visible()

        def measure(t: Any) -> None:
            t.run(
                "update latest set value = '7.5', number = 7.5, change = ?, time_ms = ? where series = 1",
                t.next("latest"), int(town.now[0] * 1000),
            )  # fmt: skip

        await town.city.store.write(measure)
        await expect(value).to_have_text("7,5")


async def test_a_plan_is_put_up_and_a_device_placed_on_it_by_a_tap(
    town: Town, enter: Enter, chromium: Any, tmp_path: Path
) -> None:
    await enter()
    picture = BytesIO()
    Image.new("RGB", (400, 300), "white").save(picture, "PNG")
    async with page_of(town, chromium) as page:
        await page.goto(f"{town.url}/sites/site-8")
        await page.locator("summary", has_text="Ajouter un plan").click()
        await page.fill("#floor", "Rez-de-chaussée")
        await page.set_input_files(
            "#picture", {"name": "plan.png", "mimeType": "image/png", "buffer": picture.getvalue()}
        )
        await page.locator("button", has_text="Enregistrer le plan").click()
        await expect(page.locator("[data-told]")).to_have_text("Le plan est enregistré.")
        image = page.locator("[data-plan] img")
        await page.locator("summary", has_text="Placer un appareil").click()
        await expect(image).to_have_js_property("naturalWidth", 400)  # else its place is still another one
        await image.click(position={"x": 100, "y": 60})
        await page.locator("[data-pin-form] button").click()
        await expect(page.locator("[data-told]")).to_have_text("L'appareil est sur le plan.")
        pin = page.locator(".plan-pins a")
        await expect(pin).to_have_count(1)
        await expect(image).to_have_js_property("naturalWidth", 400)
        box, plan = await pin.locator(".halo").bounding_box(), await image.bounding_box()
        assert box is not None
        assert plan is not None
        assert abs(box["x"] + box["width"] / 2 - plan["x"] - 100) < 3
        assert abs(box["y"] + box["height"] / 2 - plan["y"] - 60) < 3
        assert await violations(page, "plan") == []
        await page.locator("details", has_text="Placer un appareil").evaluate("one => { one.open = true; }")
        await page.locator("button", has_text="Supprimer ce plan").click()
        await expect(page.locator("[data-plan]")).to_have_count(0)


async def test_the_operators_own_background_lies_below_the_marks(town: Town, enter: Enter, chromium: Any) -> None:
    from test_ground import NAME, picture, write

    same = picture(1, 2, 3)
    write(town.city.directory / NAME, {(z, x, y): same for z in range(7) for x in range(1 << z) for y in range(1 << z)})
    await enter()
    async with page_of(town, chromium) as page:
        await page.wait_for_function(
            "() => [...document.querySelectorAll('.leaflet-tile-loaded')].some((one) => one.naturalWidth === 256)"
        )
        await expect(page.locator(".map-by")).to_have_text("© Ville")
        await (await pin(page, "#map .pin")).click()
        assert await violations(page, "ground") == []


async def test_a_map_without_scripts_leads_to_the_list(town: Town, enter: Enter, chromium: Any) -> None:
    browser = await enter()
    context = await chromium.new_context(ignore_https_errors=True, java_script_enabled=False, viewport=PHONE)
    for name, value in next(iter(browser.cookies.values())).items():
        await context.add_cookies([{"name": name, "value": value, "url": town.url, "secure": True}])
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(f"{town.url}/?lang=en")
    await page.locator(".map-find button").click()
    await expect(page.locator("tbody tr")).to_have_count(40)
    await context.close()
