"""The integrations that ship, each with its peer, for the contract tests."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import hub
from hub.sdk.testing import FakeSession, peers
from hub.sdk.testing.contract import World
from hub.sdk.testing.peers.missing import free_port
from integrations.bluetooth.sim.bluez import fake_bluez, private_bus
from integrations.bluetooth.sim.sensors import house
from integrations.enocean.esp3 import pack
from integrations.linky.sim import standard
from integrations.lorawan.driver import MOST_COMMITS
from integrations.lorawan_servers.client import WAITING

SECRET = "cheval-correct-42-batterie"
KEY, APP = bytes(range(16)), bytes(16)
ROOT = Path(__file__).parents[2]
NO_ACKNOWLEDGEMENT = "its peer speaks and is not answered: what comes while nothing can be kept is lost in the air"


def device(name: str, integration: str, **more: Any) -> hub.Device:
    return hub.Device(id=name, integration=integration, place="p", **more)


class Host(World):
    module = "integrations.host"
    exempt: Mapping[str, str] = {"outage-told-once": "this machine is its own peer"}

    def devices(self) -> Sequence[hub.Device]:
        return [device("host:local", "host")]


class HttpJson(World):
    module = "integrations.http_json"
    secrets = (SECRET,)
    page = "http://192.168.1.50/status"

    def options(self) -> dict[str, Any]:
        return {"url": "http://192.168.1.50", "user": "hub", "password": SECRET}

    def devices(self) -> Sequence[hub.Device]:
        settings: dict[str, Any] = {"path": "/status", "values": {"temperature": {"path": "t"}}}
        return [device("http:meter", "http_json", settings=settings)]

    def prepare(self, session: FakeSession) -> None:
        session.http.reply("GET", self.page, {"t": 21.5})

    async def away(self, session: FakeSession) -> None:
        session.http.replies.clear()

    async def back(self, session: FakeSession) -> None:
        self.prepare(session)


class Sigfox(World):
    """The owner's backend, which keeps callbacks until the hub says that it has them."""

    module = "integrations.sigfox"
    page = "https://backend.example.org:8443/v1/sigfox"

    def options(self) -> dict[str, Any]:
        return {"backend": "https://backend.example.org:8443"}

    def devices(self) -> Sequence[hub.Device]:
        settings = {"format": "level::uint:16", "values": {"distance": {"field": "level"}}}
        return [device("sigfox:1D2F3", "sigfox", settings=settings)]

    def __init__(self) -> None:
        self.number = 0

    def prepare(self, session: FakeSession) -> None:
        self.waiting = list[dict[str, Any]]()
        self._answer(session)

    def _answer(self, session: FakeSession) -> None:
        from hub.sdk.testing import Reply, Request

        def frames(_: Request) -> Reply:
            return Reply(200, {}, json.dumps({"frames": self.waiting[:40], "more": len(self.waiting) > 40}).encode())

        def done(request: Request) -> Reply:
            kept = set(request.json()["done"])
            self.acknowledged += len(kept & {one["id"] for one in self.waiting})
            self.waiting = [one for one in self.waiting if one["id"] not in kept]
            return Reply(200, {}, b"{}")

        session.http.replies["GET", self.page] = frames
        session.http.replies["POST", self.page] = done

    async def say(self, session: FakeSession, count: int) -> None:
        for _ in range(count):
            self.number += 1
            said = {"device": "1D2F3", "time": 1_760_000_000 + self.number, "seqNumber": self.number, "data": "0010"}
            self.waiting.append({"id": self.number, "kind": "uplink", "fields": said, "answered": ""})

    async def away(self, session: FakeSession) -> None:
        session.http.replies.clear()

    async def back(self, session: FakeSession) -> None:
        self._answer(session)


class Modbus(World):
    module = "integrations.modbus"

    def __init__(self) -> None:
        self.peer = self.server = peers.ModbusServer({0: 215})

    def options(self) -> dict[str, Any]:
        return {"host": self.server.host, "port": self.server.port, "timeout": 1}

    def devices(self) -> Sequence[hub.Device]:
        settings = {"unit": 1, "registers": [{"address": 0, "metric": "temperature", "scale": 0.1}]}
        return [device("modbus:boiler", "modbus", settings=settings)]


class Mbus(World):
    module = "integrations.mbus"

    def __init__(self) -> None:
        self.peer = self.meter = peers.MbusMeter(bytes.fromhex("0413 39300000"))

    def options(self) -> dict[str, Any]:
        return {"port": self.meter.port, "timeout": 1, "retries": 0}

    def devices(self) -> Sequence[hub.Device]:
        return [device("mbus:ACW-12345678-14-07", "mbus", settings={"address": 1})]


class OnALine(World):
    """A receiver on a serial line, that says by itself what `telegram` gives."""

    exempt: Mapping[str, str] = {"flood-held-back": NO_ACKNOWLEDGEMENT}

    def __init__(self) -> None:
        self.peer = self.line = peers.Line()
        self.number = 0

    def options(self) -> dict[str, Any]:
        return {"port": self.line.port}

    async def say(self, session: FakeSession, count: int) -> None:
        for _ in range(count):
            self.number += 1
            await self.line.send(self.telegram())
            await asyncio.sleep(0.01)

    def telegram(self) -> bytes:
        raise NotImplementedError


class Wmbus(OnALine):
    module = "integrations.mbus.wireless"
    lines: Any = YAML(typ="safe").load((ROOT / "integrations/mbus/examples.yaml").read_text())
    plain = next(one["telegram"] for one in lines if one["name"] == "a room sensor")

    def options(self) -> dict[str, Any]:
        return {**super().options(), "receiver": "text"}

    def devices(self) -> Sequence[hub.Device]:
        return [device("mbus:ELV-66666666-20-1b", "wmbus")]

    def telegram(self) -> bytes:
        return f"C1;1;1;2020-01-23 10:25:13.000;97;148;66666666;0x{self.plain}\n".encode()


class Enocean(OnALine):
    module = "integrations.enocean"

    def devices(self) -> Sequence[hub.Device]:
        return [device("enocean:018F2B3C", "enocean", settings={"eep": "A5-04-01"})]

    def telegram(self) -> bytes:
        radio = bytes((0xA5, 0x00, 0x64, self.number % 250, 0x08)) + bytes.fromhex("018f2b3c00")
        return pack(1, radio, bytes.fromhex("03ffffffff3c00"))


class Linky(OnALine):
    module = "integrations.linky"

    def options(self) -> dict[str, Any]:
        return {**super().options(), "mode": "standard", "interval": 1}

    def devices(self) -> Sequence[hub.Device]:
        return [device("linky:tgbt", "linky", settings={"premises": "building"})]

    def telegram(self) -> bytes:
        now = time.strftime("H%y%m%d%H%M%S", time.gmtime(time.time() + 3600))
        return standard("021875123456", now, 4_000_000, 12_345_678 + self.number, 900, (now, 900))


class Lorawan(World):
    module = "integrations.lorawan"
    at_once = MOST_COMMITS
    exempt: Mapping[str, str] = {"outage-told-once": "gateways call the hub: `gateway-silent` is an alert of its own"}

    def __init__(self) -> None:
        self.port = free_port()
        self.gateway = peers.Gateway(self.port)
        self.node = peers.Node("01020304", KEY, APP)

    def options(self) -> dict[str, Any]:
        return {"gateways": {"0016c001ff10d3e5": {}}, "udp": {"port": self.port}, "gather": 0}

    def devices(self) -> Sequence[hub.Device]:
        settings = {"address": "01020304", "codec": "cayenne"}
        return [device("lorawan:70b3d5e75e00abcd", "lorawan", key=KEY + APP, settings=settings)]

    async def begin(self) -> None:
        await self.gateway.begin()

    async def end(self) -> None:
        await self.gateway.end()

    async def say(self, session: FakeSession, count: int) -> None:
        for _ in range(count):  # PUSH_ACK says that a datagram came, by its protocol, and no more
            heard = self.gateway.acknowledged
            frame = self.node.uplink(bytes.fromhex("0167010f"))
            while self.gateway.acknowledged == heard:
                self.gateway.forward(frame)
                await asyncio.sleep(0.02)


class OnABroker(World):
    """What comes by way of a broker, with a password."""

    secrets = (SECRET,)

    def __init__(self) -> None:
        self.peer = self.broker = peers.MqttBroker("hub", SECRET)
        self.number = 0

    def options(self) -> dict[str, Any]:
        return {"host": self.broker.host, "port": self.broker.port, "user": "hub", "password": SECRET}

    async def say(self, session: FakeSession, count: int) -> None:
        before = len(session.reports)
        while not session.reports[before:]:  # a subscription takes its time
            await self._publish(1)
            await asyncio.sleep(0.05)
            if not session.room.is_set():
                break
        await self._publish(count - 1)

    async def _publish(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            topic, said = self.message()
            await self.broker.publish(topic, json.dumps(said).encode())

    def message(self) -> tuple[str, Any]:
        raise NotImplementedError


class MqttDevices(OnABroker):
    module = "integrations.mqtt_devices"

    def devices(self) -> Sequence[hub.Device]:
        settings = {"topic": "tele/plug/SENSOR", "values": {"power": {"path": "P"}}}
        return [device("mqtt:plug", "mqtt_devices", settings=settings)]

    def message(self) -> tuple[str, Any]:
        return "tele/plug/SENSOR", {"P": self.number}


class NetworkServer(OnABroker):
    at_once = WAITING
    payload, port, name_of_device = b"\x01", 5, "lorawan:70b3d5e75e00abcd"

    def devices(self) -> Sequence[hub.Device]:
        return [device(self.name_of_device, self.name, pack="elsys-ers")]

    def prepare(self, session: FakeSession) -> None:
        session.packs.payloads[self.name_of_device, self.port, self.payload] = (
            hub.Sample(values={"temperature": 21.0}),
        )

    @staticmethod
    def now() -> str:
        return datetime.now(UTC).isoformat()


class ChirpStack(NetworkServer):
    module, name = "integrations.lorawan_servers.chirpstack", "chirpstack"
    application = "17c82e96-be03-4f38-aef3-f83d48582d97"

    def message(self) -> tuple[str, Any]:
        return f"application/{self.application}/device/70b3d5e75e00abcd/event/up", {
            "deduplicationId": f"3ac7e3c4-4401-4b8d-9386-{self.number:012x}", "time": self.now(),
            "deviceInfo": {"applicationId": self.application, "devEui": "70b3d5e75e00abcd"}, "devAddr": "00189440",
            "fCnt": self.number, "fPort": self.port, "data": base64.b64encode(self.payload).decode(),
            "rxInfo": [{"gatewayId": "0016c001f153a14c", "nsTime": self.now(), "rssi": -57, "snr": 9.25}],
            "txInfo": {"frequency": 867100000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7}}},
        }  # fmt: skip


class ThingsStack(NetworkServer):
    module, name = "integrations.lorawan_servers.things_stack", "things_stack"

    def options(self) -> dict[str, Any]:
        return {**super().options(), "application": "app1", "tls": False}

    def message(self) -> tuple[str, Any]:
        return "v3/app1/devices/dev1/up", {
            "end_device_ids": {
                "device_id": "dev1", "application_ids": {"application_id": "app1"}, "dev_eui": "70B3D5E75E00ABCD",
            },
            "received_at": self.now(),
            "uplink_message": {
                "session_key_id": "AXA50tHUGUucuzS/bCGMNw==", "f_cnt": self.number, "f_port": self.port,
                "frm_payload": base64.b64encode(self.payload).decode(), "received_at": self.now(),
                "rx_metadata": [{"gateway_ids": {"eui": "0016C001F153A14C"}, "rssi": -57, "snr": 9.25}],
                "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}},
            },
        }  # fmt: skip


class Bacnet(World):
    module = "integrations.bacnet"

    def __init__(self) -> None:
        self.peer = self.device = peers.BacnetDevice({1: 21.5})

    def options(self) -> dict[str, Any]:
        return {"address": "127.0.0.3", "port": 0, "timeout": 1, "retries": 1, "max_rate": 500.0, "interval": 10}

    def devices(self) -> Sequence[hub.Device]:
        where = f"{self.device.host}:{self.device.port}"
        settings = {"address": where, "objects": {"analog-input:1": {"metric": "temperature"}}}
        return [device("bacnet:1201", "bacnet", settings=settings)]


class Knx(World):
    module = "integrations.knx"
    patience = 180.0  # a tunnel is looked after once a minute, and given up after four tries
    exempt: Mapping[str, str] = {"flood-held-back": NO_ACKNOWLEDGEMENT}

    def __init__(self) -> None:
        self.peer = self.interface = peers.KnxInterface()

    def options(self) -> dict[str, Any]:
        return {"connection": "tunnelling", "host": self.interface.host, "port": self.interface.port}

    def devices(self) -> Sequence[hub.Device]:
        return [device("knx:room", "knx", settings={"groups": {"1/2/3": {"dpt": "9.001", "metric": "temperature"}}})]

    async def say(self, session: FakeSession, count: int) -> None:
        before = len(session.reports)
        for n in range(max(count, 3)):
            await self.interface.write("1/2/3", 0x0C, n % 200)
        while len(session.reports) == before:  # a tunnel takes its time
            await self.interface.write("1/2/3", 0x0C, 0x1A)


class OpcUa(World):
    module = "integrations.opcua"

    def __init__(self) -> None:
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    def options(self) -> dict[str, Any]:
        return {"url": f"opc.tcp://127.0.0.1:{self.port}", "security": "none", "subscribe": False, "timeout": 5}

    def devices(self) -> Sequence[hub.Device]:
        nodes = {"/CTA/Temperature": {"metric": "temperature"}}
        return [device("opcua:cta", "opcua", settings={"namespace": "urn:ilot:sim", "nodes": nodes})]

    async def begin(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "integrations.opcua.sim", "--port", str(self.port), stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        await self._process.stdout.readline()

    async def end(self) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.communicate()
            self._process = None


class Bluetooth(World):
    module = "integrations.bluetooth"
    exempt: Mapping[str, str] = {"flood-held-back": NO_ACKNOWLEDGEMENT}

    def __init__(self) -> None:
        self.sensors = house(7)
        self._stack: AsyncExitStack | None = None
        self._former = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")

    def devices(self) -> Sequence[hub.Device]:
        return [device(one.id, "bluetooth", key=one.key) for one in self.sensors]

    async def begin(self) -> None:
        self._stack = AsyncExitStack()
        bus = await self._stack.enter_async_context(private_bus())
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus
        self.bluez = await self._stack.enter_async_context(fake_bluez(self.sensors, bus))

    async def end(self) -> None:
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()
        os.environ.pop("DBUS_SYSTEM_BUS_ADDRESS", None)
        if self._former is not None:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = self._former

    async def say(self, session: FakeSession, count: int) -> None:
        for _ in range(count):
            while not self.bluez.heard:
                await asyncio.sleep(0.01)
            self.bluez.speak()
            await asyncio.sleep(0.02)

    async def away(self, session: FakeSession) -> None:
        self.bluez.unplug()

    async def back(self, session: FakeSession) -> None:
        self.bluez.plug()


WORLDS: dict[str, type[World]] = {
    "host": Host, "http_json": HttpJson, "sigfox": Sigfox, "modbus": Modbus, "mbus": Mbus, "wmbus": Wmbus,
    "enocean": Enocean, "linky": Linky, "lorawan": Lorawan, "mqtt_devices": MqttDevices, "chirpstack": ChirpStack,
    "things_stack": ThingsStack, "bacnet": Bacnet, "knx": Knx, "opcua": OpcUa, "bluetooth": Bluetooth,
}  # fmt: skip
