"""Alerts as JSON on a configured MQTT broker, for Home Assistant, Node-RED or a control room.

    {prefix}/{hub}/{alert}      one message a change, QoS 1, retained while the alert is open; an empty retained message
                                takes it away when it is cleared

An alert counts as delivered when the broker acknowledged it (PUBACK).
"""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr

import hub
from hub.sdk.notification import Notifications, RegisterNotifier
from hub.sdk.phrases import phrase, reason_of, system_error
from hub.sdk.tls import Tls

if TYPE_CHECKING:
    from hub.sdk.mqtt import MqttClient

__all__ = ["Config", "register_notifiers", "run"]

_BAD_USER = (4, 5, 134, 135)
"""Refusals of CONNECT that a person must correct: MQTT 3.1.1 §3.2.2.3 and MQTT 5 §3.2.2.2."""


class Config(hub.Config):
    """The broker, and where on it."""

    host: str = Field(
        min_length=1,
        max_length=253,
        description="The broker, by name or address.",
    )
    port: int = Field(
        default=1883,
        ge=1,
        le=65535,
        description="Its port; 8883 with TLS, by custom.",
    )
    tls: bool = Field(
        default=False,
        description="Speak TLS, and check the broker's certificate.",
    )
    ca: Path | None = Field(
        default=None,
        description="Its CA as a PEM file; by default those of the system.",
    )
    user: str = Field(default="", max_length=128, description="User name.")
    password: SecretStr = Field(
        default=SecretStr(""),
        description="Password, always by way of `!secret`.",
    )
    prefix: str = Field(
        default="ilot/alerts",
        pattern=r"^[a-zA-Z0-9_/-]{1,64}$",
        description="Of the topics; hub and alert follow.",
    )
    retain: bool = Field(
        default=True,
        description="Open alerts stay at the broker, for whoever comes later.",
        title="Retain",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=10),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=1),
        description="How long one answer may take.",
    )

    def libraries(self) -> tuple[str, ...]:
        return ("aiomqtt",)


async def run(config: Config, notices: Notifications) -> None:
    """Publish until cancelled, with one connection for each message: alerts are rare. Raises NotReady when the broker
    cannot be reached, AuthFailed when it refuses the hub."""
    import aiomqtt  # only where it is used

    async for notice in notices:
        topic = f"{config.prefix}/{notices.hub}/{notice.alert}"
        said = json.dumps(notice.document(notices.hub), ensure_ascii=False).encode()
        gone = notice.state == "cleared"
        try:
            async with asyncio.timeout(config.timeout.total_seconds()), _connected(config, notices) as client:
                await client.publish(topic, said, qos=1, retain=config.retain and not gone)
                if config.retain and gone:
                    await client.publish(topic, b"", qos=1, retain=True)
        except aiomqtt.MqttError as error:
            raise _told(config, error, notices.name) from error
        except TimeoutError as error:
            raise hub.NotReady(
                phrase(
                    "mqtt_notifier.alert-unanswered",
                    "{broker} takes no alert within {seconds:g} s",
                    broker=f"{config.host}:{config.port}",
                    seconds=config.timeout.total_seconds(),
                )
            ) from error
        notices.done(notice)


def _connected(config: Config, notices: Notifications) -> AbstractAsyncContextManager[MqttClient]:
    """Connect. Raises NotReady or AuthFailed."""
    from hub.sdk.mqtt import MqttClient  # imports aiomqtt: only where used

    context = _tls(config, notices.name) if config.tls else None

    def make(_: object) -> MqttClient:
        return MqttClient(
            config.host,
            config.port,
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            tls_context=context,
            timeout=math.inf,
            identifier=f"ilot-{notices.hub[:12]}-{notices.name[:8]}",
        )

    return MqttClient.connected(make, "3.1.1", lambda error: _told(config, error, notices.name))


def _told(config: Config, error: Exception, name: str) -> Exception:
    from hub.sdk.mqtt import MqttClient

    broker = f"{config.host}:{config.port}"
    if MqttClient.reason(error) in _BAD_USER:
        return hub.AuthFailed(
            phrase(
                "mqtt_notifier.user-refused",
                "{broker} refuses this user: correct {option} and .password",
                broker=broker,
                option=f"notifiers.{name}.user",
            )
        )
    if (why := Tls.refusal(error)) is not None:
        kind = hub.NotReady if why.passing else hub.AuthFailed
        return kind(
            phrase(
                "mqtt_notifier.certificate-refused",
                "{broker} shows a certificate that is refused: {reason}",
                broker=broker,
                reason=why.told(f"notifiers.{name}.ca"),
            )
        )
    return hub.NotReady(
        phrase(
            "mqtt_notifier.broker-takes-no-alerts",
            "{broker} does not take alerts: {reason}",
            broker=broker,
            reason=reason_of(error),
        )
    )


def _tls(config: Config, name: str) -> ssl.SSLContext:
    try:
        return Tls.client(file=config.ca)
    except OSError as error:
        raise hub.AuthFailed(
            phrase(
                "mqtt_notifier.ca-unreadable",
                "{option}: {file} cannot be read: {reason}",
                option=f"notifiers.{name}.ca",
                file=config.ca,
                reason=system_error(error),
            )
        ) from error


@hub.hookimpl
def register_notifiers(register: RegisterNotifier) -> None:
    register("mqtt_notifier", Config, run)
