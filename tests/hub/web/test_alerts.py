"""The pages of alerts, without any script: listed, explained, answered; what only a technicien may do."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.automation.alert_engine import alert_json
from hub.automation.alerts import ACKNOWLEDGED, CLEARED, MUTED
from hub.automation.alerts.lifecycle import STORY_LIMIT, Alert, Step, transition
from hub.core.errors import HubError
from hub.core.model import Place
from hub.devices.places import Places
from hub.web.presentation import causes
from hub.web.words import WORDS, word

from .web_kit import SHOWN, Pages

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


@pytest.mark.real("network")
async def test_without_alerts_the_page_says_so_and_what_watches(pages: Pages) -> None:
    browser = await pages.claimed()
    assert "Aucune alerte ouverte." in plain((await browser.get("/alerts"))[1])
    assert "No alert is open." in (await browser.get("/alerts?lang=en"))[1]
    assert "Aucune alerte ne correspond." in plain((await browser.get("/alerts?severity=critical&lang=fr"))[1])


@pytest.mark.real("network")
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


@pytest.mark.real("network")
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


@pytest.mark.real("network")
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


def raised(**more: Any) -> dict[str, Any]:
    return {**LOOP, **more}


def yesterday() -> float:
    """Time of an open alert: a chart reaches back a year at most."""
    return float(int(time.time()) - 86_400)


async def charted(pages: Pages, alert: dict[str, Any], series: list[tuple[str, str]]) -> str:
    """The page of an alert, on a hub that has stored these series."""

    async def stored(arguments: dict[str, Any]) -> dict[str, Any]:
        told = [{"place": place, "metric": metric, "unit": "Cel", "counter": False} for place, metric in series]
        return {"series": told}

    async def history(arguments: dict[str, Any]) -> dict[str, Any]:
        place, metric = arguments["series"].split("/") if "series" in arguments else ("", arguments["metric"])
        if (place, metric) not in series and place:
            raise HubError("nothing is known of it")
        return {**SHOWN, "counter": False, "unit": "Cel", "line": []}

    pages.hub.answers |= {"history.list": stored, "history": history, "rule.limits": limited}
    pages.hub.alerts = [alert]
    browser = await pages.claimed()
    return plain((await browser.get(f"/alerts/{alert['id']}"))[1])


async def limited(arguments: dict[str, Any]) -> dict[str, Any]:
    told = {"up": False, "unit": "Cel", "of": "", "severity": "critical", "timed": False}
    return {"limits": [
        {"rule": "loop", "limit": 55.0, "clears": 57.0, **told},
        {"rule": "other", "limit": 40.0, "clears": 40.0, **told},
    ]}  # fmt: skip


def drawn(text: str, name: str) -> Any:
    return json.loads(unescape(text).split(f'data-{name}="')[1].split('">' if name == "limits" else '" data-')[0])


@pytest.mark.real("network")
async def test_the_chart_of_the_cause_comes_first_then_the_answers_then_the_rest(pages: Pages) -> None:
    began = yesterday()
    text = await charted(pages, raised(state="raised", raised=began), [("boiler", "return_temperature")])
    order = [
        "Ce qui s'est passé",
        "<ilot-chart",
        "Prendre en charge</button>",
        "<dt>Règle",
        f"{word('alert-story', 'fr')}</h2>",
    ]
    assert [text.index(one) for one in order] == sorted(text.index(one) for one in order)
    (limit,) = drawn(text, "limits")
    assert (limit["name"], limit["at"], limit["clears"], limit["always"]) == ("loop", 55.0, 57.0, True)
    assert "sous 55 °C, jusqu'à 57 °C ou plus" in text
    assert drawn(text, "raised") == [[began, None, "critical", "Chaufferie : trop froid"]]
    (asked,) = [one for name, one in pages.hub.asked if name == "history"]
    assert asked["series"] == "boiler/return_temperature"
    assert asked["from"] <= began - 3600 * 2, "what led to it is seen too"
    assert asked["to"] <= time.time()


@pytest.mark.real("network")
async def test_a_rule_that_has_another_threshold_by_now_is_drawn_as_it_was_then(pages: Pages) -> None:
    alert = raised(evidence={**LOOP["evidence"], "limit": "48 °C"})
    text = await charted(pages, alert, [("boiler", "return_temperature")])
    assert [one["at"] for one in drawn(text, "limits")] == [48.0]
    assert "48 °C, quand l'alerte a été levée" in text


@pytest.mark.real("network")
async def test_a_silence_is_shown_by_what_the_place_reported_before(pages: Pages) -> None:
    began = yesterday()
    alert = raised(value="", evidence={"limit": "3h", "trust": "B"}, raised=began)
    text = await charted(pages, alert, [("boiler", "battery"), ("boiler", "flow_temperature"), ("hall", "co2")])
    assert [one["series"] for name, one in pages.hub.asked if name == "history"] == ["boiler/flow_temperature"]
    assert "c'est le silence" in text
    assert "ne doit pas quitter la mémoire" not in text
    (asked,) = [one for name, one in pages.hub.asked if name == "history"]
    assert asked["from"] <= began - 6 * 3600


@pytest.mark.real("network")
async def test_a_silence_of_one_metric_is_no_value_that_is_kept_secret(pages: Pages) -> None:
    alert = raised(value="", evidence={"metric": "return_temperature", "limit": "30s", "trust": "B"})
    text = await charted(pages, alert, [("boiler", "return_temperature")])
    assert "c'est le silence" in text
    assert "ne doit pas quitter la mémoire" not in text


@pytest.mark.real("network")
async def test_an_alert_of_a_zone_draws_its_places_up_to_eight(pages: Pages) -> None:
    here = [(f"salle-{n}", "temperature") for n in range(12)]
    there = Places(Place(id=place, site="s", zone="rooms") for place, _ in here)
    pages.site.set_services(pages.site.parts._replace(places=there))
    zone = raised(
        device="", place="", key="zone:rooms", evidence={**LOOP["evidence"], "metric": "temperature", "of": "mean"}
    )
    text = await charted(pages, zone, here)
    assert len(drawn(text, "series")) == 8
    assert "moyenne de la zone" in text
    assert "Les 8 premiers lieux" in text


@pytest.mark.real("network")
async def test_an_alert_of_a_difference_draws_both_series_and_no_threshold_of_one(pages: Pages) -> None:
    apart = raised(evidence={**LOOP["evidence"], "of": "- hall/temperature", "limit": "4 °C"})
    text = await charted(pages, apart, [("boiler", "return_temperature"), ("hall", "temperature")])
    assert len(drawn(text, "series")) == 2
    assert drawn(text, "limits") == []
    assert "la différence des deux : 4 °C" in text


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("alert", "said"),
    [
        ({"key": "integration:lorawan", "device": "", "place": "", "integration": "lorawan", "value": "",
          "evidence": {"limit": "3h", "trust": "B"}}, "Toute une intégration se tait"),
        ({"rule": "energy_drift", "device": "", "value": "+12 %", "evidence": {}}, "/energy/meters/boiler"),
        ({"rule": "security", "device": "", "place": "", "evidence": {"unknown-id": "5"}}, "il n'y a pas de graphique"),
        ({"value": "", "evidence": {"metric": "presence", "trust": "A"}}, "Rien n'est enregistré de cette grandeur"),
    ],
)  # fmt: skip
async def test_an_alert_without_readings_says_why_it_has_no_chart(pages: Pages, alert: Any, said: str) -> None:
    text = await charted(pages, raised(**alert), [])
    assert said in text
    assert "<ilot-chart" not in text


@given(st.text(max_size=12))
def test_a_limit_is_a_number_a_time_or_neither(limit: str) -> None:
    assert causes.number_of(limit) is None or causes.seconds_of(limit) is None or " " in limit


@pytest.mark.parametrize(
    ("limit", "number", "seconds"), [("55.2 °C", 55.2, None), ("1h30min", None, 5400.0), ("True", None, None)]
)
def test_the_evidence_of_a_limit_is_read_as_it_is_written(limit: str, number: Any, seconds: Any) -> None:
    assert (causes.number_of(limit), causes.seconds_of(limit)) == (number, seconds)


def test_the_time_shown_of_an_alert_that_is_over_ends_some_while_after_it() -> None:
    over = raised(state="cleared", changed=1_790_007_200.0)
    begin, end = causes.window(over, 1_800_000_000.0)
    assert (begin, end) == (1_790_000_000.0 - 3600, 1_790_009_000.0)
    assert causes.window(over, 1_790_007_300.0)[1] == 1_790_007_300.0, "never what is still to come"
