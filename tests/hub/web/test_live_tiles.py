"""A tile that is open follows its place: value, age and the word for comfort."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.async_api import Route, async_playwright, expect

from hub.core.model import Metric, Report
from hub.web.roles import ADMINISTRATEUR

from .areas.test_overview import ALERT
from .test_session import CHROMIUM, _signed_in
from .web_kit import NAME, PASSWORD, Pages

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/hub")]


async def test_a_new_value_changes_its_age_and_the_word_for_comfort(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, async_playwright() as play:
        device = pages.hub.devices[0]
        slot = pages.hub.live.slot(device, (Metric(key="co2", unit="[ppm]"),))

        def hear(ppm: float, ago: float) -> None:
            slot.report = Report(device=device.id, values={"co2": ppm})
            slot.time = slot.came = time.time() - ago

        hear(600.0, 7200.0)
        await pages.site.accounts.put(NAME, PASSWORD, ADMINISTRATEUR, "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(ignore_https_errors=True, locale="fr-FR")
        page = await context.new_page()
        await _signed_in(page, pages.url)
        tile = page.locator(".place")
        await expect(tile.locator(".state")).to_have_text("air bien renouvelé")
        await expect(tile.locator("[data-age]")).to_contain_text("2\u202fh")
        hear(1600.0, 60.0)
        await expect(tile.locator(".number")).to_have_text("1\u202f600")
        await expect(tile.locator(".state.trouble")).to_have_text("air mal renouvelé")
        await expect(tile.locator("[data-age]")).to_contain_text("1\u202fmin")
        await chromium.close()


async def test_what_changes_before_the_tiles_script_is_there_orders_them_too(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, async_playwright() as play:
        for number in range(3):
            pages.hub.hear(number, 20.0 + number)
        await pages.site.accounts.put(NAME, PASSWORD, ADMINISTRATEUR, "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(ignore_https_errors=True, locale="fr-FR")
        page = await context.new_page()
        raised = "() => window.ilotSummary?.raised === 1"

        async def late(route: Route) -> None:
            pages.hub.alerts, pages.hub.trouble = [ALERT], ["lorawan:0000000000000001"]
            await page.wait_for_function(raised)
            await route.continue_()

        await page.route("**/overview.js", late)
        await _signed_in(page, pages.url)
        await expect(page.locator(".place h3")).to_have_text(["salle-2", "salle-1", "salle-0"])
        await chromium.close()


async def test_a_place_with_a_new_alert_comes_first_by_itself_unless_somebody_is_reading_the_tiles(
    tmp_path: Path,
) -> None:
    async with Pages(tmp_path) as pages, async_playwright() as play:
        for number in range(3):
            pages.hub.hear(number, 20.0 + number)
        await pages.site.accounts.put(NAME, PASSWORD, ADMINISTRATEUR, "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(ignore_https_errors=True, locale="fr-FR")
        page = await context.new_page()
        await page.add_init_script("document.addEventListener('ilot:summary', () => { window.heard = true; });")
        await _signed_in(page, pages.url)
        tiles = page.locator(".place h3")
        await expect(tiles).to_have_text(["salle-0", "salle-1", "salle-2"])
        await expect(page.locator(".extremes")).to_contain_text("salle-0")
        await page.wait_for_function("() => window.heard")
        await page.locator(".place h3 a").nth(1).focus()
        pages.hub.alerts, pages.hub.trouble = [ALERT], ["lorawan:0000000000000001"]
        await expect(page.locator("[data-sum=raised]").first).to_have_text("1")
        await expect(tiles).to_have_text(["salle-0", "salle-1", "salle-2"])
        asked: list[str] = []

        async def lost(route: Route) -> None:
            asked.append(route.request.url)
            await route.abort()

        await page.route("**/building*", lost, times=1)
        await page.locator(".place h3 a").nth(1).blur()
        await expect(tiles).to_have_text(["salle-2", "salle-1", "salle-0"])
        assert asked, "what is asked for and does not come is asked for again"
        await chromium.close()
