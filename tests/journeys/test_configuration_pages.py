"""The configuration in a real browser: a mistake and its correction, a form, the way back, a port nobody confirms."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from hub.cli.demo.scene import Scene
from hub.cli.label import claim_link
from hub.rpc.control_socket import CallRefused, call

from ..ports import free_port
from .patience import PATIENCE_MS, PATIENCE_S
from .test_pages import CHROMIUM, DESK, NAME, PASSWORD, PHONE, faults, go

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

PAGES = (
    "/form?at=notifiers&new=1&type=sms",
    "/form?at=devices",
    "/form?at=buffer",
    "",
    "/text",
    "/form",
    "/form?at=hub",
    "/form?at=integrations",
    "/form?at=integrations%2Fmodbus",
    "/form?at=places",
    "/form?at=zones%2Fclasses",
    "/form?at=rules&new=1&name=essai",
)


class Place:
    def __init__(self, scene: Scene, page: Page) -> None:
        self.scene, self.page = scene, page
        self.file: Path = scene.config
        self.url = scene.label()["url"].rstrip("/")

    def go(self, path: str = "") -> None:
        go(self.page, f"{self.url}/configuration{path}")

    def apply(self, reason: str) -> None:
        """From the preview on, until the change is through."""
        self.page.fill("#reason", reason)
        self.page.click("main form.card button")
        self.page.wait_for_url("**/configuration")
        self.settled()

    def settled(self, *stages: str) -> None:
        """Wait until nothing is under way any more, or only what waits for a word."""
        end = time.monotonic() + PATIENCE_S
        while call(self.scene.state / "hub.sock", "config.progress")["stage"] not in (stages or ("", "waiting")):
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    scene = Scene(tmp_path_factory.mktemp("configuration"), lambda text: None)
    try:
        scene.prepare()
        with scene.config.open("a", encoding="utf-8") as file:
            file.write("# écrit par Anne\nconfig: {gate: 60s, confirm: 12s}\n")
        scene.start_hub()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
            context = browser.new_context(ignore_https_errors=True, viewport=DESK, locale="fr-FR")
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            label = scene.label()
            page.goto(claim_link(label))
            for name, value in (("name", NAME), ("password", PASSWORD), ("again", PASSWORD)):
                page.fill(f"#{name}", value)
            page.click("main button")
            page.wait_for_selector(".strip")
            yield Place(scene, page)
            browser.close()
    finally:
        scene.close()


def test_a_mistake_in_the_text_stands_at_its_line_and_is_corrected(place: Place) -> None:
    page, before = place.page, place.file.read_text()
    place.go("/text")
    page.fill("#text", before.replace("config: {gate: 60s", "config: {gaet: 60s"))
    page.click("text=Voir ce qui changera")
    line = before[: before.index("config: {gate")].count("\n") + 1
    expect(page.locator("#problems")).to_contain_text(f"ligne {line}")
    expect(page.locator("#problems")).to_contain_text("gate")
    expect(page.locator(".numbers .wrong")).to_have_text(f"! {line}")
    assert place.file.read_text() == before
    page.fill("#text", before.replace("config: {gate: 60s", "config: {gate: 61s"))
    page.click("text=Voir ce qui changera")
    expect(page.locator("ol.diff")).to_contain_text("config: {gate: 60s")
    place.apply("plus patient")
    place.go()
    assert "Le dernier changement est en service" in page.inner_text("main"), page.inner_text("main")
    assert "plus patient" in page.inner_text("tbody tr:first-child")
    assert place.file.read_text() == before.replace("gate: 60s", "gate: 61s")


def test_a_form_changes_one_option_and_the_history_goes_back(place: Place) -> None:
    page, before = place.page, place.file.read_text()
    place.go("/form?at=hub")
    page.fill('[name="f.name"]', "Lycée Voltaire")
    assert page.inner_text(".send button") == "Voir ce qui changera (1)"
    assert page.inner_text(".field.touched .chip.touched") == "modifié"
    page.click(".send button")
    expect(page.locator(".changes ins").first).to_contain_text("Lycée Voltaire")
    place.apply("nouveau nom")
    assert "Lycée Voltaire" in place.file.read_text()
    assert "# écrit par Anne" in place.file.read_text()
    place.settled()
    place.go()
    assert "Lycée Voltaire" in page.inner_text("header")  # taken up without a restart, still signed in
    page.locator("tbody tr").nth(1).get_by_role("button").click()  # what ran before
    place.apply("retour")
    assert place.file.read_text() == before


def test_a_zone_is_added_by_its_own_call_once_and_one_that_is_there_stays_as_it_is(place: Place) -> None:
    socket_, before = place.scene.state / "hub.sock", place.file.read_text()
    asked = {"id": "cour", "site": "ecole-demo", "name": "Cour: nord", "by": "web:technicien", "use": "ignored"}
    assert call(socket_, "zone.add", **asked, dry_run=True)["state"] == "planned"
    assert place.file.read_text() == before
    assert call(socket_, "zone.add", **asked)["state"] == "committed"
    place.settled()
    after = place.file.read_text()
    assert after.count("\n") == before.count("\n") + 1
    assert '  cour: {site: ecole-demo, name: "Cour: nord"}\n' in after.replace("'", '"')
    for wrong in ({}, {"id": "classes"}, {"id": "salle-9", "site": "elsewhere"}, {"id": "../x"}):
        with pytest.raises(CallRefused):
            call(socket_, "zone.add", **{**asked, **wrong})
    place.file.write_text(after + "# by hand, not taken up\n")
    with pytest.raises(CallRefused, match="changed meanwhile"):
        call(socket_, "zone.add", **{**asked, "id": "hall"})
    place.file.write_text(after)
    assert place.file.read_text() == after
    assert call(socket_, "config.log")["revisions"][0]["author"] == "web:technicien"


def test_what_is_wrong_in_a_form_stands_beside_its_field_and_one_more_is_filled_in_first(place: Place) -> None:
    page, before = place.page, place.file.read_text()
    place.go("/form?at=integrations%2Fmodbus")
    page.fill("#f-timeout", "cinq")
    page.fill("#f-interval", "7s")
    page.click(".send button")
    expect(page.locator("#f-timeout-e")).to_contain_text("attendu : une durée avec son unité")
    assert page.get_attribute("#f-timeout", "aria-invalid") == "true"
    assert "f-timeout-e" in str(page.get_attribute("#f-timeout", "aria-describedby"))
    assert (page.input_value("#f-interval"), page.input_value("#f-timeout")) == ("7s", "cinq"), "nothing typed is lost"
    place.go("/form?at=notifiers")
    page.select_option("#type", "email")
    page.fill("#name", "chef")
    page.click("text=Continuer")
    for name, value in (("host", "mail.example.org"), ("sender", "hub@example.org"), ("to", "chef@example.org")):
        page.fill(f"#f-{name}", value)
    page.click(".send button")
    page.wait_for_selector("ol.diff .more")
    expect(page.locator("ol.diff")).to_contain_text("type: email")
    assert place.file.read_text() == before


def test_a_port_that_is_confirmed_stays_and_one_that_nobody_confirms_comes_back(place: Place) -> None:
    page, hub = place.page, place.scene.state / "hub.sock"

    def moved(port: int) -> None:
        """The pages are given another port by their form, and wait there to be confirmed."""
        place.go("/form?at=web")
        page.fill('[name="f.port"]', str(port))
        page.click("text=Voir ce qui changera")
        expect(page.locator(".note.bad").first).to_contain_text("Peut couper l'accès")
        page.fill("#reason", "autre port")
        with page.expect_response(lambda one: one.request.method == "POST"):  # the next page may find no hub there
            page.click("main form.card button")

    def confirm_within(span: str) -> None:
        edits = [{"path": ["config", "confirm"], "value": span}]
        assert call(hub, "config.apply", timeout=PATIENCE_S, edits=edits, by="cli")["state"] == "committed"

    confirm_within("10min")  # a busy machine may take its time to look and to confirm
    port = free_port()
    moved(port)
    place.settled()
    place.url = f"{place.url.rpartition(':')[0]}:{port}"
    place.go()
    assert "sera annulé dans" in page.inner_text("section.card")
    left = int(page.inner_text("[data-count]"))
    page.wait_for_function(  # it counts down without a new page
        "left => Number(document.querySelector('[data-count]').textContent) < left", arg=left
    )
    page.click("button:has-text('Confirmer')")
    expect(page.locator("main .note.good").first).to_contain_text("en service")
    assert str(port) in place.file.read_text()

    confirm_within("5s")
    before = place.file.read_text()
    moved(free_port())
    place.settled("")
    assert place.file.read_text() == before
    end = time.monotonic() + PATIENCE_S
    while not (web := call(hub, "status")["web"])["served"] or web["url"].rstrip("/") != place.url:
        assert time.monotonic() < end, web
        time.sleep(0.1)
    place.go()
    assert "personne ne l'a confirmé" in page.inner_text("main .note.bad")


def test_the_pages_of_the_configuration_are_accessible_and_fit_a_phone(place: Place) -> None:
    page = place.page
    found = []
    for size, language in ((DESK, "en"), (PHONE, "fr")):
        page.set_viewport_size(size)
        for path in PAGES:
            place.go(f"{path}{'&' if '?' in path else '?'}lang={language}")
            found += faults(page, path)
    page.set_viewport_size(DESK)
    assert found == []


def test_a_file_that_is_wrong_shows_the_recovery_page(place: Place) -> None:
    page, before = place.page, place.file.read_text()
    place.file.write_text(before.replace("config: {gate", "config: {gaet"))
    place.go()
    assert "Mode secours" in page.inner_text("main")
    assert "gaet" in page.inner_text("main")
    place.file.write_text(before)
