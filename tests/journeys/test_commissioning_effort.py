"""One sensor put into service and a broken one replaced, from a phone, in Debian's chromium: taps and typed characters
are counted by the page, and reckoned by the keystroke-level model (Card, Moran, Newell; a thumb on a phone).

The sensors are npm `lora-packet`: they join, and speak with the keys that they derive themselves.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from hub.cli.label import claim_link
from hub.rpc.control_socket import call

from ..faults.rig import until
from ..integrations.lorawan.lorawan_peer import LoraPacket, PeerDevice
from ..ports import free_port
from . import camera
from .patience import PATIENCE_MS, PATIENCE_S
from .test_commissioning import PHONE, WIDER, Gateway, counter, eui_of, label, qr
from .test_onboarding import GATEWAY, School
from .test_pages import NAME, PASSWORD

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

K, TAP, M = 0.28, 1.3, 1.35
"""Seconds of a typed character, of a tap (pointing and pressing), and of making up one's mind."""
MOST_TAPS, MOST_CHARACTERS = 6, 10
COUNT = """
    const add = (key, count) => sessionStorage.setItem(key, Number(sessionStorage.getItem(key) || 0) + count);
    addEventListener("pointerdown", (event) => { if (event.isTrusted) add("taps", 1); }, true);
    addEventListener("beforeinput", (event) => { if (event.isTrusted) add("typed", (event.data || "").length); }, true);
"""
AGAIN = """text => document.querySelector("[data-scanner]").dispatchEvent(new CustomEvent("label", {
    detail: { text, say: (kind) => { window.saidAgain = kind; } },
}))"""
"""The camera has read this label once more, which was out of its sight for a moment."""
TEMPERATURE = b"\x01\x67\x00\xcc"
"""20.4 degrees in Cayenne LPP."""


class Effort:
    """What a task took: taps, characters and decisions. `waited` is measured, and printed only: no test judges it."""

    def __init__(self, task: str, page: Page, decisions: int) -> None:
        self.task, self.page, self.decisions = task, page, decisions
        self.began, self.spent = time.monotonic(), 0.0
        page.evaluate("sessionStorage.clear()")

    def told(self) -> tuple[int, int, float]:
        """Print the reckoning; return (taps, characters, seconds of the person)."""
        waited = time.monotonic() - self.began
        taps, typed = (int(self.page.evaluate(f"sessionStorage.getItem('{key}') || 0")) for key in ("taps", "typed"))
        hand = taps * TAP + typed * K + self.decisions * M
        print(
            f"{self.task}: {taps} taps x {TAP} s + {typed} characters x {K} s + {self.decisions} decisions x {M} s = "
            f"{hand:.1f} s, and {waited:.1f} s waited for camera, hub and sensor: {hand + waited:.1f} s"
        )
        return taps, typed, hand


@contextmanager
def phone(held: list[camera.Shown], path: Path) -> Iterator[Page]:
    """A phone whose camera sees these labels."""
    seen = camera.video(path, held)
    with sync_playwright() as play:
        browser = camera.launched(play, seen, camera.LETS)
        context = browser.new_context(ignore_https_errors=True, viewport=PHONE, locale="fr-FR", has_touch=True)
        context.add_init_script(COUNT)
        context.set_default_timeout(PATIENCE_MS)
        yield context.new_page()
        context.close()
        browser.close()


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = School(tmp_path)
    waits = "places: {salle-5: {zone: cellar, name: Salle 5}}\n"
    made.configure(GATEWAY, more=f"web: {{address: 127.0.0.1, port: {free_port()}}}\n{waits}")
    yield made
    made.rig.close()


def test_a_sensor_takes_six_taps_and_ten_characters_at_most_and_a_replacement_three_taps(
    school: School, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng, peer = random.Random(20), LoraPacket()
    request.addfinalizer(peer.close)
    join_eui = bytes.fromhex("1122334455667788")
    sensors = [PeerDevice(peer, bytes.fromhex(eui_of(n)), rng.randbytes(16), join_eui) for n in range(3)]
    table = tmp_path / "keys.csv"
    rows = [f"{one.dev_eui.hex()};{join_eui.hex()};{one.app_key.hex()};cayenne-lpp" for one in sensors]
    table.write_text("\n".join(["dev_eui;join_eui;app_key;pack", *rows, ""]))
    school.start()
    gateway = Gateway(school)
    request.addfinalizer(gateway.close)
    assert school.run("device", "import", table).returncode == 0
    told, sock = label(school), school.rig.state / "hub.sock"
    url = told["url"].rstrip("/")
    for step in ("site", "plan", "cards", "inventory"):
        call(sock, "roster.step", step=step, by="test")
    old, new, other = (f"lorawan:{one.dev_eui.hex()}" for one in sensors)

    with phone([camera.Shown(qr(eui_of(0)), 10)], tmp_path / "first.y4m") as page:
        page.goto(claim_link(told))
        for field, text in (("name", NAME), ("password", PASSWORD), ("again", PASSWORD)):
            page.fill(f"#{field}", text)
        page.click("main button")
        page.wait_for_selector(".strip")
        page.goto(f"{url}/commissioning")
        effort = Effort("a LoRaWAN sensor with label and inventory", page, decisions=4)
        page.tap(".next a.button")
        page.wait_for_url("**/commissioning/scan")
        page.tap("[data-scan-start]")
        expect(page.locator("[data-scan-said]")).to_contain_text("clé connue")
        page.tap("#scan-name")
        page.keyboard.type("Sall")
        page.evaluate(AGAIN, qr(eui_of(0)))
        page.wait_for_function("() => window.saidAgain === 'again'")
        page.keyboard.type("e 4")  # it is still asked
        page.tap("[data-scan-ask] button")
        expect(page.locator("[data-scan-said]")).to_contain_text("Salle 4 ·")
        gateway.join(sensors[0], 1)
        expect(page.locator("[data-scan-list] li").first).to_contain_text("Salle 4 · jonction vue")
        school.hear([sensors[0].uplink(TEMPERATURE)])
        expect(page.locator("[data-scan-said]")).to_contain_text("Salle 4 ✓ 20,4\u202f°C")  # « déjà scanné », maybe
        taps, typed, hand = effort.told()
        assert taps <= MOST_TAPS
        assert typed <= MOST_CHARACTERS
        assert hand <= 30.0, "half of the minute is left to camera, hub and sensor"
        assert page.evaluate(WIDER) == 0
        page.keyboard.press("Escape")
        counter(page, "1/1 remontent")
        row = page.locator("[data-part=done] [data-row] th")
        expect(row).to_contain_text("Salle 4")
        expect(row.locator(".quiet")).to_contain_text(old)

    def signed_in(page: Page) -> None:
        page.goto(f"{url}/signin")
        page.fill("#name", NAME)
        page.fill("#password", PASSWORD)
        page.click("main button")
        page.wait_for_selector(".strip")

    # where a place waits for a device it is offered, and no other one is made
    with phone([camera.Shown(qr(eui_of(2)), 10)], tmp_path / "other.y4m") as page:
        signed_in(page)
        page.goto(f"{url}/commissioning/scan?zone=cellar")
        page.tap("[data-scan-start]")
        expect(page.locator("[data-scan-ask]")).to_contain_text("Où est-il")
        page.tap("[data-scan-ask] .choices button")
        expect(page.locator("[data-scan-said]")).to_contain_text("Salle 5 · clé connue")
        assert school.devices()[other]["place"] == "salle-5"
        counter(page, "1/2 remontent")

    with phone([camera.Shown(qr(eui_of(1)), 10)], tmp_path / "second.y4m") as page:
        signed_in(page)
        page.goto(f"{url}/devices/{old.replace(':', '%3A')}")
        effort = Effort("a broken sensor replaced", page, decisions=3)
        page.tap(f"a[href$='{old[8:]}/replace']")
        page.tap("[data-scan-start]")
        expect(page.locator("main ins")).to_contain_text(new)  # the label was read, and the form sent by itself
        page.tap("form[action$='/replace/now'] button")
        page.wait_for_url("**said=device-replaced")
        expect(page.locator("[data-former]")).to_contain_text(old)
        taps, typed, hand = effort.told()
        assert taps <= 3
        assert typed == 0
        assert hand <= 22.5
        expect(page.locator("#t-history")).to_be_attached()
        assert page.evaluate(WIDER) == 0

    # the old one is still heard: retired, and no stranger; the new one goes on at the same place
    gateway.known()
    school.hear([sensors[0].join_request(2)])
    until(lambda: [one["id"] for one in call(sock, "quarantine.list")["retired"]] == [old], PATIENCE_S, school.rig.logs)
    assert [one["id"] for one in call(sock, "quarantine.list")["waiting"]] == []
    gateway.join(sensors[1], 1)
    school.hear([sensors[1].uplink(TEMPERATURE)])
    until(lambda: school.devices()[new]["state"] == "green", PATIENCE_S, school.rig.logs)
    assert school.devices()[new]["place"] == "rooms-1"
