"""The end of a session is said beforehand, announced in time, put off by one press, and costs nothing of what was
typed."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from hub.web.sessions import IDLE_S, LONGEST_S, Session, Sessions

from .web_kit import NAME, PASSWORD, Pages

CHROMIUM = "/usr/bin/chromium"
LASTS = "La session se termine 1\u00a0h après la dernière action, et 12\u00a0h après la connexion."
MINUTE = 60_000


def test_a_session_lasts_an_hour_from_the_last_action_and_twelve_in_any_case() -> None:
    now = 1000.0
    sessions = Sessions(lambda: now, b"s")
    token, session = sessions.begin(NAME)
    now += 1800
    assert sessions.left(session) == (IDLE_S - 1800, LONGEST_S - 1800)
    sessions.get(token)
    assert sessions.left(session) == (IDLE_S, LONGEST_S - 1800)
    for _ in range(12):  # kept ten times and more (WCAG 2.2, 2.2.1), until the very end
        now += 3400
        sessions.get(token)
    assert sessions.left(session) == (LONGEST_S - 1800 - 12 * 3400, LONGEST_S - 1800 - 12 * 3400)


async def test_every_page_says_how_long_a_session_lasts_and_asking_does_not_lengthen_it(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        stranger = pages.browser()
        assert LASTS.replace("\u00a0", " ") in (await stranger.get("/signin"))[1].replace("\u00a0", " ")
        browser = await pages.person("lecteur")
        assert LASTS.replace("\u00a0", " ") in (await browser.get("/devices"))[1].replace("\u00a0", " ")
        session = next(iter(pages.site.sessions._open.values()))
        session.seen -= 3000
        asked = json.loads((await browser.get("/api/1/session"))[1])
        assert 590 <= asked["left_s"] <= 600
        status, kept = await browser.api("POST", "/session")
        assert (status, kept["left_s"] > 3590) == (200, True)
        session.seen -= 4000
        assert (await browser.get("/api/1/session"))[0] == 401


async def _signed_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/signin")
    await page.fill("#name", NAME)
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("nav")


async def test_it_warns_in_a_live_region_and_one_press_keeps_it(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, async_playwright() as play:
        await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(
            ignore_https_errors=True, locale="fr-FR", viewport={"width": 360, "height": 740}
        )
        await context.clock.install()
        page = await context.new_page()
        await _signed_in(page, pages.url)
        session: Session = next(iter(pages.site.sessions._open.values()))
        await page.goto(f"{pages.url}/account")
        said, stay = page.locator("#lapse [role=status]"), page.locator("#lapse button")

        await page.clock.fast_forward(56 * MINUTE)  # another tab was in use meanwhile
        await page.wait_for_timeout(200)
        assert await said.inner_text() == ""
        assert not await stay.is_visible()

        session.seen -= IDLE_S - 230
        await page.clock.fast_forward(56 * MINUTE)
        await expect(said).to_have_text("La session se termine dans 4 min, faute d'activité.")
        box = await stay.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 740, "it is seen without scrolling"
        await stay.click()
        await expect(said).to_have_text("La session continue.")
        await expect(stay).to_be_hidden()
        assert pages.site.sessions.left(session)[0] > IDLE_S - 30

        await page.fill("#former", PASSWORD)
        for field in ("#password", "#again"):
            await page.fill(field, "un tout autre mot de passe")
        session.seen -= IDLE_S + 1
        await page.clock.fast_forward(61 * MINUTE)
        await expect(said).to_contain_text("Ce que vous avez saisi est encore ici")
        await expect(page.locator("#lapse a")).to_be_visible()
        other = await context.new_page()
        await _signed_in(other, pages.url)
        await other.close()
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(page.locator("#lapse a")).to_be_hidden()
        await page.click("main button")
        await page.wait_for_load_state()
        assert await pages.site.accounts.fits(NAME, "un tout autre mot de passe") is not None
        await chromium.close()
