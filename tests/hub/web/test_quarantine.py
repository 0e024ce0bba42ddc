"""The page of quarantine and of Mode recette, without any script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub.pipeline.admission.quarantine import REFUSALS

from .web_kit import Pages

STRANGER = {
    "id": "ble:A4:C1:38:00:00:01", "integration": "bluetooth", "reason": "not in the configuration", "known": False,
    "model": "LYWSD03MMC", "values": {"temperature": 21.5}, "rssi": -60, "heard": {"hci0": -60},
    "evidence": {"name": "x"},
    "first": 1_790_000_000.0, "last": 1_790_000_300.0, "count": 12, "held": 5,
}  # fmt: skip


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        yield made


def asked(pages: Pages, name: str) -> dict[str, Any]:
    return [arguments for call, arguments in pages.hub.asked if call == name][-1]


async def test_the_page_shows_who_waits_with_evidence_and_says_what_to_do_when_nobody_does(pages: Pages) -> None:
    browser = await pages.claimed()
    text = unescape((await browser.get("/quarantine"))[1])
    assert "Rien n'attend" in text
    assert "Approchez un capteur" in text
    assert "local fermé, déclaré par Ville le 15/01/2026" in text
    pages.hub.waiting = [STRANGER, {**STRANGER, "id": "lorawan:X", "known": True, "reason": REFUSALS["replay"].meaning}]
    pages.hub.suspects = {"lorawan:Y": "clone-fork"}
    _, text, _ = await browser.get("/quarantine")
    for said in ("LYWSD03MMC", "hci0", "inconnu de ce concentrateur", "21,5", "5 relevés chiffrés", "entendu 12 fois",
                 "nom annoncé : x", "compteur revenu en arrière", "deux compteurs progressent"):  # fmt: skip
        assert said in text.replace("\u00a0", " "), said
    _, text, _ = await browser.get("/quarantine?lang=en")
    assert "not known to this hub" in text
    _, text, _ = await browser.get("/quarantine?q=ruuvi")
    assert "LYWSD03MMC" not in text


async def test_adopting_ignoring_blocking_and_taking_back_ask_the_same_calls_as_the_command_line(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    pages.hub.decisions = [
        {"kind": "block", "id": "ble:BAD*", "integration": "*", "model": "*", "at": 1.0, "by": "cli", "why": "loud",
         "heard": 3}
    ]  # fmt: skip
    place = {"device": STRANGER["id"], "place": "salle-1", "zone": "rooms"}
    status, _, headers = await browser.post("/quarantine", "/quarantine", act="adopt", **place)
    assert (status, headers["Location"]) == (303, "/quarantine?said=quarantine-adopt")
    assert asked(pages, "quarantine.adopt") == {**place, "by": "web:camille", "dry_run": False}
    for act in ("ignore", "block", "unblock"):
        status, _, _ = await browser.post("/quarantine", "/quarantine", act=act, id="ble:BAD*")
        assert status == 303
        assert asked(pages, f"quarantine.{act}")["id"] == "ble:BAD*"
    assert (await browser.post("/quarantine", "/quarantine", act="clear", id="x:1"))[0] == 303
    assert asked(pages, "quarantine.clear")["device"] == "x:1"
    assert (await browser.post("/quarantine", "/quarantine", act="explode"))[0] == 400


async def test_what_the_hub_refuses_is_said_on_the_page_and_what_was_typed_stays(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.waiting = [STRANGER]
    place = {"device": STRANGER["id"], "place": "my-own-place", "zone": "nowhere"}
    status, text, _ = await browser.post("/quarantine", "/quarantine", act="adopt", **place)
    assert status == 422
    assert 'role="alert"' in text
    assert "my-own-place" in text


async def test_mode_recette_is_opened_previewed_and_ended_by_forms(pages: Pages) -> None:
    browser = await pages.claimed()
    _, text, _ = await browser.get("/quarantine")
    assert "Ouvrir le Mode recette" in text
    assert 'value="adopt"' not in text, "no batch while it is not open"
    assert (await browser.post("/recette", "/quarantine", act="start", hours="2", why="réception"))[0] == 303
    assert asked(pages, "recette.start")["seconds"] == 7200
    _, text, _ = await browser.get("/quarantine")
    assert "Mode recette ouvert, encore 1\u202fh" in text
    status, text, _ = await browser.post("/recette", "/quarantine", act="preview", id="ble:*", place="salle-{n:2}")
    assert (status, asked(pages, "recette.adopt")["dry_run"]) == (200, True)
    assert "salle-01" in text
    await browser.post("/recette", "/quarantine", act="adopt", id="ble:*", place="salle-{n:2}", start="7")
    assert (asked(pages, "recette.adopt")["dry_run"], asked(pages, "recette.adopt")["start"]) == (False, 7)
    assert (await browser.post("/recette", "/quarantine", act="adopt", start="x"))[0] == 422
    assert (await browser.post("/recette", "/quarantine", act="end"))[0] == 303


async def test_a_reader_sees_the_list_and_may_decide_nothing(pages: Pages) -> None:
    await pages.claimed()
    pages.hub.waiting = [STRANGER]
    browser = await pages.person("lecteur")
    status, text, _ = await browser.get("/quarantine")
    assert status == 200
    assert '<button class="danger"' not in text
    assert (await browser.post("/quarantine", "/account", act="block", id="ble:X"))[0] == 403


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
