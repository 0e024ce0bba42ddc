"""Addresses as people write them in a configuration: of this machine, and of those who may call it. Pure."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator

from hub.core.text import phrase


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(
            phrase("expected-own-address", "expected an address of this machine, like 127.0.0.1 or 192.168.10.1")
        ) from None


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(
            phrase("expected-address-or-network", "expected an address or a network, like 192.0.2.7 or 192.0.2.0/24")
        ) from None


ListenAddress = Annotated[str, AfterValidator(_address)]
"""An IP address of this machine to listen on."""

Network = Annotated[str, AfterValidator(_network)]
"""An IP address or network, for a list of those who may call."""
