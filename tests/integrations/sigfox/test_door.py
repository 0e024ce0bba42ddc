"""The HTTP side, spoken to by another client in its own process, and by nobody's client at all."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from sigfox_operator import TEMPLATES, Operator, message

import hub
from hub.sdk import http_server as server_of_all
from hub.sdk.http_server import Rate
from hub.sdk.sigfox import server
from hub.sdk.sigfox.callback import KINDS
from hub.sdk.testing import FakeSession
from integrations.sigfox import Config, probe, run
from integrations.sigfox.metrics import METRICS

from ...ports import free_port

SECRET = "0123456789abcdef0123456789abcdef"
ROOM = hub.Device(
    id="sigfox:1D2F3",
    integration="sigfox",
    place="room",
    settings={
        "format": "temp::int:16:little-endian hum::uint:8",
        "values": {"temperature": {"field": "temp", "scale": 0.01}, "humidity": {"field": "hum"}},
        "downlink": "0102030405060708",
    },
)


@asynccontextmanager
async def served(**listen: Any) -> AsyncIterator[tuple[str, FakeSession]]:
    port, session = free_port(), FakeSession("sigfox", [ROOM], metrics=METRICS)
    config = Config.model_validate({"listen": {"port": port, "secret": SECRET, **listen}})
    task = asyncio.create_task(run(config, session))
    for _ in range(6000):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        break
    try:
        yield f"http://127.0.0.1:{port}", session
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def hub_() -> AsyncIterator[tuple[str, FakeSession]]:
    async with served() as made:
        yield made


def reports(session: FakeSession) -> list[hub.Report]:
    return [report for report in session.reports if report.values]


def reasons(session: FakeSession) -> list[str]:
    return [reason for _, reason in session.drops]


VALUES: dict[str, dict[str, Any]] = {
    "uplink": {},
    "bidir": {"ack": True},
    "advanced": {
        "lqi": "Good", "duplicates": [{"bsId": "27B9", "rssi": -120.0, "nbRep": 3}],
        "computedLocation": {"lat": 48.5, "lng": 2.25, "radius": 900, "source": 2, "status": 1},
    },
    "acknowledge": {"infoCode": 0, "infoMessage": "Acked", "downlinkAck": True, "downlinkOverusage": False},
    "status": {"batt": 3.2, "temp": 21.5},
    "geoloc": {"lat": 48.5, "lng": 2.25, "radius": 900},
    "error": {"severity": "ERROR", "info": "No message received since Tue Oct 07 2025"},
}  # fmt: skip


def test_the_page_has_a_template_for_every_kind() -> None:
    assert set(TEMPLATES) == set(KINDS) == set(VALUES)


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("kind", KINDS)
async def test_each_template_of_the_page_is_understood(
    hub_: tuple[str, FakeSession], operator: Operator, kind: str
) -> None:
    url, session = hub_
    status, body = await operator.tell(url, kind, SECRET, message(**VALUES[kind]))
    assert status == 200, body
    assert reasons(session) == (["operator-silent"] if kind == "error" else [])
    wanted: dict[str, Any] = {
        "uplink": {"temperature": 20.02, "humidity": 45},
        "bidir": {"temperature": 20.02, "humidity": 45},
        "advanced": {"temperature": 20.02, "humidity": 45, "sigfox_link": 2, "location_radius": 900.0},
        "acknowledge": {},
        "status": {"battery_voltage": 3.2, "module_temperature": 21.5},
        "geoloc": {"location_radius": 900.0},
        "error": {"connectivity": False},
    }[kind]
    assert {name: value for report in reports(session) for name, value in report.values.items()} == pytest.approx(
        wanted
    )
    assert json.loads(body or "{}") == ({"1D2F3": {"downlinkData": "0102030405060708"}} if kind == "bidir" else {})


@pytest.mark.real("network, processes")
async def test_a_bidir_that_asks_nothing_is_answered_without_content(
    hub_: tuple[str, FakeSession], operator: Operator
) -> None:
    status, body = await operator.tell(hub_[0], "bidir", SECRET, message(ack=False))
    assert (status, body) == (204, "")


@pytest.mark.real("network, processes")
async def test_the_answer_leaves_after_the_commit_and_not_before(
    hub_: tuple[str, FakeSession], operator: Operator
) -> None:
    url, session = hub_
    emit, committed = session.emit, asyncio.Event()

    async def slow(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        await emit(*reports, durable=durable, note=note)
        if durable:
            await committed.wait()

    session.emit = slow  # type: ignore[method-assign]
    answer = asyncio.wrap_future(operator.call(url, "uplink", SECRET, message()))
    while not session.durable:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert not answer.done()
    committed.set()
    assert (await answer)[0] == 200


@pytest.mark.real("network, processes")
async def test_a_commit_that_takes_too_long_is_refused_before_the_operator_gives_up(
    hub_: tuple[str, FakeSession], operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, session = hub_
    monkeypatch.setattr(server.Door, "ANSWER_S", 0.2)

    async def never(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        await asyncio.sleep(60)

    session.emit = never  # type: ignore[method-assign]
    status, body = await operator.tell(url, "uplink", SECRET, message())
    assert (status, "too long" in body, reasons(session)) == (503, True, ["too-slow"])


@pytest.mark.real("network, processes")
async def test_forms_and_queries_are_callbacks_too(hub_: tuple[str, FakeSession], operator: Operator) -> None:
    url, session = hub_
    bearer = {"Authorization": f"Bearer {SECRET}"}
    form = {**bearer, "Content-Type": "application/x-www-form-urlencoded"}
    said = [urlencode(message(n)) for n in range(4)]
    answers = [
        await operator.send(f"{url}/sigfox/uplink", headers=form, body=said[0]),
        await operator.send(f"{url}/sigfox/uplink", headers=form, body=said[1], method="PUT"),
        await operator.send(f"{url}/sigfox/uplink?{said[2]}", headers=bearer, method="GET"),
        await operator.send(f"{url}/sigfox/uplink?{said[3]}", headers=bearer),
    ]
    assert [status for status, _ in answers] == [200] * 4
    assert len(reports(session)) == 4


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("listen", "headers", "status"),
    [
        ({}, {"Authorization": f"Bearer {SECRET}"}, 200),
        ({}, {"Authorization": f"bearer {SECRET}"}, 200),
        ({}, {}, 401),
        ({}, {"Authorization": "Bearer "}, 401),
        ({}, {"Authorization": f"Bearer {SECRET}x"}, 401),
        ({}, {"Authorization": f"Bearer {SECRET[:-1]}"}, 401),
        ({}, {"Authorization": SECRET}, 401),
        ({}, {"Authorization": "Basic " + base64.b64encode(f"ilot:{SECRET}".encode()).decode()}, 401),
        ({"user": "ilot"}, {"Authorization": "Basic " + base64.b64encode(f"ilot:{SECRET}".encode()).decode()}, 200),
        ({"user": "ilot"}, {"Authorization": "Basic " + base64.b64encode(f"other:{SECRET}".encode()).decode()}, 401),
        ({"user": "ilot"}, {"Authorization": "Basic !!"}, 401),
        ({"user": "ilot"}, {"Authorization": f"Bearer {SECRET}"}, 401),
        ({"header": "X-Ilot"}, {"X-Ilot": SECRET}, 200),
        ({"header": "X-Ilot"}, {"Authorization": f"Bearer {SECRET}"}, 401),
    ],
)  # fmt: skip
async def test_only_who_brings_the_secret_is_heard(
    operator: Operator, listen: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    async with served(**listen) as (url, session):
        found, _ = await operator.send(f"{url}/sigfox/uplink", headers=headers, body=json.dumps(message()))
        assert found == status
        assert len(reports(session)) == (1 if status == 200 else 0)
        assert reasons(session) == ([] if status == 200 else ["not-authorised"])
        assert not session.candidates


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("path", "asked", "status", "says"),
    [
        ("/", {}, 404, "callbacks go to /sigfox/<kind>"),
        ("/sigfox/", {}, 400, "there is no callback"),
        ("/sigfox/../../etc", {}, 404, "callbacks go to"),
        ("/sigfox/downlink", {}, 400, "there are uplink, bidir"),
        ("/sigfox/uplink", {"body": "{"}, 400, "not well-formed"),
        ("/sigfox/uplink", {"body": '{"device": "1D2F3"}'}, 400, "the template needs time"),
        ("/sigfox/uplink", {"body": "x" * 40_000}, 413, "at most 32768 bytes"),
        ("/sigfox/uplink", {"method": "DELETE"}, 405, "POST, PUT or GET"),
    ],
)
async def test_what_is_wrong_is_answered_with_a_sentence_and_counted(
    hub_: tuple[str, FakeSession], operator: Operator, path: str, asked: dict[str, Any], status: int, says: str
) -> None:
    url, session = hub_
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    found, body = await operator.send(f"{url}{path}", headers=headers, **asked)
    assert (found, says in json.loads(body)["error"]) == (status, True), body
    assert len(session.drops) == 1
    assert reports(session) == []


@pytest.mark.real("network, processes")
async def test_more_than_the_rate_are_told_to_come_again(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_of_all, "Rate", lambda per_second, now: Rate(per_second, lambda: 0.0))  # at once
    async with served(max_rate=1) as (url, session):
        answers = [await operator.tell(url, "uplink", SECRET, message(n)) for n in range(8)]
        assert [status for status, _ in answers] == [200] * 2 + [429] * 6
        assert reasons(session).count("too-many") == 6


@pytest.mark.real("network, processes")
@pytest.mark.usefixtures("many_descriptors")
async def test_a_thousand_slow_connections_keep_nobody_out(
    hub_: tuple[str, FakeSession], operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.Door, "KEEP_S", 3600.0)  # none goes by itself
    url, session = hub_
    port = int(url.rpartition(":")[2])
    writers = []
    for n in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /sigfox/uplink HTTP/1.1\r\nHost: x\r\nX: " if n % 2 else b"")
        writers.append(writer)
    try:
        status, body = await operator.tell(url, "uplink", SECRET, message())
        assert (status, body) == (200, "")
        assert reasons(session).count("connection-pushed-out") >= 700
    finally:
        for writer in writers:
            writer.close()


@pytest.mark.real("network")
async def test_a_body_that_never_ends_is_given_up(
    hub_: tuple[str, FakeSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.Door, "BODY_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub_[0].rpartition(":")[2]))
    head = f"POST /sigfox/uplink HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Length: 99\r\n\r\n{{"
    writer.write(head.encode())
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
    writer.close()


@pytest.mark.real("network, processes")
async def test_noise_on_the_port_harms_nothing(hub_: tuple[str, FakeSession], operator: Operator) -> None:
    url, _ = hub_
    for noise in (b"\0" * 1000, b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000):
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(noise)
        await asyncio.gather(writer.drain(), return_exceptions=True)
        writer.close()
    assert (await operator.tell(url, "uplink", SECRET, message()))[0] == 200


@pytest.mark.real("network")
async def test_a_port_that_is_taken_is_told_as_such() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = Config.model_validate({"listen": {"port": taken.getsockname()[1], "secret": SECRET}})
        assert "is in use" in await probe(config)
        with pytest.raises(hub.NotReady, match="cannot be listened on"):
            await run(config, FakeSession("sigfox", metrics=METRICS))
    free = Config.model_validate({"listen": {"port": free_port(), "secret": SECRET}})
    assert "is free" in await probe(free)


async def test_a_certificate_that_is_not_there_is_told_with_its_file() -> None:
    listen = {"port": 0, "secret": SECRET, "certificate": "no.pem", "certificate_key": "no.key"}
    with pytest.raises(hub.NotReady, match=r"no\.pem or its key cannot be read"):
        await run(Config.model_validate({"listen": listen}), FakeSession("sigfox", metrics=METRICS))
