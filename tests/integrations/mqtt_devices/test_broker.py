"""A real mosquitto between devices and the integration: a password, retained messages, garbage, its death."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from mqtt_messages import SENSOR, TOPIC
from paho.mqtt import client as mqtt
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from ruamel.yaml import YAML

import hub
import integrations.mqtt_devices
from hub.sdk.testing import FakeSession
from integrations.mqtt_devices import Book, Config, DeviceSettings, probe, run
from integrations.mqtt_devices.client import AHEAD, WAITING, WAITING_BYTES, Client
from integrations.mqtt_devices.paths import MAX_PAYLOAD
from integrations.mqtt_devices.repeats import MOST, Taken

from ...mosquitto import mosquitto
from ...serving import start_server

HERE = Path(integrations.mqtt_devices.__file__).parent
OFFICE = hub.Device(id="mqtt:zigbee2mqtt_0x00158d0001b7d9b2", integration="mqtt_devices", place="office")
PLUG = hub.Device(
    id="mqtt:plug",
    integration="mqtt_devices",
    place="plug",
    settings={
        "topic": "tele/plug/SENSOR",
        "values": {"power": {"path": "ENERGY.Power"}, "energy": {"path": "ENERGY.Total"}},
    },
)


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(session: FakeSession, config: Config) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(run(config, session))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def say(port: int, topic: str, payload: object, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(
            topic, payload if isinstance(payload, bytes) else json.dumps(payload), retain=retain, qos=1
        )


async def insist(port: int, topic: str, payload: object, heard: Callable[[], object]) -> None:
    """Say it until it is heard: a subscription takes its time."""
    async with asyncio.timeout(60):
        while not heard():
            await say(port, topic, payload)
            await asyncio.sleep(0.05)


@pytest.mark.real("network, processes")
async def test_a_configured_device_is_read_by_its_topic_and_paths(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path) as (port, _):
        async with listening(session, Config(host="127.0.0.1", port=port)):
            payload = {"Time": "2026-01-01T00:00:00", "ENERGY": {"Total": 12.5, "Power": 42}}
            await insist(port, "tele/plug/SENSOR", payload, lambda: session.reports)
            said = await probe(Config(host="127.0.0.1", port=port))
            assert said == f"the broker 127.0.0.1:{port} lets this hub in"
    assert session.reports[0].values == {"power": 42.0, "energy": 12.5}
    assert session.reports[0].proof == hub.Proof(scheme="mqtt")


@pytest.mark.real("network, processes")
async def test_a_device_that_announces_itself_is_a_candidate_and_once_configured_is_read(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices")
    with mosquitto(tmp_path) as (port, _):
        await say(port, TOPIC, SENSOR, retain=True)
        async with listening(session, Config(host="127.0.0.1", port=port)):
            await until(lambda: session.candidates)
            assert session.candidates[0].id == OFFICE.id
            assert session.candidates[0].model == "Xiaomi WSDCGQ11LM"
            session.devices.put(OFFICE)
            await insist(port, TOPIC.replace("temperature/config", "other/config"), SENSOR, lambda: session.declared)
            await insist(port, "zigbee2mqtt/office", {"temperature": 21.5}, lambda: session.reports)
            assert session.reports[0].device == OFFICE.id
            assert session.reports[0].values == {"temperature": 21.5}
            await say(port, TOPIC, b"")
            await say(port, TOPIC.replace("temperature/config", "other/config"), b"")


@pytest.mark.real("network, processes")
async def test_a_wildcard_reads_whoever_speaks_there(tmp_path: Path) -> None:
    device = hub.Device(
        id="mqtt:any",
        integration="mqtt_devices",
        place="any",
        settings={"topic": "shellies/+/temperature", "values": {"temperature": {}}},
    )
    session = FakeSession("mqtt_devices", devices=[device])
    with mosquitto(tmp_path) as (port, _):
        async with listening(session, Config(host="127.0.0.1", port=port, discovery="")):
            await insist(port, "shellies/ht-1/temperature", b"19.25", lambda: session.reports)
    assert session.reports[0].values == {"temperature": 19.25}


@pytest.mark.real("network, processes")
async def test_a_retained_message_has_no_age_and_garbage_is_counted(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path) as (port, _):
        await say(port, "tele/plug/SENSOR", {"ENERGY": {"Power": 999}}, retain=True)
        async with listening(session, Config(host="127.0.0.1", port=port)):
            await until(lambda: ("", "mqtt-retained") in session.drops)
            await say(port, "tele/plug/SENSOR", b"\xff\xfe")
            await say(port, "homeassistant/sensor/x/config", b"nonsense")
            await until(lambda: {"mqtt-payload", "mqtt-discovery"} <= {reason for _, reason in session.drops})
    assert session.reports == []


async def flood(port: int, messages: int) -> None:
    """As fast as they are taken, by a client that is not the hub's."""

    def publish() -> None:
        source = mqtt.Client(CallbackAPIVersion.VERSION2)
        source.max_inflight_messages_set(500)
        source.connect("127.0.0.1", port)
        source.loop_start()
        for number in range(messages):
            sent = source.publish("tele/plug/SENSOR", json.dumps({"ENERGY": {"Total": number}}), qos=1)
        sent.wait_for_publish(60)
        source.disconnect()
        source.loop_stop()

    await asyncio.to_thread(publish)


def energies(session: FakeSession) -> list[float]:
    return [float(report.values["energy"]) for report in session.reports]


@pytest.mark.real("network, processes")
async def test_a_flood_is_told_whole_and_in_order(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path, "allow_anonymous true", "max_queued_messages 0") as (port, _):
        async with listening(session, Config(host="127.0.0.1", port=port, discovery="")):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": -1}}, lambda: session.refused)
            session.reports.clear()
            await flood(port, 5000)
            await until(lambda: len(session.reports) >= 5000)
    assert [energy for energy in energies(session) if energy >= 0] == list(range(5000))
    assert session.drops == []


@pytest.mark.real("network, processes")
async def test_what_comes_while_the_hub_starts_anew_is_told(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path) as (port, _):
        config = Config(host="127.0.0.1", port=port, discovery="")
        async with listening(session, config):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": -1}}, lambda: session.refused)
        session.reports.clear()
        await flood(port, 300)
        async with listening(session, config):
            await until(lambda: len(session.reports) >= 300)
    assert [energy for energy in energies(session) if energy >= 0] == list(range(300))


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("why", ["away for too long", "the clock went back", "devices changed"])
async def test_what_is_of_no_known_age_or_nobodys_is_not_told(tmp_path: Path, why: str) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path) as (port, _):
        config = Config(host="127.0.0.1", port=port, discovery="")
        async with listening(session, config):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": -1}}, lambda: session.refused)
        session.reports.clear()
        await flood(port, 30)
        if why == "devices changed":
            session.devices.put(hub.Device(id="mqtt:other", integration="mqtt_devices", place="other"))
        else:
            session.state["alive"] += -61 if why == "away for too long" else 3600
        async with listening(session, config):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": 99}}, lambda: session.reports)
    assert set(energies(session)) == {99.0}


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(("twin", "told"), [(False, 1), (True, 2)])
async def test_what_the_broker_gives_again_after_a_cut_is_told_once_and_a_twin_tells_it_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twin: bool, told: int
) -> None:
    """The hub ends between taking messages and acknowledging them; what remains of it is its state."""
    plug = hub.Device(id="mqtt:plug-2", integration="mqtt_devices", place="plug", settings=PLUG.settings)
    session = FakeSession("mqtt_devices", devices=[PLUG, plug])  # one message, two devices
    if twin:
        monkeypatch.setattr(Taken, "__contains__", lambda self, message: False)
    with mosquitto(tmp_path) as (port, _):
        config = Config(host="127.0.0.1", port=port, discovery="")
        async with listening(session, config):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": -1}}, lambda: session.refused)
        session.reports.clear()
        await flood(port, 15)
        with monkeypatch.context() as cut:
            cut.setattr(Client, "acknowledge", lambda self, message: None)
            async with listening(session, config):
                await until(lambda: len(session.reports) >= 30)
        async with listening(session, config):
            await flood(port, 15)  # alike, and no repetition
            await until(lambda: len(session.reports) >= 30 + 30 * told)
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": 99}}, lambda: 99.0 in energies(session))
    said = [energy for energy in energies(session) if 0 <= energy < 99]
    assert sorted(said) == sorted([*range(15)] * 2 * (told + 1))


def message(mid: int, payload: bytes = b"1", topic: bytes = b"a", *, dup: bool = True) -> MQTTMessage:
    made = MQTTMessage(mid=mid, topic=topic)
    made.payload, made.dup, made.qos = payload, dup, 1
    return made


def test_a_repetition_has_the_mark_of_one_its_number_and_its_content_and_few_are_remembered() -> None:
    taken = Taken(None, 0.0)
    taken.add([message(7, dup=False)], 0.0)
    for again, known in (
        (message(7), True),
        (message(7, dup=False), False),
        (message(8), False),
        (message(7, b"2"), False),
        (message(7, topic=b"b"), False),
    ):
        assert (again in taken) is known
    packed = taken.add([message(n) for n in range(1000)], 1.0)
    assert len(packed) == MOST * 10
    assert (message(999) in Taken(packed, 5.0), message(1000 - MOST - 1) in Taken(packed, 5.0)) == (True, False)
    assert taken.add([message(1)], 62.0) == taken.add([], 63.0) != b""
    assert len(taken.add([], 200.0)) == 0
    for damaged in (None, 7, "text", b"\0" * 11, b"\0" * 10_000):
        assert len(Taken(damaged, 0.0).add([message(3)], 0.0)) <= MOST * 10


@pytest.mark.real("network, processes")
async def test_nothing_is_acknowledged_before_it_is_accepted(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    accepting = session.emit
    waiting = 0

    async def full(*reports: hub.Report, durable: bool = False, note: object = None) -> None:
        nonlocal waiting
        waiting += 1
        await asyncio.Event().wait()

    with mosquitto(tmp_path) as (port, _):
        config = Config(host="127.0.0.1", port=port, discovery="")
        async with listening(session, config):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": -1}}, lambda: session.refused)
            await until(lambda: "alive" in session.state)
            session.reports.clear()
            session.emit = full  # type: ignore[method-assign]
            await flood(port, 30)
            await until(lambda: waiting)
        session.emit = accepting  # type: ignore[method-assign]
        async with listening(session, config):
            await until(lambda: len(session.reports) >= 30)
    assert [energy for energy in energies(session) if energy >= 0] == list(range(30))


async def test_a_topic_that_is_no_text_is_left_alone_and_a_flood_has_an_end() -> None:
    client = Client(Config(host="b"))
    client._on_message(None, None, MQTTMessage(mid=1, topic=b"\xff"))
    for number in range(WAITING + 2):
        client._on_message(None, None, MQTTMessage(mid=number, topic=b"a"))
    assert client.flooded == 2
    assert len(await client.arrivals()) == 64
    stubborn = MQTTMessage(mid=1, topic=b"a")
    stubborn.qos = 1
    for _ in range(65):
        client._on_message(None, None, stubborn)
    assert isinstance(client._disconnected.exception(), aiomqtt.MqttError)


async def test_long_messages_wait_in_bounded_memory_and_are_still_counted_as_too_long() -> None:
    client, most = Client(Config(host="b")), WAITING_BYTES // (MAX_PAYLOAD + 1)
    for number in range(most + 3):
        message = MQTTMessage(mid=number, topic=b"a")
        message.payload = bytes(4 * MAX_PAYLOAD)
        client._on_message(None, None, message)
    assert client.flooded == 3
    waiting = await client.arrivals()
    assert len(waiting) == most
    assert sum(len(message.payload) for message in waiting) <= WAITING_BYTES
    session = FakeSession("mqtt_devices", devices=[PLUG])
    assert integrations.mqtt_devices.heard(session, PLUG.id, bytes(waiting[0].payload), ()) == []
    assert session.drops == [(PLUG.id, "mqtt-payload")]
    for _ in range(2):  # there is room again
        client._on_message(None, None, waiting[0])
    assert client.flooded == 3


def test_long_topics_below_a_wildcard_are_read_and_not_remembered() -> None:
    settings = {"topic": "tele/#", "values": {"energy": {}}}
    wild = hub.Device(id="mqtt:any", integration="mqtt_devices", place="hall", settings=settings)
    book = Book(FakeSession("mqtt_devices", devices=[wild]))
    book.refresh()
    for topic in ("tele/plug", "tele/" + 60_000 * "x"):
        assert [device for device, _ in book.listeners(topic)] == ["mqtt:any"]
    assert set(book._heard) == {"tele/plug"}


@pytest.mark.real("network, processes")
async def test_messages_longer_than_one_look_at_the_socket_and_those_behind_them_are_read_whole(tmp_path: Path) -> None:
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path) as (port, _):
        async with listening(session, Config(host="127.0.0.1", port=port, discovery="")):
            await insist(port, "tele/plug/SENSOR", {"ENERGY": {"Total": -1}}, lambda: session.refused)
            async with aiomqtt.Client("127.0.0.1", port) as client:
                for number in range(40):
                    said = {"pad": "x" * (3 * AHEAD * (number % 4 == 0)), "ENERGY": {"Total": number}}
                    await client.publish("tele/plug/SENSOR", json.dumps(said), qos=1)
            await until(lambda: len([energy for energy in energies(session) if energy >= 0]) >= 40)
    assert [energy for energy in energies(session) if energy >= 0] == list(range(40))


@pytest.mark.real("network")
async def test_a_topic_that_no_broker_may_pass_on_is_counted(tmp_path: Path) -> None:
    device = hub.Device(
        id="mqtt:any", integration="mqtt_devices", place="any", settings={"topic": "a/+", "values": {"temperature": {}}}
    )
    session = FakeSession("mqtt_devices", devices=[device])
    spoken = b"\x30\x07\x00\x03a/+21", b"\x30\x07\x00\x03a/b20"

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As MQTT 3.1.1 has it, sections 3.1 to 3.9, but for the topic that it passes on."""
        with contextlib.suppress(asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                kind, size = await reader.readexactly(2)
                body = await reader.readexactly(size)
                if kind == 0x10:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind == 0x82:
                    writer.write(b"\x90\x03" + body[:2] + b"\x01" + b"".join(spoken))

    async with await start_server(broker, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with listening(session, Config(host="127.0.0.1", port=port, discovery="")):
            await until(lambda: session.reports)
    assert ("", "mqtt-topic") in session.drops
    assert session.reports[0].values == {"temperature": 20.0}


@pytest.mark.real("network, processes")
async def test_a_wrong_password_and_a_broker_that_goes_say_who_must_act(tmp_path: Path) -> None:
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(tmp_path / "users"), "hub", "right"], check=True)
    (tmp_path / "users").chmod(0o644)
    session = FakeSession("mqtt_devices", devices=[PLUG])
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {tmp_path}/users", "user root") as (
        port,
        process,
    ):
        with pytest.raises(hub.AuthFailed, match="refuses the user"):
            await run(Config(host="127.0.0.1", port=port, user="hub", password="wrong"), session)
        right = Config(host="127.0.0.1", port=port, user="hub", password="right")
        async with listening(session, right) as task:
            assert "lets this hub in" in await probe(right)
            process.kill()
            with pytest.raises(hub.NotReady, match=f"the broker 127.0.0.1:{port}"):
                async with asyncio.timeout(60):
                    await task
        with pytest.raises(hub.NotReady, match="is away"):
            await run(right, session)


def test_the_yaml_of_the_readme_is_a_valid_configuration() -> None:
    text = (HERE / "README.md").read_text()
    block = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0].replace("!secret ", ""))
    Config.model_validate(block["integrations"]["mqtt_devices"])
    for device in block["devices"].values():
        DeviceSettings.model_validate(device.get("settings", {}))
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip
