"""Transport to the owner's backend over MQTT: each message is one PUBLISH to a broker, each reply one PUBLISH back.

    ilot/v1/{hub}/up/{stream}   QoS 1   id (16 bytes) · a records message       stream: readings or alerts
    ilot/v1/{hub}/state         QoS 1   id (16 bytes) · a signed state
    ilot/v1/{hub}/ack                   id (16 bytes) · verdict (1 byte) · body
                                        verdict 0: body is the backend's reply
                                                1: refused, 2: unreadable, 3: come again; body is why, in UTF-8

A PUBACK comes from the broker and is no answer of the backend: a message is answered by a reply with its id. The id is
in the payload rather than in MQTT 5's correlation data, because either end may speak 3.1.1 and a bridge may drop
properties.

It carries bytes without parsing them; a broker that repeats, alters or invents replies has no more effect than one that
drops them. It ends with `NotReady` (nobody needs to act) or `AuthFailed` (an operator does).
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Annotated

import aiomqtt
from pydantic import AnyUrl, Field, UrlConstraints, field_validator

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.transport import Message, RegisterTransport, Transport
from plugins.mqtt.client import MAX_PACKET, Broker, Client, Version, connected

ID = 16
REPLY, REFUSED = b"\0", b"\1"
_MAX_EXPLANATION = 300
_NOBODY = 0x10
ANSWER_S = 10.0
_PORTS = {"mqtts": 8883, "wss": 443}


class Mqtt(hub.Config):
    """Where the broker answers. Its host and port must be named in the egress of the owner's trust document."""

    url: Annotated[
        AnyUrl,
        UrlConstraints(allowed_schemes=["mqtts", "wss"], host_required=True),
        Field(
            description="mqtts://host:8883, or wss://host:443/path for MQTT in a WebSocket",
        ),
    ]
    protocol: Annotated[
        Version,
        Field(
            description="5 falls back to 3.1.1 when the broker refuses it",
        ),
    ] = "5"
    window: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="messages on their way at the same time",
        ),
    ] = 8
    keepalive: Annotated[
        timedelta,
        Field(
            ge=timedelta(seconds=5),
            le=timedelta(hours=1),
            description="a silent connection is probed so often",
        ),
    ] = timedelta(seconds=60)
    timeout: Annotated[
        timedelta,
        Field(
            gt=timedelta(0),
            description="how long one answer may take",
        ),
    ] = timedelta(seconds=30)

    @field_validator("protocol", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return "5" if value == 5 else value  # YAML reads `protocol: 5` as a number

    @field_validator("url")
    @classmethod
    def _plain(cls, url: AnyUrl) -> AnyUrl:
        if url.username or url.password or url.query or url.fragment:
            raise ValueError(phrase("mqtt.bad-url", "host, port and path only; the hub signs in by certificate"))
        if url.scheme == "mqtts" and url.path not in (None, "", "/"):
            raise ValueError(
                phrase("mqtt.path-without-websocket", "mqtts:// has no path; a WebSocket is wss://host:port/path")
            )
        return url

    def libraries(self) -> tuple[str, ...]:
        return ("aiomqtt",)


async def run(config: Mqtt, uplink: Transport) -> None:
    """Carry messages until the hub has no more. Raises NotReady or AuthFailed, naming the broker."""
    url, host = str(config.url).rstrip("/"), (config.url.host or "").strip("[]")
    port = config.url.port or _PORTS[config.url.scheme]
    # Egress rules are about hosts, ports and TLS, not about the protocol inside.
    context, proxy = uplink.connection(f"https://{config.url.host}:{port}")
    if proxy is not None:
        raise hub.NotReady(
            phrase(
                "mqtt.no-http-proxy",
                "{broker} cannot be reached through an HTTP proxy: use the https uplink there",
                broker=url,
            )
        )
    path = (config.url.path or "/") if config.url.scheme == "wss" else ""
    broker = Broker(url, host, port, path, uplink.hub, context, config.keepalive)
    async with connected(broker, config.protocol) as client:
        await _Exchange(url, config, uplink, client).run()


class _Exchange:
    """Messages under way on one connection, by their id."""

    def __init__(self, url: str, config: Mqtt, uplink: Transport, client: Client) -> None:
        self._url, self._uplink, self._client = url, uplink, client
        self._timeout = config.timeout.total_seconds()
        self._topic = f"ilot/v1/{uplink.hub}/"
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._window = max(1, min(config.window, client.receive_maximum))
        # Send a single message until it is answered: without a backend, a retry costs one state and no readings.
        self._slots = asyncio.Semaphore(1)
        self._answered = False
        client.pending_calls_threshold = self._window

    async def run(self) -> None:
        try:
            await self._subscribe()
            async with asyncio.TaskGroup() as group:
                # publish() does not notice a lost connection; reading does, and ends the group.
                watchers = [group.create_task(self._hear()), group.create_task(self._refused())]
                async with asyncio.TaskGroup() as carried:
                    await self._slots.acquire()  # first a free slot, then the message: chosen as late as possible
                    async for message in self._uplink.messages():
                        carried.create_task(self._carry(message))
                        await self._slots.acquire()
                for watcher in watchers:
                    watcher.cancel()
        except aiomqtt.MqttError as error:
            raise self._gone(error) from error

    async def _subscribe(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                granted = await self._client.subscribe(f"{self._topic}ack", qos=1)
        except TimeoutError as error:
            raise hub.NotReady(
                phrase("mqtt.subscription-unanswered", "{broker} does not answer a subscription", broker=self._url)
            ) from error
        if any(getattr(code, "is_failure", False) for code in granted):
            raise hub.AuthFailed(
                phrase(
                    "mqtt.may-not-subscribe",
                    "{broker} does not let this hub hear {topic}. The broker's operator corrects its ACL",
                    broker=self._url,
                    topic=f"{self._topic}ack",
                )
            )

    async def _carry(self, message: Message) -> None:
        name = os.urandom(ID)
        waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout):
                await self._client.publish(self._topic + _topic(message), name + message.body, qos=1)
                reply = await waiting
        except aiomqtt.MqttError as error:
            raise self._gone(error) from error
        except TimeoutError as error:
            raise hub.NotReady(
                phrase(
                    "mqtt.no-backend-answers",
                    "no backend answers by way of {broker} within {seconds:g} s: does it listen there?",
                    broker=self._url,
                    seconds=self._timeout,
                )
            ) from error
        finally:
            del self._waiting[name]
            self._slots.release()
        self._uplink.answered(message, self._body(reply))
        if not self._answered:
            self._answered = True
            for _ in range(self._window - 1):
                self._slots.release()

    async def _hear(self) -> None:
        try:
            async for message in self._client.messages:
                payload = message.payload
                if isinstance(payload, bytes) and len(payload) <= MAX_PACKET:
                    waiting = self._waiting.get(payload[:ID])
                    if waiting is not None and not waiting.done():
                        waiting.set_result(payload[ID:])
        except aiomqtt.MqttError as error:
            raise self._gone(error) from error

    async def _refused(self) -> None:
        await self._client.refused.wait()
        reason = self._client.refusal
        if reason is not None and reason.value == _NOBODY:
            raise hub.NotReady(phrase("mqtt.no-backend-listens", "no backend listens at {broker}", broker=self._url))
        if reason is not None and reason.value == 0x87:
            raise hub.AuthFailed(
                phrase(
                    "mqtt.may-not-publish",
                    "{broker} does not let this hub write below {topic}. The broker's operator corrects its ACL",
                    broker=self._url,
                    topic=self._topic,
                )
            )
        raise hub.NotReady(
            phrase(
                "mqtt.message-not-taken", "{broker} does not take a message: {reason}", broker=self._url, reason=reason
            )
        )

    def _body(self, reply: bytes) -> bytes:
        """Return the backend's reply body. Raises the error of its verdict."""
        verdict, body = reply[:1], reply[1:]
        if verdict == REPLY:
            return body
        said = body[:_MAX_EXPLANATION].decode(errors="replace").strip()
        said = "".join(letter for letter in said if letter.isprintable())
        if verdict == REFUSED:
            raise hub.AuthFailed(
                phrase(
                    "mqtt.hub-refused",
                    "the backend behind {broker} refuses this hub: {reason}. Its operator admits {hub} again",
                    broker=self._url,
                    reason=said,
                    hub=self._uplink.hub,
                )
            )
        raise hub.NotReady(
            phrase(
                "mqtt.message-refused",
                "the backend behind {broker} did not take a message: {reason}",
                broker=self._url,
                reason=said,
            )
        )

    def _gone(self, error: aiomqtt.MqttError) -> hub.NotReady:
        return hub.NotReady(
            phrase(
                "mqtt.connection-ended",
                "{broker} ends the connection: {reason}",
                broker=self._url,
                reason=reason_of(error.__cause__ or error),
            )
        )


def _topic(message: Message) -> str:
    if message.kind == "state":
        return "state"
    return "up/alerts" if message.lane == "alerts" else "up/readings"


@hub.hookimpl
def register_transports(register: RegisterTransport) -> None:
    register("mqtt", Mqtt, run)
