"""M-Bus, BACnet and KNX are added from a phone, in French: the line, a search, its values now, a place; no YAML.

The BACnet controller is bacpypes3; the meters and the KNX interface are the simulators, in processes of their own.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hub.cli.demo.scene import Scene
from hub.cli.label import claim_link
from tests.ports import free_port

from .patience import PATIENCE_MS
from .test_pages import CHROMIUM, NAME, PASSWORD, PHONE, faults

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

ROOT = Path(__file__).parents[2]
CONTROLLER, OWN = "127.0.0.2", "127.0.0.3"


@contextmanager
def process(*arguments: str) -> Iterator[dict[str, Any]]:
    """A simulator: what it says when it is ready."""
    started = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert started.stdout is not None
        yield dict(json.loads(started.stdout.readline()))
    finally:
        started.kill()
        started.communicate()


def udp_port(host: str) -> int:
    return free_port(host, kind=socket.SOCK_DGRAM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield made
        made.close()


class Adding:
    """A person who adds one device after another."""

    def __init__(self, page: Page, scene: Scene, url: str) -> None:
        self.page, self.scene, self.url = page, scene, url

    def search(self, kind: str, addresses: str, **options: str) -> None:
        """Open the form of a new line, fill it, and search."""
        page = self.page
        page.goto(f"{self.url}/add")
        page.click("text=Un compteur ou automate filaire")
        page.click("text=Une autre ligne")
        page.locator(f"details:has(#a-new-{kind}) > summary").click()
        for name, value in options.items():
            field = page.locator(f"#o-{kind}-{name}")
            if field.evaluate("one => one.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        page.fill(f"#a-new-{kind}", addresses)
        assert faults(page, page.url) == []
        page.locator(f"form:has(#a-new-{kind}) button").click()

    def look(self, title: str) -> None:
        """Look at the device that was found: the page of its values."""
        card = self.page.locator(f"#found li:has-text('{title}')").first
        expect(card).to_be_visible(timeout=2 * PATIENCE_MS)
        assert faults(self.page, self.page.url) == []
        card.get_by_role("link", name="Voir ses valeurs").click()

    def add(self, kind: str, place: str, name: str) -> None:
        """Give it a place and a name; nothing of it is in the file before."""
        page = self.page
        assert faults(page, page.url) == []
        assert f"{kind}:" not in self.scene.config.read_text(), "nothing is saved before somebody says so"
        page.select_option("#place", label=place)
        page.fill("#name", name)
        page.click("main form button")
        page.wait_for_url(f"**/devices/{kind}*", timeout=2 * PATIENCE_MS)
        assert name in page.inner_text("h1")
        assert f"{kind}:" in self.scene.config.read_text()


def test_a_meter_a_controller_and_a_room_are_found_tried_and_added_on_a_phone_in_french(
    browser: Browser, tmp_path: Path
) -> None:
    scene, port = Scene(tmp_path / "scene", lambda text: None), udp_port(CONTROLLER)
    controller = str(ROOT / "tests/integrations/bacnet/bacnet_device.py")
    try:
        with (
            process("-m", "integrations.mbus.sim") as meters,
            process(controller, "--host", CONTROLLER, "--port", str(port), "--instance", "1201"),
            process("-m", "integrations.knx.sim", "--interval", "0.2") as interface,
        ):
            scene.prepare()
            scene.start_hub()
            context = browser.new_context(ignore_https_errors=True, viewport=PHONE, locale="fr-FR")  # type: ignore[arg-type]
            context.set_default_timeout(PATIENCE_MS)
            page = context.new_page()
            label = scene.label()
            page.goto(claim_link(label))
            for field, text in (("#name", NAME), ("#password", PASSWORD), ("#again", PASSWORD)):
                page.fill(field, text)
            page.click("main button")
            page.wait_for_selector(".strip")
            hand = Adding(page, scene, label["url"].rstrip("/"))

            hand.search("mbus", "1-2", port=meters["port"], baudrate="9600", parity="E")
            hand.look("KAM 06855817")
            expect(page.locator("#now")).to_contain_text("37\u202f351")  # the telegram's energy, in kWh
            hand.add("mbus", "Chaufferie", "Compteur de chaleur")
            expect(page.locator("main")).to_contain_text("37\u202f35", timeout=2 * PATIENCE_MS)  # it reports

            hand.search("bacnet", f"{CONTROLLER}:{port}", address=OWN, port=str(udp_port(OWN)))
            hand.look("1201")
            expect(page.locator("#now")).to_contain_text("21,5")
            hand.add("bacnet", "Chaufferie", "Automate")
            expect(page.locator("main")).to_contain_text("21,5", timeout=2 * PATIENCE_MS)

            hand.search("knx", "", host="127.0.0.1", port=str(interface["port"]))
            hand.look("1.1.10")
            expect(page.locator("#now")).to_contain_text("°C")
            hand.add("knx", "Classe 2", "Ambiance")
            expect(page.locator("main")).to_contain_text("°C", timeout=2 * PATIENCE_MS)
            states = {one["name"]: one["state"] for one in scene.ask("status")["plugins"]}
            assert {states[kind] for kind in ("mbus", "bacnet", "knx")} == {"running"}
            context.close()
    finally:
        scene.close()
