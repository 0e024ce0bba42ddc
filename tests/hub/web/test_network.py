"""The page of the network: who may see and change it, what reaches the hub, and where secrets are not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.network.settings import wifi_text

from .test_enrolment import Owner
from .web_kit import Pages

pytestmark = pytest.mark.real("network")

KEY, PIN = "sept huit neuf", "4711"
POINT = {
    "possible": True,
    "name": "Ilot-ab12",
    "on": False,
    "left_s": None,
    "error": "",
    "url": "https://10.42.0.1:8443/",
}


def interface(name: str, kind: str, **others: Any) -> dict[str, Any]:
    return {
        "interface": name, "kind": kind, "state": "connected", "mac": "02:00:00:00:00:01",
        "addresses": ["192.0.2.10/24"], "gateways": ["192.0.2.1"], "dns": ["192.0.2.53"], "profile": "x",
        "ipv4": "auto", "ipv6": "auto", "default_route": True, "ssid": "", **others,
    }  # fmt: skip


SHOWN: dict[str, Any] = {
    "error": "", "version": "1.52.1", "pending": None, "last": {}, "modem_error": "", "time_error": "",
    "forwarding": [],
    "interfaces": [interface("eth0", "ethernet"), interface("wlan0", "wifi", ssid="<b>Mairie</b>", signal=71)],
    "modems": [{"interface": "cdc-wdm0", "model": "E1750", "state": "locked", "lock": "pin", "tries": 3, "operator": "",
                "signal": 70, "has_sim": True}],
    "time": {"servers": [], "others": [], "server": "ntp.example.org", "synchronised": True},
    "wanted_time_servers": ["ntp.ville.example.org"], "access_point": POINT,
}  # fmt: skip


class Machine:
    """What the hub answers; `shown` may be changed, `refuses` is what a change is refused with."""

    def __init__(self) -> None:
        self.shown = dict(SHOWN)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuses = ""

    def calls(self) -> dict[str, Any]:
        def called(name: str) -> Any:
            async def call(arguments: dict[str, Any]) -> Any:
                self.asked.append((name, arguments))
                if self.refuses and name not in ("network.show", "network.key"):
                    raise HubError(self.refuses)
                return {
                    "network.show": self.shown,
                    "network.scan": {"interface": "wlan0", "points": [
                        {"ssid": "École", "signal": 60, "security": "wpa2", "mhz": 2412},
                        {"ssid": "Parc", "signal": 20, "security": "open", "mhz": 2412}]},
                    "network.key": {"name": "Ilot-ab12", "key": KEY, "code": wifi_text("Ilot-ab12", KEY),
                                    "url": POINT["url"]},
                }.get(name, {"id": "/c/1", "interface": "eth0", "confirm_s": 120, "url": ""})  # fmt: skip

            return call

        names = ("show", "scan", "set", "confirm", "revert", "modem", "time", "access-point", "key")
        return {f"network.{name}": called(f"network.{name}") for name in names}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        machine = Machine()
        pages.site.calls = {**pages.site.calls, **machine.calls()}
        pages.machine = machine  # type: ignore[attr-defined]
        yield pages


def machine_of(pages: Pages) -> Machine:
    return pages.machine  # type: ignore[attr-defined, no-any-return]


async def test_the_page_shows_the_machine_and_nothing_of_it_is_markup(pages: Pages) -> None:
    browser = await pages.claimed()
    status, body, _ = await browser.get("/network?scan=wlan0")
    assert status == 200
    for said in ("192.0.2.10/24", "&lt;b&gt;Mairie&lt;/b&gt;", "E1750", "ntp.ville.example.org", "École", "Ilot-ab12"):
        assert said in body
    assert "<b>Mairie" not in body
    assert KEY not in body


async def test_who_may_not_change_it_has_no_form_and_is_refused(pages: Pages) -> None:
    await pages.claimed()
    forms = ("set", "modem", "confirm", "revert", "time", "access-point", "key")
    for role, sees in (("technicien", 200), ("auditeur", 200), ("lecteur", 403)):
        person = await pages.person(role)
        status, body, _ = await person.get("/network")
        assert status == sees
        assert "/network/set" not in body
        for form in forms:
            assert (await person.post(f"/network/{form}", "/account", interface="eth0"))[0] == 403
    assert {name for name, _ in machine_of(pages).asked} == {"network.show"}


async def test_a_form_reaches_the_hub_with_its_author_and_no_more_than_its_fields(pages: Pages) -> None:
    browser = await pages.claimed()
    fields = {"interface": "wlan0", "ssid": "École", "key": KEY, "hidden": "yes", "ipv4": "auto", "ipv6": "off"}
    status, _, headers = await browser.post("/network/set", "/network", **fields, role="administrateur")
    assert (status, headers["Location"]) == (303, "/network")
    name, asked = machine_of(pages).asked[-1]
    assert (name, asked) == ("network.set", {**fields, "by": "web:camille"})
    await browser.post("/network/modem", "/network", interface="cdc-wdm0", apn="m2m", pin=PIN)
    assert machine_of(pages).asked[-1] == (
        "network.modem", {"interface": "cdc-wdm0", "apn": "m2m", "pin": PIN, "by": "web:camille"},
    )  # fmt: skip


async def test_a_refusal_is_said_in_french_and_what_was_typed_stays_but_for_secrets(pages: Pages) -> None:
    browser = await pages.claimed()
    machine_of(pages).refuses = phrase(
        "network-gateway-far",
        "the gateway {gateway} must be another machine in {network}",
        gateway="192.0.3.1",
        network="192.0.2.0/24",
    )
    status, body, _ = await browser.post(
        "/network/set", "/network", interface="wlan0", ipv4="manual", address="192.0.2.7/24", gateway="192.0.3.1",
        ssid="École", key=KEY,
    )  # fmt: skip
    assert status == 422
    assert "doit être une autre machine" in body
    assert 'value="192.0.2.7/24"' in body
    assert KEY not in body
    status, body, _ = await browser.post("/network/modem", "/network", interface="cdc-wdm0", apn="m2m", pin=PIN)
    assert status == 422
    assert 'value="m2m"' in body
    assert PIN not in body


async def test_a_change_that_waits_is_counted_down_and_confirmed_by_its_id_alone(pages: Pages) -> None:
    browser = await pages.claimed()
    url = "https://192.0.2.99:8443/network"
    machine_of(pages).shown["pending"] = {"id": "/c/1", "left_s": 97.4, "interfaces": ["eth0"], "url": url}
    _, body, _ = await browser.get("/network")
    assert 'data-left="97"' in body
    assert f'href="{url}"' in body
    assert 'http-equiv="refresh"' in body  # where there is no script
    assert "/network/set" not in body
    status, _, headers = await browser.post("/network/confirm", "/network", id="/c/1")
    assert (status, headers["Location"]) == (303, "/network?said=network-confirmed")
    assert machine_of(pages).asked[-1] == ("network.confirm", {"id": "/c/1", "by": "web:camille"})


async def test_the_key_of_the_access_point_is_on_one_answer_that_nobody_keeps(pages: Pages) -> None:
    browser = await pages.claimed()
    status, body, headers = await browser.post("/network/key", "/network")
    assert status == 200
    assert KEY in body
    assert "data:image/svg+xml" in body
    assert headers["Cache-Control"] == "no-store"
    assert KEY not in (await browser.get("/network"))[1]


async def test_a_machine_without_networkmanager_and_one_that_forwards_are_told_plainly(pages: Pages) -> None:
    browser, shown = await pages.claimed(), machine_of(pages).shown
    away = phrase(
        "network-service-away",
        "{service} does not run on this machine: its settings are changed by other means here",
        service="NetworkManager",
    )
    shown.update(error=away, interfaces=[], modems=[], modem_error=away, time={}, time_error=away)
    shown["forwarding"] = ["net.ipv4.ip_forward"]
    shown["access_point"] = {**POINT, "possible": False}
    status, body, _ = await browser.get("/network")
    assert status == 200
    assert "NetworkManager ne fonctionne pas sur cette machine" in re.sub(r"\s", " ", body)
    assert "net.ipv4.ip_forward" in body
    assert "<form method" not in body.partition("<main")[2]


async def test_a_token_may_read_the_network_and_not_change_it(pages: Pages) -> None:
    browser = await pages.claimed()
    status, body, _ = await browser.post("/tokens", "/tokens", name="script", role="administrateur", days="1")
    found = re.search(r"data-token>([^<]+)<", body)
    assert found is not None
    headers = {"Authorization": f"Bearer {found[1]}", "Content-Type": "application/json"}
    stranger = pages.browser()
    assert (await stranger.ask("GET", "/api/1/network", headers=headers))[0] == 200
    for path in ("interface", "confirm", "modem", "time", "access-point", "access-point/key"):
        status, _, _ = await stranger.ask("POST", f"/api/1/network/{path}", data=b"{}", headers=headers)
        assert status == 403


async def test_a_hub_that_is_not_enrolled_has_the_page_too_and_its_first_page_leads_there(tmp_path: Path) -> None:
    async with Pages(tmp_path, enrolled=False) as pages:
        machine = Machine()
        Owner(pages)
        pages.site.calls = {**pages.site.calls, **machine.calls()}
        browser = await pages.claimed()
        assert 'href="/network"' in (await browser.get("/enrolment"))[1]
        status, body, _ = await browser.get("/network")
        assert status == 200
        assert "192.0.2.10/24" in body
        assert "/configuration" not in body
        assert (await browser.post("/network/set", "/network", interface="eth0"))[0] == 303
