"""The chart of the pages in a browser: what it asks of the hub, and what it draws of the answer."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.async_api import Locator, Page, Route, async_playwright, expect

import hub.page_kit
from hub.history.memory import Downsampler, Silences, broken

pytestmark = [pytest.mark.real("processes"), pytest.mark.long("starts a browser", of="tests/hub")]

expect.set_options(timeout=60_000)  # a busy machine draws late

CHROMIUM = "/usr/bin/chromium"
STATIC = Path(hub.page_kit.__file__).parent / "static"
NOW, DAY = 1_700_000_000, 86_400
MONTH = NOW - 31 * DAY
OUTAGES = ((NOW - 20 * DAY, NOW - 20 * DAY + 43_200), (NOW - 2 * DAY, NOW - 2 * DAY + 10_200))
WORDS = ("zoom-in", "zoom-out", "earlier", "later", "whole", "day-before", "week-before", "picture")
PAGE = """<html lang="en"><meta charset="utf-8"><link rel="stylesheet" href="/style.css">
<script src="/chart.js" defer></script><body style="width: 700px"><ilot-chart table="t" data-label="Hall" data-unit="°C"
data-zone="UTC" data-gap="gap" data-from="{begin}" data-to="{end}" data-src="/history?device=x" data-words='{words}'
data-raised='{raised}'></ilot-chart><table id="t"></table>"""


def history(begin: int, end: int) -> dict[str, Any]:
    """A reading every ten minutes but in the outages, as the call of this name answers."""
    times = range(-(-begin // 600) * 600, min(end, NOW), 600)
    points = [
        (at, 20 + 3 * math.sin(at / DAY * 2 * math.pi)) for at in times if not any(a < at < b for a, b in OUTAGES)
    ]
    fold, silences = Downsampler(begin, end, 200), Silences(begin, end)
    fold.add(points)
    silences.add(points)
    gaps = silences.found(min(end, NOW), 200)
    return {"line": broken(fold.points(), gaps), "gaps": gaps, "spread": []}


class Shown:
    def __init__(self, page: Page) -> None:
        self.page, self.asked = page, list[tuple[int, int]]()
        self.chart: Locator = page.locator("ilot-chart")

    async def answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path == "/history":
            query = parse_qs(url.query)
            begin, end = int(query["from"][0]), int(query["to"][0])
            self.asked.append((begin, end))
            await route.fulfill(json=history(begin, end))
        elif url.path == "/":
            words, raised = (
                json.dumps({name: name for name in WORDS}),
                json.dumps([[NOW - DAY, NOW, "critical", "hot"]]),
            )
            await route.fulfill(
                body=PAGE.format(begin=MONTH, end=NOW, words=words, raised=raised), content_type="text/html"
            )
        else:
            await route.fulfill(path=STATIC / url.path[1:])

    async def press(self, key: str, asks: tuple[int, int]) -> None:
        await self.chart.locator("svg").press(key)
        await self.until(asks)

    async def view(self) -> tuple[int, int]:
        """Wait until the chart has asked for what it shows; return that."""
        begin, end = await self.chart.evaluate("(chart) => chart.view")
        await self.until((math.floor(begin), math.ceil(end)))
        return self.asked[-1]

    async def until(self, asks: tuple[int, int]) -> None:
        """Wait until the chart has asked for this stretch last, and has drawn it."""
        while asks not in self.asked[-2:]:
            await self.page.wait_for_timeout(20)
        await expect(self.chart.locator("path.trace").first).to_be_attached()


@pytest.fixture
async def shown() -> AsyncIterator[Shown]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 760, "height": 500})
        made = Shown(page)
        await page.route("**/*", made.answer)
        await page.goto("https://hub.example/")
        await expect(made.chart.locator("path.trace").first).to_be_attached()
        yield made
        await browser.close()


async def test_the_axis_is_that_of_the_chosen_time_and_each_silence_of_a_month_is_seen(shown: Shown) -> None:
    assert shown.asked == [(MONTH, NOW)]
    holes = shown.chart.locator("rect.hole")
    await expect(holes).to_have_count(2)
    boxes = [await holes.nth(n).bounding_box() for n in range(2)]
    whole = await shown.chart.locator("clipPath rect").get_attribute("width")
    assert whole is not None
    for box, (begin, end) in zip(boxes, OUTAGES, strict=True):
        assert box is not None
        assert box["width"] == pytest.approx(max(2.0, (end - begin) / (NOW - MONTH) * float(whole)), abs=2.0)
    await expect(shown.chart.locator("rect.raised.critical title")).to_have_text("hot")
    assert await shown.chart.locator("path.spread").count() >= 3, "lowest and highest of what is many, up to a silence"


async def test_keys_zoom_move_and_come_back_and_say_each_value(shown: Shown) -> None:
    middle, quarter = (MONTH + NOW) // 2, (NOW - MONTH) // 4
    await shown.press("+", (middle - quarter, middle + quarter))
    await shown.press("Shift+ArrowLeft", (middle - quarter - quarter // 2, middle + quarter - quarter // 2))
    await shown.press("0", (MONTH, NOW))
    await shown.chart.locator("svg").press("End")
    await expect(shown.chart.locator("p.help")).to_contain_text("°C")


async def test_no_zoom_goes_below_a_minute_nor_into_the_future(shown: Shown) -> None:
    for _ in range(20):
        await shown.chart.locator("svg").press("+")
    begin, end = await shown.view()
    assert 60 <= end - begin <= 61
    await shown.chart.get_by_text("whole").click()
    await shown.until((MONTH, NOW))
    clock = await shown.page.evaluate("Date.now() / 1000")
    for _ in range(8):
        await shown.chart.get_by_role("button", name="zoom-out").click()
    begin, end = await shown.view()
    assert end - begin <= 366 * DAY + 1
    assert end <= clock + 60


async def test_the_day_before_lies_beneath_as_a_dashed_line_and_is_said(shown: Shown) -> None:
    button = shown.chart.get_by_role("button", name="day-before")
    await button.click()
    await shown.until((MONTH - DAY, NOW - DAY))
    await expect(shown.chart.locator("path.before")).to_be_attached()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await shown.chart.locator("svg").press("End")
    await expect(shown.chart.locator("p.help")).to_contain_text("(day-before: ")
    await button.click()
    await expect(shown.chart.locator("path.before")).to_have_count(0)


async def test_a_drag_moves_the_time_that_is_shown(shown: Shown) -> None:
    box = await shown.chart.locator("svg").bounding_box()
    assert box is not None
    mouse, y = shown.page.mouse, box["y"] + 80
    await mouse.move(box["x"] + 300, y)
    await mouse.down()
    await mouse.move(box["x"] + 300 + box["width"] / 4, y, steps=4)
    await mouse.up()
    begin, end = await shown.view()
    assert MONTH - begin == pytest.approx((NOW - MONTH) / 4, rel=0.05)
    assert end - begin == pytest.approx(NOW - MONTH, abs=2)


async def test_the_picture_is_kept_as_a_png(shown: Shown, tmp_path: Path) -> None:
    async with shown.page.expect_download() as coming:
        await shown.chart.get_by_text("picture").click()
    download = await coming.value
    assert download.suggested_filename == "Hall.png"
    await download.save_as(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1000
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 20, "the line is drawn"
