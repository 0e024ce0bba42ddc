"""The integration on real sockets: gateways that speak the documents' protocols, devices made by lora-packet."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ipaddress
import json
import re
import signal
import socket
import ssl
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lorawan_peer import LoraPacket, PeerDevice
from pydantic import ValidationError
from ruamel.yaml import YAML

import hub
from hub.testing import FakeSession
from integrations import lorawan
from integrations.lorawan import decode, settings
from integrations.lorawan.device import LEASE
from integrations.lorawan.settings import Config, DeviceSettings

GATEWAY = "0016c001ff10d3e5"
DEV_EUI = "70b3d5e75e00abcd"
KEY = bytes(range(16))


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def known(**more: Any) -> hub.Device:
    given = {"id": f"lorawan:{DEV_EUI}", "key": KEY, "settings": {"codec": "cayenne"}, **more}
    return hub.Device(integration="lorawan", place="hall", **given)


@contextlib.asynccontextmanager
async def running(config: Config, session: FakeSession) -> AsyncIterator[None]:
    task = asyncio.create_task(lorawan.run(config, session))
    try:
        yield
        if task.done():
            await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(said: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Wait until something is true; the event loop decides when."""
    deadline = time.monotonic() + seconds
    while not (value := said()):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.005)
    return value


class Forwarder(asyncio.DatagramProtocol):
    """A gateway that speaks PROTOCOL.TXT, written from it alone."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.put_nowait(data)

    def send(self, kind: int, body: bytes = b"", token: int = 0x1234, gateway: str = GATEWAY) -> None:
        self.transport.sendto(struct.pack(">BHB", 2, token, kind) + bytes.fromhex(gateway) + body)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(self.got.get(), 5)

    def forward(self, raw: bytes, tmst: int, gateway: str = GATEWAY, **more: float) -> None:
        packet = {
            "tmst": tmst, "freq": 868.1, "stat": 1, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "rssi": -70,
            "lsnr": 6.5, "size": len(raw), "data": base64.b64encode(raw).decode(),
            **more,
        }  # fmt: skip
        self.send(0, json.dumps({"rxpk": [packet]}).encode(), gateway=gateway)

    async def answer(self) -> dict[str, Any]:
        """The PUSH_ACK, then what is to be sent; it is acknowledged."""
        assert (await self.receive())[:4] == bytes.fromhex("02123401")
        order = await self.receive()
        assert order[3] == 3
        self.send(5, token=int.from_bytes(order[1:3], "big"))
        return json.loads(order[4:])["txpk"]


@pytest.fixture
async def forwarder() -> AsyncIterator[Callable[[int], Awaitable[Forwarder]]]:
    made: list[Forwarder] = []

    async def connect(port: int) -> Forwarder:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(Forwarder, remote_addr=("127.0.0.1", port))
        made.append(protocol)
        return protocol

    yield connect
    for protocol in made:
        protocol.transport.close()


def udp(port: int, **more: Any) -> Config:
    return Config.model_validate({"gateways": {GATEWAY: {}}, "udp": {"port": port}, "status": 0, **more})


ABP = {"key": KEY + bytes(16), "settings": {"address": "01020304"}}


def personalised(lora_packet: LoraPacket) -> PeerDevice:
    return PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), b"", address=0x01020304, nwk=KEY, app=bytes(16))


async def test_a_device_joins_and_reports_through_a_packet_forwarder(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known()])
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        assert await gateway.receive() == bytes.fromhex("02123404")
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)

        gateway.forward(device.join_request(1), 0xFFFF_FFF0)
        order = await gateway.answer()
        assert (order["tmst"], order["freq"], order["datr"], order["ipol"]) == (4_999_984, 868.1, "SF7BW125", True)
        device.join_accept(base64.b64decode(order["data"]))
        assert [report.values for report in session.durable] == [{"link_margin": 14.0}]

        gateway.forward(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True), 10_000_000)
        order = await gateway.answer()
        assert device.downlink(base64.b64decode(order["data"]))["ack"] is True
        report = session.durable[-1]
        assert report.device == f"lorawan:{DEV_EUI}"
        assert report.values == {"link_margin": 14.0, "temperature": 27.1}
        assert report.proof == hub.Proof("lorawan-1.0", device.nonces[0] << 32, True, content=report.proof.content)
        assert report.signal == hub.Signal(rssi=-70, snr=6.5, source=GATEWAY)

    async with running(udp(port), session):  # another process, the same state
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        gateway.forward(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True), 20_000_000)
        raw = base64.b64decode((await gateway.answer())["data"])
        assert int.from_bytes(raw[6:8], "little") == LEASE, "what may have been sent before is not sent again"
        device.downlink(raw)


async def test_a_device_that_comes_while_it_runs_is_heard_and_one_that_goes_is_not(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan")
    device = personalised(lora_packet)
    frames = [device.uplink(bytes.fromhex("0167010f")) for _ in range(4)]
    strange = ("", "unknown-devaddr")
    async with running(udp(port, gather=0), session):
        gateway = await forwarder(port)
        gateway.forward(frames[0], 1)
        await until(lambda: session.drops.count(strange) == 1)
        session.devices.put(known(**ABP))
        await asyncio.sleep(0.01)
        gateway.forward(frames[1], 2)
        await until(lambda: len(session.reports) == 1)
        session.devices.remove(f"lorawan:{DEV_EUI}")
        await asyncio.sleep(0.01)
        gateway.forward(frames[2], 3)
        await until(lambda: session.drops.count(strange) == 2)
        session.devices.put(known(**ABP))
        await asyncio.sleep(0.01)
        gateway.forward(personalised(lora_packet).uplink(b"x"), 4)  # its counter was not forgotten: 0 is behind
        gateway.forward(frames[3], 5)
        await until(lambda: len(session.reports) == 2)
    assert [report.proof.counter for report in session.reports if report.proof] == [1, 3]


async def test_strangers_and_nonsense_are_counted_and_not_answered(
    forwarder: Callable[[int], Awaitable[Forwarder]],
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known()])
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        gateway.send(2, gateway="0000000000000bad")
        gateway.send(0, b"{", token=7)
        gateway.transport.sendto(b"hello")
        gateway.send(5, token=999)
        gateway.forward(bytes(23), 1)  # a join request of nobody
        assert (await gateway.receive())[:4] == bytes.fromhex("02123401")
        await until(lambda: len(session.candidates) == 2)
        assert {c.id for c in session.candidates} == {"lorawan-gateway:0000000000000bad", "lorawan:0000000000000000"}
        assert {reason for _, reason in session.drops} == {"unknown-gateway", "bad-json", "truncated", "unknown-token"}
        assert gateway.got.empty()


async def test_a_full_state_loses_no_reading_and_acknowledges_nothing(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    abp = known(key=KEY + bytes(16), settings={"address": "01020304", "codec": "cayenne"})
    session = FakeSession("lorawan", [abp])

    def full(key: str, value: Any) -> None:
        raise RuntimeError("state would be too large")

    session.state.put = full  # type: ignore[method-assign]
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), b"", address=0x01020304, nwk=KEY, app=bytes(16))
        gateway.forward(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True), 1)
        await until(lambda: session.reports)
        assert session.reports[0].values["temperature"] == 27.1
        await until(lambda: ("lorawan:" + DEV_EUI, "commit-failed") in session.drops)
        assert (await gateway.receive())[3] == 1
        assert gateway.got.empty()


async def test_a_disk_that_takes_nothing_fills_no_memory(
    lora_packet: LoraPacket,
    forwarder: Callable[[int], Awaitable[Forwarder]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("integrations.lorawan.driver.MOST_COMMITS", 3)
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP)])
    accepted, room = session.emit, asyncio.Event()

    async def emit(report: hub.Report, *, durable: bool = False) -> None:
        await room.wait()
        await accepted(report, durable=durable)

    session.emit = emit  # type: ignore[method-assign]
    device = personalised(lora_packet)
    async with running(udp(port, gather=0), session):
        gateway = await forwarder(port)
        for number in range(5):
            gateway.forward(device.uplink(b"x"), number)
        await until(lambda: session.drops.count((f"lorawan:{DEV_EUI}", "commit-backlog")) == 2)
        room.set()
        await until(lambda: len(session.reports) == 3)
        gateway.forward(device.uplink(b"x"), 9)
        await until(lambda: len(session.reports) == 4)
    assert [report.proof.counter for report in session.reports if report.proof] == [0, 1, 2, 5]


async def test_more_devices_than_can_be_remembered_are_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.lorawan.driver.MOST_DEVICES", 1)
    two = [known(), known(id="lorawan:70b3d5e75e00abce")]
    async with running(udp(0), FakeSession("lorawan", two)):
        await until(lambda: "2 devices are more than can be remembered" in caplog.text)


async def test_two_network_servers_on_one_port_are_told_apart() -> None:
    port = free_port(socket.SOCK_DGRAM)
    async with running(udp(port), FakeSession("lorawan")):
        await asyncio.sleep(0.05)
        with pytest.raises(hub.NotReady, match="in use"):
            await lorawan.run(udp(port), FakeSession("lorawan"))
        assert "is in use, by a running hub" in await lorawan.probe(udp(port))
    assert await lorawan.probe(udp(port)) == f"127.0.0.1 port {port} is free; gateways on the list: 1"
    with pytest.raises(hub.NotReady, match="cannot be listened on"):
        await lorawan.probe(Config.model_validate({"udp": {"address": "192.0.2.1"}}))


async def test_a_gateway_is_heard_from_its_own_address_only(
    forwarder: Callable[[int], Awaitable[Forwarder]],
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan")
    async with running(udp(port, gateways={GATEWAY: {"address": "192.0.2.9"}}), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await until(lambda: ("", "gateway-from-elsewhere") in session.drops)
        assert gateway.got.empty()


async def test_a_gateway_that_falls_silent_is_named_once_and_again_when_it_returns(
    forwarder: Callable[[int], Awaitable[Forwarder]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan")
    loop = asyncio.get_running_loop()
    passed = [0.0]
    true = loop.time
    monkeypatch.setattr(loop, "time", lambda: true() + passed[0])
    async with running(udp(port, silence=60), session):
        gateway = await forwarder(port)
        for turn in (1, 2):
            gateway.send(2)
            await gateway.receive()
            passed[0] += 100
            for _ in range(3):
                await session.clock.advance(30)
            await until(lambda: "is silent" in caplog.text)
            assert caplog.text.count(f"gateway {GATEWAY} is here") == turn
            assert caplog.text.count(f"gateway {GATEWAY} is silent") == turn


async def test_an_address_of_another_machine_is_not_listened_on() -> None:
    with pytest.raises(hub.NotReady, match="no address of this machine"):
        await lorawan.run(
            Config.model_validate({"udp": {"address": "192.0.2.1", "port": 0}}), FakeSession("lorawan")
        )  # fmt: skip


def station(port: int, **more: Any) -> Config:
    return Config.model_validate(
        {"gateways": {GATEWAY: {}}, "udp": None, "station": {"port": port, **more}, "status": 0}
    )


async def connected(session: aiohttp.ClientSession, port: int, path: str, **more: Any) -> Any:
    for _ in range(100):
        try:
            return await session.ws_connect(f"ws://127.0.0.1:{port}{path}", **more)
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.01)
    raise AssertionError("nobody listens")


UPINFO = {"rctx": 3, "xtime": 0x0012_3456_789A_BCDE, "gpstime": 0, "rssi": -70, "snr": 6.5, "rxtime": 1.0}


def updf(raw: bytes) -> dict[str, Any]:
    end = 8 + (raw[5] & 0x0F)
    return {
        "msgtype": "updf", "MHdr": raw[0], "DevAddr": int.from_bytes(raw[1:5], "little", signed=True), "FCtrl": raw[5],
        "FCnt": int.from_bytes(raw[6:8], "little"), "FOpts": raw[8:end].hex(), "FPort": raw[end],
        "FRMPayload": raw[end + 1 : -4].hex(), "MIC": int.from_bytes(raw[-4:], "little", signed=True), "DR": 5,
        "Freq": 868_300_000, "upinfo": UPINFO,
    }  # fmt: skip


async def test_a_device_joins_and_reports_through_a_basics_station(lora_packet: LoraPacket) -> None:
    port = free_port(socket.SOCK_STREAM)
    session = FakeSession("lorawan", [known()])
    async with running(station(port), session), aiohttp.ClientSession() as client:
        infos = await connected(client, port, "/router-info")
        await infos.send_json({"router": "16:c001:ff10:d3e5"})
        where = await infos.receive_json()
        await infos.close()
        assert where["router"] == "16:c001:ff10:d3e5"
        assert where["uri"] == f"ws://127.0.0.1:{port}/router/{GATEWAY}"
        async with client.ws_connect(where["uri"]) as muxs:
            await muxs.send_json({"msgtype": "version", "station": "2.0.6", "protocol": 2})
            config = await muxs.receive_json()
            assert (config["msgtype"], config["region"]) == ("router_config", "EU863")
            await muxs.send_json({"msgtype": "timesync", "txtime": 5})
            assert (await muxs.receive_json())["txtime"] == 5

            device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
            raw = device.join_request(1)
            await muxs.send_json({
                "msgtype": "jreq", "MHdr": 0, "JoinEui": "00-00-00-00-00-00-00-00", "DevEui": "70-B3-D5-E7-5E-00-AB-CD",
                "DevNonce": 1, "MIC": int.from_bytes(raw[-4:], "little", signed=True), "DR": 5, "Freq": 868_300_000,
                "upinfo": UPINFO,
            })  # fmt: skip
            order = await muxs.receive_json()
            assert (order["RxDelay"], order["RX1Freq"], order["xtime"], order["rctx"]) == (
                5, 868_300_000, UPINFO["xtime"], 3,
            )  # fmt: skip
            device.join_accept(bytes.fromhex(order["pdu"]))
            await muxs.send_json({"msgtype": "dntxed", "diid": order["diid"], "DevEui": "0-0-0-0", "xtime": 1})

            await muxs.send_json(updf(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True)))
            order = await muxs.receive_json()
            assert device.downlink(bytes.fromhex(order["pdu"]))["ack"] is True
            assert session.durable[-1].values["temperature"] == 27.1
            await muxs.send_str("{")
            await until(lambda: ("", "bad-json") in session.drops)


async def test_a_station_that_is_not_on_the_list_or_has_no_token_is_turned_away() -> None:
    port = free_port(socket.SOCK_STREAM)
    session = FakeSession("lorawan")
    async with running(station(port, token="Bearer sesame"), session), aiohttp.ClientSession() as client:
        sesame = {"Authorization": "Bearer sesame"}
        infos = await connected(client, port, "/router-info", headers=sesame)
        await infos.send_json({"router": 0xBAD})
        assert "not on the hub's list" in (await infos.receive_json())["error"]
        await infos.close()
        assert session.candidates[-1].id == "lorawan-gateway:0000000000000bad"
        for path, headers, status in (
            (f"/router/{GATEWAY}", {}, 401),
            (f"/router/{GATEWAY}", {"Authorization": "Bearer open"}, 401),
            ("/router/0000000000000bad", sesame, 403),
            ("/router/nobody", sesame, 404),
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await client.ws_connect(f"http://127.0.0.1:{port}{path}", headers=headers)
            assert caught.value.status == status
        async with client.ws_connect(f"ws://127.0.0.1:{port}/router/{GATEWAY}", headers=sesame) as muxs:
            await muxs.send_json({"msgtype": "version"})
            assert (await muxs.receive_json())["msgtype"] == "router_config"
        assert ("", "station-not-authorised") in session.drops


async def test_a_station_with_tls_is_served_under_the_hubs_certificate(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, secret = tmp_path / "hub.pem", tmp_path / "hub.key"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    port = free_port(socket.SOCK_STREAM)
    config = station(port, certificate=str(chain), certificate_key=str(secret))
    trust = ssl.create_default_context(cafile=str(chain))
    async with running(config, FakeSession("lorawan")), aiohttp.ClientSession() as client:
        await until(lambda: _listens(port))
        async with client.ws_connect(f"wss://127.0.0.1:{port}/router-info", ssl=trust) as infos:
            await infos.send_json({"router": GATEWAY})
            assert (await infos.receive_json())["uri"] == f"wss://127.0.0.1:{port}/router/{GATEWAY}"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.ws_connect(f"wss://127.0.0.1:{port}/router-info")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_what_gateways_hear_can_be_listened_to_without_a_hub(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    heard: list[dict[str, Any]] = []
    task = asyncio.create_task(lorawan.listen(udp(port, gateways={}), heard.append))
    await asyncio.sleep(0.05)
    gateway = await forwarder(port)
    gateway.send(2)
    assert (await gateway.receive())[3] == 4
    gateway.transport.sendto(b"nonsense")
    gateway.forward(PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY).join_request(1), 1)
    assert (await gateway.receive())[3] == 1
    (line,) = heard
    assert (line["gateway"], line["rssi"], line["rate"], line["frequency"]) == (GATEWAY, -70, "SF7BW125", 868_100_000)
    frame = decode.line(line)
    assert frame.signal == hub.Signal(rssi=-70, source=GATEWAY)
    said = decode.decode(frame, lambda device: None)
    assert isinstance(said, hub.NeedKey)
    assert said.device == f"lorawan:{DEV_EUI}"
    with pytest.raises(hub.NotReady, match="a hub or another network server runs"):
        await lorawan.listen(udp(port), heard.append)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_certificate_that_is_not_there_is_named() -> None:
    config = station(0, certificate="/nowhere.pem", certificate_key="/nowhere.key")
    with pytest.raises(hub.NotReady, match="certificate of the station server"):
        await lorawan.run(config, FakeSession("lorawan"))


async def test_the_simulator_joins_and_reports() -> None:
    port = free_port(socket.SOCK_DGRAM)

    async def simulator() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "integrations.lorawan.sim", "--port", str(port), "--devices", "2",
            "--interval", "0.5", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def ended(process: asyncio.subprocess.Process) -> dict[str, int]:
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 0, said.decode()
        return dict(json.loads(said))

    first = await simulator()
    assert first.stdout
    said = json.loads(await first.stdout.readline())
    await ended(first)
    devices = [
        hub.Device(id=name, integration="lorawan", place="p", key=bytes.fromhex(d["key"]), settings=d["settings"])
        for name, d in said["devices"].items()
    ]
    session = FakeSession("lorawan", devices)
    async with running(udp(port, gateways={said["gateway"]: {}}), session):
        second = await simulator()
        await until(
            lambda: {r.device for r in session.reports if "temperature" in r.values} == set(said["devices"]), 20
        )
        assert (await ended(second))["late"] == 0
    assert {reason for _, reason in session.drops} == set()


# options


def test_the_configuration_in_the_readme_is_right() -> None:
    page = Path(lorawan.__file__).with_name("README.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    said = YAML(typ="safe").load(block.replace("!secret ", ""))
    config = Config.model_validate(said["integrations"]["lorawan"])
    assert config.station
    assert list(config.gateways) == [GATEWAY]
    ((name, device),) = said["devices"].items()
    made = settings.device(known(id=name, settings=device["settings"]))
    assert made.version == "1.0.3"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gateways": {"nobody": {}}}, "not an EUI"),
        ({"udp": None}, "no gateway could reach"),
        ({"udp": {"address": "hub.local"}}, "address of one interface"),
        ({"channels": [915.0]}, "no channel of EU863-870"),
        ({"channels": [868.10005]}, "no channel of EU863-870"),
        ({"channels": [867.1] * 6}, "at most 5"),
        ({"station": {"certificate": "a"}}, "belong together"),
        ({"rx_delay": 0}, "greater than or equal to 1"),
    ],
)
def test_each_wrong_option_is_explained(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Config.model_validate(change)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "lorawan:70B3D5E75E00ABCD"}, "lower case"), ({"id": "lorawan:1"}, "16 digits"),
        ({"key": None}, "needs a key of 16 bytes: its AppKey"), ({"key": bytes(8)}, "needs a key of 16 bytes"),
        ({"settings": {"address": "01020304"}}, "needs a key of 32 bytes: NwkSKey and AppSKey"),
        ({"settings": {"version": "1.1"}}, "1.0.4"),
    ],
)  # fmt: skip
def test_each_wrong_device_is_explained(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settings.device(known(**change))


async def test_a_pack_reads_the_payload_and_former_values_come_first_and_without_a_counter(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP, pack="acme-thermo")])
    name = f"lorawan:{DEV_EUI}"
    session.payloads[name, 2, b"log"] = (
        hub.Sample(values={"temperature": 21.0, "door": True}),
        hub.Sample(values={"temperature": 20.0}, time=1_790_000_000.0),
    )
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = personalised(lora_packet)
        gateway.forward(device.uplink(b"log", 2, confirmed=True), 1)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
        gateway.forward(device.uplink(b"unknown", 2, confirmed=True), 10_000_000)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
    assert [(r.values, r.time) for r in session.reports] == [
        ({"temperature": 20.0}, 1_790_000_000.0),
        ({"link_margin": 14.0, "temperature": 21.0, "door": True}, None),
        ({"link_margin": 14.0}, None),
    ]
    assert [r.proof.counter for r in session.reports if r.proof] == [None, 0, 1]
    assert session.durable == session.reports[1:]
    assert session.drops == [(name, "no-pack")]


async def test_every_gateway_that_heard_an_uplink_is_named_the_best_first(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port, other = free_port(socket.SOCK_DGRAM), "0016c001ff10d3e6"
    session = FakeSession("lorawan", [known(**ABP)])
    async with running(udp(port, gateways={GATEWAY: {}, other: {}}), session):
        gateway = await forwarder(port)
        frame = personalised(lora_packet).uplink(b"x")
        gateway.forward(frame, 1, lsnr=-3.0)
        gateway.forward(frame, 1, lsnr=8.0, rssi=-60, gateway=other)
        await until(lambda: session.reports)
    signal = hub.Signal(rssi=-60, snr=8.0, source=other, heard=((other, -60), (GATEWAY, -70)))
    assert session.reports[0].signal == signal


async def test_a_confirmed_payload_that_no_codec_can_read_now_is_asked_for_again(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP, pack="acme-thermo")])
    away = True

    async def decode(
        device: str, port: int, payload: bytes, time: float | None = None, *, proof: hub.Proof, once: bool
    ) -> tuple[hub.Sample, ...]:
        if away and once:  # the hub has kept it
            session.dropped(device, hub.DecodeError("codec-away"))
            raise hub.DecodeError("codec-away")
        if away:
            raise hub.NotReady("the codec worker is starting")
        return (hub.Sample(values={"temperature": 21.0}),)

    session.decode = decode  # type: ignore[method-assign]
    async with running(udp(port, gather=0), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = personalised(lora_packet)
        frame = device.uplink(b"value", 2, confirmed=True)
        gateway.forward(frame, 1)
        assert (await gateway.receive())[3] == 1
        await until(lambda: (f"lorawan:{DEV_EUI}", "commit-failed") in session.drops)
        assert session.reports == []
        away = False
        await asyncio.sleep(1.05)  # sooner the same bytes would be a late copy
        gateway.forward(frame, 3_000_000)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
        assert session.reports[0].values["temperature"] == 21.0
        away = True
        gateway.forward(device.uplink(b"value", 2), 9_000_000)
        await until(lambda: (f"lorawan:{DEV_EUI}", "codec-away") in session.drops)
        assert session.reports[-1].values == {"link_margin": 14.0}


async def test_after_a_restoration_from_a_backup_sent_counters_jump_once(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP)])
    device, counters = personalised(lora_packet), []
    for life in range(3):
        if life == 1:
            session.state.put("restored", True)
        async with running(udp(port), session):
            gateway = await forwarder(port)
            gateway.send(2)
            await gateway.receive()
            gateway.forward(device.uplink(b"x", 2, confirmed=True), life * 10_000_000)
            device.downlink(base64.b64decode((await gateway.answer())["data"]))
            counters.append(device.fcnt_down)
    assert counters == [0, LEASE + 1024, 2 * LEASE + 1024]
    assert session.state.get("restored") is False


async def test_version_and_class_are_the_packs_unless_the_configuration_says_otherwise() -> None:
    told = settings.device(known(settings=DeviceSettings().model_dump()), "1.0.4", "C")
    assert (told.version, told.class_c) == ("1.0.4", True)
    said = DeviceSettings(version="1.0.2", device_class="A").model_dump()  # type: ignore[arg-type]
    told = settings.device(known(settings=said), "1.0.4", "C")
    assert (told.version, told.class_c) == ("1.0.2", False)


async def test_a_damaged_record_is_named_and_its_device_not_heard(
    forwarder: Callable[[int], Awaitable[Forwarder]], lora_packet: LoraPacket, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known()])
    session.state[f"lorawan:{DEV_EUI}"] = b"rubbish"
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        gateway.forward(PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY).join_request(1), 1)
        await until(lambda: session.candidates)
    assert f"lorawan:{DEV_EUI} is not heard: bad-record" in caplog.text


async def test_a_wrong_device_is_named_and_the_others_are_heard(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(id="lorawan:wrong")])
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        session.devices.put(known())
        await asyncio.sleep(0)
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
        gateway.forward(device.join_request(1), 1)
        assert device.join_accept(base64.b64decode((await gateway.answer())["data"]))
    assert "lorawan:wrong is not heard" in caplog.text


def test_the_settings_of_a_device_have_sensible_defaults() -> None:
    made = settings.device(known(settings=DeviceSettings().model_dump()))
    assert (made.version, made.class_c, made.adr, made.abp) == ("1.0.3", False, True, None)
