"""Played devices of a pack, heard by a network server that is npm `lora-packet` alone: keys, counters, faults."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from lorawan_peer import LoraPacket
from serving_kit import running

import hub
from hub.sdk.simulation import Fault, Message, Script
from hub.sdk.testing import FakeSession
from integrations import lorawan
from integrations.lorawan import playing
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.playing import PLAYERS, LorawanPlayer

from ...ports import free_port

MESSAGES = (
    Message("vectors/a.yaml:1", {"temperature": 21.5}, bytes.fromhex("016700d7"), 2),
    Message("vectors/a.yaml:9", {"humidity": 45}, bytes.fromhex("02685a"), 7),
)
ADDRESS = 0x01020304


class Server(asyncio.DatagramProtocol):
    """A network server behind Semtech's protocol: PROTOCOL.TXT for the datagrams, lora-packet for the frames."""

    def __init__(self, peer: LoraPacket, app_keys: dict[str, str]) -> None:
        self._peer, self._app_keys = peer, app_keys
        self.sessions: dict[int, dict[str, Any]] = {}
        self.heard: list[dict[str, Any]] = []
        self.joins: list[tuple[str, int]] = []
        self.came = asyncio.Event()
        self._pull: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[3] == 2:
            self._pull = addr
        if data[3] != 0:
            return
        for packet in json.loads(data[12:]).get("rxpk", ()):
            raw = base64.b64decode(packet["data"])
            if raw[0] >> 5 == 0:
                self._join(raw)
            else:
                self._data(raw)

    def _join(self, raw: bytes) -> None:
        dev_eui, nonce = raw[9:17][::-1].hex(), struct.unpack("<H", raw[17:19])[0]
        asked = {"joinEui": raw[1:9][::-1].hex(), "devEui": dev_eui, "devNonce": nonce}
        assert self._peer("joinRequest", **asked, appKey=self._app_keys[dev_eui]) == raw.hex(), "its MIC, and its form"
        self.joins.append((dev_eui, nonce))
        address = ADDRESS + len(self.joins)
        accept = self._peer(
            "joinAccept", joinNonce=len(self.joins), netId=0, address=address, settings=0, delay=1, cflist="",
            appKey=self._app_keys[dev_eui],
        )  # fmt: skip
        opened = self._peer("openJoinAccept", frame=accept, appKey=self._app_keys[dev_eui], devNonce=nonce)
        self.sessions[address] = {"device": dev_eui, "nwk": opened["nwk"], "app": opened["app"]}
        order = {"txpk": {"imme": True, "data": base64.b64encode(bytes.fromhex(accept)).decode()}}
        self.transport.sendto(b"\x02\x00\x01\x03" + json.dumps(order).encode(), self._pull)

    def _data(self, raw: bytes) -> None:
        address = struct.unpack("<I", raw[1:5])[0]
        session = self.sessions[address]
        said = self._peer.read(
            raw,
            fcnt=struct.unpack("<H", raw[6:8])[0],
            nwk=bytes.fromhex(session["nwk"]),
            app=bytes.fromhex(session["app"]),
        )
        self.heard.append({**said, "device": session["device"]})
        self.came.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.heard) < count:
                self.came.clear()
                await self.came.wait()


@asynccontextmanager
async def played(peer: LoraPacket, devices: int = 1) -> AsyncIterator[tuple[LorawanPlayer, Server]]:
    port = free_port(kind=socket.SOCK_DGRAM)
    options = SimpleNamespace(udp=SimpleNamespace(address="127.0.0.1", port=port))
    script = Script("lorawan", "acme-thermo", MESSAGES, devices=devices, options=options, mac="1.0.3")
    async with PLAYERS["lorawan"](script) as player:
        assert isinstance(player, LorawanPlayer)
        keys = {one.id.partition(":")[2]: one.key for one in player.devices}
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Server(peer, keys), local_addr=("127.0.0.1", port)
        )
        try:
            yield player, server
        finally:
            transport.close()


@pytest.mark.real("network, processes")
async def test_played_devices_join_and_say_their_vectors_as_another_implementation_reads_them(
    lora_packet: LoraPacket,
) -> None:
    async with played(lora_packet, devices=3) as (player, server):
        await asyncio.gather(*(player.joined(number) for number in range(3)))
        assert len({nonce for _, nonce in server.joins}) >= 1
        assert len(server.sessions) == 3
        for message in MESSAGES:
            await asyncio.gather(*(player.say(number, message, None) for number in range(3)))
        await server.until(6)
    assert all(said["mic"] for said in server.heard)
    for device in {said["device"] for said in server.heard}:
        mine = [(said["fcnt"], said["fport"], said["payload"]) for said in server.heard if said["device"] == device]
        assert mine == [(0, 2, "016700d7"), (1, 7, "02685a")]
    assert {f"lorawan:{said['device']}" for said in server.heard} == {one.id for one in player.devices}


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        ("silence", [(0, True, "016700d7")]),
        ("drop", [(1, True, "016700d7")]),
        ("repeat", [(0, True, "016700d7"), (0, True, "016700d7"), (1, True, "016700d7")]),
        ("bad-mic", [(0, False, "016700d7"), (0, True, "016700d7")]),
        ("wrong-payload", [(0, True, "0198"), (1, True, "016700d7")]),
    ],
)
async def test_each_fault_is_on_the_air_as_it_is_named(
    fault: Fault, heard: list[tuple[int, bool, str]], lora_packet: LoraPacket
) -> None:
    async with played(lora_packet) as (player, server):
        await player.joined(0)
        await player.say(0, MESSAGES[0], fault)
        await player.say(0, MESSAGES[0], None)
        await server.until(len(heard))
    assert [(said["fcnt"], said["mic"], said["payload"]) for said in server.heard] == heard


@pytest.mark.real("network")
async def test_a_device_that_nobody_lets_in_says_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "JOIN_S", 0.01)
    monkeypatch.setattr(playing, "JOINS", 2)
    options = SimpleNamespace(udp=SimpleNamespace(address="127.0.0.1", port=free_port()))
    async with PLAYERS["lorawan"](Script("lorawan", "acme-thermo", MESSAGES, options=options)) as player:
        with pytest.raises(hub.NotReady, match="asked 2 times to join and had no answer"):
            await player.joined(0)


@pytest.mark.real("network")
async def test_the_same_seed_makes_the_same_devices_and_never_an_old_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    options = SimpleNamespace(udp=SimpleNamespace(address="127.0.0.1", port=free_port()))
    found, requests = [], []
    for later in (0, 3600):
        now = time.time() + later
        monkeypatch.setattr(time, "time", lambda now=now: now)
        async with PLAYERS["lorawan"](Script("lorawan", "acme", MESSAGES, devices=2, options=options)) as player:
            found.append([(one.id, one.key) for one in player.devices])
            assert isinstance(player, LorawanPlayer)
            requests.append(player._sensors[0].join_request())
    assert found[0] == found[1]
    assert requests[0][17:19] != requests[1][17:19]


@pytest.mark.real("network")
@pytest.mark.long("a join takes its five seconds", of="integrations/lorawan")
async def test_a_hub_that_takes_basics_stations_alone_is_played_to_by_one() -> None:
    port = free_port()
    message = Message("v:1", {"temperature": 21.5}, bytes.fromhex("016700d7"), 2)
    options = SimpleNamespace(
        udp=None, station=SimpleNamespace(address="127.0.0.1", port=port, certificate="", token=None)
    )
    async with PLAYERS["lorawan"](Script("lorawan", "acme", [message], options=options)) as player:
        eui = next(iter(player.options["gateways"]))
        device = hub.Device(
            id=player.devices[0].id, integration="lorawan", place="p", key=bytes.fromhex(player.devices[0].key),
            settings={"codec": "cayenne"},
        )  # fmt: skip
        config = lorawan.Config.model_validate({"gateways": {eui: {}}, "udp": None, "station": {"port": port}})
        session = FakeSession("lorawan", [device], metrics=METRICS)
        async with running(config, session):
            await player.joined(0)
            async with asyncio.timeout(60):
                while not any(report.values.get("temperature") == 21.5 for report in session.reports):
                    await player.say(0, message, None)
                    await asyncio.sleep(0.2)
        assert {report.device for report in session.reports} == {player.devices[0].id}


async def test_a_station_with_tls_is_not_played() -> None:
    options = SimpleNamespace(udp=None, station=SimpleNamespace(certificate="c.pem"))
    with pytest.raises(hub.NotReady, match="speaks no TLS"):
        async with PLAYERS["lorawan"](Script("lorawan", "acme", MESSAGES, options=options)):
            pass
