"""A capture of a real mosquitto, and the same published again: what is in it, and what is not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

import hub
from hub.cli.captures.redaction import MASK, Redactor
from integrations.mqtt_devices import Config
from integrations.mqtt_devices.recording import READERS, RECORDERS
from integrations.mqtt_devices.replaying import REPLAYERS

from ...mosquitto import mosquitto

pytestmark = pytest.mark.real("network, processes")

PLUG = hub.Device(
    id="mqtt:plug",
    integration="mqtt_devices",
    place="plug",
    settings={"topic": "tele/+/SENSOR", "values": {"power": {"path": "ENERGY.Power"}}},
)


async def say(port: int, topic: str, payload: Any, *, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(topic, payload, retain=retain, qos=1)


async def test_messages_are_captured_without_passwords_and_published_again(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    with mosquitto(tmp_path) as (port, _):
        config = Config(host="127.0.0.1", port=port)
        await say(port, "tele/plug/SENSOR", b'{"ENERGY": {"Power": 1}}', retain=True)
        recording = asyncio.ensure_future(RECORDERS["mqtt_devices"](config, [PLUG], lines.append))  # type: ignore[arg-type]
        said = json.dumps({"ENERGY": {"Power": 42}, "Wifi": {"Password": "hall-1234"}}).encode()
        async with asyncio.timeout(60):
            while not lines:  # a subscription takes its time
                await say(port, "tele/plug/STATUS", b"no topic of a device")
                await say(port, "tele/plug/SENSOR", b"\xff\xfe no text")
                await say(port, "tele/plug/SENSOR", said)
                await asyncio.sleep(0.05)
        told = Redactor([]).line(lines[0])
        assert told is not None
        assert told["payload"] == {"ENERGY": {"Power": 42}, "Wifi": {"Password": MASK}}
        assert (told["device"], told["topic"]) == ("mqtt:plug", "tele/plug/SENSOR"), (
            "neither retained nor another topic"
        )
        assert READERS["mqtt_devices"](told, {PLUG.id: PLUG}) == {"mqtt:plug": {"power": 42}}
        lines.clear()
        async with REPLAYERS["mqtt_devices"](config, [told], 0) as publisher, asyncio.timeout(60):
            for bad in ({"topic": "a"}, {"topic": "a/#", "payload": 1}, {"topic": "", "payload": 1}):
                with pytest.raises(hub.DecodeError):
                    await publisher.say(bad)
            await publisher.say(told)
            while not any(line["payload"] == told["payload"] for line in lines):
                await asyncio.sleep(0.05)
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
