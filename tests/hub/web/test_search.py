"""The search over places, devices, pages and settings."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import HubError
from hub.page_kit.menu import opened_by
from hub.web.areas import MENU

from .web_kit import Hub, Pages

pytestmark = pytest.mark.real("network")

OPTIONS = [
    {"at": ["web"], "name": "port", "about": "Port of the pages.", "french": {"help": "option-Web-port-help"},
     "titles": [""]},
    {"at": ["integrations", "modbus"], "name": "interval", "about": "Time between two polls.", "french": {},
     "titles": ["", ""]},
]  # fmt: skip


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as made:

        async def options(arguments: dict[str, Any]) -> Any:
            return {"digest": "d1"} if arguments["digest"] == "d1" else {"digest": "d1", "options": OPTIONS}

        made.hub.answers["config.options"] = options
        yield made


async def test_a_device_is_found_with_its_value_and_where_it_is_and_a_place_with_those_of_its_devices(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    pages.hub.hear(1, 21.5)
    answer = json.loads((await browser.get("/api/1/search?q=SONDE%201"))[1])
    (device,) = answer["devices"]["shown"]
    assert (device["title"], device["where"]) == ("Sonde 1", "salle-1 · Salles")
    assert device["href"] == "/devices/lorawan%3A0000000000000001"
    assert [(value["metric"], value["value"]) for value in device["values"]] == [("temperature", 21.5)]
    answer = json.loads((await browser.get("/api/1/search?q=salle-1"))[1])
    (place,) = answer["places"]["shown"]
    assert (place["title"], place["where"], place["devices"]) == ("salle-1", "Salles", 1)
    assert [value["value"] for value in place["values"]] == [21.5]
    text = (await browser.get("/search?q=sonde+1"))[1]
    assert re.search(r'<a href="/devices/lorawan%3A0000000000000001">Sonde 1</a>', text)
    assert "21,5" in text.partition("<main")[2]


@pytest.mark.parametrize("role", ["lecteur", "auditeur", "technicien", "administrateur"])
async def test_nobody_finds_a_page_that_they_may_not_open(pages: Pages, role: str) -> None:
    admin = await pages.claimed()
    browser = admin if role == "administrateur" else await pages.person(role)
    found = set()
    for word in ("journal", "comptes", "jetons", "diagnostic", "ajouter", "personnelles", "réglages", "crise"):
        answer = json.loads((await browser.get(f"/api/1/search?q={word}&lang=fr"))[1])
        found |= {one["href"] for one in answer["pages"]["shown"]}
    may = {one.href for one in opened_by(MENU, role)}
    asked = {"/audit", "/accounts", "/tokens", "/diagnostics", "/add", "/privacy", "/settings", "/crisis"}
    assert found & asked == asked & may
    assert found <= may | {"/account"}


async def test_a_setting_is_found_by_its_text_in_the_readers_language_and_leads_to_its_form(pages: Pages) -> None:
    browser = await pages.claimed()
    answer = json.loads((await browser.get("/api/1/search?q=two%20polls&lang=en"))[1])
    (one,) = answer["settings"]["shown"]
    assert one["href"] == "/configuration/form?at=integrations%2Fmodbus#f-interval"
    assert one["option"] == "integrations.modbus.interval"
    text = (await browser.get("/search?q=port&lang=fr"))[1]
    assert 'href="/configuration/form?at=web#f-port"' in text
    asked = [arguments["digest"] for name, arguments in pages.hub.asked if name == "config.options"]
    assert asked == ["", "d1"], "the options are read once"


async def test_a_configuration_that_cannot_be_read_leaves_the_rest_to_be_found(pages: Pages) -> None:
    async def broken(arguments: dict[str, Any]) -> Any:
        raise HubError("no file")

    pages.hub.answers["config.options"] = broken
    browser = await pages.claimed()
    answer = json.loads((await browser.get("/api/1/search?q=sonde"))[1])
    assert (answer["settings"]["total"], answer["devices"]["total"]) == (0, 3)


async def test_the_search_stands_on_every_page_works_by_a_form_and_says_when_nothing_is_found(pages: Pages) -> None:
    browser = await pages.claimed()
    for path in ("/", "/account", "/search", "/nowhere"):
        text = (await browser.get(path, Accept="text/html"))[1]
        nav = text.partition("<nav")[2].partition("</nav>")[0]
        assert re.search(r'<form method="get" action="/search"[^>]*role="search"', nav), path
    text = html.unescape((await browser.get("/search?q=%3Cimg%3Ezzz"))[1])
    assert "Rien de trouvé" in text
    assert "autofocus" not in text
    assert "autofocus" in (await browser.get("/search"))[1]
    assert "Places" in (await browser.get("/search?q=salle&lang=en"))[1]


async def test_two_thousand_devices_are_searched_and_no_more_than_a_few_of_each_kind_are_shown(tmp_path: Path) -> None:
    async with Pages(tmp_path, Hub(2000)) as pages:
        browser = await pages.claimed()
        answer = json.loads((await browser.get("/api/1/search?q=sonde"))[1])
        assert (answer["devices"]["total"], len(answer["devices"]["shown"])) == (2000, 5)
        text = html.unescape((await browser.get("/search?q=sonde"))[1])
        assert 'href="/devices?q=sonde"' in text
        (one,) = json.loads((await browser.get("/api/1/search?q=sonde+1999"))[1])["devices"]["shown"]
        assert one["title"] == "Sonde 1999"
