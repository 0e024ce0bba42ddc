"""The HTTPS uplink against a real TLS server in this process, and the hub's side of it in a few lines."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import logging
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

import hub
from hub.sdk.http import HttpClient
from hub.sdk.transport import Message
from plugins.https import MAX_REPLY, Https, register_transports, run

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def self_signed(directory: Path, name: str) -> tuple[Path, Path]:
    """A server's certificate, its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / f"{name}.crt", directory / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


class Hub:
    """The core's side: messages 1, 2, 3… as long as there are, and what became of them."""

    name = "https"
    hub = "hub-a"
    backend = ""
    log = logging.LoggerAdapter(logging.getLogger("test"), {})

    def __init__(self, count: int, trusted: Path) -> None:
        self.count, self.taken = count, 0
        self.answers: dict[int, bytes] = {}
        self.asked: list[str] = []
        self.context = ssl.create_default_context(cafile=str(trusted))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    async def messages(self) -> AsyncIterator[Message]:
        while self.taken < self.count:
            self.taken += 1
            yield Message(self.taken, "state" if self.taken == 1 else "records", "", b"message %d" % self.taken)

    def answered(self, message: Message, body: bytes) -> None:
        self.answers[message.id] = body

    def failed(self, message: Message, error: Exception) -> None:
        raise AssertionError("the uplink ends instead")

    def connection(self, url: str) -> Any:
        self.asked.append(url)
        return self.context, None

    def share_connection(self, http: HttpClient) -> None:
        self.lent = http

    def socket(self, address: tuple[Any, ...]) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setblocking(False)
        return made


class Server:
    """Answers with `answer`; counts connections and notes what was posted."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        self.connections: set[Any] = set()
        self.answer: Callable[[web.Request, bytes], Awaitable[web.StreamResponse]] = self.echo
        self.url = ""

    async def echo(self, request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(body=b"reply to " + body)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.posted.append((f"{request.method} {request.path}", body))
        self.connections.add(request.transport.get_extra_info("peername"))
        return await self.answer(request, body)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path, "server")


@asynccontextmanager
async def serving(certificate: tuple[Path, Path]) -> AsyncIterator[Server]:
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    application = web.Application(client_max_size=8 << 20)
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest.fixture
async def server(certificate: tuple[Path, Path]) -> AsyncIterator[Server]:
    async with serving(certificate) as made:
        yield made


def config(url: str, **more: Any) -> Https:
    return Https.model_validate({"url": url, **more})


async def failure(config: Https, core: Hub) -> BaseException:
    """What the run ended with, out of its task group."""
    with pytest.raises((hub.NotReady, hub.AuthFailed, ExceptionGroup)) as caught:
        await asyncio.wait_for(run(config, core), 60)
    error: BaseException = caught.value
    while isinstance(error, ExceptionGroup):
        assert len(error.exceptions) == 1, error.exceptions
        error = error.exceptions[0]
    return error


@pytest.mark.real("network")
async def test_messages_are_posted_where_the_backend_expects_them_and_the_replies_handed_back(
    server: Server, certificate: tuple[Path, Path]
) -> None:
    core = Hub(2, certificate[0])
    await run(config(server.url + "/district/"), core)
    assert sorted(server.posted) == [
        ("POST /district/v1/hubs/hub-a/records", b"message 2"),
        ("POST /district/v1/hubs/hub-a/state", b"message 1"),
    ]
    assert core.answers == {1: b"reply to message 1", 2: b"reply to message 2"}
    assert core.asked == [server.url + "/district"]


@pytest.mark.real("network")
async def test_connections_are_kept_and_never_more_than_the_messages_in_flight(
    server: Server, certificate: tuple[Path, Path]
) -> None:
    core = Hub(40, certificate[0])
    await run(config(server.url, parallel=3), core)
    assert len(core.answers) == 40
    assert 1 <= len(server.connections) <= 3


@pytest.mark.real("network")
async def test_several_messages_are_on_their_way_and_the_next_is_chosen_only_when_one_is_answered(
    server: Server, certificate: tuple[Path, Path]
) -> None:
    core = Hub(10, certificate[0])
    here, go = asyncio.Semaphore(0), asyncio.Event()

    async def hold(request: web.Request, body: bytes) -> web.StreamResponse:
        here.release()
        await go.wait()
        return await server.echo(request, body)

    server.answer = hold
    task = asyncio.create_task(run(config(server.url, parallel=3), core))
    for _ in range(3):
        await asyncio.wait_for(here.acquire(), 60)
    assert core.taken == 3
    assert core.answers == {}
    go.set()
    await asyncio.wait_for(task, 60)
    assert len(core.answers) == 10


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, hub.AuthFailed, r"refuses this hub \(401\): not admitted"),
        (403, hub.AuthFailed, r"refuses this hub \(403\): not admitted.*admits hub-a again"),
        (400, hub.NotReady, "answers 400 to a state message: not admitted"),
        (503, hub.NotReady, "answers 503"),
        (500, hub.NotReady, "answers 500"),
        (302, hub.LedElsewhere, "answers 302"),
        (204, hub.NotReady, "answers 204"),
    ],
)
async def test_whatever_is_no_200_ends_the_run_and_says_who_must_act(
    server: Server, certificate: tuple[Path, Path], status: int, error: type[Exception], says: str
) -> None:
    async def refuse(request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {"Location": "https://elsewhere.example/"}
        return web.Response(status=status, text=None if status == 204 else "not admitted " * 1000, headers=headers)

    server.answer = refuse
    core = Hub(1, certificate[0])
    failed = await failure(config(server.url), core)
    assert isinstance(failed, error)
    assert re.search(says, str(failed))
    assert len(str(failed)) < 600
    assert core.answers == {}


@pytest.mark.real("network")
async def test_a_certificate_of_another_ca_is_refused_and_named(server: Server, tmp_path: Path) -> None:
    other, _ = self_signed(tmp_path, "other")
    failed = await failure(config(server.url), Hub(1, other))
    assert isinstance(failed, hub.NotReady)
    assert str(failed).startswith(f"{server.url} shows a certificate that is refused: it is signed by itself")
    assert "self-signed" in str(failed) or "self signed" in str(failed)
    assert server.posted == []


@pytest.mark.real("network")
async def test_a_backend_that_is_not_there_is_not_ready(certificate: tuple[Path, Path]) -> None:
    async with serving(certificate) as gone:
        url = gone.url
    failed = await failure(config(url), Hub(1, certificate[0]))
    assert isinstance(failed, hub.NotReady)
    assert "does not answer" in str(failed)


@pytest.mark.real("network")
async def test_a_connection_cut_in_the_middle_of_an_answer_is_not_an_answer(
    server: Server, certificate: tuple[Path, Path]
) -> None:
    async def cut(request: web.Request, body: bytes) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Length": "100"})
        await reply.prepare(request)
        await reply.write(b"half an ack")
        request.transport.abort()
        return reply

    server.answer = cut
    core = Hub(1, certificate[0])
    assert isinstance(await failure(config(server.url), core), hub.NotReady)
    assert core.answers == {}


@pytest.mark.real("network")
async def test_an_answer_that_never_comes_is_given_up_after_the_timeout(
    server: Server, certificate: tuple[Path, Path]
) -> None:
    async def silent(request: web.Request, body: bytes) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    server.answer = silent
    failed = await failure(config(server.url, timeout=timedelta(milliseconds=100)), Hub(1, certificate[0]))
    assert isinstance(failed, hub.NotReady)


@pytest.mark.real("network")
async def test_a_reply_without_end_is_cut_off(server: Server, certificate: tuple[Path, Path]) -> None:
    async def flood(request: web.Request, body: bytes) -> web.StreamResponse:
        return web.Response(body=bytes(MAX_REPLY + 1))

    server.answer = flood
    failed = await failure(config(server.url), Hub(1, certificate[0]))
    assert isinstance(failed, hub.NotReady)
    assert "more than 1048576 bytes" in str(failed)


@pytest.mark.real("network")
async def test_what_the_hub_says_of_a_reply_ends_the_run(server: Server, certificate: tuple[Path, Path]) -> None:
    class Wary(Hub):
        def answered(self, message: Message, body: bytes) -> None:
            raise hub.AuthFailed("an ack was refused")

    assert str(await failure(config(server.url), Wary(1, certificate[0]))) == "an ack was refused"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://backend/"},
        {"url": "https://user:secret@backend/"},
        {"url": "https://backend/?a=b"},
        {"url": "https://backend/", "parallel": 0},
        {"url": "https://backend/", "parallel": 99},
        {"url": "https://backend/", "timeout": 0},
        {"url": "https://backend/", "paralel": 4},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Https.model_validate(wrong)


@pytest.mark.real("network")
async def test_without_an_address_the_one_of_the_enrolment_is_called(
    server: Server, certificate: tuple[Path, Path]
) -> None:
    transport = Hub(1, certificate[0])
    transport.backend = server.url
    await run(Https(), transport)
    assert server.posted == [("POST /v1/hubs/hub-a/state", b"message 1")]


def test_it_registers_as_https() -> None:
    told: list[tuple[Any, ...]] = []
    register_transports(lambda *parts: told.append(parts))
    assert told == [("https", Https, run)]


def test_the_configuration_in_the_readme_is_valid() -> None:
    from ruamel.yaml import YAML

    text = (Path(__file__).parents[3] / "plugins" / "https" / "README.md").read_text()
    block = text.split("```yaml\n")[1].split("```")[0]
    settings = YAML(typ="safe").load(block)["link"]["uplinks"]["https"]
    assert Https.model_validate(settings) == config("https://backend.example.org:8443")
    assert set(settings) == set(Https.model_fields)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        "Configuration",
        "Behaviour",
        "Limits",
    ]
