"""A fake org.bluez: adapters and the devices they hear on a private dbus-daemon.

Implements as much of BlueZ's D-Bus API (bluez/doc: org.bluez.Adapter, .Device, .AdvertisementMonitorManager) as a
scanner needs; connections are in `gatt`. Devices send only while somebody scans; every signal carries the whole
advertisement. Adapters can be plugged in, pulled out, switched off and on, and go deaf until they are switched off and
on.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from dbus_fast import DBusError, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusInt16, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from integrations.bluetooth.sim.gatt import Link
from integrations.bluetooth.sim.sensors import Advertisement, Sensor

DBUS_DAEMON = "dbus-daemon"
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

READ = PropertyAccess.READ
Nothing = Annotated[None, DBusSignature("")]


class Device(ServiceInterface):
    """org.bluez.Device1: a sensor as BlueZ shows it."""

    def __init__(self, sensor: Sensor, adapter: str, link: Link, said: Advertisement, rssi: int) -> None:
        super().__init__("org.bluez.Device1")
        self.link = link
        self._sensor = sensor
        self._adapter = adapter
        self._said = said
        self._rssi = rssi

    def say(self, said: Advertisement, rssi: int) -> None:
        self._said, self._rssi = said, rssi
        changed = {"RSSI": Variant("n", rssi)}
        if said.service:
            changed["ServiceData"] = Variant("a{sv}", self._service_data())
        if said.manufacturer:
            changed["ManufacturerData"] = Variant("a{qv}", self._manufacturer_data())
        # ten times as fast as emit_properties_changed: there may be many devices
        self.link.signal("sa{sv}as", ["org.bluez.Device1", changed, []])

    def _service_data(self) -> dict[str, Variant]:
        return {uuid: Variant("ay", data) for uuid, data in self._said.service.items()}

    def _manufacturer_data(self) -> dict[int, Variant]:
        return {company: Variant("ay", data) for company, data in self._said.manufacturer.items()}

    @dbus_method("Connect")
    async def connect(self) -> Nothing:
        await self.link.connect()
        self.emit_properties_changed({"Connected": True})
        self.emit_properties_changed({"ServicesResolved": True})

    @dbus_method("Disconnect")
    def disconnect(self) -> Nothing:
        self.drop()

    def drop(self) -> None:
        """End the connection, whoever opened it."""
        if self.link.up:
            self.link.disconnect()
            self.emit_properties_changed({"Connected": False, "ServicesResolved": False})

    @dbus_property(READ, "ServicesResolved")
    def services_resolved(self) -> DBusBool:
        return self.link.up

    @dbus_property(READ, "Address")
    def address(self) -> DBusStr:
        return self._sensor.address

    @dbus_property(READ, "AddressType")
    def address_type(self) -> DBusStr:
        return "random" if self._sensor.random_address else "public"

    @dbus_property(READ, "Name")
    def name(self) -> DBusStr:
        return self._sensor.name

    @dbus_property(READ, "Alias")
    def alias(self) -> DBusStr:
        return self._sensor.name

    @dbus_property(READ, "Adapter")
    def adapter(self) -> DBusObjectPath:
        return self._adapter

    @dbus_property(READ, "RSSI")
    def rssi(self) -> DBusInt16:
        return self._rssi

    @dbus_property(READ, "Connected")
    def connected(self) -> DBusBool:
        return self.link.up

    @dbus_property(READ, "UUIDs")
    def uuids(self) -> Annotated[list[str], DBusSignature("as")]:
        return list(self._said.service)

    @dbus_property(READ, "ServiceData")
    def service_data(self) -> DBusDict:
        return self._service_data()

    @dbus_property(READ, "ManufacturerData")
    def manufacturer_data(self) -> Annotated[dict[int, Variant], DBusSignature("a{qv}")]:
        return self._manufacturer_data()


class Adapter(ServiceInterface):
    """org.bluez.Adapter1. `scanning` is set while a client discovers; `on` may be cleared; `switched` counts how often
    it was switched off."""

    def __init__(self, address: str, listened: asyncio.Event) -> None:
        super().__init__("org.bluez.Adapter1")
        self._address = address
        self._listened = listened
        self.on = True
        self.scanning = False
        self.deaf = False
        self.switched = 0

    def switch(self, on: bool) -> None:
        """Switch it off or on, as rfkill or a person would."""
        if on != self.on:
            self.on = on
            self.switched += not on
            self.deaf &= not on
            self.scanning &= on
            self.emit_properties_changed({"Powered": on, "Discovering": self.scanning})

    @dbus_method("SetDiscoveryFilter")
    def set_discovery_filter(self, properties: DBusDict) -> Nothing:
        pass

    @dbus_method("StartDiscovery")
    def start_discovery(self) -> Nothing:
        if not self.on:
            raise DBusError("org.bluez.Error.NotReady", "Resource Not Ready")
        self._scan(True)
        self._listened.set()

    @dbus_method("StopDiscovery")
    def stop_discovery(self) -> Nothing:
        self._scan(False)

    @dbus_method("RemoveDevice")
    def remove_device(self, device: DBusObjectPath) -> Nothing:
        pass

    def _scan(self, scanning: bool) -> None:
        self.scanning = scanning
        self.emit_properties_changed({"Discovering": scanning})

    @dbus_property(READ, "Address")
    def address(self) -> DBusStr:
        return self._address

    @dbus_property(PropertyAccess.READWRITE, "Powered")
    def powered(self) -> DBusBool:
        return self.on

    @powered.setter
    def set_powered(self, on: DBusBool) -> None:
        self.switch(on)

    @dbus_property(READ, "Discovering")
    def discovering(self) -> DBusBool:
        return self.scanning

    @dbus_property(READ, "Roles")
    def roles(self) -> Annotated[list[str], DBusSignature("as")]:
        return ["central"]


class Monitors(ServiceInterface):
    """org.bluez.AdvertisementMonitorManager1: passive scanning. The patterns of a monitor are ignored."""

    def __init__(self, listened: asyncio.Event) -> None:
        super().__init__("org.bluez.AdvertisementMonitorManager1")
        self.registered: set[str] = set()
        self._listened = listened

    @dbus_method("RegisterMonitor")
    def register_monitor(self, application: DBusObjectPath) -> Nothing:
        self.registered.add(application)
        self._listened.set()

    @dbus_method("UnregisterMonitor")
    def unregister_monitor(self, application: DBusObjectPath) -> Nothing:
        self.registered.discard(application)


class Radio:
    """An adapter on the bus, with the devices it hears. `passive`: whether it may scan passively."""

    def __init__(self, bus: MessageBus, name: str, listened: asyncio.Event, *, passive: bool) -> None:
        self.name = name
        self.adapter = Adapter(f"00:1A:7D:DA:71:{0x13 + int(name[3:]):02X}", listened)
        self.monitors = Monitors(listened)
        self._bus = bus
        self._passive = passive
        self._path = f"/org/bluez/{name}"
        self._devices: dict[str, Device] = {}

    def plug(self) -> None:
        self._bus.export(self._path, self.adapter)
        if self._passive:
            self._bus.export(self._path, self.monitors)

    def unplug(self) -> None:
        self.adapter.scanning = False
        self.monitors.registered.clear()
        for address in self._devices:
            self._bus.unexport(self.path_of(address))
        self._devices.clear()
        self._bus.unexport(self._path)

    @property
    def heard(self) -> bool:
        return self.adapter.on and (self.adapter.scanning or bool(self.monitors.registered))

    def device(self, address: str) -> Device:
        return self._devices[address]

    @property
    def connected(self) -> int:
        """Return the number of its open connections."""
        return sum(device.link.up for device in self._devices.values())

    def path_of(self, address: str) -> str:
        return f"{self._path}/dev_{address.replace(':', '_')}"

    def hear(self, sensor: Sensor, said: Advertisement, rssi: int) -> None:
        if not self.heard or self.adapter.deaf:
            return
        device = self._devices.get(sensor.address)
        if device is None:
            path = self.path_of(sensor.address)
            link = Link(self._bus, path, sensor.peripheral)
            device = self._devices[sensor.address] = Device(sensor, self._path, link, said, rssi)
            self._bus.export(path, device)
        else:
            device.say(said, rssi)


class FakeBluez:
    """The service on one bus. `speak` makes every sensor advertise once, to whoever scans."""

    def __init__(self, bus: MessageBus, sensors: Iterable[Sensor], adapters: Iterable[str], *, passive: bool) -> None:
        self._bus = bus
        self._passive = passive
        self._sensors = list(sensors)
        self.listened = asyncio.Event()
        """Set as soon as anybody has listened."""
        self.radios = {name: Radio(bus, name, self.listened, passive=passive) for name in adapters}

    async def start(self) -> None:
        for radio in self.radios.values():
            radio.plug()
        await self._bus.request_name("org.bluez")

    def plug(self, name: str = "hci0") -> Radio:
        radio = self.radios[name] = Radio(self._bus, name, self.listened, passive=self._passive)
        radio.plug()
        return radio

    def unplug(self, name: str = "hci0") -> None:
        self.radios.pop(name).unplug()

    @property
    def adapter(self) -> Adapter:
        return self.radios["hci0"].adapter

    @property
    def heard(self) -> bool:
        return any(radio.heard for radio in self.radios.values())

    def speak(self) -> None:
        if self.heard:
            for sensor in self._sensors:
                self.say(sensor, sensor.advertise())

    def say(self, sensor: Sensor, said: Advertisement, rssi: Mapping[str, int] | None = None) -> None:
        """Send one advertisement. `rssi`: adapters that hear it, with their signal; by default all do."""
        loud = dict.fromkeys(self.radios, sensor.rssi) if rssi is None else rssi
        for name, level in loud.items():
            if name in self.radios:
                self.radios[name].hear(sensor, said, level)

    async def run(self, interval: float) -> None:
        """Advertise every `interval` seconds, until cancelled."""
        while True:
            self.speak()
            await asyncio.sleep(interval)


@asynccontextmanager
async def private_bus() -> AsyncIterator[str]:
    """Start a private dbus-daemon; yields its address, for DBUS_SYSTEM_BUS_ADDRESS. It and its files are removed at the
    end."""
    with tempfile.TemporaryDirectory(prefix="ilot-bus-") as directory:
        path, config = Path(directory, "bus"), Path(directory, "bus.conf")
        await asyncio.to_thread(config.write_text, BUS_CONFIG.format(path=path))
        daemon = await asyncio.create_subprocess_exec(
            DBUS_DAEMON,
            f"--config-file={config}",
            "--nofork",
            "--print-address=1",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            if daemon.stdout is None or not await daemon.stdout.readline():
                _, complaint = await daemon.communicate()
                raise RuntimeError(f"{DBUS_DAEMON} did not start: {complaint.decode(errors='replace').strip()}")
            yield f"unix:path={path}"
        finally:
            with suppress(ProcessLookupError):
                daemon.terminate()
            await daemon.wait()


@asynccontextmanager
async def fake_bluez(
    sensors: Iterable[Sensor], bus_address: str, adapters: Iterable[str] = ("hci0",), *, passive: bool = True
) -> AsyncIterator[FakeBluez]:
    """Run the service on that bus for the duration of the block."""
    bus = await MessageBus(bus_address=bus_address).connect()
    try:
        service = FakeBluez(bus, sensors, adapters, passive=passive)
        await service.start()
        yield service
    finally:
        bus.disconnect()
