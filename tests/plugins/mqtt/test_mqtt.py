"""The MQTT uplink against a real mosquitto, with a backend and the hub's side of it in a few lines each."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from pydantic import ValidationError

import hub
from backend.owner.broker import Address, read_address
from hub.core.errors import ConfigError
from hub.sdk.transport import Message
from plugins.mqtt import Mqtt, register_transports, run

from ...serving import start_server
from .kit import District, Mosquitto, free_port

NAME = "hub-a"


class Hub:
    """The core's side: messages 1, 2, 3… as long as there are, and what became of them."""

    name = "mqtt"
    log = logging.LoggerAdapter(logging.getLogger("test"), {})

    def __init__(self, count: int, context: ssl.SSLContext, name: str = NAME) -> None:
        self.count, self.taken, self.hub = count, 0, name
        self.answers: dict[int, bytes] = {}
        self.asked: list[str] = []
        self.context, self.proxy = context, None

    async def messages(self) -> AsyncIterator[Message]:
        while self.taken < self.count:
            self.taken += 1
            kind, lane = (
                ("state", "") if self.taken == 1 else ("records", ["live", "alerts", "backlog"][self.taken % 3])
            )
            yield Message(self.taken, kind, lane, b"message %d" % self.taken)

    def answered(self, message: Message, body: bytes) -> None:
        self.answers[message.id] = body

    def failed(self, message: Message, error: Exception) -> None:
        raise AssertionError("the uplink ends instead")

    def connection(self, url: str) -> Any:
        self.asked.append(url)
        return self.context, self.proxy


class Backend:
    """Hears what hubs publish; `answer` makes the payloads that go back."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, bytes]] = []
        self.answer: Callable[[str, bytes], Awaitable[list[bytes]]] = self.echo

    async def echo(self, topic: str, payload: bytes) -> list[bytes]:
        return [payload[:16] + b"\0reply to " + payload[16:]]

    async def listen(self) -> None:
        async with asyncio.TaskGroup() as group:
            async for message in self.client.messages:
                group.create_task(self._one(str(message.topic), bytes(message.payload)))

    async def _one(self, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))
        for answer in await self.answer(topic, payload):
            await self.client.publish(f"ilot/v1/{topic.split('/')[2]}/ack", answer)


@pytest.fixture
async def district(tmp_path: Path) -> AsyncIterator[District]:
    made = District(tmp_path, "max_inflight_messages 5", websocket=True)
    await made.broker.start()
    yield made
    made.broker.stop()


@asynccontextmanager
async def listening(district: District) -> AsyncIterator[Backend]:
    async with district.client("ilot-backend", protocol=aiomqtt.ProtocolVersion.V311) as client:
        await client.subscribe([("ilot/v1/+/up/+", 1), ("ilot/v1/+/state", 1)])
        backend = Backend(client)
        task = asyncio.create_task(backend.listen())
        try:
            yield backend
        finally:
            task.cancel()
            await asyncio.wait([task])


def config(district: District, **more: Any) -> Mqtt:
    return Mqtt.model_validate({"url": district.broker.url, "timeout": 5} | more)


async def failure(config: Mqtt, core: Hub) -> BaseException:
    """What the run ended with, out of its task groups."""
    with pytest.raises((hub.NotReady, hub.AuthFailed, ExceptionGroup)) as caught:
        await asyncio.wait_for(run(config, core), 60)
    error: BaseException = caught.value
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


failed_handshakes = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
"""For a test whose handshakes fail: the collector may come while it runs."""


async def collect_failed_handshakes() -> None:
    """paho leaves a socket whose TLS handshake failed to the garbage collector: let it not be another test's fault. The
    thread that connected holds it until it has something else to do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        await asyncio.to_thread(int)
        gc.collect()


@pytest.mark.real("network, processes")
async def test_messages_are_published_where_the_backend_hears_them_and_the_replies_handed_back(
    district: District,
) -> None:
    core = Hub(4, district.certificate(NAME))
    async with listening(district) as backend:
        await asyncio.wait_for(run(config(district), core), 60)
    assert sorted((topic, payload[16:]) for topic, payload in backend.heard) == [
        ("ilot/v1/hub-a/state", b"message 1"),
        ("ilot/v1/hub-a/up/alerts", b"message 4"),
        ("ilot/v1/hub-a/up/readings", b"message 2"),
        ("ilot/v1/hub-a/up/readings", b"message 3"),
    ]
    assert core.answers == {n: b"reply to message %d" % n for n in (1, 2, 3, 4)}
    assert core.asked == [f"https://127.0.0.1:{district.broker.port}"]


@pytest.mark.real("network, processes")
async def test_the_first_message_goes_alone_then_as_many_as_window_and_broker_allow(district: District) -> None:
    core = Hub(20, district.certificate(NAME))
    async with listening(district) as backend:
        waiting, go = asyncio.Semaphore(0), asyncio.Event()

        async def hold(topic: str, payload: bytes) -> list[bytes]:
            waiting.release()
            if core.answers:
                await go.wait()
            return await backend.echo(topic, payload)

        backend.answer = hold
        task = asyncio.create_task(run(config(district, window=64), core))
        for _ in range(6):
            await asyncio.wait_for(waiting.acquire(), 60)
        assert list(core.answers) == [1]
        assert core.taken == 1 + 5  # the broker takes five at a time
        go.set()
        await asyncio.wait_for(task, 60)
    assert len(core.answers) == 20


@pytest.mark.real("network, processes")
async def test_what_the_broker_has_acknowledged_is_not_answered(district: District) -> None:
    core = Hub(1, district.certificate(NAME))
    async with listening(district) as backend:

        async def silent(topic: str, payload: bytes) -> list[bytes]:
            return []

        backend.answer = silent
        failed = await failure(config(district, timeout=2), core)
    assert isinstance(failed, hub.NotReady)
    assert "no backend answers by way of" in str(failed)
    assert len(backend.heard) == 1
    assert core.answers == {}


@pytest.mark.real("network, processes")
async def test_replies_in_another_order_reach_their_messages_and_stray_ones_nobody(district: District) -> None:
    core = Hub(40, district.certificate(NAME))
    async with listening(district) as backend:
        held: list[bytes] = []

        async def later(topic: str, payload: bytes) -> list[bytes]:
            noise = [b"", b"short", bytes(16), bytes(17), payload[:15], bytes(4096)]
            answer = (await backend.echo(topic, payload))[0]
            if len(backend.heard) == 1 or len(backend.heard) == 40:
                return [*noise, answer, answer, answer[:16] + b"\1again"]
            held.append(answer)
            if len(held) < 2:
                return noise
            return [held.pop(), held.pop(), *noise]

        backend.answer = later
        await asyncio.wait_for(run(config(district), core), 60)
    assert core.answers == {n: b"reply to message %d" % n for n in range(1, 41)}


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (b"\1not admitted", hub.AuthFailed, "refuses this hub: not admitted. Its operator admits hub-a again"),
        (b"\2unreadable", hub.NotReady, "did not take a message: unreadable"),
        (b"\3come again", hub.NotReady, "did not take a message: come again"),
        (b"\x7f\xff\x1b[31m" + bytes(5000), hub.NotReady, "did not take a message"),
        (b"", hub.NotReady, "did not take a message"),
    ],
)
async def test_whatever_is_no_reply_ends_the_run_and_says_who_must_act(
    district: District, answer: bytes, error: type[Exception], says: str
) -> None:
    async with listening(district) as backend:

        async def refuse(topic: str, payload: bytes) -> list[bytes]:
            return [payload[:16] + answer]

        backend.answer = refuse
        core = Hub(1, district.certificate(NAME))
        failed = await failure(config(district), core)
    assert isinstance(failed, error)
    assert says in str(failed)
    assert str(failed).isprintable()
    assert len(str(failed)) < 600
    assert core.answers == {}


@pytest.mark.real("network, processes")
async def test_what_the_hub_says_of_a_reply_ends_the_run(district: District) -> None:
    class Wary(Hub):
        def answered(self, message: Message, body: bytes) -> None:
            raise hub.AuthFailed("an ack was refused")

    async with listening(district):
        assert str(await failure(config(district), Wary(1, district.certificate(NAME)))) == "an ack was refused"


@pytest.mark.real("network, processes")
async def test_where_nobody_listens_mqtt_5_says_so_at_once(district: District) -> None:
    failed = await failure(config(district, timeout=20), Hub(1, district.certificate(NAME)))
    assert isinstance(failed, hub.NotReady)
    assert str(failed) == f"no backend listens at {district.broker.url}"


@pytest.mark.real("network, processes")
async def test_the_topics_of_another_hub_are_refused_by_the_broker_and_the_acl_named(district: District) -> None:
    failed = await failure(config(district), Hub(1, district.certificate(NAME), "hub-b"))
    assert isinstance(failed, hub.AuthFailed)
    assert "does not let this hub write below ilot/v1/hub-b/. The broker's operator corrects its ACL" in str(failed)


@pytest.mark.real("network, processes")
@failed_handshakes
async def test_a_certificate_of_another_ca_is_refused_and_named_on_either_side(
    district: District, tmp_path: Path
) -> None:
    stranger = District(tmp_path / "stranger")
    theirs, ours = stranger.certificate(NAME), district.certificate(NAME)
    failed = await failure(config(district), Hub(1, theirs))
    assert isinstance(failed, hub.NotReady)
    assert "shows a certificate that is refused: its root CA is not trusted" in str(failed)
    ours.load_cert_chain(stranger.root / f"{NAME}.pem")
    for protocol in ("5", "3.1.1"):
        failed = await failure(config(district, protocol=protocol), Hub(1, ours))
        assert isinstance(failed, hub.NotReady)
        assert "does not answer: it closes the connection" in str(failed)
    del failed
    await collect_failed_handshakes()


@pytest.mark.real("network, processes")
@failed_handshakes
async def test_tls_1_2_is_not_spoken(district: District) -> None:
    context = district.certificate(NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    failed = await failure(config(district), Hub(1, context))
    assert isinstance(failed, hub.NotReady)
    assert "TLS" in str(failed)
    del failed
    await collect_failed_handshakes()


@pytest.mark.real("clock, network, processes")
async def test_a_broker_that_is_not_there_or_goes_in_the_middle_is_not_ready(district: District) -> None:
    core = Hub(10, district.certificate(NAME))
    async with listening(district) as backend:

        async def stop(topic: str, payload: bytes) -> list[bytes]:
            if len(backend.heard) == 3:
                district.broker.stop()
                return []
            return await backend.echo(topic, payload)

        backend.answer = stop
        failed = await failure(config(district, timeout=20), core)
        assert isinstance(failed, hub.NotReady)
        assert "ends the connection" in str(failed)
        assert 1 in core.answers
    failed = await failure(config(district), Hub(1, core.context))
    assert isinstance(failed, hub.NotReady)
    assert str(failed).startswith(f"{district.broker.url} does not answer: ")


@pytest.mark.real("network, processes")
async def test_an_http_proxy_is_not_for_mqtt_and_the_way_out_is_named(district: District) -> None:
    core = Hub(1, district.certificate(NAME))
    core.proxy = "http://proxy.example:3128"
    assert "use the https uplink there" in str(await failure(config(district), core))


# MQTT 5 refused


class OldBroker:
    """Opens TLS with the broker's own certificate and speaks for a broker of 3.1.1: a CONNECT of version 5 gets
    `refusal`, everything else goes to the real one behind, which knows this stand-in as hub-a."""

    def __init__(self, broker: Mosquitto, behind: ssl.SSLContext, refusal: bytes) -> None:
        self.port, self._broker, self._behind, self._refusal = free_port(), broker, behind, refusal
        self.versions: list[int] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OldBroker]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._broker.directory / "server.pem", self._broker.directory / "server.key")
        async with await start_server(self._serve, "127.0.0.1", self.port, ssl=context):
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            first = await reader.read(4096)
            self.versions.append(first[first.index(b"MQTT") + 4])
            if self.versions[-1] == 5:
                writer.write(self._refusal)
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._broker.port, ssl=self._behind)
            with closing(outer):
                outer.write(first)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pipe(reader, outer))
                    group.create_task(self._pipe(inner, writer))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            while data := await reader.read(65536):
                writer.write(data)


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    "refusal",
    [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""],
    ids=["as 3.1.1 refuses it", "as 5 refuses it", "without a word"],
)
async def test_a_broker_that_refuses_mqtt_5_is_asked_again_as_3_1_1(district: District, refusal: bytes) -> None:
    core = Hub(20, district.certificate(NAME))
    async with listening(district), OldBroker(district.broker, core.context, refusal).serving() as old:
        await asyncio.wait_for(run(config(district, url=f"mqtts://127.0.0.1:{old.port}"), core), 60)
    assert old.versions == [5, 4]
    assert len(core.answers) == 20


@pytest.mark.real("network, processes")
async def test_told_3_1_1_it_never_tries_5(district: District) -> None:
    core = Hub(5, district.certificate(NAME))
    async with listening(district), OldBroker(district.broker, core.context, b"").serving() as old:
        await asyncio.wait_for(run(config(district, url=f"mqtts://127.0.0.1:{old.port}", protocol="3.1.1"), core), 60)
    assert old.versions == [4]
    assert len(core.answers) == 5


# configuration


def test_the_yaml_number_5_is_the_protocol_5() -> None:
    assert Mqtt.model_validate({"url": "mqtts://b", "protocol": 5}).protocol == "5"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "mqtt://broker/"},
        {"url": "https://broker/"},
        {"url": "mqtts://"},
        {"url": "mqtts://user:secret@broker/"},
        {"url": "mqtts://broker/path"},
        {"url": "wss://broker/mqtt?a=b"},
        {"url": "mqtts://broker", "protocol": "3.1"},
        {"url": "mqtts://broker", "protocol": 4},
        {"url": "mqtts://broker", "window": 0},
        {"url": "mqtts://broker", "window": 65},
        {"url": "mqtts://broker", "keepalive": 1},
        {"url": "mqtts://broker", "timeout": 0},
        {"url": "mqtts://broker", "topic": "x"},
    ],
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mqtt.model_validate(wrong)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mqtt.example.org", Address("mqtt.example.org", 8883)),
        ("MQTT.example.org:1", Address("mqtt.example.org", 1)),
        ("[2001:db8::1]:443", Address("2001:db8::1", 443)),
    ],
)
def test_a_brokers_address_is_read_and_shown(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", ":8883", "a:0", "a:65536", "a:b", "mqtts://a", "a b", "u@h", "::1", "a/b", "a:1\n"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(text))):
        read_address(text)


def test_it_registers_as_mqtt() -> None:
    told: list[tuple[Any, ...]] = []
    register_transports(lambda *parts: told.append(parts))
    assert told == [("mqtt", Mqtt, run)]


def test_the_configuration_in_the_readme_is_valid() -> None:
    from ruamel.yaml import YAML

    text = (Path(__file__).parents[3] / "plugins" / "mqtt" / "README.md").read_text()
    block = text.split("```yaml\n")[1].split("```")[0]
    settings = YAML(typ="safe").load(block)["link"]["uplinks"]["mqtt"]
    assert Mqtt.model_validate(settings) == Mqtt.model_validate({"url": "mqtts://mqtt.example.org:8883"})
    assert set(settings) == set(Mqtt.model_fields)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        "Configuration",
        "Behaviour",
        "Limits",
    ]
