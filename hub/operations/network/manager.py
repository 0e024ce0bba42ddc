"""Client of NetworkManager: interfaces, profiles, scans and checkpoints, over D-Bus.

A checkpoint is how a wrong address comes back by itself: NetworkManager keeps what an interface had, and restores it
after a time unless it is told not to, whatever becomes of this hub meanwhile (its D-Bus API, `CheckpointCreate`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.core.errors import HubError
from hub.core.text import phrase
from hub.operations.network import profiles
from hub.operations.network.bus import Bus, Refused
from hub.operations.network.profiles import Profile

SERVICE = "org.freedesktop.NetworkManager"
ROOT = "/org/freedesktop/NetworkManager"
SETTINGS = f"{ROOT}/Settings"
CONFIRM_S = 120
MOST_INTERFACES, MOST_POINTS = 32, 60
SCAN_S, LOOK_S = 12.0, 0.5
_NONE = "/"
_DELETE_NEW = 0x02
"""NMCheckpointCreateFlags: profiles that are new go when it is rolled back."""
ACTIVATED, DEACTIVATING = 2, 3
"""NMActiveConnectionState."""
CAN_AP = 0x40
"""NMDeviceWifiCapabilities: it can be an access point."""


class Interface(NamedTuple):
    """An interface as NetworkManager knows it. `active`: path of its active connection, "/" without one."""

    path: str
    name: str
    kind: str
    state: str
    mac: str
    active: str
    facts: Mapping[str, Any]


class Pending(NamedTuple):
    """A change that comes back unless it is confirmed within `left_s`."""

    id: str
    left_s: float
    interfaces: tuple[str, ...]


class NetworkManager:
    """What this hub asks of it. Every method raises what `Bus` raises."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def _call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        answer = await self._bus.call(SERVICE, path, interface, member, signature, *body)
        return answer[0] if answer else None

    async def _of(self, path: str, interface: str) -> dict[str, Any]:
        return await self._bus.properties(SERVICE, path, interface)

    async def version(self) -> str:
        """Return its version."""
        return str((await self._of(ROOT, SERVICE)).get("Version", ""))

    # interfaces

    async def interfaces(self) -> list[Interface]:
        """Return the interfaces that people set up: cables, Wi-Fi, modems."""
        found = []
        for path in (await self._call(ROOT, SERVICE, "GetDevices"))[:MOST_INTERFACES]:
            try:
                facts = await self._of(path, f"{SERVICE}.Device")
            except Refused as error:
                if error.gone:  # unplugged meanwhile
                    continue
                raise
            if kind := profiles.KINDS.get(facts.get("DeviceType", 0)):
                state = profiles.STATES.get(facts.get("State", 0), "unknown")
                names = (str(facts.get("Interface", "")), kind, state, str(facts.get("HwAddress", "")))
                found.append(Interface(path, *names, str(facts.get("ActiveConnection", _NONE)), facts))
        return sorted(found, key=lambda one: one.name)

    async def interface(self, name: str) -> Interface:
        """Return the interface of a name. Raises HubError where there is none."""
        found = await self.interfaces()
        for one in found:
            if one.name == name:
                return one
        raise HubError(
            phrase(
                "network-no-interface",
                "this machine has no interface {name}; it has {known}",
                name=name,
                known=[one.name for one in found],
            )
        )

    async def shown(self, one: Interface) -> dict[str, Any]:
        """Return an interface as the page and the command line show it."""
        ip4 = await self._config(one.facts.get("Ip4Config"), "IP4Config")
        ip6 = await self._config(one.facts.get("Ip6Config"), "IP6Config")
        stored = await self.active_profile(one)
        shown = {
            "interface": one.name, "kind": one.kind, "state": one.state, "mac": one.mac,
            "addresses": [*profiles.addresses_of(ip4), *profiles.addresses_of(ip6)],
            "gateways": [str(config["Gateway"]) for config in (ip4, ip6) if config.get("Gateway")],
            "dns": [*profiles.name_servers_of(ip4), *profiles.name_servers_of(ip6)],
            "profile": str(stored.get("connection", {}).get("id", "")),
            "ipv4": _method(stored.get("ipv4", {})), "ipv6": _method(stored.get("ipv6", {})),
            "default_route": not stored.get("ipv4", {}).get("never-default", False),
            "ssid": profiles.shown_ssid(stored.get("802-11-wireless", {}).get("ssid", b"")),
        }  # fmt: skip
        if one.kind == profiles.WIFI:
            wireless = await self._of(one.path, f"{SERVICE}.Device.Wireless")
            shown["can_ap"] = bool(int(wireless.get("WirelessCapabilities", 0)) & CAN_AP)
            point = await self._config(wireless.get("ActiveAccessPoint"), "AccessPoint")
            shown["signal"] = int(point["Strength"]) if "Strength" in point else None
        return shown

    async def _config(self, path: object, interface: str) -> dict[str, Any]:
        """Return the properties of an object that may be absent or just gone."""
        if not path or path == _NONE:
            return {}
        try:
            return await self._of(str(path), f"{SERVICE}.{interface}")
        except Refused as error:
            if error.gone:
                return {}
            raise

    async def addresses(self) -> list[tuple[str, str]]:
        """Return (interface, address/prefix) of all, without the addresses that each interface has of itself."""
        found = []
        for one in await self.interfaces():
            for kind, key in (("IP4Config", "Ip4Config"), ("IP6Config", "Ip6Config")):
                config = await self._config(one.facts.get(key), kind)
                found += [(one.name, address) for address in profiles.addresses_of(config)]
        return [(name, address) for name, address in found if not address.startswith(("fe80:", "169.254."))]

    # profiles

    async def active_profile(self, one: Interface) -> dict[str, Any]:
        """Return the profile that an interface runs on, without its secrets; {} without one."""
        active = await self._config(one.active, "Connection.Active")
        path = active.get("Connection", _NONE)
        return await self._settings_of(str(path)) if path != _NONE else {}

    async def _settings_of(self, path: str) -> dict[str, Any]:
        return dict(await self._call(path, f"{SERVICE}.Settings.Connection", "GetSettings"))

    async def stored_key(self, one: Interface, ssid: str) -> str:
        """Return the key of a Wi-Fi that the machine knows on this interface, "" where it does not."""
        paths = [await self._stored(profiles.profile_uuid(one.name, ssid))]
        active = await self._config(one.active, "Connection.Active")
        paths.append(str(active.get("Connection", _NONE)))
        for path in paths:
            if path == _NONE:
                continue
            stored = await self._settings_of(path)
            if bytes(stored.get("802-11-wireless", {}).get("ssid", b"")) != ssid.encode():
                continue
            setting = "802-11-wireless-security"
            found = await self._call(path, f"{SERVICE}.Settings.Connection", "GetSecrets", "s", setting)
            if key := found.get(setting, {}).get("psk"):
                return str(key)
        return ""

    async def _stored(self, uuid: str) -> str:
        """Return the path of a stored profile, "/" where there is none."""
        try:
            return str(await self._call(SETTINGS, f"{SERVICE}.Settings", "GetConnectionByUuid", "s", uuid))
        except Refused:
            return _NONE

    async def write(self, profile: Profile) -> str:
        """Store a profile, in place of the one that was written for the same; return its path."""
        path = await self._stored(profile["connection"]["uuid"][1])
        made = _variants(profile)
        if path == _NONE:
            return str(await self._call(SETTINGS, f"{SERVICE}.Settings", "AddConnection", "a{sa{sv}}", made))
        await self._call(path, f"{SERVICE}.Settings.Connection", "Update", "a{sa{sv}}", made)
        return path

    async def activate(self, profile: str, interface: str) -> str:
        """Use a stored profile on an interface, by their paths; return the path of the active connection."""
        return str(await self._call(ROOT, SERVICE, "ActivateConnection", "ooo", profile, interface, _NONE))

    async def activate_while_connected(self, profile: Profile, interface: str) -> str:
        """Use a profile that is not stored, until this connection to the bus ends."""
        from dbus_fast import Variant

        options = {"persist": Variant("s", "volatile"), "bind-activation": Variant("s", "dbus-client")}
        answer = await self._bus.call(
            SERVICE, ROOT, SERVICE, "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}",
            _variants(profile), interface, _NONE, options,
        )  # fmt: skip
        return str(answer[1])

    async def deactivate(self, active: str) -> None:
        """End an active connection; one that is gone already is no error."""
        try:
            await self._call(ROOT, SERVICE, "DeactivateConnection", "o", active)
        except Refused:
            return

    async def is_up(self, active: str) -> bool | None:
        """Return whether a connection is established; None while it is on its way, False when it failed."""
        state = (await self._config(active, "Connection.Active")).get("State", DEACTIVATING)
        return True if state == ACTIVATED else False if state >= DEACTIVATING else None

    # scan

    async def scan(self, one: Interface) -> list[dict[str, Any]]:
        """Return the Wi-Fi networks that are heard, the strongest first: {ssid, signal, security, mhz}."""
        wireless = f"{SERVICE}.Device.Wireless"
        before = (await self._of(one.path, wireless)).get("LastScan", -1)
        try:
            await self._call(one.path, wireless, "RequestScan", "a{sv}", {})
            for _ in range(int(SCAN_S / LOOK_S)):
                if (await self._of(one.path, wireless)).get("LastScan", -1) != before:
                    break
                await asyncio.sleep(LOOK_S)
        except Refused:  # it scans by itself, and refuses a second scan at once: the last one counts
            pass
        return await self.points(one)

    async def points(self, one: Interface) -> list[dict[str, Any]]:
        """Return those that it has heard lately, without a scan."""
        wireless = f"{SERVICE}.Device.Wireless"
        best: dict[str, dict[str, Any]] = {}
        for path in (await self._call(one.path, wireless, "GetAllAccessPoints"))[:500]:
            point = await self._config(path, "AccessPoint")
            if not (ssid := profiles.shown_ssid(point.get("Ssid", b""))):
                continue
            found = {
                "ssid": ssid, "signal": int(point.get("Strength", 0)), "security": profiles.security_of(point),
                "mhz": int(point.get("Frequency", 0)),
            }  # fmt: skip
            if ssid not in best or best[ssid]["signal"] < found["signal"]:
                best[ssid] = found
        return sorted(best.values(), key=lambda point: -point["signal"])[:MOST_POINTS]

    # checkpoints

    async def pending(self) -> Pending | None:
        """Return the change that waits for its confirmation, whoever made it."""
        for path in (await self._of(ROOT, SERVICE)).get("Checkpoints", ()):
            facts = await self._config(path, "Checkpoint")
            if not facts or not facts.get("RollbackTimeout"):
                continue
            past = time.clock_gettime(time.CLOCK_BOOTTIME) - facts.get("Created", 0) / 1000
            devices = [await self._config(one, "Device") for one in facts.get("Devices", ())]
            names = tuple(str(one.get("Interface", "")) for one in devices)
            return Pending(str(path), max(0.0, facts["RollbackTimeout"] - past), names)
        return None

    async def checkpoint(self, interface: str) -> str:
        """Keep the present state of an interface, to be restored after CONFIRM_S; return the checkpoint."""
        return str(await self._call(ROOT, SERVICE, "CheckpointCreate", "aouu", [interface], CONFIRM_S, _DELETE_NEW))

    async def confirm(self, checkpoint: str) -> None:
        """Keep the change."""
        await self._call(ROOT, SERVICE, "CheckpointDestroy", "o", checkpoint)

    async def revert(self, checkpoint: str) -> None:
        """Restore what was before, now."""
        await self._call(ROOT, SERVICE, "CheckpointRollback", "o", checkpoint)


def _method(addressing: Mapping[str, Any]) -> str:
    method = str(addressing.get("method", ""))
    return {"disabled": "off", "ignore": "off"}.get(method, method)


def _variants(profile: Profile) -> dict[str, dict[str, Any]]:
    """Return a profile in the types of D-Bus."""
    from dbus_fast import Variant

    def made(signature: str, value: Any) -> Any:
        if signature == "aa{sv}":
            value = [{name: Variant(*inner) for name, inner in one.items()} for one in value]
        return Variant(signature, value)

    return {setting: {name: made(*one) for name, one in values.items()} for setting, values in profile.items()}
