"""Renaming a device and moving it, from its page: looked at first, made once, taken back from the same page."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import HubError
from hub.core.model import Device
from hub.core.text import phrase
from tests.hub.web.web_kit import Hub, Pages

ID = "lorawan:0000000000000001"
PAGE = "/devices/lorawan%3A0000000000000001"
EDIT = f"{PAGE}/edit"


class ConfiguredHub(Hub):
    """Its devices stand in the configuration."""

    def row(self, device: Device) -> dict[str, Any]:
        return {**super().row(device), "adopted": False}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        yield pages


def amended(pages: Pages) -> list[dict[str, Any]]:
    return [arguments for name, arguments in pages.hub.asked if name == "device.amend"]


async def test_a_change_is_looked_at_before_it_is_made_and_made_under_the_name_of_who_is_signed_in(
    pages: Pages,
) -> None:
    browser = await pages.person("technicien")
    assert f'href="{EDIT}"' in (await browser.get(PAGE))[1]
    text = (await browser.get(EDIT))[1]
    assert '<optgroup label="Salles"><option value="salle-0">' in text  # chosen, by zone
    assert '<option value="salle-1" selected>' in text
    status, text, _ = await browser.post(EDIT, EDIT, name="Préau", place="salle-2")
    assert status == 200
    assert "<del>" in text
    for old, new in (("Sonde 1", "Préau"), ("salle-1", "salle-2")):
        assert f"</span>{old}</del>" in text
        assert f"</span>{new}</ins>" in text
    assert [one["dry_run"] for one in amended(pages)] == [True]
    status, _, headers = await browser.post(
        f"{EDIT}/now", EDIT, name="Préau", place="salle-2", was_name="Sonde 1", was_place="salle-1"
    )
    assert (status, headers["Location"]) == (303, f"{PAGE}?said=device-amended")
    made = amended(pages)[-1]
    assert made == {
        "device": ID, "name": "Préau", "place": "salle-2", "dry_run": False, "by": "web:p-technicien",
    }  # fmt: skip


async def test_what_somebody_else_changed_meanwhile_is_not_overwritten(pages: Pages) -> None:
    browser = await pages.person("technicien")
    status, text, _ = await browser.post(
        f"{EDIT}/now", EDIT, name="Préau", place="salle-2", was_name="Sonde d'hier", was_place="salle-1"
    )
    assert (status, amended(pages)) == (422, [])
    assert "modifiée entre-temps" in text or "modifié entre-temps" in text


async def test_a_place_that_is_taken_is_refused_before_anything_and_what_was_typed_stays(pages: Pages) -> None:
    async def taken(arguments: dict[str, Any]) -> Any:
        raise HubError(phrase("no-such-place-known", "there is no place {place!r}", place="salle-9"))

    pages.hub.answers["device.amend"] = taken
    browser = await pages.person("technicien")
    status, text, _ = await browser.post(EDIT, EDIT, name="Préau", place="salle-2")
    assert status == 422
    assert "il n'y a pas d'emplacement" in html.unescape(text)
    assert 'name="name" maxlength="100" value="Préau"' in text
    assert '<option value="salle-2" selected>' in text
    assert "<del>" not in text


async def test_a_change_is_taken_back_from_the_same_page(pages: Pages) -> None:
    what = {"device": "amend", "id": ID, "name": "Sonde 1", "place": "salle-1", "former_name": "",
            "former_place": "salle-0"}  # fmt: skip
    await pages.store.audit(1_790_000_000.0, "web:anne", what)
    await pages.store.audit(1_790_000_001.0, "web:anne", {**what, "id": "lorawan:0000000000000002"})
    text = (await (await pages.person("technicien")).get(EDIT))[1]
    assert text.count("Annuler ce changement") == 1
    assert '<input type="hidden" name="name" value=""><input type="hidden" name="place" value="salle-0">' in text
    assert "anne" in text


async def test_a_device_of_the_configuration_is_changed_by_its_form_with_the_files_difference(tmp_path: Path) -> None:
    async with Pages(tmp_path, ConfiguredHub()) as pages:
        chief = await pages.claimed()
        text = (await chief.get(EDIT))[1]
        assert 'action="/configuration/form"' in text
        assert 'name="at" value="devices/lorawan%3A0000000000000001"' in text
        assert 'name="f.name"' in text
        assert 'name="f.place"' in text
        text = (await (await pages.person("technicien")).get(EDIT))[1]
        assert "un administrateur l'y modifie" in html.unescape(text)
        assert 'name="f.place"' not in text


async def test_who_may_only_read_is_not_led_there(pages: Pages) -> None:
    browser = await pages.person("lecteur")
    assert EDIT not in (await browser.get(PAGE))[1]
    assert (await browser.get(EDIT))[0] == 403
