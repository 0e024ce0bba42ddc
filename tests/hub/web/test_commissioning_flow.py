"""Commissioning as a guided flow: one next step, places by name, and a table whose places are made on the page."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.web.test_commissioning import calls, upload
from tests.hub.web.web_kit import Hub, Pages, expected

pytestmark = pytest.mark.real("network")

SCAN = "/commissioning/scan"


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    hub = Hub()
    hub.rows = [expected(1, "green"), expected(2, "grey", "no-place", "place")]
    hub.rows[0]["device"] = hub.devices[1].id
    hub.rows[1] |= {"state": "unknown", "place": "", "place_name": "", "places": [
        {"place": "salle-4", "name": "Salle 4", "kind": "free", "device": ""},
        {"place": "hall", "name": "Hall", "kind": "silent", "device": "lorawan:00000000000000aa"},
    ]}  # fmt: skip
    hub.hear(1, 20.4)
    async with Pages(tmp_path, hub) as made:
        await made.claimed()
        yield made


def skippable(pages: Pages, **skipped: Any) -> None:
    """Let the hub say that these steps were skipped."""
    show = pages.hub._answer

    async def answer(name: str, arguments: dict[str, Any]) -> Any:
        found = await show(name, arguments)
        return {**found, "skipped": skipped} if name == "roster.show" else found

    pages.hub._answer = answer  # type: ignore[method-assign]


async def test_the_first_page_shows_one_step_folds_what_is_done_and_lets_an_optional_one_be_skipped(
    pages: Pages,
) -> None:
    browser = await pages.person("technicien")
    text = (await browser.get("/commissioning"))[1].partition("<main")[2]
    following = re.search(r'<section class="card next">.*?</section>', text, re.DOTALL)
    assert following is not None
    assert following[0].count("<a ") == 1
    assert 'href="/commissioning/plan"' in following[0], "the site is done, and the hub has zones"
    assert 'name="skip" value="1"' in following[0]
    done = text.partition("<details><summary>")[2].partition("</details>")[0]
    assert "2 étapes faites" in done
    assert 'href="/commissioning/site"' in done
    assert 'href="/commissioning/zones"' in done
    assert "1/2 remontent" in text
    status, _, headers = await browser.post("/commissioning/step", "/commissioning", step="plan", skip="1")
    assert (status, headers["Location"]) == (303, "/commissioning/cards")
    assert calls(pages, "roster.step")[-1] == {"step": "plan", "skip": True, "by": "web:p-technicien"}
    skippable(pages, plan=[1.0, "x"], cards=[1.0, "x"], inventory=[1.0, "x"])
    text = (await browser.get("/commissioning"))[1].partition("<main")[2]
    assert 'class="button" href="/commissioning/scan"' in text
    assert text.count("facultatif, passée") == 3, "and one can come back to them"
    reader = await pages.person("lecteur")
    assert 'name="skip"' not in (await reader.get("/commissioning"))[1]


async def test_a_row_is_titled_by_its_place_with_the_id_below_and_tells_its_first_value(pages: Pages) -> None:
    browser = await pages.person("technicien")
    text = (await browser.get(SCAN))[1]
    row = re.search(r'<tr role="row" data-row="1".*?</tr>', text, re.DOTALL)
    assert row is not None
    assert re.search(r'<th [^>]*><a [^>]*>Salle 1</a><span class="quiet">lorawan:0000000000000001 · Salles<', row[0])
    assert "<span data-value>20,4\u202f°C</span>" in row[0]
    shown = json.loads((await browser.get("/api/1/commissioning"))[1])["rows"]
    assert [one["value"]["en"] for one in shown] == ["20.4\u202f°C", ""]


async def test_where_a_device_is_is_answered_by_a_touch_or_by_a_name(pages: Pages) -> None:
    browser = await pages.person("technicien")
    text = (await browser.get(SCAN))[1]
    assert 'name="place" value="salle-4">Salle 4<' in text
    assert 'name="instead" value="lorawan:00000000000000aa">Hall, à la place du muet<' in text
    for told in ({"place": "salle-4"}, {"instead": "lorawan:00000000000000aa"}, {"place": "Préau"}):
        assert (await browser.post("/commissioning/rows/2/place", SCAN, **told))[0] == 303
        assert calls(pages, "roster.place")[-1] == {"n": "2", **told, "by": "web:p-technicien"}
    status, answer = await browser.api("POST", "/commissioning/rows/2/place", {"place": "Préau"})
    assert (status, answer["row"]["value"]["fr"]) == (200, "20,4\u202f°C")
    assert (await browser.api("POST", "/commissioning/rows/2/place", {}))[0] == 422
    reader = await pages.person("lecteur")
    assert (await reader.api("POST", "/commissioning/rows/2/place", {"place": "Préau"}))[0] == 403


async def test_a_table_names_places_and_those_that_are_missing_are_made_in_the_zone_that_is_chosen(
    pages: Pages,
) -> None:
    async def added(arguments: dict[str, Any]) -> Any:
        if "line" not in arguments["wishes"][0]:
            return {"rows": [{"line": 0, "device": one["device"], "state": "added", "place": "salle-5", "column": ""}
                             for one in arguments["wishes"]]}  # fmt: skip
        assert arguments["keep"] is True
        return {"rows": [
            {"line": one["line"], "device": one["device"], "place": one["place"], "en": "no such place", "fr": "pas là",
             **({"state": "kept", "why": "no-such-place", "column": "place"} if one["place"] != "Hall"
                else {"state": "wrong", "why": "place-taken", "column": "place"})}
            for one in arguments["wishes"]
        ]}  # fmt: skip

    pages.hub.answers["device.add"] = added
    browser = await pages.person("technicien")
    at = "/commissioning/inventory"
    head = "DevEUI;Clé;Emplacement;Nom"
    lines = [
        f"70B3D5E75F00000{n};{'00' * 16};{place};Sonde été" for n, place in enumerate(("Salle 5", "salle-5", "Hall"))
    ]
    table = ("\ufeff" + "\r\n".join([head, *lines, "7,0312E+15;;X;"]) + "\r\n").encode()
    status, text, _ = await upload(browser, at, at, table)
    assert status == 200
    assert "1 emplacement n'existe pas encore" in text.replace("&#39;", "'").replace("’", "'")
    devices = 'name="devices-0" value="lorawan:70b3d5e75f000000 lorawan:70b3d5e75f000001"'
    assert devices in text
    assert re.search(r"Ligne 4<span class=\"quiet\">lorawan:70b3d5e75f000002</span></th><td [^>]*>Emplacement<", text)
    assert re.search(r"Ligne 5<.*?<td [^>]*>DevEUI<.*?tableur", text, re.DOTALL), "the column as the file calls it"
    status, text, _ = await browser.post(
        f"{at}/places",
        at,
        zone="rooms",
        **{"zone-0": "", "devices-0": "lorawan:70b3d5e75f000000 lorawan:70b3d5e75f000001"},
    )
    assert status == 200
    assert calls(pages, "device.add")[-1]["wishes"] == [
        {"device": f"lorawan:70b3d5e75f00000{n}", "zone": "rooms"} for n in range(2)
    ]
    assert calls(pages, "roster.expect")[-1]["devices"] == ["lorawan:70b3d5e75f000000", "lorawan:70b3d5e75f000001"]
    assert (await browser.post(f"{at}/places", at, **{"devices-0": "lorawan:70b3d5e75f000000"}))[0] == 422
    assert (await browser.post(f"{at}/places", at, zone="rooms"))[0] == 422
