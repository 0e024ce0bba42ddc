"""Connections to Bluetooth LE devices: through a BlueZ adapter (bleak), or through an ESPHome proxy.

A connector opens one for the duration of a block. Failures raise NotReady; a characteristic that the device does not
have raises DecodeError `no-characteristic`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth.advert import service_key
from integrations.bluetooth.intake import Sighting

if TYPE_CHECKING:
    from aioesphomeapi.client import APIClient

CONNECT_S = 30.0
READ_S = 15.0
LEAVE_S = 10.0

Hear = Callable[[bytes], None]


class Connection(Protocol):
    """An open connection; `gone` is set when the device, or the radio, ends it."""

    gone: asyncio.Event

    async def read(self, service: str, characteristic: str) -> bytes: ...
    async def notify(self, service: str, characteristic: str, hear: Hear) -> None: ...


class Connector(Protocol):
    def connect(self, address: str, seen: Sighting) -> AbstractAsyncContextManager[Connection]: ...


class AdapterConnector:
    """Opens connections of one BlueZ adapter."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter

    @asynccontextmanager
    async def connect(self, address: str, seen: Sighting) -> AsyncIterator[Connection]:
        from bleak import BleakClient
        from bleak.backends.device import BLEDevice

        path = f"/org/bluez/{self._adapter}/dev_{address.replace(':', '_')}"
        device = BLEDevice(address, None, {"path": path, "props": {}})
        gone = asyncio.Event()
        client = BleakClient(device, disconnected_callback=lambda _: gone.set(), timeout=CONNECT_S)
        try:
            with explained():
                async with asyncio.timeout(CONNECT_S):
                    await client.connect()
            yield _ByAdapter(client, gone)
        finally:
            with suppress(hub.NotReady), explained():
                async with asyncio.timeout(LEAVE_S):
                    await client.disconnect()


class _ByAdapter:
    def __init__(self, client: Any, gone: asyncio.Event) -> None:
        self._client, self.gone = client, gone

    def _find(self, service: str, characteristic: str) -> Any:
        for one in self._client.services:
            for item in one.characteristics if service_key(one.uuid) == service else ():
                if service_key(item.uuid) == characteristic:
                    return item
        raise absent(service, characteristic)

    async def read(self, service: str, characteristic: str) -> bytes:
        with explained():
            async with asyncio.timeout(READ_S):
                return bytes(await self._client.read_gatt_char(self._find(service, characteristic)))

    async def notify(self, service: str, characteristic: str, hear: Hear) -> None:
        with explained():
            async with asyncio.timeout(READ_S):
                await self._client.start_notify(self._find(service, characteristic), lambda _, data: hear(bytes(data)))


class ProxyConnector:
    """Opens connections of one ESPHome proxy. `client()` returns its API connection, None while there is none."""

    def __init__(self, client: Callable[[], APIClient | None], features: Callable[[], int]) -> None:
        self._client, self._features = client, features

    @asynccontextmanager
    async def connect(self, address: str, seen: Sighting) -> AsyncIterator[Connection]:
        client = self._client()
        if client is None:
            raise hub.NotReady(phrase("bluetooth.proxy-away", "the proxy is away"))
        number, gone = int(address.replace(":", ""), 16), asyncio.Event()

        def changed(connected: bool, mtu: int, error: int) -> None:
            if not connected:
                gone.set()

        try:
            with explained():
                unsubscribe = await client.bluetooth_device_connect(
                    number, changed, timeout=CONNECT_S, feature_flags=self._features(), address_type=int(seen.random)
                )
                if gone.is_set():  # it answered with a refusal
                    unsubscribe()
                    raise hub.NotReady(
                        phrase("bluetooth.connection-refused", "the device did not let the proxy connect")
                    )
            try:
                with explained():
                    services = (await client.bluetooth_gatt_get_services(number)).services
                handles = {
                    (service_key(service.uuid), service_key(item.uuid)): item.handle
                    for service in services
                    for item in service.characteristics
                }
                yield _ByProxy(client, number, handles, gone)
            finally:
                unsubscribe()
        finally:
            with suppress(hub.NotReady), explained():
                async with asyncio.timeout(LEAVE_S):
                    await client.bluetooth_device_disconnect(number)


class _ByProxy:
    def __init__(
        self, client: APIClient, number: int, handles: dict[tuple[str, str], int], gone: asyncio.Event
    ) -> None:
        self._client, self._number, self._handles, self.gone = client, number, handles, gone

    def _handle(self, service: str, characteristic: str) -> int:
        handle = self._handles.get((service, characteristic))
        if handle is None:
            raise absent(service, characteristic)
        return handle

    async def read(self, service: str, characteristic: str) -> bytes:
        handle = self._handle(service, characteristic)
        with explained():
            return bytes(await self._client.bluetooth_gatt_read(self._number, handle, READ_S))

    async def notify(self, service: str, characteristic: str, hear: Hear) -> None:
        handle = self._handle(service, characteristic)
        with explained():
            await self._client.bluetooth_gatt_start_notify(
                self._number, handle, lambda _, data: hear(bytes(data)), READ_S
            )


def absent(service: str, characteristic: str) -> hub.DecodeError:
    return hub.DecodeError(
        "no-characteristic",
        phrase(
            "bluetooth.no-characteristic",
            "the device has no characteristic {characteristic} in {service}",
            characteristic=characteristic,
            service=service,
        ),
    )


@contextmanager
def explained() -> Iterator[None]:
    """Convert errors of bleak, D-Bus, aioesphomeapi and time-outs to NotReady."""
    try:
        yield
    except (hub.NotReady, hub.DecodeError):
        raise
    except TimeoutError as error:
        raise hub.NotReady(phrase("bluetooth.device-silent", "the device did not answer in time")) from error
    except Exception as error:
        if isinstance(error, OSError | EOFError) or type(error).__module__.partition(".")[0] in (
            "bleak",
            "aioesphomeapi",
        ):
            raise hub.NotReady(
                phrase("bluetooth.no-connection", "no connection: {reason}", reason=reason_of(error))
            ) from error
        raise
