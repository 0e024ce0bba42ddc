"""What set-up writes for the forwarder of this machine's concentrator is what the hub's own endpoint takes.

The station here does with these files what LoRa Basics Station 2.0.6 does: it reads URI, trust and header from them,
speaks TLS 1.2 (Mbed TLS 2.28 knows no newer) and compares the name of the certificate, and has the EUI of station.conf.
"""

from __future__ import annotations

import datetime
import json
import socket
import ssl
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
from serving_kit import DEV_EUI, GATEWAY, KEY, UPINFO, free_port, known, listens, running, until, updf

from hub.operations.concentrator import plan as plans
from hub.operations.concentrator import store
from hub.operations.concentrator.models import MODELS
from hub.sdk.testing import FakeSession
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.settings import Config

pytestmark = pytest.mark.real("network, processes")


def set_up(options: dict[str, Any], tmp_path: Path, model: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """The plan on the disk, its edits carried out in `options`."""
    here = plans.endpoint_of({"lorawan": Config.model_validate(options)}, names)
    made = plans.make(plans.Choice(model, "00:16:C0:01:FF:10:D3:E5"), here)
    for edit in made.edits:
        assert edit["path"][:2] == ["integrations", "lorawan"]
        *above, last = edit["path"][2:]
        into = options
        for key in above:
            into = into.setdefault(key, {})
        into[last] = edit["value"]
    store.write(made.document, tmp_path / "radio.json")
    written = store.read(tmp_path / "radio.json")
    assert written is not None
    return written["files"]


async def begin(
    client: aiohttp.ClientSession, files: dict[str, str], tls: ssl.SSLContext | None
) -> tuple[str, dict[str, str]]:
    """Ask where to connect, as a station does."""
    header = {}
    if tls is not None and "tc.key" in files:  # a station sends its token over TLS alone
        name, _, value = files["tc.key"].strip("\r\n").partition(": ")
        header = {name: value}
    router = json.loads(files["station.conf"])["station_conf"]["routerid"]
    more: dict[str, Any] = {"ssl": tls} if tls is not None else {}
    async with client.ws_connect(files["tc.uri"].strip() + "/router-info", headers=header, **more) as infos:
        await infos.send_json({"router": router})
        return str((await infos.receive_json())["uri"]), header


@pytest.mark.parametrize("model", sorted(MODELS))
async def test_a_forwarder_set_up_for_each_model_is_on_the_list_and_gets_its_channels(
    tmp_path: Path, model: str
) -> None:
    port = free_port(socket.SOCK_STREAM)
    options: dict[str, Any] = {"udp": None, "station": {"port": port}, "status": 0}
    files = set_up(options, tmp_path, model)
    async with (
        running(Config.model_validate(options), FakeSession("lorawan", metrics=METRICS)),
        aiohttp.ClientSession() as client,
    ):
        await until(lambda: listens(port))
        where, _ = await begin(client, files, None)
        async with client.ws_connect(where) as muxs:
            await muxs.send_json({"msgtype": "version", "station": "2.0.6(corecell/std)", "protocol": 2})
            config = await muxs.receive_json()
    assert config["hwspec"] == "sx1301/1", "the only one that Basics Station 2.0.6 takes (src/sx130xconf.c)"
    board = json.loads(files["station.conf"])
    radios = board[next(key for key in board if key != "station_conf")]
    assert radios["radio_0"]["tx_enable"] is True
    assert radios["radio_1"]["tx_enable"] is False


async def test_over_tls_a_device_joins_and_reports_through_the_forwarder_that_was_set_up(
    lora_packet: LoraPacket, tmp_path: Path
) -> None:
    port = free_port(socket.SOCK_STREAM)
    chain, secret = certificate(tmp_path)
    section = {"port": port, "certificate": chain, "certificate_key": secret, "token": "sesame"}
    options: dict[str, Any] = {"udp": None, "station": section, "status": 0}
    files = set_up(options, tmp_path, "rak5146", ("localhost",))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.load_verify_locations(cadata=files["tc.trust"])
    session = FakeSession("lorawan", [known()], metrics=METRICS)
    async with running(Config.model_validate(options), session), aiohttp.ClientSession() as client:
        await until(lambda: listens(port))
        where, header = await begin(client, files, tls)
        assert where == f"wss://localhost:{port}/router/{GATEWAY}"
        async with client.ws_connect(where, headers=header, ssl=tls) as muxs:
            await muxs.send_json({"msgtype": "version", "station": "2.0.6(corecell/std)", "protocol": 2})
            await muxs.receive_json()
            device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
            raw = device.join_request(1)
            joins = {"JoinEui": "00-00-00-00-00-00-00-00", "DevEui": "70-B3-D5-E7-5E-00-AB-CD", "DevNonce": 1}
            mic = int.from_bytes(raw[-4:], "little", signed=True)
            await muxs.send_json(
                {"msgtype": "jreq", "MHdr": 0, **joins, "MIC": mic, "DR": 5, "Freq": 868_300_000, "upinfo": UPINFO}
            )
            order = await muxs.receive_json()
            device.join_accept(bytes.fromhex(order["pdu"]))
            await muxs.send_json(updf(device.uplink(bytes.fromhex("0167010f"), 2, confirmed=True)))
            await muxs.receive_json()
        assert session.durable[-1].values["temperature"] == 27.1


def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = tmp_path / "hub.pem", tmp_path / "hub.key"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(chain), str(secret)
