"""Settings of the network as a person gives them, checked before anything is asked of the machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Any, NamedTuple

from hub.core.errors import HubError
from hub.core.text import phrase

METHODS = {4: ("auto", "manual", "off"), 6: ("auto", "manual", "link-local", "off")}
SECURITIES = ("auto", "wpa2", "wpa3")
MOST_DNS = 6
MOST_TIME_SERVERS = 6
LONGEST_NAME = 253

_INTERFACE = re.compile(r"(?!\.{1,2}$)[^\s/:\x00-\x1f\x7f]{1,15}")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*", re.IGNORECASE)
_APN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,98}[A-Za-z0-9])?")
_HEX_KEY = re.compile(r"[0-9A-Fa-f]{64}")


class Addressing(NamedTuple):
    """How an interface gets its address. `address`: 192.0.2.10/24, only with `manual`."""

    method: str
    address: str = ""
    gateway: str = ""


class Wifi(NamedTuple):
    """A Wi-Fi to join. `key` "": the one that is stored."""

    ssid: str
    key: str = ""
    hidden: bool = False
    security: str = "auto"

    def __repr__(self) -> str:
        return f"Wifi({self.ssid!r})"


class InterfaceSettings(NamedTuple):
    interface: str
    ipv4: Addressing
    ipv6: Addressing
    dns: tuple[str, ...] = ()
    default_route: bool = True
    wifi: Wifi | None = None


class ApnSettings(NamedTuple):
    apn: str
    user: str = ""
    password: str = ""
    pin: str = ""

    def __repr__(self) -> str:
        return f"ApnSettings({self.apn!r})"


def interface_settings(given: Mapping[str, Any]) -> InterfaceSettings:
    """Check {interface, ipv4, address, gateway, ipv6, address6, gateway6, dns, default_route, ssid, key, hidden,
    security}. Raises HubError."""
    ipv4 = _addressing(given, 4, "address", "gateway")
    ipv6 = _addressing(given, 6, "address6", "gateway6")
    if ipv4.method == ipv6.method == "off":
        raise HubError(phrase("network-no-address", "an interface needs IPv4 or IPv6: both are off"))
    dns = tuple(_server(one) for one in _words(given.get("dns")))
    if len(dns) > MOST_DNS:
        raise HubError(phrase("network-too-many-dns", "{most} DNS servers at most", most=MOST_DNS))
    default_route = truth(given.get("default_route", True))
    if not default_route and (ipv4.gateway or ipv6.gateway):
        raise HubError(
            phrase(
                "network-gateway-without-route",
                "a gateway is the way out, and this interface shall not be it: leave the gateway empty",
            )
        )
    ssid = _text(given, "ssid")
    wifi = wifi_settings(given) if ssid else None
    return InterfaceSettings(interface_name(given), ipv4, ipv6, dns, default_route, wifi)


def interface_name(given: Mapping[str, Any]) -> str:
    """Return {interface}, a name that Linux allows. Raises HubError."""
    name = _text(given, "interface")
    if not _INTERFACE.fullmatch(name):
        raise HubError(phrase("network-interface-wrong", "{name!r} is no name of an interface, like eth0", name=name))
    return name


def wifi_settings(given: Mapping[str, Any]) -> Wifi:
    """Check the Wi-Fi of such settings. Raises HubError, which never names the key."""
    ssid, key, security = str(given.get("ssid") or ""), str(given.get("key") or ""), _text(given, "security") or "auto"
    if not 1 <= len(ssid.encode()) <= 32 or not ssid.isprintable():
        raise HubError(phrase("network-ssid-wrong", "the name of a Wi-Fi has 1 to 32 bytes"))
    if key and not is_wifi_key(key):
        raise HubError(
            phrase(
                "network-key-wrong", "a Wi-Fi key has 8 to 63 characters of the keyboard (ASCII), or 64 digits 0-9 a-f"
            )
        )
    if security not in SECURITIES:
        raise HubError(_choice("security", security, SECURITIES))
    if security == "wpa3" and _HEX_KEY.fullmatch(key):
        raise HubError(phrase("network-key-wpa3", "WPA3 takes the key as it is typed, not 64 digits"))
    return Wifi(ssid, key, truth(given.get("hidden", False)), security)


def is_wifi_key(key: str) -> bool:
    """Return whether a text may be the key of a WPA2 or WPA3 network (IEEE 802.11, annex J.4)."""
    return bool(_HEX_KEY.fullmatch(key)) or (8 <= len(key) <= 63 and key.isascii() and key.isprintable())


def wifi_text(name: str, key: str) -> str:
    """Return the QR text of an access point (ZXing's `WIFI:`, WPA2 and WPA3 personal alike)."""

    def escaped(text: str) -> str:
        return "".join(f"\\{char}" if char in '\\;,":' else char for char in text)

    return f"WIFI:T:WPA;S:{escaped(name)};P:{escaped(key)};;"


def modem_settings(given: Mapping[str, Any]) -> ApnSettings:
    """Check {apn, user, password, pin}. Raises HubError, which names neither password nor PIN."""
    apn, pin = _text(given, "apn"), _text(given, "pin")
    user, password = _text(given, "user"), str(given.get("password") or "")
    if not _APN.fullmatch(apn) or ".." in apn:
        raise HubError(
            phrase("network-apn-wrong", "an APN has letters, digits, dots and dashes, as in the operator's letter")
        )
    if pin and not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
        raise HubError(phrase("network-pin-wrong", "a PIN has 4 to 8 digits"))
    if password and not user:
        raise HubError(phrase("network-apn-user-missing", "a password needs a user name"))
    for text in (user, password):
        if len(text) > 64 or not text.isprintable():
            raise HubError(
                phrase("network-apn-user-wrong", "user name and password have 64 printable characters at most")
            )
    return ApnSettings(apn, user, password, pin)


def time_servers(given: object) -> tuple[str, ...]:
    """Return names or addresses of time servers, each once. Raises HubError."""
    found = tuple(dict.fromkeys(_words(given)))
    if len(found) > MOST_TIME_SERVERS:
        raise HubError(phrase("network-too-many-time", "{most} time servers at most", most=MOST_TIME_SERVERS))
    for one in found:
        named = _HOST.fullmatch(one) and not one.rpartition(".")[2].isdecimal()  # else it is meant as an address
        if not named and not _is_address(one):
            raise HubError(
                phrase(
                    "network-time-server-wrong",
                    "{name!r} is no name or address of a time server",
                    name=one[:LONGEST_NAME],
                )
            )
    return found


def refuse_overlap(wanted: InterfaceSettings, others: Iterable[tuple[str, str]]) -> None:
    """Raise HubError when a static address lies in the network of another interface: which of the two a packet takes
    would be chance, and two networks of a building must be told apart. `others`: (interface, address/prefix)."""
    mine = [ip_interface(one.address) for one in (wanted.ipv4, wanted.ipv6) if one.address]
    for name, address in others:
        other = ip_interface(address)
        for one in mine:
            if name != wanted.interface and one.version == other.version and one.network.overlaps(other.network):
                raise HubError(
                    phrase(
                        "network-overlaps",
                        "{address} lies in the network of {interface} ({other}): each interface needs a network of its "
                        "own",
                        address=str(one),
                        interface=name,
                        other=str(other.network),
                    )
                )


def truth(given: object) -> bool:
    """Return a yes or no of a form, of JSON or of the command line."""
    return str(given).strip().lower() in ("1", "true", "on", "yes")


def _addressing(given: Mapping[str, Any], version: int, address_key: str, gateway_key: str) -> Addressing:
    method = _text(given, f"ipv{version}") or "auto"
    if method not in METHODS[version]:
        raise HubError(_choice(f"ipv{version}", method, METHODS[version]))
    address, gateway = _text(given, address_key), _text(given, gateway_key)
    if method != "manual":
        if address or gateway:
            raise HubError(
                phrase(
                    "network-address-not-manual",
                    "an IPv{version} address or gateway is given, and IPv{version} is not set to manual",
                    version=version,
                )
            )
        return Addressing(method)
    here = _interface_address(address, version)
    if gateway:
        _check_gateway(gateway, here, version)
        gateway = str(ip_address(gateway))
    return Addressing("manual", str(here), gateway)


def _interface_address(text: str, version: int) -> IPv4Interface | IPv6Interface:
    example = "192.168.1.20/24" if version == 4 else "fd12:3456::20/64"
    try:
        here = ip_interface(text)
        if "/" not in text or "%" in text or here.version != version:
            raise ValueError
    except ValueError:
        raise HubError(
            phrase(
                "network-address-wrong",
                "{text!r} is no IPv{version} address with its prefix, like {example}",
                text=text[:64],
                version=version,
                example=example,
            )
        ) from None
    unusable = here.is_multicast or here.is_loopback or here.is_unspecified or here.is_reserved
    ends = version == 4 and here.network.prefixlen < 31 and here.ip in (
        here.network.network_address, here.network.broadcast_address
    )  # fmt: skip
    if unusable or ends or not here.network.prefixlen >= 1:
        raise HubError(
            phrase("network-address-unusable", "{address} is not an address that a machine can have", address=str(here))
        )
    return here


def _check_gateway(text: str, here: IPv4Interface | IPv6Interface, version: int) -> None:
    try:
        gateway = ip_address(text)
    except ValueError:
        raise HubError(phrase("network-gateway-wrong", "{text!r} is no address of a gateway", text=text[:64])) from None
    near = gateway in here.network or (version == 6 and gateway.is_link_local)
    if gateway.version != version or not near or gateway == here.ip:
        raise HubError(
            phrase(
                "network-gateway-far",
                "the gateway {gateway} must be another machine in {network}",
                gateway=str(gateway),
                network=str(here.network),
            )
        )


def _server(text: str) -> str:
    try:
        found = ip_address(text)
        if found.is_unspecified or found.is_multicast or "%" in text:
            raise ValueError
        return str(found)
    except ValueError:
        raise HubError(phrase("network-dns-wrong", "{text!r} is no address of a DNS server", text=text[:64])) from None


def _is_address(text: str) -> bool:
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False


def _words(given: object) -> list[str]:
    if isinstance(given, (list, tuple)):
        given = " ".join(map(str, given))
    return re.split(r"[\s,;]+", str(given or "")[:2000].strip()) if str(given or "").strip() else []


def _text(given: Mapping[str, Any], name: str) -> str:
    return str(given.get(name) or "").strip()


def _choice(name: str, given: str, choices: Iterable[str]) -> str:
    return phrase(
        "network-choice-wrong",
        "{name}: {given!r} is none of {choices}",
        name=name,
        given=given[:32],
        choices=list(choices),
    )
