"""Client of an MQTT broker: messages of hubs from its topics go to the same ingest, replies go back.

    ilot/v1/{hub}/up/{stream}   id (16 bytes) · a records message
    ilot/v1/{hub}/state         id (16 bytes) · a signed state
    ilot/v1/{hub}/ack           id (16 bytes) · verdict (1 byte) · body
                                verdict 0: the reply · 1: refused · 2: unreadable · 3: retry later; then why, in UTF-8

The broker is not trusted: the topic of a message only says which hub's identity must have signed it, and `Ingest`
verifies that. A PUBACK comes from the broker and proves nothing; replies have QoS 0, since a hub without a reply sends
again and gets the same one. The worker limits the bytes of what waits for the database.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from backend.ingest.broker_listener import Listener, keeping, tls_context
from backend.ingest.core import RECORDS, STATE, Message, NotAdmitted
from backend.ingest.worker import Worker
from backend.owner.broker import NAME, Address
from hub.core.errors import AuthFailed, DecodeError, HubError
from hub.core.text import phrase
from hub.protocol.link_messages import MAX_MESSAGE, MAX_SIGNED

ID = 16
REPLY, REFUSED, UNREADABLE, AGAIN = b"\0", b"\1", b"\2", b"\3"
TOPICS = ("ilot/v1/+/up/+", "ilot/v1/+/state")

_UP = re.compile(r"ilot/v1/([A-Za-z0-9_-]{1,128})/(?:up/(?:readings|alerts)|(state))", re.ASCII)
_SAID = 300


@asynccontextmanager
async def listening(directory: Path, worker: Worker, address: Address) -> AsyncIterator[None]:
    """Process messages of hubs until the block is left. Raises ConfigError when the certificate for the broker is
    missing."""
    hubs = _Hubs(worker)
    async with keeping(Listener(NAME, TOPICS, hubs.take, address, tls_context(directory))):
        yield


class _Hubs:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def take(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
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


def _error_reply(error: HubError) -> bytes:
    return str(error)[:_SAID].encode()
