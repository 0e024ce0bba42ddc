"""What the pages still do while the hub is read-only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.page_kit.request.routes import API, PAGE
from hub.web.words import word

from .web_kit import NAME, PASSWORD, Pages

pytestmark = pytest.mark.real("network")

OTHER = "une autre phrase bien longue"


async def test_pages_of_a_read_only_hub_change_no_account_token_or_picture(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        browser = await pages.claimed()
        pages.hub.read_only = True
        account = {"name": "intrus", "password": OTHER, "role": "administrateur"}
        status, text, _ = await browser.post("/accounts", "/accounts", **account)
        assert status == 422
        assert "lecture seule" in text
        assert (await browser.api("POST", "/accounts", account))[0] == 422
        assert (await browser.api("POST", "/tokens", {"name": "t", "role": "lecteur", "days": "3"}))[0] == 422
        status, said = await browser.api("POST", "/password", {"former": PASSWORD, "password": OTHER})
        assert (status, said["reason"]) == (422, "read-only")
        status, text, _ = await browser.upload(
            "/commissioning/plan", "/commissioning/plan", b"x", field="file", name="x"
        )
        assert (status, "lecture seule" in text) == (422, True)
        assert [one.name for one in pages.site.accounts.all()] == [NAME]
        assert pages.site.tokens.all() == []

        pages.hub.read_only = False  # the same requests are good ones
        assert (await browser.api("POST", "/accounts", account))[0] == 200
        assert (await browser.api("POST", "/tokens", {"name": "t", "role": "lecteur", "days": "3"}))[0] == 200


async def test_a_read_only_hub_lets_people_in_and_its_alerts_be_answered(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        pages.hub.read_only = True
        browser = pages.browser()
        assert (await browser.sign_in())[0] == 303
        await browser.api("POST", "/alerts/1/ack", {"note": "vu"})
        await browser.api("POST", "/commands/stop", {"why": "x"})
        asked = [name for name, _ in pages.hub.asked]
        assert "alert.ack" in asked
        assert "command.stop" in asked
        assert (await browser.post("/crisis/end", "/crisis", why="fin"))[0] == 303


async def test_whoever_reads_sees_every_page_of_a_read_only_hub(tmp_path: Path) -> None:
    """What only looks asks only calls that only look: the table of calls knows all of these."""
    async with Pages(tmp_path) as pages:
        browser = await pages.claimed()
        pages.hub.read_only = True
        table, parts = pages.site.table, {"step": "plan", "place": "salle-0", "zone": "rooms", "name": "dpia.md"}
        looked = 0
        for route in table.routes:
            if route.method != "GET" or route.kind not in (PAGE, API):
                continue
            path = re.sub(r"\{(\w+)\}", lambda found: parts.get(found[1], "1"), route.path)
            _, text, _ = await browser.ask("GET", path)
            assert word("hub-read-only", "fr") not in text, path
            looked += 1
        assert looked > 40


async def test_nobody_claims_a_read_only_hub_and_its_code_stays_good(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        pages.hub.read_only = False
        code, browser = await pages.code(), pages.browser()
        pages.hub.read_only = True
        status, text, _ = await browser.claim(code)
        assert (status, "lecture seule" in text) == (422, True)
        assert pages.site.accounts.all() == []
        pages.hub.read_only = False
        assert (await browser.claim(code))[0] == 303
