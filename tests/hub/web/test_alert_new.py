"""« Alerter si… » as its page and its operation of the API answer, with what a hub says behind them."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import ConfigError, Problem
from hub.core.text import phrase
from hub.web.areas.alert_new.choices import MOST_PLACES
from tests.hub.web.web_kit import Hub, Pages

pytestmark = pytest.mark.real("network")

NEW = "/alerts/new"
TRIED: dict[str, Any] = {
    "count": 3, "certainty": "exact", "from": 1_790_000_000, "to": 1_790_600_000, "raw_from": 1_790_000_000,
    "seconds": 7260, "unsure_hours": 0, "series": 1, "left_out": 0, "stopped": False, "why": "",
    "episodes": [{"key": "salle-1", "name": "Salle 1", "place": "salle-1", "begin": 1_790_000_000, "end": 1_790_003_600,
                  "value": "18 °C", "limit": "19 °C", "hourly": False}],
}  # fmt: skip
COLD = {"where": "place:salle-1", "metric": "temperature", "when": "below", "value": "19,5 °C"}


class RuleHub(Hub):
    """A hub that takes every rule; `replay`: what it answers of the past."""

    def __init__(self, many: int = 3) -> None:
        super().__init__(many)
        self.replay, self.mode, self.places = dict(TRIED), "local", ["salle-0", "salle-1"]
        self.progress: dict[str, Any] = {"stage": "", "last": {}, "problems": [], "restart": [], "confirm_s": None}
        self.rules: list[str] = []
        for name in ("choices", "compiled", "replay"):
            self.answers[f"rule.{name}"] = getattr(self, f"_{name}")
        self.answers["config.show"] = self._show
        self.answers["config.diff"] = self._diff
        self.answers["config.apply"] = self._apply
        self.answers["config.progress"] = self._progress
        self.answers["config.log"] = self._log
        self.hear(1, 20.0)

    async def _choices(self, arguments: dict[str, Any]) -> Any:
        notifiers = [{"name": "sms", "least": "critical", "zones": [], "when": "raised", "states": [], "quiet": None},
                     {"name": "email", "least": "info", "zones": ["rooms"], "when": "raised", "states": [],
                      "quiet": None}]  # fmt: skip
        return {"rules": self.rules, "schedules": ["nuit"], "places": self.places, "templates": [],
                "notifiers": notifiers}  # fmt: skip

    async def _compiled(self, arguments: dict[str, Any]) -> Any:
        return {"metric": "temperature", "unit": "Cel", "limit": 19.5, "clears": 19.5, "up": False, "timed": False,
                "plain": True}  # fmt: skip

    async def _replay(self, arguments: dict[str, Any]) -> Any:
        return self.replay

    async def _show(self, arguments: dict[str, Any]) -> Any:
        return {"mode": self.mode, "managed_by": "la ville"}

    async def _diff(self, arguments: dict[str, Any]) -> Any:
        return {"state": "planned", "diff": "--- config.yaml\n+++ config.yaml\n@@ -1,1 +1,2 @@\n rules:\n+  new: {}\n",
                "base": "abc"}  # fmt: skip

    async def _apply(self, arguments: dict[str, Any]) -> Any:
        self.rules.append(arguments["edits"][-1]["path"][-1])
        return {"state": "committed"}

    async def _progress(self, arguments: dict[str, Any]) -> Any:
        return self.progress

    async def _log(self, arguments: dict[str, Any]) -> Any:
        return {"revisions": [{"id": "new", "parent": "former", "runs": True}]}

    def called(self, call: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.asked if name == call]


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, RuleHub()) as pages:
        yield pages


def hub(pages: Pages) -> RuleHub:
    assert isinstance(pages.hub, RuleHub)
    return pages.hub


async def test_a_threshold_is_tried_before_it_is_saved_and_saved_as_a_change_of_the_file(pages: Pages) -> None:
    chief = await pages.claimed()
    status, text, _ = await chief.get(f"{NEW}?device=lorawan%3A0000000000000001&metric=temperature")
    assert status == 200
    assert '<option value="place:salle-1" selected>' in text
    assert '<option value="temperature" selected>Température (°C)</option>' in text
    for address in ("series=lorawan%3A0000000000000001%2Ftemperature", "series=salle-1%2Ftemperature"):  # of a chart
        same = (await chief.get(f"{NEW}?{address}"))[1]
        assert '<option value="place:salle-1" selected>' in same
        assert '<option value="temperature" selected>' in same
    status, text, _ = await chief.post(NEW, NEW, **COLD)
    assert status == 200
    assert "Cette alerte se serait déclenchée 3 fois." in html.unescape(text)
    assert "Prévenus\u00a0: email." in html.unescape(text)  # sms is told of critical ones only
    assert "new: {}" in text
    assert hub(pages).called("config.apply") == []
    status, _, headers = await chief.post(NEW, NEW, **COLD, base="abc", save="1")
    assert (status, headers["Location"]) == (303, f"{NEW}?saved=salle-1-temperature-below")
    [asked] = hub(pages).called("config.apply")
    assert (asked["base"], asked["by"], asked["reason"]) == (
        "abc", "web:camille", "nouvelle alerte salle-1-temperature-below",
    )  # fmt: skip
    assert asked["edits"] == [{
        "path": ["rules", "salle-1-temperature-below"],
        "value": {"places": ["salle-1"], "metric": "temperature", "below": 19.5,
                  "text": "{place}: Temperature {value}, below {limit}",
                  "text_fr": "{place} : température {value}, sous {limit}"},
    }]  # fmt: skip
    text = html.unescape((await chief.get(headers["Location"]))[1])
    assert "veille dès maintenant" in text
    assert 'name="revision" value="former"' in text  # the way back


async def test_a_place_that_only_the_store_has_is_written_beside_the_rule(pages: Pages) -> None:
    hub(pages).places = ["salle-0"]
    chief = await pages.claimed()
    await chief.post(NEW, NEW, **COLD)
    edits = hub(pages).called("config.diff")[-1]["edits"]
    assert edits[0] == {"path": ["places", "salle-1"], "value": {"zone": "rooms"}}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"certainty": "at-least"}, "au moins 3 fois"), ({"certainty": "about"}, "environ 3 fois"),
        ({"unsure_hours": 4}, "Pendant 4 autres heures"), ({"stopped": True}, "trop de mesures"),
        ({"left_out": 9}, "laissées de côté\u00a0: 9"),
        ({"why": "no-history", "from": None, "episodes": []}, "aucun historique de cette valeur"),
        ({"why": "text", "from": None, "episodes": []}, "ne garde pas de textes"),
    ],
)  # fmt: skip
async def test_what_is_not_known_for_certain_is_not_said_as_if_it_were(
    pages: Pages, answer: dict[str, Any], said: str
) -> None:
    hub(pages).replay |= answer
    chief = await pages.claimed()
    text = html.unescape((await chief.post(NEW, NEW, **COLD))[1])
    assert said in text
    if answer.get("certainty"):
        assert "déclenchée 3 fois" not in text


@pytest.mark.parametrize(
    ("query", "said"),
    [("device=nobody", "nomme quelque chose qui n'est pas ici"),
     ("series=nobody%2Ftemperature", "nomme quelque chose"),
     ("zone=nowhere", "nomme quelque chose"),
     ("where=roof", "nomme quelque chose"), ("metric=nothing", "nomme une valeur inconnue"),
     ("template=nothing", "nomme un modèle")],
)  # fmt: skip
async def test_an_address_that_names_nothing_is_answered_with_the_form_and_a_word(
    pages: Pages, query: str, said: str
) -> None:
    chief = await pages.claimed()
    status, text, _ = await chief.get(f"{NEW}?{query}")
    assert status == 400
    assert said in html.unescape(text)
    assert '<select id="where"' in text


async def test_what_the_file_would_refuse_stands_at_its_field_in_the_readers_language(pages: Pages) -> None:
    async def refused(arguments: dict[str, Any]) -> Any:
        message = phrase("clears-below-below", "below: clears must not be lower than it")
        raise ConfigError([Problem(message, f"rules.{arguments['name']}.clears")])

    hub(pages).answers["rule.compiled"] = refused
    chief = await pages.claimed()
    status, text, _ = await chief.post(NEW, NEW, **COLD, clears="21")
    assert status == 422
    assert '<span class="wrong" id="clears-e">' in text
    assert "clears ne doit pas être inférieur à below" in html.unescape(text)
    assert 'name="clears" value="21"' in text


async def test_a_managed_hub_says_who_manages_it_and_shows_no_form(pages: Pages) -> None:
    hub(pages).mode = "managed"
    text = html.unescape((await (await pages.claimed()).get(NEW))[1])
    assert "est gérée par la ville" in text
    assert 'name="value"' not in text


async def test_only_who_may_change_the_configuration_is_led_there(pages: Pages) -> None:
    chief, worker = await pages.claimed(), await pages.person("technicien")
    assert NEW in (await chief.get("/alerts"))[1]
    assert NEW not in (await worker.get("/alerts"))[1]
    assert (await worker.get(NEW))[0] == 403


@pytest.mark.parametrize(
    ("progress", "said"),
    [({"stage": "watching"}, "en cours d'application"), ({"stage": ""}, "Elle n'est pas en service")],
)
async def test_a_change_that_is_not_in_force_is_not_called_saved(
    pages: Pages, progress: dict[str, Any], said: str
) -> None:
    hub(pages).progress |= progress
    text = html.unescape((await (await pages.claimed()).get(f"{NEW}?saved=elsewhere"))[1])
    assert said in text
    assert "veille dès maintenant" not in text


async def test_a_program_makes_an_alert_of_the_same_fields_and_tries_it_first(pages: Pages) -> None:
    chief = await pages.claimed()
    status, told = await chief.api("POST", "/alerts/new", {**COLD, "dry_run": True})
    assert (status, told["name"], told["replay"]["count"], told["state"]) == (
        200, "salle-1-temperature-below", 3, "planned",
    )  # fmt: skip
    assert told["rule"]["below"] == 19.5
    assert hub(pages).called("config.apply") == []
    status, told = await chief.api("POST", "/alerts/new", COLD)
    assert (status, told["state"]) == (200, "committed")
    status, told = await chief.api("POST", "/alerts/new", {**COLD, "value": "19 kg"})
    assert status == 422
    assert "value: " in told["error"]
    status, told = await chief.api("POST", "/rules/replay", {"name": "froid", "span_s": 3600})
    assert (status, told["count"]) == (200, 3)
    assert hub(pages).called("rule.replay")[-1] == {"name": "froid", "span_s": 3600}


async def test_a_building_of_many_places_is_asked_for_the_zone_first(tmp_path: Path) -> None:
    async with Pages(tmp_path, RuleHub(MOST_PLACES + 1)) as pages:
        chief = await pages.claimed()
        text = html.unescape((await chief.get(NEW))[1])
        assert "Voir ses emplacements" in text
        assert 'value="place:' not in text
        text = (await chief.get(f"{NEW}?where=zone%3Arooms"))[1]
        assert '<option value="place:salle-2">' in text
