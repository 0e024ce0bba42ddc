"""Connection to the broker. All I/O of this integration is here.

It subscribes with QoS 1 in a persistent session, and acknowledges each message only once its report has been accepted:
the broker holds back messages that the hub cannot take yet, and repeats those that arrived during a restart. What it
repeats though it was taken is recognised (`repeats`), by a record in the commit of the readings. A session
of MQTT 3.1.1 does not expire, so the hub discards it after an absence longer than `keep`: the age of its messages is
not known. (MQTT 5 has an expiry; its properties cost paho 60 µs a message.)

aiomqtt leaves acknowledging to paho, drops messages when its queue is full, and needs a task for each message: `Client`
keeps the messages itself. aiomqtt's own time-outs are off: before Python 3.12, `asyncio.wait_for` may swallow a
cancellation.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from hashlib import sha256
from secrets import token_hex
from typing import Any, Self

import aiomqtt
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

import hub
from hub.sdk.mqtt import MqttClient
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.tls import Tls
from integrations.mqtt_devices import Book, Config, context, discovery, heard
from integrations.mqtt_devices.paths import MAX_PAYLOAD
from integrations.mqtt_devices.repeats import Taken

WAITING = 4096
WAITING_BYTES = 16 << 20
"""Messages that may wait to be read, and bytes of their payloads."""
LONGEST_PACKET = MAX_PAYLOAD + (1 << 16) + 8
"""Maximum bytes of one packet that are kept: a topic has 65,535 at most (MQTT 3.1.1, §1.5.3), with lengths and number
beside it. Longer ones are counted and ignored."""
TURN = 64
"""Messages that are read before other tasks of the loop have their turn."""
AHEAD = 1 << 14
"""Bytes that are read from the socket at once. Not less: a record of TLS holds at most as many (RFC 8446, 5.1), and the
selector does not see the rest of one."""
ANSWER_S = 10.0
LOOK_S = 0.2
"""Interval in seconds at which the configuration is checked for changes."""
ALIVE_S = 5.0
_QUIET = logging.getLogger("hub.mqtt_devices.paho")
_QUIET.setLevel(logging.CRITICAL)  # no log from broker traffic; fatal errors are raised
_REFUSED = (4, 5, 0x85, 0x86, 0x87, 0x8C)
"""CONNACK: client id, bad user name or password, not authorized, in MQTT 3.1.1 and 5."""


class Client(aiomqtt.Client):
    """MQTT client. `identity`: client id of a persistent session; "": a session that ends with the connection. `clean`:
    discard the stored session of that name. `flooded`: messages of QoS 0 dropped because the queue was full."""

    def __init__(self, config: Config, identity: str = "", *, clean: bool = False) -> None:
        super().__init__(
            config.host,
            config.port,
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            identifier=identity or f"ilot-{token_hex(8)}",
            clean_session=clean or not identity,
            timeout=math.inf,
            protocol=aiomqtt.ProtocolVersion.V311,
            tls_context=context(config),
            keepalive=30,
            logger=_QUIET,
        )
        self.flooded = 0
        self._arrived: deque[MQTTMessage] = deque()
        self._waiting = 0  # bytes
        self._wake: asyncio.Future[None] | None = None
        self._client.manual_ack_set(True)
        self._ahead, self._at, self._asked = b"", 0, False
        self._receive = self._client._sock_recv
        self._client._sock_recv = self._received  # type: ignore[method-assign]

    async def __aenter__(self) -> Self:
        """Connect. When it is cancelled, the thread that opens the socket is waited for, so that it can be closed."""
        entering = asyncio.ensure_future(super().__aenter__())
        try:
            await asyncio.shield(entering)
        except BaseException:
            if not entering.done() and self._client.socket() is None:
                both: list[asyncio.Future[Any]] = [entering, self._connected]
                await asyncio.wait(both, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            entering.add_done_callback(_seen)
            self._connected.add_done_callback(_seen)
            self._disconnected.add_done_callback(_seen)
            entering.cancel()
            self._client.disconnect()
            raise
        return self

    def acknowledge(self, message: MQTTMessage) -> None:
        """Acknowledge a message. Call this in the order of arrival."""
        if message.qos:
            self._client.ack(message.mid, message.qos)

    async def arrivals(self) -> list[MQTTMessage]:
        """Yield messages in batches. Raises MqttError when the connection has ended."""
        if self._arrived:
            await asyncio.sleep(0)
        while not self._arrived:
            if self._disconnected.done():
                raise aiomqtt.MqttError(
                    phrase("mqtt_devices.connection-ended", "the connection ended")
                ) from self._disconnected.exception()
            wake = self._wake = self._loop.create_future()
            self._disconnected.add_done_callback(self._gone)
            try:
                await wake
            finally:
                self._disconnected.remove_done_callback(self._gone)
        taken = [self._arrived.popleft() for _ in range(min(TURN, len(self._arrived)))]
        self._waiting -= sum(len(message.payload) for message in taken)
        return taken

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        super()._on_socket_open(client, userdata, sock)
        self._loop.call_soon_threadsafe(self._loop.add_reader, sock.fileno(), self._readable)

    def _readable(self) -> None:
        """Read every packet that has arrived, in one call. aiomqtt goes round the loop for each."""
        self._asked = False
        try:
            while self._client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and self._at < len(self._ahead):
                pass
        except Exception as error:  # as in aiomqtt: the connection breaks
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _received(self, bufsize: int) -> bytes:
        """Return bytes as paho reads them: a byte, another byte, then the rest of one packet."""
        MqttClient.cut(self._client, LONGEST_PACKET)
        if self._at >= len(self._ahead):
            if self._asked:
                raise BlockingIOError
            self._asked = True
            self._ahead, self._at = self._receive(AHEAD), 0
        piece = self._ahead[self._at : self._at + bufsize]
        self._at += len(piece)
        return piece

    def _gone(self, _: asyncio.Future[None]) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        try:
            _ = message.topic
        except UnicodeDecodeError:  # invalid topic: acknowledged, or it would be repeated for ever
            self._client.ack(message.mid, message.qos)
            return
        message.payload = message.payload[: MAX_PAYLOAD + 1]  # longer ones are counted and ignored
        if len(self._arrived) < WAITING and self._waiting + len(message.payload) <= WAITING_BYTES:
            self._arrived.append(message)
            self._waiting += len(message.payload)
            if self._wake is not None and not self._wake.done():
                self._wake.set_result(None)
        elif message.qos == 0:
            self.flooded += 1
        elif not self._disconnected.done():  # not acknowledged: the broker repeats it
            self._disconnected.set_exception(
                aiomqtt.MqttError(
                    phrase(
                        "mqtt_devices.broker-floods",
                        "it sends more than {most} messages or 16 MiB at once: lower its limit of messages in flight",
                        most=WAITING,
                    )
                )
            )


def _seen(future: asyncio.Future[Any]) -> None:
    """Take the error of something that nobody awaits any more."""
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def connected(config: Config, session: hub.Session | None = None) -> AsyncIterator[Client]:
    """Connect; with a `session`, under the hub's own client id, to resume the stored session. Raises NotReady or
    AuthFailed, naming the broker and who must act."""
    where = _named(config)
    name = MqttClient.session_name(session, config.client_id) if session is not None else ""
    try:
        async with AsyncExitStack() as stack:
            if session is not None and _must_discard_session(session, config):
                async with answered(config), Client(config, name, clean=True):
                    pass  # the broker discards the session of that name
            client = Client(config, name)
            async with answered(config):
                await stack.enter_async_context(client)
            yield client
    except aiomqtt.MqttCodeError as error:
        code = getattr(error.rc, "value", error.rc)
        if code in _REFUSED:
            raise hub.AuthFailed(
                phrase(
                    "mqtt_devices.broker-refuses-user",
                    "{broker} refuses the user: check `user` and `password`",
                    broker=where,
                )
            ) from error
        raise hub.NotReady(
            phrase("mqtt_devices.broker-refuses", "{broker}: {reason}", broker=where, reason=reason_of(error))
        ) from error
    except aiomqtt.MqttError as error:
        if (why := Tls.refusal(error)) is not None:
            raise hub.NotReady(
                phrase(
                    "mqtt_devices.broker-certificate-refused",
                    "{broker} shows a certificate that is refused: {reason}",
                    broker=where,
                    reason=why.told(),
                )
            ) from error
        raise hub.NotReady(
            phrase(
                "mqtt_devices.broker-away",
                "{broker} is away: {reason}",
                broker=where,
                reason=reason_of(error.__cause__ or error),
            )
        ) from error


def _named(config: Config) -> str:
    return phrase("mqtt_devices.the-broker", "the broker {host}:{port}", host=config.host, port=config.port)


@asynccontextmanager
async def answered(config: Config) -> AsyncIterator[None]:
    """Limit the time for an operation that a broker answers at once. Raises NotReady."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError:
        raise hub.NotReady(
            phrase(
                "mqtt_devices.broker-does-not-answer",
                "{broker} does not answer within {seconds:.0f} s",
                broker=_named(config),
                seconds=ANSWER_S,
            )
        ) from None


def _must_discard_session(session: hub.Session, config: Config) -> bool:
    """Return whether the broker's stored session is useless: the hub was away for too long, or has other topics now."""
    said = repr([(device.id, device.settings) for device in session.devices.all()])
    mark, former = sha256(said.encode()).hexdigest()[:16], session.state.get("devices")
    if mark != former:
        session.state.put("devices", mark)
    alive = session.state.get("alive")
    away = time.time() - alive if isinstance(alive, int | float) else math.inf
    return mark != former or not 0 <= away <= config.keep.total_seconds()


async def listen(client: Client, config: Config, session: hub.Session, book: Book) -> None:
    """Process the messages of all devices until the connection ends."""
    subscribed: set[str] = set()

    async def subscribe() -> None:
        async with answered(config):
            for topic in sorted(book.topics() - subscribed):
                await client.subscribe(topic, qos=1)
            for topic in sorted(subscribed - book.topics()):
                await client.unsubscribe(topic)
        subscribed.clear()
        subscribed.update(book.topics())

    await subscribe()
    prefix = config.discovery
    if prefix:
        async with answered(config):
            for component in ("sensor", "binary_sensor"):
                await client.subscribe(f"{prefix}/{component}/#", qos=1)
    loop, looked, alive = asyncio.get_running_loop(), 0.0, -ALIVE_S
    taken = Taken(session.state.get("taken"), loop.time())
    while True:
        batch = await client.arrivals()
        now = loop.time()
        if now - looked >= LOOK_S:
            looked = now
            if book.refresh():
                await subscribe()
        if now - alive >= ALIVE_S:
            alive = now
            session.state.put("alive", time.time())
        if client.flooded:
            session.radio.report_decode_error("", hub.DecodeError("mqtt-flood", _lost(client.flooded)))
            client.flooded = 0
        reports: list[hub.Report] = []
        told: list[MQTTMessage] = []
        changed = False
        for message in batch:
            if message in taken:
                session.radio.report_decode_error("", hub.DecodeError("repeat"))
                continue
            said, topics = _read(message, session, book, prefix)
            reports += said
            told += [message] if said and message.qos else []
            changed = changed or topics
        if reports:
            # in one commit: of a message that the broker gives again, all was taken or nothing
            await session.emit(*reports, note=partial(_remember, session, taken, told, now))
        for message in batch:
            client.acknowledge(message)
        if changed:
            await subscribe()


def _remember(session: hub.Session, taken: Taken, told: list[MQTTMessage], now: float) -> None:
    if told:
        session.state.put("taken", taken.add(told, now))


def _lost(count: int) -> str:
    return phrase("mqtt_devices.messages-lost", "{count} [message|messages]", count=count)


def _read(message: MQTTMessage, session: hub.Session, book: Book, prefix: str) -> tuple[list[hub.Report], bool]:
    """Return what one message says, and whether topics change."""
    topic, payload = message.topic, bytes(message.payload)
    if prefix and topic.startswith(f"{prefix}/") and topic.endswith("/config"):
        return [], _announced(session, book, prefix, topic, payload)
    if message.retain:
        session.radio.report_decode_error("", hub.DecodeError("mqtt-retained"))
        return [], False
    try:
        listeners = book.listeners(topic)
    except hub.DecodeError as error:
        session.radio.report_decode_error("", error)
        return [], False
    return [report for device, entries in listeners for report in heard(session, device, payload, entries)], False


def _announced(session: hub.Session, book: Book, prefix: str, topic: str, payload: bytes) -> bool:
    key = topic.removesuffix("/config").removeprefix(f"{prefix}/")
    try:
        entity = discovery.read(prefix, topic, payload) if payload else None
    except hub.DecodeError as error:
        session.radio.report_decode_error("", error)
        return False
    return book.announce(key, entity)
