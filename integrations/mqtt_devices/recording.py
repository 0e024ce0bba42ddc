"""Listens on the broker for `ilot capture mqtt_devices`: the messages of the configured topics, as lines.

{"time": Unix seconds, "device": …, "topic": "zigbee2mqtt/salle", "payload": {…} or text}
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

import hub
from hub.sdk.jsonpath import JsonPath
from hub.sdk.nesting import shallow_json
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Read, Record
from integrations.mqtt_devices import Config, DeviceSettings
from integrations.mqtt_devices.mapping import Entry, values

LONGEST = 64 * 1024


async def record(config: Config, devices: Sequence[hub.Device], hear: Callable[[dict[str, Any]], None]) -> None:
    """Pass on what the configured topics say, until cancelled, under a name of its own: the hub misses nothing. What
    cannot be text is left out, and so is what is retained. Raises NotReady, AuthFailed."""
    import aiomqtt

    from integrations.mqtt_devices.client import connected

    topics = {device.settings_as(DeviceSettings).topic: device.id for device in devices}
    async with connected(config) as client:
        for topic in sorted(filter(None, topics)):
            await client.subscribe(topic, qos=0)
        while True:
            for message in await client.arrivals():
                if message.retain or len(message.payload) > LONGEST:
                    continue
                said = aiomqtt.Topic(message.topic)
                for pattern, device in topics.items():
                    if pattern and said.matches(pattern):
                        for payload in _told(bytes(message.payload)):
                            hear({"time": round(time.time(), 3), "device": device, "topic": message.topic, **payload})


def _told(payload: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return
    try:
        yield {"payload": msgspec.json.decode(shallow_json(text))}
    except (msgspec.MsgspecError, hub.DecodeError):
        yield {"payload": text}


def payload_of(line: Mapping[str, Any]) -> bytes:
    """Return the payload of a line. Raises DecodeError."""
    said = line.get("payload")
    if said is None:
        raise hub.DecodeError("bad-line", phrase("mqtt_devices.line-without-payload", "a line has a payload"))
    return said.encode() if isinstance(said, str) else msgspec.json.encode(said)


def read(line: Mapping[str, Any], devices: Mapping[str, hub.Device]) -> dict[str, dict[str, Any]]:
    """Return the readings of a line. Raises DecodeError."""
    name = line.get("device")
    known = devices.get(name) if isinstance(name, str) else None
    if known is None:
        raise hub.DecodeError(
            "bad-line", phrase("mqtt_devices.line-without-device", "a line has `device`, one of the configuration")
        )
    entries = tuple(
        Entry(metric, JsonPath.parse(v.path), v.scale, v.offset, v.on, v.off)
        for metric, v in known.settings_as(DeviceSettings).values.items()
        if metric in hub.METRICS
    )
    found, _ = values(payload_of(line), entries, hub.METRICS)
    return {known.id: dict(found)}


RECORDERS: dict[str, Record] = {"mqtt_devices": record}
READERS: dict[str, Read] = {"mqtt_devices": read}
