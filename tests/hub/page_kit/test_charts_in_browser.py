"""Series of several devices in one chart of the pages, in a browser: told apart without colour, with the limits of
rules, read by pointing, and scrolled past by a finger."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.async_api import Page, Route, async_playwright, expect

from .test_chart_in_browser import CHROMIUM, DAY, NOW, STATIC, WORDS

pytestmark = [pytest.mark.real("processes"), pytest.mark.long("starts a browser", of="tests/hub")]

BEGIN = NOW - DAY
PAGE = """<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/style.css"><link rel="stylesheet" href="/chart.css">
<script src="/chart.js" defer></script>
<body><ilot-chart table="t" data-label="Rooms" data-zone="UTC" data-gap="gap" data-from="{begin}" data-to="{end}"
data-words='{words}' data-series='{series}' data-limits='{limits}'></ilot-chart><table id="t"></table>
<p style="height: 3000px">below</p>"""


def series(*kinds: str) -> list[dict[str, Any]]:
    units = {"humid": "%", "used": "kWh"}
    return [
        {"label": f"{kind} {order}", "unit": units.get(kind, "°C"), "src": f"/history?device={kind}&order={order}"}
        | ({"words": ["off", "on"], "unit": ""} if kind == "lamp" else {})
        for order, kind in enumerate(kinds)
    ]


def limit(name: str, at: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "at": at, "clears": at - 1, "up": True, "severity": "critical", "unit": "°C", **more}


def history(kind: str, order: int, begin: int, end: int) -> dict[str, Any]:
    """Every ten minutes; `late`: only of the second half; `used`: a counter by its hours."""
    if kind == "used":
        cells = [[at, 1.0 + at % 7, None, None, 0.0, 100.0] for at in range(BEGIN, NOW, 3600)]
        return {"line": [], "gaps": [], "spread": [], "counter": True, "cells": cells}
    first = BEGIN + DAY // 2 if kind == "late" else BEGIN
    line = [
        [at, round(at // 7200 % 2) if kind == "lamp" else 20 + order + math.sin(at / DAY * 2 * math.pi)]
        for at in range(first, NOW, 600)
    ]
    gaps = [] if kind != "room" else [[NOW - 7200, NOW - 3600]]
    return {"line": line, "gaps": gaps, "spread": [], "counter": False, "cells": []}


class Drawn:
    """A page with one chart."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.chart, self.plot = page.locator("ilot-chart"), page.locator("ilot-chart > svg")
        self.series, self.limits = series("room", "late", "humid"), list[dict[str, Any]]()

    async def show(self, *kinds: str, limits: list[dict[str, Any]] | None = None) -> None:
        self.series, self.limits = series(*kinds), limits or []
        await self.page.goto("https://hub.example/")
        await expect(self.chart.locator("path.trace[d]:not(.legend path)")).to_have_count(len(kinds))

    async def answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path == "/history":
            query = {name: texts[0] for name, texts in parse_qs(url.query).items()}
            await route.fulfill(
                json=history(query["device"], int(query["order"]), int(query["from"]), int(query["to"]))
            )
        elif url.path == "/":
            words = json.dumps({name: name for name in WORDS})
            data = {"words": words, "series": json.dumps(self.series), "limits": json.dumps(self.limits)}
            await route.fulfill(body=PAGE.format(begin=BEGIN, end=NOW, **data), content_type="text/html")
        else:
            await route.fulfill(path=STATIC / url.path[1:])

    async def said(self) -> str:
        return await self.chart.locator("p.help").inner_text()

    async def view(self) -> list[float]:
        view: list[float] = await self.chart.evaluate("(chart) => chart.view")
        return view


@pytest.fixture
async def drawn() -> AsyncIterator[Drawn]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
        page = await context.new_page()
        made = Drawn(page)
        await page.route("**/*", made.answer)
        yield made
        await browser.close()


async def test_eight_lines_are_told_apart_by_their_dashes_and_their_numbers(drawn: Drawn) -> None:
    await drawn.show(*["room"] * 8)
    dashes = await drawn.chart.locator("g path.trace").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).strokeDasharray)"
    )
    assert len(set(dashes)) == 8
    assert await drawn.chart.locator("text.tag").all_text_contents() == [str(n + 1) for n in range(8)]
    legend = drawn.chart.locator(".legend li")
    assert (await legend.all_inner_texts())[0].strip() == "1. room 0"
    boxes = [await legend.nth(n).bounding_box() for n in range(8)]
    assert all(box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert await drawn.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_each_unit_and_each_kind_of_flag_has_its_panel_and_a_counter_is_a_staircase(drawn: Drawn) -> None:
    await drawn.show("room", "humid", "used", "lamp")
    assert await drawn.chart.locator("clipPath + line, g + line.grid").count() >= 3
    axis = await drawn.chart.locator("text.axis").all_text_contents()
    for wanted in ("°C", "%", "kWh"):
        assert any(text.endswith(wanted) for text in axis), wanted
    assert "on" in axis
    assert "H" in str(await drawn.chart.locator("path.trace.s2").last.get_attribute("d"))


async def test_the_limits_of_rules_that_are_near_are_lines_with_their_names(drawn: Drawn) -> None:
    await drawn.show("room", limits=[limit("hot", 22.5), limit("far", 60.0), limit("damp", 21.0, unit="%")])
    assert await drawn.chart.locator("text.limit-name").all_text_contents() == ["hot 22.5\u202f°C"]
    assert await drawn.chart.locator("line.limit:not(.clears)").count() == 1
    assert await drawn.chart.locator("line.limit.clears").count() == 1
    line = await drawn.chart.locator("line.limit:not(.clears)").bounding_box()
    plot = await drawn.plot.bounding_box()
    assert line is not None
    assert plot is not None
    assert plot["y"] <= line["y"] <= plot["y"] + plot["height"], "the axis reaches it"
    band = await drawn.chart.locator("rect.band.critical").bounding_box()
    assert band is not None
    assert band["y"] + band["height"] == pytest.approx(line["y"], abs=2), "the side where the rule holds"
    await drawn.show("room", limits=[limit("far", 60.0, always=True)])
    assert await drawn.chart.locator("text.limit-name").all_text_contents() == ["far 60\u202f°C"]


async def test_a_moment_says_the_value_of_every_series_also_where_the_first_has_none(drawn: Drawn) -> None:
    await drawn.show("late", "room")
    await drawn.plot.press("Home")
    said = await drawn.said()
    assert "late 0: gap" in said
    assert "room 1: 2" in said
    await drawn.plot.press("End")
    assert "gap" not in await drawn.said()


async def test_a_silence_of_one_of_several_is_a_dash_at_the_foot(drawn: Drawn) -> None:
    await drawn.show("room", "late")
    assert await drawn.chart.locator("rect.miss.s0").count() == 1
    assert await drawn.chart.locator("rect.miss.s1").count() == 0


async def test_a_finger_that_goes_down_scrolls_the_page_and_one_that_goes_aside_moves_the_time(drawn: Drawn) -> None:
    await drawn.show("room", "late")
    box = await drawn.plot.bounding_box()
    assert box is not None
    touch = await drawn.page.context.new_cdp_session(drawn.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    async def swipe(dx: float, dy: float) -> None:
        for step in range(13):
            kind = "touchMove" if step else "touchStart"
            points = [{"x": x + dx * step / 12, "y": y + dy * step / 12}]
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            await drawn.page.evaluate("new Promise(requestAnimationFrame)")
        await touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    await drawn.page.evaluate("{ window.rested = false; onscrollend = () => { rested = true } }")
    await swipe(-20, -90)
    await drawn.page.wait_for_function("() => rested && scrollY > 40")  # it glides on when the finger is gone
    assert await drawn.view() == [BEGIN, NOW]
    await drawn.page.evaluate("scrollTo(0, 0)")
    await swipe(90, 4)
    begin, end = await drawn.view()
    assert begin < BEGIN
    assert end - begin == pytest.approx(DAY)
    assert await drawn.page.evaluate("scrollY") == 0


async def test_the_picture_of_several_has_the_name_of_each(drawn: Drawn, tmp_path: Path) -> None:
    heights = []
    for kinds in (("room",), ("room", "late", "room")):
        await drawn.show(*kinds)
        async with drawn.page.expect_download() as coming:
            await drawn.chart.get_by_text("picture").click()
        download = await coming.value
        assert download.suggested_filename == "Rooms.png"
        await download.save_as(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            heights.append(picture.height)
    assert heights[1] - heights[0] == 3 * 18 * 2
