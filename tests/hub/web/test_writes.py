"""Writes from the page of a device: what is asked, and the answer, with the form alone and as the script has it."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.core.model import Report, Writable
from hub.core.text import phrase
from tests.hub.web.web_kit import KNOWN, Browser, Hub, Pages

pytestmark = pytest.mark.real("network")

LAMP = "/devices/lorawan%3A0000000000000001"
ROLE = "technicien"


def a_hub() -> Hub:
    """The second device is a lamp that is on, with a lock and a setpoint."""
    hub = Hub()
    hub.devices[1] = msgspec.structs.replace(
        hub.devices[1],
        writable={
            "light": Writable(role=ROLE),
            "lock": Writable(role=ROLE),
            "setpoint": Writable(10, 25, ROLE),
            "blind_position": Writable(0, 100),
        },
    )
    lamp = hub.devices[1]
    hub.live = type(hub.live)()
    hub.slots = {one.id: hub.live.slot(one, (KNOWN["temperature"], KNOWN["light"])) for one in hub.devices}
    hub.slots[lamp.id].report = Report(device=lamp.id, values={"temperature": 21.0, "light": True})
    hub.slots[lamp.id].time = hub.slots[lamp.id].came = 1_790_000_000.0
    hub.command["device"] = lamp.id
    return hub


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, a_hub()) as pages:
        await pages.claimed()
        yield pages


def forms(text: str) -> dict[str, str]:
    """The forms of a page that write, by metric."""
    found = re.findall(r"<form [^>]*data-write=.*?</form>", text, re.DOTALL)
    return {re.findall(r'name="metric" value="(\w+)"', one)[0]: html.unescape(one) for one in found}


async def told(browser: Browser, path: str = LAMP) -> dict[str, str]:
    return forms((await browser.get(path))[1])


def sent(pages: Pages) -> list[dict[str, Any]]:
    return [arguments for name, arguments in pages.hub.asked if name == "command.set"]


async def test_a_lamp_is_a_switch_of_two_words_that_shows_how_it_stands_and_asks_for_no_reason(pages: Pages) -> None:
    browser = await pages.person(ROLE)
    lamp = (await told(browser))["light"]
    pair = re.findall(r'name="value" value="(\w+)" aria-pressed="(\w+)">([^<]+)<', lamp)
    assert pair == [("true", "true", "allumé"), ("false", "false", "éteint")]
    assert 'name="why"' not in lamp
    status, _, headers = await browser.post(f"{LAMP}/commands", LAMP, metric="light", value="false")
    assert (status, headers["Location"]) == (303, f"{LAMP}?said=write-done")
    assert (sent(pages)[0]["metric"], sent(pages)[0]["value"], sent(pages)[0]["why"]) == ("light", "false", "")
    assert "Fait<" in (await browser.get(f"{LAMP}?said=write-done"))[1]


async def test_a_lock_asks_for_a_reason_and_enter_in_it_does_not_unlock(pages: Pages) -> None:
    lock = (await told(await pages.person(ROLE)))["lock"]
    assert '<input id="why-2" name="why" required maxlength="200"' in lock
    assert re.findall(r"<button[^>]*>", lock)[0] == "<button disabled hidden>"  # a form's first button is Enter's
    assert 'aria-pressed="true"' not in lock  # nothing is known of it


async def test_a_number_is_a_field_with_its_bounds_and_unit_beside_it(pages: Pages) -> None:
    setpoint = (await told(await pages.person(ROLE)))["setpoint"]
    assert 'inputmode="decimal"' in setpoint
    assert "de 10 à 25 °C" in setpoint.replace("\u202f", " ")
    assert "Nouvelle valeur (°C)" in setpoint
    assert 'name="why"' not in setpoint


async def test_who_may_not_write_is_shown_no_control(pages: Pages) -> None:
    lamp = (await told(await pages.person("lecteur")))["light"]
    assert "<button" not in lamp
    blind = (await told(await pages.person(ROLE)))["blind_position"]
    assert "<button" not in blind  # an administrateur's
    assert "rôle administrateur au moins" in blind


@pytest.mark.parametrize(
    ("state", "detail", "french"),
    [
        ("done", "", "Fait"),
        ("sent", "", "Envoyé : l'appareil n'a pas encore répondu"),
        ("failed", phrase("command-cut-by-restart", "the hub stopped before the device answered: look at the device"),
         "Échec : "),
        ("expired", phrase("command-waited-too-long", "it waited too long to be sent"),
         "Abandonné, trop tard : elle a attendu trop longtemps pour partir"),
    ],
)  # fmt: skip
async def test_the_script_is_answered_in_the_readers_language_what_came_of_a_write(
    pages: Pages, state: str, detail: str, french: str
) -> None:
    pages.hub.command.update(state=state, detail=detail)
    browser = await pages.person(ROLE)
    status, answer = await browser.api("POST", f"{LAMP}/commands", {"metric": "light", "value": "false"})
    assert (status, answer["state"]) == (200, state)
    assert answer["said"].replace("\u00a0", " ").startswith(french)
    status, text, _ = await browser.get(f"/api/1{LAMP}/commands/c1")
    assert (status, msgspec.json.decode(text)["said"]) == (200, answer["said"])


async def test_the_script_is_refused_in_the_readers_language(pages: Pages) -> None:
    browser = await pages.person(ROLE)
    status, answer = await browser.api("POST", f"{LAMP}/commands", {"metric": "setpoint", "value": "99"})
    assert (status, answer["reason"]) == (422, "out-of-bounds")
    assert answer["error"].startswith("«\u00a0Consigne\u00a0»")  # by its name, not by its key
    assert "99 est en dehors" in answer["error"]
    await browser.get("/?lang=en")
    _, answer = await browser.api("POST", f"{LAMP}/commands", {"metric": "setpoint", "value": "99"})
    assert answer["error"] == "'Set point' must be from 10 to 25 °C, not 99"


async def test_without_the_script_a_command_that_came_to_nothing_is_said_on_the_page_itself(pages: Pages) -> None:
    waited = phrase("command-waited-too-long", "it waited too long to be sent")
    pages.hub.command.update(state="expired", detail=waited)
    status, text, _ = await (await pages.person(ROLE)).post(f"{LAMP}/commands", LAMP, metric="light", value="false")
    assert status == 422
    assert "elle a attendu trop longtemps pour partir" in text
    assert "light" in forms(text)


async def test_a_command_is_shown_at_its_own_device_alone(pages: Pages) -> None:
    browser = await pages.person(ROLE)
    assert (await browser.get("/api/1/devices/lorawan%3A0000000000000000/commands/c1"))[0] == 404
