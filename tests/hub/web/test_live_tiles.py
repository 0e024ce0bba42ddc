"""A tile that is open follows its place: value, age and the word for comfort."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.async_api import async_playwright, expect

from hub.core.model import Metric, Report
from hub.web.request.routes import ADMINISTRATEUR

from .test_session import CHROMIUM, _signed_in
from .web_kit import NAME, PASSWORD, Pages


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
