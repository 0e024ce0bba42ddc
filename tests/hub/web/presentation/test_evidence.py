"""What is known of a device that waits, and what a plugin says when it cannot go on, are told in French."""

from __future__ import annotations

import ast
from pathlib import Path

import hub
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.page_kit.messages import message
from hub.web.presentation.evidence import EvidenceRow, evidence_rows
from integrations.mbus.header import MEDIA

ROOT = Path(hub.__file__).parent.parent


def given() -> set[str]:
    """The names of all evidence that integrations give with a candidate, as far as they stand there as they are."""
    found = set()
    for path in (ROOT / "integrations").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            values = [one.value for one in getattr(node, "keywords", ()) if one.arg == "evidence"]
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "evidence":
                values.append(node.value)
            for value in values:
                found |= {key.value for key in getattr(value, "keys", ()) if isinstance(key, ast.Constant)}
    return found


def test_every_piece_of_evidence_has_its_name_in_french() -> None:
    names = given()
    assert {"remedy", "address", "eep", "metrics", "sha256"} <= names
    assert [one.name for one in evidence_rows(dict.fromkeys(sorted(names), "x"), "fr") if one.lang] == []


def test_what_integrations_say_in_a_sentence_is_said_in_french_and_what_a_device_says_stays() -> None:
    said = evidence_rows(
        {"by": "Basics Station from 10.0.0.7", "name": "water", "groups": "1/2/3 (2 bytes), 1/2/4 (up to 6 bits)"}, "fr"
    )
    assert said == [
        EvidenceRow("entendu par", "Basics Station depuis 10.0.0.7"),
        EvidenceRow("nom annoncé", "water"),
        EvidenceRow("adresses de groupe", "1/2/3 (2 octets), 1/2/4 (6 bits au plus)"),
    ]
    assert evidence_rows({"colour": "red"}, "fr") == [EvidenceRow("colour", "red", "en")]
    assert evidence_rows({"medium": "water"}, "en") == [EvidenceRow("medium", "water")]


def test_every_medium_of_a_meter_is_said_in_french() -> None:
    same = {medium for medium in MEDIA.values() if evidence_rows({"medium": medium}, "fr")[0].said == medium}
    assert same == set()


def test_a_device_whose_integration_is_away_says_so_in_one_french_line() -> None:
    reason = reason_of(OSError(113, "No route to host"))
    away = phrase("integration-away", "{name}: {reason}", name="gtb", reason=reason)
    assert translate(away, "fr") == "gtb\u00a0: aucune route jusqu'à cette machine"
    away = phrase("integration-away", "{name}: {reason}", name="gtb", reason="the boiler is on fire")
    assert message(away, "fr") == ("gtb", "the boiler is on fire")


def test_the_reason_at_the_end_of_a_complaint_is_french_too() -> None:
    reason = reason_of(OSError(113, "No route to host"))
    said = message(phrase("part-failed", "{name} failed: {reason}", name="bacs", reason=reason), "fr")
    assert (said.text, said.quoted) == ("bacs a échoué\u00a0: aucune route jusqu'à cette machine", "")
