"""NetworkManager, ModemManager and timesyncd on a private bus, by Debian's python3-dbusmock; and the part itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from hub.core.store import Store
from hub.operations.network.service import Network
from tests import dbus_mocks

NM, NM_PATH = "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"
MM, MM_PATH = "org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"
MODEM, SIM = f"{MM_PATH}/Modems/8", f"{MM_PATH}/SIM/2"
MOCK = "org.freedesktop.DBus.Mock"
TEMPLATE = "/org/freedesktop"
"""Where NetworkManager's template takes orders."""
TIME, TIME_PATH = "org.freedesktop.timesync1", "/org/freedesktop/timesync1"

_CREATE = """
import time
path = '/org/freedesktop/NetworkManager/Checkpoint/1'
self.AddObject(path, 'org.freedesktop.NetworkManager.Checkpoint', {
    'Devices': dbus.Array(args[0], signature='o'),
    'Created': dbus.Int64(int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)),
    'RollbackTimeout': dbus.UInt32(args[1])}, [])
self.UpdateProperties('org.freedesktop.NetworkManager', {'Checkpoints': dbus.Array([path], signature='o')})
ret = dbus.ObjectPath(path)
"""
_END = """
self.RemoveObject(args[0])
self.UpdateProperties('org.freedesktop.NetworkManager', {'Checkpoints': dbus.Array([], signature='o')})
"""
_VOLATILE = """
path = self.AddActiveConnection([args[1]], self.SettingsAddConnection(args[0]), '/', 'ap', dbus.UInt32(2))
ret = (dbus.ObjectPath('/'), dbus.ObjectPath(path))
"""


class Mock:
    """A service by its control interface."""

    def __init__(self, bus: MessageBus, service: str) -> None:
        self._bus, self._service = bus, service

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        message = Message(
            destination=self._service,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        reply = await self._bus.call(message)
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return reply.body[0] if reply.body else None

    async def has(self, path: str, interface: str, name: str, given: str, returned: str, code: str) -> None:
        """Give an object a method."""
        await self.call(path, MOCK, "AddMethod", "sssss", interface, name, given, returned, code)

    async def calls(self, path: str, member: str) -> list[list[Any]]:
        """Return the arguments of each call of a method."""
        found = await self.call(path, MOCK, "GetMethodCalls", "s", member)
        return [[one.value for one in arguments] for _, arguments in found]

    async def update(self, path: str, interface: str, **values: Variant) -> None:
        for name, value in values.items():
            await self.call(path, "org.freedesktop.DBus.Properties", "Set", "ssv", interface, name, value)


@asynccontextmanager
async def mocked(bus: str, service: str, *words: str) -> AsyncIterator[Mock]:
    """Run a mock of a service, by the words of its command line."""
    async with dbus_mocks.mocked(bus, service, *words) as control:
        yield Mock(control, service)


@asynccontextmanager
async def network_manager(bus: str) -> AsyncIterator[Mock]:
    """NetworkManager with a cable, a Wi-Fi, and checkpoints, which the template lacks."""
    async with mocked(bus, NM, "--template", "networkmanager") as mock:
        await mock.call(NM_PATH, MOCK, "AddProperties", "sa{sv}", NM, {"Checkpoints": Variant("ao", [])})
        await mock.has(NM_PATH, NM, "CheckpointCreate", "aouu", "o", _CREATE)
        for name, returned in (("CheckpointDestroy", ""), ("CheckpointRollback", "a{su}")):
            await mock.has(NM_PATH, NM, name, "o", returned, _END + ("ret = {}" if returned else ""))
        await mock.has(NM_PATH, NM, "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}", "oo", _VOLATILE)
        await mock.call(TEMPLATE, MOCK, "AddEthernetDevice", "ssi", "eth0", "eth0", 100)
        await mock.call(TEMPLATE, MOCK, "AddWiFiDevice", "ssi", "wlan0", "wlan0", 30)
        yield mock


@asynccontextmanager
async def modem_manager(bus: str) -> AsyncIterator[Mock]:
    """ModemManager with a modem whose SIM asks for its PIN, 1234, and has three tries."""
    async with mocked(bus, MM, "--template", "modemmanager") as mock:
        await mock.call(MM_PATH, MOCK, "AddSimpleModem")
        modem = f"{MM}.Modem"
        await mock.call(MODEM, MOCK, "AddProperty", "ssv", modem, "PrimaryPort", Variant("s", "cdc-wdm0"))
        await mock.update(MODEM, modem, UnlockRequired=Variant("u", 2), UnlockRetries=Variant("a{uu}", {2: 3}))
        await mock.call(SIM, MOCK, "AddProperty", "ssv", f"{MM}.Sim", "SimIdentifier", Variant("s", "8933150319"))
        error = f"dbus.exceptions.DBusException('no', name='{MM}.Error.MobileEquipment.IncorrectPassword')"
        await mock.has(SIM, f"{MM}.Sim", "SendPin", "s", "", f"if args[0] != '1234': raise {error}")
        yield mock


@asynccontextmanager
async def timesyncd(bus: str) -> AsyncIterator[Mock]:
    async with mocked(bus, TIME, TIME, TIME_PATH, f"{TIME}.Manager") as mock:
        manager = f"{TIME}.Manager"
        properties = {
            "RuntimeNTPServers": Variant("as", []),
            "FallbackNTPServers": Variant("as", ["0.debian.pool.ntp.org"]),
            "ServerName": Variant("s", "0.debian.pool.ntp.org"),
        }
        await mock.call(TIME_PATH, MOCK, "AddProperties", "sa{sv}", manager, properties)
        code = f"self.UpdateProperties('{manager}', {{'RuntimeNTPServers': dbus.Array(args[0], signature='s')}})"
        await mock.has(TIME_PATH, manager, "SetRuntimeNTPServers", "as", "", code)
        yield mock


class QuickClock:
    """A clock whose seconds pass as soon as everybody sleeps."""

    START = 1000.0

    def __init__(self) -> None:
        self.at = self.START

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.002)
        self.at += seconds


class Under:
    """The part under test, with what it wrote into the audit log."""

    def __init__(self, network: Network, clock: QuickClock) -> None:
        self.network, self.clock, self.audited = network, clock, list[tuple[str, dict[str, Any]]]()
        self.claimed: bool | None = True
        self.told_at: dict[str, float] = {}
        """Line of the audit log → the clock's time when it was written last."""

    async def ask(self, name: str, **arguments: Any) -> Any:
        return await self.network.calls()[f"network.{name}"]({"by": "web:camille", **arguments})

    def told(self) -> list[str]:
        return [str(what["network"]) for _, what in self.audited]


@asynccontextmanager
async def part(directory: Path, *, claimed: bool = True) -> AsyncIterator[Under]:
    """The part on a store of its own, running."""
    store = await Store.open(directory / "store.db", b"k" * 32)
    clock = QuickClock()

    async def audit(who: str, what: Mapping[str, Any]) -> None:
        under.audited.append((who, dict(what)))
        under.told_at[str(what.get("network"))] = clock.at

    network = Network(
        store,
        clock,
        claimed=lambda: under.claimed,
        audit=audit,
        port=lambda: 8443,
        request=directory / "ilot-access-point",
    )
    under = Under(network, clock)
    under.claimed = claimed
    task = asyncio.create_task(network.run())
    try:
        await asyncio.wait_for(network._own.load(), 30)
        yield under
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


async def until(true: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until it is true; a coroutine is awaited."""
    async with asyncio.timeout(seconds):
        while True:
            found = true()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)
