"""An open page says that it is live only while it hears from the hub."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import async_playwright, expect

from hub.web import live_feed
from hub.web.request.routes import ADMINISTRATEUR

from .test_session import CHROMIUM, _signed_in
from .web_kit import NAME, PASSWORD, Pages


@pytest.mark.parametrize("beats", [True, False])
async def test_a_page_is_grey_ten_seconds_after_the_hubs_last_word_though_the_connection_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    silent, sent_to = asyncio.Event(), 0
    send = live_feed.Feed._send

    async def sent(answer: web.StreamResponse, data: bytes) -> None:
        nonlocal sent_to
        if silent.is_set() and not beats:
            await asyncio.Event().wait()  # a hub that hangs, with its connections open
        await send(answer, data)
        sent_to += 1

    monkeypatch.setattr(live_feed.Feed, "_send", staticmethod(sent))
    monkeypatch.setattr(live_feed, "BEAT_S", 0.05)
    async with Pages(tmp_path) as pages, async_playwright() as play:
        await pages.site.accounts.put(NAME, PASSWORD, ADMINISTRATEUR, "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(ignore_https_errors=True, locale="fr-FR")
        page = await context.new_page()
        await page.clock.install()
        await _signed_in(page, pages.url)
        box = page.locator("[data-live]")
        await expect(box).to_have_attribute("data-state", "on")
        silent.set()
        for _ in range(10):  # ten seconds of the page's clock
            await page.clock.run_for(1_000)
            before = sent_to
            while beats and sent_to < before + 3:
                await asyncio.sleep(0.01)
        await expect(box).to_have_attribute("data-state", "on" if beats else "off")
        await chromium.close()
