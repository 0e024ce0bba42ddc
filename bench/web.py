"""The hub's own pages: what the first one weighs, how long each takes, and what open tabs cost.

    python bench/web.py [--devices 500 2000] [--tabs 20] [--seconds 20]

One hub with its link on and every device heard, each with a mark on a plan, 33 readings/s of 500 devices (2,000: four
times that). Weight is the bytes of the bodies as they are sent, gzip. Time is from asking to the last byte, TLS kept
alive, one page after the other, the median of five, by a client in the same process; what pages keep for a second
(`Site.lately`) is dropped before each, so nobody was there just before. Tabs are streams of server-sent events read by
a process of their own, in sessions as many as it takes; what they cost is the hub's CPU with them less its CPU without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import socket
import statistics
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parent))
from cpu import quiet
from house import House, Work, until, walks
from measure import figure

import hub
from hub.app.hub import Hub
from hub.page_kit import scanning
from hub.web.areas import MENU
from hub.web.charting import MOST_LINES

NAME, PASSWORD = "camille", "trois lampes et un chat"
TIMES = 5
EACH = 7
"""Streams a session; the hub allows 8."""


class Browser:
    """One session of a browser that keeps its connection and asks for gzip."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            auto_decompress=False,
            connector=aiohttp.TCPConnector(ssl=False),
            headers={"Accept-Encoding": "gzip"},
        )

    async def get(self, path: str) -> tuple[bytes, str]:
        """The body as sent, and as text. Raises SystemExit unless it is a page."""
        async with self.session.get(self.url + path) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise SystemExit(f"{path} answers {answer.status}")
            packed = answer.headers.get("Content-Encoding") == "gzip"

        return body, (zlib.decompress(body, 31) if packed else body).decode(errors="replace")

    async def post(self, path: str, **fields: str) -> None:
        token = re.search(r'name="csrf" value="([^"]+)"', (await self.get(path))[1])
        data = {"csrf": token[1] if token else "", **fields}
        headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        async with self.session.post(self.url + path, data=data, headers=headers, allow_redirects=False) as answer:
            if answer.status != 303:
                raise SystemExit(f"{path} answers {answer.status}")

    def cookies(self) -> dict[str, str]:
        return {one.key: one.value for one in self.session.cookie_jar}


def heard_then(names: list[str]) -> Work:
    """Every device once at once, then at its own pace."""

    async def work(session: hub.Session) -> None:
        for report in walks(names, 60.0)[: len(names)]:
            await session.emit(report)
        await quiet(names)(session)

    return work


async def weigh(browser: Browser, path: str) -> int:
    """Bytes of a page and of all that it loads of itself."""
    body, text = await browser.get(path)
    total = len(body)
    for asset in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))):
        total += len((await browser.get(asset))[0])
    return total


async def weigh_scanning(browser: Browser) -> int:
    """The same of the page that scans, with what its worker loads."""
    loaded = ["scan-worker.js", *scanning.DECODER]
    return await weigh(browser, "/commissioning/scan") + sum(
        [len((await browser.get(f"/static/{name}"))[0]) for name in loaded]
    )


async def put_plan(running: Hub) -> None:
    """A plan with a mark for every device: a grid of pins over a white picture."""
    side = 1000

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head, rows = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), zlib.compress((b"\0" + b"\xff" * side) * side)
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    insert = "INSERT INTO plans (id, name, kind, body, at) VALUES ('bench', 'Bench', 'image/png', ?, 1)"
    await running.base.store.call(lambda db: db.execute(insert, (body,)) and None)
    places = sorted(place.id for place in running.path.places)
    across = math.isqrt(len(places)) + 1
    for at, place in enumerate(places):
        x, y = at % across / across, at // across / across
        await running.calls()["roster.pin"]({"place": place, "plan": "bench", "x": x, "y": y})


async def pages(browser: Browser, running: Hub, devices: int, limit: int) -> None:
    opening = running.ui.web.opening
    assert opening is not None
    site: Any = (await opening.server()).site
    some = [device.id.replace(":", "%3A") for device, _ in zip(running.path.devices, range(MOST_LINES), strict=False)]
    chart = "/charts?" + "&".join(f"series={device}/temperature" for device in some)
    for path in [*(entry.href for entry in MENU), "/search?q=temperature", f"/devices/{some[0]}", chart]:
        took = []
        for _ in range(TIMES):
            site._kept.clear()
            began = time.perf_counter()
            await browser.get(path)
            took.append((time.perf_counter() - began) * 1000)
        name = "/devices/one" if path.startswith("/devices/") else f"/charts of {MOST_LINES}" if path == chart else path
        figure(f"server time, {devices} devices, {name}", statistics.median(took), "ms", f"gate {limit}")


async def tabs(browsers: list[Browser], count: int, seconds: float) -> None:
    async def used() -> float:
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - cpu) / (time.monotonic() - began) * 100

    without = await used()
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--read", str(count), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps([browsers[0].url, [one.cookies() for one in browsers]]).encode() + b"\n")
    await child.stdout.readline()  # all are open
    await asyncio.sleep(2)
    within = await used()
    child.stdin.close()
    events = int(await child.stdout.readline())
    await child.wait()
    if events < count:
        raise SystemExit(f"{count} tabs got {events} events")
    figure(
        f"CPU of {count} open tabs", within - without, "% of a core", f"gate 5; {without:.2f} without; {events} events"
    )


async def read(count: int) -> None:
    """The other process: `count` streams, until its standard input ends."""
    url, jars = json.loads(sys.stdin.readline())
    events = 0

    async def stream(jar: dict[str, str], opened: asyncio.Event) -> None:
        nonlocal events
        head = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False), timeout=timeout) as session,
            session.get(f"{url}/api/1/live", headers=head) as answer,
        ):
            if answer.status != 200:
                raise SystemExit(f"a stream answers {answer.status}")
            opened.set()
            async for chunk in answer.content.iter_any():  # one line may be megabytes
                events += chunk.count(b"event: ")

    gates = [asyncio.Event() for _ in range(count)]
    running = [asyncio.create_task(stream(jars[at // EACH], gate)) for at, gate in enumerate(gates)]
    for gate in gates:
        await asyncio.wait_for(gate.wait(), 30)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in running:
        task.cancel()
    print(events, flush=True)


async def run(house: House, port: int, devices: int, limit: int, options: argparse.Namespace) -> None:
    async with house.hub(heard_then(house.names)) as running:
        web = running.ui.web
        await until(lambda: running.path.pipeline.readings >= 4 * devices, 60, "a reading of every device")
        await until(lambda: web.status()["served"], 30, "the pages' listening")
        code = (await running.calls()["web.label"]({"new": False}))["code"]
        browsers = [Browser(f"https://127.0.0.1:{port}") for _ in range(-(-options.tabs // EACH))]
        try:
            first = await weigh(browsers[0], "/claim")
            await browsers[0].post("/claim", code=code, name=NAME, password=PASSWORD, again=PASSWORD)
            await asyncio.sleep(3)
            if devices == options.devices[0]:
                figure("first page with its assets, the claim", first / 1000, "kB gzip", "gate 60")
                figure(
                    "first page with its assets, the overview",
                    await weigh(browsers[0], "/") / 1000,
                    "kB gzip",
                    "gate 60",
                )
                figure(
                    "page that scans, with its reader", await weigh_scanning(browsers[0]) / 1000, "kB gzip", "no gate"
                )
            await put_plan(running)
            await pages(browsers[0], running, devices, limit)
            if devices == options.devices[0]:
                for other in browsers[1:]:
                    await other.post("/signin", name=NAME, password=PASSWORD)
                await tabs(browsers, options.tabs, options.seconds)
        finally:
            for one in browsers:
                await one.session.close()
        if web.trouble():
            raise SystemExit(web.trouble())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--read", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        asyncio.run(read(options.read))
        return 0
    for devices in options.devices:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with House(devices=devices, more=f"web: {{address: 127.0.0.1, port: {port}}}") as house:
            asyncio.run(run(house, port, devices, 150 if devices <= 500 else 300, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
