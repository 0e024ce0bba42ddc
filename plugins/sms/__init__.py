"""Alerts by SMS: with a modem on a serial line, or through an HTTP gateway.

A message counts as delivered when the network (+CMGS) or the gateway (2xx) accepted it for every number. When one
number fails, the message is not sent again to the others.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, SecretStr, StringConstraints, model_validator

import hub
from hub.sdk.notification import Notifications, RegisterNotifier
from hub.sdk.phrases import phrase

__all__ = ["Config", "Gateway", "ModemLine", "register_notifiers", "run"]

Number = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""ITU-T E.164, with its plus."""
Part = Annotated[str, Field(max_length=500)]


class ModemLine(hub.Config):
    """A modem with a SIM card of its own."""

    port: str = Field(
        min_length=1,
        description="The serial port, best by its fixed name: /dev/serial/by-id/…",
    )
    baudrate: int = Field(
        default=115_200,
        ge=1200,
        le=921_600,
        description="Of the line.",
        json_schema_extra={"unit": "Bd"},
    )
    pin: SecretStr = Field(
        default=SecretStr(""),
        description="PIN of the SIM card, always by way of `!secret`; tried once.",
        title="Pin",
    )


class Gateway(hub.Config):
    """A service that takes messages by HTTP. `{to}`, `{text}` and `{key}` stand for what they say in values."""

    url: HttpUrl = Field(
        description="Its address, https:// as a rule. That it stands here lets the hub call it.",
    )
    format: Literal["json", "form"] = Field(
        default="json",
        description="How `fields` are posted.",
    )
    fields: dict[str, Part] = Field(
        default={"to": "{to}", "text": "{text}"},
        min_length=1,
        max_length=20,
        description="What is posted, by name.",
    )
    headers: dict[str, SecretStr] = Field(
        default={},
        max_length=10,
        description="Headers of the request; keys of the service by way of `!secret`.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=15),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=1),
        description="How long one answer may take.",
    )


class Config(hub.Config):
    """Who is written to, and how: `modem` or `gateway`."""

    to: list[Number] = Field(
        min_length=1,
        max_length=20,
        description="Numbers with their country: +33612345678 (E.164).",
    )
    language: Literal["fr", "en"] = Field(default="fr", description="Of the text.")
    modem: ModemLine | None = Field(
        default=None,
        description="A modem on this machine.",
        title="Modem",
    )
    gateway: Gateway | None = Field(default=None, description="An HTTP service.")

    @model_validator(mode="after")
    def _one_way(self) -> Config:
        if (self.modem is None) == (self.gateway is None):
            raise ValueError(phrase("sms.modem-or-gateway", "say how messages leave: either `modem` or `gateway`"))
        return self


async def run(config: Config, notices: Notifications) -> None:
    """Send until cancelled. Raises NotReady when no message is accepted now, AuthFailed where a person is needed."""
    from plugins.sms.sending import by_gateway, by_modem  # only where it is used

    way = by_modem if config.modem is not None else by_gateway
    async for notice in notices:
        sent = notices.memory.setdefault(notice.key, set())
        for number in config.to:
            if number not in sent:
                await way(config, notice, number, notices)
                sent.add(number)
        del notices.memory[notice.key]
        notices.done(notice)


@hub.hookimpl
def register_notifiers(register: RegisterNotifier) -> None:
    register("sms", Config, run, per_hour=20)
