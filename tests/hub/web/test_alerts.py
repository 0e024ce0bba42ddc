"""The pages of alerts, without any script: listed, explained, answered; what only a technicien may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from hub.automation.alert_engine import alert_json
from hub.automation.alerts import ACKNOWLEDGED, CLEARED, MUTED
from hub.automation.alerts.lifecycle import STORY_LIMIT, Alert, Step, transition
from hub.web.words import WORDS

from .web_kit import Pages

LOOP: dict[str, Any] = {
    **alert_json(
        Alert(
            id="3f2a9c0d11e24b77", rule="loop", key="boiler", severity="critical", raised=1_790_000_000.0,
            changed=1_790_000_300.0, n=2, state="acknowledged", by="web:camille", why="j'y vais", device="modbus:b",
            place="boiler", zone="rooms", value="51.2 °C", text="Boiler: too cold", text_fr="Chaufferie : trop froid",
        )
    ),
    "evidence": {"metric": "return_temperature", "value": "51.2 °C", "limit": "55 °C", "for": "30min", "trust": "B"},
    "story": [
        {"n": 1, "state": "raised", "at": 1_790_000_000.0, "by": "rule:loop", "why": "", "until": None},
        {"n": 2, "state": "acknowledged", "at": 1_790_000_300.0, "by": "web:camille", "why": "j'y vais", "until": None},
    ],
}  # fmt: skip
PRESENCE = {
    **LOOP, "id": "p", "rule": "presence", "value": "", "severity": "info", "state": "cleared",
    "evidence": {"metric": "presence", "trust": "A"}, "text_fr": "<b>Salle 1</b>",
}  # fmt: skip


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:
        yield made


def plain(text: str) -> str:
    return unescape(text).replace("\u00a0", " ").replace("\u202f", " ")


async def test_without_alerts_the_page_says_so_and_what_watches(pages: Pages) -> None:
    browser = await pages.claimed()
    assert "Aucune alerte ouverte." in plain((await browser.get("/alerts"))[1])
    assert "No alert is open." in (await browser.get("/alerts?lang=en"))[1]
    assert "Aucune alerte ne correspond." in plain((await browser.get("/alerts?severity=critical&lang=fr"))[1])


async def test_open_alerts_are_listed_and_stand_in_what_is_to_be_done_and_the_menu_counts_them(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.alerts = [LOOP, PRESENCE]
    text = plain((await browser.get("/alerts"))[1])
    assert "Chaufferie : trop froid" in text
    assert "prise en charge" in text
    assert "<b>Salle 1</b>" not in text  # closed; see below
    assert 'href="/alerts/3f2a9c0d11e24b77"' in (await browser.get("/todo"))[1]
    assert "&lt;b&gt;Salle 1" in (await browser.get("/alerts?all=1"))[1]
    assert ("alert.list", {"all": True, "limit": 1000}) in pages.hub.asked
    await browser.get("/alerts?severity=critical&zone=rooms&q=boiler")
    asked = [arguments for name, arguments in pages.hub.asked if name == "alert.list"][-1]
    assert asked == {"all": False, "limit": 1000, "severity": "critical", "zone": "rooms", "q": "boiler"}


async def test_one_alert_is_shown_with_why_it_was_raised_and_what_became_of_it(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.alerts = [LOOP, PRESENCE]
    text = plain((await browser.get("/alerts/3f2a9c0d11e24b77"))[1])
    for said in (
        "Chaufferie : trop froid",
        "Température de retour",
        "51,2 °C",
        "55 °C",
        "30 min",
        "règle loop",
        "j'y vais",
        "Mettre en sourdine",
    ):
        assert said in text, said
    assert ">Prendre en charge<" not in text  # it is already
    incident = {**LOOP, "id": "i", "device": "", "evidence": {"unknown-id": "50", "unknown-id bluetooth": "waiting 7"}}
    pages.hub.alerts.append(incident)
    status, text, _ = await browser.get("/alerts/i")
    assert (status, "Appareils inconnus bluetooth" in plain(text), "waiting 7" in text) == (200, True, True)
    text = plain((await browser.get("/alerts/p"))[1])
    assert "ne doit pas quitter la mémoire" in text
    assert "Mettre en sourdine" not in text  # it is over
    assert (await browser.get("/alerts/nothing"))[0] == 404


async def test_people_answer_by_form_and_by_api_under_their_name(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.alerts = [LOOP]
    here = f"/alerts/{LOOP['id']}"
    for act, said in (("ack", {}), ("mute", {"for": "8h"}), ("clear", {})):
        status, _, headers = await browser.post(here, here, act=act, why="vu", **said)
        assert (status, headers["Location"]) == (303, f"{here}?said=alert-{act}-done")
        name, arguments = [one for one in pages.hub.asked if one[0] == f"alert.{act}"][-1]
        more = {"seconds": 28_800.0} if act == "mute" else {}
        assert arguments == {"id": LOOP["id"], "by": "web:camille", "why": "vu", **more}, name
    status, text, _ = await browser.post(here, here, act="mute", **{"for": "1e12"})
    assert status == 422
    assert "31 days" in text
    assert (await browser.post(here, here, act="explode"))[0] == 400


def test_every_state_and_severity_and_piece_of_evidence_has_its_word() -> None:
    from hub.automation.alerts.lifecycle import SEVERITIES, STATES

    assert all(f"alert-{state}" in WORDS for state in STATES)
    assert all(f"severity-{one}" in WORDS for one in SEVERITIES)
    assert all(f"alert-ev-{one}" in WORDS for one in ("metric", "value", "limit", "of", "for", "trust"))


def test_a_story_keeps_its_beginning_and_its_last_changes() -> None:
    one = Alert(
        id="a",
        rule="r",
        key="k",
        severity="info",
        raised=1.0,
        changed=1.0,
        by="rule:r",
        story=(Step(1, "raised", 1.0, "rule:r"),),
    )
    for turn in range(100):
        after = transition(one, MUTED, 2.0 + turn, "cli:a", until=1000.0 + turn)
        assert after is not None
        one = after
    for state in (ACKNOWLEDGED, CLEARED):
        after = transition(one, state, 500.0, "cli:b")
        assert after is not None
        one = after
    assert len(one.story) == STORY_LIMIT
    assert one.story[0].state == "raised"
    assert [step.state for step in one.story[-2:]] == [ACKNOWLEDGED, CLEARED]
    assert one.story[-1].n == one.n == 103
