"""The page on which anybody reports, and the desk that answers, in a browser: phone and desk, by tap and keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright, expect

from backend.city.city import City
from backend.city.people.viewer import Role, Scope
from backend.storage.city import open_api as tables
from tests import axe

from ..people.people_kit import PASSWORD, Town, served
from ..waiting import PATIENCE_MS, until
from .test_open_reports import SECTOR, png

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/backend/city")]

CHROMIUM = "/usr/bin/chromium"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: a browser sees no difference."""
    return tmp_path / "owner" / "backend.db"


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    await city.store.write(
        lambda t: t.run("insert into sectors (id, name, area) values ('north', 'North', ?)", json.dumps(SECTOR))
    )
    async with served(city, tmp_path / "tls") as found:
        yield found


async def judge(page: Any) -> None:
    await page.wait_for_load_state()
    found: dict[str, Any] = await page.evaluate(axe.run(), {"runOnly": RULES})
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == [], page.url
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, page.url


@pytest.mark.parametrize(
    ("size", "lang", "by"),
    [({"width": 360, "height": 740}, "fr-FR", "tap"), ({"width": 1280, "height": 900}, "en-GB", "keys")],
    ids=["phone", "desk"],
)
async def test_anybody_reports_on_a_phone_and_a_crew_answers(
    town: Town, size: dict[str, int], lang: str, by: str, tmp_path: Path
) -> None:
    wrong: list[str] = []
    (tmp_path / "photo.png").write_bytes(png())
    code = await town.add("anne", Role.OPERATOR, Scope())
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        context = await browser.new_context(
            viewport=size, locale=lang, ignore_https_errors=True, geolocation={"latitude": 48.87, "longitude": 2.37},
            permissions=["geolocation"],
        )  # type: ignore[arg-type]  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        await page.goto(f"{town.url}/report")
        await page.wait_for_selector("[data-report-map] path")
        await judge(page)
        await page.click("[data-report-here]")
        lat = page.locator("#lat")
        await expect(lat).to_have_value("48.870000")
        if by == "tap":
            await page.locator("[data-report-map]").click(position={"x": 100, "y": 150})
        else:
            await page.locator("[data-report-map]").focus()
            await page.keyboard.press("ArrowDown")

            async def taken() -> bool:
                """Take the middle of the map, which moves a little later than the key."""
                await page.keyboard.press("Enter")
                return str(await lat.input_value()) != "48.870000"

            await until(taken, "the map has moved")
        await expect(lat).not_to_have_value("48.870000")
        await page.select_option("#category", "lighting")
        await page.fill("#text", "Lampadaire éteint <b>ici</b>")
        await page.set_input_files("#picture", str(tmp_path / "photo.png"))
        await page.click("main form button:not([type=button])")
        await page.wait_for_url("**/report/*said=report-taken*")
        await judge(page)
        followed = page.url
        found = await town.city.store.read(lambda r: tables.reports(r))  # noqa: PLW0108
        assert [(one.category, one.sector, one.picture_kind) for one in found] == [("lighting", "north", "image/png")]
        form = {"name": "anne", "code": code, "password": PASSWORD, "again": PASSWORD}
        crew = town.browser()
        assert (await crew.post("/signin/code", form)).status == 303
        cookies = [
            {"name": n, "value": v, "url": town.url, "secure": True}
            for s in crew.cookies.values()
            for n, v in s.items()
        ]
        await context.add_cookies(cookies)  # type: ignore[arg-type]
        await page.goto(f"{town.url}/reports")
        await judge(page)
        await page.click("main tbody a")
        await expect(page.locator("main img")).to_have_js_property("naturalWidth", 64)
        await judge(page)
        await page.select_option("#state", "done")
        await page.fill("#answer", "Ampoule changée.")
        await page.click("main form button:not([type=button])")
        await page.wait_for_url("**/reports/*said=report-decided*")
        await page.goto(followed)
        assert "Ampoule changée." in await page.inner_text("main")
        assert "<b>ici</b>" in await page.inner_text("main")
        await browser.close()
    assert wrong == []
