"""Areas of the pages beside the first ones: packs, diagnostics, radio, what is said of the pages themselves."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from hub.config.parts.web import Web as Options
from hub.core.errors import HubError
from hub.devices.packs.archive import MAX_ARCHIVE_BYTES
from hub.page_kit import server as server_module

from .web_kit import Pages


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        yield pages


@pytest.mark.real("network")
async def test_a_file_reaches_the_hub_whole_with_who_sent_it(pages: Pages) -> None:
    browser, data = await pages.claimed(), bytes(range(256)) * 800
    status, _, headers = await browser.upload("/packs", "/packs", data)
    assert (status, headers["Location"]) == (303, "/packs?said=pack-installed")
    ((name, asked),) = [one for one in pages.hub.asked if one[0] == "pack.install"]
    assert base64.b64decode(asked["archive"]) == data
    assert (name, asked["by"]) == ("pack.install", "web:camille")


@pytest.mark.real("network")
async def test_a_file_that_is_too_large_or_comes_where_none_is_wanted_is_refused(pages: Pages) -> None:
    browser = await pages.claimed()
    assert (await browser.upload("/packs", "/packs", bytes(MAX_ARCHIVE_BYTES + 200_000)))[0] == 413
    assert (await browser.upload("/commands/stop", "/commands", bytes(200_000)))[0] == 413
    headers = {"Origin": pages.url, "Content-Type": "multipart/form-data; boundary=b"}
    for broken in (b"--b", b"--b\r\n\r\nx", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--", b"\xff" * 900):
        assert (await browser.ask("POST", "/packs", data=io.BytesIO(broken), headers=headers))[0] in (400, 403)
    assert not [one for one in pages.hub.asked if one[0] == "pack.install"]


@pytest.mark.real("network")
async def test_a_file_without_the_forms_token_or_of_somebody_who_may_only_read_does_nothing(pages: Pages) -> None:
    await pages.claimed()
    reader, worker = await pages.person("lecteur"), await pages.person("technicien")
    assert (await reader.upload("/packs", "/account", b"x"))[0] == 403
    assert (await worker.upload("/packs", "/packs", b"x", csrf="other"))[0] == 403
    assert (await worker.upload("/packs", "/packs", b""))[0] == 422
    assert not [one for one in pages.hub.asked if one[0] == "pack.install"]


@pytest.mark.real("network")
async def test_the_log_is_shown_to_who_helps_and_what_it_says_is_text(pages: Pages) -> None:
    await pages.claimed()
    text = (await (await pages.person("technicien")).get("/diagnostics"))[1]
    assert '<q lang="en">&lt;b&gt;away' in text, "a library's own words are marked"
    assert "le certificat est daté en avance" in text
    assert (await (await pages.person("lecteur")).get("/diagnostics"))[0] == 403
    assert (await (await pages.person("lecteur")).get("/api/1/diagnostics.zip"))[0] == 403


@pytest.mark.real("network")
async def test_the_archive_is_a_zip_and_taking_it_is_audited(pages: Pages) -> None:
    browser = await pages.claimed()
    async with browser.session.get(pages.url + "/api/1/diagnostics.zip") as answer:
        assert zipfile.is_zipfile(io.BytesIO(await answer.read()))
    assert any(entry.what == {"web": "diagnostics taken"} for entry in await pages.store.audited())


@pytest.mark.real("network")
async def test_whom_to_tell_of_a_vulnerability_is_said_where_the_configuration_says_it(tmp_path: Path) -> None:
    async with Pages(tmp_path) as silent:
        assert (await silent.browser().get("/.well-known/security.txt"))[0] == 404
    options = Options(address="127.0.0.1", port=0, contact="mailto:securite@ville.example.org")
    async with Pages(tmp_path, options=options) as pages:
        status, text, _ = await pages.browser().get("/.well-known/security.txt")
        assert (status, text.splitlines()[0]) == (200, "Contact: mailto:securite@ville.example.org")
        assert text.splitlines()[1].startswith("Expires: 20")
        page = (await pages.browser().get("/accessibility"))[1]
        assert "mailto:securite@ville.example.org" in page
        assert "aiohttp" not in page  # versions are for who is signed in


@pytest.mark.parametrize("contact", ["securite@ville.example.org", "javascript:alert(1)", "https://x y"])
def test_a_contact_that_is_no_address_is_refused(contact: str) -> None:
    with pytest.raises(ValueError, match="expected an address like"):
        Options(contact=contact)


@pytest.mark.real("network")
async def test_radio_is_told_in_words_and_devices_to_be_moved_come_first(pages: Pages) -> None:
    browser = await pages.claimed()
    text = (await browser.get("/radio?lang=fr"))[1]
    assert "Marge suffisante\u00a0: 1 · à déplacer\u00a0: 0 · pas encore jugés\u00a0: 1" in text
    assert "868.0-868.6" in text
    assert (await browser.api("GET", "/radio"))[0] == 200


@pytest.mark.real("network")
async def test_the_link_says_what_was_acknowledged_and_by_which_way_it_goes(pages: Pages) -> None:
    text = (await (await pages.claimed()).get("/link?lang=en"))[1]
    assert "https" in text
    assert re.search(r">12<", text)


@pytest.mark.real("network")
async def test_a_technicien_restarts_one_plugin_and_reads_its_last_lines_and_a_lecteur_does_neither(
    pages: Pages,
) -> None:
    await pages.claimed()
    worker, reader = await pages.person("technicien"), await pages.person("lecteur")
    assert "&lt;b&gt;away" in (await worker.get("/integrations"))[1]
    status, _, headers = await worker.post("/integrations/lorawan/restart", "/integrations", kind="integration")
    assert (status, headers["Location"]) == (303, "/integrations?said=plugin-restarted")
    asked = [one for name, one in pages.hub.asked if name == "plugin.restart"]
    assert asked == [{"name": "lorawan", "kind": "integration", "dry_run": False, "by": "web:p-technicien"}]
    text = (await reader.get("/integrations"))[1]
    assert "&gt;away" not in text
    assert "/restart" not in text
    assert (await reader.api("POST", "/integrations/lorawan/restart", {"kind": "integration"}))[0] == 403


@pytest.mark.real("network")
async def test_the_raw_readings_of_a_series_are_a_table_that_is_sent_page_by_page(pages: Pages) -> None:
    browser = await pages.claimed()
    asked = "series=salle-0/temperature&from=60"
    status, french, headers = await browser.get(f"/api/1/history/raw.csv?{asked}&lang=fr")
    assert status == 200
    assert "attachment" in headers["Content-Disposition"]
    lines = french.removeprefix("\ufeff").split("\r\n")
    assert lines[:3] == [
        "Date et heure;Secondes Unix;Cel",
        "1970-01-01 01:01:00;60;20,5",
        "1970-01-01 01:02:00;120;-1,25",
    ]
    assert len(lines) == 1 + 2 * 6 + 1  # it asked on while there was a next page
    assert french.count("\ufeff") == 1
    english = (await browser.get(f"/api/1/history/raw.csv?{asked}&lang=en"))[1]
    assert english.startswith("Time,Unix seconds,Cel\r\n1970-01-01 01:01:00,60,20.5\r\n")
    status, text, _ = await browser.get(f"/api/1/history/raw?{asked}&limit=7")
    assert (status, json.loads(text)["next"]) == (200, 180)
    assert pages.hub.asked[-1] == ("history.raw", {"series": "salle-0/temperature", "from": "60", "limit": "7"})


@pytest.mark.real("network")
async def test_a_table_that_cannot_be_read_to_its_end_does_not_look_whole(pages: Pages) -> None:
    browser = await pages.claimed()
    whole = pages.hub.answers

    async def half(arguments: dict[str, Any]) -> Any:
        if int(arguments["from"]) > 60:
            raise HubError("the disk refuses")
        return {"timezone": "UTC", "unit": "Cel", "metric": "temperature", "readings": [[60, 1.0]], "next": 61}

    whole["history.raw"] = half
    with pytest.raises(aiohttp.ClientError):
        await browser.get("/api/1/history/raw.csv?series=a/b&from=60")
    status, text, _ = await browser.get("/api/1/history/raw.csv?series=a/b&from=99")
    assert (status, json.loads(text)["error"]) == (422, "the disk refuses")


@pytest.mark.real("network")
async def test_a_long_table_is_sent_whole_and_ends_with_the_session_of_who_asked(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pages.claimed()
    reader, begun, go = await pages.person("lecteur"), asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(server_module, "ANSWER_S", 0.2)

    async def slowly(arguments: dict[str, Any]) -> Any:
        at = int(arguments["from"])
        if at == 61:
            begun.set()
            await go.wait()
        after = at + 1 if at < 64 else None
        return {"timezone": "UTC", "unit": "Cel", "metric": "temperature", "readings": [[at, 1.0]], "next": after}

    pages.hub.answers["history.raw"] = slowly
    asking = asyncio.ensure_future(reader.get("/api/1/history/raw.csv?series=a/b&from=60&lang=en"))
    await begun.wait()
    await asyncio.sleep(0.5)
    go.set()
    status, text, _ = await asyncio.wait_for(asking, 60)
    assert (status, text.count("\r\n")) == (200, 6)
    begun.clear()
    go.clear()
    asking = asyncio.ensure_future(reader.get("/api/1/history/raw.csv?series=a/b&from=60&lang=en"))
    await begun.wait()
    pages.site.sessions.end_all("p-lecteur")
    go.set()
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(asking, 60)


@pytest.mark.real("network")
async def test_the_page_of_a_device_shows_one_day_and_gives_its_readings(pages: Pages) -> None:
    browser = await pages.claimed()
    device = quote(pages.hub.devices[0].id, safe="")
    pages.hub.hear(0, 21.5)
    _, text, _ = await browser.get(f"/devices/{device}?day=2026-10-25&span=7d")
    ((_, asked),) = [one for one in pages.hub.asked if one[0] == "history"]
    assert asked["to"] - asked["from"] == 25 * 3600, "the day on which the clocks change"
    assert 'type="date" value="2026-10-25"' in text
    assert "/api/1/history/raw.csv?device=" in text
    assert "Relevés bruts à partir du" in text
    for day in ("2026-02-30", "tomorrow", "9999-12-31", "0001-01-01", "2999-01-01"):
        status, text, _ = await browser.get(f"/devices/{device}?day={day}")
        assert status == 200
        assert 'type="date" value=""' in text


# -- support and factory reset ----------------------------------------------------------------------------------------


@pytest.mark.real("network")
async def test_the_file_for_support_comes_from_the_devices_page_and_personal_bytes_only_by_an_administrateur(
    pages: Pages,
) -> None:
    browser, worker = await pages.claimed(), await pages.person("technicien")
    path = f"/devices/{quote(pages.hub.devices[0].id, safe='')}"
    assert f'href="{path}/support"' in (await worker.get(path))[1]
    assert "personal" not in (await worker.get(f"{path}/support"))[1]
    status, text, headers = await worker.post(f"{path}/support", f"{path}/support")
    assert (status, json.loads(text)) == (200, {"part": "support"})
    assert headers["Content-Disposition"].startswith('attachment; filename="ilot-support-')
    assert (await worker.post(f"{path}/support", f"{path}/support", personal="1", why="x"))[0] == 403
    await browser.post(f"{path}/support", f"{path}/support", personal="1", why="the maker asks")
    asked = [arguments for name, arguments in pages.hub.asked if name == "support"]
    assert [(one["personal"], one["why"]) for one in asked] == [(False, ""), (True, "the maker asks")]
    assert (await worker.post(f"{path}/support/log", f"{path}/support"))[0] == 303
    assert ("support.raise", False) in [(name, one.get("end")) for name, one in pages.hub.asked]
    assert (await (await pages.person("lecteur")).get(f"{path}/support"))[0] == 403


@pytest.mark.real("network")
async def test_a_factory_reset_wants_the_password_once_more_and_shows_the_code(pages: Pages) -> None:
    browser = await pages.claimed()
    assert "hub-test" in (await browser.get("/factory-reset"))[1]
    fields = {"hub": "hub-test", "password": "a password", "why": "sold"}
    status, text, _ = await browser.post("/factory-reset", "/factory-reset", **fields)
    assert (status, "ABCD-EFGH" in text) == (200, True)
    ((_, asked),) = [one for one in pages.hub.asked if one[0] == "factory.reset.page"]
    assert {name: asked[name] for name in ("name", "password", "hub", "why", "by")} == {
        "name": "camille", "password": "a password", "hub": "hub-test", "why": "sold", "by": "web:camille",
    }  # fmt: skip
    assert (await (await pages.person("technicien")).get("/factory-reset"))[0] == 403


@pytest.mark.real("network")
async def test_the_page_of_integrations_says_who_ships_each_where_it_runs_and_what_it_may(pages: Pages) -> None:
    browser = await pages.claimed()
    cards = (await browser.get("/integrations?lang=en"))[1].split('<li class="card">')[1:]
    acme, leftover, lorawan = cards
    for said in ("ilot-acme 1.0", "Acme SAS", "psirt@acme.test", "process of its own", "calls hosts", "20"):
        assert said in acme
    assert "unprotected" not in acme + lorawan
    assert "unprotected" in leftover
    assert "It held the whole hub 1 time, 3" in leftover
    assert "in the hub&#39;s own process" in lorawan
