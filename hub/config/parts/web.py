"""The part `web:` of the file: the hub's own pages and their API."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from hub.config.field_types import Section
from hub.core.text import phrase

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?)*")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(
            phrase(
                "listen-address-of-wrong-form",
                "expected an address of this machine, like 127.0.0.1, 192.168.1.20 or :: for all",
            )
        ) from None


def _host(text: str) -> str:
    if not _HOST.fullmatch(text.lower()):
        raise ValueError(
            phrase("host-name-of-wrong-form", "expected a name without scheme and port, like hub-12.ecole.example.org")
        )
    return text.lower()


class Wifi(Section):
    """The access point by which a phone reaches the hub; the hub does not run it, its label names it."""

    name: str = Field(min_length=1, max_length=32, description="Its name, the SSID.")
    key: SecretStr = Field(min_length=8, max_length=63, description="Its WPA2 or WPA3 key, by way of `!secret`.")


def _contact(text: str) -> str:
    if text and not re.fullmatch(r"(https://|mailto:)[!-~]{3,200}", text):
        raise ValueError(
            phrase(
                "contact-of-wrong-form",
                "expected an address like https://ville.example.org/securite or mailto:securite@example.org",
            )
        )
    return text


class Web(Section):
    """The hub's own pages: HTTPS only. They are served where this section stands in the file, and nowhere else."""

    address: Annotated[str, AfterValidator(_address)] = Field(
        default="0.0.0.0",  # noqa: S104 - the technician's phone comes over the building's network
        description="Address to listen on; 0.0.0.0 is every IPv4 address of the machine, :: every address.",
    )
    port: int = Field(default=8443, ge=0, le=65535, description="TCP port, the only one; 0 lets the system choose.")
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        default=(),
        max_length=16,
        description="Names under which browsers may call it, beside its addresses, its host name and localhost. "
        "Any other is refused: a page elsewhere could reach the hub under a name of its own (DNS rebinding).",
    )
    district_certificate: bool = Field(
        default=True,
        description="Have the district's own authority certify the pages, where the backend has one: browsers that "
        "know it do not warn. The fingerprint on the label changes with it.",
    )
    redirect_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Where it stands, plain HTTP on this port, usually 80, leads to the pages and to nothing else; "
        "without it nothing listens there.",
    )
    reset_directory: Path | None = Field(
        default=None,
        description="Directory, as that of the boot partition, in which a file `ilot-claim-reset` asks for a new claim "
        "code at the next start; the code is written beside it.",
    )
    wifi: Wifi | None = Field(default=None, description="The access point that stands on the label as a QR code.")
    contact: Annotated[str, AfterValidator(_contact)] = Field(
        default="",
        description="Where vulnerabilities and difficulties are reported, https://… or mailto:…; it stands in "
        "/.well-known/security.txt and in the accessibility statement.",
    )
