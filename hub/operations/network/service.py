"""The network of this machine as a part of the hub: its calls, its time servers, its access point."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.core.actor import asker
from hub.core.calls import Call
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import HubError, NotReady
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.operations.network import modem as modems
from hub.operations.network import profiles, settings, timesync
from hub.operations.network.access_point import REQUEST, AccessPoint, Audit, Ticking, has_wifi
from hub.operations.network.bus import Bus, system_bus
from hub.operations.network.changes import Changes, refuse_waiting
from hub.operations.network.manager import Interface, NetworkManager
from hub.operations.network.own_facts import OwnFacts
from hub.operations.network.settings import InterfaceSettings

TIME_S = 600.0
"""How often the time servers are said again: timesyncd forgets them when it starts anew."""
FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")

_log = logging.getLogger("hub.network")


class Network:
    """`claimed` and `audit`: see `hub.operations.network.access_point`; `port` returns that of the pages, 0 without."""

    def __init__(
        self,
        store: Store,
        clock: Ticking,
        *,
        claimed: Callable[[], bool | None],
        audit: Audit,
        port: Callable[[], int],
        request: Path = REQUEST,
    ) -> None:
        self._own, self._clock, self._audit, self._port = OwnFacts(store), clock, audit, port
        self.access_point = AccessPoint(self._own, clock, claimed, audit, request)
        self._changes = Changes(clock, audit)
        self._time_changed = asyncio.Event()
        self._time_error = ""

    async def run(self) -> None:
        """Keep the access point and the time servers until cancelled. Whatever fails here, the hub goes on."""
        try:
            await once_the_disk_works(self._own.load, self._clock.sleep)
            async with asyncio.TaskGroup() as group:
                group.create_task(self.access_point.run())
                group.create_task(self._keep_time())
        except Exception:
            _log.exception(
                phrase("network-part-failed", "the part for the network failed; its settings stay as they are")
            )
            await asyncio.Event().wait()
        finally:
            self._changes.stop()

    def label(self) -> tuple[str, str, str] | None:
        """Return name and key of the access point and the address of the pages in it, for the label; None while it is
        off, as nobody could join it."""
        facts = self._own.facts
        return (facts.name, facts.key, self._ap_url()) if self.access_point.on else None

    def calls(self) -> dict[str, Call]:
        return {
            "network.show": self._show, "network.scan": self._scan, "network.set": self._set,
            "network.confirm": self._changes.confirm, "network.revert": self._changes.revert,
            "network.modem": self._modem,
            "network.time": self._time, "network.access-point": self._access_point, "network.key": self._key,
        }  # fmt: skip

    def status(self) -> dict[str, Any]:
        """Return the state for `ilot status`: nothing is asked of the machine for it."""
        return {"access_point": self.access_point.on}

    def complaints(self) -> list[str]:
        return [self._time_error] if self._time_error else []

    # what it is

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with the whole state; `error` says why NetworkManager, ModemManager or timesyncd is not asked."""
        point = self.access_point
        found: dict[str, Any] = {
            "error": "", "version": "", "interfaces": [], "pending": None, "last": self._changes.last,
            "modems": [], "modem_error": "", "time": {}, "time_error": "", "forwarding": forwarding(),
            "wanted_time_servers": list(self._own.facts.time_servers),
            "access_point": {
                "possible": has_wifi(), "name": self._own.facts.name, "on": point.on, "left_s": point.left_s,
                "error": point.error, "url": self._ap_url(),
            },
        }  # fmt: skip
        try:
            async with system_bus() as bus:
                await _shown(bus, found)
            if waiting := found["pending"]:
                waiting["url"] = self._changes.url(waiting["id"])
        except HubError as error:
            found["error"] = found["modem_error"] = found["time_error"] = reason_of(error)
        return found

    def _ap_url(self) -> str:
        return f"https://{profiles.AP_ADDRESS}:{self._port()}/" if self._port() else ""

    async def _scan(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {interface} with {points: [{ssid, signal, security, mhz}]}; without one, the first Wi-Fi is used."""
        async with system_bus() as bus:
            manager = NetworkManager(bus)
            one = await _wifi(manager, str(arguments.get("interface") or ""))
            return {"interface": one.name, "points": await manager.scan(one)}

    # changes of an interface

    async def _set(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Change an interface: the arguments are those of `settings.interface_settings`, and {dry_run, by}. Answer
        {id, interface, confirm_s, url}: `url` of the pages afterwards, "" where it is not known before."""
        wanted = settings.interface_settings(arguments)
        async with system_bus() as bus:
            manager = NetworkManager(bus)
            one = await manager.interface(wanted.interface)
            wanted = await _whole(manager, one, wanted)
            settings.refuse_overlap(wanted, await manager.addresses())
            profile = profiles.interface_profile(wanted, one.kind)
            noted = {
                "interface": one.name, "ipv4": wanted.ipv4.address or wanted.ipv4.method,
                "ipv6": wanted.ipv6.address or wanted.ipv6.method, "wifi": wanted.wifi.ssid if wanted.wifi else "",
            }  # fmt: skip
            return await self._changes.apply(manager, one, profile, noted, arguments, _url(wanted, self._port()))

    async def _modem(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Set {interface, apn, user, password, pin} of a modem. Answer as `network.set`."""
        wanted, name = settings.modem_settings(arguments), str(arguments.get("interface") or "")
        async with system_bus() as bus:
            found = await modems.modems(bus)
            mine = next(
                (one for one in found if one.facts["interface"] == name or (not name and len(found) == 1)), None
            )
            if mine is None:
                known = [one.facts["interface"] for one in found]
                raise HubError(
                    phrase("network-no-modem", "there is no modem {name!r}; there are: {known}", name=name, known=known)
                )
            manager = NetworkManager(bus)
            one = await manager.interface(mine.facts["interface"])
            modems.refuse_locked(mine)
            await refuse_waiting(manager)  # before a PIN is spent
            if not settings.truth(arguments.get("dry_run", False)) and wanted.pin:
                await self._own.load()
                await modems.unlock(bus, mine, wanted.pin, self._own)
                await self._audit(asker(arguments), {"network": "modem unlocked", "interface": one.name})
            profile = profiles.modem_profile(wanted, one.name, mine.facts["sim"])
            noted = {"interface": one.name, "apn": wanted.apn}
            return await self._changes.apply(manager, one, profile, noted, arguments, "")

    # the rest

    async def _time(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Use the time servers {servers}; none leaves them to the system."""
        servers = settings.time_servers(arguments.get("servers"))
        if settings.truth(arguments.get("dry_run", False)):
            return {"servers": list(servers)}
        async with system_bus() as bus:
            await timesync.use(bus, servers)
        await self._own.load()
        self._own.facts.time_servers = servers
        await self._own.save()
        self._time_changed.set()
        await self._audit(asker(arguments), {"network": "time servers", "servers": list(servers)})
        return {"servers": list(servers)}

    async def _keep_time(self) -> None:
        while True:
            self._time_changed.clear()
            if self._own.facts.time_servers:
                try:
                    async with system_bus() as bus:
                        await timesync.use(bus, self._own.facts.time_servers)
                    self._time_error = ""
                except HubError as error:
                    self._time_error = phrase(
                        "network-time-not-set", "the time servers are not set: {reason}", reason=reason_of(error)
                    )
            else:
                self._time_error = ""
                await self._time_changed.wait()
                continue
            await self._clock.sleep(TIME_S)

    async def _access_point(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Switch the access point {on}; {new_key}: with another key from now on."""
        on, by = settings.truth(arguments.get("on", True)), asker(arguments)
        if on and not has_wifi():
            raise NotReady(phrase("access-point-no-wifi", "this machine has no Wi-Fi interface"))
        await self._own.load()
        if settings.truth(arguments.get("new_key", False)):
            self._own.new_key()
            await self._own.save()
            await self._audit(by, {"network": "access point key"})
        await self._audit(by, {"network": "access point asked for" if on else "access point ended"})
        self.access_point.switch(on)
        return {"on": on, "name": self._own.facts.name, "url": self._ap_url()}

    async def _key(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer with {name, key, code, url} of the access point, for its label: whoever reads it is noted."""
        await self._own.load()
        name, key = self._own.facts.name, self._own.facts.key
        await self._audit(asker(arguments), {"network": "access point key shown"})
        return {"name": name, "key": key, "code": settings.wifi_text(name, key), "url": self._ap_url()}


async def _shown(bus: Bus, found: dict[str, Any]) -> None:
    manager = NetworkManager(bus)
    try:
        found["version"] = await manager.version()
        found["interfaces"] = [await manager.shown(one) for one in await manager.interfaces()]
        if (waiting := await manager.pending()) is not None:
            found["pending"] = {
                "id": waiting.id,
                "left_s": waiting.left_s,
                "interfaces": list(waiting.interfaces),
                "url": "",
            }
    except HubError as error:
        found["error"] = reason_of(error)
    try:
        found["modems"] = [
            {name: value for name, value in one.facts.items() if name != "sim"} for one in await modems.modems(bus)
        ]
    except HubError as error:
        found["modem_error"] = reason_of(error)
    try:
        found["time"] = await timesync.shown(bus)
    except HubError as error:
        found["time_error"] = reason_of(error)


async def _whole(manager: NetworkManager, one: Interface, wanted: InterfaceSettings) -> settings.InterfaceSettings:
    """Return the settings with the Wi-Fi that is in use, where they name none, and with its key. Raises HubError."""
    if one.kind != profiles.WIFI:
        if wanted.wifi is not None or one.kind == profiles.MODEM:
            raise HubError(phrase("network-not-wifi", "{interface} is no Wi-Fi interface", interface=one.name))
        return wanted
    wifi = wanted.wifi
    if wifi is None:
        raw = bytes((await manager.active_profile(one)).get("802-11-wireless", {}).get("ssid", b""))
        if not raw:
            raise HubError(phrase("network-wifi-unnamed", "{interface} is in no Wi-Fi: name one", interface=one.name))
        wifi = settings.Wifi(raw.decode("utf-8", "replace"))
    if wifi.security == "auto":
        heard = {point["ssid"]: point["security"] for point in await manager.points(one)}
        wifi = wifi._replace(security="wpa3" if heard.get(wifi.ssid) == "wpa3" else "wpa2")
    if not wifi.key and not (key := await manager.stored_key(one, wifi.ssid)):
        raise HubError(phrase("network-key-needed", "the Wi-Fi {ssid} needs its key", ssid=wifi.ssid))
    return wanted._replace(wifi=wifi if wifi.key else wifi._replace(key=key))


async def _wifi(manager: NetworkManager, name: str) -> Interface:
    if name:
        one = await manager.interface(name)
        if one.kind != profiles.WIFI:
            raise HubError(phrase("network-not-wifi", "{interface} is no Wi-Fi interface", interface=name))
        return one
    for one in await manager.interfaces():
        if one.kind == profiles.WIFI:
            return one
    raise NotReady(phrase("access-point-no-wifi", "this machine has no Wi-Fi interface"))


def _url(wanted: InterfaceSettings, port: int) -> str:
    """Return the address of the pages after a change, "" where it is not known."""
    if not port or not wanted.ipv4.address:
        return ""
    return f"https://{wanted.ipv4.address.partition('/')[0]}:{port}/network"


def forwarding(root: Path = Path("/proc/sys")) -> list[str]:
    """Return the switches by which this machine passes packets from one network to another; [] is right."""
    found = []
    for name in FORWARDING:
        try:
            on = (root / name).read_text().strip() not in ("", "0")
        except OSError:
            on = False
        found += [name.replace("/", ".")] if on else []
    return found
