"""A fake org.bluez: one adapter and its devices on a private dbus-daemon.

As much of BlueZ's D-Bus API (bluez/doc: org.bluez.Adapter, .Device, .AdvertisementMonitorManager) as a scanner
needs. Devices speak only while somebody scans; every signal carries the whole advertisement.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from dbus_fast import PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusDict, DBusInt16, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

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

    def __init__(self, sensor: Sensor, adapter: str, said: Advertisement) -> None:
        super().__init__("org.bluez.Device1")
        self._sensor = sensor
        self._adapter = adapter
        self._said = said

    def say(self, said: Advertisement, rssi: int) -> None:
        self._said = said
        changed: dict[str, Any] = {"RSSI": rssi}
        if said.service:
            changed["ServiceData"] = self.service_data
        if said.manufacturer:
            changed["ManufacturerData"] = self.manufacturer_data
        self.emit_properties_changed(changed)

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
        return self._sensor.rssi

    @dbus_property(READ, "Connected")
    def connected(self) -> DBusBool:
        return False

    @dbus_property(READ, "UUIDs")
    def uuids(self) -> Annotated[list[str], DBusSignature("as")]:
        return list(self._said.service)

    @dbus_property(READ, "ServiceData")
    def service_data(self) -> DBusDict:
        return {uuid: Variant("ay", data) for uuid, data in self._said.service.items()}

    @dbus_property(READ, "ManufacturerData")
    def manufacturer_data(self) -> Annotated[dict[int, Variant], DBusSignature("a{qv}")]:
        return {company: Variant("ay", data) for company, data in self._said.manufacturer.items()}


class Adapter(ServiceInterface):
    """org.bluez.Adapter1. `scanning` is set while a client discovers; `on` may be cleared."""

    def __init__(self, address: str) -> None:
        super().__init__("org.bluez.Adapter1")
        self._address = address
        self.on = True
        self.scanning = False

    @dbus_method("SetDiscoveryFilter")
    def set_discovery_filter(self, properties: DBusDict) -> Nothing:
        pass

    @dbus_method("StartDiscovery")
    def start_discovery(self) -> Nothing:
        self._scan(True)

    @dbus_method("StopDiscovery")
    def stop_discovery(self) -> Nothing:
        self._scan(False)

    def _scan(self, scanning: bool) -> None:
        self.scanning = scanning
        self.emit_properties_changed({"Discovering": scanning})

    @dbus_property(READ, "Address")
    def address(self) -> DBusStr:
        return self._address

    @dbus_property(READ, "Powered")
    def powered(self) -> DBusBool:
        return self.on

    @dbus_property(READ, "Discovering")
    def discovering(self) -> DBusBool:
        return self.scanning

    @dbus_property(READ, "Roles")
    def roles(self) -> Annotated[list[str], DBusSignature("as")]:
        return ["central"]


class Monitors(ServiceInterface):
    """org.bluez.AdvertisementMonitorManager1: passive scanning. What a monitor asks for is not looked at."""

    def __init__(self) -> None:
        super().__init__("org.bluez.AdvertisementMonitorManager1")
        self.registered: set[str] = set()

    @dbus_method("RegisterMonitor")
    def register_monitor(self, application: DBusObjectPath) -> Nothing:
        self.registered.add(application)

    @dbus_method("UnregisterMonitor")
    def unregister_monitor(self, application: DBusObjectPath) -> Nothing:
        self.registered.discard(application)


class FakeBluez:
    """The service on one bus. `speak` lets every sensor advertise once, if anybody scans."""

    def __init__(self, bus: MessageBus, sensors: Iterable[Sensor], adapter: str) -> None:
        self._bus = bus
        self._sensors = list(sensors)
        self._path = f"/org/bluez/{adapter}"
        self._devices: dict[str, Device] = {}
        self.adapter = Adapter("00:1A:7D:DA:71:13")
        self.monitors = Monitors()

    async def start(self) -> None:
        self.plug()
        await self._bus.request_name("org.bluez")

    def plug(self) -> None:
        self._bus.export(self._path, self.adapter)
        self._bus.export(self._path, self.monitors)

    def unplug(self) -> None:
        self.adapter.scanning = False
        self._bus.unexport(self._path)

    @property
    def heard(self) -> bool:
        return self.adapter.scanning or bool(self.monitors.registered)

    def speak(self) -> None:
        if self.heard:
            for sensor in self._sensors:
                self.say(sensor, sensor.advertise())

    def say(self, sensor: Sensor, said: Advertisement) -> None:
        """One advertisement on the air, whoever made it."""
        device = self._devices.get(sensor.address)
        if device is None:
            device = self._devices[sensor.address] = Device(sensor, self._path, said)
            self._bus.export(f"{self._path}/dev_{sensor.address.replace(':', '_')}", device)
        else:
            device.say(said, sensor.rssi)

    async def run(self, interval: float) -> None:
        """Speak every `interval` seconds, until cancelled."""
        while True:
            self.speak()
            await asyncio.sleep(interval)


@asynccontextmanager
async def private_bus() -> AsyncIterator[str]:
    """A dbus-daemon of our own; its address, for DBUS_SYSTEM_BUS_ADDRESS. Gone, with its files, at the end."""
    with tempfile.TemporaryDirectory(prefix="ilot-bus-") as directory:
        path, config = Path(directory, "bus"), Path(directory, "bus.conf")
        await asyncio.to_thread(config.write_text, BUS_CONFIG.format(path=path))
        daemon = await asyncio.create_subprocess_exec(
            DBUS_DAEMON, f"--config-file={config}", "--nofork", "--print-address=1",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
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
async def fake_bluez(sensors: Iterable[Sensor], bus_address: str, adapter: str = "hci0") -> AsyncIterator[FakeBluez]:
    """The service, answering on that bus for as long as the block lasts."""
    bus = await MessageBus(bus_address=bus_address).connect()
    try:
        service = FakeBluez(bus, sensors, adapter)
        await service.start()
        yield service
    finally:
        bus.disconnect()
