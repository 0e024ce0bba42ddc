"""Pictures of the hub's own pages, as a phone (360 px) and a desk (1,280 px) show them, from the demo's building.

    python tools/screenshots.py DIRECTORY [--readme]

Needs Debian's chromium. With --readme four of them go to docs/img as well. Look at all of them before calling a page
done: nothing here judges.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from hub.cli.scene import Scene  # noqa: E402
from hub.control import call  # noqa: E402
from hub.web.areas import MENU  # noqa: E402

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
STEPS = ("site", "zones", "plan", "cards", "inventory", "scan", "report")
SIZES = {"phone": (360, 740), "desk": (1280, 800)}
PAGES = {**{entry.key: entry.href for entry in MENU}, "account": "/account", "missing": "/nowhere",
         "meter": "/energy/meters/compteur?span=24h", "zone": "/energy/zones/technique",
         "configuration-text": "/configuration/text", "configuration-form": "/configuration/form?at=hub",
         "device": "/devices/modbus%3Achaudiere",
         "crisis-plan": "/crisis?period=1s&for=1h",
         "plan-layers": "/plan?chosen=1&states=1&alerts=1&zones=1", "plan-map": "/plan?view=map",
         **{f"commissioning-{step}": f"/commissioning/{step}" for step in STEPS}}  # fmt: skip
README = {"desk-fr-overview": "overview", "phone-fr-overview": "phone", "desk-fr-devices": "devices",
          "desk-fr-link": "link"}  # fmt: skip
NAME, PASSWORD = "camille", "trois lampes et un chat"
WARM_S = 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--readme", action="store_true", help="also put four of them into docs/img")
    parser.add_argument("--only", nargs="*", default=[], metavar="PAGE", help="these pages, by their names")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ilot-pictures-") as root:
        scene = Scene(Path(root), lambda text: print(text, file=sys.stderr))
        try:
            scene.prepare()
            scene.start_hub()
            label = scene.label()
            call(scene.state / "hub.sock", "roster.expect", devices=["modbus:chaudiere"])
            call(scene.state / "hub.sock", "roster.unreadable", note="au-dessus du tableau, salle 4")
            time.sleep(WARM_S)  # readings come in and are acknowledged
            with sync_playwright() as play:
                browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                pictures(browser, label, options.directory, scene, options.only)
        finally:
            scene.close()
    if options.readme:
        target = ROOT / "docs/img"
        target.mkdir(exist_ok=True)
        for name, to in README.items():
            shutil.copyfile(options.directory / f"{name}.png", target / f"ui-{to}.png")


def draw_plan(width: int = 600, height: int = 380) -> bytes:
    """A floor of six rooms along a corridor, as PNG."""
    walls = bytearray(b"\xff" * (width * height))
    for y in range(height):
        for x in range(width):
            edge = min(x, y, width - 1 - x, height - 1 - y) in range(10, 14)
            inside = 10 <= x < width - 10 and 10 <= y < height - 10
            corridor = y in range(165, 168) or y in range(215, 218)
            room = (x in range(204, 207) or x in range(396, 399)) and not 168 <= y < 215
            door = x % 192 in range(90, 125) and not edge
            if edge or (inside and ((corridor and not door) or room)):
                walls[y * width + x] = 40
    rows = b"".join(b"\0" + walls[at * width : (at + 1) * width] for at in range(height))

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def put_plan(page: Page, scene: Scene, url: str) -> None:
    """A plan as somebody uploads it, with the first places on it."""
    page.goto(f"{url}commissioning/plan")
    page.set_input_files("#plan-file", {"name": "plan.png", "mimeType": "image/png", "buffer": draw_plan()})
    page.fill("#plan-name", "Rez-de-chaussée")
    page.click("form[action='/commissioning/plan'] button")
    plan = page.get_attribute("[data-plan]", "data-plan")
    socket = scene.state / "hub.sock"
    listed = call(socket, "devices")["devices"]
    for at, place in enumerate(sorted({one["place"] for one in listed})[:6]):
        call(socket, "roster.pin", place=place, plan=plan, x=0.17 + 0.32 * (at % 3), y=0.22 + 0.56 * (at // 3))


def pictures(browser: Browser, label: dict[str, Any], directory: Path, scene: Scene, only: list[str]) -> None:
    """Every page in both languages and both sizes."""
    state: Any = None
    for language in ("fr", "en"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                ignore_https_errors=True, viewport={"width": width, "height": height}, locale=language,
                storage_state=state,
            )  # fmt: skip
            page = context.new_page()
            shot = Shooter(page, directory / f"{size}-{language}")
            if state is None:
                shot.take("claim", f"{label['url']}claim")
                page.fill("#code", label["code"])
                page.fill("#name", NAME)
                page.fill("#password", PASSWORD)
                page.fill("#again", PASSWORD)
                page.click("main button")
                page.wait_for_selector(".figure")
                state = context.storage_state()
                shot.take("plan-empty", f"{label['url']}plan")
                put_plan(page, scene, label["url"])
            for name, path in PAGES.items():
                if not only or name in only:
                    shot.take(name, label["url"].rstrip("/") + path)
            page.goto(f"{label['url']}devices")
            page.click("tbody th a")
            shot.take("device", page.url)
            context.clear_cookies()
            shot.take("signin", f"{label['url']}signin?lang={language}")
            context.close()
    if not only or "crisis-raised" in only:
        pictures_of_a_crisis(browser, label["url"], directory, scene, state)


def pictures_of_a_crisis(browser: Browser, url: str, directory: Path, scene: Scene, state: Any) -> None:
    """The page and the board while sampling is raised."""
    socket = scene.state / "hub.sock"
    plan = call(socket, "crisis.sampling.plan", period_s=1, for_s=3600)
    call(socket, "crisis.sampling.raise", plan=plan["digest"], by="cli", role="administrateur", why="crue du Paillon")
    time.sleep(5)
    for language in ("fr", "en"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                ignore_https_errors=True, viewport={"width": width, "height": height}, locale=language,
                storage_state=state,
            )  # fmt: skip
            page = context.new_page()
            page.goto(f"{url}?lang={language}")
            shot = Shooter(page, directory / f"{size}-{language}")
            shot.take("crisis-raised", f"{url}crisis")
            shot.take("board-raised", f"{url}board")
            context.close()


class Shooter:
    """Takes whole pages, and says so when one is wider than its window."""

    def __init__(self, page: Page, stem: Path) -> None:
        self.page, self.stem = page, stem

    def take(self, name: str, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_timeout(1500 if name in ("overview", "device", "devices", "link") else 100)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            print(f"{self.stem.name}-{name}: {wide} px wider than the window", file=sys.stderr)
        self.page.screenshot(path=f"{self.stem}-{name}.png", full_page=True)


if __name__ == "__main__":
    main()
