"""Pictures of the hub's own pages: French and English, light and dark, as a phone (360 px) and a desk (1,280 px) show
them, from the demo's building. Also what is seen less often: empty pages, forms that were refused, open dialogs, pages
that are not there, a list of 2,000 devices.

    python tools/screenshots.py DIRECTORY [--readme] [--guides] [--only PAGE…] [--lang fr en] [--theme light dark]
                                [--size phone desk] [--scene demo bare crowd]

Pictures are named SIZE-LANGUAGE[-dark]-PAGE.png. Needs Debian's chromium. With --readme four of them go to docs/img as
well; with --guides those that the guides for technicians show, in both languages, to hub/web/guides/img. Look at all of
them before calling a page done: nothing here judges, but for pages wider than their window.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright  # noqa: E402

from hub.cli.demo.scene import Scene  # noqa: E402
from hub.cli.demo.showcase import Showcase, draw_plan  # noqa: E402
from hub.rpc.control_socket import call  # noqa: E402
from hub.web.areas import MENU  # noqa: E402

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
STEPS = ("site", "zones", "plan", "cards", "inventory", "scan", "report")
SIZES = {"phone": (360, 740), "desk": (1280, 800)}
LAMP, VALVE = "/devices/knx%3A1.1.20", "/devices/knx%3Avanne"
COMPARED = "/charts?series=modbus:chaudiere/return_temperature&series=classe-1/temperature&series=salle/co2&span=1h"
PAGES = {**{entry.key: entry.href for entry in MENU}, "account": "/account", "missing": "/nowhere",
         "sitemap": "/sitemap", "accessibility": "/accessibility", "alerts-past": "/alerts?all=1",
         "alerts-none": "/alerts?q=nothing", "devices-none": "/devices?q=nothing",
         "meter": "/energy/meters/compteur?span=24h", "zone": "/energy/zones/technique",
         "configuration-text": "/configuration/text", "configuration-form": "/configuration/form?at=hub",
         "device": "/devices/modbus%3Achaudiere?metric=return_temperature", "device-lamp": LAMP,
         "alert-new": "/alerts/new?device=modbus%3Acompteur&metric=power",
         "device-edit": f"{VALVE}/edit", "device-replace": f"{VALVE}/replace", "device-remove": f"{VALVE}/remove",
         "search": "/search?q=classe", "search-none": "/search?q=zzz",
         "device-ble": "/devices/ble%3AA4:C1:38:01:00:00", "support": f"{VALVE}/support", "factory": "/factory-reset",
         "device-missing": "/devices/nobody",
         "guide": "/docs/modbus", "guides-search": "/docs?q=port",
         "add-line": "/add/line", "add-line-new": "/add/line?new=1", "concentrator": "/radio/concentrator",
         "crisis-plan": "/crisis?period=1s&for=1h",
         "compare": COMPARED, "compare-wrong": f"{COMPARED}&series=nobody/x",
         "configuration-forms": "/configuration/form",
         "configuration-new": "/configuration/form?at=notifiers&new=1&type=sms",
         "configuration-modbus": "/configuration/form?at=integrations%2Fmodbus",
         "configuration-map": "/configuration/form?at=zones", "configuration-devices": "/configuration/form?at=devices",
         "configuration-lorawan": "/configuration/form?at=integrations%2Florawan",
         "runbook": "/crisis/runbook", "zone-classes": "/energy/zones/classes", "audit-whole": "/audit?verify=1",
         "diagnostics-open": "/diagnostics?preview=1", "device-search": "/devices?q=classe&sort=name",
         "plan-layers": "/plan?chosen=1&states=1&alerts=1&zones=1", "plan-map": "/plan?view=map",
         **{f"commissioning-{step}": f"/commissioning/{step}" for step in STEPS}}  # fmt: skip
PRINTED = {
    "report-printed": "/commissioning/report", "runbook-printed": "/crisis/runbook", "devices-printed": "/devices",
    "device-printed": "/devices/modbus%3Achaudiere", "board-printed": "/board", "audit-printed": "/audit",
    "overview-printed": "/", "plan-printed": "/plan", "energy-printed": "/energy", "privacy-printed": "/privacy",
}  # fmt: skip
README = {"desk-fr-overview": ("overview", 1060), "phone-fr-alert": ("phone", 740), "desk-fr-plan": ("devices", 970),
          "desk-fr-link": ("link", 800)}  # fmt: skip
"""To which picture of docs/img, and how many pixels of its height."""
GUIDES = {"claim": 560, "commissioning": 620, "radio": 620, "add-line": 620}
"""Pages that the guides show as a phone has them, and how many pixels of their height."""
SLOW = ("overview", "device", "devices", "link", "device-ble", "meter", "zone", "plan", "raised-alerts")
NAME, PASSWORD = "camille", "trois lampes et un chat"
REFUSED = {"name": "x", "password": "court"}
WARM_S = 100.0
"""Until the bin is full and the boiler has lost its sensor."""
CROWD = 2000
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Crowd(Scene):
    """The plain building, and CROWD sensors that have yet to speak."""

    def _configuration(self) -> str:
        rooms = {
            f"salle-{number:04}": {"zone": "classes", "name": f"Salle {number + 1}"} for number in range(CROWD - 6)
        }
        known, listed = super()._configuration().split("devices: ", 1)
        devices = "".join(
            f'  "ble:00:00:00:00:{number >> 8:02X}:{number & 255:02X}": {{integration: bluetooth, place: {room}}}\n'
            for number, room in enumerate(rooms)
        )
        (self.root / "devices.yaml").write_text(
            listed.rstrip().removesuffix("}") + ",\n" + devices.replace("\n", ",\n") + "}\n"
        )
        before, after = known.split("integrations:\n", 1)
        places = "".join(f"  {name}: {json.dumps(room)}\n" for name, room in rooms.items())
        return before + places + "integrations:\n" + after + "devices: !include devices.yaml\n"


class Bare(Scene):
    """A hub that nobody has given anything yet."""

    def _devices(self, secrets: dict[str, str]) -> dict[str, Any]:
        return {}

    def _text(self) -> str:
        said = super()._text().split("zones:\n")[0]
        link = super()._text().split("link:\n")[1]
        return f"{said}integrations: {{bluetooth: {{}}}}\nlink:\n{link}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--readme", action="store_true", help="also put four of them into docs/img")
    parser.add_argument("--guides", action="store_true", help="only what the guides show, into hub/web/guides/img")
    parser.add_argument("--only", nargs="*", default=[], metavar="PAGE", help="these pages, by their names")
    parser.add_argument("--lang", nargs="*", default=["fr", "en"], choices=("fr", "en"))
    parser.add_argument("--theme", nargs="*", default=["light", "dark"], choices=("light", "dark"))
    parser.add_argument("--size", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--scene", nargs="*", default=["demo", "bare", "crowd"], choices=("demo", "bare", "crowd"))
    parser.add_argument("--warm", type=float, default=WARM_S, help="seconds that the demo's building lives before")
    options = parser.parse_args()
    if options.guides:
        options.only, options.lang, options.theme = list(GUIDES), ["fr", "en"], ["light"]
        options.size, options.scene = ["phone"], ["demo"]
    options.directory.mkdir(parents=True, exist_ok=True)
    scenes: dict[str, tuple[type[Scene], Callable[..., None]]] = {
        "demo": (Showcase, demo), "bare": (Bare, bare), "crowd": (Crowd, crowd),
    }  # fmt: skip
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in options.scene:
            kind, take = scenes[name]
            with tempfile.TemporaryDirectory(prefix="ilot-pictures-") as root:
                scene = kind(Path(root), lambda text: print(text, file=sys.stderr))
                try:
                    scene.prepare()
                    scene.start_hub()
                    take(browser, scene, options)
                finally:
                    scene.close()
    if options.readme:
        for name, (to, height) in README.items():
            cropped(options.directory / f"{name}.png", ROOT / f"docs/img/ui-{to}.png", height)
    if options.guides:
        for (name, height), lang in product(GUIDES.items(), options.lang):
            kept = ROOT / f"hub/web/guides/img/{name}-{lang}.png"
            cropped(options.directory / f"phone-{lang}-{name}.png", kept, height)


def cropped(taken: Path, kept: Path, height: int) -> None:
    """The beginning of a page, in few colours."""
    with Image.open(taken) as whole:
        whole.convert("RGB").crop((0, 0, whole.width, min(height, whole.height))).quantize(256).save(
            kept, optimize=True
        )


class Shooter:
    """Takes whole pages, and says so when one is wider than its window. `prefix` begins their names."""

    def __init__(self, page: Page, stem: Path, url: str, only: list[str], prefix: str = "") -> None:
        self.page, self.stem, self.url, self.only, self.prefix = page, stem, url.rstrip("/"), only, prefix

    def wants(self, name: str) -> bool:
        return not self.only or self.prefix + name in self.only

    def take(self, name: str, path: str) -> None:
        if self.wants(name):
            self.page.goto(self.url + path)
            self.page.wait_for_timeout(1500 if name in SLOW else 100)
            self.here(name)

    def here(self, name: str) -> None:
        """As it stands now."""
        name = self.prefix + name
        try:
            wide = self.page.evaluate(WIDER)
        except Error:  # it loaded itself again just then, since something happened
            self.page.wait_for_load_state()
            wide = self.page.evaluate(WIDER)
        if wide > 0:
            print(f"{self.stem.name}-{name}: {wide} px wider than the window", file=sys.stderr)
        self.page.screenshot(path=f"{self.stem}-{name}.png", full_page=True)

    def filled(self, name: str, path: str, button: str, /, **fields: str) -> None:
        """A page after a form of it was sent: `fields` by the ids of their inputs."""
        if self.wants(name):
            self.page.goto(self.url + path)
            for field, value in fields.items():
                self.page.evaluate("([id, value]) => { document.getElementById(id).value = value }", [field, value])
            with self.page.expect_navigation():  # on a busy machine it begins later than the next line
                self.page.evaluate(f"document.querySelector({json.dumps(button)}).click()")
            self.page.wait_for_timeout(300)
            self.here(name)

    def printed(self, name: str, path: str) -> None:
        """A page as a printer has it, on A4."""
        if self.wants(name):
            self.page.goto(self.url + path)
            self.page.emulate_media(media="print")
            self.page.pdf(path=f"{self.stem}-{name}.pdf", format="A4")  # as most people print, without backgrounds
            self.here(name)
            self.page.emulate_media(media="null")

    def opened(self, name: str, path: str, which: str = "main details") -> None:
        """A page with what folds open."""
        if self.wants(name):
            self.page.goto(self.url + path)
            self.page.evaluate(
                f"document.querySelectorAll({json.dumps(which)}).forEach((one) => {{ one.open = true }})"
            )
            self.page.wait_for_timeout(200)
            self.here(name)


def claimed(browser: Browser, label: dict[str, Any]) -> Any:
    """The state of a browser that is signed in."""
    context = browser.new_context(ignore_https_errors=True, locale="fr")
    page = context.new_page()
    page.goto(f"{label['url']}claim")
    page.fill("#code", label["code"])
    for field, text in (("#name", NAME), ("#password", PASSWORD), ("#again", PASSWORD)):
        page.fill(field, text)
    page.click("main button")
    page.wait_for_selector(".figure")
    state = context.storage_state()
    context.close()
    return state


def visited(browser: Browser, url: str, state: Any, root: Path) -> None:
    """Where the site is, and a photograph of it, as its wizard takes them."""
    context = browser.new_context(ignore_https_errors=True, locale="fr", storage_state=state)
    page = context.new_page()
    page.goto(f"{url}/commissioning/site")
    page.fill("[name=latitude]", "48,85661")
    page.fill("[name=longitude]", "2,35222")
    page.click("[data-position] button.second:not([data-locate])")

    page.wait_for_selector("[data-spot]")
    picture = root / "photo.png"
    picture.write_bytes(draw_plan())
    page.set_input_files("input[type=file]", picture)
    page.fill("[name=name]", "Armoire de la chaufferie")
    page.click("form[enctype] button")
    page.wait_for_selector(".photos img")
    context.close()


def contexts(browser: Browser, options: argparse.Namespace, state: Any) -> Iterator[tuple[BrowserContext, Page, Path]]:
    """One for each language, theme and size, with where its pictures go."""
    for language, theme, size in product(options.lang, options.theme, options.size):
        width, height = SIZES[size]
        context = browser.new_context(
            ignore_https_errors=True,
            viewport={"width": width, "height": height},
            locale=language,
            color_scheme=theme,
            storage_state=state,
            reduced_motion="reduce",
        )
        context.set_default_timeout(60_000)
        yield context, context.new_page(), options.directory / f"{size}-{language}{'-dark' if theme == 'dark' else ''}"
        context.close()


def demo(browser: Browser, scene: Showcase, options: argparse.Namespace) -> None:
    label, began = scene.label(), time.monotonic()
    scene.furnish()
    for context, page, stem in contexts(browser, options, None):
        shot = Shooter(page, stem, label["url"], options.only)
        shot.take("claim", "/claim")
        shot.filled(
            "claim-refused",
            "/claim",
            "main button",
            **{**REFUSED, "password": PASSWORD, "again": PASSWORD, "code": "AAAA-BBBB-CCCC"},
        )
        context.clear_cookies()
    state = claimed(browser, label)
    visited(browser, label["url"].rstrip("/"), state, scene.root)
    hub = scene.state / "hub.sock"
    call(hub, "roster.expect", devices=["modbus:chaudiere"])
    call(hub, "roster.unreadable", note="au-dessus du tableau, salle 4")
    time.sleep(max(0.0, options.warm - (time.monotonic() - began)))
    for context, page, stem in contexts(browser, options, state):
        shot = Shooter(page, stem, label["url"], options.only)
        for name, path in PAGES.items():
            shot.take(name, path)
        if shot.wants("alert"):
            page.goto(f"{shot.url}/alerts?all=1")
            if page.locator("#alert-live tbody th a").count():
                page.goto(shot.url + str(page.get_attribute("#alert-live tbody th a", "href")))
                page.wait_for_timeout(200)
                shot.here("alert")
        for name, path in PRINTED.items() if stem.name.startswith("desk") else ():  # paper is as wide for both
            shot.printed(name, path)
        shot.opened("menu", "/", "#menu")
        shot.opened("strangers-open", "/strangers")
        shot.opened("device-open", "/devices/modbus%3Achaudiere")
        shot.opened("integrations-open", "/integrations")
        if shot.wants("diagnostics-checked"):
            page.goto(f"{shot.url}/diagnostics")
            page.click("form[action='/diagnostics/check'] button")
            page.wait_for_selector("#found[data-again='1000']")
            shot.here("diagnostics-checking")
            page.wait_for_selector("#found[data-again='0']")
            shot.here("diagnostics-checked")
        if shot.wants("device-refused"):
            page.goto(f"{shot.url}{VALVE}")
            page.fill("#value-1", "150")
            page.press("#value-1", "Enter")
            page.wait_for_selector("form[data-write][data-kind=bad]")
            shot.here("device-refused")
        if shot.wants("adopt-refused"):
            page.goto(f"{shot.url}/strangers")
            if page.locator("main .cards h3 a").count():
                page.click("main .cards h3 a")
                shot.here("stranger")
                page.click("main details.bare summary")
                page.fill("#new_place", "Salle du conseil")
                page.click("button[value='adopt']")
                shot.here("adopt-refused")
        shot.filled("account-refused", "/accounts", "main form.card button", **REFUSED)
        shot.filled("add-refused", "/add", "main form button")
        if shot.wants("pack-refused"):
            page.goto(f"{shot.url}/packs")
            page.set_input_files(
                "main input[type=file]", {"name": "x.zip", "mimeType": "application/zip", "buffer": b"no"}
            )
            page.click("main form button")
            page.wait_for_timeout(300)
            shot.here("pack-refused")
        context.clear_cookies()
        lang = stem.name.split("-")[1]
        shot.take("signin", f"/signin?lang={lang}")
        shot.take("badge", f"/badge?lang={lang}")
        shot.take("missing-stranger", f"/nowhere?lang={lang}")
    if not options.only or {"crisis-raised", "board-raised"} & set(options.only):
        plan = call(hub, "crisis.sampling.plan", period_s=1, for_s=3600)
        said = {"by": "cli", "role": "administrateur", "why": "crue du Paillon"}
        call(hub, "crisis.sampling.raise", plan=plan["digest"], **said)
        time.sleep(5)
        for _, page, stem in contexts(browser, options, state):
            shot = Shooter(page, stem, label["url"], options.only)
            shot.take("crisis-raised", "/crisis")
            shot.take("board-raised", "/board")


def bare(browser: Browser, scene: Scene, options: argparse.Namespace) -> None:
    label = scene.label()
    state = claimed(browser, label)
    for _, page, stem in contexts(browser, options, state):
        shot = Shooter(page, stem, label["url"], options.only, "bare-")
        for entry in MENU:
            shot.take(entry.key, entry.href)


def crowd(browser: Browser, scene: Scene, options: argparse.Namespace) -> None:
    label = scene.label()
    state = claimed(browser, label)
    time.sleep(8)
    for _, page, stem in contexts(browser, options, state):
        shot = Shooter(page, stem, label["url"], options.only, "crowd-")
        for name, path in {"overview": "/", **{one: f"/{one}" for one in ("devices", "todo", "radio")}}.items():
            shot.take(name, path)
        shot.take("devices-2", "/devices?page=2&q=salle")


if __name__ == "__main__":
    main()
