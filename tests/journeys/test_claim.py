"""A fresh hub is put into service from a phone, in Debian's chromium: claimed by its label, enrolled by a token that is
photographed or typed, its readings at the backend, and the process is the one that was started."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from hub.cli.demo.scene import Scene
from hub.cli.label import claim_link
from hub.config import first_file
from hub.page_kit.scanning import decoder_there

from ..faults.rig import free_port, until
from .patience import PATIENCE_MS, PATIENCE_S
from .test_pages import CHROMIUM, NAME, PASSWORD, PHONE, faults

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

PAGES = "web: {{address: 127.0.0.1, port: {port}}}"


def test_a_fresh_hub_is_claimed_and_enrolled_from_a_phone_and_delivers(tmp_path: Path) -> None:
    scene = Scene(tmp_path, lambda text: None)
    try:
        scene.found()
        scene.radio = {"bus_address": "unix:path=/nowhere"}  # no radio here
        text = first_file.configuration("École", str(scene.state), pages=True)
        scene.config.write_text(text.replace("web: {}", PAGES.format(port=free_port())), encoding="utf-8")
        assert scene.start_hub()["enrolled"] is False
        process = scene.processes["hub"].pid
        code = tmp_path / "token.png"
        words = ("backend", "token", str(tmp_path / "backend"), "--url", scene.backend["url"], "--out", str(code))
        token = scene._ilot(*words, "--json")["token"]
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
            context = browser.new_context(ignore_https_errors=True, viewport=PHONE, locale="fr-FR")
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            page.goto(claim_link(scene.label()))
            for name, value in (("name", NAME), ("password", PASSWORD), ("again", PASSWORD)):
                page.fill(f"#{name}", value)
            page.click("main button")
            expect(page.locator("h1")).to_have_text("Étape suivante : enrôler ce concentrateur")
            assert faults(page, "/enrolment") == []
            page.fill("#token", token[:-9])
            page.click("#enrol")
            expect(page.locator("main")).to_contain_text("jeton")
            expect(page.locator("[role=alert]")).to_be_visible()
            page.wait_for_load_state()  # with the script that reads a photograph
            if decoder_there():  # a photograph of the code fills it in; a tree without npm has no reader
                page.fill("#token", "")
                page.set_input_files("#scan-photo", code)
                expect(page.locator("#token")).to_have_value(token)
            page.fill("#token", token)
            page.click("#enrol")
            expect(page.locator("h1")).to_have_text("Ce concentrateur est enrôlé")
            page.wait_for_selector(".strip")  # the overview, by itself, and nobody signs in again
            browser.close()
        until(lambda: scene.ask("status")["link"]["acked"] > 0, PATIENCE_S, lambda: scene._tail("hub"))
        assert scene.processes["hub"].pid == process
        assert scene.processes["hub"].poll() is None
        scene.stop("hub")
        scene.check()
    finally:
        scene.close()
