"""The register and the draft of the impact assessment say what the configuration does, and nothing that a person wrote
can pretend to be another part of the document."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from hub.config.model import Core
from hub.config.parts.energy import History
from hub.core.counters import Counts
from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.identity.enrolment import Enrolment
from hub.privacy.rules_engine import Privacy, compile_privacy
from hub.privacy.rules_engine.register import dpia_markdown, processings, register_csv, register_markdown
from hub.privacy.window_publisher import WindowPublisher
from hub.rpc.privacy import PrivacyCalls
from hub.sdk.testing import ManualClock
from tests.hub.path_kit import ListedBuffer


def core(**rules):
    return Core.model_validate(
        {
            "sites": {"s": {"name": "Résidence"}},
            "zones": {
                "hall": {"site": "s", "name": "Hall", "personal": {"co2": "ventilation", "position": "tournées"}},
                "flat": {
                    "site": "s",
                    "name": "Appartement 12",
                    "use": "logement",
                    "personal": {"temperature": "confort"},
                },
            },
            "privacy": {"rules": rules},
        }
    )


RULES = {
    "pilote": {"zones": ["flat"], "metrics": ["power"], "purpose": "conseil", "consent": "courbe"},
    "visites": {"zones": ["hall"], "metrics": ["count"], "purpose": "horaires", "count": {"window": "15min"}},
    "air": {"metrics": ["tvoc"], "purpose": "air", "aggregate": {"least": 7}},
    "bruit": {"metrics": ["sound"], "drop": True},
    "soft": {"metrics": ["humidity"], "purpose": "bâti", "coarsen": {"step": 5, "time": "15min"}},
    "tags": {"metrics": ["button"], "purpose": "usage", "pseudonymise": {"rotate": "1h"}},
}


def test_each_purpose_is_a_processing_with_what_leaves_in_plain_words():
    found = {one.name: one for one in processings(core(**RULES), METRICS)}
    assert set(found) == {
        "hall/co2", "hall/position", "flat/temperature", "pilote", "visites", "air", "soft", "tags",
    }  # fmt: skip
    assert found["hall/co2"].does == "conservé tel quel"
    assert "grille de 200 m" in found["hall/position"].does
    assert found["flat/temperature"].does == "conservé sous un pseudonyme à clé destructible"
    assert found["pilote"].consent == "courbe"
    assert "tant que les occupants y consentent" in found["pilote"].does
    assert "par période de 15\u00a0min" in found["visites"].does
    assert "de 0 à 4 indistinct" in found["visites"].does
    assert "d'au moins 7 appareils" in found["air"].does
    assert found["soft"].does == "conservé, arrondi à 5, daté par tranche de 15\u00a0min"
    assert "change chaque heure" in found["tags"].does
    english = {one.name: one.does for one in processings(core(**RULES), METRICS, "en")}
    assert english["soft"] == "kept, rounded to 5, dated by spans of 15\u00a0min"


def test_the_documents_name_every_purpose_and_leave_blanks_for_what_no_software_knows():
    made = core(**RULES)
    for text in (
        register_markdown(made, METRICS, "25/11/2026", "hub-x", ["b.example.org"]),
        dpia_markdown(made, METRICS, "25/11/2026", "hub-x", ["b.example.org"]),
        register_csv(made, METRICS, ["b.example.org"]),
    ):
        for one in processings(made, METRICS):
            assert one.purpose in text
        assert "b.example.org" in text
        assert "À compléter" in text
    assert "bruit" in register_markdown(made, METRICS, "d", "h", [])
    assert "pas une anonymisation" in dpia_markdown(made, METRICS, "d", "h", [])


def test_the_documents_say_how_long_the_hub_itself_keeps_what_and_who_could_read_it():
    def said(**history):
        made = core(**RULES)
        made = made.model_copy(update={"history": History.model_validate(history)})
        texts = {register_markdown(made, METRICS, "d", "h", []), dpia_markdown(made, METRICS, "d", "h", []),
                 register_csv(made, METRICS, [])}  # fmt: skip
        return [text for text in texts if all(one in text for one in expected)]

    expected = ["24 à 30 heures", "aucun relevé brut personnel sur disque", "valeurs horaires chiffrées 762 jours"]
    assert len(said()) == 3
    assert len(said(raw_on_disk="key-file")) == 3, "personal data are not written there by that alone"
    expected = ["relevés bruts chiffrés sur disque 10 jours au plus", "un vol de la carte les livre"]
    assert len(said(raw_on_disk="key-file", raw_personal=True, raw_days="10d")) == 3
    expected = ["relevés bruts chiffrés sur disque 30 jours au plus", "clé détenue par le TPM"]
    assert len(said(raw_on_disk="tpm", raw_personal=True)) == 3


def test_a_hub_that_keeps_nothing_says_so():
    empty = Core.model_validate({"sites": {"s": {}}, "zones": {"z": {"site": "s"}}})
    assert "Aucune donnée personnelle n'est conservée" in register_markdown(empty, METRICS, "d", "h", [])
    assert "vérifier qu'aucune n'en est un" in dpia_markdown(empty, METRICS, "d", "h", [])


def test_what_a_person_wrote_stays_in_its_line_and_its_cell():
    hostile = {"a": {"zones": ["hall"], "metrics": ["button"], "purpose": "x\n## Faux | titre", "pseudonymise": {}},
               "b": {"zones": ["hall"], "metrics": ["dimmer"], "purpose": "=1+1;2", "pseudonymise": {}}}  # fmt: skip
    made = core(**hostile)
    assert "\n## Faux" not in register_markdown(made, METRICS, "d", "h", [])
    table = [line for line in dpia_markdown(made, METRICS, "d", "h", []).splitlines() if "Faux" in line]
    assert table[0].replace("\\|", "").count("|") == 6
    rows = list(csv.reader(io.StringIO(register_csv(made, METRICS, []).removeprefix("\ufeff")), delimiter=";"))
    assert {len(row) for row in rows} == {8}
    assert rows[-1][2] == "'=1+1;2", "no spreadsheet takes it for a formula"


def declaring(made, clock=None):
    clock = clock or ManualClock()
    privacy = Privacy(rules=compile_privacy(made))
    return PrivacyCalls(
        made,
        privacy,
        WindowPublisher(privacy, ListedBuffer(), clock),
        Counts(),
        clock,
        METRICS,
        enrolled=Enrolment(hub="hub-x", url="https://b.example.org:8443", root=""),
        declared=lambda: {"declared_metric"},
    )


async def test_a_rule_about_a_metric_that_nothing_declares_is_said():
    rules = {"a": {"plugin_metrics": ["sound_levle", "declared_metric"], "drop": True}}
    (said,) = declaring(core(**rules)).complaints()
    assert "privacy rule a names sound_levle" in said


async def test_documents_are_made_on_request_and_no_others():
    call = declaring(core(**RULES)).calls()["privacy.document"]
    for what in ("register", "register.csv", "dpia"):
        assert "b.example.org" in (await call({"what": what}))["text"]
    with pytest.raises(HubError):
        await call({"what": "../keys"})


@pytest.mark.parametrize(
    ("timezone", "day"), [("Europe/Paris", "01/01/2027"), ("America/Martinique", "31/12/2026"),
                          ("Pacific/Noumea", "01/01/2027")],
)  # fmt: skip
@pytest.mark.parametrize("what", ["register", "dpia"])
async def test_a_document_is_dated_by_the_calendar_of_the_hubs_site(what, timezone, day):
    made = Core.model_validate({"hub": {"site": "here"}, "sites": {"here": {"timezone": timezone}}})
    clock = ManualClock(datetime(2026, 12, 31, 23, 30, tzinfo=UTC).timestamp())
    text = (await declaring(made, clock).calls()["privacy.document"]({"what": what}))["text"]
    assert re.findall(r"\d{2}/\d{2}/\d{4}", text) == [day]
