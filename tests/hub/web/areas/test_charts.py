"""Charts of several devices, without any script: chosen by name, kept in an address, in a table and a file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hub.core.errors import HubError
from hub.web.charting import MOST_LINES, rows_of

from ..web_kit import SHOWN, Hub, Pages

SERIES = "lorawan:{:016X}/temperature"
HOT = {
    "rule": "trop-chaud", "limit": 26.0, "clears": 25.0, "up": True, "unit": "Cel", "of": "", "severity": "critical",
    "timed": True,
}  # fmt: skip


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, Hub(40)) as made:
        yield made


def plain(text: str) -> str:
    return unescape(text).replace("\u00a0", " ").replace("\u202f", " ")


def address(*numbers: int, **more: str) -> str:
    return "/charts?" + "&".join(
        [*(f"series={SERIES.format(n)}" for n in numbers), *(f"{k}={v}" for k, v in more.items())]
    )


async def listed(arguments: dict[str, Any]) -> dict[str, Any]:
    series = [("temperature", "Cel", False), ("humidity", "%", False)]
    return {"series": [
        {"series": f"salle-{n}/{metric}", "place": f"salle-{n}", "metric": metric, "unit": unit, "counter": counter,
         "since": 0}
        for n in range(40) for metric, unit, counter in series
    ]}  # fmt: skip


async def limited(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"limits": [HOT] if arguments["metric"] == "temperature" else []}


@pytest.mark.real("network")
async def test_several_devices_stand_in_one_chart_and_one_table_with_their_names(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.answers |= {"rule.limits": limited}
    status, text, _ = await browser.get(address(1, 2, span="7d"))
    said = plain(text)
    assert status == 200
    assert re.findall(r"<li><span>(\d\. [^<]+)", said) == ["1. Sonde 1", "2. Sonde 2"]
    assert "Comparaison : Température" in said
    assert [one["device"] for name, one in pages.hub.asked if name == "history"] == [
        f"lorawan:{n:016X}" for n in (1, 2)
    ]
    assert {one["step"] for name, one in pages.hub.asked if name == "history"} == {"hour"}
    assert len(re.findall(r"<tr role=\"row\"><th scope=\"row\"", text)) == len(SHOWN["cells"])
    assert "trop-chaud" in said
    assert "dès 26 °C, jusque sous 25 °C" in said
    assert "à ses heures seulement" in said
    assert said.count("trop-chaud</a>") == 1, "one rule that judges both is named once"
    assert "ligne" not in said.split("trop-chaud</a>")[1].split("</li>")[0], "all lines"
    said = plain((await browser.get(f"{address(1, 2)}&series=salle-0/humidity"))[1])
    assert "lignes 1, 2" in said.split("trop-chaud</a>")[1].split("</li>")[0]


@pytest.mark.real("network")
async def test_an_address_with_wrong_or_too_many_series_says_which_and_shows_the_others(pages: Pages) -> None:
    browser = await pages.claimed()
    status, text, _ = await browser.get(address(1) + "&series=nobody/temperature&series=%3Cb%3E&series=")
    assert (status, "nobody/temperature, &lt;b&gt;" in text, "<b>" in text) == (400, True, False)
    assert "1. Sonde 1 · Température" in text
    status, text, _ = await browser.get(address(*range(12)))
    assert (status, "12 séries" in plain(text)) == (400, True)
    assert len([1 for name, _ in pages.hub.asked if name == "history"]) == 1 + MOST_LINES
    status, text, _ = await browser.get(f"/charts?series={SERIES.format(1)}{'e' * 60}")
    assert (status, "e" * 80 in text) == (400, False)
    status, told = await browser.api("GET", f"/charts?series={SERIES.format(1)}&series=salle-2/temperature")
    assert (status, [one["series"] for one in told["series"]]) == (200, [SERIES.format(1), "salle-2/temperature"])
    assert [value for _, value in told["rows"]] == [[2.5, 2.5], [None, None], [3.0, 3.0]]
    status, body = await browser.api("GET", "/charts?series=nobody/x")
    assert (status, "nobody/x" in str(body)) == (422, True)
    assert (await browser.api("GET", "/charts"))[0] == 422
    status, text, _ = await browser.get("/charts")
    assert (status, "Comparer avec" in text) == (200, True)


@pytest.mark.real("network")
async def test_one_series_twice_is_one_line(pages: Pages) -> None:
    browser = await pages.claimed()
    await browser.get(address(1, 1, 1))
    assert len([1 for name, _ in pages.hub.asked if name == "history"]) == 1


@pytest.mark.real("network")
async def test_others_of_the_same_quantity_are_chosen_by_name_and_found_by_search(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.answers |= {"history.list": listed}
    text = plain((await browser.get(address(1)))[1])
    offered = re.findall(r'type="checkbox" name="series" value="([^"]+)"', text)
    assert len(offered) == 20
    assert offered[0] == SERIES.format(0)
    assert SERIES.format(1) not in offered, "it is in the chart already"
    assert not [one for one in offered if "humidity" in one]
    assert "19 autres" in text
    text = plain((await browser.get(address(1, q="sonde%2033")))[1])
    assert re.findall(r'type="checkbox" name="series" value="([^"]+)"', text) == [SERIES.format(33)]
    text = plain((await browser.get(address(*range(8))))[1])
    assert 'type="checkbox"' not in text
    assert "8 séries" in text


@pytest.mark.real("network")
async def test_the_other_language_keeps_every_series(pages: Pages) -> None:
    text = unescape((await (await pages.claimed()).get(address(1, 2)))[1])
    other = re.search(r'href="(\?[^"]+lang=en)"', text)
    assert other is not None
    assert other[1].count("series=") == 2


@pytest.mark.real("network")
async def test_a_series_of_which_nothing_is_stored_is_said_and_does_not_hide_the_others(pages: Pages) -> None:
    browser = await pages.claimed()

    async def some(arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["device"].endswith("1"):
            raise HubError("nothing is known of it")
        return {**SHOWN, "counter": False, "unit": "Cel", "line": []}

    pages.hub.answers |= {"history": some}
    status, text, _ = await browser.get(address(1, 2))
    assert status == 200
    assert "Rien n’est enregistré pour cette période : Sonde 1" in plain(text).replace("'", "’")
    assert "2. Sonde 2" in text


@pytest.mark.real("network")
async def test_the_table_is_a_file_that_a_french_spreadsheet_reads(pages: Pages) -> None:
    browser = await pages.claimed()
    async with browser.session.get(
        f"{pages.url}/api/1{address(1, 2).replace('/charts', '/charts.csv')}&lang=fr"
    ) as answer:
        body = (await answer.read()).decode("utf-8-sig")
    head, first, second, *_ = body.split("\r\n")
    assert head.split(";")[2:] == ["Sonde 1 (°C)", "Sonde 2 (°C)"]
    assert first.split(";")[1:] == ["1790000000", "2,5", "2,5"]
    assert second.split(";")[2:] == ["", ""], "a gap"


@pytest.mark.real("network")
async def test_who_may_only_read_sees_the_chart_and_a_stranger_nothing(pages: Pages) -> None:
    await pages.claimed()
    assert (await (await pages.person("lecteur")).get(address(1, 2)))[0] == 200
    assert (await pages.browser().get(address(1, 2)))[0] in (303, 401)
    assert (await pages.browser().api("GET", "/charts?series=salle-1/temperature"))[0] == 401


def test_readings_of_a_short_time_stand_in_rows_of_minutes_and_a_gap_is_no_reading() -> None:
    first = {"counter": False, "line": [[60, 1.0], [70, 2.0], [130, None], [190, 3.0]], "cells": []}
    second = {"counter": False, "line": [[65, 5.0]], "cells": []}
    counted = {"counter": True, "line": [], "cells": [[0, 4.0, None, None, 0.0, 100.0]]}
    assert rows_of([first, second, None, counted], 3600.0) == [
        (0, ["", "", "", 4.0]), (60, [2.0, 5.0, "", ""]), (180, [3.0, "", "", ""]),
    ]  # fmt: skip


@pytest.mark.real("network")
async def test_a_devices_chart_has_the_limits_of_its_rules_and_leads_to_a_comparison_and_to_an_alert(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    pages.hub.answers |= {"rule.limits": limited}
    pages.hub.hear(1, 20.5)
    device = f"lorawan:{1:016X}"
    said = plain((await browser.get(f"/devices/{quote(device)}"))[1])
    asked = [one for name, one in pages.hub.asked if name == "rule.limits"]
    assert asked == [{"place": "salle-1", "metric": "temperature"}]
    assert "dès 26 °C, jusque sous 25 °C" in said
    assert 'data-limits="[{"at": 26.0' in said
    assert f'href="/charts?series={quote(device, safe="")}%2Ftemperature&span=24h"' in said
    link = f'href="/alerts/new?device={quote(device, safe="")}&metric=temperature"'
    route = pages.site.table.find("GET", "/alerts/new")[0]
    for role in ("lecteur", "technicien"):
        text = plain((await (await pages.person(role)).get(f"/devices/{quote(device)}"))[1])
        assert (link in text) == (route.path == "/alerts/new" and role in route.roles)
        assert "/charts?series=" in text


@pytest.mark.real("network")
async def test_what_a_counter_used_in_an_hour_is_not_compared_with_limits_of_its_reading(pages: Pages) -> None:
    browser = await pages.claimed()

    async def counted(arguments: dict[str, Any]) -> dict[str, Any]:
        return {**SHOWN, "line": [], "counter": True}

    pages.hub.answers |= {"rule.limits": limited, "history": counted}
    assert "trop-chaud" not in (await browser.get(address(1, 2)))[1]
