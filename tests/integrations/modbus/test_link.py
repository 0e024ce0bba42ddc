"""One connection: its pace, its losses, and servers that answer nonsense."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.modbus import Config, Register
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.link import Link
from integrations.modbus.plan import Request

from ...serving import start_server

pytestmark = pytest.mark.real("network")

HOLDING = Request("holding", 10, 2, (Register(metric="energy", address=10, type="uint32"),))
COILS = Request("coil", 0, 3, (Register(metric="running", address=0, table="coil", type="bool"),))

Answer = Callable[[bytes], bytes | None]
"""A request (header and PDU) to the bytes of the answer; None closes the connection."""


@asynccontextmanager
async def _server(answer: Answer, *, once: bool = False) -> AsyncIterator[Config]:
    """A host that says `answer` to each request. Who waits for silence asks with `within_s`: a busy machine may need
    seconds to connect."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.read(260):
                said = answer(request)
                if said is None:
                    break
                writer.write(said)
                await writer.drain()
                if once:
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Config(host="127.0.0.1", port=port, timeout=30.0, retries=0, max_rate=1000)  # type: ignore[arg-type]


def _frame(request: bytes, pdu: bytes) -> bytes:
    return request[:4] + struct.pack(">HB", len(pdu) + 1, request[6]) + pdu


async def _read(answer: Answer, request: Request = HOLDING, *, attempts: int = 1, within_s: float = 30.0) -> list[int]:
    async with _server(answer) as config, Link(config) as link:
        return await link.read(1, request, attempts=attempts, within_s=within_s)


async def test_the_words_of_an_answer_are_returned() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return _frame(request, b"\x03\x04\x00\x01\xff\xfe")

    assert await _read(answer) == [1, 0xFFFE]
    assert asked[0][2:] == b"\x00\x00\x00\x06\x01\x03\x00\x0a\x00\x02"


async def test_the_bits_of_an_answer_are_cut_to_those_asked() -> None:
    assert await _read(lambda request: _frame(request, b"\x01\x01\x05"), COILS) == [1, 0, 1]


@pytest.mark.parametrize(
    ("code", "reason", "whole_device"),
    [
        (1, "illegal-function", False), (2, "illegal-address", False), (3, "illegal-value", False),
        (4, "device-failure", False), (5, "device-busy", True), (6, "device-busy", True), (8, "memory-parity", False),
        (10, "gateway-path", True), (11, "gateway-target", True), (200, "exception-200", False),
    ],
)  # fmt: skip
async def test_an_exception_response_is_named(code: int, reason: str, whole_device: bool) -> None:
    with pytest.raises(Refused, match=r"holding 10\.\.11 \(energy\): ") as caught:
        await _read(lambda request: _frame(request, bytes([0x83, code])))
    assert (caught.value.reason, caught.value.whole_device) == (reason, whole_device)


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        (b"\x03\x02\x00\x01", "truncated"),
        (b"\x03\x06\x00\x01\x00\x02\x00\x03", "truncated"),
        (b"\x04\x04\x00\x01\x00\x02", "bad-answer"),
        (b"\x03\xfa\x00", "bad-answer"),
        (b"\x03", "bad-answer"),
        (b"\x00", "bad-answer"),
        (b"\x63\x01", "bad-answer"),
        (b"\x83", "bad-answer"),
    ],
)
async def test_an_answer_that_is_none_is_a_decode_error_and_the_line_lives_on(
    pdu: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [pdu, b"\x03\x04\x00\x01\x00\x02"]
    async with _server(lambda request: _frame(request, answers.pop(0))) as config, Link(config) as link:
        with pytest.raises(hub.DecodeError) as caught:
            await link.read(1, HOLDING)
        assert caught.value.reason == reason
        assert await link.read(1, HOLDING) == [1, 2]
    assert caplog.records == []


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_whatever_bytes_come_the_read_ends_with_an_error_of_ours(data: bytes) -> None:
    for answer in (lambda _: data, lambda request: _frame(request, data), lambda request: request[:6] + data):
        with pytest.raises((hub.DecodeError, hub.NotReady)):
            asyncio.run(_read(answer, Request("holding", 0, 120, ()), within_s=0.2))


async def test_a_late_answer_to_an_earlier_question_is_not_taken_for_this_one() -> None:
    late: list[bytes] = []

    def answer(request: bytes) -> bytes:
        if not late:
            late.append(_frame(request, b"\x03\x04\xaa\xaa\xaa\xaa"))
            return b"\x00"
        return late[0] + _frame(request, b"\x03\x04\x00\x01\x00\x02")

    assert await _read(answer, attempts=20, within_s=0.2) == [1, 2]


async def test_after_a_silence_a_server_whose_answers_bear_no_number_is_connected_anew() -> None:
    said = [b"\x03\x04\x00\x01\x00\x02", b"", b"\x03\x04\x00\x03\x00\x04"]

    def answer(request: bytes) -> bytes:
        pdu = said.pop(0)
        return b"\0\0" + _frame(request, pdu)[2:] if pdu else b"\0"

    async with _server(answer) as config, Link(config) as link:
        assert await link.read(1, HOLDING) == [1, 2]
        with pytest.raises(Silent):
            await link.read(1, HOLDING, within_s=0.4)
        assert not link.connected, "what comes late is heard by nobody"
        assert await link.read(1, HOLDING) == [3, 4]


async def test_a_connection_closed_while_it_was_idle_is_opened_again() -> None:
    answer = b"\x03\x04\x00\x01\x00\x02"
    async with _server(lambda request: _frame(request, answer), once=True) as config, Link(config) as link:
        for _ in range(3):
            assert await link.read(1, HOLDING) == [1, 2]
            async with asyncio.timeout(60):
                while link.connected:
                    await asyncio.sleep(0)


async def test_a_lost_connection_is_noticed_long_before_the_time_out() -> None:
    async with _server(lambda _: None) as config:
        patient = config.model_copy(update={"timeout": Config.model_validate({"host": "h", "timeout": 60}).timeout})
        async with asyncio.timeout(60), Link(patient) as link:
            with pytest.raises(hub.NotReady, match="closed the connection"):
                await link.read(1, HOLDING)


async def test_silence_is_told_only_after_every_attempt() -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return b"\x00"

    with pytest.raises(Silent, match="unit 1 at 127"):
        await _read(answer, attempts=3, within_s=0.4)
    assert len(asked) == 3
    assert len({request[:2] for request in asked}) == 3


async def test_requests_keep_their_distance() -> None:
    now = 100.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    async with _server(lambda request: _frame(request, b"\x03\x04\x00\x01\x00\x02")) as config:
        slow = config.model_copy(update={"max_rate": 4.0})
        async with Link(slow, sleep=sleep, monotonic=lambda: now) as link:
            for _ in range(3):
                await link.read(1, HOLDING)
            now += 10
            await link.read(1, HOLDING)
    assert slept == [0.25, 0.25]


async def test_a_dead_unit_lets_another_in_between_its_attempts() -> None:
    order: list[int] = []

    def answer(request: bytes) -> bytes:
        order.append(request[6])
        return b"\x00" if request[6] == 7 else _frame(request, b"\x03\x04\x00\x01\x00\x02")

    async with _server(answer) as config, Link(config) as link:
        dead = asyncio.ensure_future(link.read(7, HOLDING, attempts=3, within_s=0.4))
        alive = asyncio.ensure_future(link.read(1, HOLDING))
        assert await alive == [1, 2]
        with pytest.raises(Silent):
            await dead
    assert order == [7, 1, 7, 7]


async def test_a_host_that_accepts_nothing_is_not_ready() -> None:
    config = Config(host="127.0.0.1", port=1)
    with pytest.raises(hub.NotReady, match=r"127\.0\.0\.1:1 accepts no connection"):
        await _enter(Link(config))


async def _enter(link: Any) -> None:
    async with link:
        raise AssertionError("it connected")


async def test_pymodbus_logs_nothing_of_what_passes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await _read(lambda request: _frame(request, b"\x03\x04\x00\x01\x00\x02"))
    assert [record for record in caplog.records if record.name.startswith("pymodbus")] == []
