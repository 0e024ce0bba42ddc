"""The pages of commissioning: every step reads, uploads are bounded, and forms reach the hub's calls."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import segno
from PIL import Image

from hub.core.errors import HubError
from hub.onboarding import qr_photos
from hub.web.pictures import table as shelf
from hub.web.roles import AMENDS, RULES

from .web_kit import Browser, Hub, Pages, expected

pytestmark = pytest.mark.real("network, processes")

STEPS = ("site", "zones", "plan", "cards", "inventory", "scan", "report")


def picture(kind: str = "PNG", side: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), "white").save(out, kind)
    return out.getvalue()


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    hub = Hub()
    hub.rows = [expected(1, "green"), expected(2, "red", "bad-mic", "key"), expected(3, "grey", "no-key", "inventory")]
    hub.rows[2]["state"] = "unknown"
    async with Pages(tmp_path, hub) as made:
        yield made


async def upload(
    browser: Browser, path: str, page: str, data: bytes, /, name: str = "file", **fields: str
) -> tuple[int, str, Any]:
    form = aiohttp.FormData()
    for field, text in {"csrf": await browser.token(page), **fields}.items():
        form.add_field(field, text)
    form.add_field(name, io.BytesIO(data), filename="x", content_type="application/octet-stream")
    return await browser.ask("POST", path, data=form, headers={"Origin": browser.pages.url})


async def send(browser: Browser, path: str, page: str, data: bytes, fields: dict[str, str]) -> tuple[int, str, Any]:
    """The same with fields of any name."""
    form = aiohttp.FormData()
    for field, text in {"csrf": await browser.token(page), **fields}.items():
        form.add_field(field, text)
    form.add_field("file", io.BytesIO(data), filename="x", content_type="image/jpeg")
    return await browser.ask("POST", path, data=form, headers={"Origin": browser.pages.url})


def calls(pages: Pages, name: str) -> list[dict[str, Any]]:
    return [arguments for asked, arguments in pages.hub.asked if asked == name]


async def test_every_step_reads_and_shows_the_counter_and_the_first_page_leads_to_what_is_undone(pages: Pages) -> None:
    await pages.claimed()
    for role in ("lecteur", "technicien"):
        browser = await pages.person(role)
        for step in STEPS:
            status, text, _ = await browser.get(f"/commissioning/{step}")
            assert status == 200, step
            assert "1/3 remontent" in text
            assert ("<form" in text.partition("<main")[2]) == (role == "technicien"), (role, step)
    text = (await browser.get("/commissioning"))[1]
    assert 'href="/commissioning/zones"' in text
    assert (await browser.get("/commissioning/nowhere"))[0] == 404


async def test_each_row_offers_what_its_remedy_asks_for(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    assert (await browser.post("/commissioning/rows/2/key", "/commissioning/scan", key="00 11"))[0] == 303
    (given,) = calls(pages, "device.key")
    assert (given["key"], given["by"]) == ("0011", "web:p-technicien")
    assert (await browser.post("/commissioning/rows/3/key", "/commissioning/scan", key="00 11"))[0] == 303
    assert calls(pages, "roster.scan")[-1]["key"] == "00 11"
    assert (await browser.post("/commissioning/rows/9/key", "/commissioning/scan", key="00"))[0] == 404
    assert (await browser.post("/commissioning/rows/2/replace", "/commissioning/scan", label="AA", key=""))[0] == 303
    assert calls(pages, "roster.replace")[-1] == {"n": "2", "label": "AA", "by": "web:p-technicien"}
    reader = await pages.person("lecteur")
    for path in ("scan", "plan", "inventory", "rows/2/replace", "rows/2/forget", "end", "step"):
        token = await reader.token("/account")
        headers = {"Origin": pages.url}
        status, _, _ = await reader.ask("POST", f"/commissioning/{path}", data={"csrf": token}, headers=headers)
        assert status == 403, path


async def test_a_plan_is_cleaned_kept_encrypted_and_shown_and_anything_else_is_refused(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    at = "/commissioning/plan"
    status, _, _ = await upload(browser, at, at, picture("JPEG") + b"behind it", name="file")
    assert status == 303
    text = (await browser.get(at))[1]
    number = text.partition('src="/plans/')[2].partition('"')[0]
    async with browser.session.get(f"{pages.url}/plans/{number}") as answer:
        data = await answer.read()
        assert (answer.content_type, answer.headers["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    assert Image.open(io.BytesIO(data)).size == (64, 64)
    assert b"behind it" not in data
    assert data[:40] not in (pages.path / "store.db").read_bytes()
    for wrong in (b"<svg/>", picture()[:40], picture(side=8)):
        assert (await upload(browser, at, at, wrong))[0] == 422
    assert (await upload(browser, at, at, bytes(5 << 20)))[0] in (413, 422)
    assert (await browser.post("/commissioning/pin", at, place="salle-1", plan=number, x="12,5", y="50"))[0] == 303
    pin = calls(pages, "roster.pin")[0]
    assert (pin["x"], pin["y"]) == (0.125, 0.5)
    assert (await browser.post("/commissioning/plan/remove", at, id=number))[0] == 303
    assert (await browser.get(f"/plans/{number}"))[0] == 404
    whole = [one.what for one in await pages.store.audited()]
    assert [one["plan"] for one in whole if "plan" in one] == ["added", "removed"]


async def test_a_program_adds_lists_and_removes_pictures_as_the_pages_do(pages: Pages) -> None:
    await pages.claimed()
    browser, reader = await pages.person("technicien"), await pages.person("lecteur")

    async def send_to_api(who: Browser, **fields: str) -> tuple[int, Any]:
        form = aiohttp.FormData(fields)
        form.add_field("file", io.BytesIO(picture()), filename="x", content_type="image/png")
        csrf = (await who.api("GET", "/session"))[1]["csrf"]
        status, text, _ = await who.ask(
            "POST", "/api/1/pictures", data=form, headers={"Origin": pages.url, "X-CSRF": csrf}
        )
        return status, json.loads(text)

    assert (await send_to_api(reader, name="Hall"))[0] == 403
    assert (await send_to_api(browser, name="Hall", site="nowhere"))[0] == 422
    (_, plan), (_, photo) = (
        await send_to_api(browser, name="RDC"),
        await send_to_api(browser, name="Hall", site="school"),
    )
    listed = json.loads((await reader.get("/api/1/pictures"))[1])["pictures"]
    assert [(one["id"], one["site"], one["name"]) for one in listed] == [
        (plan["id"], "", "RDC"),
        (photo["id"], "school", "Hall"),
    ]
    assert (await browser.api("DELETE", f"/pictures/{plan['id']}"))[0] == 200
    assert (await reader.api("DELETE", f"/pictures/{photo['id']}"))[0] == 403
    assert [one["id"] for one in json.loads((await reader.get("/api/1/pictures"))[1])["pictures"]] == [photo["id"]]


async def test_a_picture_comes_over_the_control_socket_as_bytes_or_as_a_file(pages: Pages, tmp_path: Path) -> None:
    calls, file = pages.web.calls(), tmp_path / "hall.png"
    file.write_bytes(picture())
    one = (await calls["picture.add"]({"data": base64.b64encode(picture()).decode(), "name": "RDC"}))["id"]
    other = (await calls["picture.add"]({"file": str(file), "name": "Étage"}))["id"]
    shown = [await calls["picture.show"]({"id": number}) for number in (one, other)]
    assert shown[0] == shown[1]
    assert Image.open(io.BytesIO(shown[0]["data"])).size == (64, 64)
    for wrong in ({"file": "hall.png"}, {"file": str(tmp_path / "none.png")}, {"data": "not base64"}, {"data": 7}, {}):
        with pytest.raises(HubError):
            await calls["picture.add"](wrong)
    assert len((await calls["picture.list"]({}))["pictures"]) == 2


async def test_photographs_of_a_site_are_cleaned_bounded_and_no_plans(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    at = "/commissioning/site"
    exif = Image.Exif()
    exif[0x010E] = "48.8566 N 2.3522 E"
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(out, "JPEG", exif=exif.tobytes())
    fields = {"site": "school", "name": "Chaufferie"}
    for n in range(4):
        assert (await send(browser, "/commissioning/photo", at, out.getvalue(), fields))[0] == 303, n
    status, text, _ = await send(browser, "/commissioning/photo", at, out.getvalue(), fields)
    assert status == 422
    assert "4 photos par site" in text
    assert (await send(browser, "/commissioning/photo", at, out.getvalue(), {"site": "elsewhere"}))[0] == 422
    assert (await send(browser, "/commissioning/photo", at, b"%PDF-1.7", {"site": "school"}))[0] == 422
    numbers = re.findall(r'src="/plans/(\w+)"', text)
    assert len(numbers) == 4
    async with browser.session.get(f"{pages.url}/plans/{numbers[0]}") as answer:
        data = await answer.read()
    assert Image.open(io.BytesIO(data)).size == (64, 48)
    assert b"48.8566" not in data
    assert f"/plans/{numbers[0]}" not in (await browser.get("/commissioning/plan"))[1]
    assert json.loads((await browser.get("/api/1/plan"))[1])["views"] == []
    assert [one["site"] for one in await shelf.PictureStore(pages.store, lambda: 1.0).proved()] == ["school"] * 4
    report = (await browser.get("/commissioning/report"))[1]
    assert all(f"/plans/{number}" in report for number in numbers)
    assert (await browser.post("/commissioning/photo/remove", at, id=numbers[0]))[0] == 303
    assert (await browser.get(f"/plans/{numbers[0]}"))[0] == 404
    noted = [one.what for one in await pages.store.audited() if "photo" in one.what]
    assert [one["photo"] for one in noted] == ["added"] * 4 + ["removed"]
    reader = await pages.person("lecteur")
    assert (await send(reader, "/commissioning/photo", "/account", out.getvalue(), fields))[0] == 403


async def test_photographs_of_a_site_that_was_taken_out_of_the_configuration_can_still_be_removed(pages: Pages) -> None:
    admin = await pages.claimed()
    browser, reader = await pages.person("technicien"), await pages.person("lecteur")
    at = "/commissioning/site"
    assert "Photos de sites retirés" not in (await browser.get(at))[1]
    kept = shelf.PictureStore(pages.store, iter((1.0, 2.0, 3.0)).__next__)
    stays = await kept.add(picture(), "Hall", by="web:x", site="school")
    gone = [await kept.add(picture(), name, by="web:x", site="pool") for name in ("Bassin <b>", "Vestiaire")]
    orphans = {}
    for who, may in ((admin, True), (browser, True), (reader, False)):
        own, heading, orphans[who] = (await who.get(at))[1].partition("Photos de sites retirés")
        assert heading
        assert f"/plans/{stays['id']}" in own
        assert f"/plans/{stays['id']}" not in orphans[who]
        assert 'Bassin &lt;b&gt; <span class="quiet">pool</span>' in orphans[who]
        assert (orphans[who].count('action="/commissioning/photo/remove"') == 2) == may
    assert "Pictures of removed sites" in (await reader.get(f"{at}?lang=en"))[1]
    for one, who in zip(gone, (browser, admin), strict=True):
        assert one["id"] in orphans[who]
        assert (await who.post("/commissioning/photo/remove", at, id=one["id"]))[0] == 303
        assert (await who.get(f"/plans/{one['id']}"))[0] == 404
    assert "Photos de sites retirés" not in (await browser.get(at))[1]
    assert [one["site"] for one in await shelf.PictureStore(pages.store, lambda: 1.0).proved()] == ["school"]


async def test_all_pictures_together_leave_room_in_a_backup(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    await pages.claimed()
    browser, data = await pages.person("technicien"), picture()
    monkeypatch.setattr(shelf, "MAX_TOTAL_BYTES", 2 * len(data))
    at, fields = "/commissioning/site", {"site": "school"}
    assert (await send(browser, "/commissioning/photo", at, data, fields))[0] == 303
    assert (await send(browser, "/commissioning/plan", "/commissioning/plan", data, {}))[0] == 303
    status, text, _ = await send(browser, "/commissioning/photo", at, data, fields)
    assert status == 422
    assert "10\u202fMo au plus" in text


async def test_photographs_are_unpacked_one_at_a_time(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slowly(photo: bytes) -> list[str]:
        begun.set()
        await go.wait()
        return []

    monkeypatch.setattr(qr_photos, "codes", slowly)
    await pages.claimed()
    browser, at = await pages.person("technicien"), "/commissioning/scan"
    first = asyncio.ensure_future(upload(browser, at, at, picture(), "photo"))
    await begun.wait()
    assert (await upload(browser, at, at, picture(), "photo"))[0] == 429
    go.set()
    assert (await first)[0] == 422


async def test_the_position_of_a_site_is_typed_and_only_its_step_may_ask_the_phone(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    at = "/commissioning/site"
    place = {"site": "school", "latitude": "48,8566", "longitude": "2,3522"}
    assert (await browser.post("/commissioning/position", at, **place, accuracy="12"))[0] == 303
    both = {"site": "school", "latitude": "48.8566, 2.3522"}
    assert (await browser.api("POST", "/commissioning/position", both))[0] == 200
    empty = {**place, "latitude": "", "longitude": ""}
    assert (await browser.post("/commissioning/position", at, **empty))[0] == 303
    told = {"site": "school", "by": "web:p-technicien"}
    spot = {"latitude": 48.8566, "longitude": 2.3522}
    assert calls(pages, "roster.position") == [{**told, **spot, "accuracy": 12.0}, {**told, **spot}, told]
    status, text, _ = await browser.post("/commissioning/position", at, **{**place, "latitude": "91"})
    assert status == 422
    assert "Latitude de -90 à 90" in text
    for path, may in ((at, True), ("/commissioning/zones", False), ("/commissioning/scan", False), ("/plan", False)):
        async with browser.session.get(pages.url + path) as answer:
            assert ("geolocation=(self)" in answer.headers["Permissions-Policy"]) == may, path


async def test_a_position_that_was_typed_says_nothing_of_how_sure_it_is(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    for more, said in (({}, False), ({"accuracy": 12.0}, True)):
        pages.hub.positions = {"school": {"latitude": 48.8566, "longitude": 2.3522, "at": 1.0, "by": "x", **more}}
        for step in ("site", "report"):
            status, text, _ = await browser.get(f"/commissioning/{step}?lang=fr")
            assert status == 200, step
            assert "48,85660°\u202f; 2,35220°" in text
            assert ("± 12&#8239;m" in text) == said


async def test_a_photograph_gives_each_label_in_it_and_one_without_any_says_what_to_do(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    out = io.BytesIO()
    segno.make("0018B20000001234").save(out, kind="png", scale=8)
    status, _, _ = await upload(
        browser, "/commissioning/scan", "/commissioning/scan", out.getvalue(), "photo", zone="rooms"
    )
    assert status == 200
    asked = calls(pages, "roster.scan")[0]
    assert (asked["label"], asked["zone"], asked["how"]) == ("0018B20000001234", "rooms", "photo")
    for data in (picture(side=300), b"GIF89a"):
        status, text, _ = await upload(browser, "/commissioning/scan", "/commissioning/scan", data, "photo")
        assert status == 422
        assert 'role="alert"' in text
    assert len(calls(pages, "roster.scan")) == 1


async def test_an_upload_where_none_is_expected_is_too_large(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    assert (await upload(browser, "/commissioning/end", "/commissioning/report", bytes(70_000)))[0] == 413
    big = bytes(qr_photos.MOST_BYTES + (1 << 20))
    assert (await upload(browser, "/commissioning/scan", "/commissioning/scan", big, "photo"))[0] == 413


async def test_a_table_of_keys_is_read_and_its_wrong_rows_are_shown_with_their_line(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    at = "/commissioning/inventory"
    table = f"dev_eui;app_key\n0018B20000001234;{'00' * 16}\n7,0312E+15;{'00' * 16}\n".encode()
    status, text, _ = await upload(browser, at, at, table)
    assert status == 200
    assert "Ligne 3" in text
    assert "tableur" in text
    assert calls(pages, "device.keep")[0]["wishes"][0]["device"] == "lorawan:0018b20000001234"
    assert (await upload(browser, at, at, b"\x00\x00\x00\x12ilot/inventory/1\0xx"))[0] in (200, 422)
    assert calls(pages, "inventory.load")
    assert (await browser.post(at, at))[0] == 422


async def test_a_technicien_adds_a_zone_by_its_own_call_and_changes_nothing_else_of_the_configuration(
    pages: Pages,
) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    fields = {"id": "classes", "name": "Salles", "site": "school"}
    assert (await browser.post("/commissioning/zones", "/commissioning/zones", **fields))[0] == 303
    assert (await browser.api("POST", "/commissioning/zones", {**fields, "id": "Cour", "use": "x"}))[0] == 200
    told = {"by": "web:p-technicien", "reason": "commissioning", "origin": "127.0.0.1"}
    assert calls(pages, "zone.add") == [{**fields, **told}, {**fields, "id": "cour", **told}]
    for taken in ("É", "rooms"):  # no id, and one that is there
        assert (await browser.post("/commissioning/zones", "/commissioning/zones", **{**fields, "id": taken}))[0] == 422
    edits = [{"path": ["zones", "rooms"], "remove": True}]
    assert (await browser.api("POST", "/configuration/apply", {"edits": edits}))[0] == 403
    assert not calls(pages, "config.apply")
    reader = await pages.person("lecteur")
    assert (await reader.api("POST", "/commissioning/zones", fields))[0] == 403


async def test_no_route_but_that_of_a_new_zone_lets_a_technicien_change_the_configuration(pages: Pages) -> None:
    await pages.claimed()
    await pages.person("technicien")
    changing = [
        one
        for one in pages.site.table.routes
        if one.method != "GET" and one.path.startswith(("/configuration", "/api/1/configuration"))
    ]
    assert len(changing) >= 9
    assert {one.roles for one in changing} == {RULES}
    zones = [one for one in pages.site.table.routes if one.path.endswith("/commissioning/zones")]
    assert {(one.method, one.roles) for one in zones} == {("POST", AMENDS)}
    assert {"technicien", "administrateur"} == AMENDS


async def test_the_api_scans_with_json_and_tells_what_came_of_it(pages: Pages) -> None:
    await pages.claimed()
    browser = await pages.person("technicien")
    status, answer = await browser.api("POST", "/commissioning/scan", {"label": "AA", "zone": "rooms", "how": "scan"})
    assert (status, answer["row"]["n"]) == (200, 1)
    shown = json.loads((await browser.get("/api/1/commissioning"))[1])
    assert [row["signal"]["dbm"] for row in shown["rows"]] == [-97, -97, None]
