"""Streams of plugins over the way out: declared hosts only, against real servers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.core.errors import HubError, NotReady
from hub.core.text import phrase
from hub.protocol.documents.trust import Trust
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import STREAMS, Egress, Host, NotDeclared
from hub.store_and_forward.egress_network import EgressNetwork
from tests.hub.store_and_forward.test_egress import Authority
from tests.ports import free_port
from tests.serving import start_server

SOON = timedelta(seconds=0.3)


@asynccontextmanager
async def echoing(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says back what it hears, on loopback; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        writer.close()

    async with await start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def way_out(*urls: str, whose: str = "acme") -> tuple[Egress, EgressNetwork]:
    hosts = []
    for url in urls:
        scheme, _, rest = url.partition("://")
        host, _, port = rest.rpartition(":")
        named = Host(host=host, port=int(port), whose=whose, stream=scheme)
        hosts += [named, replace(named, listens=True)]
    egress = Egress(Trust(version=1, owner="o", recipients=(), ack_keys=()), ManualClock(), hosts=hosts)
    return egress, EgressNetwork(egress).of("acme")


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"hello")
    try:
        return await asyncio.wait_for(reader.readexactly(5), 60)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.real("network")
async def test_a_plugin_speaks_with_the_host_that_its_options_name() -> None:
    async with echoing() as port:
        _, network = way_out(f"tcp://127.0.0.1:{port}")
        assert await said_back(*await network.connect(f"tcp://127.0.0.1:{port}")) == b"hello"


@pytest.mark.real("network")
@pytest.mark.parametrize(
    "declared", ["", "tcp://127.0.0.1:{other}", "udp://127.0.0.1:{port}", "tls://127.0.0.1:{port}", "tcp://127.0.0.2:{port}"]
)  # fmt: skip
async def test_another_host_port_or_scheme_is_refused_before_anything_is_sent(declared: str) -> None:
    heard = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        writer.close()

    async with await start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        egress, network = way_out(*[declared.format(port=port, other=port ^ 1)] if declared else [])
        for ask in (network.connect, network.open_socket, network.listen):
            with pytest.raises(NotDeclared, match=rf"127\.0\.0\.1:{port} is not declared"):
                await ask(f"tcp://127.0.0.1:{port}")
        assert sum(egress.refused.values()) == 3
    assert heard == 0


@pytest.mark.real("network")
async def test_the_host_of_another_plugin_is_not_ones_own() -> None:
    async with echoing() as port:
        _, network = way_out(f"tcp://127.0.0.1:{port}", whose="other")
        with pytest.raises(NotDeclared):
            await network.connect(f"tcp://127.0.0.1:{port}")


@pytest.mark.real("network")
async def test_tls_is_believed_by_the_given_ca_alone(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "another CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server"))
    async with echoing(context) as port:
        _, network = way_out(f"tls://127.0.0.1:{port}")
        assert await said_back(*await network.connect(f"tls://127.0.0.1:{port}", ca=ours.pem)) == b"hello"
        for ca in ("", theirs.pem):
            with pytest.raises(NotReady, match="certificate that is refused"):
                await network.connect(f"tls://127.0.0.1:{port}", ca=ca)
        with pytest.raises(HubError, match="is not a certificate"):
            await network.connect(f"tls://127.0.0.1:{port}", ca="none")


@pytest.mark.real("network")
async def test_a_name_that_leads_to_this_machine_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with echoing() as port:
        _, network = way_out(f"tcp://meter.example:{port}")
        loop = asyncio.get_running_loop()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        async def resolved(*_: object, **__: object) -> object:
            return found

        monkeypatch.setattr(loop, "getaddrinfo", resolved)
        with pytest.raises(NotReady, match="no other machine"):
            await network.connect(f"tcp://meter.example:{port}")


@pytest.mark.real("network")
async def test_a_host_that_does_not_answer_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        _, network = way_out(f"tcp://127.0.0.1:{port}")
        with pytest.raises(NotReady, match=rf"127\.0\.0\.1:{port} does not answer"):
            await network.connect(f"tcp://127.0.0.1:{port}")


@pytest.mark.real("network")
async def test_a_host_that_says_nothing_to_tls_is_late() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # it connects, and nobody speaks
        port = mute.getsockname()[1]
        _, network = way_out(f"tls://127.0.0.1:{port}")
        with pytest.raises(NotReady, match=r"within 0\.3 s"):
            await network.connect(f"tls://127.0.0.1:{port}", timeout=SOON)


@pytest.mark.real("network")
async def test_an_isolated_hub_ends_open_streams_and_opens_no_other() -> None:
    async with echoing() as port:
        url = f"tcp://127.0.0.1:{port}"
        egress, network = way_out(url)
        reader, writer = await network.connect(url)
        egress.close(phrase("hub-is-isolated", "this hub is isolated"))
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        with pytest.raises(NotReady, match="isolated"):
            await network.connect(url)
        egress.reopen()
        assert await said_back(*await network.connect(url)) == b"hello"


@pytest.mark.real("network")
async def test_a_library_gets_a_socket_that_is_connected() -> None:
    async with echoing() as port:
        _, network = way_out(f"mqtt://127.0.0.1:{port}")
        loop = asyncio.get_running_loop()
        with await network.open_socket(f"mqtt://127.0.0.1:{port}") as made:
            await loop.sock_sendall(made, b"hello")
            assert await loop.sock_recv(made, 5) == b"hello"


@pytest.mark.real("network")
async def test_datagrams_come_and_go() -> None:
    loop = asyncio.get_running_loop()
    url = f"udp://127.0.0.1:{free_port(kind=socket.SOCK_DGRAM)}"
    _, network = way_out(url)
    with await network.listen(url) as here, await network.open_socket(url) as there:
        await loop.sock_sendall(there, b"one")
        data, sender = await loop.sock_recvfrom(here, 100)
        await loop.sock_sendto(here, b"two", sender)
        assert (data, await loop.sock_recv(there, 100)) == (b"one", b"two")
        with pytest.raises(NotReady, match="taken"):
            await network.listen(url)


@pytest.mark.real("network")
async def test_what_listens_for_datagrams_sends_none_from_an_isolated_hub_and_turns_no_loop() -> None:
    loop, port = asyncio.get_running_loop(), free_port(kind=socket.SOCK_DGRAM)
    egress, network = way_out(f"udp://127.0.0.1:{port}")
    with await network.listen(f"udp://127.0.0.1:{port}") as here, socket.socket(type=socket.SOCK_DGRAM) as there:
        there.sendto(b"one", ("127.0.0.1", port))
        _, sender = await loop.sock_recvfrom(here, 100)
        egress.close(phrase("hub-is-isolated", "this hub is isolated"))
        ready: list[int] = []
        loop.add_reader(here, ready.append, 1)
        for _ in range(100):
            await asyncio.sleep(0)
        loop.remove_reader(here)
        assert ready == [], "a socket that is always ready keeps the hub busy"
        with pytest.raises(BrokenPipeError):
            here.sendto(b"two", sender)
        there.sendto(b"three", ("127.0.0.1", port))
        assert (await loop.sock_recvfrom(here, 100))[0] == b"three", "it goes on reading"


@pytest.mark.real("network")
async def test_a_declared_port_is_listened_on() -> None:
    port = free_port()
    _, network = way_out(f"tcp://127.0.0.1:{port}", "tcp://192.0.2.1:9000")
    heard = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        writer.close()

    async with await start_server(serve, sock=await network.listen(f"tcp://127.0.0.1:{port}")):
        _, writer = await network.connect(f"tcp://127.0.0.1:{port}")
        await asyncio.wait_for(heard.wait(), 60)
        writer.close()
    with pytest.raises(NotReady, match=r"192\.0\.2\.1:9000 cannot be listened on"):
        await network.listen("tcp://192.0.2.1:9000")


@pytest.mark.parametrize("scheme", sorted({*STREAMS} - {"tcp", "tls"}))
async def test_what_is_no_stream_is_not_opened_as_one(scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:9"
    _, network = way_out(url)
    with pytest.raises(NotDeclared, match="this takes"):
        await network.connect(url)
