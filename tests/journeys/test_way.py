"""People find their way: the menu, the search, the one list of strangers, and the way back of a wrong change, by the
keyboard alone and by the finger, on a phone and at a desk, in French and in English."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from hub.cli.demo.scene import Scene
from hub.page_kit.menu import MOST_LINES
from hub.rpc.control_socket import call
from tests import axe

from .keyboard import Keyboard
from .patience import PATIENCE_MS, PATIENCE_S
from .test_pages import CHROMIUM, DESK, PHONE, RULES, WIDER, School

pytestmark = [pytest.mark.real("processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

TAP_S, THINK_S = 1.2, 1.35
"""The keystroke-level model (Card, Moran and Newell 1983): to point and press, and to decide."""
SECONDS_BACK = 20.0


class WithStranger(Scene):
    """The plain building, one of whose sensors nobody named."""

    ble_places = Scene.ble_places[:2]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    scene = WithStranger(tmp_path_factory.mktemp("way"), lambda text: None)
    try:
        scene.prepare()
        scene.start_hub()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
            made = School(scene, browser)
            made.claim()
            end = time.monotonic() + PATIENCE_S
            while not call(scene.state / "hub.sock", "quarantine.list")["waiting"]:
                assert time.monotonic() < end, "nobody heard the stranger"
                time.sleep(0.5)
            yield made
            browser.close()
    finally:
        scene.close()


def sound(page: Page) -> None:
    """The page is accessible as far as a program can tell, and no wider than its window."""
    found = page.evaluate(axe.run(), RULES)["violations"]
    assert not found, [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]
    assert page.evaluate(WIDER) <= 0


@pytest.mark.parametrize(("size", "lang"), [(PHONE, "fr"), (DESK, "en")], ids=["phone", "desk"])
def test_a_device_and_a_setting_are_found_by_the_keyboard_alone_from_any_page(
    school: School, size: dict[str, int], lang: str
) -> None:
    context = school.context(viewport=size, locale="fr-FR" if lang == "fr" else "en-GB", bypass_csp=True)
    Keyboard.context(context)
    page = context.new_page()
    keys = Keyboard(page)
    said = {"fr": ("[12] résultats?", "Chaufferie"), "en": ("[12] results?", "Chaufferie")}[lang]
    page.goto(f"{school.url}/account?lang={lang}")
    keys.press("/")
    page.wait_for_function("() => document.activeElement.id === 'seek'")
    found = keys.at()
    assert found is not None
    assert found["seen"]
    assert not found["covered"]
    page.keyboard.type("CHAUDIÈRE modbus")
    with keys.sent():
        keys.press("Enter")
    expect(page.locator("main [role=status][data-told]")).to_contain_text("1 r")
    sound(page)
    keys.walk()
    keys.to("^(La touche|The key) /", "input")
    keys.press("Space")  # off for this browser
    keys.top()
    keys.to(said[1], "a")
    with page.expect_navigation():
        keys.press("Enter")
    assert page.url.endswith("/devices/modbus%3Achaudiere")
    page.wait_for_load_state()
    keys.press("/")
    assert page.evaluate("document.activeElement.id") != "seek"
    page.goto(f"{school.url}/search")
    page.wait_for_function("() => document.activeElement.id === 'q'")
    page.keyboard.type("port redirect" if lang == "en" else "port redirection")
    with keys.sent():
        keys.press("Enter")
    link = page.locator("main a[href*='configuration/form']").first
    with page.expect_navigation():
        link.focus()
        keys.press("Enter")
    expect(page.locator("#f-redirect_port")).to_be_in_viewport()
    keys.no_pointer()
    context.close()


@pytest.mark.parametrize(("size", "lang"), [(PHONE, "fr"), (DESK, "en")], ids=["phone", "desk"])
def test_the_menu_has_nine_lines_for_a_thumb_and_its_figure_follows_on_a_page_without_values(
    school: School, size: dict[str, int], lang: str
) -> None:
    context = school.context(viewport=size, has_touch=size is PHONE, bypass_csp=True)
    page = context.new_page()
    page.add_init_script("document.addEventListener('ilot:summary', () => { window.heard = true; });")
    page.goto(f"{school.url}/settings?lang={lang}")
    if size is PHONE:
        expect(page.locator("#menu summary .count [data-sum=todo]")).to_be_visible()
        page.tap("#menu summary")
    lines = page.locator("nav li a")
    assert lines.count() <= MOST_LINES
    for n in range(lines.count()):
        box = lines.nth(n).bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= size["height"], "the menu is seen whole without scrolling"
    sound(page)
    badge = page.locator("nav li [data-sum=todo]")
    page.wait_for_function("() => window.heard")  # the page itself may say what was a moment ago
    before = int(badge.inner_text())
    (stranger,) = [one["id"] for one in call(school.scene.state / "hub.sock", "quarantine.list")["waiting"]]
    call(school.scene.state / "hub.sock", "quarantine.ignore", id=stranger, by="test")
    expect(badge).to_have_text(str(before - 1))
    call(school.scene.state / "hub.sock", "quarantine.unblock", id=stranger, by="test")
    expect(badge).to_have_text(str(before))
    context.close()


def test_a_stranger_is_adopted_in_a_new_zone_pictured_and_a_wrong_change_of_it_taken_back(school: School) -> None:
    context = school.context(viewport=PHONE, has_touch=True, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{school.url}/todo")
    page.tap("main a[href='/strangers']")
    page.wait_for_selector("main .cards")
    sound(page)
    page.tap("main .cards a.button")
    page.wait_for_selector("#new_place", state="attached")
    page.tap("main form details.bare summary >> nth=0")
    page.fill("#new_place", "Grenier")
    page.fill("#new_zone", "Combles")
    sound(page)
    page.tap("button[value=adopt]")
    expect(page.locator("main [data-told]")).to_contain_text("Adopté")
    page.goto(f"{school.url}/search?q=grenier")
    page.tap("main .rows a >> nth=0")
    page.wait_for_selector(".facts")
    expect(page.locator(".facts")).to_contain_text("Combles")
    device = page.url.partition("?")[0]
    out = io.BytesIO()
    Image.effect_noise((3000, 2000), 90).convert("RGB").save(out, "jpeg", quality=90)
    assert len(out.getvalue()) > 1 << 20
    page.goto(f"{device}/edit")
    sound(page)
    page.set_input_files("#file", {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()})
    page.wait_for_function(
        "() => document.getElementById('file').files[0].size < 524288"
    )  # the browser made it smaller
    page.tap("#picture form button >> nth=0")
    expect(page.locator("img.pictured")).to_have_js_property("naturalWidth", 1000)
    # a wrong change: seen at the overview, taken back
    page.goto(f"{device}/edit")
    page.fill("#name", "Sonde du grnier")
    page.tap("main form.card button >> nth=0")
    page.wait_for_selector("main section.card del")
    page.tap("main section.card button")
    page.wait_for_selector("#undo del")
    sound(page)
    at_once = 1  # on the page that follows
    assert page.locator("#undo button").bounding_box()["y"] < 2 * PHONE["height"]  # type: ignore[index]
    page.goto(f"{school.url}/")
    taps = 0
    for press in ("#menu summary", "nav a[href='/devices']"):
        page.tap(press)
        taps += 1
    page.wait_for_selector("table.devices")
    page.tap("table.devices a:has-text('Sonde du grnier')")
    page.wait_for_selector("#undo")
    page.tap("#undo button")
    taps += 2
    expect(page.locator("main [data-told]")).to_be_visible()
    expect(page.locator("main h1")).to_have_text("Grenier")
    for where, count in (("the page that follows", at_once), ("the overview", taps)):
        seconds = count * (TAP_S + THINK_S)
        print(f"a wrong change taken back from {where}: {count} taps, {seconds:.1f} s by the keystroke-level model")
        assert seconds <= SECONDS_BACK
    context.close()
