"""The operator's API as it reads: each answer as its document says, whatever the format and the page."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from yarl import URL

from backend.api import guard, reading
from backend.api.operations import CSV, JSON, JSON_LINES, OPERATIONS, PARQUET, Operation
from backend.api.problems import PROBLEM
from backend.queries.range_queries import Ranges
from hub.core.errors import NotReady
from hub.protocol.records.rows import Row, Subject
from tests.journeys.patience import PATIENCE_S

from ..api_kit import Office
from ..compaction_kit import HOUR, LABEL, NOW, count

pytestmark = pytest.mark.real("network")

COUNT, TEMPERATURE = "hub-001/room-1/count", "hub-001/room-1/temperature"
RANGE = f"/v1/history?series={COUNT}&series={TEMPERATURE}&from={NOW}&to={NOW + 6 * HOUR}"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office") / "owner")
    made.fill()
    yield made
    made.close()


@pytest.fixture
async def calm(filled: Office) -> AsyncIterator[Office]:
    """An office that several tests share, none of which writes."""
    async with filled.serving():
        yield filled


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    """An office of this test alone."""
    made = Office(tmp_path / "owner")
    made.fill()
    async with made.serving():
        yield made
    made.close()


def url_of(operation: Operation) -> str:
    path = operation.path.replace("{id}", COUNT)
    asked = {
        parameter.name: {"series": COUNT, "from": str(NOW)}[parameter.name]
        for parameter in operation.parameters
        if parameter.required
    }
    return str(URL(path).with_query(asked | ({"to": str(NOW + HOUR)} if operation.name == "ranges" else {})))


READING = [one for one in OPERATIONS if one.method == "GET" and one.name not in ("events", "stats")]


@pytest.mark.parametrize("operation", READING, ids=lambda one: one.name)
async def test_an_answer_has_the_form_that_its_document_says(calm: Office, operation: Operation) -> None:
    answer = await calm.get(url_of(operation))
    of = operation.answer if isinstance(operation.answer, tuple) else (operation.answer,)
    msgspec.convert(answer, of[0], strict=True)
    if len(of) > 1:
        msgspec.convert(await calm.get(f"{url_of(operation)}&step=day"), of[1], strict=True)
    lists = [name for name, value in answer.items() if isinstance(value, list)]
    empty = {"verify", "history", "gaps", "forks", "erased", "asked", "callbacks"}  # of records as ingest writes them
    assert operation.name in empty or any(answer[name] for name in lists) or operation.name == "latest"


@pytest.mark.parametrize("operation", READING, ids=lambda one: one.name)
async def test_an_operation_needs_the_token(calm: Office, operation: Operation) -> None:
    async with calm.client.get(url_of(operation), headers={"Authorization": "Bearer x"}) as reply:
        assert (reply.status, reply.content_type) == (401, PROBLEM)
        assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", READING, ids=lambda one: one.name)
async def test_an_answer_that_the_client_has_is_not_sent_again(calm: Office, operation: Operation) -> None:
    url = url_of(operation)
    async with calm.client.get(url, headers=calm.token) as reply:
        tag = reply.headers["ETag"]
    for said in (tag, f'"other", W/{tag}', "*"):
        async with calm.client.get(url, headers=calm.token | {"If-None-Match": said}) as reply:
            assert (reply.status, await reply.read(), reply.headers["ETag"]) == (304, b"", tag)
    async with calm.client.get(url, headers=calm.token | {"If-None-Match": '"other"'}) as reply:
        assert reply.status == 200


async def test_an_entity_tag_changes_with_what_is_told_and_with_its_format(desk: Office) -> None:
    tags = []
    for accept in (JSON, CSV):
        async with desk.client.get(RANGE, headers=desk.token | {"Accept": accept}) as reply:
            tags.append(reply.headers["ETag"])
            assert reply.headers["Vary"] == "Accept"
    desk.town.arrive("hub-001", [count(NOW + 5, 99)])
    async with desk.client.get(RANGE, headers=desk.token | {"If-None-Match": tags[0]}) as reply:
        assert reply.status == 200
        tags.append(reply.headers["ETag"])
    assert len(set(tags)) == 3


@pytest.mark.parametrize(
    ("path", "name", "many"),
    [
        ("/v1/hubs", "hubs", 2),
        ("/v1/series", "series", 8),
        ("/v1/alarms", "alarms", 5),
        ("/v1/alarms?open=1", "alarms", 4),
        ("/v1/raised?all=1", "alerts", 5),
        ("/v1/raised", "alerts", 4),
    ],
)
async def test_every_line_of_a_list_is_on_one_page(calm: Office, path: str, name: str, many: int) -> None:
    whole = (await calm.get(path))[name]
    assert len(whole) == many
    for limit in (1, 2, 3, many, many + 1):
        found, following, pages = [], "", 0
        while following is not None:
            page = await calm.get(str(URL(path).update_query(limit=limit, after=following)))
            assert len(page[name]) <= limit
            found += page[name]
            following, pages = page["next"], pages + 1
            assert pages <= many + 1
        assert found == whole


async def test_what_comes_while_a_list_is_read_moves_no_line_of_it(desk: Office) -> None:
    whole = (await desk.get("/v1/alarms?open=1"))["alarms"]
    first = await desk.get("/v1/alarms?open=1&limit=2")
    desk.alarm(50)
    rest = await desk.get(f"/v1/alarms?open=1&limit=9&after={first['next']}")
    assert first["alarms"] + rest["alarms"] == whole


async def test_rows_are_the_same_in_each_format(calm: Office) -> None:
    told = await calm.get(RANGE)
    rows = told["rows"]
    assert [(one["series"], one["time"]) for one in rows] == [
        *((COUNT, NOW + n * HOUR // 4) for n in range(20)),
        *((TEMPERATURE, NOW + n * HOUR // 4) for n in range(12)),
    ]
    assert [(one["id"], one["unit"]) for one in told["series"]] == [(COUNT, "1"), (TEMPERATURE, "Cel")]
    async with calm.client.get(RANGE, headers=calm.token | {"Accept": JSON_LINES}) as reply:
        assert reply.content_type == JSON_LINES
        assert [json.loads(line) for line in (await reply.text()).splitlines()] == rows
    async with calm.client.get(RANGE, headers=calm.token | {"Accept": f"{PARQUET};q=0.2, text/*"}) as reply:
        assert reply.content_type == CSV
        lines = list(csv.DictReader(io.StringIO(await reply.text())))
    assert [(one["series"], float(one["value"])) for one in lines] == [(one["series"], one["value"]) for one in rows]
    assert lines[1]["time"] == "2027-01-15T08:15:00.000Z"


async def test_intervals_are_the_same_in_each_format(calm: Office) -> None:
    url = f"{RANGE}&step=hour&period=900"
    rows = (await calm.get(url))["rows"]
    assert [(one["series"], one["begin"], one["count"], one["completeness"]) for one in rows] == [
        *((COUNT, NOW + n * HOUR, 4, 1.0) for n in range(5)),
        *((TEMPERATURE, NOW + n * HOUR, 4, 1.0) for n in range(3)),
    ]
    assert (rows[5]["min"], rows[5]["max"], rows[5]["first"], rows[5]["last"]) == (20.0, 20.03, 20.0, 20.03)
    assert rows[5]["mean"] == pytest.approx(20.015)
    async with calm.client.get(url, headers=calm.token | {"Accept": CSV}) as reply:
        lines = list(csv.DictReader(io.StringIO(await reply.text())))
    assert [float(one["sum"]) for one in lines] == [one["sum"] for one in rows]
    assert (lines[0]["begin"], lines[0]["end"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T09:00:00.000Z")
    assert lines[0]["increase"] == ""


@pytest.mark.parametrize("step", ["raw", "hour"])
async def test_parquet_says_what_json_says(desk: Office, tmp_path: Path, step: str) -> None:
    duckdb = pytest.importorskip("duckdb", reason="an independent reader of Parquet")
    pytest.importorskip("pyarrow", reason="what writes it")
    texts = ["=1+1", "a\0b", "é\n\"'", ""]
    room = Subject("ble:7", "room-7", "school", "ground")
    desk.town.arrive("hub-001", [Row(room, LABEL, NOW + n, True, (text, 20.5), 0, 1) for n, text in enumerate(texts)])
    desk.town.settle(1000)
    series = [COUNT, "hub-001/room-1/motion", "hub-001/room-7/label", "hub-001/room-7/temperature"]
    asked = {"series": series, "from": NOW, "to": NOW + 6 * HOUR, "step": step}
    async with desk.client.post("/v1/history", json=asked, headers=desk.token) as reply:
        rows = (await reply.json())["rows"]
    async with desk.client.post("/v1/history", json=asked, headers=desk.token | {"Accept": PARQUET}) as reply:
        assert (reply.status, reply.content_type) == (200, PARQUET)
        (tmp_path / "rows.parquet").write_bytes(await reply.read())
    names = [name for name in rows[0] if name not in ("value", "first", "last", "begin", "end", "time")]
    names = [name for name in names if not name.endswith("_time")]
    times = ["time"] if step == "raw" else ["begin", "end", "first_time", "last_time"]
    values = ["value"] if step == "raw" else ["first", "last"]
    columns = [*(f'"{name}"' for name in names), *(f'epoch_ms("{name}")' for name in times)]
    columns += [*(f'"{name}"' for name in values), *(f'"{name}_text"' for name in values)]
    with duckdb.connect(":memory:") as database:
        read = database.execute(f"select {', '.join(columns)} from '{tmp_path / 'rows.parquet'}'").fetchall()

    def typed(row: dict[str, Any]) -> tuple[Any, ...]:
        own = [row[name] for name in values]
        numbers = [None if isinstance(one, str) else float(one) for one in own]
        return (
            *(row[name] for name in (*names, *times)),
            *numbers,
            *(one if isinstance(one, str) else None for one in own),
        )

    assert read == [typed(row) for row in rows]
    assert len(rows) > 8 - 4 * (step == "hour")


async def test_a_text_that_a_spreadsheet_would_compute_is_only_a_text(desk: Office) -> None:
    room = Subject("ble:7", "room-7", "school", "ground")
    texts = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "plain", 'a "b", c\r\nd']
    desk.town.arrive("hub-001", [Row(room, LABEL, NOW + n, True, (text, 20.5), 0, 1) for n, text in enumerate(texts)])
    desk.town.settle(1000)
    url = f"/v1/history?series=hub-001/room-7/label&from={NOW}&to={NOW + HOUR}"
    async with desk.client.get(url, headers=desk.token | {"Accept": CSV}) as reply:
        found = [one["value"] for one in csv.DictReader(io.StringIO(await reply.text(), newline=""))]
    assert found == ["'" + text for text in texts[:4]] + texts[4:]


async def test_the_pages_of_a_range_are_linked(calm: Office) -> None:
    whole = (await calm.get(RANGE))["rows"]
    found, url, pages = [], URL(f"{RANGE}&limit=7"), 0
    while True:
        async with calm.client.get(url, headers=calm.token) as reply:
            page = await reply.json()
            found += page["rows"]
            pages += 1
            assert reply.headers.get("Next-Cursor") == page["next"]
            if "next" not in reply.links:
                break
            url = URL(reply.links["next"]["url"]).relative()  # type: ignore[arg-type]
    assert (found, pages) == (whole, 5)


async def test_many_series_are_asked_in_a_body_and_page_by_page(calm: Office) -> None:
    asked: dict[str, Any] = {"series": [COUNT, TEMPERATURE] * 100, "from": "2027-01-15", "to": "2027-01-16"}
    found, following = [], ""
    while following is not None:
        async with calm.client.post(
            "/v1/history", json=asked | {"limit": 1000, "after": following}, headers=calm.token
        ) as reply:
            page = await reply.json()
            assert reply.status == 200, page
        found, following = found + page["rows"], page["next"]
    assert len(found) == 100 * (20 + 12)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("1799996400000", "1800007200000"),
        ("2027-01-15T08:00:00%2B01:00", "2027-01-15T10:00:00Z"),
        ("2027-01-15T07:00:00Z", "2027-01-15T11:00:00%2B01:00"),
    ],
)
async def test_a_moment_is_a_number_or_a_date_with_its_offset(calm: Office, start: str, end: str) -> None:
    told = await calm.get(f"/v1/history?series={COUNT}&from={start}&to={end}")
    assert [one["value"] for one in told["rows"]] == list(range(8))


async def test_a_date_is_a_day_of_the_zone(calm: Office) -> None:
    for zone, value in (("Europe/Paris", 0), ("Asia/Tokyo", 0), ("Pacific/Kiritimati", 8)):
        url = f"/v1/history?series={COUNT}&from=2027-01-16&to=2027-01-17&zone={zone}"
        told = await calm.get(url)
        assert [one["value"] for one in told["rows"]][:1] == ([value] if zone == "Pacific/Kiritimati" else [])


WRONG = [
    ("/v1/history?from=0", "series is given 1 to 64 times"),
    (f"/v1/history?series={COUNT}", "from is missing"),
    (f"/v1/history?series={COUNT}&from=x", "from is Unix ms"),
    (f"/v1/history?series={COUNT}&from=2027-01-15T08:00:00", "with its offset"),
    (f"/v1/history?series={COUNT}&from=-1", "from is Unix ms"),
    (f"/v1/history?series={COUNT}&from={10**16}", "from is Unix ms"),
    (f"/v1/history?series={COUNT}&from={'9' * 40}", "from is Unix ms"),
    (f"/v1/history?series={COUNT}&from=9&to=9", "`to` lies after"),
    (f"/v1/history?series={COUNT}&from=0&to={NOW}", "spans at most 366 days"),
    (f"/v1/history?series={COUNT}&from={NOW}&to={NOW + 1}&step=week", "step is one of raw, minute"),
    (f"/v1/history?series={COUNT}&from={NOW}&to={NOW + 1}&zone=Mars/Base", "no time zone 'Mars/Base'"),
    (f"/v1/history?series={COUNT}&from={NOW}&to={NOW + 1}&limit=0", "limit lies between"),
    (f"/v1/history?series={COUNT}&from={NOW}&to={NOW + 1}&limit=100001", "limit lies between"),
    (f"/v1/history?series={COUNT}&from={NOW}&to={NOW + 1}&after=x", "no cursor"),
    (f"/v1/history?series={COUNT}&from={NOW}&form=csv", "no parameter form here"),
    (f"/v1/history?series={'x' * 1025}&from=0", "at most 1024 characters"),
    ("/v1/history?from=0" + f"&series={COUNT}" * 65, "1 to 64 times"),
    ("/v1/hubs?lmit=5", "no parameter lmit here; there are after, hub, limit"),
    ("/v1/retention?x=1", "no parameter x here"),
    ("/v1/alarms?limit=1001", "limit lies between"),
    ("/v1/alarms?after=AAAA", "no cursor"),
    ("/v1/raised?after=%00", "no cursor"),
    ("/v1/forks?limit=1e3", "limit is a whole number"),
    ("/v1/events?kind=weather", "kind is one of"),
]


@pytest.mark.parametrize(("path", "said"), WRONG)
async def test_a_wrong_question_is_told_what_would_be_right(calm: Office, path: str, said: str) -> None:
    async with calm.client.get(path, headers=calm.token) as reply:
        problem = msgspec.json.decode(await reply.read(), type=dict[str, Any])
        assert (reply.status, reply.content_type) == (400, PROBLEM), problem
    assert said in problem["detail"]
    assert (problem["status"], problem["title"], problem["error"]) == (400, "Bad Request", problem["detail"])
    assert problem["error_text"]["code"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b'{"series":["a"]}', 400),
        (b'{"series":[],"from":0}', 400),
        (b'{"series":["a"],"from":0,"more":1}', 400),
        (b'{"series":["a"],"from":0.5}', 400),
        (b'{"series":["a"],"from":-1}', 400),
        (b'{"series":["a"],"from":0,"limit":100001}', 400),
        (b'{"series":["a\xff"],"from":0}', 400),
        (b'{"series":["a"],"from":0,"to":1000}', 404),
        (b'{"series":["a/b/c","a/b/c"],"from":"1970-01-02","to":"1970-01-03"}', 404),
        (json.dumps({"series": ["x"] * 1001, "from": 0}).encode(), 400),
        (b" " * (reading.MAX_BODY + 1), 413),
    ],
)
async def test_a_wrong_body_is_a_clear_refusal(calm: Office, body: bytes, status: int) -> None:
    async with calm.client.post("/v1/history", data=io.BytesIO(body), headers=calm.token) as reply:
        assert (reply.status, reply.content_type) == (status, PROBLEM)
        msgspec.json.decode(await reply.read())


async def test_a_series_that_there_is_not_is_a_404(calm: Office) -> None:
    for path in (
        "/v1/history?from=0&to=1&series=hub-001/x/y",
        "/v1/latest?series=hub-001/x/y",
        "/v1/events?series=a/b/c",
    ):
        assert "there is no series" in (await calm.get(path, status=404))["detail"]


async def test_a_format_that_is_not_offered_is_a_406(calm: Office) -> None:
    for accept in ("text/html", "image/*, application/json;q=0", "application/json;q=x"):
        problem = await calm.get(RANGE, status=406, Accept=accept)
        assert PARQUET in problem["detail"]


async def test_a_backend_without_pyarrow_says_what_to_install_or_to_ask_for(
    calm: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    problem = await calm.get(RANGE, status=406, Accept=PARQUET)
    assert "ilot[parquet]" in problem["detail"]


async def test_a_cursor_is_good_for_its_own_question_alone(calm: Office) -> None:
    following = (await calm.get(f"{RANGE}&limit=3"))["next"]
    for other in (RANGE.replace("count", "motion"), f"{RANGE}&step=hour", f"{RANGE}&zone=Asia/Tokyo"):
        problem = await calm.get(f"{other}&after={following}", status=400)
        assert "another question" in problem["detail"]
    assert len((await calm.get(f"{RANGE}&limit=100&after={following}"))["rows"]) == 32 - 3


async def test_more_questions_than_are_answered_at_once_wait_and_beyond_that_are_refused(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_WAITING", 3)
    held, most, go_on, page = 0, 0, asyncio.Event(), Ranges.page
    loop = asyncio.get_running_loop()

    def slowly(ranges: Ranges, *asked: Any) -> Any:
        nonlocal held, most
        held += 1
        most = max(most, held)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        held -= 1
        return page(ranges, *asked)

    monkeypatch.setattr(Ranges, "page", slowly)
    asking = [asyncio.ensure_future(desk.get(RANGE)) for _ in range(guard.MOST_AT_ONCE + 3)]
    async with asyncio.timeout(PATIENCE_S):
        while desk.api._guard.turns._waiting < 3 or held < guard.MOST_AT_ONCE:
            await asyncio.sleep(0.01)
    refused = await desk.get(RANGE, status=503)
    assert "too many questions" in refused["detail"]
    go_on.set()
    answers = await asyncio.gather(*asking)
    assert most == guard.MOST_AT_ONCE
    assert all(answer == answers[0] for answer in answers)


async def test_a_database_that_refuses_is_told_with_when_to_ask_again(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotReady("nothing now")

    monkeypatch.setattr(Ranges, "page", refuse)
    async with desk.client.get(RANGE, headers=desk.token) as reply:
        assert (reply.status, reply.headers["Retry-After"], reply.content_type) == (503, "5", PROBLEM)
