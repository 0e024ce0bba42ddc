"""The connection to Home Assistant's broker: announce, publish, withdraw."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING

import aiomqtt
import msgspec

import hub
from plugins.homeassistant.entities import component, configuration, gone, object_id, state, state_topic, status_topic

if TYPE_CHECKING:
    from plugins.homeassistant import Config

_BAD_USER = (4, 5, 134, 135)
"""Refusals of CONNECT that a person must mend: MQTT 3.1.1 §3.2.2.3 and MQTT 5 §3.2.2.2."""

_ANNOUNCED = "announced"
"""Key of the state: the discovery topics that stand retained at the broker, and the day they were last true."""

DAY_S = 86_400


async def publish(config: Config, view: hub.View) -> None:
    """Until cancelled."""
    will = aiomqtt.Will(status_topic(view.hub), b"offline", qos=1, retain=True)
    client = aiomqtt.Client(
        config.host, config.port, username=config.user or None, password=config.password.get_secret_value() or None,
        tls_context=_tls(config) if config.tls else None, will=will, identifier=f"ilot-{view.hub[:12]}-ha", timeout=10,
    )  # fmt: skip
    try:
        async with client, asyncio.TaskGroup() as tasks:
            entities = _Entities(config.prefix, view, client)
            tasks.create_task(entities.follow(config))
            tasks.create_task(entities.hear())
    except* aiomqtt.MqttError as errors:
        raise _told(config, errors.exceptions[0]) from errors


class _Entities:
    """What has been announced on this connection."""

    def __init__(self, prefix: str, view: hub.View, client: aiomqtt.Client) -> None:
        self._prefix, self._view, self._client = prefix, view, client
        self._known: dict[str, hub.Series] = {}

    async def follow(self, config: Config) -> None:
        await self._client.publish(status_topic(self._view.hub), b"online", qos=1, retain=True)
        async for values in self._view.changes(config.interval):
            if not self._known.keys() >= {value.series for value in values}:
                await self._announce()
            for value in values:
                series = self._known.get(value.series)
                if series is not None:
                    topic = state_topic(self._view.hub, series)
                    await self._client.publish(topic, msgspec.json.encode(state(value)), qos=1, retain=True)

    async def hear(self) -> None:
        """Home Assistant came back: it may have forgotten what was announced."""
        await self._client.subscribe(f"{self._prefix}/status", qos=1)
        async for message in self._client.messages:
            if message.payload == b"online" and not message.retain:
                self._known.clear()
                await self._announce()

    async def _announce(self) -> None:
        now = {
            f"{self._prefix}/{component(one)}/{object_id(self._view.hub, one)}/config": one
            for one in self._view.series()
        }
        for topic, series in now.items():
            if self._known.get(series.id) != series:
                said = msgspec.json.encode(configuration(self._view.hub, series))
                await self._client.publish(topic, said, qos=1, retain=True)
                self._known[series.id] = series
        today = int(time.time() // DAY_S)
        before: dict[str, int] = self._view.state.get(_ANNOUNCED, {})
        for topic in gone(before, now.keys(), today):
            await self._client.publish(topic, b"", qos=1, retain=True)
            del before[topic]
        announced = before | dict.fromkeys(now, today)
        if announced != self._view.state.get(_ANNOUNCED):
            self._view.state.put(_ANNOUNCED, announced)


def _tls(config: Config) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=config.ca)
    except (OSError, ssl.SSLError) as error:
        raise hub.AuthFailed(f"exporters.homeassistant.ca: {config.ca} cannot be read: {error}") from error


def _told(config: Config, error: BaseException) -> Exception:
    if isinstance(error, aiomqtt.MqttCodeError) and getattr(error.rc, "value", error.rc) in _BAD_USER:
        return hub.AuthFailed(f"the broker {config.host} refuses user {config.user!r}: check user and password")
    return hub.NotReady(f"the broker {config.host}:{config.port} is away: {error}")
