"""An open page says that it is live only while it hears from the hub."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import async_playwright, expect

from hub.web import live_feed
from hub.web.roles import ADMINISTRATEUR

from .test_session import CHROMIUM, _signed_in
from .web_kit import NAME, PASSWORD, Pages

pytestmark = pytest.mark.real("network, processes")

COUNTS = """
    const read = ReadableStreamDefaultReader.prototype.read;
    window.parts = 0;
    ReadableStreamDefaultReader.prototype.read = async function () {
        const part = await read.call(this);
        window.parts += 1;
        return part;
    };
"""
"""Counts the parts of streams that the page has read: what the hub has sent may be under way."""


@pytest.mark.parametrize("beats", [True, False])
async def test_a_page_is_grey_ten_seconds_after_the_hubs_last_word_though_the_connection_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    silent = asyncio.Event()
    send = live_feed.Feed._send

    async def sent(answer: web.StreamResponse, data: bytes) -> None:
        if silent.is_set() and not beats:
            await asyncio.Event().wait()  # a hub that hangs, with its connections open
        await send(answer, data)

    monkeypatch.setattr(live_feed.Feed, "_send", staticmethod(sent))
    monkeypatch.setattr(live_feed, "BEAT_S", 0.05)
    async with Pages(tmp_path) as pages, async_playwright() as play:
        await pages.site.accounts.put(NAME, PASSWORD, ADMINISTRATEUR, "test")
        chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(ignore_https_errors=True, locale="fr-FR")
        page = await context.new_page()
        await page.add_init_script(COUNTS)
        await page.clock.install()
        await _signed_in(page, pages.url)
        box = page.locator("[data-live]")
        await expect(box).to_have_attribute("data-state", "on")
        silent.set()
        for _ in range(10):  # ten seconds of the page's clock
            await page.clock.run_for(1_000)
            if beats:  # the page has read some of that second
                before = await page.evaluate("window.parts")
                await page.wait_for_function("before => window.parts > before + 1", arg=before)
        await expect(box).to_have_attribute("data-state", "on" if beats else "off")
        await chromium.close()
