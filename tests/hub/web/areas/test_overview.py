"""The overview and the list of devices as a browser gets them: the building first, values with their age."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hub.core.errors import HubError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Report
from hub.web.words import word
from tests.hub.web.web_kit import Hub, Pages

pytestmark = pytest.mark.real("network")

ALERT: dict[str, Any] = {
    "id": "a1", "rule": "cold", "severity": "critical", "state": "raised", "raised": 1_790_000_000.0,
    "changed": 1_790_000_000.0, "place": "salle-2", "device": "lorawan:0000000000000002", "zone": "rooms",
    "text": "<b>It is cold</b>", "text_fr": "<b>Il fait froid</b>",
}  # fmt: skip
LINE = [[1_790_000_000 + n * 3600, 20.0 + n] for n in range(4)]


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        yield pages


def names(text: str) -> list[str]:
    """The tiles of a page, by their headings."""
    return re.findall(r"<h3><a href=\"/devices/[^\"]*\">([^<]*)</a></h3>", text)


async def test_a_place_shows_its_value_with_unit_age_and_trend_and_leads_to_its_device(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.hear(0, 20.46)

    async def history(arguments: dict[str, Any]) -> Any:
        assert arguments["series"] == "salle-0/temperature"
        return {"counter": False, "line": [*LINE[:2], [1, None], *LINE[2:]], "cells": []}

    pages.hub.answers["history"] = history
    _, text, _ = await browser.get("/?lang=en")
    assert names(text) == ["salle-0"], "places of which nothing is known have no tile"
    assert 'href="/devices/lorawan%3A0000000000000000"' in text
    assert re.search(r'data-series="salle-0/temperature"[^>]* data-finest="1">20\.5</span>&#8239;°C', text)
    assert re.search(r'data-age="salle-0/temperature" data-ago="\{\} ago">', text)
    assert re.search(r'<svg class="spark"[^>]*><path d="M[0-9. ]+L[0-9. ]+M[0-9. ]+L', text), "silence is blank"
    assert "24\u202fh: 20 to 23" in text.replace("\u00a0", " ")
    assert "comfortable" not in text, "no norm says anything of a zone whose use nobody named"


async def test_a_place_with_an_alert_comes_first_then_one_that_is_silent_in_words(pages: Pages) -> None:
    browser = await pages.claimed()
    for number in range(3):
        pages.hub.hear(number, 20.0)
    pages.hub.alerts, pages.hub.trouble = [ALERT], ["lorawan:0000000000000001"]
    _, text, _ = await browser.get("/?lang=fr")
    assert names(text) == ["salle-2", "salle-1", "salle-0"]
    assert "<b>Il fait froid" not in text
    first, silent, last = text.split('<li class="tile place')[1:4]
    assert 'href="/alerts/a1"' in first
    assert "critique" in first
    assert word("state-trouble", "fr") in silent
    assert 'class="state trouble"' not in last.split("</li>")[0]
    assert text.index("À regarder d") < text.index("salle-2</a></h3>")


async def test_places_are_paged_and_one_zone_can_be_shown_alone(tmp_path: Path) -> None:
    async with Pages(tmp_path, Hub(many=20)) as pages:
        browser = await pages.claimed()
        for number in range(20):
            pages.hub.hear(number, 20.0)
        _, first, _ = await browser.get("/?lang=en")
        _, third, _ = await browser.get("/?lang=en&page=3")
        assert (len(names(first)), len(names(third))) == (8, 4), names(third)
        assert 'href="/?page=2"' in first
        _, zone, _ = await browser.get("/?lang=en&zone=rooms")
        assert names(zone) == ["salle-0", "salle-1", "salle-2"], "the places of that zone"
        assert len(names((await browser.get("/?lang=en&zone=nowhere"))[1])) == 8
        _, found, _ = await browser.get("/api/1/places?size=5&page=2")
        assert '"page":2' in found.replace(" ", "")


async def test_a_trend_is_asked_for_once_in_two_minutes_and_of_the_shown_places_alone(tmp_path: Path) -> None:
    async with Pages(tmp_path, Hub(many=20)) as pages:
        browser = await pages.claimed()
        for number in range(20):
            pages.hub.hear(number, 20.0)

        async def history(arguments: dict[str, Any]) -> Any:
            return {"counter": False, "line": LINE, "cells": []}

        pages.hub.answers["history"] = history
        await browser.get("/")
        await browser.get("/")
        assert sum(name == "history" for name, _ in pages.hub.asked) == 8


async def test_energy_stands_beside_a_usual_day_or_says_that_none_is_known(pages: Pages, tmp_path: Path) -> None:
    browser = await pages.claimed()
    assert "Energy today" not in (await browser.get("/?lang=en"))[1], "no meter"
    meter = {"unit": "kW.h", "meters": [{"place": "tgbt", "name": "TGBT"}], "estimated": 0.0}
    known = {**meter, "carrier": "electricity", "used": 12.0, "usual": 10.0, "whole": 24.0, "days": 4}
    fresh = {**meter, "carrier": "heat", "used": None, "usual": None, "whole": None, "days": 0}

    async def today(arguments: dict[str, Any]) -> Any:
        return {"carriers": [known, fresh]}

    pages.hub.answers["energy.today"] = today
    again = tmp_path / "again"
    again.mkdir()
    async with Pages(again, pages.hub) as others:  # what was asked is kept for two minutes
        _, text, _ = await (await others.claimed()).get("/?lang=en")
    assert "20\u202f% more than usual" in text
    assert "Usually 10\u202fkWh by this time, 24\u202fkWh in the whole day." in text
    assert "Mean of 4 earlier days" in text
    assert "A usual day is not known yet" in text
    assert 'href="/energy/meters/tgbt"' in text


async def test_a_disk_that_refuses_takes_energy_and_trends_from_the_page_and_nothing_else(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.hear(0, 20.0)

    async def refuse(arguments: dict[str, Any]) -> Any:
        raise HubError("the disk refuses")

    pages.hub.answers |= {"history": refuse, "energy.today": refuse}
    status, text, _ = await browser.get("/?lang=en")
    assert (status, names(text)) == (200, ["salle-0"])


async def test_the_list_of_devices_shows_main_values_and_the_age_of_one_that_is_older_than_the_last_report(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    pages.hub.hear(0, 20.46)

    async def row() -> str:
        _, text, _ = await browser.get("/devices?lang=en")
        return text.split('data-device="lorawan:0000000000000000"')[1].split("</tr>")[0]

    assert re.search(r'data-series="salle-0/temperature"[^>]*>20\.5</span>', await row())
    assert 'data-age="salle-0/temperature"' in await row(), "it is of 2026, and the device reported 3.5 s ago"
    pages.hub.slots[pages.hub.devices[0].id].time = time.time() - 5
    assert 'data-age="salle-0/temperature"' not in await row(), "it is as old as the report beside it"


async def test_a_lamp_is_on_or_off_on_every_page_and_never_yes_or_no(pages: Pages) -> None:
    browser = await pages.claimed()
    device = pages.hub.devices[0]
    slot = pages.hub.live.slot(device, (METRICS["light"],))
    slot.report = Report(device=device.id, values={"light": True})
    slot.time = slot.came = time.time()

    async def history(arguments: dict[str, Any]) -> Any:
        rows = [[1_790_000_000 + n, float(n % 2)] for n in range(4)]
        return {"counter": False, "unit": "1", "from": rows[0][0], "to": rows[-1][0], "line": rows, "cells": []} | {
            "timezone": "Europe/Paris", "gaps": [], "spread": [], "step": None,
        }  # fmt: skip

    pages.hub.answers["history"] = history
    on, off = word("lit", "fr"), word("unlit", "fr")
    one = f'data-yes="{on}" data-no="{off}"'
    page = f"/devices/{quote(device.id, safe='')}?metric=light&span=1h&lang=fr"
    for path in ("/?lang=fr", "/devices?lang=fr", page):
        text = (await browser.get(path))[1]
        assert re.search(rf'data-series="[^"]*/light" {one}[^>]*>{on}<', text), path
    chart, twin = text.split("<ilot-chart", 1)[1].split("</ilot-chart>", 1)
    assert one in chart
    assert re.findall(r'<td role="cell" data-head="[^"]*">([^<]*)</td></tr>', twin)[:4] == [off, on, off, on]


async def test_the_coldest_and_the_warmest_room_are_named_in_one_line_and_a_silent_one_is_neither(
    tmp_path: Path,
) -> None:
    async with Pages(tmp_path, Hub(many=12)) as pages:
        browser = await pages.claimed()
        for number in range(12):
            pages.hub.hear(number, 20.0 + number / 10)
        pages.hub.hear(10, 17.2)  # not on the first page of tiles
        pages.hub.hear(11, 3.0)
        pages.hub.trouble = ["lorawan:000000000000000B"]
        _, text, _ = await browser.get("/?lang=fr")
        [line] = re.findall(r'<p class="extremes">(.*?)</p>', text)
        said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", line.replace("&#8239;", " ").replace("</span><span>", " ")))
        assert said == "Le plus froid : salle-10, 17,2 °C Le plus chaud : salle-9, 20,9 °C".replace(" :", " :")
        assert 'data-series="salle-10/temperature"' in line
        _, part, _ = await browser.get("/building?lang=fr")
        assert line in part
        assert "<html" not in part


async def test_one_place_alone_is_neither_the_coldest_nor_the_warmest(pages: Pages) -> None:
    browser = await pages.claimed()
    pages.hub.hear(0, 20.0)
    assert 'class="extremes"' not in (await browser.get("/"))[1]
