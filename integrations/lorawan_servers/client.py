"""Connection to a server's broker. All I/O of these integrations is here.

The session outlives the connection: it subscribes with QoS 1 under a fixed client id, so that the broker stores
messages while the hub is away, and acknowledges each message only once it is on the disk. aiomqtt leaves acknowledging
to paho; `Client` does it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

import hub
from hub.sdk.mqtt import MqttClient
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.tls import Tls
from integrations.lorawan_servers.checks import MAX_MESSAGE
from integrations.lorawan_servers.driver import Driver
from integrations.lorawan_servers.settings import Broker

WINDOW = 256
"""Messages that the broker sends before the first is acknowledged (MQTT 5)."""
WAITING = 4096
ANSWER_S = 10.0
_QUIET = logging.getLogger("hub.lorawan_servers.paho")
_QUIET.setLevel(logging.CRITICAL)  # no log from broker traffic; fatal errors are raised
_REFUSALS = (0x85, 0x86, 0x87, 0x8A, 0x8C)  # client id, password, not authorised, banned, method; 3.1.1's translated


class Client(MqttClient):
    """MQTT client. `identity`: client id of a persistent session; "": a session that ends with the connection."""

    LONGEST_PACKET = 2 * MAX_MESSAGE

    def __init__(self, config: Broker, context: ssl.SSLContext | None, identity: str, protocol: str) -> None:
        five = protocol == "5"
        properties = Properties(PacketTypes.CONNECT) if five else None  # type: ignore[no-untyped-call]
        if properties is not None:
            properties.ReceiveMaximum = WINDOW
            properties.MaximumPacketSize = self.LONGEST_PACKET
            properties.SessionExpiryInterval = int(config.keep.total_seconds()) if identity else 0
        super().__init__(
            config.host,
            config.port,
            identifier=identity or f"ilot-{token_hex(8)}",
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            tls_context=context,
            keepalive=30,
            timeout=math.inf,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_start=not identity if five else MQTT_CLEAN_START_FIRST_ONLY,
            clean_session=None if five else not identity,
            properties=properties,
            max_queued_incoming_messages=WAITING,
            logger=_QUIET,
        )
        self.protocol = protocol
        self.flooded = 0  # messages of QoS 0 dropped because the queue was full
        self._client.manual_ack_set(True)

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Acknowledge a message that is on the disk, or needs no storing. Call this in the order of arrival."""
        self._client.ack(message.mid, message.qos)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        try:
            _ = message.topic
        except UnicodeDecodeError:  # invalid topic: acknowledged, or it would be repeated for ever
            self._client.ack(message.mid, message.qos)
            return
        if not self._queue.full():
            super()._on_message(client, userdata, message)
        elif message.qos == 0:
            self.flooded += 1
        elif not self._disconnected.done():  # not acknowledged: the broker repeats it
            self._disconnected.set_exception(
                aiomqtt.MqttError(
                    phrase(
                        "lorawan_servers.broker-floods",
                        "it sends more than {most} messages at once: lower its limit of messages in flight",
                        most=WAITING,
                    )
                )
            )


@asynccontextmanager
async def connected(config: Broker, identity: str) -> AsyncIterator[Client]:
    """Return a client that has signed in. Raises NotReady or AuthFailed, naming the broker and who must act."""
    context = await asyncio.to_thread(_context, config)

    def made(version: str) -> Client:
        return Client(config, context, identity, version)

    async with MqttClient.connected(made, config.protocol, lambda error: _explained(error, config)) as client:
        try:
            yield client
        except aiomqtt.MqttError as error:
            raise _ended(error, config) from error


def _context(config: Broker) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    try:
        own = (config.certificate, config.certificate_key) if config.certificate and config.certificate_key else None
        return Tls.client(file=config.ca, shown=own)
    except OSError as error:
        raise hub.NotReady(
            phrase(
                "lorawan_servers.certificates-unreadable",
                "ca, certificate or certificate_key cannot be read: {reason}",
                reason=reason_of(error),
            )
        ) from error


def _explained(error: aiomqtt.MqttError, config: Broker) -> Exception:
    if MqttClient.reason(error) in _REFUSALS:
        return hub.AuthFailed(
            phrase(
                "lorawan_servers.broker-refuses-hub",
                "{broker} refuses the hub, check `user`, `password` and `certificate`: {reason}",
                broker=config.where,
                reason=reason_of(error),
            )
        )
    if (why := Tls.refusal(error)) is not None:
        return hub.NotReady(
            phrase(
                "lorawan_servers.broker-certificate-refused",
                "{broker} shows a certificate that is refused: {reason}",
                broker=config.where,
                reason=why.told(),
            )
        )
    return hub.NotReady(
        phrase(
            "lorawan_servers.broker-does-not-answer",
            "{broker} does not answer: {reason}",
            broker=config.where,
            reason=reason_of(error),
        )
    )


async def subscribe(client: Client, config: Broker, topics: tuple[str, ...], *, qos: int) -> int:
    """Subscribe to each topic, and return the lowest QoS granted. Raises AuthFailed where the hub may not subscribe."""
    least = qos
    for topic in topics:
        try:
            async with asyncio.timeout(ANSWER_S):
                granted = await client.subscribe(topic, qos=qos)
        except TimeoutError as error:
            raise hub.NotReady(
                phrase(
                    "lorawan_servers.subscription-not-answered",
                    "{broker} does not answer a subscription",
                    broker=config.where,
                )
            ) from error
        for code in granted:
            value = code.value if isinstance(code, ReasonCode) else int(code)
            if value >= 0x80:
                raise hub.AuthFailed(
                    phrase(
                        "lorawan_servers.subscription-refused",
                        "{broker} does not let the hub hear {topic}: its operator corrects its ACL",
                        broker=config.where,
                        topic=topic,
                    )
                )
            least = min(least, value)
    return least


async def serve(config: Broker, session: hub.Session, driver: Driver, topics: tuple[str, ...], *, qos: int = 1) -> None:
    """Receive messages and send downlinks until cancelled. Raises NotReady or AuthFailed."""
    try:
        async with connected(config, MqttClient.session_name(session, config.client_id)) as client:
            await _settle(client, config, session, topics, qos)
            async with asyncio.TaskGroup() as tasks:
                kept: asyncio.Queue[tuple[aiomqtt.Message, asyncio.Task[None]]] = asyncio.Queue(WAITING)
                tasks.create_task(_acknowledge(client, kept), name=f"{session.name} acknowledging")
                tasks.create_task(driver.command(_publisher(client, qos)), name=f"{session.name} commands")
                async for message in client.messages:
                    if client.flooded:
                        session.radio.report_decode_error("", hub.DecodeError("mqtt-flood", _lost(client.flooded)))
                        client.flooded = 0
                    payload = message.payload if isinstance(message.payload, bytes) else b""
                    keep = await driver.hear(str(message.topic), payload, retained=message.retain)
                    await kept.put((message, tasks.create_task(keep())))
    except BaseExceptionGroup as group:  # the supervisor judges one error, not a group
        first = group.exceptions[0]
        if isinstance(first, aiomqtt.MqttError):
            raise _ended(first, config) from first
        raise first from first.__cause__


def _ended(error: aiomqtt.MqttError, config: Broker) -> hub.NotReady:
    return hub.NotReady(
        phrase(
            "lorawan_servers.broker-ends-connection",
            "{broker} ends the connection: {reason}",
            broker=config.where,
            reason=reason_of(error.__cause__ or error),
        )
    )


def _lost(count: int) -> str:
    return phrase("lorawan_servers.messages-lost", "{count} [message|messages]", count=count)


async def _settle(client: Client, config: Broker, session: hub.Session, topics: tuple[str, ...], qos: int) -> None:
    """Subscribe, and unsubscribe from topics of a former configuration, which the session remembers."""
    former = session.state.get("topics", [])
    for topic in former if isinstance(former, list) else []:
        if isinstance(topic, str) and topic not in topics:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await client.unsubscribe(topic)
    granted = await subscribe(client, config, topics, qos=qos)
    if list(topics) != former:
        session.state.put("topics", list(topics))
    if granted < qos:
        session.log.warning(
            phrase(
                "lorawan_servers.broker-grants-no-qos",
                "{broker} grants no QoS 1: what comes while the hub is away is lost",
                broker=config.where,
            )
        )


async def _acknowledge(client: Client, kept: asyncio.Queue[tuple[aiomqtt.Message, asyncio.Task[None]]]) -> None:
    while True:
        message, keeping = await kept.get()
        await keeping
        client.acknowledge(message)


def _publisher(client: Client, qos: int) -> Any:
    async def publish(topic: str, payload: bytes) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                await client.publish(topic, payload, qos=qos)
        except TimeoutError as error:
            raise hub.NotReady(
                phrase("lorawan_servers.broker-does-not-take-it", "the broker does not take it")
            ) from error

    return publish


async def answers(config: Broker, topics: tuple[str, ...], *, qos: int = 1) -> str:
    """Sign in and subscribe in a temporary session, for `probe`."""
    async with connected(config, "") as client:
        granted = await subscribe(client, config, topics, qos=qos)
        return phrase(
            "lorawan_servers.broker-lets-in",
            "{broker} lets this hub in (MQTT {version}) and hear {topic}, QoS {qos}",
            broker=config.where,
            version=client.protocol,
            topic=topics[0],
            qos=granted,
        )
