"""A real mosquitto between a network server, which is paho, and the hub: restarts, breaks, floods, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import server_kit as kit
from chirpstack_api.integration import integration_pb2 as pb
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.client import MQTTMessage

import hub
from hub.sdk.mqtt import MqttClient
from hub.sdk.testing import FakeSession
from integrations.lorawan_servers import chirpstack, client, things_stack

from ...serving import start_server

UP = kit.topic("up")


def chirp(broker: kit.Mosquitto, **more: Any) -> chirpstack.Config:
    return chirpstack.Config(host="127.0.0.1", port=broker.port, **more)


def counters(session: FakeSession) -> list[int | None]:
    return [report.proof.counter if report.proof else None for report in kit.told(session)]


async def publish(server: kit.NetworkServer, *arguments: Any, **more: Any) -> None:
    await asyncio.to_thread(server.publish, *arguments, **more)


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_events_in_both_encodings_arrive(tmp_path: Path, protocol: str) -> None:
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        config = chirp(broker, protocol=protocol)
        async with kit.running(chirpstack.run, config, session):
            await publish(server, UP, kit.uplink(1, b"\x15"))
            await publish(server, UP, kit.protobuf(kit.UPLINK, kit.uplink(2, b"\x16", at=kit.NOW + 60)))
            await kit.until(lambda: len(kit.told(session)) == 2)
        said = await chirpstack.probe(config)
    assert [report.values["temperature"] for report in session.durable] == [21.0, 22.0]
    assert said == (
        f"the broker 127.0.0.1:{broker.port} lets this hub in (MQTT {protocol}) and hear "
        "application/+/device/+/event/+, QoS 1"
    )


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_comes_while_the_hub_is_away_is_told_when_it_is_back(tmp_path: Path, protocol: str) -> None:
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        config = chirp(broker, protocol=protocol)
        async with kit.running(chirpstack.run, config, session):
            await publish(server, UP, kit.uplink(0, at=kit.NOW))
            await kit.until(lambda: kit.told(session))
        for fcnt in range(1, 200):
            await publish(server, UP, kit.uplink(fcnt, at=kit.NOW + fcnt))
        async with kit.running(chirpstack.run, config, session):
            await kit.until(lambda: len(kit.told(session)) >= 200)
    assert counters(session) == list(range(200))
    assert [report.time for report in kit.told(session)] == [kit.NOW + fcnt - 0.25 for fcnt in range(200)]
    assert session.drops == []


@pytest.mark.real("network, processes")
async def test_probe_leaves_the_session_of_a_running_hub_alone(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        async with kit.running(chirpstack.run, chirp(broker), session) as task:
            await chirpstack.probe(chirp(broker))
            await publish(server, UP, kit.uplink(1))
            await kit.until(lambda: kit.told(session))
            assert not task.done()


class Disk:
    """A session whose disk can be stopped: what was handed over is there, and nothing is durable."""

    def __init__(self, session: FakeSession) -> None:
        self.session, self.works = session, asyncio.Event()
        self.waiting = 0
        self._emit = session.emit
        session.emit = self.emit  # type: ignore[method-assign]

    def stands(self) -> bool:
        return self.waiting >= 9

    async def emit(self, *reports: hub.Report, durable: bool = False, **more: Any) -> None:
        await self._emit(*reports, durable=durable, **more)
        if durable and not self.works.is_set():
            self.waiting += 1
            await self.works.wait()


@pytest.mark.real("network, processes")
async def test_nothing_is_acknowledged_before_it_is_on_the_disk(tmp_path: Path) -> None:
    """The hub ends while nothing of it was: the broker gives all of it again to the next."""
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        disk = Disk(kit.session(kit.known()))
        async with kit.running(chirpstack.run, chirp(broker), disk.session):
            for fcnt in range(20):
                await publish(server, UP, kit.uplink(fcnt, at=kit.NOW + fcnt))
            await kit.until(lambda: disk.waiting == 20)
        fresh = kit.session(kit.known())  # what was not on the disk is lost, and what was remembered with it
        async with kit.running(chirpstack.run, chirp(broker), fresh):
            await kit.until(lambda: len(kit.told(fresh)) == 20)
    assert counters(fresh) == list(range(20))


@pytest.mark.real("network, processes")
async def test_a_broker_that_breaks_off_gives_again_and_nothing_is_told_twice(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    conf = ["allow_anonymous true", "persistence true", f"persistence_location {tmp_path}/"]
    broker = kit.Mosquitto(tmp_path, *conf)
    broker.start()
    try:
        for life in range(3):
            with kit.network_server(broker.port) as server:
                async with kit.running(chirpstack.run, chirp(broker), session) as task:
                    disk = Disk(session)
                    for n in range(30):
                        fcnt = life * 30 + n
                        await publish(server, UP, kit.uplink(fcnt, at=kit.NOW + fcnt))
                        if n == 10:
                            disk.works.set()
                        elif n == 20:
                            disk.works.clear()
                    await kit.until(disk.stands)
                    await asyncio.to_thread(broker.stop)  # with frames under way
                    with pytest.raises(hub.NotReady, match="ends the connection"):
                        async with asyncio.timeout(60):
                            await task
                    session.emit = disk._emit  # type: ignore[method-assign]
            broker.start()
        async with kit.running(chirpstack.run, chirp(broker), session):
            await kit.until(lambda: len(kit.told(session)) >= 90)
    finally:
        broker.kill()
    assert counters(session) == list(range(90))


@pytest.mark.real("network, processes")
async def test_a_flood_is_told_whole_and_in_order(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    conf = ["allow_anonymous true", "max_queued_messages 0"]
    with kit.mosquitto(tmp_path, *conf) as broker, kit.network_server(broker.port) as server:
        async with kit.running(chirpstack.run, chirp(broker), session):

            def flood() -> None:
                for fcnt in range(1500):
                    sent = server._client.publish(UP, kit.encoded(kit.uplink(fcnt, at=kit.NOW + fcnt)), qos=1)
                sent.wait_for_publish(60)

            await asyncio.to_thread(flood)
            await kit.until(lambda: len(kit.told(session)) == 1500, 60)
    assert counters(session) == list(range(1500))
    assert session.drops == []


@pytest.mark.real("network, processes")
async def test_thousands_of_copies_of_one_message_are_one_reading(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    conf = ["allow_anonymous true", "max_queued_messages 0"]
    with kit.mosquitto(tmp_path, *conf) as broker, kit.network_server(broker.port) as server:
        async with kit.running(chirpstack.run, chirp(broker), session):
            message = kit.encoded(kit.uplink(1))

            def flood() -> None:
                for _ in range(1500):
                    sent = server._client.publish(UP, message, qos=1)
                sent.wait_for_publish(60)

            await asyncio.to_thread(flood)
            await kit.until(lambda: len(session.drops) == 1499, 60)
    assert len(kit.told(session)) == 1
    assert set(session.drops) == {(kit.DEVICE, "repeat")}


@pytest.mark.real("network, processes")
async def test_garbage_of_any_kind_is_counted_and_does_not_come_again(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        for payload, retain in ((b"x", True), (b"", False)):
            await publish(server, kit.topic("up", "0000000000000009"), payload, retain=retain)
        config = chirp(broker)
        async with kit.running(chirpstack.run, config, session):
            for payload in (b"", b"\xff" * 300, b"{}", b"[1e999]", kit.encoded(kit.uplink(1, x="y" * (1 << 18)))):
                await publish(server, UP, payload)
            await publish(server, kit.topic("up", "0000000000000001"), kit.uplink(1))
            await publish(server, UP, kit.uplink(1))
            await kit.until(lambda: kit.told(session))
        async with kit.running(chirpstack.run, config, session):
            await publish(server, UP, kit.uplink(2, at=kit.NOW + 1))
            await kit.until(lambda: len(kit.told(session)) == 2)
    reasons = [reason for _, reason in session.drops if reason != "mqtt-retained"]
    assert reasons == [
        "bad-message", "bad-protobuf", "bad-message", "bad-protobuf", "message-too-long", "topic-mismatch",
    ]  # fmt: skip
    assert ("", "mqtt-retained") in session.drops


@pytest.mark.real("network, processes")
async def test_a_message_of_a_megabyte_never_reaches_the_hub_by_mqtt_5(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        async with kit.running(chirpstack.run, chirp(broker), session):
            await publish(server, UP, b"{" * (1 << 20))
            await publish(server, UP, kit.uplink(1))
            await kit.until(lambda: kit.told(session))
    assert session.drops == []


@pytest.mark.real("network, processes")
async def test_topics_of_a_former_configuration_are_left(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        async with kit.running(chirpstack.run, chirp(broker), session):
            pass
        other = "0" * 8 + kit.APPLICATION[8:]
        config = chirp(broker, application=other)
        async with kit.running(chirpstack.run, config, session):
            await kit.until(lambda: session.state["topics"] == list(config.topics))
            await publish(server, UP, kit.uplink(1))
            await publish(server, UP.replace(kit.APPLICATION, other), kit.uplink(2, at=kit.NOW + 1))
            await kit.until(lambda: kit.told(session))
    assert counters(session) == [2]


@pytest.mark.real("network, processes")
async def test_a_downlink_goes_through_the_broker_and_its_states_come_back(tmp_path: Path) -> None:
    session = kit.session(kit.known())
    session.packs.downlinks[kit.DEVICE, "period", (("seconds", 600.0),)] = (3, b"\x02\x58")
    command = hub.Command(id="c1", device=kit.DEVICE, metric="period", values={"seconds": 600.0}, expires=kit.NOW)
    where = "application/+/device/+/command/+"
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port, where) as server:
        async with kit.running(chirpstack.run, chirp(broker), session):
            await publish(server, UP, kit.protobuf(kit.UPLINK, kit.uplink(1)))
            await kit.until(lambda: kit.told(session))
            session.commands.give(command)
            await kit.until(lambda: server.commands and session.commands.answers)
            topic, payload = server.commands[0]
            asked = pb.DownlinkCommand.FromString(payload)
            assert topic == f"application/{kit.APPLICATION}/device/{asked.dev_eui}/command/down"
            about = {"deviceInfo": {"devEui": kit.EUI}, "queueItemId": asked.id}
            await publish(server, kit.topic("txack"), kit.protobuf(pb.TxAckEvent, {**about, "gatewayId": kit.GATEWAY}))
            await publish(server, kit.topic("ack"), kit.protobuf(pb.AckEvent, {**about, "acknowledged": True}))
            await kit.until(lambda: len(session.commands.answers) == 3)
    assert [state for _, state, _ in session.commands.answers] == ["queued", "sent", "done"]


@pytest.mark.real("network, processes")
async def test_the_things_stacks_messages_arrive_from_its_server_and_from_a_pub_sub(tmp_path: Path) -> None:
    """mosquitto stands for the stack's own server, which grants QoS 0 only."""
    session, other = (kit.session(kit.known(integration=name), name) for name in ("things_stack", "pubsub"))
    passwords = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "app1@tenant1", "NNSXS.KEY"], check=True)
    passwords.chmod(0o644)
    conf = ["allow_anonymous true", f"password_file {passwords}", "max_qos 0"]
    with kit.mosquitto(tmp_path, *conf) as broker, kit.network_server(broker.port) as server:
        config = things_stack.Config(
            host="127.0.0.1",
            port=broker.port,
            tls=False,
            application="app1@tenant1",
            password="NNSXS.KEY",  # type: ignore[arg-type]
        )
        wrong = config.model_copy(update={"password": chirp(broker, password="wrong").password})
        with pytest.raises(hub.AuthFailed, match="refuses the hub"):
            await things_stack.probe(wrong)
        assert "MQTT 3.1.1" in await things_stack.probe(config)
        async with kit.running(things_stack.run, config, session):
            await publish(server, "v3/app1@tenant1/devices/dev1/up", kit.stack_uplink(1, b"\x15"), qos=0)
            await kit.until(lambda: kit.told(session))
    with kit.mosquitto(tmp_path) as broker, kit.network_server(broker.port) as server:
        config = things_stack.Config(
            host="127.0.0.1", port=broker.port, tls=False, application="app1", pubsub="ttn/ville", protocol="5"
        )
        async with kit.running(things_stack.run, config, other):
            pass
        await publish(server, "ttn/ville/up", kit.stack_uplink(1, b"\x15"))
        async with kit.running(things_stack.run, config, other):
            await kit.until(lambda: kit.told(other))
    assert session.durable[0].values == other.durable[0].values == {"temperature": 21.0, "link_margin": 16.8}


# -- who may ------------------------------------------------------------------------------------------------------


@pytest.mark.real("network, processes")
async def test_a_wrong_password_and_a_broker_that_is_not_there_say_who_must_act(tmp_path: Path) -> None:
    passwords = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "ilot", "right"], check=True)
    passwords.chmod(0o644)
    session = kit.session(kit.known())
    with kit.mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        for protocol in ("5", "3.1.1"):
            wrong = chirp(broker, user="ilot", password="wrong", protocol=protocol)
            with pytest.raises(hub.AuthFailed, match="check `user`, `password`"):
                await chirpstack.run(wrong, session)
            assert "lets this hub in" in await chirpstack.probe(
                chirp(broker, user="ilot", password="right", protocol=protocol)
            )
    with pytest.raises(hub.NotReady, match=f"the broker 127.0.0.1:{broker.port} does not answer"):
        await chirpstack.run(chirp(broker), session)


@pytest.mark.real("network, processes")
async def test_the_acl_of_the_how_to_lets_the_hub_hear_and_command_and_no_more(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs/how-to/existing-lorawan-server.md").read_text()
    (tmp_path / "acl").write_text(text.partition("# /etc/mosquitto/acl\n")[2].partition("```")[0])
    for user, more in (("chirpstack", ["-c"]), ("ilot", [])):
        subprocess.run(["mosquitto_passwd", "-b", *more, str(tmp_path / "users"), user, "secret"], check=True)
    for name in ("users", "acl"):
        (tmp_path / name).chmod(0o644)
    session = kit.session(kit.known())
    session.packs.downlinks[kit.DEVICE, "period", (("seconds", 600.0),)] = (3, b"\x02\x58")
    conf = ["allow_anonymous false", f"password_file {tmp_path}/users", f"acl_file {tmp_path}/acl"]
    with kit.mosquitto(tmp_path, *conf) as broker:
        config = chirp(broker, user="ilot", password="secret")
        with kit.network_server(broker.port, "application/+/device/+/command/+", user="chirpstack") as server:
            async with kit.running(chirpstack.run, config, session):
                await publish(server, UP, kit.uplink(1))
                await kit.until(lambda: kit.told(session))
                session.commands.give(
                    hub.Command(id="c", device=kit.DEVICE, metric="period", values={"seconds": 600.0}, expires=kit.NOW)
                )
                await kit.until(lambda: server.commands)
                with kit.network_server(broker.port, "nothing", user="ilot") as forger:
                    await publish(forger, UP, kit.uplink(2, at=kit.NOW + 1))
                await publish(server, UP, kit.uplink(3, at=kit.NOW + 2))
                await kit.until(lambda: len(kit.told(session)) == 2)
    assert counters(session) == [1, 3]


def certificates(directory: Path) -> None:
    """A CA, and with it a server and a client."""
    made: dict[str, Any] = {}
    for name in ("ca", "server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = made.get("ca", (subject, key))
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        certificate = builder.sign(signer, hashes.SHA256())
        made.setdefault(name, (subject, key))
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


@pytest.mark.real("network, processes")
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
async def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    certificates(tmp_path)
    conf = [
        f"cafile {tmp_path}/ca.pem", f"certfile {tmp_path}/server.pem", f"keyfile {tmp_path}/server.key",
        "require_certificate true", "use_identity_as_username true", "allow_anonymous true",
    ]  # fmt: skip
    with kit.mosquitto(tmp_path, *conf) as broker:
        hub_s = {"tls": True, "ca": tmp_path / "ca.pem"}
        shown = {"certificate": tmp_path / "client.pem", "certificate_key": tmp_path / "client.key"}
        assert "lets this hub in (MQTT 5)" in await chirpstack.probe(chirp(broker, **hub_s, **shown))
        with pytest.raises(hub.NotReady):
            await chirpstack.probe(chirp(broker, **hub_s))
        with pytest.raises(hub.NotReady, match=r"its root CA is not trusted here .*give it as `ca`"):
            await chirpstack.probe(chirp(broker, tls=True, **shown))
        with pytest.raises(hub.NotReady, match="cannot be read"):
            await chirpstack.probe(chirp(broker, tls=True, ca=tmp_path / "missing.pem"))
        with pytest.raises(hub.NotReady):
            await chirpstack.probe(chirp(broker))
    await asyncio.to_thread(int)  # the thread that connected holds its socket until it has something else to do
    gc.collect()  # paho leaves a socket whose handshake failed to the garbage collector


@contextlib.asynccontextmanager
async def in_front(broker: kit.Mosquitto, level: int | None) -> AsyncIterator[int]:
    """A broker of older days: hangs up on a CONNECT above that protocol level. None: it never says a word."""
    served: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.write_eof()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(writer):
            first = await reader.read(65536)
            if level is None:
                await asyncio.Event().wait()
            elif first[first.find(b"MQTT") + 4] <= level:
                upstream, down = await asyncio.open_connection("127.0.0.1", broker.port)
                with contextlib.closing(down):
                    down.write(first)
                    await asyncio.gather(pump(reader, down), pump(upstream, writer))

    server = await start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served)
        await server.wait_closed()


@pytest.mark.real("network, processes")
async def test_a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_3_1_1(tmp_path: Path) -> None:
    with kit.mosquitto(tmp_path) as broker:
        async with in_front(broker, 4) as port:
            assert "(MQTT 3.1.1)" in await chirpstack.probe(chirp(broker).model_copy(update={"port": port}))


@pytest.mark.real("network, processes")
async def test_a_broker_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    with kit.mosquitto(tmp_path) as broker:
        async with in_front(broker, None) as port:
            with pytest.raises(hub.NotReady, match="says nothing"):
                await chirpstack.probe(chirp(broker).model_copy(update={"port": port}))


async def test_a_topic_that_is_no_text_is_left_alone() -> None:
    """mosquitto passes none on; a broker that does must not end the connection with it for ever."""
    made = client.Client(chirpstack.Config(host="b"), None, "me", "5")
    made._on_message(None, None, MQTTMessage(mid=1, topic=b"\xff"))
    assert made._queue.empty()
    made._on_message(None, None, MQTTMessage(mid=2, topic=b"a"))
    assert made._queue.qsize() == 1


async def test_two_hubs_have_two_sessions_and_one_hub_has_one_for_good() -> None:
    session = kit.session(name="chirpstack")
    name = MqttClient.session_name(session, "")
    assert len(name) <= 23
    assert MqttClient.session_name(session, "") == name == session.state["client"]
    assert MqttClient.session_name(kit.session(name="other"), "") != name
    assert MqttClient.session_name(session, "mine") == "mine"


def test_tls_checks_names_and_certificates() -> None:
    context = client._context(chirpstack.Config(host="b", tls=True))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
