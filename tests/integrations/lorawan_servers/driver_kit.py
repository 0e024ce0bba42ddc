"""The driver over a session that the tests hold."""

from __future__ import annotations

from typing import Any

import server_kit as kit

from hub.sdk.testing import FakeSession
from integrations.lorawan_servers import chirpstack, things_stack
from integrations.lorawan_servers.driver import Driver

UP = kit.topic("up")
CONFIG = chirpstack.Config(host="broker")
STACK = things_stack.Config(host="broker", application="app1@tenant1")
STACK_UP = "v3/app1@tenant1/devices/dev1/up"


def driver(session: FakeSession, config: Any = CONFIG, *, sealed: bool = True, now: float = kit.NOW + 5) -> Driver:
    server = (
        chirpstack.ChirpStack(config, session)
        if isinstance(config, chirpstack.Config)
        else things_stack.ThingsStack(config)
    )
    return Driver(session, server, sealed=sealed, now=lambda: now)


async def hear(heard_by: Driver, topic: str, *messages: Any, retained: bool = False) -> None:
    for message in messages:
        payload = message if isinstance(message, bytes) else kit.encoded(message)
        await (await heard_by.hear(topic, payload, retained=retained))()


def status(at: float = kit.NOW, **more: Any) -> dict[str, Any]:
    return {"deduplicationId": "x", "time": kit.rfc3339(at), "deviceInfo": kit.device_info(), "margin": 10, **more}
