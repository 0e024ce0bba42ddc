"""Advertising data as a controller passes it on: bumble's host and virtual controllers at both ends.

bumble builds the advertising data and reports it through HCI; what we make of the reported bytes must be what it put
in, by way of the very intake that a proxy's raw advertisements take.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Device
from bumble.hci import Address, OwnAddressType
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

import hub
from integrations.bluetooth import bthome, ruuvi
from integrations.bluetooth.intake import Heard, Intake

# bthome.io/format, the example of a whole advertisement; docs.ruuvi.com, data format 5, test vector "valid data"
CLEAR = bytes.fromhex("400009016102C40903BF13")
RUUVI = bytes.fromhex("0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F")
LONG = UUID("f000aa00-0451-4000-b000-000000000000")


class Air:
    """Two hosts, each with a controller, in one room."""

    def __init__(self, address: str, kind: int) -> None:
        link = LocalLink()
        self.devices = []
        for name, at in (("speaker", Address(address, kind)), ("hearer", Address("F0:F1:F2:F3:F4:F5"))):
            controller = Controller(name, link=link)
            device = Device(name, address=at, host=Host(controller, AsyncPipeSink(controller)))
            self.devices.append(device)
        self.said: asyncio.Queue[Advertisement] = asyncio.Queue()
        self.lost: list[str] = []
        self.intake = Intake(
            own=lambda device: False,
            count=lambda reason, device: self.lost.append(reason),
            clock=asyncio.get_running_loop().time,
            limit=64,
            repeat=60.0,
        )

    @asynccontextmanager
    async def speaking(self, data: AdvertisingData) -> AsyncIterator[None]:
        speaker, hearer = self.devices
        for device in self.devices:
            await device.power_on()
        hearer.on("advertisement", self.heard)
        public = speaker.random_address.address_type == Address.PUBLIC_DEVICE_ADDRESS
        await hearer.start_scanning(filter_duplicates=False)
        await speaker.start_advertising(
            advertising_data=bytes(data),
            own_address_type=OwnAddressType.PUBLIC if public else OwnAddressType.RANDOM,
            advertising_interval_min=20,
            advertising_interval_max=20,
        )
        try:
            yield
        finally:
            await speaker.stop_advertising()
            await hearer.stop_scanning()
            for device in self.devices:
                await device.power_off()

    def heard(self, said: Advertisement) -> None:
        random = said.address.address_type == Address.RANDOM_DEVICE_ADDRESS
        self.intake.hear(
            Heard(str(said.address).partition("/")[0], rssi=said.rssi, source="hci", random=random, raw=said.data_bytes)
        )

    async def frame(self) -> hub.Frame:
        async with asyncio.timeout(60):
            return await self.intake.take()


FLAGS = (AdvertisingData.FLAGS, b"\x06")


async def test_service_data_of_sixteen_bits_and_a_name() -> None:
    air = Air("C4:C1:38:01:02:03", Address.RANDOM_DEVICE_ADDRESS)
    name = (AdvertisingData.COMPLETE_LOCAL_NAME, b"SBHT-003C")
    service = (AdvertisingData.SERVICE_DATA_16_BIT_UUID, b"\xd2\xfc" + CLEAR)
    async with air.speaking(AdvertisingData([FLAGS, name, service])):
        frame = await air.frame()
    assert (frame.address, frame.name) == ("C4:C1:38:01:02:03", "SBHT-003C")
    decoded = bthome.decode(frame, lambda device: None)
    assert isinstance(decoded, hub.Decoded)
    assert decoded.values == {"battery": 97, "temperature": 25.0, "humidity": 50.55}


async def test_manufacturer_data() -> None:
    air = Air("CB:B8:33:4C:88:4F", Address.RANDOM_DEVICE_ADDRESS)
    data = (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, b"\x99\x04" + RUUVI)
    async with air.speaking(AdvertisingData([FLAGS, data])):
        decoded = ruuvi.decode(await air.frame(), lambda device: None)
    assert isinstance(decoded, hub.Decoded)
    assert (decoded.device, decoded.values["temperature"]) == ("ble:CB:B8:33:4C:88:4F", 24.3)


async def test_service_data_of_a_whole_uuid_keeps_its_bytes_in_order() -> None:
    air = Air("C4:C1:38:01:02:03", Address.RANDOM_DEVICE_ADDRESS)
    data = (AdvertisingData.SERVICE_DATA_128_BIT_UUID, bytes(LONG) + b"\x01\x02")
    async with air.speaking(AdvertisingData([FLAGS, data])):
        frame = await air.frame()
    assert frame.data == {"service:f000aa00-0451-4000-b000-000000000000": b"\x01\x02"}


@pytest.mark.parametrize(
    ("address", "private"),
    [("5A:00:00:00:00:01", True), ("1A:00:00:00:00:01", True), ("C0:00:00:00:00:01", False)],
)
async def test_the_kind_of_a_random_address_is_seen(address: str, private: bool) -> None:
    air = Air(address, Address.RANDOM_DEVICE_ADDRESS)
    service = (AdvertisingData.SERVICE_DATA_16_BIT_UUID, b"\xd2\xfc" + CLEAR)
    async with air.speaking(AdvertisingData([FLAGS, service])), asyncio.timeout(60):
        if private:
            while not air.lost:
                await asyncio.sleep(0.01)
            assert set(air.lost) == {"private-address"}
            assert air.intake.next() is None
        else:
            assert (await air.intake.take()).address == address
