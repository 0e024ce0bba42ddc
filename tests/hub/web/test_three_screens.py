"""Of thousands of devices, each list is at most three screens of a phone, and its filters are one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from .test_offline import CHROMIUM, sign_in
from .web_kit import NAME, PASSWORD, Hub, Pages, expected

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/hub")]

SCREEN = 740
LISTS = ("/", "/devices", "/devices?sort=name", "/alerts", "/radio", "/todo", "/commissioning", "/commissioning/scan")


def crowded() -> Hub:
    hub = Hub(2000)
    for number in range(1000):
        hub.hear(number, 20.5 + number / 100)
    hub.alerts = [
        {"id": f"a{n}", "state": "raised", "severity": "warning", "text": "Too cold: 15.2 °C for 30 min", "by": "",
         "text_fr": "La salle est trop froide : 15,2 °C depuis 30 min", "rule": "froid", "zone": "rooms",
         "raised": 1_790_000_000.0, "until": None, "place": "salle-1", "device": hub.devices[1].id}
        for n in range(60)
    ]  # fmt: skip
    hub.rows = [expected(n, "green" if n % 3 else "grey") for n in range(600)]
    return hub


async def test_a_list_of_two_thousand_devices_is_three_screens_of_a_phone(tmp_path: Path) -> None:
    async with Pages(tmp_path, crowded()) as pages, async_playwright() as play:
        await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(
            ignore_https_errors=True, locale="fr-FR", viewport={"width": 360, "height": SCREEN}
        )
        page = await context.new_page()
        await sign_in(page, pages.url)
        tall = {}
        for path in LISTS:
            await page.goto(pages.url + path)
            height, width = await page.evaluate(
                "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
            )
            assert width <= 360, path
            if height > 3 * SCREEN:
                tall[path] = height
        assert {path: high for path, high in tall.items() if path != "/devices?sort=name"} == {}
        assert tall.get("/devices?sort=name", 0) <= 3 * SCREEN + 240, "with the filters that were chosen unfolded"

        await page.goto(f"{pages.url}/devices")
        state = page.locator("select#state")
        await expect(state).to_be_hidden()
        await page.click(".folds summary")
        await expect(state).to_be_visible()
        await page.set_viewport_size({"width": 1280, "height": 800})
        await page.goto(f"{pages.url}/devices")
        await expect(state).to_be_visible()
        await expect(page.locator(".folds summary")).to_be_hidden()
        await chromium.close()


async def test_of_six_hundred_expected_devices_the_first_are_shown_and_the_report_holds_all(tmp_path: Path) -> None:
    async with Pages(tmp_path, crowded()) as pages:
        browser = await pages.claimed()
        for path, shown in (("/commissioning", 4), ("/commissioning/scan", 4), ("/commissioning/report", 600)):
            text = (await browser.get(path))[1]
            folded = sum(
                part.partition("</details></section>")[0].count('<tr role="row" data-row=')
                for part in text.split('<details class="rest"')[1:]
            )
            assert text.count('<tr role="row" data-row=') == 600, path
            assert 600 - folded == shown, path
