"""Servers that are none, or mean harm: nothing is believed, the hub stays as it is, the worker is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hub
from integrations.opcua import Config, link, run
from integrations.opcua import messages as m
from integrations.opcua.worker.relay import BUFFER, MESSAGE, Cutter, Nonsense
from tests.integrations.opcua.conftest import ended

from ...serving import start_server

NODES = {"/Boiler/FlowTemperature": {"metric": "flow_temperature"}}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], timeout: float = 2.0
) -> AsyncIterator[Config]:
    """A server that answers each connection like that, and then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await answer(reader, writer)
                await writer.drain()
        finally:
            writer.close()

    server = await start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Config(url=f"opc.tcp://127.0.0.1:{port}", security="none", timeout=timeout)  # type: ignore[arg-type]


def chunk(kind: bytes, body: bytes, *, size: int | None = None, final: bytes = b"F") -> bytes:
    return kind + final + struct.pack("<I", 8 + len(body) if size is None else size) + body


ACK = chunk(b"ACK", struct.pack("<5I", 0, 65535, 65535, 0, 0))


async def refused(session: Any, answer: Any, words: str, counted: str = "", timeout: float = 60.0) -> None:
    """Run until it is. `timeout`: short where silence is waited for, else however slow the machine is."""
    session.put("opcua:boiler", NODES)
    async with listening(answer, timeout) as config:
        with pytest.raises(hub.NotReady, match=words):
            await ended(run(config, session))
    assert session.reports == []
    assert [reason for _, reason in session.drops] == ([counted] if counted else [])


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak OPC UA"),
        (chunk(b"ACK", b"", size=0xFFFFFFFF), "a chunk of 4294967295 bytes"),
        (ACK + chunk(b"OPN", b"\xff" * 64), "does not speak OPC UA: a message that cannot be read"),
        (chunk(b"ERR", struct.pack("<Ii", 0x80830000, -1)), "BadTcpEndpointUrlInvalid"),
        (b"", "does not say what it offers"),
    ],
    ids=["http", "huge", "unreadable", "error", "nothing"],
)
async def test_what_is_no_opc_ua_is_named(session: Any, said: bytes, words: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(said)

    await refused(session, answer, words, "opcua-nonsense" if "speak" in words or "chunk" in words else "")


@pytest.mark.real("network, processes")
async def test_a_server_that_says_nothing_is_left(session: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass

    await refused(session, answer, "does not say what it offers: BadTimeout", timeout=2.0)


@pytest.mark.real("network, processes")
async def test_a_message_without_an_end_is_cut_off(session: Any) -> None:
    sent = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await let_in(reader, writer)
        for number in range(2, 2000):
            part = chunk(b"MSG", struct.pack("<IIII", 1, 1, number, 2) + bytes(60000), final=b"C")
            writer.write(part)
            await writer.drain()
            sent += len(part)

    await refused(session, answer, f"a message of more than {MESSAGE} bytes", "opcua-nonsense")
    assert sent < 8 * MESSAGE


def opened() -> bytes:
    """What lets any client in without security."""
    from asyncua import ua
    from asyncua.ua.ua_binary import struct_to_binary

    response = ua.OpenSecureChannelResponse()
    response.Parameters.SecurityToken.ChannelId = 1
    response.Parameters.SecurityToken.TokenId = 1
    response.Parameters.SecurityToken.RevisedLifetime = 3_600_000
    response.TypeId = ua.FourByteNodeId(ua.ObjectIds.OpenSecureChannelResponse_Encoding_DefaultBinary)
    none = b"http://opcfoundation.org/UA/SecurityPolicy#None"
    head = struct.pack("<I", 1) + struct.pack("<i", len(none)) + none + struct.pack("<ii", -1, -1)
    return chunk(b"OPN", head + struct.pack("<II", 1, 1) + struct_to_binary(response))


async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Up to the client's first real question, number 2."""
    await _question(reader)
    writer.write(ACK)
    await _question(reader)
    writer.write(opened())
    await _question(reader)


async def _question(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(8)
    return head + await reader.readexactly(int.from_bytes(head[4:8], "little") - 8)


@pytest.mark.real("network, processes")
async def test_an_array_of_two_milliards_of_nothings_ends_the_worker_and_not_the_hub(session: Any) -> None:
    # GetEndpointsResponse whose header brings a LiteralOperand, whose Variant is an array of 2^31-1 nulls, of no bytes
    bomb = (
        struct.pack("<BBH", 1, 0, 431)  # GetEndpointsResponse
        + struct.pack("<qIIB", 0, 1, 0, 0)
        + struct.pack("<i", -1)  # dated, for request 1, good, no diagnostics
        + struct.pack("<BBH", 1, 0, 597)
        + b"\x01"
        + struct.pack("<i", 5)  # LiteralOperand of 5 bytes
        + b"\x80"
        + struct.pack("<i", 0x7FFFFFFF)
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_in(reader, writer)
        writer.write(chunk(b"MSG", struct.pack("<IIII", 1, 1, 2, 2) + bomb))
        await writer.drain()
        await reader.read()

    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await refused(session, answer, "worker died", "opcua-worker")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - ours < 8 << 10  # KiB
    # a child begins as a copy of this process, which may be larger than the worker ever is
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(children, 170 << 10, ours + (8 << 10))


@pytest.mark.real("network, processes")
async def test_values_within_each_other_without_end_are_refused_and_harm_nothing(session: Any) -> None:
    nested = (b"\x98" + struct.pack("<i", 1)) * 10_000  # each an array of one Variant
    said = (
        struct.pack("<BBH", 1, 0, 431)  # GetEndpointsResponse
        + struct.pack("<qIIB", 0, 1, 0, 0)
        + struct.pack("<i", -1)
        + struct.pack("<BBH", 1, 0, 597)
        + b"\x01"
        + struct.pack("<i", len(nested))
        + nested  # LiteralOperand
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_in(reader, writer)
        writer.write(chunk(b"MSG", struct.pack("<IIII", 1, 1, 2, 2) + said))
        await writer.drain()
        await reader.read()

    await refused(session, answer, "does not say what it offers: values that lie too deep within each other")


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH_9.2\r\n", bytes(64), chunk(b"ACK", b"", size=3), chunk(b"ACK", b"", size=BUFFER + 1),
     chunk(b"MSG", b"x", final=b"Z"), chunk(b"HEL", b"x")],
)  # fmt: skip
def test_what_a_server_never_sends_is_nonsense(data: bytes) -> None:
    with pytest.raises(Nonsense):
        Cutter().feed(data)


@settings.get_profile("hostile")
@given(
    st.lists(
        st.one_of(st.binary(max_size=300), st.sampled_from([ACK, chunk(b"MSG", b"x" * 50, final=b"C")])), max_size=8
    )
)
def test_whatever_comes_is_cut_into_whole_chunks_or_refused(parts: list[bytes]) -> None:
    cutter, whole = Cutter(), b""
    try:
        for part in parts:
            for piece in cutter.feed(part):
                assert 8 <= len(piece) <= BUFFER
                assert len(piece) == int.from_bytes(piece[4:8], "little")
                whole += piece
    except Nonsense:
        return
    assert b"".join(parts).startswith(whole)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.binary(max_size=200))
def test_chunks_are_the_same_however_they_are_cut_on_the_way(cuts: list[int], body: bytes) -> None:
    stream = b"".join(chunk(b"MSG", body, final=final) for final in (b"C", b"F", b"A"))
    cutter, whole, at = Cutter(), [], 0
    for cut in [*cuts, len(stream)]:
        whole += cutter.feed(stream[at : at + cut])
        at += cut
    assert b"".join(whole) == stream
    assert len(whole) == 3


@settings.get_profile("hostile")
@given(st.binary(max_size=400))
def test_what_a_worker_says_is_a_message_or_nothing(data: bytes) -> None:
    with contextlib.suppress(*m.UNREADABLE):
        assert isinstance(m.from_worker(data), m.FromWorker)


@pytest.mark.real("network")
async def test_a_link_that_is_cancelled_while_it_takes_its_leave_keeps_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Mute:
        """A worker that takes everything and says nothing."""

        async def send(self, message: object) -> None:
            pass

        async def receive(self) -> None:
            await asyncio.Event().wait()

    @asynccontextmanager
    async def mute() -> AsyncIterator[Mute]:
        yield Mute()

    monkeypatch.setattr(link, "worker", mute)
    open_, inside = 0, asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_
        open_ += 1
        while await reader.read(1024):
            pass
        open_ -= 1

    async def hold(config: Config) -> None:
        async with link.linked(config) as linked:
            await linked.dial(needed=False)
            await linked.dial(needed=True)
            inside.set()
            await asyncio.Event().wait()

    async with listening(answer) as config:
        running = asyncio.ensure_future(hold(config))
        await inside.wait()
        running.cancel()
        await asyncio.sleep(0.05)
        assert not running.done(), "it waits for the server's farewell"
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with asyncio.timeout(60):
            while open_:
                await asyncio.sleep(0.01)


@pytest.mark.real("network")
async def test_a_server_that_gave_up_while_the_worker_started_is_dialled_again() -> None:
    """open62541 waits ten seconds for the first word; a worker on a busy machine takes longer to start."""
    calls, over = 0, asyncio.Event()

    async def impatient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            await over.wait()
        writer.close()

    async with listening(impatient) as config, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        first = await link.dialled(config)
        linked = link.Link(None, config, tasks, first)  # type: ignore[arg-type]
        while not first[0].at_eof():
            await asyncio.sleep(0.01)
        await linked.dial(needed=False)
        while calls < 2:
            await asyncio.sleep(0.01)
        assert linked._writer is not None
        assert not linked._writer.is_closing()
        await linked.hang_up()
        over.set()
        first[1].close()


@pytest.mark.real("network")
async def test_a_server_that_no_longer_reads_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "CLOSE_S", 0.1)
    over = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    async with listening(deaf) as config, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        linked = link.Link(None, config, tasks, await link.dialled(config))  # type: ignore[arg-type]
        await linked.dial(needed=False)
        assert linked._writer is not None
        linked._writer.write(bytes(16 << 20))
        await linked.hang_up()
        over.set()
