"""Listener at an MQTT broker: it stays connected, subscribes, and hands on what comes.

It speaks MQTT 3.1.1, which every broker does: nothing of MQTT 5 is needed here, whatever the others speak. While the
broker is away, it reconnects after 1 to 30 s.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from backend.owner.broker import Address
from hub.core import tls
from hub.core.errors import AuthFailed, ConfigError, HubError
from hub.core.text import phrase, reason_of

log = logging.getLogger(__name__)

Take = Callable[[aiomqtt.Client, str, bytes], Coroutine[None, None, None]]
"""Processes a message, given its topic and its content."""
MAX_IN_HAND = 4096
"""Messages that are processed at a time, and that wait for it. Beyond it they are dropped."""
_LONGEST_S = 30.0
_CONNECT_S = 5.0
_QUIET = logging.getLogger(f"{__name__}.paho")
_QUIET.setLevel(logging.CRITICAL)  # the broker must not be able to fill the log


@asynccontextmanager
async def keeping(listener: Listener) -> AsyncIterator[None]:
    """Keep a listener at its broker until the block is left."""
    task = asyncio.create_task(listener.keep(), name="mqtt")
    try:
        yield
    finally:
        while not task.done():  # before Python 3.12, wait_for inside aiomqtt may swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=1.0)


def tls_context(directory: Path, name: str = "mqtt") -> ssl.SSLContext:
    """Build a context with TLS 1.3 only, a certificate for brokers, and the owner's CA alone. Raises ConfigError."""
    own = directory / f"{name}.pem", directory / f"{name}.key"
    try:
        return tls.client(file=directory / "ca.pem", shown=own, oldest=ssl.TLSVersion.TLSv1_3)
    except OSError as error:
        raise ConfigError(
            phrase(
                "no-broker-certificate",
                "make a certificate for brokers with `ilot backend broker`, {directory} has none: {reason}",
                directory=directory,
                reason=reason_of(error),
            )
        ) from error


class Listener:
    """Client of a broker that subscribes to topics and has `take` process what comes, many at a time; what comes beyond
    its queue is dropped. `take` raises nothing."""

    def __init__(self, name: str, topics: Sequence[str], take: Take, address: Address, context: ssl.SSLContext) -> None:
        self._name, self._topics, self._take = name, topics, take
        self._address, self._context = address, context
        self._trouble = ""
        self._failures = 0

    async def keep(self) -> None:
        """Stay connected; an error is logged once when it begins and once when it ends."""
        while True:
            self._failures += 1
            try:
                await self._listen()
            except* (aiomqtt.MqttError, HubError, OSError) as errors:
                self._say(reason_of(errors.exceptions[0].__cause__ or errors.exceptions[0]))
            except* Exception:
                log.exception(
                    phrase("broker-listener-failed", "the listener at broker {address} failed", address=self._address)
                )
            pause = min(_LONGEST_S, 2.0 ** min(self._failures, 8) / 2)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret

    async def _listen(self) -> None:
        async with self._connected() as client:
            granted = await client.subscribe([(topic, 1) for topic in self._topics])
            if any(getattr(code, "is_failure", False) for code in granted):
                raise AuthFailed(
                    phrase(
                        "broker-acl-refuses",
                        "its ACL does not let {name} read {topics}",
                        name=self._name,
                        topics=list(self._topics),
                    )
                )
            if self._trouble:
                log.warning(phrase("broker-is-back", "broker {address} is back", address=self._address))
            else:
                log.info(
                    phrase(
                        "listening-at-broker",
                        "{name} listens at broker {address}",
                        name=self._name,
                        address=self._address,
                    )
                )
            self._trouble, self._failures = "", 0
            async with asyncio.TaskGroup() as group:
                waiting: set[asyncio.Task[None]] = set()
                async for message in client.messages:
                    if len(waiting) < MAX_IN_HAND and isinstance(message.payload, bytes):
                        task = group.create_task(self._take(client, str(message.topic), message.payload))
                        waiting.add(task)
                        task.add_done_callback(waiting.discard)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiomqtt.Client]:
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            identifier=self._name,
            tls_context=self._context,
            logger=_QUIET,
            protocol=aiomqtt.ProtocolVersion.V311,
            max_queued_incoming_messages=MAX_IN_HAND,
            timeout=_CONNECT_S,
        )
        entering = asyncio.ensure_future(client.__aenter__())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            await asyncio.wait([entering])  # its thread cannot be cancelled, and opens a socket that must be closed
            if entering.exception() is None:
                await client.__aexit__(None, None, None)
            raise
        try:
            yield client
        finally:
            await client.__aexit__(None, None, None)

    def _say(self, trouble: str) -> None:
        if not self._trouble:
            log.warning(
                phrase(
                    "broker-is-away",
                    "broker {address} is away, it is called again and again: {reason}",
                    address=self._address,
                    reason=trouble,
                )
            )
        self._trouble = trouble or "away"
