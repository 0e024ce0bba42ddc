"""A wired meter is added from a phone, from the claim on, without a line of YAML; and one by a table of registers.

The meter is libmodbus, with the registers of a shipped pack and the values of its manual's example. Taps and characters
are counted as they are made, and reckoned by the keystroke-level model (Card, Moran and Newell, 1980).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub.cli.demo.scene import Scene
from hub.cli.label import claim_link
from hub.rpc.control_socket import call
from tests.integrations.modbus import sunspec_kit as kit

from .patience import PATIENCE_MS
from .test_pages import CHROMIUM, DESK, NAME, PASSWORD, PHONE, faults, shown

pytestmark = [pytest.mark.real("processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

METER = {
    20480: [0x0000, 0x0000, 0x000D, 0x1290, 0x0000, 0x0000, 0x0003, 0x1209],
    23316: [0x0001, 0xE8E4],
    35168: kit.text("B23 112-100", 6),
    100: [0x0BB8],
}
"""The manual's example of the energies and the power, the designation, and one register that no pack has."""
KEY_S, POINT_S, MENTAL_S = 0.28, 1.3, 1.35
"""Seconds of a character, of a tap and of the thought before it: an average typist."""


class Hand:
    """Does what a person does, and counts it."""

    def __init__(self, page: Page) -> None:
        self.page, self.taps, self.keys = page, 0, 0

    def tap(self, what: str) -> None:
        self.page.locator(what).first.click()
        self.taps += 1

    def type(self, what: str, text: str) -> None:
        """Tap a field, clear what stands in it, and type."""
        field = self.page.locator(what).first
        self.keys += len(field.input_value()) + len(text)
        self.taps += 1
        field.fill(text)

    def choose(self, what: str, label: str) -> None:
        self.page.locator(what).first.select_option(label=label)
        self.taps += 2

    @property
    def seconds(self) -> float:
        """Reckoned: a thought and a pointing for each tap, a key for each character."""
        return self.taps * (POINT_S + MENTAL_S) + self.keys * KEY_S


@contextmanager
def meter(folder: Path) -> Iterator[int]:
    """The port of a libmodbus server with the meter's registers."""
    command = [str(kit.compiled("map.c", folder))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        for address, words in METER.items():
            server.stdin.write(f"{address} {' '.join(map(str, words))}\n")
        server.stdin.write("\n")
        server.stdin.flush()
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield made
        made.close()


def opened(browser: Browser, size: dict[str, int], language: str) -> Page:
    context = browser.new_context(ignore_https_errors=True, viewport=size, locale=language)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def test_a_meter_of_a_shipped_pack_is_added_from_the_claim_on_within_90_s_of_a_hand(
    browser: Browser, tmp_path: Path
) -> None:
    scene = Scene(tmp_path / "scene", lambda text: None)
    try:
        with meter(tmp_path) as port:
            scene.prepare()
            before = scene.config.read_text()
            scene.start_hub()
            page = opened(browser, PHONE, "fr-FR")
            label = scene.label()
            page.goto(claim_link(label))
            hand = Hand(page)
            hand.type("#name", NAME)
            hand.type("#password", PASSWORD)
            hand.type("#again", PASSWORD)
            hand.tap("main button")
            page.wait_for_selector(".strip")
            hand.tap("summary:has-text('Menu')")
            hand.tap("nav a:has-text('Appareils')")
            hand.tap("main a:has-text('Ajouter un appareil')")
            hand.tap("text=Un compteur ou automate filaire")
            hand.tap("text=Une autre ligne")
            hand.tap("summary:has-text('Modbus')")
            hand.type("#o-modbus-host", "127.0.0.1")
            hand.type("#o-modbus-port", str(port))
            hand.type("#a-new-modbus", "1")
            assert faults(page, page.url) == []
            hand.tap("form:has(#o-modbus-host) button")
            page.wait_for_selector("h2:has-text('ABB B23')")
            assert "Proposé car son registre 35168" in page.inner_text("#found")
            expect(page.locator("#found [role=status]")).to_contain_text("terminée")
            assert faults(page, page.url) == []
            hand.tap("text=Voir ses valeurs")
            expect(page.locator("#now")).to_contain_text("8\u202f567,2")  # the manual's example
            assert "1\u202f251,56" in page.inner_text("#now")
            assert "modbus-2" not in scene.config.read_text(), "nothing is saved before somebody says so"
            assert faults(page, page.url) == []
            hand.choose("#place", page.locator("#place optgroup option").first.inner_text())
            hand.tap("main form button")
            page.wait_for_url("**/devices/modbus*", timeout=2 * PATIENCE_MS)
            print(f"\n{hand.taps} taps, {hand.keys} characters: {hand.seconds:.1f} s by the keystroke-level model")
            assert hand.seconds <= 90
            _shows(page, "8\u202f567")
            file = scene.config.read_text()
            assert f"port: {port}" in file
            assert all(line in file for line in before.splitlines()), "the rest of the file is as it was"
            log = call(scene.state / "hub.sock", "config.log")["revisions"]
            assert log[0]["author"] == f"web:{NAME}"
            plugins = {one["name"]: one for one in call(scene.state / "hub.sock", "status")["plugins"]}
            assert plugins["modbus"]["restarts"] == 0
            page.context.close()
            _by_hand(browser, scene, port)
    finally:
        scene.close()


def _shows(page: Page, text: str) -> None:
    """Wait until the page of the new device shows a value that it reported."""
    shown(page, page.url, f"main :text('{text}')")


def _by_hand(browser: Browser, scene: Scene, port: int) -> None:
    """A second unit of the same line, in English on a desk, by one register typed from a document."""
    page = opened(browser, DESK, "en-GB")
    url = scene.label()["url"].rstrip("/")
    page.goto(f"{url}/signin")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_selector(".strip")
    page.goto(f"{url}/add/line")
    card = page.locator(f"form:has-text(':{port}')")
    card.locator("[name=addresses]").fill("2")
    card.locator("button").click()
    page.wait_for_selector("h2:has-text('ABB B23')")
    page.click("summary:has-text('another model')")
    page.click("text=Give its registers by hand")
    assert faults(page, page.url) == []
    page.fill("[name='r0.address']", "100")
    page.select_option("[name='r0.metric']", "power")
    said = page.locator("[data-row='0'] [data-said]")
    expect(said).to_have_text("3,000\u202fW")
    page.fill("[name='r0.unit']", "kWh")
    page.locator("[name='r0.unit']").blur()
    expect(said).to_contain_text("kWh")  # a power is none of these
    page.fill("[name='r0.unit']", "kW")
    page.fill("[name='r0.scale']", "0,0001")
    page.locator("[name='r0.scale']").blur()
    expect(said).to_have_text("300\u202fW")
    page.fill("[name='r1.address']", "4000")
    page.select_option("[name='r1.metric']", "voltage")
    expect(page.locator("[data-row='1'] [data-said]")).to_contain_text("no such register")
    page.fill("[name='r1.address']", "")
    page.click("summary:has-text('New place')")
    page.fill("#new_place", "essai")
    page.select_option("#zone", index=1)
    page.fill("#name", "Essai")
    page.click("button[value=add]")
    page.wait_for_url("**/devices/modbus*", timeout=2 * PATIENCE_MS)
    _shows(page, "300\u202fW")
    page.context.close()
