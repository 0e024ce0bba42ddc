"""People in a browser: by the provider and by a local account, on a phone and on a desk, judged by axe."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from backend.city.people.viewer import Role, Scope
from tests import axe

from ..waiting import PATIENCE_MS
from .people_kit import PASSWORD, Peer, Town, provider

pytestmark = [
    pytest.mark.real("clock, network, processes"),
    pytest.mark.long("starts a browser", of="tests/backend/city"),
]

CHROMIUM = "/usr/bin/chromium"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
PICTURES = os.environ.get("ILOT_PICTURES", "")
"""Folder for pictures of the pages; none without it."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: a browser sees no difference."""
    return tmp_path / "owner" / "backend.db"


@asynccontextmanager
async def browser(town: Town, size: dict[str, int], lang: str = "fr-FR") -> AsyncIterator[BrowserContext]:
    """A browser that trusts the city's authority, and ignores no error of a certificate."""
    home = town.directory / f"home-{size['width']}-{lang}"
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    store = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*store, "-N", "--empty-password"], check=True, capture_output=True)
    trusted = [*store, "-A", "-t", "C,,", "-n", "city", "-i", str(town.authority)]
    subprocess.run(trusted, check=True, capture_output=True)
    async with async_playwright() as play:
        context = await play.chromium.launch_persistent_context(
            home / "profile",
            executable_path=CHROMIUM,
            args=["--no-sandbox"],
            timeout=PATIENCE_MS,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            locale=lang,
            viewport=size,  # type: ignore[arg-type]
        )
        context.set_default_timeout(PATIENCE_MS)
        yield context
        await context.close()


async def judged(page: Page, name: str, size: dict[str, int]) -> None:
    """Look at a page as axe-core does, once it is all there; no line is wider than the screen."""
    await page.wait_for_load_state()
    found: dict[str, Any] = await page.evaluate(axe.run(), {"runOnly": RULES})
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == [], name
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, name
    if PICTURES:
        await page.screenshot(path=f"{PICTURES}/{name}-{size['width']}.png", full_page=True)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_an_administrator_chooses_a_password_and_lets_people_in(town: Town, size: dict[str, int]) -> None:
    code = await town.add("anne")
    await town.enter("rose", Role.HEAD, Scope(services=frozenset({"waste"})))
    async with browser(town, size) as context:
        page = context.pages[0]
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"{town.url}/people")
        assert page.url == f"{town.url}/signin?to=%2Fpeople"
        await judged(page, "sign-in-local", size)
        await page.fill("#name", "anne")
        await page.fill("#password", "wrong wrong wrong")
        await page.click("main form button")
        await expect(page.locator('[role="alert"]')).to_be_visible()
        await judged(page, "sign-in-wrong", size)
        await page.goto(f"{town.url}/signin/code")
        await judged(page, "code", size)
        await page.fill("#name", "anne")
        await page.fill("#code", code)
        await page.fill("#password", PASSWORD)
        await page.fill("#again", PASSWORD)
        await page.click("main form button")
        await page.wait_for_selector("#menu")
        await page.goto(f"{town.url}/people")
        await judged(page, "people", size)
        await page.fill("#name", "paul")
        await page.fill("#full_name", "Paul Petit")
        await page.select_option("#role", "crew")
        await page.fill("#services", "waste")
        await page.click("main form.card button")
        made = await page.locator("[data-code]").inner_text()
        assert re.fullmatch(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){2}", made.strip())
        await judged(page, "people-made", size)
        await page.click("main table a >> text=Paul Petit")
        await page.wait_for_url(f"{town.url}/people/paul*")
        await judged(page, "people-one", size)
        await page.goto(f"{town.url}/tokens")
        await page.fill("#name", "weather")
        await page.check('input[name="use"][value="open"]')
        await page.click("main form.card button")
        assert (await page.locator("[data-token]").inner_text()).startswith("ilotc_")
        await judged(page, "tokens", size)
        await page.goto(f"{town.url}/journal?verify=1")
        await expect(page.locator(".note.good")).to_be_visible()
        await judged(page, "journal", size)
        await page.goto(f"{town.url}/account")
        await judged(page, "account", size)
        assert errors == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_somebody_signs_in_by_the_provider_on_another_site_and_out_of_both(
    town: Town, size: dict[str, int]
) -> None:
    with provider(town, "keycloak") as peer:
        async with browser(town, size) as context:
            page = context.pages[0]
            await page.goto(f"{town.url}/tokens")
            await judged(page, "sign-in-provider", size)
            town.catch_up()
            await by_provider(page, peer, "alice")
            await page.wait_for_url(f"{town.url}/tokens")  # where they wanted to go, past a strict cookie
            await expect(page.locator(".who")).to_contain_text("Alice Martin")
            await page.goto(f"{town.url}/account")
            await page.click('main form[action="/signout"] button')
            await page.wait_for_url(f"{peer.issuer}/**")
            assert "Îlot" not in await page.title()
            await page.goto(f"{town.url}/account")
            assert "/signin" in page.url


async def test_a_link_in_a_mail_opens_its_page_for_whoever_is_signed_in(town: Town) -> None:
    code = await town.add("anne")
    mail = "mail.html"
    async with browser(town, PHONE) as context:
        page = context.pages[0]
        await page.goto(f"{town.url}/signin/code")
        for field, value in (("name", "anne"), ("code", code), ("password", PASSWORD), ("again", PASSWORD)):
            await page.fill(f"#{field}", value)
        await page.click("main form button")
        await page.wait_for_selector("#menu")
        (town.directory / mail).write_text(f'<a href="{town.url}/journal?who=anne">See</a>')
        await page.goto(f"file://{town.directory / mail}")
        await page.click("a")
        await page.wait_for_url(f"{town.url}/journal?who=anne")
        await expect(page.locator("h1")).to_be_visible()


async def test_the_sign_in_speaks_english_and_says_that_the_provider_is_away(town: Town) -> None:
    with provider(town, "keycloak") as peer:
        peer.stop()
        async with browser(town, PHONE, "en-GB") as context:
            page = context.pages[0]
            await page.goto(f"{town.url}/signin")
            await page.click("main a.button")
            await expect(page.locator('[role="alert"]')).to_contain_text("does not answer")
            assert await page.locator("#password").is_visible()  # the local way is open at once
            await judged(page, "provider-away", PHONE)


async def by_provider(page: Page, peer: Peer, login: str) -> None:
    await page.click("main a.button")
    await page.wait_for_url(f"{peer.issuer}/**")
    await page.fill('input[name="login"]', login)
    await page.fill('input[name="password"]', "any")
    await page.click('button[type="submit"]')
    await page.wait_for_selector('input[name="prompt"][value="consent"]', state="attached")
    await page.click('button[type="submit"]')
