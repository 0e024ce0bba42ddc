"""Citizens' reports, by the page and by Open311: taken, refused, joined, answered, and what strangers read of them."""

from __future__ import annotations

import io
import json
import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from backend.city.city import City
from backend.city.open_api import reports
from backend.city.people import tokens
from backend.city.people.viewer import CLASSES, Role, Scope, Viewer
from backend.storage.city import open_api as tables

from ..people.people_kit import Answer, Browser, Town, served

pytestmark = pytest.mark.real("network")

HERE = {"category": "lighting", "text": "The lamp is out.", "lat": "48,8500", "lon": "2.35", "address": "Rue A"}
ASKED = {"service_code": "lighting", "description": "The lamp is out.", "lat": "48.85", "long": "2.35"}
SECTOR = {
    "type": "Polygon",
    "coordinates": [[[2.3, 48.8], [2.4, 48.8], [2.4, 48.9], [2.3, 48.9], [2.3, 48.8]]],
}
SCRIPT = "<script>alert(1)</script> lamp \u202egnp\x07"


def png(width: int = 64, height: int = 64, extra: bytes = b"") -> bytes:
    """Return a picture of one colour, with a text of a phone in it."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    text = part(b"tEXt", b"GPS\x0048.85,2.35")
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + text + part(b"IDAT", body) + part(b"IEND", b"") + extra


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    await city.store.write(
        lambda t: t.run("insert into sectors (id, name, area) values ('north', 'North', ?)", json.dumps(SECTOR))
    )
    async with served(city, tmp_path / "tls") as found:
        yield found


async def send(browser: Browser, picture: bytes | None = None, **changed: str) -> Answer:
    """Send the form as a browser does."""
    token = await browser.form_token("/report")
    form = aiohttp.FormData()
    for name, value in {**HERE, **changed, "csrf": token}.items():
        form.add_field(name, value)
    form.add_field("picture", io.BytesIO(picture or b""), filename="photo.png" if picture else "")
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": browser.url}
    return await browser.ask("POST", "/report", headers=headers, data=form)


async def ask(town: Town, path: str, data: dict[str, str] | None = None, **headers: str) -> tuple[int, Any]:
    method = "GET" if data is None else "POST"
    async with town.session.request(method, f"{town.url}/open311/v2/{path}", data=data, headers=headers) as reply:
        text = await reply.text()
        return reply.status, json.loads(text) if path.partition("?")[0].endswith("json") else ElementTree.fromstring(
            text
        )


async def test_a_citizen_reports_and_sees_what_became_of_it(town: Town) -> None:
    citizen, stranger = town.browser(), town.browser()
    page = await citizen.get("/report", **{"Accept-Language": "fr"})
    assert page.status == 200
    assert "Éclairage public" in page.text
    sent = await send(citizen, png())
    assert sent.status == 303, sent.text
    number = sent.location.partition("?")[0].rpartition("/")[2]
    told = await citizen.get(f"/report/{number}?said=report-taken&lang=en")
    assert "received" in told.text
    assert "The lamp is out." not in told.text  # nobody has read it yet
    assert (await stranger.get("/reports")).status == 303
    assert (await stranger.get(f"/reports/{number}/picture")).status == 303
    crew = await town.enter("anne", Role.OPERATOR, Scope())
    desk = await crew.get(f"/reports/{number}?lang=en")
    assert "The lamp is out." in desk.text
    assert f"/reports/{number}/picture" in desk.text
    async with town.session.get(
        f"{town.url}/reports/{number}/picture",
        headers={"Cookie": "; ".join(f"{a}={b}" for s in crew.cookies.values() for a, b in s.items())},
    ) as reply:
        shown = await reply.read()
    assert reply.content_type == "image/png"
    assert b"GPS" not in shown
    assert shown.startswith(b"\x89PNG")
    refused = await crew.post(f"/reports/{number}", {"state": "done", "answer": ""})
    assert refused.status == 400
    done = await crew.post(f"/reports/{number}", {"state": "done", "answer": "A new lamp was put in."})
    assert done.status == 303, done.text
    told = await citizen.get(f"/report/{number}?lang=en")
    assert "A new lamp was put in." in told.text
    assert "The lamp is out." in told.text
    lines = [line for line in await town.lines() if line.object == number]
    assert [line.what for line in lines] == ["report-received", "report-answered"]


@pytest.mark.parametrize(
    ("changed", "picture", "said"),
    [
        ({"lat": "48.85", "lon": "-30"}, None, "does not lie in the district"),  # in the Atlantic
        ({"lat": "0", "lon": "0"}, None, "does not lie in the district"),
        ({"lat": "nan"}, None, "longitude and a latitude"),
        ({"lat": "1e999"}, None, "longitude and a latitude"),
        ({"lat": ""}, None, "longitude and a latitude"),
        ({"text": "x"}, None, "5 to 2000 characters"),
        ({"text": "x" * 3000}, None, "5 to 2000 characters"),
        ({"text": "\u200b" * 50}, None, "5 to 2000 characters"),
        ({"category": "nothing"}, None, "no category"),
        ({}, b"\x89PNG" + b"x" * 5_000_000, "at most 4 MB"),
        ({}, b"<svg onload='alert(1)'/>", "JPEG or PNG"),
        ({}, png()[:60], "damaged"),
        ({}, png(9000, 40), "32 to 8000"),
    ],
)
async def test_what_cannot_be_a_report_is_refused_and_says_why(
    town: Town, changed: dict[str, str], picture: bytes | None, said: str
) -> None:
    browser = town.browser()
    await browser.get("/report?lang=en")
    answer = await send(browser, picture, **changed)
    assert answer.status == 400, answer.text
    assert said in answer.text
    assert await town.city.store.read(tables.reports) == []


async def test_a_picture_of_a_hundred_megabytes_is_not_even_read(town: Town) -> None:
    browser = town.browser()
    token = await browser.form_token("/report")
    form = aiohttp.FormData()
    for name, value in {**HERE, "csrf": token}.items():
        form.add_field(name, value)
    form.add_field("picture", io.BytesIO(bytes(100_000_000)), filename="photo.png")
    try:
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": browser.url}
        answer = await browser.ask("POST", "/report", headers=headers, data=form)
        assert answer.status in (400, 413)
    except aiohttp.ClientError:
        pass  # it hung up while the rest was being sent
    assert await town.city.store.read(tables.reports) == []


async def test_a_script_is_text_wherever_it_is_shown(town: Town) -> None:
    citizen = town.browser()
    number = (await send(citizen, text=SCRIPT, address=SCRIPT)).location.partition("?")[0].rpartition("/")[2]
    crew = await town.enter("anne", Role.OPERATOR, Scope())
    await crew.post(f"/reports/{number}", {"state": "accepted", "answer": SCRIPT})
    pages = [await citizen.get(f"/report/{number}"), await crew.get("/reports"), await crew.get(f"/reports/{number}")]
    for page in pages:
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert" in page.text
        assert "\u202e" not in page.text
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    _, xml = await ask(town, "requests.xml")
    assert xml[0].findtext("description") == "<script>alert(1)</script> lamp gnp"


async def test_a_flood_is_refused_and_goes_by_with_the_hour(town: Town) -> None:
    browser = town.browser()
    for at in range(reports.MOST_OF_ONE):
        assert (await send(browser, lat=f"48.8{at}", category="waste")).status == 303
    refused = await send(browser, category="road")
    assert refused.status == 503
    assert (await ask(town, "requests.json", ASKED))[0] == 503  # the other door is the same
    town.now[0] += 3601
    assert (await send(browser, category="road")).status == 303
    kept = await town.city.store.read(lambda r: r.rows("select purse from open_writers"))
    assert all(re.fullmatch("([0-9a-f]{24})?", one) for (one,) in kept)  # digests, and no address


async def test_a_form_without_the_token_of_the_page_is_refused(town: Town) -> None:
    browser = town.browser()
    answer = await browser.ask("POST", "/report", data=HERE)
    assert answer.status == 403
    assert await town.city.store.read(tables.reports) == []


async def test_what_repeats_a_report_is_joined_to_it_and_opens_a_closed_one_again(town: Town) -> None:
    browser = town.browser()
    first = (await send(browser)).location.partition("?")[0].rpartition("/")[2]
    near = (await send(browser, lat="48.85015", text="Dark street here.")).location.partition("?")[0].rpartition("/")[2]
    far = (await send(browser, lat="48.8510")).location.partition("?")[0].rpartition("/")[2]
    other = (await send(browser, category="waste")).location.partition("?")[0].rpartition("/")[2]

    async def state(number: str) -> tuple[str, bool, int]:
        one = await town.city.store.read(lambda r: tables.report(r, number))
        assert one is not None
        return one.state, bool(one.of), one.repeats

    assert [await state(one) for one in (first, near, far, other)] == [
        ("received", False, 1), ("received", True, 0), ("received", False, 0), ("received", False, 0),
    ]  # fmt: skip
    crew = await town.enter("anne", Role.OPERATOR, Scope())
    await crew.post(f"/reports/{near}", {"state": "done", "answer": "Both lamps are lit."})
    assert (await state(first))[0] == (await state(near))[0] == "done"
    assert "Dark street" not in (await browser.get(f"/report/{near}")).text  # nobody needs to have read that one
    town.now[0] += 86_400
    again = (await send(browser)).location.partition("?")[0].rpartition("/")[2]
    assert ((await state(first))[0], await state(again)) == ("reopened", ("reopened", True, 0))
    await crew.get("/reports")
    town.now[0] += 40 * 86_400
    await town.city.store.write(lambda t: reports.answer(t, "x", first, "done", "Done at last.", town.now[0]))
    town.now[0] += 40 * 86_400
    fresh = (await send(browser)).location.partition("?")[0].rpartition("/")[2]
    assert await state(fresh) == ("received", False, 0)


async def test_a_service_sees_its_own_reports(town: Town) -> None:
    await town.city.store.write(
        lambda t: [
            tables.put_category(t, one._replace(service="roads" if one.code == "lighting" else "parks"), at)
            for at, one in enumerate(reports.DEFAULT_CATEGORIES)
        ]
    )
    browser = town.browser()
    number = (await send(browser)).location.partition("?")[0].rpartition("/")[2]
    for scope, seen in (
        (Scope(frozenset({"roads"})), True), (Scope(frozenset({"parks"})), False),
        (Scope(sectors=frozenset({"north"})), True), (Scope(sectors=frozenset({"south"})), False),
    ):  # fmt: skip
        name = "".join(sorted(scope.services or scope.sectors or ()))
        crew = await town.enter(name, Role.HEAD, scope)
        assert (number in (await crew.get("/reports")).text) is seen
        assert (await crew.get(f"/reports/{number}")).status == (200 if seen else 404)
        assert (await crew.get(f"/reports/{number}/picture")).status == 404
        if not seen:
            form = {"state": "done", "answer": "Not mine."}
            assert (await crew.post(f"/reports/{number}", form, csrf=await crew.form_token("/account"))).status == 404


async def test_open311_in_json_and_xml(town: Town) -> None:
    status, services = await ask(town, "services.json")
    assert status == 200
    assert [one["service_code"] for one in services] == [one.code for one in reports.DEFAULT_CATEGORIES]
    _, xml = await ask(town, "services.xml")
    assert (xml.tag, xml[0].tag, xml[0].findtext("service_code")) == ("services", "service", "lighting")
    assert (await ask(town, "services/lighting.json"))[1]["service_code"] == "lighting"
    status, made = await ask(town, "requests.json", {**ASKED, "email": "me@example.org", "first_name": "Zoé"})
    assert status == 201, made
    number = made[0]["service_request_id"]
    status, one = await ask(town, f"requests/{number}.json")
    assert (one[0]["status"], one[0]["description"], one[0]["media_url"]) == ("open", "", None)
    status, again = await ask(town, "requests.xml", ASKED)
    assert status == 201
    assert "Already reported" in (again[0].findtext("service_notice") or "")
    await town.city.store.write(lambda t: reports.answer(t, "x", number, "done", "It shines.", town.now[0]))
    _, listed = await ask(town, "requests.json?status=closed&service_code=lighting")
    assert {one["status_notes"] for one in listed} == {"It shines."}
    assert (await ask(town, "requests.json?status=open"))[1] == []
    assert [
        one["service_request_id"] for one in (await ask(town, f"requests.json?service_request_id={number},x"))[1]
    ] == [number]
    everything = await town.city.store.read(lambda r: r.rows("select * from open_reports"))
    assert "example.org" not in repr(everything)
    assert "Zoé" not in repr(everything)


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("services/nothing.json", None, 404),
        ("requests/nothing.json", None, 404),
        ("requests.json?status=maybe", None, 400),
        ("requests.json?start_date=yesterday", None, 400),
        ("requests.json?start_date=2020-01-01T00:00:00Z&end_date=2026-01-01T00:00:00Z", None, 400),
        ("requests.json", {}, 400),
        ("requests.json", {**ASKED, "lat": "x"}, 400),
        ("requests.xml", {**ASKED, "service_code": "y"}, 400),
        ("requests.json", {**ASKED, "api_key": "ilotc_0123456789ab_" + "x" * 43}, 403),
    ],
)
async def test_open311_says_what_is_wrong(town: Town, path: str, data: dict[str, str] | None, status: int) -> None:
    found, told = await ask(town, path, data)
    assert found == status
    assert (told[0]["code"] if isinstance(told, list) else int(told[0].findtext("code") or 0)) == status


async def test_a_program_with_a_token_reports_within_its_quota(town: Town) -> None:
    await town.enter("root", Role.ADMIN, Scope(classes=CLASSES))
    who = Viewer("root", "Root", Role.ADMIN, Scope(classes=CLASSES))
    key = await town.city.store.write(lambda t: tokens.make(t, who, "app", ["open311"], town.now[0], quota=10))
    statuses = []
    for at in range(12):
        asked = {**ASKED, "lat": f"48.8{at:02d}5", "api_key": key}
        statuses.append((await ask(town, "requests.json", asked))[0])
    assert statuses == [201] * 10 + [429] * 2
    other = await town.city.store.write(lambda t: tokens.make(t, who, "sta", ["sensorthings"], town.now[0], quota=5))
    assert (await ask(town, "requests.json", {**ASKED, "api_key": other}))[0] == 403
    for status in [200] * 5 + [429]:
        async with town.session.get(
            f"{town.url}/sta/v1.1/Things", headers={"Authorization": f"Bearer {other}"}
        ) as reply:
            assert reply.status == status
    for path in ("/sta/v1.1/Things", "/open/things", "/open/ngsi-ld"):
        async with town.session.get(town.url + path) as reply:
            assert reply.status == 401
        async with town.session.get(town.url + path, headers={"Authorization": f"Bearer {key}"}) as reply:
            assert reply.status == 401


async def test_pictures_of_closed_reports_are_forgotten(town: Town) -> None:
    number = (await send(town.browser(), png())).location.partition("?")[0].rpartition("/")[2]
    await town.city.store.write(lambda t: reports.answer(t, "x", number, "done", "It shines.", town.now[0]))
    assert await town.city.store.write(lambda t: tables.forget_pictures(t, town.now[0])) == 0
    assert await town.city.store.write(lambda t: tables.forget_pictures(t, town.now[0] + 1)) == 1
    assert await town.city.store.read(lambda r: tables.picture(r, number)) is None


async def test_the_page_brings_its_own_map_and_nothing_from_elsewhere(town: Town) -> None:
    browser = town.browser()
    page = await browser.get("/report?lat=48.85&lon=2.35")
    found = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.text)
    assert "/static/report.js" in found
    for path in found:
        assert path.startswith("/static/"), path
        assert (await browser.get(path)).status == 200, path
    told = json.loads((await browser.get("/report/areas.json")).text)
    assert told["areas"]["features"][0]["geometry"] == SECTOR
    assert told["bounds"] == [2.3, 48.8, 2.4, 48.9]
    assert 'value="48.85"' in page.text
