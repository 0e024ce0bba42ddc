"""Renaming a device and moving it, from its page: looked at first, made once, taken back from the same page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hub.core.errors import HubError
from hub.core.model import Device
from hub.core.text import phrase
from hub.web.pictures import of_devices
from hub.web.pictures.of_devices import DevicePictures
from hub.web.pictures.table import PictureStore
from hub.web.refusals import Refused
from tests.hub.web.web_kit import Hub, Pages

pytestmark = pytest.mark.real("network")

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


async def test_a_device_is_moved_to_a_place_and_a_zone_that_are_made_with_the_change_and_not_before(
    pages: Pages,
) -> None:
    browser = await pages.person("technicien")
    form = {"name": "Sonde 1", "place": "salle-1", "new_place": "Grenier", "zone": "", "new_zone": "Combles"}
    status, text, _ = await browser.post(EDIT, EDIT, **form)
    assert status == 200
    assert "</span>Grenier</ins>" in text
    assert "Grenier est un nouvel emplacement, dans la zone Combles. La zone est nouvelle aussi." in text
    assert not [one for one in pages.hub.asked if one[0] == "zone.add"], "looking makes nothing"
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text.partition("edit/now")[2]))
    sent.pop("csrf")
    status, _, headers = await browser.post(f"{EDIT}/now", EDIT, **sent)
    assert (status, headers["Location"]) == (303, f"{PAGE}?said=device-amended")
    (zone,) = [arguments for name, arguments in pages.hub.asked if name == "zone.add"]
    assert (zone["id"], zone["name"], zone["site"], zone["by"]) == ("combles", "Combles", "school", "web:p-technicien")
    assert {**amended(pages)[-1], "by": ""} == {
        "device": ID, "name": "Sonde 1", "place": "Grenier", "zone": "combles", "dry_run": False, "by": "",
    }  # fmt: skip


async def test_a_place_that_is_called_as_a_known_one_is_that_one(pages: Pages) -> None:
    browser = await pages.person("technicien")
    await browser.post(EDIT, EDIT, name="Sonde 1", place="salle-1", new_place="SALLE 02", zone="", new_zone="")
    assert (amended(pages)[-1]["place"], "zone" in amended(pages)[-1]) == ("salle-2", False)
    status, text, _ = await browser.post(EDIT, EDIT, name="", place="salle-1", new_place="Cave", zone="", new_zone="")
    assert (status, "demande une zone" in text, 'value="Cave"' in text) == (422, True, True)


async def test_the_page_that_follows_a_change_takes_it_back_with_one_press(pages: Pages) -> None:
    browser = await pages.person("technicien")
    what = {"device": "amend", "id": ID, "name": "Sonde 1", "place": "salle-1", "former_name": "Préau",
            "former_place": "salle-0"}  # fmt: skip
    await pages.store.audit(1_790_000_000.0, "web:anne", what)
    text = (await browser.get(f"{PAGE}?said=device-amended"))[1]
    undo = text.partition('id="undo"')[2].partition("</section>")[0]
    assert "</span>Préau</del>" in undo
    assert "Annuler ce changement" in undo
    assert f'action="{EDIT}/now"' in undo
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', undo))
    sent.pop("csrf")
    status, _, headers = await browser.post(f"{EDIT}/now", PAGE, **{k: html.unescape(v) for k, v in sent.items()})
    assert (status, headers["Location"]) == (303, f"{PAGE}?said=device-amended")
    assert (amended(pages)[-1]["name"], amended(pages)[-1]["place"]) == ("Préau", "salle-0")
    assert 'id="undo"' not in (await (await pages.person("lecteur")).get(PAGE))[1]
    await pages.store.audit(1_790_000_001.0, "web:anne", {**what, "name": "Autre"})
    assert 'id="undo"' not in (await browser.get(PAGE))[1], "what holds no more is not taken back from there"


async def test_a_picture_is_kept_without_where_it_was_taken_shown_replaced_and_removed(pages: Pages) -> None:
    browser = await pages.person("technicien")
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Telephone"
    Image.new("RGB", (64, 48), "red").save(out, "jpeg", exif=exif)
    assert b"Telephone" in out.getvalue()
    for _ in range(2):  # the second takes the place of the first
        status, _, headers = await browser.upload(f"{PAGE}/picture", EDIT, out.getvalue(), field="file")
        assert (status, headers["Location"]) == (303, f"{PAGE}?said=device-picture")
    for path in (PAGE, EDIT):
        assert f'<img class="pictured" src="{PAGE}/picture?' in (await browser.get(path))[1]
    async with browser.session.get(f"{pages.url}{PAGE}/picture") as answer:
        kept = await answer.read()
        assert (answer.status, answer.content_type) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(kept)).size == (64, 48)
    assert b"Telephone" not in kept
    status, text, _ = await browser.upload(f"{PAGE}/picture", EDIT, b"<svg/>", field="file")
    assert (status, "ni un PNG ni un JPEG" in html.unescape(text)) == (422, True)
    reader = await pages.person("lecteur")
    async with reader.session.get(f"{pages.url}{PAGE}/picture") as answer:
        assert answer.status == 200
    assert (await reader.post(f"{PAGE}/picture/remove", "/account"))[0] == 403
    assert (await browser.post(f"{PAGE}/picture/remove", EDIT))[0] == 303
    assert (await browser.get(f"{PAGE}/picture"))[0] == 404
    deeds = [one.what for one in await pages.store.audited() if str(one.what.get("device")).startswith("picture")]
    assert [one["device"] for one in deeds] == ["picture", "picture", "picture-removed"]


async def test_pictures_of_devices_and_plans_share_one_bound(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = DevicePictures(pages.store, lambda: 1.0)
    out = io.BytesIO()
    Image.new("RGB", (64, 48)).save(out, "png")
    size = len(out.getvalue())
    monkeypatch.setattr(of_devices, "MAX_TOTAL_BYTES", 2 * size)
    await shelf.put("a", out.getvalue(), by="x")
    await PictureStore(pages.store, lambda: 1.0).add(out.getvalue(), "RDC", by="x")
    await shelf.put("a", out.getvalue(), by="x")  # in the place of its own
    with pytest.raises(Refused) as no:
        await shelf.put("b", out.getvalue(), by="x")
    assert no.value.key == "pictures-full"
    monkeypatch.setattr(of_devices, "MOST_BYTES", size - 1)
    with pytest.raises(Refused) as no:
        await shelf.put("a", out.getvalue(), by="x")
    assert no.value.key == "picture-large"
