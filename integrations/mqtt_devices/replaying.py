"""Publishes the messages of a capture again, for `ilot replay mqtt_devices --play`, on the broker of the configuration:
one for trials, since whoever listens there believes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Replay
from integrations.mqtt_devices.recording import payload_of

if TYPE_CHECKING:
    from integrations.mqtt_devices.client import Client


class Publisher:
    """All devices of a capture, in one client."""

    environment: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}

    def __init__(self, client: Client) -> None:
        self._client = client

    async def joined(self) -> None:
        pass

    async def say(self, line: Mapping[str, Any]) -> None:
        topic, payload = line.get("topic"), payload_of(line)
        if not isinstance(topic, str) or not 0 < len(topic) < 65_536 or set(topic) & set("+#\0"):
            raise hub.DecodeError("bad-line", phrase("mqtt_devices.line-without-topic", "a line has a plain topic"))
        await self._client.publish(topic, payload, qos=1)


@asynccontextmanager
async def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[Publisher]:
    if options is None:
        raise hub.NotReady(
            phrase(
                "mqtt_devices.replay-needs-broker",
                "messages are published on the broker of the configuration, which has none",
            )
        )
    from integrations.mqtt_devices.client import connected

    async with connected(options) as client:
        yield Publisher(client)


REPLAYERS: dict[str, Replay] = {"mqtt_devices": replay}
