"""Devices that publish on an MQTT broker: Zigbee2MQTT, Tasmota, Shelly, LoRa gateways, a maker's own box.

The topic of a device and the paths of its values are configured, or announced by the device through Home Assistant's
discovery. Listens only: nothing is ever published. A retained message is ignored, because its age is not known. A
message is acknowledged when its report has been accepted, so that the broker holds back messages that the hub cannot
take, and repeats those that arrived during a restart.
"""

from __future__ import annotations

import re
import ssl
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

import hub
from hub.sdk.jsonpath import JsonPath
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.tls import Tls
from integrations.mqtt_devices import discovery
from integrations.mqtt_devices.mapping import Entry, values
from integrations.mqtt_devices.reasons import REASONS

__all__ = ["Config", "DeviceSettings", "ValueSettings", "probe", "register_integrations", "run"]

MOST_ENTITIES = 4096
MOST_TOPICS = 4096
LONGEST_TOPIC = 256
"""Maximum characters of a topic that may be configured, and that is remembered."""
_PROOF = hub.Proof(scheme="mqtt")


def _path(text: str) -> str:
    JsonPath.parse(text)
    return text


def _topic(text: str) -> str:
    if text and (
        len(text) > LONGEST_TOPIC
        or "\0" in text
        or not re.fullmatch(r"(?:[^+#]|(?<![^/])\+(?![^/]))*(?:(?<![^/])#)?", text)
    ):
        raise ValueError(
            phrase(
                "mqtt_devices.expected-topic",
                "expected a topic; + stands for one whole level, # for all that follow",
            )
        )
    return text


class Config(hub.Config):
    """One broker."""

    host: str = Field(
        description="The broker, by name or address.",
        min_length=1,
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
    user: str = Field(default="", description="User name.", max_length=128)
    password: SecretStr = Field(default=SecretStr(""), description="Password: !secret.")
    discovery: str = Field(
        default="homeassistant",
        max_length=64,
        description="Prefix of discovery messages; empty: none are read.",
        title="Discovery",
    )
    keep: timedelta = Field(
        default=timedelta(minutes=1),
        ge=timedelta(0),
        le=timedelta(days=1),
        description="After an absence no longer than this the hub reads what came meanwhile, dated when it reads it.",
        title="Keep",
    )
    client_id: str = Field(
        default="",
        max_length=64,
        pattern=r"^[\x21-\x7e]*$",
        description="Name of the hub's session there; by default one that no other hub has.",
    )

    def libraries(self) -> tuple[str, ...]:
        return ("aiomqtt",)


class ValueSettings(hub.Config):
    """One value in a payload."""

    path: Annotated[str, AfterValidator(_path)] = Field(
        default="",
        description="Where it stands: temperature, or sensors[0].value; empty: the payload itself.",
    )
    scale: float = Field(
        default=1.0,
        description="The metric's value is raw × scale + offset.",
    )
    offset: float = Field(default=0.0, description="In the metric's unit.")
    on: str = Field(
        default="",
        description="What a flag says when it is true; by default on, true, open, 1…",
    )
    off: str = Field(
        default="",
        description="What it says when it is false.",
    )


class DeviceSettings(hub.Config):
    """Where a device publishes. Without a topic, what it says of itself by discovery counts."""

    topic: Annotated[str, AfterValidator(_topic)] = Field(
        default="",
        description="Its topic; + and # are wildcards.",
        title="Topic",
    )
    values: dict[str, ValueSettings] = Field(
        default={},
        description="Its values, by metric of the catalogue.",
    )


Listener = tuple[str, tuple[Entry, ...]]
"""A device, and its values on a topic."""


class Book:
    """Table of topics and devices, from the configuration and from discovery."""

    def __init__(self, session: hub.Session) -> None:
        self._session = session
        self._announced: dict[str, discovery.Entity] = {}  # by key of the discovery topic
        self._told: dict[str, dict[str, discovery.Entity]] = {}  # the same, by device
        self._open: frozenset[str] = frozenset()  # configured without a topic: use their discovery
        self.exact: dict[str, dict[str, tuple[Entry, ...]]] = {}
        self.wild: list[tuple[str, str, tuple[Entry, ...]]] = []
        self._heard: dict[str, tuple[Listener, ...]] = {}
        self._read: list[hub.Device] | None = None

    def refresh(self) -> bool:
        """Apply the configuration. True when topics have changed."""
        devices = self._session.devices.all()
        if devices == self._read:
            return False
        self._read = devices
        self._build()
        return True

    def topics(self) -> set[str]:
        return {*self.exact, *(topic for topic, _, _ in self.wild)}

    def listeners(self, topic: str) -> tuple[Listener, ...]:
        """Return the devices of a message on this topic. Raises DecodeError `mqtt-topic` for an invalid topic."""
        found = self._heard.get(topic)
        if found is None:
            found = tuple(self.exact.get(topic, {}).items())
            if self.wild:
                found += _matching(topic, self.wild)
            if len(self._heard) >= MOST_TOPICS:
                self._heard.clear()
            if len(topic) <= LONGEST_TOPIC:  # below a wildcard it may have 65,535
                self._heard[topic] = found
        return found

    def announce(self, key: str, entity: discovery.Entity | None) -> bool:
        """Process a discovery message; None withdraws the former one of the same topic. True when topics change.

        The cost depends on the announcements of this device, not on all: anybody who may publish may announce all
        day."""
        before = self._announced.get(key)
        if entity == before:
            return False
        if before is None and len(self._announced) >= MOST_ENTITIES:
            self._session.radio.report_decode_error("", hub.DecodeError("mqtt-too-many"))
            return False
        touched = [one for one in (before, entity) if one is not None]
        known = {one.topic for one in touched if one.topic in self.exact}
        if entity is None:
            del self._announced[key]
        else:
            self._announced[key] = entity  # keep its place: of two values of one metric the last counts
        if before is not None and (entity is None or entity.device != before.device):
            del self._told[before.device][key]
            if not self._told[before.device]:
                del self._told[before.device]
        if entity is not None:
            self._told.setdefault(entity.device, {})[key] = entity
            if self._session.devices.get(entity.device) is None:
                self._candidate(entity)
        for topic, device in dict.fromkeys((one.topic, one.device) for one in touched):
            if device in self._open:
                told = [one for one in self._told.get(device, {}).values() if one.topic == topic]
                self._place(topic, device, told)
        return known != {one.topic for one in touched if one.topic in self.exact}

    def _place(self, topic: str, device: str, told: list[discovery.Entity]) -> None:
        """Use a configured device's announcements for a topic from now on."""
        self._heard.pop(topic, None)
        theirs = self.exact.setdefault(topic, {})
        if told:
            theirs[device] = tuple(one.entry for one in told)
            self._session.devices.declare(device, model=told[-1].model)
        else:
            theirs.pop(device, None)
        if not theirs:
            del self.exact[topic]

    def _candidate(self, entity: discovery.Entity) -> None:
        metrics = sorted({other.entry.metric for other in self._told[entity.device].values()})
        self._session.devices.discovered(
            hub.Candidate(
                id=entity.device,
                integration=self._session.name,
                model=entity.model,
                evidence={"metrics": ", ".join(metrics)[:200]},
            )
        )

    def _build(self) -> None:
        self.exact, self.wild, self._heard = {}, [], {}
        for device in self._read or []:
            settings = device.settings_as(DeviceSettings)
            if not settings.topic:
                continue
            entries = tuple(
                Entry(metric, JsonPath.parse(v.path), v.scale, v.offset, v.on, v.off)
                for metric, v in settings.values.items()
                if metric in hub.METRICS
            )
            for metric in settings.values.keys() - hub.METRICS.keys():
                self._session.log.error(
                    phrase(
                        "mqtt_devices.metric-not-in-catalogue",
                        "a value of {metric} is not in the catalogue of metrics",
                        metric=metric,
                    )
                )
            if "+" in settings.topic or settings.topic.endswith("#"):
                self.wild.append((settings.topic, device.id, entries))
            else:
                self.exact.setdefault(settings.topic, {})[device.id] = entries
        self._open = frozenset(d.id for d in self._read or [] if not d.settings.get("topic"))
        told: dict[tuple[str, str], list[discovery.Entity]] = {}
        for one in self._announced.values():
            if one.device in self._open:
                told.setdefault((one.topic, one.device), []).append(one)
        for (topic, name), entities in told.items():
            self._place(topic, name, entities)


def _matching(topic: str, wild: list[tuple[str, str, tuple[Entry, ...]]]) -> tuple[Listener, ...]:
    from aiomqtt.topic import Topic

    try:
        heard = Topic(topic)
    except ValueError as error:
        raise hub.DecodeError("mqtt-topic", reason_of(error)) from error
    return tuple((device, entries) for pattern, device, entries in wild if heard.matches(pattern))


async def run(config: Config, session: hub.Session) -> None:
    """Listen until cancelled. Raises NotReady when the broker cannot be reached, AuthFailed when it refuses the
    user."""
    from integrations.mqtt_devices.client import connected, listen  # imports aiomqtt: only where used

    book = Book(session)
    book.refresh()
    async with connected(config, session) as client:
        try:
            await listen(client, config, session, book)
        finally:
            session.state.put("alive", time.time())  # no message was missed until now


def heard(session: hub.Session, device: str, payload: bytes, entries: tuple[Entry, ...]) -> list[hub.Report]:
    """Return what a message says of a device: one report, or none."""
    try:
        found, skipped = values(payload, entries, hub.METRICS)
    except hub.DecodeError as error:
        session.radio.report_decode_error(device, error)
        return []
    for reason in skipped:
        session.radio.report_decode_error(device, hub.DecodeError(reason))
    return [hub.Report(device=device, values=found, proof=_PROOF)] if found else []


async def probe(config: Config) -> str:
    """Sign in. Raises NotReady, AuthFailed."""
    from integrations.mqtt_devices.client import connected

    async with connected(config):
        return phrase(
            "mqtt_devices.broker-lets-in",
            "the broker {host}:{port} lets this hub in",
            host=config.host,
            port=config.port,
        )


def context(config: Config) -> ssl.SSLContext | None:
    """Return the TLS context. Raises NotReady when the CA file cannot be read."""
    if not config.tls:
        return None
    try:
        return Tls.client(file=config.ca)
    except OSError as error:
        raise hub.NotReady(
            phrase(
                "mqtt_devices.ca-file-unreadable",
                "the CA file {file} cannot be read: {reason}",
                file=config.ca,
                reason=reason_of(error),
            )
        ) from error


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("mqtt_devices", Config, run, device=DeviceSettings, probe=probe, reasons=REASONS)
