"""What templates leave behind when they are compiled goes back to the machine, once, when there is quiet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.web import render

from .web_kit import Pages

pytestmark = pytest.mark.real("network")


async def test_memory_is_given_back_once_after_pages_that_nobody_had_opened_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = asyncio.Event()
    times: list[None] = []

    def give_back() -> None:
        times.append(None)
        given.set()

    async with Pages(tmp_path) as pages:
        browser = await pages.claimed()
        monkeypatch.setattr(render, "give_back", give_back)
        monkeypatch.setattr(render, "SETTLED_S", 60.0)
        await browser.get("/link")
        first = pages.site.render._tidying
        assert first is not None
        monkeypatch.setattr(render, "SETTLED_S", 0.0)
        await browser.get("/audit")
        assert first.cancelled(), "one time for all of them"
        async with asyncio.timeout(30):
            await given.wait()
        timer = pages.site.render._tidying
        await browser.get("/audit")
        assert pages.site.render._tidying is timer, "nothing was compiled"
        assert len(times) == 1
