"""The plan in a browser: looked into, tapped, and edited in place by finger and by keyboard."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from hub.core.errors import HubError
from hub.core.model import Place
from hub.web.roles import ADMINISTRATEUR
from tests import axe

from .test_floors import put_outlines, put_plan
from .test_session import CHROMIUM, _signed_in
from .web_kit import NAME, PASSWORD, Hub, Pages

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/hub")]

SHOWN = ".at:not(.gathered)"


class Plan:
    """A plan of `many` places in a browser; `saved`: the calls that set something."""

    def __init__(self, pages: Pages, page: Page) -> None:
        self.pages, self.page = pages, page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def saved(self, name: str) -> list[dict[str, Any]]:
        return [told for said, told in self.pages.hub.asked if said == name]

    async def at(self, place: str) -> tuple[float, float]:
        """Where a mark is, as shares of the picture."""
        found = await self.page.evaluate(
            "name => { const one = document.querySelector(`[data-mark='${name}'] use`).getBoundingClientRect(),"
            "all = document.querySelector('.ground').getBoundingClientRect();"
            "return [(one.x + one.width / 2 - all.x) / all.width, (one.y + one.height / 2 - all.y) / all.height]; }",
            place,
        )
        return round(found[0], 2), round(found[1], 2)

    async def middle(self, place: str) -> tuple[float, float]:
        """Where a mark is on the screen."""
        box = await self.page.locator(f"[data-mark={place}] use").bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, Hub(many=200)) as pages:
        places = [Place(id=f"salle-{n}", name=f"Salle {n}", site="school", zone="rooms") for n in range(200)]
        pages.site.parts.places.assign(places)
        for n in range(200):
            pages.hub.hear(n, 20.0 + n / 100)
            pages.hub.slots[pages.hub.devices[n].id].time = time.time()
        await pages.site.accounts.put(NAME, PASSWORD, ADMINISTRATEUR, "test")
        yield pages


async def opened(pages: Pages, browser: Any, *, wide: int = 360, touch: bool = True) -> Plan:
    context = await browser.new_context(
        ignore_https_errors=True, locale="fr-FR", viewport={"width": wide, "height": 740}, has_touch=touch
    )
    plan = Plan(pages, await context.new_page())
    await _signed_in(plan.page, pages.url)
    await plan.page.goto(f"{pages.url}/plan")
    await plan.page.wait_for_selector(".tools button")
    return plan


async def test_marks_that_would_overlap_are_one_with_their_number_and_range_and_come_apart_by_zooming(
    pages: Pages,
) -> None:
    spread = {f"salle-{n}": ((n % 20) / 20 + 0.02, (n // 20) / 10 + 0.05) for n in range(200)}
    await put_plan(pages, **spread)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for wide in (360, 1280):
            plan = await opened(pages, browser, wide=wide)
            groups = plan.page.locator(".group")
            before = await groups.count()
            assert 2 <= before <= 60
            many = [int(text) for text in await plan.page.locator(".group .many").all_text_contents()]
            alone = await plan.page.locator(f"{SHOWN}:not(.group)").count()
            assert sum(many) + alone == 200, "each mark is on the plan once"
            overlaps = await plan.page.evaluate(
                "() => { const all = [...document.querySelectorAll('.at:not(.gathered) .value')]"
                ".map(one => one.getBoundingClientRect());"
                "return all.filter((a, n) => all.some((b, m) => m > n && a.left < b.right && b.left < a.right"
                " && a.top + 6 < b.bottom && b.top + 6 < a.bottom)).length; }"
            )
            assert overlaps == 0
            first = groups.first.locator("a")
            await expect(first).to_contain_text("repères")
            for _ in range(3):
                await plan.page.keyboard.press("Escape")
            await plan.page.locator("[data-floor]").focus()
            for _ in range(7):
                await plan.page.keyboard.press("+")
            await expect(plan.page.locator(".floor.near")).to_have_count(1)
            assert await plan.page.locator(f"{SHOWN}:not(.group)").count() > alone
            await plan.page.keyboard.press("0")
            await expect(groups).to_have_count(before)
            assert plan.errors == []
        await browser.close()


async def test_a_mark_opens_a_sheet_with_values_and_a_chart_and_its_value_follows_the_stream(pages: Pages) -> None:
    await put_plan(pages, **{"salle-0": (0.3, 0.5), "salle-1": (0.7, 0.5)})
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        plan = await opened(pages, browser)
        value = plan.page.locator("[data-mark=salle-0] [data-series]")
        await expect(value).to_have_text("20")
        pages.hub.hear(0, 23.4)
        await expect(value).to_have_text("23,4")
        await plan.page.touchscreen.tap(*(await plan.middle("salle-0")))
        sheet = plan.page.locator("dialog[open]")
        await expect(sheet.locator("h1")).to_have_text("Salle 0")
        await expect(sheet.locator("[data-series]")).to_have_text("23,4")
        await expect(sheet.locator("[data-age]")).to_be_visible()
        await expect(sheet.locator("ilot-chart svg").first).to_be_visible()
        found = await plan.page.evaluate(axe.run())
        assert [one["id"] for one in found["violations"]] == []
        await plan.page.keyboard.press("Escape")
        await expect(sheet).to_have_count(0)
        await plan.page.locator("[data-mark=salle-1] a").focus()
        await plan.page.keyboard.press("Enter")
        await expect(sheet.locator("h1")).to_have_text("Salle 1")
        await plan.page.keyboard.press("Escape")
        found = await plan.page.evaluate(axe.run())
        assert [one["id"] for one in found["violations"]] == []
        assert plan.errors == []
        await browser.close()


async def test_a_mark_is_dragged_by_a_finger_or_moved_by_keys_saved_and_put_back(pages: Pages) -> None:
    await put_plan(pages, **{"salle-0": (0.25, 0.5), "salle-1": (0.75, 0.5)})
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        plan = await opened(pages, browser)
        page = plan.page
        await page.get_by_role("button", name="Déplacer les repères").click()
        box = await page.locator(".ground").bounding_box()
        assert box is not None
        x, y = await plan.middle("salle-0")
        finger = await page.context.new_cdp_session(page)

        async def touch(kind: str, *points: tuple[float, float]) -> None:
            told = [{"x": left, "y": top} for left, top in points]
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": told})

        await touch("touchStart", (x, y))
        for part in (0.3, 0.7, 1.0):
            await touch("touchMove", (x + 0.25 * box["width"] * part, y - 0.2 * box["height"] * part))
        await touch("touchEnd")
        said = page.locator("[role=status]", has_text="Salle 0")
        await expect(said).to_contain_text("position enregistrée")
        assert await plan.at("salle-0") == (0.5, 0.3)
        [told] = plan.saved("roster.pin")
        assert (told["place"], told["plan"], round(told["x"], 2), round(told["y"], 2)) == ("salle-0", "ab12", 0.5, 0.3)
        await page.get_by_role("button", name="Remettre en place").click()
        await page.wait_for_function(
            "() => document.querySelector('[data-mark=salle-0]').getAttribute('x') === '25.00%'"
        )
        # by keys: one percent, a tenth of it with Shift; saved when the keys rest
        await page.locator("[data-mark=salle-1] a").focus()
        for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
            await page.keyboard.press(key)
        await expect(page.locator("[role=status]", has_text="Salle 1")).to_contain_text("position enregistrée")
        last = plan.saved("roster.pin")[-1]
        assert (last["place"], last["x"], round(last["y"], 3)) == ("salle-1", 0.73, 0.511)

        async def refuses(arguments: Any) -> Any:
            raise HubError("nothing may be changed now")

        pages.hub.answers["roster.pin"] = refuses
        await page.keyboard.press("ArrowUp")
        await expect(page.locator("[role=status]", has_text="Non enregistré")).to_be_visible()
        assert await plan.at("salle-1") == (0.73, 0.51), "it stands where the hub knows it"
        assert plan.errors == []
        await browser.close()


async def test_a_zone_is_drawn_by_tapping_its_corners_or_by_keys_alone(pages: Pages) -> None:
    await put_plan(pages, **{"salle-0": (0.25, 0.5)})
    await put_outlines(pages)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        plan = await opened(pages, browser)
        page = plan.page
        await page.get_by_role("button", name="Déplacer les repères").click()
        await page.get_by_role("button", name="Dessiner une zone").click()
        await page.get_by_role("button", name="Enregistrer le contour").click()
        await expect(page.locator("[role=status]", has_text="trois coins")).to_be_visible()
        await page.locator(".ground").scroll_into_view_if_needed()
        box = await page.locator(".ground").bounding_box()
        assert box is not None
        for x, y in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)):
            await page.touchscreen.tap(box["x"] + x * box["width"], box["y"] + y * box["height"])
        await page.locator("[data-floor]").focus()
        for key in ("ArrowLeft", "ArrowLeft", "Enter", "Enter", "Backspace"):
            await page.keyboard.press(key)
        async with page.expect_navigation():
            await page.get_by_role("button", name="Enregistrer le contour").click()
        [told] = plan.saved("roster.outline")
        corners = [share for point in told["points"] for share in point]
        assert told["zone"] == "rooms"
        assert corners == pytest.approx([0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.46, 0.5], abs=0.01)
        await expect(page.locator("[role=status]", has_text="contour enregistré")).to_be_visible()
        assert plan.errors == []
        await browser.close()


async def test_a_wall_goes_from_places_to_the_plan_in_place_and_its_smallest_words_are_readable_far_away(
    pages: Pages,
) -> None:
    await put_plan(pages, **{f"salle-{n}": ((n % 20) / 20 + 0.02, (n // 20) / 10 + 0.05) for n in range(200)})
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(
            ignore_https_errors=True, locale="fr-FR", viewport={"width": 1920, "height": 1080}
        )
        plan = Plan(pages, await context.new_page())
        page = plan.page
        await _signed_in(page, pages.url)
        await page.clock.install()
        await page.goto(f"{pages.url}/wall?page=34&turn=3600")  # the last: two places
        await expect(page.locator(".walls .place")).to_have_count(2)
        await page.evaluate("window.same = true")
        least = (
            "() => Math.min(...[...document.querySelectorAll('header *, main *')].filter(one => one.checkVisibility()"
            " && [...one.childNodes].some(part => part.nodeType === 3 && part.data.trim())"
            " && !one.matches('.name, .hidden, .rank, .unseen, title'))"
            ".map(one => parseFloat(getComputedStyle(one).fontSize)"
            " * (one.closest('.at') ? Number(getComputedStyle(one.closest('.floor'))"
            ".getPropertyValue('--big')) : 1)))"
        )
        assert await page.evaluate(least) >= 0.026 * 0.9 * 1080, "the width bounds it too: 0.9 % of it at most"
        await page.clock.fast_forward(3_600_000)
        await expect(page.locator(".floor .group").first).to_be_visible()
        assert await page.evaluate("window.same"), "the page was not left: a silent hub leaves what is shown"
        assert await page.evaluate(least) >= 0.023 * 1080
        await page.goto(f"{pages.url}/plan/wall?show=plans&turn=0")
        pages.hub.hear(0, 12.5)
        await expect(page.locator(".group", has_text="12,5").first).to_be_visible()
        found = await page.evaluate(axe.run())
        assert [one["id"] for one in found["violations"]] == []
        assert plan.errors == []
        await browser.close()
