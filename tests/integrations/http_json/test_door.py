"""Webhooks that node's HTTP client sends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import Any

import pytest

import hub
from integrations.http_json import Config, run
from integrations.http_json.door import Door

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
    kept: list[str] = []
    emit = session.emit

    async def slowly(report: hub.Report, *, durable: bool = False) -> None:
        await asyncio.sleep(0.05)
        await emit(report, durable=durable)
        kept.append("kept")

    session.emit = slowly
    reply = await peer.send(f"{url}/hook/meter-1", {"P": 5, "t": 1790000000}, headers=RIGHT)
    assert (reply["status"], kept) == (200, ["kept"])
    (report,) = session.durable
    assert report == hub.Report(
        device="http:m", values={"power": 5}, time=1790000000.0, proof=hub.Proof(scheme="webhook")
    )
    assert session.drops == [("http:m", "http-missing")]


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

    async def full(report: hub.Report, *, durable: bool = False) -> None:
        raise hub.NotReady("no room")

    session.emit = full
    reply = await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT)
    assert (reply["status"], reply["headers"]["retry-after"]) == (503, "60")

    async def broken(report: hub.Report, *, durable: bool = False) -> None:
        raise OSError("disk")

    session.emit = broken
    assert (await peer.send(f"{url}/hook/meter-1", {"P": 5}, headers=RIGHT))["status"] == 503


async def test_too_many_at_once_are_put_off(peer: Any, session: Any, door: Any) -> None:
    url = await door(max_rate=1)
    replies = await asyncio.gather(
        *(peer.send(f"{url}/hook/meter-1", {"P": n}, headers=RIGHT) for n in range(8)), return_exceptions=False
    )
    statuses = sorted(reply["status"] for reply in replies)
    assert statuses[:2] == [200, 200]
    assert statuses.count(429) >= 4
    assert len(session.reports) == statuses.count(200)


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
