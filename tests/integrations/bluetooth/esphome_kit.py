"""A small ESPHome Bluetooth proxy: the server's end of its API (esphome.io/components/api), with the messages that
ESPHome itself publishes as protobufs. In clear, or under Noise_NNpsk0 with a key."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aioesphomeapi import api_pb2 as pb
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from aioesphomeapi.model import BluetoothProxyFeature
from noise.connection import NoiseConnection
from noise.exceptions import NoiseInvalidMessage

from ...serving import start_server

NUMBER = {message: number for number, message in MESSAGE_TYPE_TO_PROTO.items()}
NAME = "proxy-under-test"
EVERYTHING = (
    BluetoothProxyFeature.PASSIVE_SCAN
    | BluetoothProxyFeature.ACTIVE_CONNECTIONS
    | BluetoothProxyFeature.REMOTE_CACHING
    | BluetoothProxyFeature.RAW_ADVERTISEMENTS
)


class Line:
    """One client's connection, in clear."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def greet(self) -> None:
        pass

    async def receive(self) -> Any:
        assert await self.reader.readexactly(1) == b"\0", "the client does not speak in clear"
        size, number = await self._varint(), await self._varint()
        return MESSAGE_TYPE_TO_PROTO[number].FromString(await self.reader.readexactly(size))

    def send(self, message: Any) -> None:
        data = message.SerializeToString()
        self.writer.write(b"\0" + varint(len(data)) + varint(NUMBER[type(message)]) + data)

    async def _varint(self) -> int:
        value = shift = 0
        while True:
            [byte] = await self.reader.readexactly(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value


class NoiseLine(Line):
    """One client's connection under a key."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        super().__init__(reader, writer)
        self.noise = NoiseConnection.from_name(b"Noise_NNpsk0_25519_ChaChaPoly_SHA256")
        self.noise.set_as_responder()
        self.noise.set_psks(base64.b64decode(key))
        self.noise.set_prologue(b"NoiseAPIInit\0\0")
        self.noise.start_handshake()

    async def greet(self) -> None:
        assert await self._frame() == b"", "the client's hello"
        self._write(b"\1" + NAME.encode() + b"\0" + b"AABBCCDDEEFF\0")
        first = await self._frame()
        try:
            self.noise.read_message(first[1:])
        except Exception as error:
            self._write(b"\1Handshake MAC failure")
            raise ConnectionError("another key") from error
        self._write(b"\0" + self.noise.write_message())

    async def receive(self) -> Any:
        try:
            data = self.noise.decrypt(await self._frame())
        except NoiseInvalidMessage as error:
            raise ConnectionError("forged") from error
        number, size = int.from_bytes(data[:2]), int.from_bytes(data[2:4])
        return MESSAGE_TYPE_TO_PROTO[number].FromString(data[4 : 4 + size])

    def send(self, message: Any) -> None:
        data = message.SerializeToString()
        head = NUMBER[type(message)].to_bytes(2) + len(data).to_bytes(2)
        self._write(self.noise.encrypt(head + data))

    async def _frame(self) -> bytes:
        head = await self.reader.readexactly(3)
        if head[0] != 1:
            self._write(b"\1Bad indicator byte")
            raise ConnectionError("the client speaks in clear")
        return await self.reader.readexactly(int.from_bytes(head[1:]))

    def _write(self, data: bytes) -> None:
        self.writer.write(b"\1" + len(data).to_bytes(2) + data)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


class Peripheral:
    """A device that the proxy can connect to: characteristic UUID → what it answers. Handles count from 10."""

    def __init__(self, service: str, values: dict[str, bytes]) -> None:
        self.service_of = dict.fromkeys(values, service)
        self.values = dict(values)
        self.handles = {10 + n: uuid for n, uuid in enumerate(values)}

    def also(self, service: str, uuid: str) -> None:
        """One of its characteristics is in another service."""
        self.service_of[uuid] = service

    def services(self) -> list[Any]:
        properties = 0x02 | 0x10  # read, notify
        return [
            pb.BluetoothGATTService(
                uuid=halves(service),
                handle=number,
                characteristics=[
                    pb.BluetoothGATTCharacteristic(uuid=halves(uuid), handle=handle, properties=properties)
                    for handle, uuid in self.handles.items()
                    if self.service_of[uuid] == service
                ],
            )
            for number, service in enumerate(dict.fromkeys(self.service_of.values()), 1)
        ]


def halves(uuid: str) -> list[int]:
    number = int(uuid.replace("-", ""), 16)
    return [number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF]


class FakeProxy:
    """`hear(address, raw)`: as if it came by radio. `clients` are those that subscribed."""

    def __init__(self, key: str | None, features: int, slots: int) -> None:
        self.key, self.features, self.slots = key, features, slots
        self.port = 0
        self.clients: set[Line] = set()
        self.lines: set[Line] = set()
        self.peripherals: dict[int, Peripheral] = {}
        self.connected: set[int] = set()
        self.most_connected = 0
        self.log: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = NoiseLine(reader, writer, self.key) if self.key else Line(reader, writer)
        self.lines.add(line)
        try:
            await line.greet()
            while True:
                self.answer(line, await line.receive())
        except (ConnectionError, asyncio.IncompleteReadError, AssertionError) as error:
            self.log.append(f"{type(error).__name__}: {error}")
        finally:
            if line in self.clients:
                self.clients.discard(line)
                self.connected.clear()  # ESPHome ends the connections of a client that is gone
            self.lines.discard(line)
            writer.close()

    def answer(self, line: Line, message: Any) -> None:
        self.log.append(type(message).__name__)
        answers: dict[type, Callable[[Any], list[Any]]] = {
            pb.HelloRequest: lambda m: [pb.HelloResponse(api_version_major=1, api_version_minor=10, name=NAME)],
            pb.DeviceInfoRequest: lambda m: [
                pb.DeviceInfoResponse(
                    name=NAME, mac_address="AA:BB:CC:DD:EE:FF", esphome_version="2026.10.0",
                    bluetooth_proxy_feature_flags=self.features,
                )
            ],
            pb.PingRequest: lambda m: [pb.PingResponse()],
            pb.DisconnectRequest: lambda m: [pb.DisconnectResponse()],
            pb.SubscribeBluetoothConnectionsFreeRequest: lambda m: [self.free()],
            pb.BluetoothDeviceRequest: self.device,
            pb.BluetoothGATTGetServicesRequest: self.services,
            pb.BluetoothGATTReadRequest: self.read,
            pb.BluetoothGATTNotifyRequest: lambda m: (
                [pb.BluetoothGATTNotifyResponse(address=m.address, handle=m.handle)] if m.enable else []
            ),
        }  # fmt: skip
        if isinstance(message, pb.SubscribeBluetoothLEAdvertisementsRequest):
            assert message.flags == 1, "raw advertisements"
            self.clients.add(line)
        for reply in answers.get(type(message), lambda m: [])(message):
            line.send(reply)

    def free(self) -> Any:
        taken = len(self.connected)
        return pb.BluetoothConnectionsFreeResponse(free=self.slots - taken, limit=self.slots, allocated=self.connected)

    def device(self, m: Any) -> list[Any]:
        there = m.address in self.peripherals
        if m.request_type == pb.BLUETOOTH_DEVICE_REQUEST_TYPE_DISCONNECT:
            self.connected.discard(m.address)
            return [pb.BluetoothDeviceConnectionResponse(address=m.address, connected=False), self.free()]
        if there and len(self.connected) < self.slots:
            self.connected.add(m.address)
            self.most_connected = max(self.most_connected, len(self.connected))
            return [pb.BluetoothDeviceConnectionResponse(address=m.address, connected=True, mtu=247), self.free()]
        return [pb.BluetoothDeviceConnectionResponse(address=m.address, connected=False, error=0x3E)]

    def services(self, m: Any) -> list[Any]:
        services = self.peripherals[m.address].services()
        return [
            pb.BluetoothGATTGetServicesResponse(address=m.address, services=services),
            pb.BluetoothGATTGetServicesDoneResponse(address=m.address),
        ]

    def read(self, m: Any) -> list[Any]:
        peripheral = self.peripherals[m.address]
        uuid = peripheral.handles.get(m.handle)
        if uuid is None:
            return [pb.BluetoothGATTErrorResponse(address=m.address, handle=m.handle, error=1)]
        return [pb.BluetoothGATTReadResponse(address=m.address, handle=m.handle, data=peripheral.values[uuid])]

    def notify(self, address: str, uuid: str, data: bytes) -> None:
        number = int(address.replace(":", ""), 16)
        [handle] = [handle for handle, name in self.peripherals[number].handles.items() if name == uuid]
        for line in self.clients:
            line.send(pb.BluetoothGATTNotifyDataResponse(address=number, handle=handle, data=data))

    def add(self, address: str, peripheral: Peripheral) -> None:
        self.peripherals[int(address.replace(":", ""), 16)] = peripheral

    def hear(self, address: str, raw: bytes, *, rssi: int = -60, random: bool = False) -> None:
        one = pb.BluetoothLERawAdvertisement(
            address=int(address.replace(":", ""), 16), rssi=rssi, address_type=int(random), data=raw
        )
        for line in self.clients:
            line.send(pb.BluetoothLERawAdvertisementsResponse(advertisements=[one]))

    def drop(self) -> None:
        """Its power fails."""
        for line in [*self.lines]:
            line.writer.transport.abort()


@asynccontextmanager
async def fake_proxy(
    key: str | None = None, *, features: int = EVERYTHING, port: int = 0, slots: int = 3
) -> AsyncIterator[FakeProxy]:
    proxy = FakeProxy(key, features, slots)
    server = await start_server(proxy.serve, "127.0.0.1", port)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.drop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
