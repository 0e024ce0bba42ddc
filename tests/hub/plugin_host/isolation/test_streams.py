"""Connections of a plugin are the same in the hub's process and in one of its own."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import ssl
import tty
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.core.errors import NotReady
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.streams import MOST_STREAMS, Streams, _pass_stream
from hub.plugin_host.supervisor import FINISHED
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import DEVICE, Egress, Host
from hub.store_and_forward.egress_network import EgressNetwork
from tests.hub.plugin_host.isolation.apart_kit import DEADLINE_S, EXAMPLES, Stage, directly, eventually
from tests.hub.store_and_forward.test_egress import Authority
from tests.hub.store_and_forward.test_egress_network import echoing
from tests.ports import free_port
from tests.serving import start_server

WAYS = ("none", None)


@pytest.fixture(autouse=True)
def launching(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))


class Packets(asyncio.DatagramProtocol):
    """Says back what it hears."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(data, address)


@asynccontextmanager
async def packets() -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Packets, ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@contextmanager
def deaf() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def stage(*urls: str, devices: Sequence[str] = ()) -> Stage:
    made = Stage()
    hosts = [Host(host=path, port=0, whose="acme", stream=DEVICE) for path in devices]
    for url in urls:
        scheme, _, rest = url.partition("://")
        named = Host(host="127.0.0.1", port=int(rest.rpartition(":")[2]), whose="acme", stream=scheme)
        hosts += [named, replace(named, listens=True)]
    egress = Egress(Trust(version=1, owner="o", recipients=(), ack_keys=()), ManualClock(), hosts=hosts)
    made.core = replace(made.core, network=EgressNetwork(egress).of)
    return made


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("way", WAYS)
async def test_streams_and_packets_go_out_by_the_hub_to_declared_hosts(tmp_path: Path, way: str | None) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    async with echoing() as tcp, echoing(context) as tls, packets() as udp:
        with deaf() as nobody:
            urls = {
                "tcp": f"tcp://127.0.0.1:{tcp}", "tls": f"tls://127.0.0.1:{tls}", "udp": f"udp://127.0.0.1:{udp}",
                "deaf": f"tcp://127.0.0.1:{nobody}",
            }  # fmt: skip
            made = stage(*urls.values())
            async with made.run(way, "speaks", **urls, ca=authority.pem) as health:
                await eventually(lambda: health.state == FINISHED or health.error)
            assert health.error == ""
    *sizes, first, second, third, silent = made.said["saw"]
    assert sizes == [300_000, 300_000, "one", "three"]
    for refused in (first, second, third):
        assert "192.0.2.1:9 is not declared" in refused[1]
    assert silent[0] == "NotReady"


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("way", WAYS)
async def test_a_plugin_listens_where_its_options_say(way: str | None) -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    made = stage(url)
    async with made.run(way, "listens", tcp=url) as health:
        await eventually(lambda: made.said.get("listens") or health.error)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"door open\n")
        assert await reader.readline() == b"heard\n"
        writer.close()
        await eventually(lambda: health.state == FINISHED or health.error)
    assert made.said["saw"] == "door open\n"


@pytest.mark.real("processes")
@pytest.mark.parametrize("way", WAYS)
async def test_a_plugin_has_the_device_file_that_its_options_name_and_no_other(way: str | None) -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    path = os.ttyname(theirs)
    try:
        made = stage(devices=[path])
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, lambda: os.write(ours, b"21.5 " + os.read(ours, 100)))
        async with made.run(way, "has_a_device", tcp=path) as health:
            await eventually(lambda: health.state == FINISHED or health.error)
        loop.remove_reader(ours)
    finally:
        os.close(ours)
        os.close(theirs)
    answer, *refused = made.said["saw"]
    assert answer == "21.5 ask\n"
    assert len(refused) == 3
    assert all("is not declared" in said for _, said in refused)


@pytest.mark.real("network, processes")
async def test_one_plugin_apart_does_not_take_all_connections() -> None:
    async with echoing() as port:
        url = f"tcp://127.0.0.1:{port}"
        made = stage(url)
        async with made.run(None, "opens_many", tcp=url) as health:
            await eventually(lambda: health.state == FINISHED or health.error)
    opened, why = made.said["saw"]
    assert 10 < opened <= MOST_STREAMS
    assert "too many open connections" in why or "connections at once" in why


@pytest.mark.real("network, processes")
async def test_connections_end_with_the_process_that_has_them() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    async with await start_server(serve, "127.0.0.1", 0) as server:
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        made = stage(url)
        async with made.run(None, "opens_many", tcp=url) as health:
            await eventually(lambda: health.state == FINISHED or health.error)
        await asyncio.wait_for(ended.wait(), DEADLINE_S)
        server.close()


@asynccontextmanager
async def passed() -> AsyncIterator[
    tuple[asyncio.StreamReader, asyncio.StreamWriter, socket.socket, asyncio.Task[None]]
]:
    """The two outer ends of a connection that the hub passes on: the device's, the child's, and the task between."""
    (device, outer), (child, ours) = socket.socketpair(), socket.socketpair()
    for one in (device, outer, child, ours):
        one.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=device)
    task = asyncio.create_task(_pass_stream(ours, *await asyncio.open_connection(sock=outer)))
    try:
        with child:
            yield reader, writer, child, task
    finally:
        task.cancel()
        await asyncio.wait([task])
        writer.close()


async def whole(child: socket.socket) -> bytes:
    got = b""
    while data := await asyncio.get_running_loop().sock_recv(child, 1 << 20):
        got += data
    return got


SIZES = range(40_000, 600_000, 40_000)
"""Lengths of streams, of which at least one leaves in the hub, while the other end is busy, less than what stops it."""


async def test_a_child_gets_the_last_bytes_also_after_it_has_said_all() -> None:
    async def hears(size: int) -> None:
        async with passed() as (_, writer, child, task):
            child.shutdown(socket.SHUT_WR)
            writer.write(bytes(size))
            writer.write_eof()
            await asyncio.wait([task], timeout=0.3)  # busy
            assert len(await whole(child)) == size
            await asyncio.wait_for(task, DEADLINE_S)

    await asyncio.gather(*map(hears, SIZES))


async def test_a_device_gets_the_last_bytes_also_after_it_has_said_all() -> None:
    async def says(size: int) -> None:
        async with passed() as (reader, writer, child, task):
            writer.write_eof()
            assert await whole(child) == b""
            sends = asyncio.create_task(asyncio.get_running_loop().sock_sendall(child, bytes(size)))
            sends.add_done_callback(lambda _: child.shutdown(socket.SHUT_WR))
            await asyncio.wait([task], timeout=0.3)  # busy
            assert len(await reader.read()) == size
            await asyncio.wait_for(task, DEADLINE_S)

    await asyncio.gather(*map(says, SIZES))


@pytest.mark.real("network")
async def test_connections_asked_for_at_once_are_counted_before_they_are_open() -> None:
    async with echoing() as port:
        url = f"tcp://127.0.0.1:{port}"
        core = stage(url).core
        assert core.network is not None
        streams = Streams(partial(core.network, "acme"))
        calls = [wire.Open(n, "connect", url, "", 10.0) for n in range(1, MOST_STREAMS + 37)]
        made = await asyncio.gather(*map(streams.open, calls), return_exceptions=True)
        ends = [one for one in made if isinstance(one, socket.socket)]
        for one in ends:
            one.close()
        await eventually(lambda: not streams._tasks)
    assert len(ends) == MOST_STREAMS
    assert sum(isinstance(one, NotReady) for one in made) == 36
