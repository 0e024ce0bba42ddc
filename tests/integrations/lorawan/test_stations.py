"""Basics stations over WebSocket: tokens, TLS, the list; and what can be heard without a hub."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
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
from serving_kit import (
    DEV_EUI,
    GATEWAY,
    KEY,
    UPINFO,
    Forwarder,
    connected,
    free_port,
    known,
    listens,
    running,
    station,
    taken,
    udp,
    until,
    updf,
)

import hub
from hub.sdk.testing import FakeSession
from integrations import lorawan
from integrations.lorawan import decode
from integrations.lorawan.metrics import METRICS

pytestmark = pytest.mark.long("starts whole hubs", of="tests/integrations")


@pytest.mark.real("network, processes")
async def test_a_device_joins_and_reports_through_a_basics_station(lora_packet: LoraPacket) -> None:
    port = free_port(socket.SOCK_STREAM)
    session = FakeSession("lorawan", [known()], metrics=METRICS)
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
            await muxs.send_json(
                {
                    "msgtype": "jreq",
                    "MHdr": 0,
                    "JoinEui": "00-00-00-00-00-00-00-00",
                    "DevEui": "70-B3-D5-E7-5E-00-AB-CD",
                    "DevNonce": 1,
                    "MIC": int.from_bytes(raw[-4:], "little", signed=True),
                    "DR": 5,
                    "Freq": 868_300_000,
                    "upinfo": UPINFO,
                }
            )
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


@pytest.mark.real("network")
async def test_a_station_that_is_not_on_the_list_or_has_no_token_is_turned_away() -> None:
    port = free_port(socket.SOCK_STREAM)
    session = FakeSession("lorawan", metrics=METRICS)
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


@pytest.mark.real("network")
async def test_a_second_station_with_the_same_eui_is_counted_and_told() -> None:
    port = free_port(socket.SOCK_STREAM)
    session = FakeSession("lorawan", metrics=METRICS)
    async with running(station(port), session), aiohttp.ClientSession() as client:
        one = await connected(client, port, f"/router/{GATEWAY}")
        assert ("", "gateway-connected-twice") not in session.drops
        async with client.ws_connect(f"http://127.0.0.1:{port}/router/{GATEWAY}") as other:
            await other.send_json({"msgtype": "version"})
            assert (await other.receive_json())["msgtype"] == "router_config"
        assert session.drops.count(("", "gateway-connected-twice")) == 1
        await one.close()


@pytest.mark.real("network")
async def test_a_station_with_tls_is_served_under_the_hubs_certificate(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = tmp_path / "hub.pem", tmp_path / "hub.key"
    chain.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    port = free_port(socket.SOCK_STREAM)
    config = station(port, certificate=str(chain), certificate_key=str(secret))
    trust = ssl.create_default_context(cafile=str(chain))
    async with running(config, FakeSession("lorawan", metrics=METRICS)), aiohttp.ClientSession() as client:
        await until(lambda: listens(port))
        async with client.ws_connect(f"wss://127.0.0.1:{port}/router-info", ssl=trust) as infos:
            await infos.send_json({"router": GATEWAY})
            assert (await infos.receive_json())["uri"] == f"wss://127.0.0.1:{port}/router/{GATEWAY}"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.ws_connect(f"wss://127.0.0.1:{port}/router-info")


@pytest.mark.real("network, processes")
async def test_what_gateways_hear_can_be_listened_to_without_a_hub(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    heard: list[dict[str, Any]] = []
    task = asyncio.create_task(lorawan.listen(udp(port, gateways={}), heard.append))
    await until(lambda: taken(port))
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
    with pytest.raises(hub.NotReady, match=r"the certificate /nowhere\.pem or its key cannot be read"):
        await lorawan.run(config, FakeSession("lorawan", metrics=METRICS))


@pytest.mark.real("network, processes")
async def test_the_simulator_joins_and_reports() -> None:
    port = free_port(socket.SOCK_DGRAM)

    async def simulator() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "integrations.lorawan.sim",
            "--port",
            str(port),
            "--devices",
            "2",
            "--interval",
            "0.5",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def ended(process: asyncio.subprocess.Process) -> dict[str, int]:
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), 60)
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
    session = FakeSession("lorawan", devices, metrics=METRICS)
    async with running(udp(port, gateways={said["gateway"]: {}}), session):
        second = await simulator()
        await until(lambda: {r.device for r in session.reports if "temperature" in r.values} == set(said["devices"]))
        assert (await ended(second))["late"] == 0
    assert {reason for _, reason in session.drops} == set()
