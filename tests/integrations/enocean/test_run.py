"""The integration on a TCP port, where a gateway's line would be; an independent implementation makes the packets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from enocean.protocol.constants import PACKET
from enocean.protocol.packet import Packet as Peer
from ruamel.yaml import YAML

import hub
import integrations.enocean
from hub.sdk.testing import FakeSession
from integrations.enocean import Config, DeviceSettings, Listening, probe, run
from integrations.enocean.decode import METRICS
from integrations.enocean.esp3 import Packet, pack

from ...serving import start_server

HERE = Path(integrations.enocean.__file__).parent
ROOM = hub.Device(id="enocean:018F2B3C", integration="enocean", place="room", settings={"eep": "A5-04-01"})

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:enocean")


def room(**values: float) -> bytes:
    """A packet of the room sensor, made by the independent implementation."""
    made = Peer.create(PACKET.RADIO, rorg=0xA5, rorg_func=0x04, rorg_type=0x01, sender=[1, 0x8F, 0x2B, 0x3C], **values)
    return bytes(made.build())


@asynccontextmanager
async def gateway(*sent: bytes) -> AsyncIterator[str]:
    """A gateway that says this, answers what it is, and goes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for data in sent:
                writer.write(data)
            await writer.drain()
            if not sent:
                await reader.readexactly(8)  # CO_RD_VERSION
                told = b"\0" + bytes([2, 11, 0, 0]) + bytes([2, 6, 3, 0]) + bytes.fromhex("0580CAFE") + bytes(4)
                writer.write(pack(2, told + b"GATEWAYCTRL".ljust(16, b"\0")))
                await writer.drain()
        finally:
            writer.close()

    server = await start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def listen(session: FakeSession, *sent: bytes) -> None:
    async with gateway(*sent) as port:
        with pytest.raises(hub.NotReady, match="is gone"):
            await session.run(run, Config(port=port))


@pytest.mark.real("network")
async def test_a_sensor_is_read_and_a_repeaters_copy_counts_once() -> None:
    session = FakeSession("enocean", devices=[ROOM], metrics=METRICS)
    await listen(session, room(TMP=20, HUM=50), room(TMP=20, HUM=50), room(TMP=21, HUM=50))
    assert [report.values for report in session.reports] == [
        {"temperature": pytest.approx(20, abs=0.2), "humidity": pytest.approx(50, abs=0.4)},
        {"temperature": pytest.approx(21, abs=0.2), "humidity": pytest.approx(50, abs=0.4)},
    ]
    assert session.reports[0].device == "enocean:018F2B3C"
    assert session.reports[0].proof == hub.Proof(scheme="enocean")


async def test_the_same_telegram_later_is_news() -> None:
    session = FakeSession("enocean", devices=[ROOM], metrics=METRICS)
    listening = Listening(session)
    packet = Packet(1, bytes.fromhex("a500647d08018f2b3c00"), bytes.fromhex("03ffffffff3c00"))
    for now in (10.0, 10.1, 12.0):
        await listening.hear(packet, now)
    assert len(session.reports) == 2
    assert session.reports[0].signal == hub.Signal(rssi=-60)


async def test_a_repeaters_copy_that_was_overtaken_is_no_news_and_a_second_press_is() -> None:
    device = hub.Device(id="enocean:018F2B3C", integration="enocean", place="door", settings={"eep": "D5-00-01"})

    def contact(closed: bool, repeated: int = 0) -> Packet:
        return Packet(1, bytes([0xD5, 8 | closed]) + bytes.fromhex("018f2b3c") + bytes([repeated]), b"")

    session = FakeSession("enocean", devices=[device], metrics=METRICS)
    listening = Listening(session)
    for now, packet in ((10.0, contact(False)), (10.06, contact(True)), (10.09, contact(False, 1)),
                        (10.12, contact(True, 2))):  # fmt: skip
        await listening.hear(packet, now)
    assert [list(report.values.values()) for report in session.reports] == [[True], [False]]
    for now, packet in ((20.0, contact(False)), (20.1, contact(True)), (20.2, contact(False)), (20.25, contact(True))):
        await listening.hear(packet, now)
    assert len(session.reports) == 6


@pytest.mark.real("network")
async def test_only_a_stranger_that_says_what_it_is_becomes_a_candidate() -> None:
    session = FakeSession("enocean", metrics=METRICS)
    taught = pack(1, bytes.fromhex("a510080b80018f2b3c00"), bytes.fromhex("03ffffffff3c00"))
    await listen(session, room(TMP=20, HUM=50), taught)
    assert session.reports == []
    (candidate,) = session.candidates
    assert (candidate.id, candidate.model) == ("enocean:018F2B3C", "EnOcean A5-04-01")
    assert candidate.evidence == {"eep": "A5-04-01", "manufacturer": "00B"}
    assert ("", "not-admitted") in session.drops


@pytest.mark.real("network")
async def test_garbled_packets_and_telegrams_of_another_profile_are_counted() -> None:
    session = FakeSession("enocean", devices=[ROOM], metrics=METRICS)
    broken = bytearray(room(TMP=20, HUM=50))
    broken[9] ^= 1
    rocker = pack(1, bytes.fromhex("f630018f2b3c30"), b"")
    await listen(session, bytes(broken), rocker, pack(1, b"short", b""))
    assert session.reports == []
    assert sorted(reason for _, reason in session.drops) == ["enocean-profile", "esp3-crc", "esp3-radio"]


@pytest.mark.real("network")
async def test_a_gateway_says_what_it_is_and_a_missing_one_that_it_is_away() -> None:
    async with gateway() as port:
        assert (await probe(Config(port=port))).startswith("GATEWAYCTRL 2.11.0.0, chip 0580CAFE, answers on tcp://")
    with pytest.raises(hub.NotReady, match="cannot be opened"):
        await probe(Config(port="/dev/nothing"))


@pytest.mark.parametrize(("eep", "said"), [("A5-4-1", "expected a profile"), ("A5-04-77", "is not read")])
def test_a_wrong_profile_is_refused_with_a_reason(eep: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DeviceSettings(eep=eep)


def test_the_yaml_of_the_readme_is_a_valid_configuration() -> None:
    text = (HERE / "README.md").read_text()
    block = YAML(typ="safe").load(text.split("```yaml\n")[1].split("```")[0].replace("!secret ", ""))
    Config.model_validate(block["integrations"]["enocean"])
    for device in block["devices"].values():
        DeviceSettings.model_validate(device["settings"])
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Devices", "## Configuration", "## Readings", "## Limits",
    ]  # fmt: skip
