"""The connection to Home Assistant's broker: announce, publish, withdraw."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiomqtt
import msgspec

import hub
from hub.sdk.exporter import ExporterView, Series
from hub.sdk.mqtt import MqttClient
from hub.sdk.phrases import phrase, reason_of, system_error
from hub.sdk.tls import Tls
from plugins.homeassistant.entities import component, configuration, gone, object_id, state, state_topic, status_topic

if TYPE_CHECKING:
    from plugins.homeassistant import Config

_BAD_USER = (4, 5, 134, 135)
"""Refusals of CONNECT that a person must correct: MQTT 3.1.1 §3.2.2.3 and MQTT 5 §3.2.2.2."""

_ANNOUNCED = "announced"
"""Key of the state: the discovery topics retained at the broker, and the day on which they were last valid."""

DAY_S = 86_400
ANSWER_S = 10.0


async def publish(config: Config, view: ExporterView) -> None:
    """Publish until cancelled."""
    will = aiomqtt.Will(status_topic(view.hub), b"offline", qos=1, retain=True)
    context = _tls(config) if config.tls else None

    def make(_: object) -> MqttClient:
        return MqttClient(
            config.host,
            config.port,
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            tls_context=context,
            will=will,
            timeout=math.inf,
            identifier=f"ilot-{view.hub[:12]}-ha",
        )

    try:
        async with (
            MqttClient.connected(make, "3.1.1", lambda error: _told(config, error)) as client,
            asyncio.TaskGroup() as tasks,
        ):
            entities = _Entities(config.prefix, view, client)
            tasks.create_task(entities.follow(config))
            tasks.create_task(entities.hear())
    except* aiomqtt.MqttError as errors:
        raise _told(config, errors.exceptions[0]) from errors


class _Entities:
    """Entities announced on this connection."""

    def __init__(self, prefix: str, view: ExporterView, client: aiomqtt.Client) -> None:
        self._prefix, self._view, self._client = prefix, view, client
        self._known: dict[str, Series] = {}

    async def follow(self, config: Config) -> None:
        await self._publish(status_topic(self._view.hub), b"online")
        async for values in self._view.changes(config.interval):
            if not self._known.keys() >= {value.series for value in values}:
                await self._announce()
            for value in values:
                series = self._known.get(value.series)
                if series is not None:
                    topic = state_topic(self._view.hub, series)
                    await self._publish(topic, msgspec.json.encode(state(value)))

    async def hear(self) -> None:
        """Announce everything again when Home Assistant restarts, which may have forgotten it."""
        async with _answered():
            await self._client.subscribe(f"{self._prefix}/status", qos=1)
        async for message in self._client.messages:
            if message.payload == b"online" and not message.retain:
                self._known.clear()
                await self._announce()

    async def _publish(self, topic: str, payload: bytes) -> None:
        """Publish a retained message; returns when the broker has it."""
        async with _answered():
            await self._client.publish(topic, payload, qos=1, retain=True)

    async def _announce(self) -> None:
        now = {
            f"{self._prefix}/{component(one)}/{object_id(self._view.hub, one)}/config": one
            for one in self._view.series()
        }
        for topic, series in now.items():
            if self._known.get(series.id) != series:
                said = msgspec.json.encode(configuration(self._view.hub, series))
                await self._publish(topic, said)
                self._known[series.id] = series
        today = int(time.time() // DAY_S)
        # a copy: `follow` and `hear` may run at once, and the stored value changes only through `put`
        before: dict[str, int] = dict(self._view.state.get(_ANNOUNCED, {}))
        for topic in gone(before, now.keys(), today):
            await self._publish(topic, b"")
            del before[topic]
        announced = before | dict.fromkeys(now, today)
        if announced != self._view.state.get(_ANNOUNCED):
            self._view.state.put(_ANNOUNCED, announced)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Limit the time of an operation: aiomqtt's own time-out is off, see `hub.sdk.mqtt.MqttClient`."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError as error:
        raise aiomqtt.MqttError(
            phrase("homeassistant.broker-says-nothing", "it says nothing for {seconds:.0f} s", seconds=ANSWER_S)
        ) from error


def _tls(config: Config) -> ssl.SSLContext:
    try:
        return Tls.client(file=config.ca)
    except OSError as error:
        raise hub.AuthFailed(
            phrase(
                "homeassistant.ca-unreadable",
                "exporters.homeassistant.ca: {file} cannot be read: {reason}",
                file=config.ca,
                reason=system_error(error),
            )
        ) from error


def _told(config: Config, error: BaseException) -> Exception:
    if MqttClient.reason(error) in _BAD_USER:
        return hub.AuthFailed(
            phrase(
                "homeassistant.user-refused",
                "the broker {broker} refuses user {user!r}: check user and password",
                broker=config.host,
                user=config.user,
            )
        )
    broker = f"{config.host}:{config.port}"
    if (why := Tls.refusal(error)) is not None:
        return hub.NotReady(
            phrase(
                "homeassistant.certificate-refused",
                "the broker {broker} shows a certificate that is refused: {reason}",
                broker=broker,
                reason=why.told("exporters.homeassistant.ca"),
            )
        )
    return hub.NotReady(
        phrase(
            "homeassistant.broker-away",
            "the broker {broker} is away: {reason}",
            broker=broker,
            reason=reason_of(error),
        )
    )
