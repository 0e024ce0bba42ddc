"""Wired devices from the pages: roles, a search and its device, a table without scripts, and what is added."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest

import hub
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.plugin_host.finding import Finding
from hub.sdk.finding import Finder, Found, Lent, Match, Tried
from tests.hub.plugin_host import test_finding as kit
from tests.hub.web.web_kit import Browser, Hub, Pages

pytestmark = pytest.mark.real("network")


class Row(hub.Config):
    metric: str
    address: int = 0
    table: Literal["holding", "input"] = "holding"
    scale: float = 1.0
    unit: str | None = None


class Unit(hub.Config):
    unit: int = 1
    rows: tuple[Row, ...] = ()


async def search(config: kit.Line, addresses: str, lent: Lent) -> None:
    if addresses == "all":
        raise hub.NotReady(phrase("acme-away", "the line is away"))
    match = Match(settings={"unit": 3}, pack="", title="<Acme> T", why=phrase("acme-says", "it says so"))
    lent.found(Found(address="3", device="acme:3", settings={"unit": 3}, matches=(match,)))
    lent.found(Found(address="4", device="acme:4", settings={"unit": 4}))
    lent.progress(2, 2)


async def read(config: kit.Line, settings: Unit, lent: Lent) -> Tried:
    if not settings.rows:
        return Tried(values={"temperature": 20.5}, wrong={"humidity": "<not> fitted"})
    fine = {row.metric: row.address * row.scale for row in settings.rows if row.address < 1000}
    return Tried(values=fine, wrong={row.metric: "no such register" for row in settings.rows if row.address >= 1000})


FINDER: Finder[Any] = Finder(
    search, read, addresses="1-9", address="units", options=("host",), bus="bus", rows=Row, setting="rows",
    columns=("address", "metric", "unit", "scale", "table"),
)  # fmt: skip


class LineHub(Hub):
    """A hub with the searches of a plugin; `gone`: the line that was added did not come up."""

    def __init__(self) -> None:
        super().__init__()
        self.finding: Finding = kit.finding(finder=FINDER, device=Unit)
        self.gone = False

    async def _answer(self, name: str, arguments: dict[str, Any]) -> Any:
        if name.startswith("find."):
            self.asked.append((name, arguments))
            return await self.finding.calls()[name](arguments)
        if name == "line.add":
            self.asked.append((name, arguments))
            if not arguments.get("dry_run") and not self.gone:
                kit.add_line(self.finding, arguments["options"])
            return {"name": "acme", "state": "under way", "diff": "--- a\n+++ b\n+  acme: {host: 10.0.0.9}\n"}
        return await super()._answer(name, arguments)


def made(pages: Pages, name: str) -> list[dict[str, Any]]:
    return [arguments for asked, arguments in pages.hub.asked if asked == name]


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, LineHub()) as pages:
        await pages.claimed()
        yield pages


async def searched(browser: Browser, **asked: str) -> str:
    status, text, headers = await browser.post("/add/line", "/add/line", **{"line": "plant", **asked})
    assert status == 303, text
    return str(headers["Location"])


async def test_a_technicien_searches_a_line_looks_at_a_device_and_adds_it(pages: Pages) -> None:
    browser = await pages.person("technicien")
    assert 'href="/add/line"' in (await browser.get("/add"))[1]
    text = (await browser.get("/add/line"))[1]
    assert "10.0.0.7" in text
    assert 'value="1-9"' in text
    there = await searched(browser, addresses="3-4")
    text = (await browser.get(there))[1]
    assert "&lt;Acme&gt; T" in text
    assert "Proposé car" in text
    text = (await browser.get(f"{there}/device?at=3&as=0"))[1]
    assert "20,5" in text
    assert "&lt;not&gt; fitted" in text
    assert made(pages, "device.add") == [], "nothing is saved by looking"
    status, _, headers = await browser.post(
        f"{there}/device", f"{there}/device?at=3&as=0", at="3", **{"as": "0"}, place="salle-1", name="Compteur"
    )
    assert (status, headers["Location"]) == (303, "/devices/lorawan%3AAA?said=device-added")
    (added,) = made(pages, "device.add")
    assert added["by"] == "web:p-technicien"
    assert added["wishes"] == [
        {
            "device": "acme:3", "place": "salle-1", "zone": "", "name": "Compteur", "model": "<Acme> T", "pack": "",
            "settings": {"unit": 3}, "integration": "plant",
        }
    ]  # fmt: skip
    assert made(pages, "line.add") == []


async def test_who_only_reads_neither_searches_nor_sees_what_was_found(pages: Pages) -> None:
    there = await searched(await pages.person("technicien"))
    browser = await pages.person("lecteur")
    for path in ("/add/line", there, f"{there}/device?at=3", f"{there}/table?at=3", "/api/1/lines"):
        assert (await browser.get(path))[0] == 403, path


async def test_a_new_line_is_written_only_with_a_device_and_shown_before(pages: Pages) -> None:
    browser = await pages.person("technicien")
    text = (await browser.get("/add/line?new=1"))[1]
    assert 'name="o.host"' in text
    there = await searched(browser, line="", type="acme", addresses="3", **{"o.host": "10.0.0.9"})
    text = (await browser.get(f"{there}/device?at=3&as=0"))[1]
    assert "acme: {host: 10.0.0.9}" in text
    assert all(one.get("dry_run") for one in made(pages, "line.add"))
    form = {"at": "3", "as": "0", "new_place": "cave", "zone": "rooms"}
    assert (await browser.post(f"{there}/device", f"{there}/device?at=3&as=0", **form))[0] == 303
    line = made(pages, "line.add")[-1]
    assert (line["type"], line["options"], line["bus"]) == ("acme", {"host": "10.0.0.9"}, {})
    assert line["by"] == "web:p-technicien"
    (wish,) = made(pages, "device.add")[0]["wishes"]
    assert (wish["integration"], wish["place"], wish["zone"]) == ("acme", "cave", "rooms")
    again = await browser.post(f"{there}/device", f"{there}/device?at=3&as=0", **form)
    assert again[0] == 303
    assert made(pages, "line.add")[-1] is line, "a line is added once"


async def test_a_device_without_a_place_is_not_added_and_no_line_is_left_behind(pages: Pages) -> None:
    browser = await pages.person("technicien")
    there = await searched(browser, line="", type="acme", addresses="3", **{"o.host": "10.0.0.9"})
    status, text, _ = await browser.post(f"{there}/device", f"{there}/device?at=3&as=0", at="3", name="Compteur")
    assert status == 422
    assert "Choisissez le lieu" in text
    assert 'value="Compteur"' in text
    assert made(pages, "device.add") == []
    assert all(one.get("dry_run") for one in made(pages, "line.add"))


async def test_a_table_is_read_and_added_without_scripts(pages: Pages) -> None:
    browser = await pages.person("technicien")
    there = await searched(browser)
    assert (await browser.get(f"{there}/device?at=4"))[2]["Location"] == f"{there}/table?at=4"
    rows = {
        "r0.address": "0x0A", "r0.metric": "power", "r0.unit": "kW", "r0.scale": "0,5",
        "r1.address": "4000", "r1.metric": "voltage", "r2.address": "5", "r2.metric": "power", "r2.unit": "kWh",
    }  # fmt: skip
    status, text, _ = await browser.post(f"{there}/table", f"{there}/table?at=4", at="4", do="read", **rows)
    assert status == 200
    said = re.findall(r"data-said>(.*?)</p>", text)
    assert said[0] == "<strong>5\u202f000\u202fW</strong>"
    assert "no such register" in said[1]
    assert "kWh" in said[2], "a power is not in kWh"
    del rows["r2.address"]
    status, _, _ = await browser.post(
        f"{there}/table", f"{there}/table?at=4", at="4", do="add", place="salle-2", **rows
    )
    assert status == 303
    (wish,) = made(pages, "device.add")[0]["wishes"]
    assert wish["settings"] == {
        "unit": 4,
        "rows": [
            {"address": 10, "metric": "power", "scale": 500.0},
            {"address": 4000, "metric": "voltage"},
        ],
    }


async def test_a_search_that_failed_or_is_forgotten_says_so(pages: Pages) -> None:
    browser = await pages.person("technicien")
    text = (await browser.get(await searched(browser, addresses="all")))[1]
    assert "the line is away" in text
    assert (await browser.get("/add/line/000000000000"))[0] == 404
    there = await searched(browser)
    assert (await browser.get(f"{there}/device?at=77"))[0] == 404
    assert (await browser.get(f"{there}/device?at=3&pack=nobody"))[0] == 404


async def test_a_read_only_hub_searches_and_reads_nothing(pages: Pages) -> None:
    browser = await pages.person("technicien")
    there = await searched(browser)
    pages.hub.read_only = True
    status, text, _ = await browser.post("/add/line", "/add/line", line="plant")
    assert status == 422
    assert "lecture seule" in text
    assert "lecture seule" in (await browser.get(f"{there}/device?at=3&as=0"))[1]
    assert made(pages, "find.read") == []


async def test_an_error_of_adding_stands_on_the_page_with_what_was_typed(pages: Pages) -> None:
    async def refuses(arguments: dict[str, Any]) -> Any:
        raise HubError(phrase("acme-taken", "this place is taken"))

    pages.hub.answers["device.add"] = refuses
    browser = await pages.person("technicien")
    there = await searched(browser)
    status, text, _ = await browser.post(f"{there}/device", f"{there}/device?at=3&as=0", at="3", place="salle-2")
    assert status == 422
    assert "this place is taken" in text
    assert '<option value="salle-2" selected>' in text
