"""What the audit log says is a sentence in the reader's language, and nothing that the chain holds is left out."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

import hub.web
from hub.i18n.typography import ascii_spaces, typeset
from hub.web.presentation.audit_text import audit_sentence, deed_of
from hub.web.words import template
from hub.web.words.deeds import PHRASES

from .web_kit import Pages

SOURCES = Path(hub.web.__file__).parents[1]


@pytest.mark.parametrize(
    ("what", "french", "english"),
    [
        ({"web": "signed in", "from": "192.0.2.7"}, "Connexion depuis 192.0.2.7", "Signed in from 192.0.2.7"),
        ({"device": "replace", "old": "a:1", "new": "a:2"}, "Appareil a:1 remplacé par a:2",
         "Device a:1 was replaced by a:2"),
        ({"inventory": 4, "devices": 9}, "Inventaire n° 4 chargé, appareils : 9",
         "Inventory 4 was loaded, devices: 9"),
        ({"command": "c1", "device": "a:1", "metric": "setpoint", "why": "froid", "old": None, "new": 20.5},
         "Commande c1 : setpoint de a:1, de – à 20,5", "Command c1: setpoint of a:1, from – to 20.5"),
        ({"command": "c1", "state": "done", "detail": ""}, "Commande c1 : faite", "Command c1: done"),
        ({"perimeter": "bus", "declared": {"integration": "bus", "type": "bus", "kind": "locked room",
                                           "declared_by": "Anne", "declared_on": "2026-01-31"}},
         "Périmètre de l'intégration bus déclaré par Anne le 31/01/2026 : local fermé",
         "The perimeter of integration bus was declared by Anne on 2026-01-31: locked room"),
        ({"perimeter": "bus", "declared": False}, "Périmètre de l'intégration bus retiré",
         "The perimeter of integration bus was removed"),
        ({"crisis": "isolated", "why": "x"}, "Mode crise : le concentrateur est isolé",
         "Crisis mode: the hub is isolated"),
    ],
)  # fmt: skip
def test_an_entry_is_a_sentence(what: dict[str, object], french: str, english: str) -> None:
    assert (audit_sentence(what, "fr").text, audit_sentence(what, "en").text) == (typeset(french), english)
    assert not audit_sentence(what, "fr").rest


def test_what_has_a_name_is_called_by_it_and_keeps_its_id() -> None:
    names = {("device", "a:1"): "Chaudière", ("metric", "setpoint"): "Consigne", ("place", "hall"): "Hall d'entrée",
             ("step", "zones"): "Zones", ("reason", "no-bounds"): "Sans bornes"}  # fmt: skip

    def said(what: dict[str, object]) -> str:
        return ascii_spaces(audit_sentence(what, "fr", lambda kind, one, device: names.get((kind, one), "")).text)

    assert said({"device": "replace", "old": "a:1", "new": "a:2"}) == "Appareil Chaudière (a:1) remplacé par a:2"
    assert said({"command": "c1", "device": "a:1", "metric": "setpoint", "old": 1, "new": 2}) == (
        "Commande c1 : Consigne de Chaudière (a:1), de 1 à 2"
    )
    names["refusal", "claim-wrong"] = "Ce code n'est pas le bon."
    told = {"web": "refused", "why": "claim-wrong", "path": "/claim"}
    assert (
        audit_sentence(told, "fr", lambda kind, one, device: names.get((kind, one), "")).why
        == "Ce code n'est pas le bon."
    )
    assert said({"roster": "pin", "place": "hall"}) == "Emplacement Hall d'entrée (hall) posé sur le plan"
    assert said({"roster": "step", "step": "zones"}) == "Mise en service : étape Zones faite"
    refused = {"command": "refused", "device": "a:1", "metric": "setpoint", "reason": "no-bounds"}
    assert audit_sentence(refused, "fr", lambda kind, one, device: names.get((kind, one), "")).rest == [
        ("refus", "Sans bornes")
    ]


def test_a_reason_and_what_no_sentence_says_stand_beside_it() -> None:
    said = audit_sentence({"web": "signed in", "from": "x", "break_glass": True, "why": "nuit"}, "fr")
    assert (said.text, said.why, said.rest) == ("Connexion depuis x", "nuit", [("break_glass", "oui")])


@pytest.mark.parametrize("what", [{"of": "another", "version": 3}, {"web": "signed in"}, {}, {"web": "new", "n": 1}])
def test_an_entry_that_nobody_knows_is_shown_whole(what: dict[str, object]) -> None:
    said = audit_sentence(what, "fr")
    assert said.text == ""
    assert dict(said.rest) == {name: str(value) for name, value in what.items()}


def test_both_languages_say_the_same_values() -> None:
    for key in PHRASES:
        french, english = (
            {name for _, name, _, _ in Formatter().parse(template(key, lang)) if name} for lang in ("fr", "en")
        )
        assert french == english, key


def test_every_kind_of_entry_that_the_hub_writes_has_its_sentence() -> None:
    """As far as the source says it in one line."""
    written = set()
    for file in SOURCES.rglob("*.py"):
        for line in file.read_text().splitlines():
            if "audit(" in line or ".note(" in line or "_write({" in line or "what = {" in line or "_save(" in line:
                written |= set(re.findall(r"\{\"([a-z_]+)\": \"([a-z -]+)\"", line))
    assert len(written) > 25
    unsaid = {pair for pair in written if not deed_of(*pair)}
    assert not unsaid


@pytest.mark.real("network")
async def test_the_page_writes_sentences_and_checks_the_chain_by_the_hub_s_own_calls(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        browser = await pages.person("auditeur")
        await pages.store.audit(
            1_790_000_000.0, "cli:anne", {"place": "add", "id": "hall", "zone": "rooms", "why": "<b>"}
        )
        _, text, *_ = await browser.get("/audit?verify=1&lang=fr")
        assert "Emplacement hall ajouté dans la zone" in text
        assert "Motif\u00a0: &lt;b&gt;" in text
        assert "Chaîne intacte" in text
        assert "{'" not in text
        _, text, *_ = await browser.get("/audit?before=2&lang=en")
        assert "Place hall" not in text
