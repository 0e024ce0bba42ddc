"""Settings of the channels: the file `channels.yaml` in the owner's directory, for the eyes of the server alone.

    email: {host: smtp.ville.example, security: starttls, user: ilot, password: …, sender: ilot@ville.example}
    sms: {url: "https://sms.example/send", fields: {to: "{to}", text: "{text}"}, headers: {Authorization: "Bearer …"}}
    webhook: {secret: …}
    glpi: {url: "https://glpi.ville.example/apirest.php", app_token: …, user_token: …}
    open311: {url: "https://sig.ville.example/open311/v2", api_key: …, service_code: …}

They stand in no database and in no plan, so that neither a copy nor a page shows a password.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from hub.core.errors import ConfigError
from hub.core.text import phrase

FILE = "channels.yaml"
PORTS = {"starttls": 587, "tls": 465, "none": 25}
Seconds = Annotated[float, Meta(gt=0, le=120)]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s]+$")]


class Email(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail server. `ca`: its CA as a PEM file, "" for those of the system."""

    host: str
    sender: str
    port: int = 0
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca: str = ""
    user: str = ""
    password: str = ""
    timeout: Seconds = 20.0


class Sms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway of short messages by HTTP. `{to}`, `{text}` and `{key}` stand for what they say in `fields`."""

    url: Url
    fields: dict[str, str] = msgspec.field(default_factory=lambda: {"to": "{to}", "text": "{text}"})
    form: bool = False
    headers: dict[str, str] = {}
    timeout: Seconds = 15.0


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signed POSTs to the addresses of people. `secret` is that of the signature."""

    secret: Annotated[str, Meta(min_length=16)]
    timeout: Seconds = 10.0


class Glpi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The REST API of GLPI; the address of a service is the id of an entity."""

    url: Url
    app_token: str
    user_token: str
    timeout: Seconds = 20.0


class Open311(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GeoReport v2 server; the address of a service is its `service_code`."""

    url: Url
    api_key: str
    jurisdiction: str = ""
    timeout: Seconds = 20.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of all channels; None for one that is not used."""

    email: Email | None = None
    sms: Sms | None = None
    webhook: Webhook | None = None
    glpi: Glpi | None = None
    open311: Open311 | None = None


def load(directory: Path) -> Settings:
    """Return the settings of an owner's directory; none where there is no file. Raises ConfigError."""
    path = directory / FILE
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return msgspec.convert(data or {}, Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, YAMLError, ValueError, msgspec.ValidationError) as error:
        # the file holds passwords: what a parser quotes of it stays out of the log
        said = str(error) if isinstance(error, OSError | msgspec.ValidationError) else type(error).__name__
        raise ConfigError(phrase("channels-file-wrong", "{file}: {reason:l}", file=path, reason=said[:200])) from error
