"""The pages of provider spaces in a browser: the provider drops, the service deletes; phone and desk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from backend.city.city import City
from backend.city.open_api.spaces import desk
from backend.city.people.viewer import Role, Scope
from backend.storage.city import register
from backend.storage.city.database import Transaction
from backend.storage.city.spaces import Space

from ..people.people_kit import PASSWORD, Town, served
from ..waiting import PATIENCE_MS
from .test_reports_in_browser import CHROMIUM, judge

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/backend/city")]

MIB = 1 << 20


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: a browser sees no difference."""
    return tmp_path / "owner" / "backend.db"


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    def make(t: Transaction) -> None:
        register.put_services(t, [("waste", "Propreté")])
        one = Space("acme-waste", "acme", "waste", 3 * MIB, 8 * MIB, 2, 6 * MIB, 5, 30, 1, city.clock())
        desk.make(t, "test", one, city.clock())

    await city.store.write(make)
    async with served(city, tmp_path / "tls") as found:
        yield found


@pytest.mark.parametrize(
    ("size", "lang"),
    [({"width": 360, "height": 740}, "fr-FR"), ({"width": 1280, "height": 900}, "en-GB")],
    ids=["phone", "desk"],
)
async def test_a_provider_drops_a_file_and_the_service_deletes_it(
    town: Town, size: dict[str, int], lang: str, tmp_path: Path
) -> None:
    wrong: list[str] = []
    report = tmp_path / "Relevé de la semaine du 12 janvier, tournée nord.csv"
    report.write_bytes(b"a,b\n1,2\n")
    people = {
        "anna": await town.add("anna", Role.PROVIDER, Scope(provider="acme")),
        "hugo": await town.add("hugo", Role.HEAD, Scope(services=frozenset({"waste"}))),
    }
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        for name, code in people.items():
            context = await browser.new_context(viewport=size, locale=lang, ignore_https_errors=True)  # type: ignore[arg-type]
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            await page.goto(f"{town.url}/signin/code")
            for field, value in (("name", name), ("code", code), ("password", PASSWORD), ("again", PASSWORD)):
                await page.fill(f"[name={field}]", value)
            await page.click("main form button:not([type=button])")
            await page.wait_for_url("**/")
            await page.goto(f"{town.url}/spaces")
            await judge(page)
            await page.click("text=acme-waste")
            await page.wait_for_url("**/spaces/acme-waste")
            if name == "anna":
                await page.set_input_files("#file", report)
                await page.click("form[action$='/drop'] button")
                await page.wait_for_url("**said=spaces-dropped")
                await judge(page)
                assert await page.locator("tbody th").first.inner_text() == report.name
                async with page.expect_download() as waiting:
                    await page.click("tbody th a")
                assert Path(await (await waiting.value).path()).read_bytes() == report.read_bytes()
            else:
                assert await page.locator("#file").count() == 0
                await page.click("form[action$='/remove'] button")
                await page.wait_for_url("**said=spaces-deleted")
                await judge(page)
            await context.close()
        await browser.close()
    assert wrong == []
    assert [one.what for one in await town.lines()][-1] == "spaces.deleted"
