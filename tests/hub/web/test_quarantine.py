"""The page of strangers and of Mode recette, without any script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub.pipeline.admission.quarantine import REFUSALS

from .web_kit import Pages

pytestmark = pytest.mark.real("network")

STRANGER = {
    "id": "ble:A4:C1:38:00:00:01", "integration": "bluetooth", "reason": "not in the configuration", "known": False,
    "model": "LYWSD03MMC", "values": {"temperature": 21.5}, "rssi": -60, "heard": {"hci0": -60},
    "evidence": {"name": "x"},
    "first": 1_790_000_000.0, "last": 1_790_000_300.0, "count": 12, "held": 5,
}  # fmt: skip

ONE = "/strangers/ble%3AA4%3AC1%3A38%3A00%3A00%3A01"


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        yield made


def asked(pages: Pages, name: str) -> dict[str, Any]:
    return [arguments for call, arguments in pages.hub.asked if call == name][-1]


async def test_the_page_shows_who_waits_with_evidence_and_says_what_to_do_when_nobody_does(pages: Pages) -> None:
    browser = await pages.claimed()
    text = unescape((await browser.get("/strangers"))[1])
    assert "Rien n'attend" in text
    assert "Approchez un capteur" in text
    assert "local fermé, déclaré par Ville le 15/01/2026" in text
    pages.hub.waiting = [STRANGER, {**STRANGER, "id": "lorawan:X", "known": True, "reason": REFUSALS["replay"].meaning}]
    pages.hub.suspects = {"lorawan:Y": "clone-fork"}
    _, text, _ = await browser.get("/strangers")
    for said in ("LYWSD03MMC", "inconnu de ce concentrateur", "21,5", "5 relevés chiffrés", "entendu 12 fois",
                 "compteur revenu en arrière", "deux compteurs progressent"):  # fmt: skip
        assert said in text.replace("\u00a0", " "), said
    _, text, _ = await browser.get(ONE)
    for said in ("LYWSD03MMC", "hci0", "nom annoncé : x", "5 relevés chiffrés", "21,5"):
        assert said in text.replace("\u00a0", " "), said
    _, text, _ = await browser.get("/strangers?lang=en")
    assert "not known to this hub" in text
    _, text, _ = await browser.get("/strangers?q=ruuvi")
    assert "LYWSD03MMC" not in text


async def test_adopting_ignoring_blocking_and_taking_back_ask_the_same_calls_as_the_command_line(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    pages.hub.decisions = [
        {"kind": "block", "id": "ble:BAD*", "integration": "*", "model": "*", "at": 1.0, "by": "cli", "why": "loud",
         "heard": 3}
    ]  # fmt: skip
    place = {"device": STRANGER["id"], "place": "salle-1", "zone": "rooms"}
    status, _, headers = await browser.post("/strangers", "/strangers", act="adopt", **place)
    assert (status, headers["Location"]) == (303, "/strangers?said=quarantine-adopt")
    assert asked(pages, "quarantine.adopt") == {**place, "by": "web:camille", "dry_run": False}
    for act in ("ignore", "block", "unblock"):
        status, _, _ = await browser.post("/strangers", "/strangers", act=act, id="ble:BAD*")
        assert status == 303
        assert asked(pages, f"quarantine.{act}")["id"] == "ble:BAD*"
    assert (await browser.post("/strangers", "/strangers", act="clear", id="x:1"))[0] == 303
    assert asked(pages, "quarantine.clear")["device"] == "x:1"
    assert (await browser.post("/strangers", "/strangers", act="explode"))[0] == 400


async def test_what_the_hub_refuses_is_said_on_the_page_and_what_was_typed_stays(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    place = {"device": STRANGER["id"], "new_place": "My own place", "zone": "nowhere"}
    status, text, _ = await browser.post("/strangers", "/strangers", act="adopt", **place)
    assert status == 422
    assert 'role="alert"' in text
    assert "My own place" in text


async def test_mode_recette_is_opened_previewed_and_ended_by_forms(pages: Pages) -> None:
    browser = await pages.claimed()
    _, text, _ = await browser.get("/strangers")
    assert "Ouvrir le Mode recette" in text
    assert 'value="adopt"' not in text, "no batch while it is not open"
    assert (await browser.post("/recette", "/strangers", act="start", hours="2", why="réception"))[0] == 303
    assert asked(pages, "recette.start")["seconds"] == 7200
    _, text, _ = await browser.get("/strangers")
    assert "Mode recette ouvert, encore 1\u202fh" in text
    status, text, _ = await browser.post("/recette", "/strangers", act="preview", id="ble:*", place="salle-{n:2}")
    assert (status, asked(pages, "recette.adopt")["dry_run"]) == (200, True)
    assert "salle-01" in text
    await browser.post("/recette", "/strangers", act="adopt", id="ble:*", place="salle-{n:2}", start="7")
    assert (asked(pages, "recette.adopt")["dry_run"], asked(pages, "recette.adopt")["start"]) == (False, 7)
    assert (await browser.post("/recette", "/strangers", act="adopt", start="x"))[0] == 422
    assert (await browser.post("/recette", "/strangers", act="end"))[0] == 303


async def test_a_reader_sees_the_list_and_may_decide_nothing(pages: Pages) -> None:
    await pages.claimed()
    pages.hub.waiting = [STRANGER]
    browser = await pages.person("lecteur")
    status, text, _ = await browser.get("/strangers")
    assert status == 200
    assert '<button class="danger"' not in text
    assert (await browser.post("/strangers", "/account", act="block", id="ble:X"))[0] == 403


async def test_the_api_answers_as_the_calls_do(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    _, text, _ = await browser.get("/api/1/quarantine")
    assert STRANGER["id"] in text
    assert '"recette"' in text
    status, answer = await browser.api("POST", "/quarantine/adopt", {"device": STRANGER["id"], "place": "p"})
    assert (status, answer["released"]) == (200, 3)
    status, _ = await browser.api("POST", "/recette/start", {"seconds": 600})
    assert (status, asked(pages, "recette.start")["seconds"]) == (200, 600)


async def test_strangers_are_filtered_by_text_path_and_reason_and_told_in_pages(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [
        {**STRANGER, "id": f"ble:{n:03}", "model": f"Modele-{n:03}", "last": STRANGER["last"] + n,
         "integration": "bluetooth" if n % 2 else "radio-2", "reason": "found" if n < 4 else "needs a key"}
        for n in range(30)
    ]  # fmt: skip

    async def seen(query: str) -> list[int]:
        text = (await browser.get(f"/strangers{query}"))[1]
        return [int(one) for one in re.findall(r'<h3><a href="/strangers/[^"]*">Modele-(\d+)<', text)]

    assert await seen("") == list(range(29, 17, -1))
    assert await seen("?page=3") == [5, 4, 3, 2, 1, 0]
    assert await seen("?integration=radio-2&reason=found") == [2, 0]
    assert await seen("?q=MODELE-01&page=1") == list(range(19, 9, -1))
    text = (await browser.get("/strangers?integration=radio-2"))[1]
    assert "integration=radio-2&amp;page=2" in text, "the next page keeps the filter"


async def test_the_old_address_of_the_list_leads_to_it_with_its_search(pages: Pages) -> None:
    browser = await pages.claimed()
    for old, new in (("/quarantine", "/strangers"), ("/quarantine?q=ruuvi", "/strangers?q=ruuvi")):
        status, _, headers = await browser.get(old)
        assert (status, headers["Location"]) == (303, new)


async def test_the_other_pages_say_how_many_strangers_there_are_and_lead_to_the_one_list(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    for path in ("/", "/todo", "/add"):
        text = (await browser.get(path))[1].partition("<main")[2]
        assert 'href="/strangers' in text, path
        assert STRANGER["id"] not in text, "the list itself is on one page"


async def test_a_stranger_is_adopted_at_a_known_place_a_new_one_and_in_a_new_zone(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    send = {"act": "adopt", "device": STRANGER["id"]}
    await browser.post("/strangers", ONE, **send, place="salle-0", new_place="", zone="", new_zone="")
    assert asked(pages, "quarantine.adopt")["place"] == "salle-0"
    await browser.post("/strangers", ONE, **send, place="", new_place="Salle d'eau", zone="rooms", new_zone="")
    adopted = asked(pages, "quarantine.adopt")
    assert (adopted["place"], adopted["zone"]) == ("Salle d'eau", "rooms")
    await browser.post("/strangers", ONE, **send, place="", new_place="Grenier", zone="", new_zone="Combles Est")
    made, adopted = asked(pages, "zone.add"), asked(pages, "quarantine.adopt")
    assert (made["id"], made["name"], adopted["zone"]) == ("combles-est", "Combles Est", "combles-est")
    status, text, _ = await browser.post("/strangers", ONE, **send, place="", new_place="Cave", zone="", new_zone="")
    assert (status, "demande une zone" in text, 'value="Cave"' in text) == (422, True, True)
