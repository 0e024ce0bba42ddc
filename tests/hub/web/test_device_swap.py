"""Replacing and removing a device from its page: looked at first, confirmed once; what it replaced stays in sight."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import HubError
from hub.core.model import Device
from tests.hub.web.test_device_edit import ConfiguredHub
from tests.hub.web.web_kit import SHOWN, Pages

pytestmark = pytest.mark.real("network")

OLD, NEW = "lorawan:0000000000000001", "lorawan:0018b20000001234"
PAGE = "/devices/lorawan%3A0000000000000001"
SAID = "DevEUI 00 18 B2 00 00 00 12 34"


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        yield pages


def answers(pages: Pages, *, keyed: bool = True) -> list[dict[str, Any]]:
    """Let the hub replace as it does, and return what it is asked."""
    asked = list[dict[str, Any]]()

    async def replace(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        if arguments["new"] != SAID:
            raise HubError("no such label")
        return {"device": NEW, "place": "salle-1", "zone": "rooms", "replaced": OLD, "keyed": keyed}

    pages.hub.answers["device.replace"] = replace
    return asked


async def test_a_replacement_is_looked_at_before_it_is_made(pages: Pages) -> None:
    asked, browser = answers(pages), await pages.person("technicien")
    assert f'href="{PAGE}/replace"' in (await browser.get(PAGE))[1]
    status, text, _ = await browser.post(f"{PAGE}/replace", f"{PAGE}/replace", new=SAID, key="")
    assert status == 200
    assert f"</span>{OLD}</del>" in text
    assert f"</span>{NEW}</ins>" in text
    assert "est retir\u00e9" in text
    assert f'name="new" value="{SAID}"' in text, "its label may hold its key"
    assert [one["dry_run"] for one in asked] == [True]
    status, _, headers = await browser.post(f"{PAGE}/replace/now", f"{PAGE}/replace", new=SAID)
    assert (status, headers["Location"]) == (303, "/devices/lorawan%3A0018b20000001234?said=device-replaced")
    assert asked[-1] == {"old": OLD, "new": SAID, "key": "", "dry_run": False, "by": "web:p-technicien"}


async def test_a_refused_label_stays_to_be_mended_and_a_reader_may_not(pages: Pages) -> None:
    answers(pages)
    browser = await pages.person("technicien")
    status, text, _ = await browser.post(f"{PAGE}/replace", f"{PAGE}/replace", new="DevEUI 00 18", key="00 11")
    assert status == 422
    assert 'value="DevEUI 00 18"' in text
    reader = await pages.person("lecteur")
    for path in ("replace", "remove"):
        assert (await reader.get(f"{PAGE}/{path}"))[0] == 403
        assert f"{PAGE}/{path}" not in (await reader.get(PAGE))[1]


async def test_a_new_device_without_a_key_is_said_so_before_it_is_too_late(pages: Pages) -> None:
    answers(pages, keyed=False)
    pages.hub.devices[1] = Device(id=OLD, integration="lorawan", place="salle-1", key=bytes(16))
    pages.web._parts.devices.put(pages.hub.devices[1])
    browser = await pages.person("technicien")
    text = (await browser.post(f"{PAGE}/replace", f"{PAGE}/replace", new=SAID))[1]
    assert 'id="key-now"' in text
    text = (await browser.post(f"{PAGE}/replace", f"{PAGE}/replace", new=SAID, key="00 11"))[1]
    assert 'name="key" value="00 11"' in text


async def test_what_is_heard_of_the_same_kind_is_proposed_for_the_place(pages: Pages) -> None:
    heard = {"known": False, "model": "LHT65", "count": 3, "integration": "lorawan", "reason": "found"}
    pages.hub.waiting = [
        {**heard, "id": NEW, "last": 2.0}, {**heard, "id": "ble:1", "last": 3.0},
        {**heard, "id": "lorawan:2", "last": 4.0, "known": True},
    ]  # fmt: skip
    text = (await (await pages.person("technicien")).get(f"{PAGE}/replace"))[1]
    assert text.count('name="new" value="') == 1
    assert f'name="new" value="{NEW}"' in text


async def test_a_device_is_removed_after_a_question_and_one_of_the_file_is_not(tmp_path: Path, pages: Pages) -> None:
    browser = await pages.person("technicien")
    text = (await browser.get(f"{PAGE}/remove"))[1]
    assert f'action="{PAGE}/remove"' in text
    assert "device.remove" not in [name for name, _ in pages.hub.asked]
    status, _, headers = await browser.post(f"{PAGE}/remove", f"{PAGE}/remove")
    assert (status, headers["Location"]) == (303, "/devices?said=device-removed")
    assert [one["device"] for name, one in pages.hub.asked if name == "device.remove"] == [OLD]


async def test_what_the_configuration_names_is_removed_there_and_a_link_leads_there(tmp_path: Path) -> None:
    async with Pages(tmp_path, ConfiguredHub()) as pages:
        text = (await (await pages.claimed()).get(f"{PAGE}/remove"))[1]
        assert 'href="/configuration/form?at=devices%2Florawan%253A0000000000000001"' in text
        assert f'action="{PAGE}/remove"' not in text


async def test_the_page_of_the_new_device_shows_the_history_of_its_place_and_the_old_address_leads_there(
    pages: Pages,
) -> None:
    async def history(arguments: dict[str, Any]) -> Any:
        return SHOWN

    async def known(arguments: dict[str, Any]) -> Any:
        return {"series": [{"place": "salle-1", "metric": "temperature"}, {"place": "salle-2", "metric": "co2"}]}

    pages.hub.answers |= {"history": history, "history.list": known}
    pages.web._parts.devices.replace(OLD, NEW)
    new = pages.web._parts.devices.get(NEW)
    assert new is not None
    pages.hub.devices[1] = new
    await pages.store.audit(1_790_000_000.0, "web:anne", {"device": "replace", "old": OLD, "new": NEW})
    browser = await pages.person("technicien")
    status, _, headers = await browser.get(PAGE)
    assert (status, headers["Location"]) == (303, "/devices/lorawan%3A0018b20000001234?said=device-retired")
    text = (await browser.get("/devices/lorawan%3A0018b20000001234?said=device-retired"))[1]
    assert OLD in text
    assert "anne" in text
    assert 'id="t-history"' in text, "nothing was heard of it yet, and the place's chart is there"
    assert "co2" not in text.partition("<main")[2]
