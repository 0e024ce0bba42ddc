"""« Alerter si… » in a real browser: from a device to a rule that fires, counted by the keystroke-level model."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub.cli.demo.showcase import Showcase
from hub.rpc.control_socket import call
from tests import axe

from .patience import PATIENCE_MS, PATIENCE_S
from .test_pages import CHROMIUM, DESK, PHONE, RULES, WIDER, School

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

TAP_S, KEY_S, THINK_S = 1.3, 1.2, 1.35
"""Keystroke-level model (Card, Moran and Newell, 1980): pointing and pressing, a key of somebody who does not know the
keyboard, and thinking before each of them."""


class Hands:
    """What a person does on a page, counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.taps, self.keys = page, 0, 0

    def tap(self, selector: str) -> None:
        self.page.click(selector)
        self.taps += 1

    def write(self, selector: str, text: str) -> None:
        self.tap(selector)
        self.page.keyboard.type(text)
        self.keys += len(text)

    def choose(self, selector: str, value: str) -> None:
        """Open a list and take a line of it."""
        self.page.select_option(selector, value)
        self.taps += 2

    @property
    def seconds(self) -> float:
        return self.taps * (TAP_S + THINK_S) + self.keys * KEY_S


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    scene = Showcase(tmp_path_factory.mktemp("alert-new"), lambda text: None)
    try:
        scene.prepare()
        with scene.config.open("a", encoding="utf-8") as file:
            file.write("# écrit par Anne\n")
        scene.start_hub()
        with sync_playwright() as play:
            browser: Browser = play.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
            )
            made = School(scene, browser)
            made.claim()
            yield made
            browser.close()
    finally:
        scene.close()


def sound(page: Page) -> None:
    """No wider than its window, and nothing that axe finds."""
    assert page.evaluate(WIDER) <= 0
    assert [one["id"] for one in page.evaluate(axe.run(), RULES)["violations"]] == []


def measured(school: School, series: str) -> None:
    """Wait until history has readings of a series."""
    hub, end = school.scene.state / "hub.sock", time.monotonic() + PATIENCE_S
    while series not in {one["series"] for one in call(hub, "history.list")["series"]}:
        assert time.monotonic() < end, call(hub, "history.list")
        time.sleep(0.2)


def test_an_alert_on_a_meter_takes_45_s_on_a_phone_and_fires_in_the_running_hub(school: School) -> None:
    hub = school.scene.state / "hub.sock"
    context = school.context(viewport=PHONE)
    page = context.new_page()
    measured(school, "compteur/power")
    page.goto(f"{school.url}/devices/modbus%3Acompteur?metric=power")
    hands = Hands(page)
    hands.tap("main a:has-text('Alerter si')")
    for field, value in (("#where", "place:compteur"), ("#metric", "power"), ("#when", "above")):
        expect(page.locator(field)).to_have_value(value)
    sound(page)
    hands.write("#value", "0,1 kW")
    hands.tap("main form.fields button:text-is('Essayer sur la semaine passée')")
    expect(page.locator("#tried [data-told]")).to_contain_text("Cette alerte se serait déclenchée 1 fois.")
    expect(page.locator("#tried ol.diff")).to_contain_text("above: 100")
    page.wait_for_selector("#tried ilot-chart svg .raised")  # the strip of when it would have fired
    sound(page)
    hands.tap("main button:text-is('Enregistrer cette alerte')")
    page.wait_for_url("**/alerts/new?saved=compteur-power-above")
    expect(page.locator("[data-told]")).to_contain_text("veille dès maintenant")
    sound(page)
    assert (hands.taps, hands.keys) == (4, 6)
    assert hands.seconds <= 45
    text = school.scene.config.read_text()
    assert "# écrit par Anne" in text
    assert re.search(r"\n  compteur-power-above:\n.*\n    above: 100\n", text, re.DOTALL)
    end = time.monotonic() + PATIENCE_S
    while not (raised := call(hub, "alert.list", rule="compteur-power-above")["alerts"]):
        assert time.monotonic() < end
        time.sleep(0.2)
    assert raised[0]["text_fr"].startswith("Compteur électrique")
    page.click("main button:text-is('L\\'annuler')")  # the way back: looked at, then applied
    expect(page.locator("ol.diff")).to_contain_text("compteur-power-above")
    context.close()


def test_what_is_wrong_stands_at_its_field_and_is_mended_in_english_on_a_desk_by_the_keyboard(school: School) -> None:
    measured(school, "chaufferie/return_temperature")
    context = school.context(viewport=DESK, locale="en-GB")
    page = context.new_page()
    page.goto(f"{school.url}/alerts")
    page.click("main a:text-is('Alert if…')")
    page.locator("summary", has_text="Start from a ready-made alert").click()
    page.click("text=A hot water loop is too cold")
    page.select_option("#where", label="Chaufferie")
    page.fill("[name='in.below']", "warm")
    page.press("[name='in.below']", "Enter")
    expect(page.locator(".field.bad .wrong")).to_contain_text("'warm' is no number: write it like 19.5")
    page.wait_for_function("() => document.activeElement.hasAttribute('data-told')")  # once the page is whole
    sound(page)
    school.errors[:] = [one for one in school.errors if "422" not in one]
    page.fill("[name='in.below']", "140 °F")
    page.fill("[name='in.for']", "1 h 30")
    page.press("[name='in.for']", "Enter")
    expect(page.locator("#tried [data-told]")).to_contain_text("This alert would have fired 0 times.")
    for written in ("template: legionella", "below: 60", "for: 1h30min"):
        expect(page.locator("#tried ol.diff")).to_contain_text(written)
    sound(page)
    context.close()


def test_without_scripts_an_alert_is_made_all_the_same_for_a_whole_zone(school: School) -> None:
    measured(school, "classe-1/temperature")
    context = school.context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{school.url}/alerts/new?zone=classes&metric=temperature")
    page.select_option("#when", "below")
    page.fill("#value", "−20")
    page.locator("summary", has_text="Plus").click()
    page.fill("#clears", "-18 °C")
    page.select_option("#of", "mean")
    page.locator("main form.fields > p button").click()
    expect(page.locator("#tried [data-told]")).to_contain_text("Cette alerte se serait déclenchée 0 fois.")
    page.click("main button:text-is('Enregistrer cette alerte')")
    expect(page.locator("main .note.good")).to_contain_text("veille dès maintenant")
    rule = call(school.scene.state / "hub.sock", "rule.compiled", name="classes-temperature-below")
    assert (rule["limit"], rule["clears"], rule["up"]) == (-20.0, -18.0, False)
    context.close()


def test_an_alert_on_a_device_that_a_command_added_is_written_with_its_place(school: School) -> None:
    hub = school.scene.state / "hub.sock"
    device = "ble:A4:C1:38:AA:BB:CC"
    wish = {"device": device, "integration": "bluetooth", "place": "preau", "zone": "exterieur", "name": "Sonde"}
    assert call(hub, "device.add", wishes=[wish])["rows"][0]["state"] == "added"
    context = school.context()
    page = context.new_page()
    page.goto(f"{school.url}/alerts/new?device={device}&metric=temperature")
    page.select_option("#when", "silent")
    page.fill("#value", "1 h 30")
    page.press("#value", "Enter")
    expect(page.locator("#tried")).to_contain_text("aucun historique de cette valeur")
    page.click("main button:text-is('Enregistrer cette alerte')")
    expect(page.locator("[data-told]")).to_contain_text("veille dès maintenant")
    text = school.scene.config.read_text()
    assert "\n  preau: {zone: exterieur" in text
    assert "silent: 1h30min" in text
    assert "# écrit par Anne" in text
    context.close()
