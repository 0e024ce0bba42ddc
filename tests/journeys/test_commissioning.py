"""Eighteen LoRaWAN sensors put into service from a phone, in Debian's chromium: two have wrong keys, one is out of
range, one has a label that nobody can read, one is at another hub; the phone is lost and the power fails midway.

The sensors are npm `lora-packet`: they join, and speak with the keys that they derive themselves.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import segno
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from backend.conformance.probe import Probe
from hub.cli.label import claim_link
from hub.identity.enrolment import enrol
from hub.onboarding.adoption.report import verify
from hub.protocol.device_labels.tr005 import checksum
from hub.protocol.records.rows import Column, Row, Shape, Subject
from hub.rpc.control_socket import call

from ..faults.rig import ilot, until
from ..integrations.lorawan.lorawan_peer import LoraPacket, PeerDevice
from ..ports import free_port
from . import camera
from .patience import PATIENCE_MS, PATIENCE_S
from .test_onboarding import GATEWAY, School, command
from .test_pages import NAME, PASSWORD

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

PHONE = {"width": 360, "height": 740}
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SPOKEN = """
    window.spoken = [];
    const place = document.querySelector("[data-scan-said]");
    new MutationObserver(() => window.spoken.push(place.textContent)).observe(place, { childList: true });
"""
GOOD, SILENT, UNREADABLE, ELSEWHERE = range(13), 15, 16, 17
WRONG = (13, 14)


class Gateway:
    """A packet forwarder that keeps what comes down (PROTOCOL.TXT: PULL_DATA, PULL_RESP)."""

    def __init__(self, school: School) -> None:
        self.school, self.down = school, list[bytes]()
        self.link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.connect(("127.0.0.1", school.port))
        self.acks = 0
        self.over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        self.link.settimeout(0.5)
        asked = 0.0
        while not self.over:
            if time.monotonic() - asked > 1.0:
                asked = time.monotonic()
                try:
                    self.link.send(struct.pack(">BHB", 2, 7, 2) + bytes.fromhex(GATEWAY))
                except OSError:
                    continue  # no hub there just now
            try:
                data = self.link.recv(4096)
            except OSError:
                continue
            self.acks += len(data) == 4 and data[3] == 4
            if len(data) > 4 and data[3] == 3:
                self.link.send(data[:3] + b"\x05" + bytes.fromhex(GATEWAY))
                self.down.append(base64.b64decode(json.loads(data[4:])["txpk"]["data"]))

    def known(self) -> None:
        """Wait until the hub that runs by now has answered: it knows where this gateway is."""
        before = self.acks
        until(lambda: self.acks > before, PATIENCE_S, self.school.rig.logs)

    def join(self, device: PeerDevice, nonce: int) -> None:
        """As often as it takes, with a higher nonce each time: a hub that is late for both windows says nothing."""
        before, end = len(self.down), time.monotonic() + PATIENCE_S
        while len(self.down) == before:
            assert time.monotonic() < end, f"no join accept: {self.school.rig.logs()}"
            self.school.hear([device.join_request(nonce)])
            nonce, over = nonce + 1, time.monotonic() + 15.0
            while len(self.down) == before and time.monotonic() < over:
                time.sleep(0.05)
        device.join_accept(self.down[before])

    def close(self) -> None:
        self.over = True
        self._thread.join()
        self.link.close()


def eui_of(number: int) -> str:
    return f"70b3d5e75f{number:06x}"


def qr(eui: str) -> str:
    text = f"LW:D0:1122334455667788:{eui.upper()}:FFFF0001"
    return f"{text}:C{checksum(text)}"


def picture(*texts: str) -> bytes:
    """A photograph of labels on a table."""
    whole = Image.new("RGB", (1400 * len(texts), 1400), (150, 140, 120))
    for n, text in enumerate(texts):
        out = io.BytesIO()
        segno.make(text, error="m").save(out, kind="png", scale=12, border=4)
        label = Image.open(out).convert("RGB").rotate(9, expand=True, fillcolor=(150, 140, 120))
        whole.paste(label, (1400 * n + 300, 350))
    out = io.BytesIO()
    whole.save(out, "JPEG", quality=70)
    return out.getvalue()


async def heard_at_another_hub(url: str, token: str, state: Path, device: str) -> None:
    """A second hub of the district, enrolled like any other, delivers one reading of the device."""
    await enrol(token, state, name="École voisine")
    async with aiohttp.ClientSession() as session:
        probe = Probe(url, token, state, session)
        segment = probe.segment()
        shape = Shape((Column("temperature", "Cel", "0.01"),))
        subject = Subject(device, "hall", "ecole-voisine", "halls")
        block = segment.block([Row(subject, shape, int(time.time() * 1000), True, (20.5,), quality=0, trust=1)])
        answer = await probe.post(segment.message([block]))
        assert answer.status == 200


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = School(tmp_path)
    port = free_port()
    made.configure(GATEWAY, more=f"web: {{address: 127.0.0.1, port: {port}}}\n")
    yield made
    made.rig.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Its camera sees eight labels one after the other, one that is torn and one that is of no device; then again."""
    held = [camera.Shown(qr(eui_of(n))) for n in (*range(9, 16), ELSEWHERE)]
    held += [camera.Shown(qr("70b3d5e75f0000aa"), 16, torn=True), camera.Shown("https://ville.example/ecole")]
    seen = camera.video(tmp_path_factory.mktemp("camera") / "labels.y4m", held)
    with sync_playwright() as play:
        made = camera.launched(play, seen, camera.LETS)
        yield made
        made.close()


def phone(browser: Browser) -> tuple[BrowserContext, Page]:
    context = browser.new_context(ignore_https_errors=True, viewport=PHONE, locale="fr-FR", has_touch=True)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    return context, context.new_page()


def label(school: School) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def served() -> bool:
        try:
            found.update(call(school.rig.state / "hub.sock", "web.label"))
        except Exception:
            return False
        return True

    until(served, PATIENCE_S, school.rig.logs)
    return found


def counter(page: Page, text: str) -> None:
    expect(page.locator("[data-counter]")).to_have_text(text, timeout=2 * PATIENCE_MS)


def remedies(page: Page) -> list[str]:
    return sorted(text for text in page.locator("strong[data-remedy]").all_inner_texts() if text != "–")


def test_eighteen_sensors_end_at_thirteen_with_five_named_remedies(
    school: School, browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(18)
    peer = LoraPacket()
    request.addfinalizer(peer.close)
    join_eui = bytes.fromhex("1122334455667788")
    sensors = [PeerDevice(peer, bytes.fromhex(eui_of(n)), rng.randbytes(16), join_eui) for n in range(18)]
    euis = [one.dev_eui.hex() for one in sensors]
    table = tmp_path / "keys.csv"
    rows = ["dev_eui;join_eui;app_key;pack"]
    for n, one in enumerate(sensors):
        key = rng.randbytes(16) if n in WRONG else one.app_key
        rows.append(f"{euis[n]};{join_eui.hex()};{key.hex()};cayenne-lpp")
    table.write_text("\n".join(rows) + "\n")
    school.start()
    gateway = Gateway(school)
    request.addfinalizer(gateway.close)
    card, sealed = tmp_path / "hub.card", tmp_path / "hub.ilot-inventory"
    assert school.run("inventory", "card", "--out", card).returncode == 0
    made = command("backend", "inventory", school.rig.backend_dir, table, "--card", card, "--out", sealed)
    assert made.returncode == 0, made.stderr
    token = ilot("backend", "token", str(school.rig.backend_dir), "--url", school.url, "--json")["token"]
    with ThreadPoolExecutor(1) as thread:  # playwright has this thread's loop
        other = (school.url, token, tmp_path / "other", f"lorawan:{euis[ELSEWHERE]}")
        thread.submit(lambda: asyncio.run(heard_at_another_hub(*other))).result()

    # the first phone: the claim, then the steps up to the sensors
    told = label(school)
    url = told["url"].rstrip("/")
    context, page = phone(browser)
    page.goto(claim_link(told))
    for field, text in (("name", NAME), ("password", PASSWORD), ("again", PASSWORD)):
        page.fill(f"#{field}", text)
    page.click("main button")
    page.wait_for_selector(".strip")
    page.goto(f"{url}/commissioning")
    page.click("text=Continuer")
    steps = ("site", "zones", "plan", "cards", "inventory")
    page.wait_for_url(f"**/commissioning/{steps[0]}")
    for step, following in pairwise(steps):
        if step == "zones":  # through the configuration's own engine, while the hub runs
            page.fill("#id", "annexe")
            page.fill("#zone-name", "Annexe")
            page.click("text=Ajouter une zone >> nth=-1")
            page.wait_for_selector("main p.note.good")
            page.wait_for_selector("main li:has-text('Annexe')")
            assert "Annexe" in school.rig.config.read_text()
        if step == "plan":
            plan = io.BytesIO()
            Image.new("RGB", (640, 400), "white").save(plan, "PNG")
            page.set_input_files("#plan-file", {"name": "rdc.png", "mimeType": "image/png", "buffer": plan.getvalue()})
            page.fill("#plan-name", "Rez-de-chaussée")
            page.click("text=Ajouter le plan")
            expect(page.locator("[data-plan]")).to_have_js_property("naturalWidth", 640)
        page.click("text=étape suivante")
        page.wait_for_url(f"**/commissioning/{following}")
    page.set_input_files("#inv", str(sealed))
    page.click("main form button")
    expect(page.locator("main [role=status].note")).to_contain_text("Clés gardées\u00a0: 18")
    page.click("text=étape suivante")
    page.wait_for_url("**/commissioning/scan")

    def scan(page: Page, text: str, zone: str = "rooms") -> None:
        page.select_option("#zone", zone)
        page.locator("[data-by-hand]").evaluate("one => { one.open = true; }")
        page.fill("#label", text)
        with page.expect_navigation():
            page.click("main form[data-scan] button >> nth=0")
        page.wait_for_selector("p.note[role=status]")

    # two labels in one photograph: a picture of a phone is sent at once, made smaller, and read by the hub
    with page.expect_navigation():  # the counter may say so before the next page is there
        page.set_input_files(
            "#photo", {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": picture(qr(euis[0]), qr(euis[1]))}
        )
    counter(page, "0/2 remontent")
    scan(page, qr(euis[2]), "annexe")
    for n in range(3, 9):
        scan(page, qr(euis[n]))
    counter(page, "0/9 remontent")
    for n in range(6):
        gateway.join(sensors[n], 1)
    page.goto(f"{url}/commissioning/scan")
    expect(page.locator("[data-row] .state.amber")).to_have_count(6)
    assert page.locator("[data-row] .state.blue").count() == 3
    school.hear([sensors[n].uplink(b"\x01\x67\x00\xd7") for n in range(6)])
    counter(page, "6/9 remontent")  # by itself, while the page is open
    expect(page.locator("[data-part=done] [data-value]")).to_have_text(["21,5\u202f°C"] * 6)
    assert page.evaluate(WIDER) == 0, "long ids wrap"

    # the phone is lost, and the power fails
    context.close()
    school.kill()
    school.start()
    label(school)
    context, page = phone(browser)
    page.goto(f"{url}/commissioning")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    with page.expect_navigation():
        page.click("main button")
    page.goto(f"{url}/commissioning")
    counter(page, "6/9 remontent")
    page.click("text=Continuer")
    page.wait_for_url("**/commissioning/scan")  # the step where the other phone stopped
    # the camera alone: each label counts once, and what is wrong is said while it goes on
    page.select_option("#zone", "cellar")
    assert "ne quittent pas ce téléphone" in page.inner_text("[data-scanner]")
    page.evaluate(SPOKEN)
    page.click("text=Scanner avec la caméra")
    counter(page, "6/17 remontent")
    box = page.locator("[data-scanner]").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (PHONE["width"], PHONE["height"]), "the camera has the whole window"
    expect(page.locator("[data-scan-count]")).to_have_text("6/17 remontent")
    assert page.evaluate("document.querySelector('header').inert"), "what lies beneath cannot be reached"
    spoken = "text => window.spoken.some(one => one.includes(text))"
    for sentence in ("Déjà scanné", "ne se lit pas", "d'aucun appareil", "Déjà sur un autre concentrateur"):
        page.wait_for_function(spoken, arg=sentence, timeout=2 * PATIENCE_MS)
    rows = call(school.rig.state / "hub.sock", "roster.show")["rows"]
    by_camera = sorted(row["device"] for row in rows if row["how"] == "scan")
    assert by_camera == sorted(f"lorawan:{euis[n]}" for n in (*range(9, 16), ELSEWHERE))
    assert {row["zone"] for row in rows if row["how"] == "scan"} == {"cellar"}
    page.locator("[data-by-hand]").evaluate("one => { one.open = true; }")  # a page with new rows loads itself anew
    page.click("text=Arrêter la caméra")
    assert page.evaluate("document.querySelector('[data-scan-video]').srcObject") is None
    assert not page.evaluate("document.querySelector('header').inert")
    scan(page, qr(euis[9]), "cellar")  # typed as well is still once
    assert "Déjà scanné" in page.inner_text("main p.note[role=status]")
    page.click("text=Étiquette illisible")
    page.fill("#note", "au-dessus du tableau, salle 4")
    page.click("text=Le compter")
    counter(page, "6/18 remontent")
    gateway.known()
    for n in range(6, 13):
        gateway.join(sensors[n], 1)
    school.hear([sensors[n].join_request(1) for n in WRONG])
    school.hear([sensors[n].uplink(b"\x01\x67\x00\xd7") for n in GOOD])

    # 13/18, and each of the five others by its name, with what is to be done
    counter(page, "13/18 remontent")
    wanted = sorted(
        [
            "Clé fausse",
            "Clé fausse",
            "Hors de portée",
            "Étiquette illisible",
            "Déjà sur un autre concentrateur\u00a0: ecole-voisine",
        ]
    )
    until(lambda: remedies(page) == wanted, PATIENCE_S, lambda: f"{remedies(page)} {school.rig.logs()}")
    assert page.locator("[data-row] .state.green").count() == 13
    assert page.locator("[data-row] .state.red").count() == 2
    # what is to be done stands first, the worst before the rest; the page moved its rows by itself
    assert page.inner_text("[data-part=open] [data-part-sum]") == "5"
    assert page.inner_text("[data-part=done] [data-part-sum]") == "13"
    assert page.locator("[data-part=done] [data-row] .state.green").count() == 13
    assert page.locator("[data-share] rect.green").count() == 13

    # the report says the same, is signed by this hub, and is what the next reader finds
    page.goto(f"{url}/commissioning/report")
    counter(page, "13/18 remontent")
    assert remedies(page) == wanted
    page.click("text=Terminer la mise en service")
    page.wait_for_selector("text=Commencer une autre")
    file = tmp_path / "report.json"
    assert school.run("commission", "report", "--out", file).returncode == 0
    report = verify(json.loads(file.read_text()))
    assert (report["green"], report["expected"], report["hub"]) == (13, 18, told["hub"])
    shown = json.loads(command("commission", "verify", file, "--json").stdout)
    assert (shown["green"], shown["expected"]) == (13, 18)
    by_device = {one["device"]: one for one in report["devices"]}
    assert by_device[f"lorawan:{euis[0]}"]["signal"]["dbm"] == -70
    assert by_device[f"lorawan:{euis[0]}"]["zone"] == "rooms"
    assert by_device[f"lorawan:{euis[2]}"]["zone"] == "annexe"
    assert by_device[f"lorawan:{euis[SILENT]}"]["remedy"]["en"] == "Out of range"
    for one in sensors:
        assert one.app_key.hex() not in file.read_text()
    context.close()
