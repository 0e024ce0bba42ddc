"""The end of a session is said beforehand, announced in time, put off by one press, and costs nothing of what was
typed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from hub.page_kit.people.sessions import IDLE_S, LONGEST_S, Session, Sessions

from .web_kit import NAME, PASSWORD, Pages

CHROMIUM = "/usr/bin/chromium"
LASTS = "La session se termine 1\u202fh après la dernière action, et 12\u202fh après la connexion."
MINUTE = 60_000
LISTENS = """one => {
    window.told = [];
    new MutationObserver(() => window.told.push(one.textContent)).observe(one, { childList: true });
}"""
"""Keeps each text of an element: one of them stands there for four seconds."""

expect.set_options(timeout=60_000)  # a busy machine draws late


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


@pytest.mark.real("network")
async def test_every_page_says_how_long_a_session_lasts_and_asking_does_not_lengthen_it(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        stranger = pages.browser()
        assert LASTS.replace("\u00a0", " ") in (await stranger.get("/signin"))[1].replace("\u00a0", " ")
        browser = await pages.person("lecteur")
        assert LASTS.replace("\u00a0", " ") in (await browser.get("/devices"))[1].replace("\u00a0", " ")
        session = next(iter(pages.site.sessions._open.values()))
        session.seen -= 3000
        asked = json.loads((await browser.get("/api/1/session"))[1])
        assert 500 <= asked["left_s"] <= 600
        status, kept = await browser.api("POST", "/session")
        assert (status, kept["left_s"] > 3500) == (200, True)
        session.seen -= 4000
        assert (await browser.get("/api/1/session"))[0] == 401


async def _signed_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/signin")
    await page.fill("#name", NAME)
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("nav")


@pytest.mark.real("network, processes")
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

        async with page.expect_response("**/api/1/session") as asked:
            await page.clock.fast_forward(56 * MINUTE)  # another tab was in use meanwhile
        await (await asked.value).finished()
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
        await said.evaluate(LISTENS)
        await stay.click()
        await page.wait_for_function("() => window.told.includes('La session continue.')")
        await expect(stay).to_be_hidden()
        assert pages.site.sessions.left(session)[0] > IDLE_S - 600

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
        async with page.expect_navigation():  # the hub is asked first whether the session holds
            await page.click("main button")
        assert await pages.site.accounts.fits(NAME, "un tout autre mot de passe") is not None
        await chromium.close()


@asynccontextmanager
async def _on_a_phone(pages: Pages) -> AsyncIterator[BrowserContext]:
    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield await chromium.new_context(
            ignore_https_errors=True, locale="fr-FR", viewport={"width": 360, "height": 740}
        )
        await chromium.close()


async def _asked_for_another_password(page: Page, url: str) -> None:
    await page.goto(f"{url}/account")
    await page.fill("#former", PASSWORD)
    for field in ("#password", "#again"):
        await page.fill(field, "un tout autre mot de passe")


@pytest.mark.real("network, processes")
async def test_a_form_that_was_filled_while_the_hub_restarted_is_kept_until_it_can_be_sent(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, _on_a_phone(pages) as context:
        await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
        page = await context.new_page()
        await _signed_in(page, pages.url)
        await _asked_for_another_password(page, pages.url)
        said = page.locator("#lapse [role=status]")

        await context.set_offline(True)  # it is restarting
        await page.click("main button")
        await expect(said).to_contain_text("ne répond pas")
        await context.set_offline(False)
        pages.site.sessions.end_all(NAME)  # as another password does
        await page.click("main button")
        await expect(said).to_contain_text("Ce que vous avez saisi est encore ici")
        assert await page.input_value("#password") == "un tout autre mot de passe"
        other = await context.new_page()
        await _signed_in(other, pages.url)
        await other.close()
        await page.click("main button")
        await page.wait_for_url("**/account?said=*")
        assert await pages.site.accounts.fits(NAME, "un tout autre mot de passe") is not None


@pytest.mark.real("network, processes")
async def test_a_form_is_sent_once_however_often_its_button_is_pressed(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, _on_a_phone(pages) as context:
        await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
        page = await context.new_page()
        await _signed_in(page, pages.url)
        await _asked_for_another_password(page, pages.url)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        await page.evaluate("for (let n = 0; n < 3; n += 1) document.querySelector('main button').click()")
        await page.wait_for_url("**/account?said=*")
        assert sent == [f"{pages.url}/account/password"]


@pytest.mark.real("network, processes")
async def test_values_come_again_by_themselves_once_somebody_signed_in_in_another_tab(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages, _on_a_phone(pages) as context:
        await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
        page = await context.new_page()
        await _signed_in(page, pages.url)
        await page.goto(f"{pages.url}/devices")
        await page.wait_for_selector("[data-live][data-state=on]")
        pages.site.sessions.end_all(NAME)
        await page.wait_for_selector("[data-live][data-state=end]")
        assert await page.inner_text("[data-live-pause]") == "Recharger la page"
        await expect(page.locator("#lapse [role=status]")).to_contain_text("La session est terminée")
        other = await context.new_page()
        await _signed_in(other, pages.url)
        await other.close()
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.wait_for_selector("[data-live][data-state=on]")
        await expect(page.locator("#lapse a")).to_be_hidden()


@pytest.mark.real("network")
async def test_a_sign_in_leads_to_the_page_that_asked_for_it_and_to_none_elsewhere(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        page = (await pages.browser().get("/devices?q=salle&state=waiting"))[1]
        assert 'name="to" value="/devices?q=salle&amp;state=waiting"' in page
        assert "/badge?to=%2Fdevices" in page or "/badge" not in page
        for to, leads in (
            ("/devices?q=salle", "/devices?q=salle"), ("/alerts", "/alerts"), ("/claim", "/"), ("", "/"),
            ("//evil.example/devices", "/"), ("https://evil.example/", "/"), ("/api/1/status", "/"),
            ("/devices\r\nX: y", "/"), ("/nowhere", "/"), ("/signout", "/"),
        ):  # fmt: skip
            _, _, heads = await pages.browser().post("/signin", "/signin", name=NAME, password=PASSWORD, to=to)
            assert heads["Location"] == leads, to


@pytest.mark.real("network")
@pytest.mark.parametrize(("language", "said"), [("fr", "rien de ce que vous avez envoyé"), ("en", "was saved")])
async def test_what_is_sent_without_a_session_says_that_it_was_not_saved(
    tmp_path: Path, language: str, said: str
) -> None:
    async with Pages(tmp_path) as pages:
        await pages.site.accounts.put(NAME, PASSWORD, "lecteur", "test")
        stranger = pages.browser()
        status, text, _ = await stranger.post(f"/account/password?lang={language}", "/signin", password="x")
        assert status == 401
        assert said in text
        assert 'href="/signin"' in text
