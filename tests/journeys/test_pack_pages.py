"""Codecs of others in a real browser: a file is sent, each of its values is decided on, and the pack is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub.cli.demo.scene import Scene
from hub.cli.label import claim_link
from hub.rpc.control_socket import call
from tests.hub.devices.packs.importing_kit import CODEC, MILESIGHT, SCALE, TTN, zipped

from .patience import PATIENCE_MS
from .test_pages import CHROMIUM, DESK, NAME, PASSWORD, PHONE, faults, go

pytestmark = [pytest.mark.real("processes"), pytest.mark.long("starts a browser", of="tests/journeys")]


class Place:
    def __init__(self, scene: Scene, browser: Browser) -> None:
        self.scene, self.browser = scene, browser
        self.label, self.state = scene.label(), None
        self.url = self.label["url"].rstrip("/")

    def page(self, **options: Any) -> Page:
        chosen = {"ignore_https_errors": True, "viewport": DESK, "locale": "fr-FR", **options}
        context = self.browser.new_context(storage_state=self.state, **chosen)
        context.set_default_timeout(PATIENCE_MS)
        return context.new_page()

    def hub(self, name: str, **arguments: Any) -> Any:
        return call(self.scene.state / "hub.sock", name, **arguments)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    scene = Scene(tmp_path_factory.mktemp("packs"), lambda text: None)
    try:
        scene.prepare()
        scene.start_hub()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
            made = Place(scene, browser)
            page = made.page()
            page.goto(claim_link(made.label))
            for name, value in (("name", NAME), ("password", PASSWORD), ("again", PASSWORD)):
                page.fill(f"#{name}", value)
            page.click("main button")
            page.wait_for_selector(".strip")
            made.state = page.context.storage_state()
            page.context.close()
            yield made
            browser.close()
    finally:
        scene.close()


def send(page: Page, url: str, name: str, data: bytes, **more: str) -> None:
    go(page, f"{url}/packs")
    page.set_input_files("#codec", {"name": name, "mimeType": "application/octet-stream", "buffer": data})
    if more:
        page.click("text=Fabricant, trame…")
    for field, value in more.items():
        page.fill(f"#{field}", value)
    page.click("text=Importer et vérifier")


def test_a_vendor_s_archive_waits_until_each_value_is_decided_and_is_then_in_use(place: Place) -> None:
    page = place.page()
    send(page, place.url, "windco.zip", zipped(TTN, "windco/"))
    expect(page.locator("main [role=alert]")).to_contain_text("Non importés")
    expect(page.locator("main [role=alert]")).to_contain_text("up-codec")
    cards = page.locator("#imports .card")
    assert [" ".join(card.split()) for card in cards.all_inner_texts()] == [
        "windco bare windco-bare · The Things Network non testé · 0 valeur à décider",
        "windco Wind sensor windco-wind · The Things Network 2 tests · 3 valeurs à décider",
    ]
    assert not faults(page, "/packs")
    page.click("text=windco Wind sensor")
    page.wait_for_url("**/packs/imports/windco-wind")
    assert "Rien n'est installé avant que vous ayez décidé" in page.inner_text("main")
    assert "ses commandes descendantes ne sont pas encore déclarées" in page.inner_text(".note")
    assert not faults(page, "/packs/imports")
    rows = page.locator("tbody tr")
    assert rows.count() == 3
    assert "21,5" in rows.nth(0).inner_text()
    for name, word in (("d0", "take"), ("d1", "leave"), ("d2", "other")):
        page.select_option(f"[name={name}]", word)
    page.click("tbody tr:nth-child(3) summary")
    page.fill("[name=m2]", "humidty")
    page.click("button[value=install]")
    expect(page.locator("[role=alert]")).to_contain_text("humidity")
    assert page.input_value("[name=d0]") == "take", "what was chosen is still there"
    page.fill("[name=m2]", "humidity")
    page.fill("[name=s2]", "0,5")
    page.click("button[value=install]")
    page.wait_for_url("**/packs?said=pack-installed")
    row = page.locator("tbody tr", has_text="windco-wind")
    assert "installé ici" in row.inner_text()
    assert [one["pack"] for one in place.hub("pack.drafts")["drafts"]] == ["windco-bare"]
    page.context.close()


def test_an_untested_codec_says_so_and_is_asked_about_on_a_phone_without_scripts(place: Place) -> None:
    page = place.page(viewport=PHONE, java_script_enabled=False)
    send(page, place.url, "decoders.zip", zipped({name: text for name, text in MILESIGHT.items() if "em1" in name}))
    page.wait_for_url("**/packs/imports/milesight-em1-x")
    assert "il n'est pas testé" in page.inner_text(".note")
    page.select_option("[name=d0]", "take")
    page.select_option("[name=d1]", "leave")
    page.click("button[value=install]")
    assert page.url.endswith("/packs/imports/milesight-em1-x"), "the browser asks for the mark first"
    page.check("[name=untested]")
    page.click("button[value=install]")
    page.wait_for_url("**/packs?said=pack-installed")
    assert "non testé" in page.locator("tbody tr", has_text="milesight-em1-x").inner_text()
    page.context.close()


def test_a_single_file_shows_its_values_by_a_payload_and_is_discarded(place: Place) -> None:
    page = place.page(viewport=PHONE, locale="en-GB")
    source = SCALE.replace("module.exports =", "const scale =") + CODEC.split("\n", 1)[1]
    go(page, f"{place.url}/packs?lang=en")
    page.set_input_files("#codec", {"name": "acme-thermo.js", "mimeType": "text/javascript", "buffer": source.encode()})
    page.click("form[action='/packs/import'] summary")
    page.fill("#payload", "2:d728")
    page.click("text=Import and review")
    page.wait_for_url("**/packs/imports/acme-thermo")
    expect(page.locator("tbody tr")).to_have_count(3)
    assert not faults(page, "/packs/imports")
    page.click("text=Discard")
    page.wait_for_url("**/packs?said=pack-discarded*")
    assert "acme-thermo" not in [one["pack"] for one in place.hub("pack.drafts")["drafts"]]
    page.context.close()
