"""What these tests share: messages of the documented shape, a mosquitto, a publisher that is not the hub's client."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chirpstack_api.integration import integration_pb2 as pb
from google.protobuf import json_format
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

import hub
from hub.sdk.testing import FakeSession, ManualClock
from integrations.lorawan_servers.metrics import METRICS
from tests.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
EUI = "70b3d5e75e00abcd"
DEVICE = f"lorawan:{EUI}"
GATEWAY, FAR = "0016c001f153a14c", "0016c001f153a14d"
NOW = 1_790_000_000.0


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def topic(event: str, eui: str = EUI) -> str:
    return f"application/{APPLICATION}/device/{eui}/event/{event}"


def device_info(eui: str = EUI) -> dict[str, Any]:
    return {
        "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242", "tenantName": "ChirpStack", "applicationId": APPLICATION,
        "applicationName": "Ville", "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
        "deviceProfileName": "Elsys ERS", "deviceName": "classe 1", "devEui": eui, "deviceClassEnabled": "CLASS_A",
        "tags": {"key": "value"},
    }  # fmt: skip


def uplink(
    fcnt: int, payload: bytes = b"\x01", *, addr: str = "00189440", at: float = NOW, **more: Any
) -> dict[str, Any]:
    """An UplinkEvent as ChirpStack's JSON has it, heard by two gateways."""
    return {
        "deduplicationId": f"3ac7e3c4-4401-4b8d-9386-{fcnt:012x}", "time": rfc3339(at), "deviceInfo": device_info(),
        "devAddr": addr, "adr": True, "dr": 5, "fCnt": fcnt, "fPort": 5, "confirmed": False,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [
            {"gatewayId": FAR, "uplinkId": 1, "nsTime": rfc3339(at), "rssi": -110, "snr": -3.5, "crcStatus": "CRC_OK"},
            {"gatewayId": GATEWAY, "uplinkId": 2, "gwTime": rfc3339(at - 0.25), "nsTime": rfc3339(at), "rssi": -57,
             "snr": 9.25, "metadata": {"region_config_id": "eu868"}, "crcStatus": "CRC_OK"},
        ],
        "txInfo": {"frequency": 867100000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7,
                                                                   "codeRate": "CR_4_5"}}},
        "regionConfigId": "eu868", **more,
    }  # fmt: skip


def protobuf(event: type[Any], said: dict[str, Any]) -> bytes:
    """The same in Protocol Buffers, by ChirpStack's own package."""
    return bytes(json_format.ParseDict(said, event()).SerializeToString())


def encoded(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode()


def stack_uplink(
    fcnt: int,
    payload: bytes = b"\x01",
    *,
    at: float = NOW,
    key: str = "AXA50tHUGUucuzS/bCGMNw==",
    device: str = "dev1",
    **more: Any,
) -> dict[str, Any]:
    """An uplink as The Things Stack publishes it; empty fields are left out."""
    message = {
        "session_key_id": key, "f_cnt": fcnt, "f_port": 5, "frm_payload": base64.b64encode(payload).decode(),
        "rx_metadata": [
            {"gateway_ids": {"gateway_id": "gtw2", "eui": FAR.upper()}, "rssi": -110, "snr": -3.5},
            {"gateway_ids": {"gateway_id": "gtw1", "eui": GATEWAY.upper()}, "time": rfc3339(at - 0.25),
             "timestamp": 2463457000, "rssi": -57, "channel_rssi": -57, "snr": 9.25},
        ],
        "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}}, "frequency": "868300000"},
        "received_at": rfc3339(at), "consumed_airtime": "0.056576s", **more,
    }  # fmt: skip
    return {
        "end_device_ids": stack_ids(device), "correlation_ids": [f"as:up:{fcnt}"], "received_at": rfc3339(at + 0.2),
        "uplink_message": {key: value for key, value in message.items() if value},
    }  # fmt: skip


def stack_ids(device: str = "dev1") -> dict[str, Any]:
    return {
        "device_id": device, "application_ids": {"application_id": "app1"}, "dev_eui": EUI.upper(),
        "join_eui": "800000000000000C", "dev_addr": "00BCB929",
    }  # fmt: skip


def known(**settings: Any) -> hub.Device:
    pack = settings.pop("pack", "elsys-ers")
    integration = settings.pop("integration", "chirpstack")
    return hub.Device(id=DEVICE, integration=integration, place="classe-1", pack=pack, settings=settings)


def session(device: hub.Device | None = None, name: str = "chirpstack") -> FakeSession:
    """One device whose payload of one byte is its temperature."""
    made = FakeSession(
        name, devices=[device] if device else [], clock=ManualClock(NOW + 86400), metrics=METRICS, holds_keys=True
    )
    for byte in range(256):
        made.packs.payloads[DEVICE, 5, bytes([byte])] = (hub.Sample(values={"temperature": float(byte)}),)
    return made


def told(said: FakeSession) -> list[hub.Report]:
    """What was handed over, without the reports that only wait for the disk."""
    return [report for report in said.reports if report.values]


# -- a broker and who publishes there -----------------------------------------------------------------------------


class Mosquitto:
    """A broker on loopback, with `more` lines of configuration."""

    def __init__(self, directory: Path, *more: str, port: int = 0) -> None:
        self.port = port or free_port()
        self._conf = directory / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "user root", *(more or ["allow_anonymous true"])]
        self._conf.write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._conf)], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with closing(socket.socket()) as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("mosquitto does not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """In good order: it writes its database."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


@contextmanager
def mosquitto(directory: Path, *more: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(directory, *more)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class NetworkServer:
    """The server's side of the broker: publishes events, hears commands. paho, and nothing of the hub's client."""

    def __init__(self, port: int, commands: str = "#", user: str = "") -> None:
        self.commands: list[tuple[str, bytes]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda *heard: self.commands.append((heard[2].topic, heard[2].payload))
        if user:
            self._client.username_pw_set(user, "secret")
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(commands, qos=1)
        self._client.loop_start()

    def publish(self, where: str, message: bytes | dict[str, Any], *, qos: int = 1, retain: bool = False) -> None:
        payload = message if isinstance(message, bytes) else encoded(message)
        self._client.publish(where, payload, qos=qos, retain=retain).wait_for_publish(60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # left to the garbage collector, which warns in whatever test it comes


@contextmanager
def network_server(port: int, commands: str = "#", user: str = "") -> Iterator[NetworkServer]:
    server = NetworkServer(port, commands, user)
    try:
        yield server
    finally:
        server.close()


async def until(what: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(run: Any, config: hub.Config, said: FakeSession) -> AsyncIterator[asyncio.Task[None]]:
    """The integration, subscribed."""
    task = asyncio.create_task(run(config, said))
    try:
        await until(lambda: task.done() or "topics" in said.state)
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


__all__ = [name for name in globals() if not name.startswith("_")]
UPLINK = pb.UplinkEvent
