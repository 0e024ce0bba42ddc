"""One connection to a broker, with data of paho that aiomqtt hides.

aiomqtt 2.5 hides two things that `MqttClient` does not provide, so that `Client` reads them in paho's callbacks: the
broker's receive maximum (MQTT 5 §3.2.2.3.3), and the reason code of a PUBACK (§3.4.2.1: no matching subscribers; not
authorized).
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

import hub
from hub.sdk.mqtt import MqttClient
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.tls import Tls

MAX_PACKET = (1 << 20) + 1024
"""Maximum bytes of a packet from a broker: a reply of at most 1 MiB, its id and its topic."""

_MOST_WAITING = 256
_REFUSALS = (0x85, 0x86, 0x87, 0x8A, 0x8C, 0x9F)  # client id, password, not authorized, banned, method, rate
_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_WARY = logging.getLogger("hub.uplink.mqtt.paho")
_WARY.setLevel(logging.CRITICAL)  # no log from broker traffic; fatal errors are raised

Version = Literal["5", "3.1.1"]


class Broker(NamedTuple):
    """Address and credentials. `path` "": MQTT over TLS; else the path of a WebSocket."""

    url: str
    host: str
    port: int
    path: str
    identity: str
    context: ssl.SSLContext
    keepalive: timedelta


class Client(MqttClient):
    """MQTT client. `receive_maximum`: messages of ours that the broker accepts before it has acknowledged the first.
    `refused` is set when a PUBACK reports that a message was not delivered; `refusal` is then the reason."""

    def __init__(self, broker: Broker, version: Version) -> None:
        properties = None
        if version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MAX_PACKET
        super().__init__(
            broker.host,
            broker.port,
            identifier=broker.identity,
            timeout=math.inf,
            protocol=aiomqtt.ProtocolVersion.V5 if version == "5" else aiomqtt.ProtocolVersion.V311,
            keepalive=int(broker.keepalive.total_seconds()),
            tls_context=broker.context,
            properties=properties,
            transport="websockets" if broker.path else "tcp",
            websocket_path=broker.path or None,
            max_queued_incoming_messages=_MOST_WAITING,
            socket_options=[_NODELAY],
            logger=_WARY,
        )
        self.receive_maximum = 65535
        self.refused = asyncio.Event()
        self.refusal: ReasonCode | None = None

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: ReasonCode, properties: Properties | None = None
    ) -> None:
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.value and self.refusal is None:
            self.refusal = reason_code
            self.refused.set()
        super()._on_publish(client, userdata, mid, reason_code, properties)


def connected(broker: Broker, version: Version) -> AbstractAsyncContextManager[Client]:
    """Return a client that has signed in.

    With a broker that refuses MQTT 5, or closes without an answer (as some that do not support it do), 3.1.1 is tried.
    Raises NotReady or AuthFailed, naming the broker and who must act."""
    return MqttClient.connected(lambda one: Client(broker, one), version, lambda error: _explained(error, broker))


def _explained(error: aiomqtt.MqttError, broker: Broker) -> Exception:
    reason = reason_of(error) or type(error).__name__
    if MqttClient.reason(error) in _REFUSALS:
        return hub.AuthFailed(
            phrase(
                "mqtt.identity-refused",
                "{broker} refuses {identity} ({reason}). The broker's operator admits its certificate",
                broker=broker.url,
                identity=broker.identity,
                reason=reason,
            )
        )
    if (why := Tls.refusal(error)) is not None:
        return hub.NotReady(
            phrase(
                "mqtt.certificate-refused",
                "{broker} shows a certificate that is refused: {reason}",
                broker=broker.url,
                reason=why.told_of_owner(),
            )
        )
    if isinstance(error, MqttClient.HungUp):
        return hub.NotReady(
            phrase(
                "mqtt.broker-hung-up",
                "{broker} does not answer: {reason}. It may not speak MQTT here, or not accept this hub's certificate",
                broker=broker.url,
                reason=reason,
            )
        )
    return hub.NotReady(
        phrase("mqtt.broker-silent", "{broker} does not answer: {reason}", broker=broker.url, reason=reason)
    )
