"""Open data in a browser: what is shown on a phone and on a desk, with scripts and policy on, judged by axe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from people_kit import Town
from playwright.async_api import async_playwright, expect

from backend.city.publication import worker
from tests import axe

from ..waiting import PATIENCE_MS

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/backend/city")]

CHROMIUM = "/usr/bin/chromium"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
expect.set_options(timeout=PATIENCE_MS)
PAGES = ("/data", "/data/air", "/data/sensors", "/data/sensors/place-1")


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: a browser sees no difference."""
    return tmp_path / "owner" / "backend.db"


@pytest.mark.parametrize(
    ("size", "lang"),
    [({"width": 360, "height": 740}, "fr-FR"), ({"width": 1280, "height": 900}, "en-GB")],
    ids=["phone", "desk"],
)
async def test_public_pages_are_whole_and_accessible(published: Town, size: dict[str, int], lang: str) -> None:
    await worker.refresh_sensors(published.city)
    wrong: list[str] = []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        context = await browser.new_context(viewport=size, locale=lang, ignore_https_errors=True)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        for path in PAGES:
            await page.goto(published.url + path)
            if path == "/data/air":
                await expect(page.locator("#data-map path")).to_have_count(3)
                await page.wait_for_selector("ilot-chart svg")
            found: dict[str, Any] = await page.evaluate(axe.run(), {"runOnly": RULES})
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == [], path
            wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path
        await browser.close()
    assert wrong == []
