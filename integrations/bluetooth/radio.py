"""Bluetooth adapters through BlueZ: lists them, and scans with one of them.

BlueZ is reached over the system D-Bus, at `DBUS_SYSTEM_BUS_ADDRESS` when the environment names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Literal, NamedTuple

from bleak import BleakScanner
from bleak.args.bluez import OrPattern, OrPatternLike
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth.intake import Heard

ADAPTER = "org.bluez.Adapter1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"
ANSWER_S = 20.0
ADAPTERS = 16
"""Maximum adapters whose arrival and removal is signalled at once; others are found at the next check."""

PATTERNS: list[OrPatternLike] = [
    *(OrPattern(0, AdvertisementDataType.FLAGS, bytes([flags])) for flags in (0x02, 0x04, 0x05, 0x06, 0x1A)),
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc"),  # BTHome v2
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xaa\xfe"),  # Eddystone
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\x1a\x18"),  # Environmental Sensing
    OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\x99\x04"),  # Ruuvi
]
"""Patterns for passive scanning, which BlueZ requires. Nearly every device sends its flags (Core Specification
Supplement, part A §1.3); supported sensors that do not are listed."""

DENIED = ("org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.AuthFailed")
ABSENT = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")
GROUP = phrase(
    "bluetooth.user-not-allowed",
    "the user this hub runs as may not use BlueZ: add it to the group bluetooth, then restart the hub",
)


class Adapter(NamedTuple):
    """A Bluetooth controller as BlueZ describes it."""

    name: str  # "hci0"
    address: str
    powered: bool
    central: bool  # it can scan
    discovering: bool


@contextmanager
def explained() -> Iterator[None]:
    """Convert errors of BlueZ, D-Bus and bleak to NotReady, or to AuthFailed for missing rights."""
    try:
        yield
    except AuthError as error:
        raise hub.AuthFailed(GROUP) from error
    except BleakDBusError as error:
        raise _refusal(error.dbus_error, error.dbus_error_details or "") from error
    except BleakBluetoothNotAvailableError as error:
        raise hub.NotReady(
            phrase("bluetooth.bluetooth-not-available", "Bluetooth is not available: {reason}", reason=error.args[0])
        ) from error
    except BleakError as error:
        raise hub.NotReady(
            phrase("bluetooth.bluez-cannot-scan", "BlueZ cannot scan: {reason}", reason=reason_of(error))
        ) from error
    except (OSError, EOFError, InvalidAddressError) as error:
        raise hub.NotReady(
            phrase(
                "bluetooth.dbus-silent",
                "the system D-Bus does not answer ({reason}): is it running here?",
                reason=reason_of(error),
            )
        ) from error


def _refusal(name: str, details: str) -> Exception:
    if name in DENIED:
        return hub.AuthFailed(GROUP)
    if name in ABSENT:
        return hub.NotReady(
            phrase(
                "bluetooth.bluez-not-running",
                "BlueZ is not running: is the service bluetooth installed and started?",
            )
        )
    return hub.NotReady(phrase("bluetooth.bluez-refuses", "BlueZ refuses: {reason}", reason=details or name))


class BlueZ:
    """A connection to the system bus, for what bleak does not offer: the list of adapters and its changes. `changed` is
    set when an adapter is added, removed, or switched on or off."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def connected(cls) -> AsyncIterator[BlueZ]:
        """Connect to the bus. Raises NotReady, AuthFailed."""
        with explained():
            bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            with explained():
                await bus.connect()
            yield cls(bus)
        finally:
            bus.disconnect()

    async def watch(self) -> None:
        """Make `changed` follow the adapters. Raises NotReady, AuthFailed."""
        self._bus.add_message_handler(self._heed)
        signals = [
            f"interface='{PROPERTIES}',member='PropertiesChanged',arg0='{ADAPTER}'",
            "sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.bluez'",
            # by name, so that this connection gets no signal for each new device
            *(f"interface='{OBJECTS}',arg0path='/org/bluez/hci{number}'" for number in range(ADAPTERS)),
        ]
        for rule in signals:
            await self._call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", rule)

    def _heed(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self.changed.set()

    async def adapters(self) -> list[Adapter]:
        """Return the adapters that BlueZ knows, by name. Raises NotReady, AuthFailed."""
        objects = await self._call("org.bluez", "/", OBJECTS, "GetManagedObjects")
        return sorted(
            _adapter(path, interfaces[ADAPTER]) for path, interfaces in objects.items() if ADAPTER in interfaces
        )

    async def power(self, adapter: str, on: bool) -> None:
        """Switch an adapter on or off. Raises NotReady, AuthFailed."""
        await self._call(
            "org.bluez",
            f"/org/bluez/{adapter}",
            PROPERTIES,
            "Set",
            ADAPTER,
            "Powered",
            Variant("b", on),
            signature="ssv",
        )

    async def _call(
        self, destination: str, path: str, interface: str, member: str, *body: Any, signature: str = ""
    ) -> Any:
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature or "s" * len(body),
            body=list(body),
        )
        with explained():
            async with _time_limit():
                reply = await self._bus.call(message)
        if reply.message_type is MessageType.ERROR:
            raise _refusal(reply.error_name or "", str(reply.body[0]) if reply.body else "")
        return reply.body[0] if reply.body else None


def _adapter(path: str, properties: dict[str, Any]) -> Adapter:
    def value(name: str, default: Any) -> Any:
        return properties[name].value if name in properties else default

    return Adapter(
        name=path.rsplit("/", 1)[-1],
        address=value("Address", ""),
        powered=value("Powered", False),
        central="central" in value("Roles", ["central"]),  # absent before BlueZ 5.56
        discovering=value("Discovering", False),
    )


def usable(wanted: Sequence[str], present: Sequence[Adapter]) -> list[str]:
    """Return the names of the adapters that can scan now, of the wanted ones, or of all."""
    able = [adapter.name for adapter in present if adapter.central and adapter.powered]
    return [name for name in able if not wanted or name in wanted]


def complaint(wanted: Sequence[str], present: Sequence[Adapter]) -> str:
    """Return why a wanted adapter cannot scan, or why none can; "" when nothing is wrong."""
    if not present:
        return phrase("bluetooth.no-adapter", "no Bluetooth adapter is plugged in")
    by_name = {adapter.name: adapter for adapter in present}
    for name in wanted:
        adapter = by_name.get(name)
        if adapter is None:
            return phrase(
                "bluetooth.adapter-missing",
                "no Bluetooth adapter {adapter}; here are: {adapters}",
                adapter=name,
                adapters=list(by_name),
            )
        if not adapter.central:
            return phrase(
                "bluetooth.adapter-cannot-scan",
                "the Bluetooth adapter {adapter} cannot scan for Bluetooth LE",
                adapter=name,
            )
        if not adapter.powered:
            return phrase(
                "bluetooth.adapter-off",
                "the Bluetooth adapter {adapter} is off: bluetoothctl power on, rfkill unblock bluetooth",
                adapter=name,
            )
    if not usable(wanted, present):
        return phrase(
            "bluetooth.no-adapter-able",
            "no Bluetooth adapter is on and able to scan: {adapters}",
            adapters=list(by_name),
        )
    return ""


@asynccontextmanager
async def scanning(
    adapter: str, mode: Literal["active", "passive"], hear: Callable[[Heard], None]
) -> AsyncIterator[None]:
    """Scan with one adapter for the duration of the block; each advertisement is passed to `hear`."""

    def detected(device: BLEDevice, advertisement: AdvertisementData) -> None:
        properties = device.details.get("props", {})
        hear(
            Heard(
                device.address,
                advertisement.manufacturer_data,
                advertisement.service_data,
                advertisement.local_name or "",
                advertisement.rssi if advertisement.rssi != -127 else None,  # bleak's value for "unknown"
                adapter,
                properties.get("AddressType") == "random",
                uuids=advertisement.service_uuids,
            )
        )

    with explained():
        if mode == "passive":
            scanner = BleakScanner(detected, scanning_mode=mode, bluez={"adapter": adapter, "or_patterns": PATTERNS})
        else:
            scanner = BleakScanner(detected, scanning_mode=mode, bluez={"adapter": adapter})
        async with _time_limit():
            await scanner.start()
    try:
        yield
    finally:
        await _stop(scanner)


async def _stop(scanner: BleakScanner) -> None:
    # the adapter, BlueZ or the bus may be gone already: nothing is left to stop
    with suppress(BleakError, OSError, EOFError, AssertionError, hub.NotReady):
        async with _time_limit():
            await scanner.stop()


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    """Limit the time of a call: a hanging bluetoothd does not answer, and D-Bus waits for ever."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except TimeoutError:
        raise hub.NotReady(
            phrase(
                "bluetooth.bluez-silent",
                "BlueZ has not answered for {seconds:.0f} s: systemctl restart bluetooth",
                seconds=ANSWER_S,
            )
        ) from None
