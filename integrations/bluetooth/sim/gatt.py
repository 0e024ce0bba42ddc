"""The GATT side of a fake org.bluez: devices that accept connections, reads and subscriptions.

Implements as much of BlueZ's D-Bus API (bluez/doc: org.bluez.Device, .GattService, .GattCharacteristic) as a client
needs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

from dbus_fast import DBusError, Message, PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusBytes, DBusDict, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

READ = PropertyAccess.READ
Nothing = Annotated[None, DBusSignature("")]


@dataclass
class Peripheral:
    """Answers of a device: (service, characteristic), whole UUIDs, → value. `absent`: it accepts no connection;
    `stuck`: it never answers a connection."""

    values: dict[tuple[str, str], bytes]
    absent: bool = False
    stuck: bool = False
    connections: int = 0
    reads: list[str] = field(default_factory=list)


class Service(ServiceInterface):
    """org.bluez.GattService1."""

    def __init__(self, device: str, uuid: str) -> None:
        super().__init__("org.bluez.GattService1")
        self._device, self._uuid = device, uuid

    @dbus_property(READ, "UUID")
    def uuid(self) -> DBusStr:
        return self._uuid

    @dbus_property(READ, "Device")
    def device(self) -> DBusObjectPath:
        return self._device

    @dbus_property(READ, "Primary")
    def primary(self) -> DBusBool:
        return True


class Characteristic(ServiceInterface):
    """org.bluez.GattCharacteristic1."""

    def __init__(self, service: str, peripheral: Peripheral, key: tuple[str, str]) -> None:
        super().__init__("org.bluez.GattCharacteristic1")
        self._service, self._peripheral, self._key = service, peripheral, key
        self.notifies = False

    def say(self, value: bytes) -> None:
        """Send a notification, if notifications are enabled."""
        self._peripheral.values[self._key] = value
        if self.notifies:
            self.emit_properties_changed({"Value": value})

    @dbus_method("ReadValue")
    def read_value(self, options: DBusDict) -> DBusBytes:
        self._peripheral.reads.append(self._key[1])
        return self._peripheral.values[self._key]

    @dbus_method("StartNotify")
    def start_notify(self) -> Nothing:
        self.notifies = True

    @dbus_method("StopNotify")
    def stop_notify(self) -> Nothing:
        self.notifies = False

    @dbus_property(READ, "UUID")
    def uuid(self) -> DBusStr:
        return self._key[1]

    @dbus_property(READ, "Service")
    def service(self) -> DBusObjectPath:
        return self._service

    @dbus_property(READ, "Value")
    def value(self) -> DBusBytes:
        return self._peripheral.values[self._key]

    @dbus_property(READ, "Flags")
    def flags(self) -> Annotated[list[str], DBusSignature("as")]:
        return ["read", "notify"]


class Link:
    """The connection to one device, as BlueZ has it: its services are on the bus while it is open."""

    def __init__(self, bus: MessageBus, path: str, peripheral: Peripheral | None) -> None:
        self._bus, self._path, self._peripheral = bus, path, peripheral
        self.characteristics: dict[tuple[str, str], Characteristic] = {}
        self._exported: list[str] = []
        self.up = False

    def signal(self, signature: str, body: list[Any]) -> None:
        """Emit PropertiesChanged of the device."""
        properties = "org.freedesktop.DBus.Properties"
        self._bus.send(Message.new_signal(self._path, properties, "PropertiesChanged", signature, body))

    async def connect(self) -> None:
        """Connect. Raises DBusError, as BlueZ does."""
        peripheral = self._peripheral
        if peripheral is None or peripheral.absent:
            raise DBusError("org.bluez.Error.Failed", "le-connection-abort-by-peer")
        if peripheral.stuck:
            await asyncio.Event().wait()
        peripheral.connections += 1
        self.up = True
        services: dict[str, str] = {}
        for number, key in enumerate(peripheral.values, 1):
            service = services.get(key[0])
            if service is None:
                service = services[key[0]] = f"{self._path}/service{number * 16:04x}"
                self._export(service, Service(self._path, key[0]))
            self.characteristics[key] = Characteristic(service, peripheral, key)
            self._export(f"{service}/char{number * 16 + 1:04x}", self.characteristics[key])

    def disconnect(self) -> None:
        for path in reversed(self._exported):
            self._bus.unexport(path)
        self._exported.clear()
        self.characteristics.clear()
        self.up = False

    def _export(self, path: str, interface: Any) -> None:
        self._bus.export(path, interface)
        self._exported.append(path)
