"""The Things Stack 3: its own MQTT server, or its Pub/Sub on a separate broker, in JSON."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan_servers import settings
from integrations.lorawan_servers import things_stack_events as events
from integrations.lorawan_servers.metrics import METRICS
from integrations.lorawan_servers.parts import Event
from integrations.lorawan_servers.reasons import REASONS, SAMPLING
from integrations.lorawan_servers.settings import Broker

__all__ = ["Config", "DeviceSettings", "probe", "register_integrations", "run"]

_ID = r"[a-z0-9](?:[-]?[a-z0-9]){2,}"
"""Ids of The Things Stack: 3 to 36 of a-z, 0-9 and single dashes."""


def _application(text: str) -> str:
    if not re.fullmatch(rf"{_ID}(@{_ID})?", text) or len(text) > 80:
        raise ValueError(
            phrase(
                "lorawan_servers.expected-things-stack-application",
                "expected an application's id, with its tenant where there are tenants: app1, or app1@ttn",
            )
        )
    return text


class Config(Broker):
    """The Things Stack's MQTT server, or the broker that its Pub/Sub publishes on."""

    text_code = "ThingsStackConfig"

    port: int = Field(default=8883, ge=1, le=65535, description="Its port.")
    tls: bool = Field(
        default=True,
        description="Speak TLS, and check the server's certificate.",
    )
    protocol: Literal["5", "3.1.1"] = Field(
        default="3.1.1",
        description="Version of MQTT. The Things Stack's own server knows 3.1.1; with Pub/Sub better 5.",
    )
    application: Annotated[str, AfterValidator(_application)] = Field(
        description="Application id, with its tenant where there are tenants: app1@ttn.",
    )
    pubsub: str = Field(
        default="",
        max_length=200,
        pattern=r"^[^+#\x00]*[^+#\x00/]$|^$",
        description="Base topic of a Pub/Sub integration; empty: The Things Stack's own MQTT server.",
        title="Pubsub",
    )

    @model_validator(mode="before")
    @classmethod
    def _user(cls, data: object) -> object:
        """Use the application as the user, as on the stack's own server."""
        if isinstance(data, dict) and not data.get("user") and not data.get("pubsub") and data.get("application"):
            return {**data, "user": data["application"]}
        return data

    @property
    def base(self) -> str:
        return self.pubsub or f"v3/{self.application}/devices/+"

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe to."""
        return tuple(f"{self.base}/{kind}" for kind in events.KINDS)

    @property
    def qos(self) -> int:
        """The QoS: the stack's own server offers only QoS 0, without persistent sessions."""
        return 1 if self.pubsub else 0


class DeviceSettings(settings.DeviceSettings):
    """One device, `lorawan:` and its DevEUI in lower-case hexadecimal. The Things Stack has its keys."""

    text_code = "ThingsStackSettings"

    device_id: str = Field(
        default="",
        max_length=36,
        pattern=rf"^({_ID})?$",
        description="Its id in The Things Stack; by default as it was heard.",
        title="Device id",
    )


class ThingsStack:
    """Implementation of `driver.Server`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        base = re.escape(config.pubsub) if config.pubsub else rf"v3/{re.escape(config.application)}/devices/([^/]+)"
        self._topic = re.compile(rf"{base}/({'|'.join(events.KINDS)})")

    def read(self, topic: str, payload: bytes) -> Event | None:
        """Read a message. Raises DecodeError: `unknown-topic`, and as `things_stack_events.read`."""
        found = self._topic.fullmatch(topic)
        if found is None:
            raise hub.DecodeError("unknown-topic", topic[:120])
        return events.read("" if self._config.pubsub else found[1], payload)

    def downlink(
        self, device: hub.Device, where: str, item: str, port: int, payload: bytes, expires: float
    ) -> tuple[str, bytes]:
        """Build a downlink, which does not expire in The Things Stack. Raises DecodeError `unknown-device-id`."""
        name = str(device.settings.get("device_id") or where)
        if not re.fullmatch(_ID, name):
            text = phrase(
                "lorawan_servers.device-id-unknown-yet",
                "its id in The Things Stack is not known before it has spoken: say `device_id` in its settings",
            )
            raise hub.DecodeError("unknown-device-id", text)
        topic = f"{self._config.pubsub or f'v3/{self._config.application}/devices/{name}'}/down/push"
        ids = (self._config.application, name) if self._config.pubsub else None
        return topic, events.command(item, port, payload, confirmed=self.confirmed(device), ids=ids)

    def confirmed(self, device: hub.Device) -> bool:
        return device.settings.get("confirmed") is not False


async def run(config: Config, session: hub.Session) -> None:
    """Receive from The Things Stack until cancelled. Raises NotReady when it cannot be reached, AuthFailed when it
    refuses the hub."""
    from integrations.lorawan_servers.client import serve  # imports aiomqtt: only where used
    from integrations.lorawan_servers.driver import Driver

    driver = Driver(session, ThingsStack(config), sealed=config.tls)
    await serve(config, session, driver, config.topics, qos=config.qos)


async def probe(config: Config) -> str:
    """Sign in and subscribe. Raises NotReady, AuthFailed."""
    from integrations.lorawan_servers.client import answers

    return await answers(config, config.topics, qos=config.qos)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "things_stack",
        Config,
        run,
        device=DeviceSettings,
        metrics=METRICS,
        probe=probe,
        reasons=REASONS,
        sampling=SAMPLING,
    )
