"""The connection to the broker. All the I/O of this integration.

aiomqtt's own time-outs are off: before Python 3.12, `asyncio.wait_for` may swallow a cancellation.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiomqtt

import hub
from integrations.mqtt_devices import Book, Config, context, discovery, hear

WAITING = 4096
ANSWER_S = 10.0
_QUIET = logging.getLogger("hub.mqtt_devices.paho")
_QUIET.setLevel(logging.CRITICAL)  # what a broker sends must not fill the log; what ends a connection is raised
_REFUSED = (4, 5, 0x86, 0x87, 0x8C)
"""CONNACK: bad user name or password, not authorised, in MQTT 3.1.1 and 5."""


@asynccontextmanager
async def connected(config: Config) -> AsyncIterator[aiomqtt.Client]:
    """Raises NotReady or AuthFailed, naming the broker and who must act."""
    where = f"the broker {config.host}:{config.port}"
    client = aiomqtt.Client(
        config.host, config.port, username=config.user or None, password=config.password.get_secret_value() or None,
        protocol=aiomqtt.ProtocolVersion.V311, tls_context=context(config), timeout=math.inf, keepalive=30,
        max_queued_incoming_messages=WAITING, logger=_QUIET,
    )  # fmt: skip
    try:
        async with AsyncExitStack() as stack:
            async with answered(config):
                await stack.enter_async_context(client)
            yield client
    except aiomqtt.MqttCodeError as error:
        code = getattr(error.rc, "value", error.rc)
        if code in _REFUSED:
            raise hub.AuthFailed(f"{where} refuses the user: check `user` and `password`") from error
        raise hub.NotReady(f"{where}: {error}") from error
    except aiomqtt.MqttError as error:
        raise hub.NotReady(f"{where} is away: {error}") from error


@asynccontextmanager
async def answered(config: Config) -> AsyncIterator[None]:
    """For what a broker answers at once. Raises NotReady when it does not."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError:
        where = f"the broker {config.host}:{config.port}"
        raise hub.NotReady(f"{where} does not answer within {ANSWER_S:.0f} s") from None


async def listen(client: aiomqtt.Client, config: Config, session: hub.Session, book: Book) -> None:
    """Every message that is somebody's, until the connection ends."""
    subscribed: set[str] = set()

    async def subscribe() -> None:
        async with answered(config):
            for topic in sorted(book.topics() - subscribed):
                await client.subscribe(topic, qos=0)
            for topic in sorted(subscribed - book.topics()):
                await client.unsubscribe(topic)
        subscribed.clear()
        subscribed.update(book.topics())

    await subscribe()
    prefix = config.discovery
    if prefix:
        async with answered(config):
            for component in ("sensor", "binary_sensor"):
                await client.subscribe(f"{prefix}/{component}/#", qos=0)
    async for message in client.messages:
        if book.refresh():
            await subscribe()
        topic, payload = str(message.topic), message.payload
        if not isinstance(payload, bytes):
            payload = b"" if payload is None else str(payload).encode()
        if prefix and topic.startswith(f"{prefix}/") and topic.endswith("/config"):
            if _announced(session, book, prefix, topic, payload):
                await subscribe()
            continue
        if message.retain:
            session.dropped("", hub.DecodeError("mqtt-retained"))
            continue
        for device, entries in book.exact.get(topic, {}).items():
            await hear(session, device, payload, entries)
        for pattern, device, entries in book.wild:
            if message.topic.matches(pattern):
                await hear(session, device, payload, entries)


def _announced(session: hub.Session, book: Book, prefix: str, topic: str, payload: bytes) -> bool:
    key = topic.removesuffix("/config").removeprefix(f"{prefix}/")
    try:
        entity = discovery.read(prefix, topic, payload) if payload else None
    except hub.DecodeError as error:
        session.dropped("", error)
        return False
    return book.announce(key, entity)
