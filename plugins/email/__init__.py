"""Alerts by e-mail: one message for each change, over the operator's mail server (SMTP with STARTTLS or TLS).

A message counts as delivered when the server accepted it (RFC 5321, 250 after DATA) and so took over responsibility.
`Message-ID` is made of the alert and the number of its change, so a mail system that sees one twice may drop it; later
changes answer the first (`References`), so that one alert is one thread.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

import hub
from hub.sdk.notification import Notifications, RegisterNotifier
from hub.sdk.phrases import phrase

__all__ = ["Config", "register_notifiers", "run"]

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
PORTS = {"starttls": 587, "tls": 465, "none": 25}


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or not text.isascii() or not text.isprintable():
        raise ValueError(phrase("email.expected-address", "expected an e-mail address like veille@ville.example"))
    return text


Address = Annotated[str, AfterValidator(_address)]


class Config(hub.Config):
    """The mail server, and who is written to."""

    host: str = Field(
        min_length=1,
        max_length=253,
        description="The mail server (SMTP submission), by name or address.",
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="By default 587, with `tls` 465, with none 25.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls`: TLS begins after the greeting, and must; `tls`: from the first "
        "byte; `none`: in clear, for a server on this machine or a closed network.",
    )
    ca: Path | None = Field(
        default=None,
        description="The server's CA as a PEM file; by default those of the system.",
    )
    user: str = Field(
        default="",
        max_length=256,
        description="User name, where the server wants one.",
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        description="Password, always by way of `!secret`.",
    )
    sender: Address = Field(
        description="The address that alerts come from.",
    )
    to: list[Address] = Field(min_length=1, max_length=50, description="Who is written to.")
    language: Literal["fr", "en", "both"] = Field(default="fr", description="Of the text.")
    timeout: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(seconds=1),
        le=timedelta(minutes=5),
        description="How long one message may take.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Config:
        if self.user and self.security == "none":
            raise ValueError(
                phrase("email.password-in-clear", "a password is never sent in clear: use starttls or tls, or no user")
            )
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError(phrase("email.user-without-password", "user and password go together"))
        return self


async def run(config: Config, notices: Notifications) -> None:
    """Send until cancelled. Raises NotReady where the server does not answer or accepts nothing now, AuthFailed when it
    refuses the password or these addresses."""
    from plugins.email.sending import send  # imports smtplib: only where used

    said = ""
    async for notice in notices:
        refused = await send(config, notice, notices.hub, notices.name, notices.timezone)
        if refused and refused != said:
            notices.log.error(refused)
        said = refused
        notices.done(notice)


@hub.hookimpl
def register_notifiers(register: RegisterNotifier) -> None:
    register("email", Config, run, per_hour=60)
