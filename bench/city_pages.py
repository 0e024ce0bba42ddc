"""How fast the city's pages are, in Debian's chromium over TLS: the map with many things, and the list of many hubs.

    python bench/city_pages.py [--things 5000 20000] [--hubs 10000]

For each number of things: milliseconds from the navigation to the map with its marks painted (median of five loads,
without a cache), bytes that came over the network (and those that come besides once somebody zooms in), and, while the
map is dragged for some seconds, what the main thread of the page did in each 16.7 ms (p95) and in its longest task, as
the browser's own tracing tells. For the fleet: milliseconds of a page with that many hubs (median and worst of twenty),
by HTTP, and of this process's processor in it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

ROOT = Path(__file__).resolve().parent.parent
CITY_TESTS = ROOT / "tests" / "backend" / "city"
sys.path[:1] = [
    str(ROOT),
    str(CITY_TESTS / "people"),
    str(CITY_TESTS / "pages"),
]  # `bench/backend.py` is another module
sys.path.append(str(ROOT / "bench"))

from measure import figure, remark  # noqa: E402
from pages_kit import alert, fill, raise_alerts, sensors, store_hubs  # noqa: E402
from people_kit import PASSWORD, served  # noqa: E402

from backend.city.city import City  # noqa: E402
from backend.city.people.viewer import CLASSES, Role, Scope  # noqa: E402
from backend.city.store import CityStore  # noqa: E402
from backend.owner import directory as owners  # noqa: E402
from backend.queries.views import Views  # noqa: E402
from backend.storage.city.database import open_city  # noqa: E402
from backend.storage.opening import open_queries, open_storage  # noqa: E402
from backend.storage.shared import SharedStorage  # noqa: E402

CHROMIUM = "/usr/bin/chromium"
READY = "() => performance.getEntriesByName('map-ready').length > 0"
FRAME_US = 1_000_000 / 60
LOADS, DRAGS, PAGES = 5, 8, 20


@asynccontextmanager
async def town(things: int, hubs: int) -> Any:
    """Serve a city with so many things and hubs."""
    with tempfile.TemporaryDirectory(prefix="ilot-bench-") as place:
        directory = Path(place) / "owner"
        owners.init(directory, owner="Ville")
        address = directory / "backend.db"
        open_storage(address).close()
        queries, storage = open_queries(address), SharedStorage(address)
        city = City(
            directory=directory, owner=owners.load(directory), address=address,
            store=CityStore(open_city(directory, address)), queries=queries, views=Views(queries), storage=storage,
            clock=time.time, url="https://localhost",
        )  # fmt: skip
        now, some = time.time(), sensors(things)
        await city.store.write(lambda t: fill(t, some, now))
        await raise_alerts(city, [alert(one.hub, one.device, now) for one in some[:: max(1, things // 100)]])
        store_hubs(address, hubs, now)
        async with served(city, Path(place) / "tls") as made:
            yield made
        await city.store.close()
        await storage.close()


async def signed_in(browser: Any, url: str) -> Any:
    context = await browser.new_context(
        ignore_https_errors=True, locale="fr-FR", viewport={"width": 1360, "height": 900}
    )
    page = await context.new_page()
    await page.goto(f"{url}/signin")
    await page.fill("#name", "mesure")
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await page.wait_for_load_state()
    return context


async def first_paint(context: Any, url: str) -> dict[str, float]:
    """Load the map without a cache; return milliseconds until it stands, and kilobytes that came."""
    page: Page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    bytes_in = 0

    def count(event: dict[str, Any]) -> None:
        nonlocal bytes_in
        bytes_in += event["encodedDataLength"]

    session.on("Network.loadingFinished", count)
    await page.goto(f"{url}/")
    await page.wait_for_function(READY)
    ready = await page.evaluate("() => performance.getEntriesByName('map-ready')[0].startTime")
    await asyncio.sleep(1.0)
    found = {"ms": ready, "kb": bytes_in / 1000}
    await page.goto("about:blank")
    return found


async def dragging(context: Any, url: str) -> dict[str, float]:
    """Drag the map to and fro; return what the main thread did a frame, and its longest task, in milliseconds."""
    page: Page = await context.new_page()
    await page.goto(f"{url}/")
    await page.wait_for_function(READY)
    await page.evaluate("() => document.querySelector('[data-map=in]').click()")
    await asyncio.sleep(2.0)
    session = await context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    done = asyncio.Event()
    session.on("Tracing.dataCollected", lambda event: events.extend(event["value"]))
    session.on("Tracing.tracingComplete", lambda event: done.set())
    box = await page.locator("#map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await session.send(
        "Tracing.start", {"categories": "toplevel,devtools.timeline,disabled-by-default-devtools.timeline"}
    )
    began = time.monotonic()
    for n in range(DRAGS):
        await page.mouse.move(x, y)
        await page.mouse.down()
        far = 260 if n % 2 else -260
        for step in range(1, 41):
            await page.mouse.move(x + far * step / 40, y + far * step / 80)
            await asyncio.sleep(0.016)
        await page.mouse.up()
        await asyncio.sleep(0.35)
    seconds = time.monotonic() - began
    await session.send("Tracing.end")
    await done.wait()
    return {**tasks_of(events), "seconds": seconds}


def tasks_of(events: list[dict[str, Any]]) -> dict[str, float]:
    """Return p95 of a frame's work and the longest task, in milliseconds, of the renderer's main thread."""
    mains = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"].get("name") == "CrRendererMain"
    }
    work: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for one in events:
        key = one["pid"], one["tid"]
        if key in mains and one.get("ph") == "X" and one["name"] in ("RunTask", "ThreadControllerImpl::RunTask"):
            # CPU time: how long the machine gave this thread to something else is no work of the page
            work.setdefault(key, []).append((one["ts"], one.get("tdur", one["dur"])))
    busiest = max(work.values(), key=lambda tasks: sum(took for _, took in tasks))
    frames: dict[int, float] = {}
    for at, took in busiest:
        frames[int(at // FRAME_US)] = frames.get(int(at // FRAME_US), 0.0) + took
    sums = sorted(frames.values())
    return {
        "frame_p95_ms": sums[int(len(sums) * 0.95)] / 1000, "longest_ms": max(took for _, took in busiest) / 1000,
        "frames": len(sums),
    }  # fmt: skip


async def fleet(made: Any, browser: Any) -> dict[str, float]:
    """Return milliseconds of a page of the list of hubs, of the clock and of the processor."""
    took, worked = [], []
    for n in range(PAGES):
        began, at = time.perf_counter(), time.process_time()
        answer = await browser.get(f"/hubs?page={1 + n % 7}")
        took.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - at) * 1000)
        assert answer.status == 200, answer.text
        await asyncio.sleep(0.4)  # so that some pages find the list of a moment ago, and some make it anew
    return {
        "median_ms": statistics.median(took), "worst_ms": max(took),
        "median_cpu_ms": statistics.median(worked), "worst_cpu_ms": max(worked),
    }  # fmt: skip


async def measure(things: int, hubs: int) -> None:
    async with town(things, hubs) as made:
        everything = Scope(classes=CLASSES)
        asking = await made.enter("mesure", Role.OPERATOR, everything)
        if hubs:
            listed = await fleet(made, asking)
            for word in ("median", "worst"):
                note = f"{listed[f'{word}_cpu_ms']:.1f} ms of processor"
                figure(f"a page of the list of {hubs:,} hubs, {word}", listed[f"{word}_ms"], "ms", note)
        exact = int((await asking.get("/map/exact")).headers["Content-Length"]) / 1000
        async with async_playwright() as play:
            browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = await signed_in(browser, made.url)
            loads = [await first_paint(context, made.url) for _ in range(LOADS)]
            paints = [one["ms"] for one in loads]
            name = f"map of {things:,} things"
            figure(f"{name}, first paint", statistics.median(paints) / 1000, "s", f"worst {max(paints) / 1000:.2f}")
            figure(f"{name}, bytes that came", loads[-1]["kb"], "kB", f"{exact:.0f} more once somebody zooms in")
            drag = await dragging(context, made.url)
            figure(
                f"{name}, dragged, main thread a frame, p95", drag["frame_p95_ms"], "ms", f"{drag['frames']:.0f} frames"
            )
            figure(f"{name}, dragged, longest task", drag["longest_ms"], "ms")
            await browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--things", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--hubs", type=int, default=10_000)
    chosen = parser.parse_args()
    if not Path(CHROMIUM).exists():
        remark("map of 5,000 things, first paint", f"{CHROMIUM} is not there")
        return
    for order, things in enumerate(chosen.things):
        asyncio.run(measure(things, chosen.hubs if order == 0 else 0))


if __name__ == "__main__":
    main()
