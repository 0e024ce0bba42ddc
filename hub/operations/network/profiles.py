"""Profiles of NetworkManager as it stores them, and its answers as plain values. Pure.

A profile is {setting: {property: (signature, value)}}; `hub.operations.network.manager` makes variants of it
(NetworkManager, nm-settings-dbus(5)).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from hub.operations.network.settings import Addressing, ApnSettings, InterfaceSettings

Profile = dict[str, dict[str, tuple[str, Any]]]

PRIORITY = 100
"""Above the 0 of every other profile, so that the one written here is taken at the next start too."""
AP_ADDRESS = "10.42.0.1"
NAMESPACE = uuid.UUID("6f8f4a1e-7b1b-4d2c-9a55-0d6d6c1b0f10")
MOST_TEXT = 64
ETHERNET, WIFI, MODEM = "ethernet", "wifi", "modem"
KINDS = {1: ETHERNET, 2: WIFI, 8: MODEM, 20: ETHERNET}
"""NMDeviceType of the interfaces that are shown; 20 is a veth, one end of a virtual cable."""
TYPES = {ETHERNET: "802-3-ethernet", WIFI: "802-11-wireless", MODEM: "gsm"}

STATES = {
    10: "unmanaged", 20: "unavailable", 30: "disconnected", 40: "connecting", 50: "connecting", 60: "key-needed",
    70: "connecting", 80: "connecting", 90: "connecting", 100: "connected", 110: "disconnecting", 120: "failed",
}  # fmt: skip
"""NMDeviceState by the words of the pages."""

PSK, SAE, ENTERPRISE = 0x100, 0x400, 0x200
"""NM80211ApSecurityFlags: WPA2-personal, WPA3-personal, 802.1X."""


def profile_uuid(interface: str, ssid: str = "") -> str:
    """Return the identity of the one profile that this hub writes for an interface, or for a Wi-Fi on it."""
    return str(uuid.uuid5(NAMESPACE, f"{interface}\0{ssid}"))


def interface_profile(wanted: InterfaceSettings, kind: str) -> Profile:
    """Return the profile for an interface; without the key of a Wi-Fi when none is given."""
    ssid = wanted.wifi.ssid if wanted.wifi is not None else ""
    profile: Profile = {
        "connection": _connection(f"ilot {ssid or wanted.interface}", wanted.interface, ssid, TYPES[kind]),
        "ipv4": _addressing(wanted.ipv4, wanted.dns, 4, default_route=wanted.default_route),
        "ipv6": _addressing(wanted.ipv6, wanted.dns, 6, default_route=wanted.default_route),
    }
    if wanted.wifi is not None:
        wifi = wanted.wifi
        profile["802-11-wireless"] = {
            "ssid": ("ay", wifi.ssid.encode()), "mode": ("s", "infrastructure"), "hidden": ("b", wifi.hidden),
        }  # fmt: skip
        profile["802-11-wireless-security"] = {"key-mgmt": ("s", "sae" if wifi.security == "wpa3" else "wpa-psk")}
        if wifi.key:
            profile["802-11-wireless-security"]["psk"] = ("s", wifi.key)
    return profile


def modem_profile(wanted: ApnSettings, interface: str, sim: str) -> Profile:
    """Return the profile of a modem. A PIN is bound to the SIM that took it, so that no other one is tried with it."""
    gsm: dict[str, tuple[str, Any]] = {"apn": ("s", wanted.apn)}
    if wanted.user:
        gsm |= {"username": ("s", wanted.user), "password": ("s", wanted.password)}
    if wanted.pin:
        gsm |= {"pin": ("s", wanted.pin), **({"sim-id": ("s", sim)} if sim else {})}
    return {
        "connection": _connection(f"ilot {interface}", interface, "", "gsm"),
        "gsm": gsm,
        "ipv4": {"method": ("s", "auto")},
        "ipv6": {"method": ("s", "auto")},
    }


def access_point_profile(name: str, key: str, interface: str) -> Profile:
    """Return the profile of the hub's own access point: WPA2-personal with CCMP alone, and addresses by DHCP for those
    who join."""
    return {
        "connection": {
            "id": ("s", "ilot access point"), "uuid": ("s", profile_uuid(interface, "\0access point")),
            "type": ("s", "802-11-wireless"), "interface-name": ("s", interface), "autoconnect": ("b", False),
        },
        "802-11-wireless": {"ssid": ("ay", name.encode()), "mode": ("s", "ap"), "band": ("s", "bg")},
        "802-11-wireless-security": {
            "key-mgmt": ("s", "wpa-psk"), "psk": ("s", key), "proto": ("as", ["rsn"]), "pairwise": ("as", ["ccmp"]),
            "group": ("as", ["ccmp"]),
        },
        "ipv4": {
            "method": ("s", "shared"),
            "address-data": ("aa{sv}", [{"address": ("s", AP_ADDRESS), "prefix": ("u", 24)}]),
        },
        "ipv6": {"method": ("s", "disabled")},
    }  # fmt: skip


def _connection(title: str, interface: str, ssid: str, kind: str) -> dict[str, tuple[str, Any]]:
    return {
        "id": ("s", title), "uuid": ("s", profile_uuid(interface, ssid)), "type": ("s", kind),
        "interface-name": ("s", interface), "autoconnect": ("b", True), "autoconnect-priority": ("i", PRIORITY),
    }  # fmt: skip


def _addressing(wanted: Addressing, dns: Iterable[str], version: int, *, default_route: bool) -> dict[str, Any]:
    method = "disabled" if wanted.method == "off" else wanted.method
    found: dict[str, tuple[str, Any]] = {"method": ("s", method)}
    if method == "disabled":
        return found
    if method == "manual":
        address, _, prefix = wanted.address.partition("/")
        found["address-data"] = ("aa{sv}", [{"address": ("s", address), "prefix": ("u", int(prefix))}])
        if wanted.gateway:
            found["gateway"] = ("s", wanted.gateway)
    if servers := [one for one in dns if ip_address(one).version == version]:
        found["dns-data"] = ("as", servers)
        found["ignore-auto-dns"] = ("b", True)
    if not default_route:
        found["never-default"] = ("b", True)
    return found


# -- what it answers -------------------------------------------------------------------------------------------------


def plain_value(value: Any) -> Any:
    """Return a value of D-Bus without its variants."""
    while hasattr(value, "signature") and hasattr(value, "value"):
        value = value.value
    if isinstance(value, Mapping):
        return {key: plain_value(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain_value(one) for one in value]
    return value


def shown_ssid(raw: object) -> str:
    """Return the name of a Wi-Fi for people. Anybody may send any bytes as a name."""
    text = bytes(raw).decode("utf-8", "replace") if isinstance(raw, (bytes, bytearray, list)) else str(raw or "")
    return "".join(char if char.isprintable() else "�" for char in text)[:MOST_TEXT]


def addresses_of(config: Mapping[str, Any]) -> list[str]:
    """Return the addresses of an IP4Config or IP6Config, as 192.0.2.1/24."""
    return [
        f"{one['address']}/{one['prefix']}"
        for one in config.get("AddressData", ())
        if {"address", "prefix"} <= one.keys()
    ]


def name_servers_of(config: Mapping[str, Any]) -> list[str]:
    """Return the name servers of an IP4Config, which has `NameserverData`, or of an IP6Config, which has bytes."""
    named = [str(one["address"]) for one in config.get("NameserverData", ()) if "address" in one]
    raw = [bytes(one) for one in config.get("Nameservers", ()) if isinstance(one, (bytes, list))]
    return named or [str(ip_address(one)) for one in raw if len(one) == 16]


def security_of(point: Mapping[str, Any]) -> str:
    """Return how a Wi-Fi is protected: open, old, wpa2, wpa3, enterprise."""
    flags = int(point.get("RsnFlags", 0)) | int(point.get("WpaFlags", 0))
    if flags & PSK:
        return "wpa2"
    if flags & SAE:
        return "wpa3"
    if flags & ENTERPRISE:
        return "enterprise"
    return "old" if flags or int(point.get("Flags", 0)) & 1 else "open"
