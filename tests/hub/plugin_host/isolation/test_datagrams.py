"""UDP that a plugin apart listens on: it hears everybody and answers them, and nobody else; a pair of packets stands
between it and the socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.errors import NotReady
from hub.plugin_host.isolation.datagrams import MOST_PEERS, Listener, Peers, packed, pass_datagrams, unpacked
from hub.plugin_host.supervisor import FINISHED
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, directly, eventually
from tests.hub.plugin_host.isolation.test_streams import WAYS, stage
from tests.ports import free_port


@pytest.fixture(autouse=True)
def launching(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))


async def heard(one: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(one, 2000), 60)


def caller() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("way", WAYS)
async def test_a_plugin_answers_datagrams_on_the_port_that_its_options_name(way: str | None) -> None:
    port, loop = free_port(kind=socket.SOCK_DGRAM), asyncio.get_running_loop()
    made = stage(f"udp://127.0.0.1:{port}")
    async with made.run(way, "answers_packets", udp=f"udp://127.0.0.1:{port}") as health:
        assert list(await eventually(lambda: made.said.get("listens") or health.error)) == ["127.0.0.1", port]
        with caller() as first, caller() as second:
            for one in (first, second):
                await loop.sock_sendto(one, b"x" * 1400, ("127.0.0.1", port))
                assert await heard(one) == b"heard " + b"x" * 1400
            await loop.sock_sendto(first, b"", ("127.0.0.1", port))
            assert await heard(first) == b"heard "
        assert health.error == ""


@pytest.mark.real("network, processes")
async def test_it_sends_to_nobody_who_did_not_speak() -> None:
    port, loop = free_port(kind=socket.SOCK_DGRAM), asyncio.get_running_loop()
    made = stage(f"udp://127.0.0.1:{port}")
    async with made.run(None, "answers_packets", udp=f"udp://127.0.0.1:{port}") as health:
        await eventually(lambda: made.said.get("listens") or health.error)
        with caller() as one:
            await loop.sock_sendto(one, b"elsewhere", ("127.0.0.1", port))
            await loop.sock_sendto(one, b"here", ("127.0.0.1", port))
            assert await heard(one) == b"heard here"
            await loop.sock_sendto(one, b"end", ("127.0.0.1", port))
            await eventually(lambda: health.state == FINISHED or health.error)
    elsewhere, refused, here, *_ = made.said["saw"]
    assert (elsewhere[0], here[0]) == ("elsewhere", "here")
    assert refused[0] == "PermissionError"
    assert "answers who spoke to it" in refused[1]


async def test_a_plugin_learns_that_the_hub_listens_no_more() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    with Listener(theirs.detach(), "127.0.0.1", 4100) as child:
        ours.close()
        with pytest.raises(NotReady, match="no longer listens"):
            await loop.sock_recvfrom(child, 100)


@asynccontextmanager
async def passed() -> AsyncIterator[tuple[socket.socket, int, asyncio.Task[None]]]:
    """What a hostile child has: the bare end of the pair."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    bound = caller()
    port = bound.getsockname()[1]
    for one in (ours, theirs):
        one.setblocking(False)
    task = asyncio.create_task(pass_datagrams(ours, bound))
    with theirs:
        yield theirs, port, task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.real("network")
async def test_the_hub_itself_drops_what_goes_elsewhere_and_what_is_no_packet() -> None:
    loop = asyncio.get_running_loop()
    async with passed() as (child, port, _):
        with caller() as known, caller() as stranger:
            await loop.sock_sendto(known, b"hello", ("127.0.0.1", port))
            assert unpacked(await heard(child)) == (b"hello", known.getsockname())
            elsewhere = [packed(b"out", stranger.getsockname()), packed(b"", ("0.0.0.0", 0))]
            for wrong in (*elsewhere, b"\x04", b"\x07" + b"x" * 20):
                await loop.sock_sendall(child, wrong)
            await loop.sock_sendall(child, packed(b"back", known.getsockname()))
            assert await heard(known) == b"back"
            with pytest.raises(BlockingIOError):
                stranger.recv(100)


@pytest.mark.real("network")
async def test_a_twin_that_sends_to_everybody_lets_a_hostile_child_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peers, "__contains__", lambda self, address: True)
    async with passed() as (child, _, _):
        with caller() as stranger:
            await asyncio.get_running_loop().sock_sendall(child, packed(b"out", stranger.getsockname()))
            assert await heard(stranger) == b"out"


@pytest.mark.real("network")
async def test_it_ends_with_the_childs_end() -> None:
    async with passed() as (child, _, task):
        child.close()
        await asyncio.wait_for(task, 60)


def test_those_who_spoke_long_ago_are_forgotten() -> None:
    peers = Peers()
    for port in range(1, MOST_PEERS + 2):
        peers.heard(("10.0.0.1", port))
    peers.heard(("fe80::1%eth0", 5, 0, 2))
    assert ("10.0.0.1", 1) not in peers
    assert ("10.0.0.1", MOST_PEERS + 1) in peers
    assert ("fe80::1", 5, 0, 0) in peers


@given(st.binary(max_size=60), st.ip_addresses(), st.integers(0, 65535))
@example(b"", "::", 0)
def test_a_packet_is_read_back_as_it_was_packed(data: bytes, host: object, port: int) -> None:
    found, address = unpacked(packed(data, (str(host), port)))
    assert (found, address[1]) == (data, port)
    assert packed(found, address) == packed(data, (str(host), port))


@given(st.binary(max_size=40))
def test_whatever_comes_is_a_packet_or_a_value_error(packet: bytes) -> None:
    try:
        data, address = unpacked(packet)
    except ValueError:
        return
    assert packed(data, address) == packet
