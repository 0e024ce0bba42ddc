"""ChirpStack 4: its MQTT integration, in JSON or Protocol Buffers, as configured there."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

import hub
from hub.sdk.phrases import phrase
from integrations.lorawan_servers import chirpstack_events as events
from integrations.lorawan_servers.metrics import METRICS
from integrations.lorawan_servers.parts import Event
from integrations.lorawan_servers.reasons import REASONS, SAMPLING
from integrations.lorawan_servers.settings import Broker, DeviceSettings, eui_of

__all__ = ["Config", "DeviceSettings", "probe", "register_integrations", "run"]

_HOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_APPLICATION = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def _application(text: str) -> str:
    if text != "+" and not _APPLICATION.fullmatch(text):
        raise ValueError(
            phrase(
                "lorawan_servers.expected-chirpstack-application",
                "expected an application's ID from ChirpStack's page, 17c82e96-be03-4f38-aef3-f83d48582d97, or +",
            )
        )
    return text


def _template(*wanted: str) -> AfterValidator:
    def check(text: str) -> str:
        levels = [_HOLDER.fullmatch(level) for level in text.split("/")]
        found = [match[1] for match in levels if match]
        plain = _HOLDER.sub("", text)
        if sorted(found) != sorted(wanted) or re.search(r"[{}+#\0]", plain):
            names = ", ".join(f"{{{{{name}}}}}" for name in wanted)
            raise ValueError(
                phrase(
                    "lorawan_servers.expected-topic-with-levels",
                    "expected a topic in which each of {names} is one whole level, as in chirpstack.toml",
                    names=names,
                )
            )
        return text

    return AfterValidator(check)


class Config(Broker):
    """ChirpStack's broker, and how ChirpStack names its topics."""

    application: Annotated[str, AfterValidator(_application)] = Field(
        default="+",
        description="Id of the only application that is heard; +: all that the broker lets the hub hear.",
    )
    event_topic: Annotated[str, _template("application_id", "dev_eui", "event")] = Field(
        default="application/{{application_id}}/device/{{dev_eui}}/event/{{event}}",
        max_length=256,
        description="`event_topic` of [integration.mqtt] in chirpstack.toml.",
        title="Event topic",
    )
    command_topic: Annotated[str, _template("application_id", "dev_eui", "command")] = Field(
        default="application/{{application_id}}/device/{{dev_eui}}/command/{{command}}",
        max_length=256,
        description="`command_topic` of [integration.mqtt] in chirpstack.toml.",
        title="Command topic",
    )

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics to subscribe to."""
        return (_filled(self.event_topic, {"application_id": self.application, "dev_eui": "+", "event": "+"}),)


def _filled(template: str, values: dict[str, str]) -> str:
    return _HOLDER.sub(lambda match: values[match[1]], template)


class ChirpStack:
    """Implementation of `driver.Server`. Commands use the encoding of the server's last message, JSON before the
    first."""

    def __init__(self, config: Config, session: hub.Session) -> None:
        self._config = config
        self._session = session
        self._json = session.state.get("json") is not False
        levels = [_HOLDER.fullmatch(level) for level in config.event_topic.split("/")]
        plain = config.event_topic.split("/")
        self._topic = re.compile(
            "/".join(rf"(?P<{m[1]}>[^/]+)" if m else re.escape(p) for m, p in zip(levels, plain, strict=True))
        )

    def read(self, topic: str, payload: bytes) -> Event | None:
        """Read a message. Raises DecodeError: `unknown-topic`, and as `chirpstack_events.read`."""
        found = self._topic.fullmatch(topic)
        if found is None:
            raise hub.DecodeError("unknown-topic", topic[:120])
        event = events.read(found["event"], found["dev_eui"], payload)
        json = events.is_json(payload)
        if event is not None and json != self._json:
            self._json = json
            self._session.state.put("json", json)
        return event

    def downlink(
        self, device: hub.Device, where: str, item: str, port: int, payload: bytes, expires: float
    ) -> tuple[str, bytes]:
        """Build a downlink. Raises DecodeError `unknown-application`."""
        application = self._config.application if self._config.application != "+" else where
        if not _APPLICATION.fullmatch(application):
            text = phrase(
                "lorawan_servers.application-unknown-yet",
                "its application is not known before it has spoken: say `application` in the configuration",
            )
            raise hub.DecodeError("unknown-application", text)
        eui = eui_of(device.id) or ""
        topic = _filled(self._config.command_topic, {"application_id": application, "dev_eui": eui, "command": "down"})
        confirmed = self.confirmed(device)
        return topic, events.command(
            eui, item, port, payload, confirmed=confirmed, expires=expires, json=self._json
        )  # fmt: skip

    def confirmed(self, device: hub.Device) -> bool:
        return device.settings.get("confirmed") is not False


async def run(config: Config, session: hub.Session) -> None:
    """Receive from ChirpStack until cancelled. Raises NotReady when the broker cannot be reached, AuthFailed when it
    refuses the hub."""
    from integrations.lorawan_servers.client import serve  # imports aiomqtt: only where used
    from integrations.lorawan_servers.driver import Driver

    driver = Driver(session, ChirpStack(config, session), sealed=config.tls)
    await serve(config, session, driver, config.topics)


async def probe(config: Config) -> str:
    """Sign in and subscribe. Raises NotReady, AuthFailed."""
    from integrations.lorawan_servers.client import answers

    return await answers(config, config.topics)


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register(
        "chirpstack",
        Config,
        run,
        device=DeviceSettings,
        metrics=METRICS,
        probe=probe,
        reasons=REASONS,
        sampling=SAMPLING,
    )
