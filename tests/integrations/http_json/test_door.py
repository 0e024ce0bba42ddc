"""Webhooks that node's HTTP client sends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import Any

import pytest

import hub
from hub.sdk.http_server import Rate
from integrations.http_json import Config, run
from integrations.http_json.door import Door
from integrations.http_json.intake import Intake

pytestmark = pytest.mark.real("network, processes")

SECRET = "a-secret-of-more-than-twenty-characters"
RIGHT = {"Authorization": f"Bearer {SECRET}"}
VALUES = {"power": {"path": "P"}, "energy": {"path": "E"}}


@pytest.fixture
async def door(session: Any, start: Any, caplog: pytest.LogCaptureFixture) -> Any:
    """Listens, with options; returns its address."""
    caplog.set_level(logging.INFO)

    async def listen(**options: Any) -> str:
        given = Config.model_validate({"listen": {"secret": SECRET, "port": 0, **options}})
        running = start(run(given, session))
        async with asyncio.timeout(60):
            while True:
                assert not running.done(), running
                for record in caplog.records:
                    if found := re.search(r"messages go to (http://[\d.:]+)", record.getMessage()):
                        return found[1]
                await asyncio.sleep(0.01)

    session.put("http:m", hook="meter-1", values=VALUES, time="t")
    return listen


async def test_a_message_is_answered_once_it_is_durable(peer: Any, session: Any, door: Any) -> None:
    url = await door()
    order: list[str] = []
    emit = session.emit

    async def slowly(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        await emit(*reports, durable=durable, note=note)
        order.extend(["taken"] * len(reports))
        if durable:
            await asyncio.sleep(0.05)
            order.append("durable")

    session.emit = slowly
    reply = await peer.send(f"{url}/hook/meter-1", {"P": 5, "t": 1790000000}, headers=RIGHT)
    assert (reply["status"], order) == (200, ["taken", "durable"])
    assert session.reports == [
        hub.Report(device="http:m", values={"power": 5}, time=1790000000.0, proof=hub.Proof(scheme="webhook"))
    ]
    assert session.drops == [("http:m", "http-missing")]


async def test_a_message_that_is_refused_and_comes_again_is_taken_once(peer: Any, session: Any, door: Any) -> None:
    url = await door()
    session.disk_error = OSError("no room")
    for document in ({"P": 5, "E": 1, "t": 1790000000}, {"P": 6, "E": 1}):
        for _ in range(2):
            assert (await peer.send(f"{url}/hook/meter-1", document, headers=RIGHT))["status"] == 503
        session.disk_error = None
        assert (await peer.send(f"{url}/hook/meter-1", document, headers=RIGHT))["status"] == 200
        session.disk_error = OSError("no room")
    assert [report.values["power"] for report in session.reports] == [5, 6]


@pytest.mark.parametrize("name", ["Idempotency-Key", "webhook-id", "ce-id", "message_id"])
async def test_what_the_sender_numbers_is_told_apart_by_its_number(
    peer: Any, session: Any, door: Any, name: str
) -> None:
    session.put("http:m", hook="meter-1", values={"power": {"path": "P"}}, message_id="id" if "_" in name else None)
    url = await door()
    for number in ("a", "b", "a", "b", "c"):
        said = {"body": {"P": 5, "id": number}} if "_" in name else {"body": {"P": 5}}
        headers = RIGHT if "_" in name else {**RIGHT, name: number}
        assert (await peer.send(f"{url}/hook/meter-1", **said, headers=headers))["status"] == 200
    assert len(session.reports) == 3
    assert session.drops == [("http:m", "repeat")] * 2


async def test_a_number_that_is_not_there_is_counted_and_the_message_taken(peer: Any, session: Any, door: Any) -> None:
    session.put("http:m", hook="meter-1", values={"power": {"path": "P"}}, message_id="id")
    url = await door()
    for wrong in ({}, {"id": None}, {"id": True}, {"id": []}, {"id": 1.5}, {"id": ""}):
        assert (await peer.send(f"{url}/hook/meter-1", {"P": 5, **wrong}, headers=RIGHT))["status"] == 200
    assert len(session.reports) == 6
    assert session.drops == [("http:m", "http-id")] * 6


class AnswersEach(Intake):
    """A twin that takes every sender for one that got its answer."""

    async def take(self, *given: Any) -> Any:
        taken = await super().take(*given)
        self.answered(taken)
        return taken


@pytest.mark.parametrize(("intake", "taken"), [(Intake, 2), (AnswersEach, 3)])
async def test_a_sender_that_hangs_up_before_its_answer_and_repeats_is_taken_once_and_a_twin_takes_it_twice(
    session: Any, door: Any, monkeypatch: pytest.MonkeyPatch, intake: type[Intake], taken: int
) -> None:
    """Without a number and a date: nothing but the missing answer tells the repetition from a new measurement."""
    doors: list[Door] = []

    class Kept(Door):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            doors.append(self)

    monkeypatch.setattr("integrations.http_json.door.Door", Kept)
    monkeypatch.setattr("integrations.http_json.Intake", intake)
    url = await door()
    host, port = url.removeprefix("http://").split(":")
    waits, emit = asyncio.Event(), session.emit

    async def slowly(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        await emit(*reports, durable=durable, note=note)
        if durable:
            await waits.wait()

    session.emit = slowly
    body = b'{"P": 5, "E": 1}'
    head = f"POST /hook/meter-1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\n"
    said = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    for hang_up in (True, False, False):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(said)
        before = len(session.drops) + len(session.reports)
        async with asyncio.timeout(60):
            while len(session.drops) + len(session.reports) == before:
                await asyncio.sleep(0.01)
            if hang_up:
                writer.transport.abort()
                while len(doors[0]._connections or ()):
                    await asyncio.sleep(0.01)
                waits.set()
            else:
                assert (await reader.readline()).split()[1] == b"200"
                writer.close()
    assert len(session.reports) == taken, "the first once, though it came twice; the third is a new measurement"


async def test_who_has_no_right_learns_nothing(peer: Any, session: Any, door: Any) -> None:
    url = await door()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {SECRET}"}, {"X-Secret": SECRET}):
        for path in ("/hook/meter-1", "/hook/nobody", "/"):
            reply = await peer.send(url + path, {"P": 5}, headers=headers)
            assert (reply["status"], reply["headers"]["www-authenticate"]) == (401, "Bearer")
    assert session.reports == []
    assert {reason for _, reason in session.drops} == {"hook-not-authorised"}


async def test_basic_and_other_headers_are_taken_where_the_configuration_says_so(
    peer: Any, session: Any, door: Any
) -> None:
    url = await door(header="X-Key")
    assert (await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT))["status"] == 401
    assert (await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers={"X-Key": SECRET}, method="PUT"))["status"] == 200


@pytest.mark.parametrize(
    ("path", "method", "body", "status", "reason"),
    [
        ("/hook/nobody", "POST", {"P": 1}, 404, "hook-unknown"),
        ("/elsewhere", "POST", {"P": 1}, 404, "hook-unknown"),
        ("/hook/meter-1", "GET", None, 405, "hook-method"),
        ("/hook/meter-1", "POST", "<html>" + "x" * 100, 400, "http-body"),
        ("/hook/meter-1", "POST", {"Q": 1}, 400, "http-nothing"),
        ("/hook/meter-1", "POST", "x" * (Door.MOST_BODY + 1), 413, "oversized"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_its_reason(
    peer: Any, session: Any, door: Any, path: str, method: str, body: Any, status: int, reason: str
) -> None:
    url = await door()
    reply = await peer.send(url + path, body, headers=RIGHT, method=method)
    assert reply["status"] == status
    assert "error" in reply["body"]
    assert ("", reason) in session.drops
    assert session.reports == []


async def test_what_cannot_be_kept_now_is_to_be_sent_again(peer: Any, session: Any, door: Any) -> None:
    url = await door()
    for error in (hub.NotReady("no room"), OSError("disk")):

        async def full(*reports: hub.Report, durable: bool = False, note: Any = None, error: Any = error) -> None:
            raise error

        session.emit = full
        reply = await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT)
        assert (reply["status"], reply["headers"]["retry-after"]) == (503, "60")
    assert session.reports == []


async def test_too_many_at_once_are_put_off(
    peer: Any, session: Any, door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.sdk.http_server.Rate", lambda per_second, now: Rate(per_second, lambda: 0.0))  # at once
    url = await door(max_rate=1)
    replies = await asyncio.gather(
        *(peer.send(f"{url}/hook/meter-1", {"P": n}, headers=RIGHT) for n in range(8)), return_exceptions=False
    )
    assert sorted(reply["status"] for reply in replies) == [200] * 2 + [429] * 6
    assert len(session.reports) == 2


async def test_strangers_who_knock_without_end_use_up_nothing_of_those_who_may(
    peer: Any, session: Any, door: Any
) -> None:
    url = await door(max_rate=1)
    for _ in range(5):
        assert (await peer.send(f"{url}/hook/meter-1", {"P": 1}))["status"] == 401
    assert (await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT))["status"] == 200


async def test_slow_connections_do_not_keep_others_out(peer: Any, session: Any, door: Any) -> None:
    url = await door()
    host, port = url.removeprefix("http://").split(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(Door.MOST_OPEN + 20)]
    for _, writer in held[::2]:
        with contextlib.suppress(OSError):
            writer.write(b"POST /hook/meter-1 HTTP/1.1\r\nHost: x\r\n")  # and never the rest
    reply = await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT)
    assert reply["status"] == 200
    assert ("", "hook-pushed-out") in session.drops
    for _, writer in held:
        writer.close()


async def test_a_port_that_is_taken_is_named(session: Any, peer: Any) -> None:
    given = Config.model_validate({"listen": {"secret": SECRET, "port": peer.port}})
    with pytest.raises(hub.NotReady, match=f"127.0.0.1 port {peer.port} cannot be listened on"):
        async with asyncio.timeout(60):
            await run(given, session)


async def test_two_devices_cannot_send_under_one_name(
    peer: Any, session: Any, door: Any, caplog: pytest.LogCaptureFixture
) -> None:
    session.put("http:n", hook="meter-1", values=VALUES)
    url = await door()
    assert (await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT))["status"] == 200
    assert list(session.take()) == ["http:m"]
    assert any("has that name" in record.message for record in caplog.records)
