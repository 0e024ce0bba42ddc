"""A process that says what it may not say is ended, and named."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.model import Candidate, Frame, Metric, Report
from hub.plugin_host.isolation import framing, host, launch, wire, wire_base
from hub.plugin_host.isolation.failures import told
from hub.plugin_host.isolation.wire_base import Hostile
from hub.sdk.session import Reply
from tests.hub.plugin_host.isolation.apart_kit import OWN, Stage, directly, eventually

packed = msgspec.msgpack.encode


class Puppet:
    """The process that this test plays: `sock` is its end."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.dead = asyncio.Event()
        self.sock: socket.socket | None = None
        self._frames = framing.Frames(framing.LARGEST_DOWN)
        self._bodies: deque[bytes] = deque()

    @asynccontextmanager
    async def launch(self, spec: launch.Spec, session: socket.socket, errors: int) -> AsyncIterator[Any]:
        self.dead.clear()
        self.sock = session.dup()
        self.sock.setblocking(False)
        yield self
        self.kill()

    def kill(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self.dead.set()

    async def ended(self) -> int:
        await self.dead.wait()
        return -9

    async def says(self, data: bytes) -> None:
        """Returns once the hub has it, or had enough."""
        assert self.sock is not None
        saying = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(self.sock, data))
        dead = asyncio.ensure_future(self.dead.wait())
        await asyncio.wait((saying, dead), return_when=asyncio.FIRST_COMPLETED)
        for task in (saying, dead):
            task.cancel()
        await asyncio.gather(saying, dead, return_exceptions=True)

    async def hears(self, kind: type[Any]) -> Any:
        """The next message of this kind; those before are forgotten."""
        while True:
            while self._bodies:
                if isinstance(message := framing.down(self._bodies.popleft()), kind):
                    return message
            assert self.sock is not None, "it was ended"
            self._bodies.extend(self._frames.feed(await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16)))


@pytest.fixture
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    made = Puppet()
    monkeypatch.setattr(launch, "launched", made.launch)
    monkeypatch.setattr(host, "STOP_S", 0.05)  # it does not do as it is told
    return made


def said(*messages: Any) -> bytes:
    return b"".join(framing.frame(message) for message in messages)


def raw(value: Any) -> bytes:
    body = packed(value)
    return struct.pack("<I", len(body)) + body


CALL = wire.HttpCall(1, "GET", "https://acme.example/", {}, None, 1.0)
HOSTILE: dict[str, bytes] = {
    "a frame that is too large": struct.pack("<I", framing.LARGEST + 1),
    "no msgpack": struct.pack("<I", 1) + b"\xc1",
    "another type": raw({"emit": 1}),
    "a message of the hub's": said(wire.Ping(1, 20, "")),
    "an unknown message": raw(["shutdown", 1]),
    "a member too many": raw(["pong", 1, 2]),
    "a member of another type": raw(["put", 5, 1]),
    "a text that is too long": raw(["log", 20, "x" * 5000, None, ""]),
    "a level that is none": raw(["log", 99, "x", None, ""]),
    "a report that is none": raw(["emit", 0, [{"device": 5, "values": {}}], False, None]),
    "a nested value without an end": raw(["put", "a", None])[4:] and struct.pack("<I", 70_007)
    + b"\x93\xa3put\xa1a" + b"\x91" * 70_000,
    "a number twice": said(wire.HasBus(1, "rs485"), wire.HasBus(1, "rs485")),
    "a number that goes back": said(wire.HasBus(7, "rs485"), wire.Wanted(3, "x")),
    "the end of a call that it never made": said(wire.Cancel(99)),
    "an answer nobody asked for": said(wire.Judged(7, 3)),
    "a pong without a ping": said(wire.Pong(500)),
    "a turn that it has not": said(wire.TurnSend(1, 5, b"x")),
    "the end of a turn that it has not": said(wire.TurnEnd(5)),
    "the end of a loop that it has not": said(wire.CycleEnd(5)),
    "loaded twice": said(wire.Loaded(), wire.Loaded()),
    "no end of a poll": said(wire.Polled(OWN.id, "burning")),
    "what a notifier says": said(wire.Done("a", 1)),
    "the end of a loop twice": said(wire.Cycle(1, 1, 1.0, None), wire.CycleEnd(1), wire.CycleEnd(1)),
    "a frame that no radio sends": said(wire.Submit(1, Frame(kind="ble", address="a", data={"x": b"x" * 20_000}))),
    "a candidate with a book": said(
        wire.Discovered(Candidate(id="acme:9", integration="", evidence={"a": "x" * 20_000}))
    ),
    "much of a device that nobody knows": said(
        wire.Emit(0, (Report(device="acme:9", values={"text": "x" * 20_000}),))
    ),
    "too many readings at once": said(
        wire.Emit(0, (Report(device=OWN.id, values={f"x{n}": 1.0 for n in range(5000)}),))
    ),
    "too many calls": said(*(msgspec.structs.replace(CALL, n=n) for n in range(1, wire_base.MOST_CALLS + 2))),
    "calls of too many bytes": said(
        *(msgspec.structs.replace(CALL, n=n, body=b"x" * (1 << 20)) for n in range(1, 8))
    ),
    "too many reports that want an answer": said(
        *(wire.Emit(n, (), durable=True) for n in range(1, wire_base.MOST_CALLS + 2))
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_process_that_says_what_it_may_not_say_is_ended_and_named(
    what: str, puppet: Puppet, caplog: pytest.LogCaptureFixture
) -> None:
    stage, never = Stage(), asyncio.Event()
    stage.http.request = lambda *_, **__: never.wait()  # type: ignore[method-assign, assignment]
    stage.buffer.flush = never.wait  # type: ignore[method-assign]
    async with stage.run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        await puppet.says(HOSTILE[what])
        await eventually(lambda: health.error)
        assert "its process was ended: it said what it may not say" in health.error
        assert health.crashes == 1
    assert any(record.name == "hub.acme" and "may not say" in record.getMessage() for record in caplog.records)


async def test_a_plugin_that_loads_its_words_wrong_is_an_error_of_the_plugin(puppet: Puppet) -> None:
    stage = Stage()
    async with stage.run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        await puppet.says(said(wire.Loaded(reasons={"x": ("",)})))
        await eventually(lambda: health.error)
        assert health.error.startswith("PluginError: register('acme'")


async def test_a_device_of_another_is_refused_whatever_the_process_believes(puppet: Puppet) -> None:
    stage = Stage()
    async with stage.run(None, "emits"):
        await eventually(lambda: puppet.sock)
        await puppet.says(said(wire.Emit(0, (Report(device="modbus:meter", values={"power": 1.0}),))))
        failed = await puppet.hears(wire.Failed)
        assert (failed.n, failed.failure.kind, failed.taken) == (0, "PluginError", False)
    assert stage.readings() == []
    assert stage.counts.by_subject()["acme"] == {"not-its-own": 1}


async def test_the_metrics_that_a_process_declares_have_an_end(puppet: Puppet) -> None:
    stage = Stage()
    async with stage.run(None, "emits"):
        await eventually(lambda: puppet.sock)
        for n in range(6):
            metrics = tuple(Metric(key=f"x{n}_{one}") for one in range(400))
            await puppet.says(said(wire.Declare(n + 1, OWN.id, "", "", metrics)))
        failed = await puppet.hears(wire.Failed)
        assert (failed.n, failed.failure.kind) == (6, "PluginError")
    assert len(stage.planner.declared[OWN.id].metrics) == 2000


async def test_what_note_put_is_undone_with_the_reading_that_is_refused(puppet: Puppet) -> None:
    stage = Stage(local={"state/acme/n": 3})
    async with stage.run(None, "emits"):
        await eventually(lambda: puppet.sock)
        report = Report(device=OWN.id, values={"temperature": 1.0})
        await puppet.says(said(wire.Emit(1, (report,), puts={"n": 4, "big": b"x" * 70_000})))
        failed = await puppet.hears(wire.Failed)
        assert (failed.n, failed.taken) == (1, False)
    assert stage.readings() == []


async def test_a_process_that_does_not_answer_is_killed_within_five_seconds(
    puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.HANGS_S + host.BEAT_S <= 5
    monkeypatch.setattr(host, "BEAT_S", 0.01)
    stage = Stage()
    async with stage.run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        await puppet.says(said(wire.Loaded()))
        await eventually(lambda: health.error)
        assert "its process was ended: it did not answer for 4 s" in health.error
        assert puppet.sock is None


async def test_a_process_that_answers_every_ping_is_left_alone(puppet: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "BEAT_S", 0.1)
    async with Stage().run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        await puppet.says(said(wire.Loaded()))
        for _ in range(3 * host.MISSES):
            ping = await puppet.hears(wire.Ping)
            await puppet.says(said(wire.Pong(ping.n)))
        assert health.error == ""


async def test_a_process_that_reads_nothing_is_ended(puppet: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "MOST_UNREAD", 1 << 16)
    stage = Stage()
    big = Reply(200, {}, b"x" * (1 << 20))
    stage.http.replies["GET", "https://acme.example/"] = big
    async with stage.run(None, "emits") as health:
        await eventually(lambda: puppet.sock)
        await puppet.says(said(*(msgspec.structs.replace(CALL, n=n) for n in range(1, 4))))
        await eventually(lambda: health.error)
        assert "its process was ended" in health.error


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)


@pytest.mark.long("five seconds pass until it is killed")
async def test_a_plugin_that_hangs_is_killed_and_its_place_in_the_code_is_in_the_log(
    real: None, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()
    async with stage.run(None, "hangs") as health:
        await eventually(lambda: health.error)
        assert "did not answer" in health.error
    assert stage.said["hangs"] is True
    lines = [record.getMessage() for record in caplog.records if record.name == "hub.acme"]
    assert any("in hangs" in line for line in lines)


@pytest.mark.real("processes")
async def test_what_a_plugin_logs_bears_its_name_and_has_a_limit(real: None, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    async with stage.run(None, "floods_the_log") as health:
        await eventually(lambda: health.state == "finished")
    lines = [record.getMessage() for record in caplog.records if record.name == "hub.acme" and "line" in record.msg]
    assert 100 <= len(lines) < 500, "of a thousand: a hundred at once, and ten a second"
    async with stage.run(None, "logs") as health:
        await eventually(lambda: health.state == "finished")
    assert "the gateway a%s is odd" in [record.getMessage() for record in caplog.records]
    assert "nobody wants this" not in caplog.text


def bodies(data: bytes, pieces: Iterator[int]) -> list[bytes]:
    frames, found, at = framing.Frames(1000), [], 0
    while at < len(data):
        size = next(pieces)
        found += frames.feed(data[at : at + size])
        at += size
    return found


@given(st.lists(st.binary(max_size=1000), max_size=20), st.data())
def test_frames_are_the_same_however_the_stream_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(struct.pack("<I", len(part)) + part for part in parts)
    pieces = iter(lambda: data.draw(st.integers(1, 400)), None)
    assert bodies(stream, pieces) == parts


@given(st.binary(max_size=4000))
def test_any_bytes_are_frames_or_hostile(data: bytes) -> None:
    with suppress(Hostile):
        for body in framing.Frames(1000).feed(data):
            framing.up(body)


def _values(inner: Any) -> Any:
    return st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=4)


_tags = st.sampled_from(sorted(str(one.__struct_config__.tag) for one in wire.Up.__args__))


@given(
    _tags,
    st.lists(
        st.recursive(st.none() | st.booleans() | st.integers(-3, 2**53) | st.floats() | st.text(max_size=9), _values),
        max_size=6,
    ),
)
def test_any_members_of_a_message_are_that_message_or_hostile(tag: str, members: list[Any]) -> None:
    try:
        message = framing.up(packed([tag, *members]))
    except Hostile:
        return
    assert message.__struct_config__.tag == tag


@given(st.text(), st.text())
def test_any_error_arrives_as_one(reason: str, text: str) -> None:
    body = framing.packed(told(ValueError(text)))
    assert msgspec.msgpack.decode(body, type=wire_base.Failure).kind == "ValueError"
