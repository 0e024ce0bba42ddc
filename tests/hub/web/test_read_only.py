"""What the pages still do while the hub is read-only."""

from __future__ import annotations

from pathlib import Path

from .web_kit import NAME, PASSWORD, Pages

OTHER = "une autre phrase bien longue"


async def test_pages_of_a_read_only_hub_change_nothing_that_they_write_themselves(tmp_path: Path) -> None:
    """Accounts, tokens and pictures pass by no call of the hub."""
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
        assert (await browser.upload("/commissioning/plan", "/commissioning", b"x", name="x"))[0] == 422
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
