"""Provider spaces: what a company drops is whole, bounded, and seen by its own people and its service alone."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import ssl
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from yarl import URL

from backend.city.city import City
from backend.city.open_api.spaces import desk
from backend.city.people import tokens
from backend.city.people.viewer import CLASSES, Role, Scope, Viewer
from backend.storage.city import spaces as tables
from hub.core.errors import ConfigError

from ..people.people_kit import Town
from ..waiting import PATIENCE_S
from .spaces_kit import MIB, NOON, SPACE, kept, key_of, town_with_spaces

pytestmark = pytest.mark.real("network, processes")


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    async with town_with_spaces(city, tmp_path) as found:
        yield found


async def key(town: Town, provider: str = "acme", service: str = "waste", **more: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {await key_of(town, provider, service, **more)}"}


async def ask(town: Town, method: str, path: str, headers: dict[str, str], data: Any = None) -> Any:
    """Return status, content type, headers and body; `path` is sent as it stands."""
    url = URL(f"{town.url}{path}", encoded=True)
    sent = io.BytesIO(data) if isinstance(data, bytes) else data
    async with town.session.request(method, url, data=sent, headers=headers) as reply:
        body = await reply.read()
        told = json.loads(body) if reply.content_type.endswith("json") else body
        return reply.status, told, reply.headers


async def put(town: Town, name: str, data: Any, headers: dict[str, str], space: str = "acme-waste") -> Any:
    status, told, _ = await ask(town, "PUT", f"/spaces/{space}/files/{name}", headers, data)
    return status, told


async def test_a_file_comes_back_as_it_was_dropped_and_goes_when_deleted(town: Town) -> None:
    acme, data = await key(town), bytes(range(256)) * 10_000  # 2.4 MiB: three parts
    status, told = await put(town, "Relev%C3%A9%20(1).csv", data, acme)
    assert (status, told["name"], told["bytes"]) == (201, "Relevé (1).csv", len(data))
    assert told["sha256"] == sha256(data).hexdigest()
    assert await kept(town) == [("acme-waste", "Relevé (1).csv", 3)]
    path = "/spaces/acme-waste/files/Relev%C3%A9%20(1).csv"
    status, back, headers = await ask(town, "GET", path, acme)
    assert (status, back) == (200, data)
    assert headers["Content-Disposition"].startswith("attachment;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    status, listed, _ = await ask(town, "GET", "/spaces/acme-waste/files", acme)
    assert (status, [one["name"] for one in listed["files"]]) == (200, ["Relevé (1).csv"])
    assert listed["used"] == {"bytes": len(data), "files": 1, "day_bytes": len(data), "day_files": 1}
    assert (await ask(town, "DELETE", path, acme))[0] == 204
    assert (await ask(town, "GET", path, acme))[0] == 404
    assert await town.city.store.read(lambda r: r.rows("select * from space_parts")) == []
    assert [one.what for one in await town.lines()][-2:] == ["spaces.dropped", "spaces.deleted"]


async def test_the_same_once_more_is_no_second_file_and_another_content_is_refused(town: Town) -> None:
    acme = await key(town)
    assert (await put(town, "a.csv", b"one", acme))[0] == 201
    assert (await put(town, "a.csv", b"one", acme))[0] == 200  # an answer was lost
    status, told = await put(town, "a.csv", b"two", acme)
    assert (status, told["status"], told["title"]) == (409, 409, "Conflict")
    assert told["sha256"] == sha256(b"one").hexdigest()
    assert (await put(town, "A.CSV", b"one", acme))[0] == 409  # one file on a disk that knows no capitals
    assert len(await kept(town)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "%2e%2e%2fbackend.db", "..%2F..%2Fetc%2Fpasswd", "a/b.csv", "a%5Cb.csv", "%2Fetc%2Fpasswd", ".hidden", "a..b",
        "a%00b", "a%0Ab", "-rf", "a.", "%20a", "C%3Aa", "~root", "a" * 121, "%E2%80%AEcsv.exe", "a%22b", "%3Cb%3E",
    ],
)  # fmt: skip
async def test_a_name_that_leaves_a_folder_or_hides_something_is_refused(town: Town, name: str) -> None:
    status, told, headers = await ask(town, "PUT", f"/spaces/acme-waste/files/{name}", await key(town), b"x")
    assert status == 400, told
    assert headers["Content-Type"].startswith("application/problem+json")
    assert (told["status"], told["detail_text"]["code"]) == (400, "spaces-file-name")
    assert await kept(town) == []


async def test_a_file_that_is_too_large_is_refused_whether_it_says_so_or_not(town: Town) -> None:
    acme = await key(town)
    status, told = await put(town, "big", bytes(3 * MIB + 1), acme)
    assert (status, told["most"]) == (413, 3 * MIB)

    async def unsaid() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(MIB)

    assert (await put(town, "big", unsaid(), acme))[0] == 413
    status, _, _ = await ask(town, "PUT", "/spaces/acme-waste/files/z", {**acme, "Content-Encoding": "gzip"}, b"x")
    assert status in (400, 415)
    assert await kept(town) == []
    assert (await put(town, "just", bytes(3 * MIB), acme))[0] == 201


async def test_a_flood_ends_at_the_quota_of_the_day_and_at_what_may_lie_there(town: Town) -> None:
    acme = await key(town)
    assert [(await put(town, f"f{n}", bytes(3 * MIB), acme))[0] for n in range(3)] == [201, 201, 429]  # 8 MiB a day
    town.now[0] += 86_400
    status, told = await put(town, "f3", b"x", acme)  # 6 MiB lie there
    assert (status, told.get("title")) == (507, "Insufficient Storage")
    assert (await ask(town, "DELETE", "/spaces/acme-waste/files/f0", acme))[0] == 204
    assert [(await put(town, f"g{n}", b"x", acme))[0] for n in range(5)] == [201] * 4 + [507]  # five files at most
    for n in range(4):
        await ask(town, "DELETE", f"/spaces/acme-waste/files/g{n}", acme)
    answers = [await ask(town, "PUT", f"/spaces/acme-waste/files/h{n}", acme, b"x") for n in range(3)]
    assert [one[0] for one in answers] == [201, 201, 429]  # deleting gives no day back
    assert 0 < int(answers[2][2]["Retry-After"]) <= 86_400
    assert (await put(town, "f0", b"x", await key(town, service="roads"), "acme-roads"))[0] == 201  # its own quota


async def test_many_at_once_never_pass_the_quota_together(town: Town) -> None:
    acme = await key(town)
    answers = await asyncio.gather(*(put(town, f"f{n}", bytes(MIB), acme) for n in range(12)))
    taken = [status for status, _ in answers]
    assert set(taken) <= {201, 429, 507}
    assert 0 < len(await kept(town)) == taken.count(201) <= 5


async def test_a_disk_without_room_takes_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "SPARE", 1 << 62)
    assert (await put(town, "a", b"x", await key(town)))[0] == 507


async def test_an_upload_that_is_slow_or_breaks_off_leaves_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "IDLE_S", 0.3)
    acme, where = await key(town), urlsplit(town.url)
    head = (
        f"PUT /spaces/acme-waste/files/slow HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 1000\r\n"
        f"Authorization: {acme['Authorization']}\r\n\r\nabc"
    )
    trust = ssl.create_default_context(cafile=str(town.authority))

    async def begin() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", where.port, ssl=trust, server_hostname="localhost")
        writer.write(head.encode())
        await writer.drain()
        return reader, writer

    reader, writer = await begin()
    assert b" 408 " in await asyncio.wait_for(reader.readline(), PATIENCE_S)
    writer.close()
    _, broken = await begin()
    broken.transport.abort()
    await asyncio.sleep(0.5)
    monkeypatch.setattr(desk, "IDLE_S", 20.0)
    monkeypatch.setattr(desk, "SLOW_S", -1.0)
    monkeypatch.setattr(desk, "SLOW_RATE", 1e12)
    assert (await put(town, "b", b"x", acme))[0] == 408
    assert await kept(town) == []
    assert list(town.city.directory.glob("tmp*")) == []


async def test_two_uploads_at_a_time_are_taken_and_a_third_waits(town: Town) -> None:
    acme, go = await key(town), asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        yield b"x"
        await go.wait()

    under_way = [asyncio.create_task(put(town, f"w{n}", waiting(), acme)) for n in range(2)]
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await put(town, "third", b"x", acme))[0] != 429:
            await ask(town, "DELETE", "/spaces/acme-waste/files/third", acme)
            await asyncio.sleep(0.05)
    assert answer[1]["detail_text"]["code"] in ("spaces-busy", "spaces-day-spent")
    go.set()
    assert {(await one)[0] for one in under_way} <= {201, 429}


async def test_only_the_provider_and_its_service_see_a_space(town: Town) -> None:
    acme, other = await key(town), await key(town, "other")
    roads = await key(town, service="roads")
    await put(town, "a.csv", b"secret", acme)
    file = "/spaces/acme-waste/files/a.csv"
    for stranger in (other, roads):
        for method, path in (("GET", file), ("DELETE", file), ("PUT", file), ("GET", "/spaces/acme-waste/files")):
            status, told, _ = await ask(town, method, path, stranger, b"x" if method == "PUT" else None)
            assert status == 404, (method, path)
            assert told["detail_text"]["code"] == "spaces-gone"
    assert (await ask(town, "GET", file, {}))[0] == 401
    wanted = {
        "own": (Role.HEAD, Scope(services=frozenset({"waste"})), True),
        "elsewhere": (Role.HEAD, Scope(services=frozenset({"roads"})), False),
        "sector": (Role.OPERATOR, Scope(sectors=frozenset({"north"})), False),
        "public": (Role.OPERATOR, Scope(classes=frozenset({"public"})), False),
        "theirs": (Role.PROVIDER, Scope(provider="acme"), True),
        "others": (Role.PROVIDER, Scope(provider="other"), False),
        "roads": (Role.PROVIDER, Scope(services=frozenset({"roads"}), provider="acme"), False),
    }
    for name, (role, scope, sees) in wanted.items():
        browser = await town.enter(name, role, scope)
        listed, page, got = [await browser.get(path) for path in ("/spaces", "/spaces/acme-waste", file)]
        assert ("acme-waste" in listed.text) == sees, name
        assert (page.status, got.status) == ((200, 200) if sees else (404, 404)), name
        assert ("secret" in got.text) == sees, name
    for name, role in (("crew", Role.CREW), ("elected", Role.ELECTED), ("dpo", Role.DPO), ("admin", Role.ADMIN)):
        browser = await town.enter(name, role, Scope(classes=CLASSES) if role is Role.DPO else None)
        assert [(await browser.get(path)).status for path in ("/spaces", file)] == [403, 403], name


async def test_a_key_ends_is_for_this_alone_and_its_requests_are_counted(town: Town) -> None:
    acme = await key(town, days=1)
    assert (await put(town, "a", b"x", acme))[0] == 201
    assert (await ask(town, "GET", "/sta/v1.1/Things", acme))[0] == 401
    town.now[0] += 86_400
    assert (await put(town, "b", b"x", acme))[0] == 401
    few = await key(town, days=5, quota=2)
    assert [(await ask(town, "GET", "/spaces/acme-waste/files", few))[0] for _ in range(3)] == [200, 200, 429]
    who = Viewer("root", "Root", Role.ADMIN, Scope(classes=CLASSES))
    reading = await town.city.store.write(lambda t: tokens.make(t, who, "o", ["provider"], NOON, role=Role.OPERATOR))
    assert (await put(town, "c", b"x", {"Authorization": f"Bearer {reading}"}))[0] == 403  # an operator drops nothing


async def test_the_providers_people_drop_on_their_page_and_the_service_deletes(town: Town) -> None:
    await key(town)
    anna = await town.enter("anna", Role.PROVIDER, Scope(provider="acme"))
    page = (await anna.get("/spaces/acme-waste")).text
    assert "curl -T" in page
    assert "<td" in page  # the key and its end
    token = await anna.form_token("/spaces/acme-waste")

    async def send(name: str, csrf: str = token) -> int:
        form = aiohttp.FormData()
        form.add_field("csrf", csrf)
        form.add_field("file", b"<script>", filename=name, content_type="text/html")
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": anna.url}
        return (await anna.ask("POST", "/spaces/acme-waste/drop", data=form, headers=headers)).status

    assert [await send("a.html"), await send("../b"), await send("c", "A" * 43)] == [303, 400, 403]
    assert (await anna.get("/spaces/acme-waste/files/a.html")).headers["Content-Type"] == "application/octet-stream"
    head = await town.enter("head", Role.HEAD, Scope(services=frozenset({"waste"})))
    text = (await head.get("/spaces/acme-waste")).text
    assert "a.html" in text
    assert 'type="file"' not in text
    answer = await head.post(
        "/spaces/acme-waste/remove", {"file": "a.html"}, csrf=await head.form_token("/spaces/acme-waste")
    )
    assert answer.status == 303
    assert await kept(town) == []


CSV = """point,time,metric,value,name,lat,lon
bac-1,2027-01-15T07:00:00Z,fill_level,83,Bac <b>Verte</b>,48.854,2.370
bac-1,2027-01-15T07:30:00Z,fill_level,84.5,,,
bac-2,2027-01-15T07:00:00+01:00,temperature,4,,48.86,2.38
"""


async def drop(
    town: Town, with_key: dict[str, str], body: str, form: str = "text/csv", space: str = "acme-waste"
) -> Any:
    headers = {**with_key, "Content-Type": form}
    status, told, _ = await ask(town, "POST", f"/spaces/{space}/readings", headers, body.encode())
    return status, told


async def test_readings_go_where_feeds_go_as_the_providers_and_its_services(town: Town) -> None:
    acme = await key(town)
    assert await drop(town, acme, CSV) == (200, {"readings": 3, "new": 3})
    assert await drop(town, acme, CSV.replace("\n", "\r\n")) == (200, {"readings": 3, "new": 0})
    more = {"point": "bac-2", "time": "2027-01-15T07:10:00Z", "metric": "temperature", "value": 5.5}
    assert await drop(town, acme, json.dumps(more) + "\n", "application/x-ndjson") == (200, {"readings": 1, "new": 1})
    things = await town.city.store.read(
        lambda r: r.rows("select hub, device, name, kind, provider, service, privacy, lat from things order by device")
    )
    assert things == [
        ("feed:space-acme-waste", "bac-1", "Bac <b>Verte</b>", "waste-container", "acme", "waste", "internal", 48.854),
        ("feed:space-acme-waste", "bac-2", "bac-2", "room", "acme", "waste", "internal", 48.86),
    ]
    who = Viewer("root", "Root", Role.ADMIN, Scope(classes=CLASSES))
    read = await town.city.store.write(
        lambda t: tokens.make(t, who, "read", ["sensorthings"], NOON, role=Role.HEAD,
                              scope=Scope(services=frozenset({"waste"})))
    )  # fmt: skip
    asked = "/sta/v1.1/Datastreams?$filter=ObservedProperty/name%20eq%20'fill_level'&$expand=Observations"
    status, told, _ = await ask(town, "GET", asked, {"Authorization": f"Bearer {read}"})
    assert status == 200, told
    assert sorted(one["result"] for one in told["value"][0]["Observations"]) == [83, 84.5]


async def test_one_wrong_line_is_told_by_its_number_and_nothing_is_taken(town: Town) -> None:
    acme = await key(town)
    wrong = CSV + "\n".join(
        [
            "bac-1,2027-01-15T07:40:00Z,fill_level,840,,,",
            "bac-9,2027-01-15T07:40:00Z,fill_level,8,,,",
            "bac-1,yesterday,fill_level,8,,,",
            "bac-1,2027-01-15T07:40:00Z,co2,800,,,",
            "bac-1,2027-01-15T07:40:00Z,nonsense,8,,,",
            "bac-1,2027-01-15T07:40:00Z,fill_level,full,,,",
            "bac-1,2027-01-15T07:40:00Z,fill_level",
            "bac-1,2027-01-15T07:40:00Z,fill_level,8,,91,2",
            "../x,2027-01-15T07:40:00Z,fill_level,8,,1,2",
        ]
    )
    status, told = await drop(town, acme, wrong)
    assert status == 400
    assert [one["line"] for one in told["lines"]] == [5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert told["lines"][3]["said"] == "metric co2: tells of persons"
    status, told = await drop(town, acme, '{"point": "a"}\n\n{"point": 1', "application/x-ndjson")
    assert (status, [one["line"] for one in told["lines"]]) == (400, [1, 3])
    for table in ("open_readings", "things"):
        assert await town.city.store.read(lambda r, table=table: r.rows(f"select * from {table}")) == []  # type: ignore[misc]
    assert (await town.city.store.read(lambda r: tables.used(r, "acme-waste", int(NOON // 86_400)))).day_files == 0


@pytest.mark.parametrize(
    ("body", "form", "status"),
    [
        ("", "text/csv", 400),
        ("point,time\n", "text/csv", 400),
        ("point,time,metric,value,colour\n", "text/csv", 400),
        ('point,time,metric,value\n"a', "text/csv", 400),
        ("a", "text/plain", 415),
        ("[" * 100_000, "application/x-ndjson", 400),
        ("x" * 600_000, "text/csv", 413),
        ("point,time,metric,value\n" + "a,b,c,1\n" * 2001, "text/csv", 413),
    ],
)
async def test_what_is_no_file_of_readings_is_refused(town: Town, body: str, form: str, status: int) -> None:
    assert (await drop(town, await key(town), body, form))[0] == status


async def test_a_space_for_files_takes_no_readings_and_a_flood_of_readings_ends(town: Town) -> None:
    acme = await key(town)
    answers = [(await drop(town, acme, CSV))[0] for _ in range(7)]
    assert answers == [200] * 6 + [429]
    closed = SPACE._replace(readings=0)
    await town.city.store.write(lambda t: desk.make(t, "test", closed, NOON))
    assert (await drop(town, acme, CSV))[0] == 403


async def test_a_file_is_deleted_after_the_days_of_its_space(town: Town) -> None:
    acme = await key(town)
    await put(town, "old", b"x", acme)
    town.now[0] += 86_400
    await put(town, "young", b"x", acme)
    assert await town.city.store.write(lambda t: desk.forget(t, NOON + 29 * 86_400)) == 0
    assert await town.city.store.write(lambda t: desk.forget(t, NOON + 30 * 86_400 + 1)) == 1
    assert await kept(town) == [("acme-waste", "young", 1)]
    assert (await town.lines())[-1].what == "spaces.forgotten"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_drops_files_and_readings_as_the_how_to_says(town: Town, tmp_path: Path) -> None:
    acme, data = await key(town), bytes(2 * MIB)
    (tmp_path / "report.csv").write_bytes(data)
    (tmp_path / "readings.csv").write_text(CSV)
    base = f"{town.url}/spaces/acme-waste"
    common = ["--cacert", str(town.authority), "-H", f"Authorization: {acme['Authorization']}"]

    async def curl(*words: str) -> bytes:
        child = await asyncio.create_subprocess_exec("curl", "-fsS", *words, *common, stdout=asyncio.subprocess.PIPE)
        said, _ = await child.communicate()
        assert child.returncode == 0, words
        return said

    told = json.loads(await curl("-T", str(tmp_path / "report.csv"), f"{base}/files/"))
    assert (told["name"], told["sha256"]) == ("report.csv", sha256(data).hexdigest())
    assert await curl(f"{base}/files/report.csv") == data
    assert (await curl("-I", f"{base}/files/report.csv")).startswith(b"HTTP/1.1 200")
    sent = ("--data-binary", f"@{tmp_path / 'readings.csv'}", "-H", "Content-Type: text/csv", f"{base}/readings")
    assert json.loads(await curl(*sent)) == {"readings": 3, "new": 3}


async def test_a_space_of_the_name_of_anothers_gets_none_of_its_points(town: Town) -> None:
    await drop(town, await key(town), CSV)
    await town.city.store.write(lambda t: desk.remove(t, "test", "acme-waste", NOON))
    for other in (SPACE._replace(provider="other"), SPACE._replace(service="roads")):
        with pytest.raises(ConfigError, match="still kept"):
            await town.city.store.write(lambda t, other=other: desk.make(t, "test", other, NOON))  # type: ignore[misc]
    await town.city.store.write(lambda t: desk.make(t, "test", SPACE, NOON))
    assert await drop(town, await key(town), CSV) == (200, {"readings": 3, "new": 0})


async def test_a_condition_that_forgets_whose_a_space_is_is_found_out(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_seen", lambda scope: ("1 = 1", ()))
    with pytest.raises(AssertionError):
        await test_only_the_provider_and_its_service_see_a_space(town)


async def test_a_quota_that_is_looked_at_before_an_upload_alone_is_found_out(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "admit_file", lambda *arguments: None)
    with pytest.raises(AssertionError):
        await test_a_flood_ends_at_the_quota_of_the_day_and_at_what_may_lie_there(town)


async def test_the_document_describes_what_is_answered(town: Town) -> None:
    acme = await key(town)
    told = await ask(town, "GET", "/open/openapi.json", {})
    paths, shapes = told[1]["paths"], told[1]["components"]["schemas"]
    described = {path for path in paths if path.startswith("/spaces/")}
    names = {str(resource.canonical) for resource in town.app.router.resources()}
    served = {one for one in names if one.startswith("/spaces/{space}/files") or one == "/spaces/{space}/readings"}
    assert described == served
    asked: list[tuple[str, str, str, dict[str, str], Any]] = [
        ("PUT", "files/{file}", "files/a", acme, b"x"), ("PUT", "files/{file}", "files/a", acme, b"x"),
        ("PUT", "files/{file}", "files/a", acme, b"y"), ("PUT", "files/{file}", "files/..%2Fb", acme, b"y"),
        ("PUT", "files/{file}", "files/big", acme, bytes(3 * MIB + 1)), ("GET", "files", "files", acme, None),
        ("GET", "files/{file}", "files/a", acme, None), ("GET", "files/{file}", "files/none", acme, None),
        ("GET", "files", "files", {}, None),
        ("POST", "readings", "readings", {**acme, "Content-Type": "text/csv"}, CSV),
        ("POST", "readings", "readings", {**acme, "Content-Type": "text/xml"}, "<a/>"),
        ("DELETE", "files/{file}", "files/a", acme, None),
    ]  # fmt: skip
    seen = set()
    for method, path, end, headers, data in asked:
        status, body, answered = await ask(town, method, f"/spaces/acme-waste/{end}", headers, data)
        answers = paths[f"/spaces/{{space}}/{path}"][method.lower()]["responses"]
        assert str(status) in answers, (method, end, status)
        seen.add(status)
        if "content" not in answers[str(status)]:
            assert body == b""
            continue
        ((form, content),) = answers[str(status)]["content"].items()
        assert answered["Content-Type"].partition(";")[0] == form, (method, end)
        shape = content["schema"]
        shape = shapes[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        if isinstance(body, dict):
            assert set(shape.get("required", ())) <= set(body) <= {*shape["properties"], "error_text"}, (
                method,
                end,
                body,
            )
    assert seen == {200, 201, 204, 400, 401, 404, 409, 413, 415}
