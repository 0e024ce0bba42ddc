"""Bluetooth adapters through BlueZ: which are there, and scanning with one of them. All the I/O of this integration.

BlueZ is reached over the system D-Bus, at `DBUS_SYSTEM_BUS_ADDRESS` when the environment names it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Literal, NamedTuple

from bleak import BleakScanner
from bleak.args.bluez import OrPattern, OrPatternLike
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError

import hub
from integrations.bluetooth.intake import Heard

ADAPTER = "org.bluez.Adapter1"
PATTERNS: list[OrPatternLike] = [
    OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, b"\xd2\xfc"),  # BTHome v2
    OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\x99\x04"),  # Ruuvi
]
"""What BlueZ lets through when it scans passively: it demands a list."""

DENIED = ("org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.AuthFailed")
ABSENT = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")
GROUP = "the user this hub runs as may not use BlueZ: add it to the group bluetooth, then restart the hub"


class Adapter(NamedTuple):
    """One Bluetooth controller as BlueZ describes it."""

    name: str  # "hci0"
    address: str
    powered: bool
    central: bool  # it can scan
    discovering: bool


@contextmanager
def explained() -> Iterator[None]:
    """Errors of BlueZ, D-Bus and bleak, as what must be done about them: NotReady, or AuthFailed for rights."""
    try:
        yield
    except AuthError as error:
        raise hub.AuthFailed(GROUP) from error
    except BleakDBusError as error:
        raise _refusal(error.dbus_error, error.dbus_error_details or "") from error
    except BleakBluetoothNotAvailableError as error:
        raise hub.NotReady(f"Bluetooth is not available: {error.args[0]}") from error
    except BleakError as error:
        raise hub.NotReady(f"BlueZ cannot scan: {error}") from error
    except (OSError, EOFError, InvalidAddressError) as error:
        raise hub.NotReady(f"the system D-Bus does not answer ({error}): is it running here?") from error


def _refusal(name: str, details: str) -> Exception:
    if name in DENIED:
        return hub.AuthFailed(GROUP)
    if name in ABSENT:
        return hub.NotReady("BlueZ is not running: is the service bluetooth installed and started?")
    return hub.NotReady(f"BlueZ refuses: {details or name}")


async def adapters() -> list[Adapter]:
    """The adapters that BlueZ knows, by name. Raises NotReady, AuthFailed."""
    with explained():
        bus = MessageBus(bus_type=BusType.SYSTEM)
        try:
            await bus.connect()
            reply = await bus.call(
                Message(
                    destination="org.bluez",
                    path="/",
                    interface="org.freedesktop.DBus.ObjectManager",
                    member="GetManagedObjects",
                )
            )
        finally:
            bus.disconnect()
    if reply.message_type is MessageType.ERROR:
        raise _refusal(reply.error_name or "", str(reply.body[0]) if reply.body else "")
    found = (_adapter(path, interfaces[ADAPTER]) for path, interfaces in reply.body[0].items() if ADAPTER in interfaces)
    return sorted(found)


def _adapter(path: str, properties: dict[str, Any]) -> Adapter:
    def value(name: str, default: Any) -> Any:
        return properties[name].value if name in properties else default

    return Adapter(
        name=path.rsplit("/", 1)[-1],
        address=value("Address", ""),
        powered=value("Powered", False),
        central="central" in value("Roles", ["central"]),  # BlueZ before 5.56 does not say
        discovering=value("Discovering", False),
    )


def choose(wanted: Sequence[str], present: Sequence[Adapter]) -> list[str]:
    """The names to scan with: the wanted ones, or every one that can. Raises NotReady that says what is missing."""
    if not present:
        raise hub.NotReady("no Bluetooth adapter is plugged in")
    by_name = {adapter.name: adapter for adapter in present}
    for name in wanted:
        adapter = by_name.get(name)
        if adapter is None:
            raise hub.NotReady(f"no Bluetooth adapter {name}; here are: {', '.join(by_name)}")
        if not adapter.central:
            raise hub.NotReady(f"the Bluetooth adapter {name} cannot scan for Bluetooth LE")
        if not adapter.powered:
            raise hub.NotReady(f"the Bluetooth adapter {name} is off: bluetoothctl power on, rfkill unblock bluetooth")
    usable = list(wanted) or [adapter.name for adapter in present if adapter.central and adapter.powered]
    if not usable:
        raise hub.NotReady(f"no Bluetooth adapter is on and able to scan: {', '.join(by_name)}")
    return usable


@asynccontextmanager
async def scanning(
    adapter: str, mode: Literal["active", "passive"], hear: Callable[[Heard], None]
) -> AsyncIterator[None]:
    """Scan with one adapter for as long as the block lasts; each advertisement goes to `hear`."""

    def detected(device: BLEDevice, advertisement: AdvertisementData) -> None:
        properties = device.details.get("props", {})
        hear(
            Heard(
                device.address,
                advertisement.manufacturer_data,
                advertisement.service_data,
                advertisement.local_name or "",
                advertisement.rssi if advertisement.rssi != -127 else None,  # bleak's word for "unknown"
                adapter,
                properties.get("AddressType") == "random",
            )
        )

    with explained():
        if mode == "passive":
            scanner = BleakScanner(detected, scanning_mode=mode, bluez={"adapter": adapter, "or_patterns": PATTERNS})
        else:
            scanner = BleakScanner(detected, scanning_mode=mode, bluez={"adapter": adapter})
        await scanner.start()
    try:
        yield
    finally:
        await _stop(scanner)


async def _stop(scanner: BleakScanner) -> None:
    # the adapter, BlueZ or the bus may have gone first: then nothing is left to stop
    with suppress(BleakError, OSError, EOFError, AssertionError):
        await scanner.stop()
