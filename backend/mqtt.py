"""Client of an MQTT broker: messages of hubs from its topics go to the same ingest, replies go back.

    ilot/v1/{hub}/up/{stream}   id (16 bytes) · a records message
    ilot/v1/{hub}/state         id (16 bytes) · a signed state
    ilot/v1/{hub}/ack           id (16 bytes) · verdict (1 byte) · body
                                verdict 0: the reply · 1: refused · 2: unreadable · 3: retry later; then why, in UTF-8

The broker is not trusted: the topic of a message only says which hub's identity must have signed it, and `Ingest`
verifies that. A PUBACK comes from the broker and proves nothing; replies have QoS 0, since a hub without a reply sends
again and gets the same one. It speaks MQTT 3.1.1, which every broker does: nothing of MQTT 5 is needed here, whatever
the hubs speak. While the broker is away, it reconnects after 1 to 30 s.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from backend.broker import NAME, Address
from backend.ingest import RECORDS, STATE, Message, NotAdmitted
from backend.worker import Worker
from hub.core import tls
from hub.core.errors import AuthFailed, ConfigError, DecodeError, HubError
from hub.core.text import phrase, reason_of
from hub.protocol.link_messages import MAX_MESSAGE, MAX_SIGNED

log = logging.getLogger(__name__)

ID = 16
REPLY, REFUSED, UNREADABLE, AGAIN = b"\0", b"\1", b"\2", b"\3"
TOPICS = ("ilot/v1/+/up/+", "ilot/v1/+/state")

_UP = re.compile(r"ilot/v1/([A-Za-z0-9_-]{1,128})/(?:up/(?:readings|alerts)|(state))", re.ASCII)
_MAX_IN_HAND = 4096
"""Messages that wait for the database; the worker limits their bytes. Beyond it they are dropped, and hubs send
again."""
_LONGEST_S = 30.0
_CONNECT_S = 5.0
_SAID = 300
_QUIET = logging.getLogger(f"{__name__}.paho")
_QUIET.setLevel(logging.CRITICAL)  # the broker must not be able to fill the log


@asynccontextmanager
async def listening(directory: Path, worker: Worker, address: Address) -> AsyncIterator[None]:
    """Process messages of hubs until the block is left. Raises ConfigError when the certificate for the broker is
    missing."""
    listener = _Listener(worker, address, tls_context(directory))
    task = asyncio.create_task(listener.keep(), name="mqtt")
    try:
        yield
    finally:
        while not task.done():  # before Python 3.12, wait_for inside aiomqtt may swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=1.0)


def tls_context(directory: Path) -> ssl.SSLContext:
    """Build a context with TLS 1.3 only, the certificate for brokers, and the owner's CA alone. Raises ConfigError."""
    own = directory / "mqtt.pem", directory / "mqtt.key"
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


class _Listener:
    def __init__(self, worker: Worker, address: Address, context: ssl.SSLContext) -> None:
        self._worker, self._address, self._context = worker, address, context
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
            granted = await client.subscribe([(topic, 1) for topic in TOPICS])
            if any(getattr(code, "is_failure", False) for code in granted):
                raise AuthFailed(
                    phrase(
                        "broker-acl-refuses",
                        "its ACL does not let {name} read {topics}",
                        name=NAME,
                        topics=list(TOPICS),
                    )
                )
            if self._trouble:
                log.warning(phrase("broker-is-back", "broker {address} is back", address=self._address))
            else:
                log.info(phrase("listening-at-broker", "listening to hubs at broker {address}", address=self._address))
            self._trouble, self._failures = "", 0
            async with asyncio.TaskGroup() as group:
                waiting: set[asyncio.Task[None]] = set()
                async for message in client.messages:
                    if len(waiting) < _MAX_IN_HAND and isinstance(message.payload, bytes):
                        task = group.create_task(self._take(client, str(message.topic), message.payload))
                        waiting.add(task)
                        task.add_done_callback(waiting.discard)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiomqtt.Client]:
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            identifier=NAME,
            tls_context=self._context,
            logger=_QUIET,
            protocol=aiomqtt.ProtocolVersion.V311,
            max_queued_incoming_messages=_MAX_IN_HAND,
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

    async def _take(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        match = _UP.fullmatch(topic)
        if match is None or len(payload) < ID:
            return  # without an id there is nobody to answer
        hub, what = match[1], STATE if match[2] else RECORDS
        try:
            if len(payload) - ID > (MAX_SIGNED if what == STATE else MAX_MESSAGE):
                raise DecodeError(
                    "too-large", phrase("broker-message-too-long", "a message is longer than any hub makes")
                )
            answer = REPLY + await self._worker.post(Message(hub, what, payload[ID:]))
        except (NotAdmitted, AuthFailed) as error:
            answer = REFUSED + _error_reply(error)
        except DecodeError as error:
            answer = UNREADABLE + _error_reply(error)
        except HubError as error:
            answer = AGAIN + _error_reply(error)
        await client.publish(f"ilot/v1/{hub}/ack", payload[:ID] + answer)

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


def _error_reply(error: HubError) -> bytes:
    return str(error)[:_SAID].encode()
