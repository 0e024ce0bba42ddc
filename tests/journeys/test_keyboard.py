"""A hub is commissioned by the keyboard alone, from its label to the report, on a phone and at a desk: no pointer, and
the focus is seen at each step, follows the reading, answers each form and is lost by none.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from hub.cli.label import claim_link

from ..integrations.lorawan.lorawan_peer import LoraPacket, PeerDevice
from ..ports import free_port
from .keyboard import Keyboard
from .patience import PATIENCE_MS
from .test_commissioning import Gateway, counter, eui_of, label, qr
from .test_onboarding import GATEWAY, School
from .test_pages import CHROMIUM, DESK, NAME, PASSWORD, PHONE

pytestmark = [pytest.mark.real("clock, network, processes"), pytest.mark.long("starts a browser", of="tests/journeys")]

JOIN_EUI = bytes.fromhex("1122334455667788")
READING = b"\x01\x67\x00\xd7"
NEXT = "C'est fait, étape suivante"


@pytest.fixture
def school(tmp_path: Path) -> Iterator[School]:
    made = School(tmp_path)
    port = free_port()
    made.configure(
        GATEWAY, more=f"places: {{hall: {{zone: rooms, name: Hall}}}}\nweb: {{address: 127.0.0.1, port: {port}}}\n"
    )
    yield made
    made.rig.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield made
        made.close()


@pytest.mark.parametrize(
    "size",
    [pytest.param(PHONE, id="phone"), pytest.param(DESK, id="desk", marks=pytest.mark.long("the same on a phone"))],
)
def test_a_hub_is_commissioned_by_the_keyboard_alone(
    school: School, browser: Browser, tmp_path: Path, size: dict[str, int], request: pytest.FixtureRequest
) -> None:
    rng, peer = random.Random(3), LoraPacket()
    request.addfinalizer(peer.close)
    sensors = [PeerDevice(peer, bytes.fromhex(eui_of(n)), rng.randbytes(16), JOIN_EUI) for n in range(3)]
    euis = [one.dev_eui.hex() for one in sensors]
    table, plan = tmp_path / "keys.csv", tmp_path / "plan.png"
    rows = [f"{one.dev_eui.hex()};{JOIN_EUI.hex()};{one.app_key.hex()};cayenne-lpp" for one in sensors]
    table.write_text("\n".join(["dev_eui;join_eui;app_key;pack", *rows, ""]))
    picture = io.BytesIO()
    Image.new("RGB", (640, 400), "white").save(picture, "PNG")
    plan.write_bytes(picture.getvalue())
    school.start()
    gateway = Gateway(school)
    request.addfinalizer(gateway.close)
    told = label(school)
    context = browser.new_context(ignore_https_errors=True, viewport=size, locale="fr-FR")  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    Keyboard.context(context)
    page = context.new_page()
    keys = Keyboard(page)

    # the claim: the label's link fills the code; a password that is none is said, and everything is there again
    page.goto(claim_link(told))
    page.wait_for_function("() => document.activeElement.id === 'name'")
    page.keyboard.type(NAME)
    keys.fill("^Mot de passe$", PASSWORD)
    keys.fill(r"\(encore", PASSWORD + "?")
    answer = keys.go("")
    assert answer["text"].startswith("Refusé")
    keys.fill("^Code", told["code"])
    keys.fill("^Mot de passe$", PASSWORD)
    keys.fill(r"\(encore", PASSWORD)
    keys.go("")
    page.wait_for_selector(".strip")
    keys.walk()

    # by the menu to the wizard
    if size is PHONE:
        keys.to("Menu", "summary", back=True)
        keys.press("Enter")
        keys.to("Mise en service", "a")
    else:
        keys.to("Mise en service", "a", back=True)
    with page.expect_navigation():
        keys.press("Enter")
    keys.walk()
    keys.follow("^Continuer")

    # the site: where it is
    keys.fill("^Latitude", "cent")
    keys.fill("^Longitude", "2,35222")
    assert "Latitude de -90 à 90" in keys.go("Enregistrer la position")["text"]
    keys.fill("^Latitude", "48,85661")
    keys.fill("^Longitude", "2,35222")
    assert keys.go("Enregistrer la position")["text"] == "Enregistré."
    keys.walk()
    assert keys.go(NEXT)["text"] == "Zones"

    # its zones
    keys.fill("^Identifiant", "Pas Valable !")
    assert "Identifiant refusé" in keys.go("Ajouter une zone")["text"]
    keys.fill("^Identifiant", "annexe")
    keys.fill("^Nom affiché", "Annexe")
    assert keys.go("Ajouter une zone")["text"] == "Enregistré."
    page.wait_for_selector("main li:has-text('Annexe')")
    assert keys.go(NEXT)["text"] == "Plan"

    # its plan, and a place on it
    keys.file("^Image du plan", plan)
    keys.fill("^Nom", "Rez-de-chaussée")
    keys.go("Ajouter le plan")
    expect(page.locator("[data-plan]")).to_have_js_property("naturalWidth", 640)
    keys.choose("^Emplacement", "Hall (hall)")
    keys.fill("^Depuis la gauche", "25,5")
    keys.fill("^Depuis le haut", "40")
    keys.go("^Placer$")
    expect(page.locator("[data-pin]")).to_contain_text("Hall")
    keys.walk()
    assert keys.go(NEXT)["text"] == "Intégrations détectées"
    keys.walk()
    assert keys.go(NEXT)["text"] == "Inventaire des clés"

    # keys, from a table
    keys.file("^Fichier", table)
    assert "Clés gardées\u00a0: 3" in keys.go("Charger")["text"]
    assert keys.go(NEXT)["text"] == "Capteurs"

    # two sensors by what stands on their labels
    keys.choose("^Zone", "Annexe")
    keys.to("^Sans l", "summary")
    keys.press("Enter")
    keys.fill("^Étiquette|^Code|^Texte", "LW:D0:nothing")
    assert keys.go("^Ajouter$")["text"].startswith("Refusé")
    for one in euis[:2]:
        keys.choose("^Zone", "Annexe")
        keys.fill("^Étiquette|^Code|^Texte", qr(one))
        assert f"lorawan:{one}" in keys.go("^Ajouter$")["text"]
    counter(page, "0/2 remontent")
    keys.walk()

    # the rows turn green by themselves, and the focus stays where it is
    keys.top()
    keys.to("^Remplacer, retirer", "summary")
    held = page.evaluate_handle("document.activeElement")
    for one in sensors[:2]:
        gateway.join(one, 1)
    school.hear([one.uplink(READING) for one in sensors[:2]])
    counter(page, "2/2 remontent")
    assert page.evaluate("held => held === document.activeElement", held)
    expect(page.locator("[data-part=done] .signal").first).to_contain_text("-70")
    page.reload()
    found = keys.settled()
    assert found["name"].startswith("Remplacer, retirer")
    verdicts = page.locator("[data-part=done] .signal").all_inner_texts()
    assert all(re.search(r"(bon|marge suffisante)", one) for one in verdicts), verdicts

    # one is broken: another in its place
    keys.press("Enter")
    keys.fill("^Étiquette du nouveau", qr(euis[2]))
    assert "Remplacé" in keys.go("^Remplacer ")["text"]
    counter(page, "1/2 remontent")
    gateway.join(sensors[2], 1)
    school.hear([sensors[2].uplink(READING)])
    counter(page, "2/2 remontent")
    keys.top()
    assert keys.go(NEXT)["text"] == "Rapport de mise en service"

    # the report, taken along, and the end
    keys.walk()
    keys.to("^Rapport signé", "a")
    with page.expect_download() as download:
        keys.press("Enter")
    assert download.value.suggested_filename == "commissioning.json"
    # What it holds is asked for once more: the browser was seen to give up a file that it had begun to write.
    assert euis[2] in context.request.get(download.value.url).text()
    keys.go("Terminer la mise en service")
    page.wait_for_selector("text=Commencer une autre")
    keys.no_pointer()
    context.close()
