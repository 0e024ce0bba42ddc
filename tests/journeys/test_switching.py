"""A lamp and a valve on KNX are written from their own pages, in a real browser, and the page stays where it is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from hub.cli.demo.showcase import Showcase
from hub.rpc.control_socket import call
from tests import axe

from .patience import PATIENCE_MS, PATIENCE_S
from .test_pages import CHROMIUM, DESK, NAME, PHONE, RULES, WIDER, School

pytestmark = pytest.mark.real("network, processes")

LAMP, VALVE = "/devices/knx%3A1.1.20", "/devices/knx%3Avanne"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """The demo without the rule that writes the lamp too."""
    scene = Showcase(tmp_path_factory.mktemp("switching"), lambda text: None)
    try:
        scene.prepare()
        text = scene.config.read_text()
        without = re.sub(r"(?ms)^  lumiere-selon-presence:.*?(?=^privacy:)", "", text)
        assert without != text
        scene.config.write_text(without)
        scene.start_hub()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
            made = School(scene, browser)
            made.claim()
            yield made
            browser.close()
    finally:
        scene.close()


@pytest.fixture
def page(school: School) -> Iterator[Page]:
    context = school.context()
    yield context.new_page()
    context.close()


def told(page: Page) -> Locator:
    return page.locator("form[data-write] [role=status]")


def commands(school: School) -> list[dict[str, Any]]:
    return list(call(school.scene.state / "hub.sock", "command.list")["commands"])


def test_a_lamp_is_switched_by_the_keyboard_without_a_reason_and_answers_where_the_person_is(
    page: Page, school: School
) -> None:
    page.goto(school.url + LAMP)
    assert page.locator("form[data-write] [name=why]").count() == 0
    pressed = page.locator("[data-switch] [aria-pressed=true]")
    expect(pressed).to_have_count(1, timeout=PATIENCE_MS)
    was = pressed.inner_text()
    other = page.locator("[data-switch] [aria-pressed=false]")
    wanted = other.inner_text()
    assert {was, wanted} == {"allumé", "éteint"}
    page.evaluate("window.stayed = true")
    other.press("Enter")
    expect(told(page)).to_contain_text("Fait", timeout=PATIENCE_MS)
    expect(page.locator("[data-switch] [aria-pressed=true]")).to_have_text(wanted, timeout=PATIENCE_MS)  # by the stream
    assert page.evaluate("window.stayed && document.activeElement.textContent") == wanted
    given = commands(school)[0]
    assert (given["device"], given["why"], given["by"], given["state"]) == ("knx:1.1.20", "", f"web:{NAME}", "done")


def test_a_value_out_of_bounds_is_refused_beside_its_field_and_stays_to_be_mended(page: Page, school: School) -> None:
    page.goto(school.url + VALVE)
    before = len(commands(school))
    page.fill("#value-1", "150")
    page.press("#value-1", "Enter")
    expect(told(page)).to_contain_text("Refusé", timeout=PATIENCE_MS)
    expect(told(page)).to_contain_text("150 est en dehors")
    assert page.input_value("#value-1") == "150"
    assert page.evaluate("document.activeElement.id") == "value-1"
    assert len(commands(school)) == before


def test_a_hub_that_does_not_answer_is_not_taken_for_one_that_refused(page: Page, school: School) -> None:
    page.goto(school.url + VALVE)
    page.route("**/api/1/devices/*/commands", lambda route: route.abort())
    page.fill("#value-1", "30")
    page.press("#value-1", "Enter")
    expect(told(page)).to_contain_text("n'a pas répondu", timeout=PATIENCE_MS)
    assert page.input_value("#value-1") == "30"
    school.errors[:] = [one for one in school.errors if "ERR_FAILED" not in one]


def test_a_session_that_is_over_is_said_and_what_was_typed_stays(page: Page, school: School) -> None:
    page.goto(school.url + VALVE)
    page.fill("#value-1", "30")
    page.context.clear_cookies()
    page.press("#value-1", "Enter")
    expect(page.locator("#lapse a")).to_be_visible(timeout=PATIENCE_MS)
    assert page.input_value("#value-1") == "30"
    assert page.url == school.url + VALVE
    school.errors[:] = [one for one in school.errors if "401" not in one and "403" not in one]


def test_without_scripts_the_page_of_the_device_says_what_came_of_it(school: School) -> None:
    context = school.context(java_script_enabled=False)
    page = context.new_page()
    page.goto(school.url + VALVE)
    page.fill("#value-1", "150")
    page.click("form.card:has(#value-1) button:not([name])")
    expect(page.locator("[data-told]")).to_contain_text("150 est en dehors")
    assert page.input_value("#value-1") == "150"
    page.fill("#value-1", "40")
    page.click("form.card:has(#value-1) button:not([name])")
    expect(page.locator("[data-told]")).to_have_text(re.compile("Fait|Envoyé"), timeout=PATIENCE_MS)
    assert page.url.startswith(school.url + VALVE)
    assert (commands(school)[0]["device"], commands(school)[0]["value"]) == ("knx:vanne", 40.0)
    context.close()


def test_an_added_device_is_moved_from_its_page_and_moved_back(page: Page, school: School) -> None:
    hub, device = school.scene.state / "hub.sock", "ble:A4:C1:38:AA:BB:CC"
    wish = {"device": device, "integration": "bluetooth", "place": "cour", "name": "Sonde"}
    assert call(hub, "device.add", wishes=[wish])["rows"][0]["state"] == "added"

    def stands() -> tuple[str, str]:
        known = next(one for one in call(hub, "devices")["devices"] if one["id"] == device)
        return known["name"], known["place"]

    page.goto(f"{school.url}/devices/{quote(device, safe='')}")
    page.click("text=Changer le nom, l'emplacement ou la photo")
    page.fill("#name", "Sonde du préau")
    page.select_option("#place", label="Classe 1")
    page.click("text=Voir le changement")
    expect(page.locator(".changes ins")).to_have_text(["après : Sonde du préau", "après : Classe 1"])
    assert stands() == ("Sonde", "cour")
    page.click("main button:text-is('Modifier')")
    expect(page.locator("[data-told]")).to_have_text("Modifié.", timeout=PATIENCE_MS)
    assert stands() == ("Sonde du préau", "classe-1")
    expect(page.locator("#undo ins")).to_have_text(["après : Sonde du préau", "après : Classe 1"])
    page.click("text=Annuler ce changement")
    expect(page.locator("#undo ins")).to_have_text(["après : Sonde", "après : Cour"], timeout=PATIENCE_MS)
    assert stands() == ("Sonde", "cour")


def test_a_device_of_the_configuration_is_renamed_by_the_difference_of_its_file(page: Page, school: School) -> None:
    page.goto(f"{school.url}{VALVE}/edit")
    page.fill("#name", "Vanne du préau")
    page.click("text=Voir le changement")
    expect(page.locator(".diff .more")).to_contain_text(["Vanne du préau"])
    page.fill("#reason", "essai")
    page.click("text=Appliquer")
    page.wait_for_url("**/configuration")
    end = time.monotonic() + PATIENCE_S
    while call(school.scene.state / "hub.sock", "config.progress")["stage"]:
        assert time.monotonic() < end
        page.wait_for_timeout(100)
    page.goto(school.url + VALVE)
    assert page.inner_text("h1") == "Vanne du préau"


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_axe_finds_nothing_beside_an_answer(school: School, language: str, size: dict[str, int]) -> None:
    context = school.context(viewport=size)
    page = context.new_page()
    for path in (f"{LAMP}/edit", LAMP, VALVE):
        page.goto(f"{school.url}{path}?lang={language}")
        if path == VALVE:
            page.fill("#value-1", "150")
            page.press("#value-1", "Enter")
            expect(page.locator("form[data-kind=bad] [role=status]")).to_be_visible(timeout=PATIENCE_MS)
        assert page.evaluate(WIDER) <= 0
        found = page.evaluate(axe.run(), RULES)["violations"]
        assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
    context.close()


def test_no_page_broke_its_policy(school: School) -> None:
    expected = ("422", "occurred when fetching the script.")  # without trust in the certificate no service worker
    assert [one for one in school.errors if not any(text in one for text in expected)] == []
