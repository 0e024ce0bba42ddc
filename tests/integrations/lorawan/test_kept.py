"""A whole hub whose codec loops: what it could not read is at the backend once, at its own time, though the hub is
killed while a better pack reads it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lorawan_peer import LoraPacket, PeerDevice

from tests.hub.devices.packs.packs_kit import CODEC, PACK, VECTORS

from ...faults.rig import ilot, until
from .test_hub import CONFIG, DEV_EUI, KEY, House

pytestmark = [
    pytest.mark.real("clock, network, processes"),
    pytest.mark.long("starts whole hubs", of="tests/integrations"),
]

ROUNDS = 2
FRAMES = 8
LOOPS = CODEC.replace("function decodeUplink(i) {", "function decodeUplink(i) {\n  if (i.bytes[0] === 9) for (;;) {}")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, CONFIG.replace("cayenne-lpp", "acme-thermo"))
    yield made
    made.close()


def pack(root: Path, version: int, codec: str) -> str:
    folder = root / "acme-thermo"
    (folder / "vectors").mkdir(parents=True, exist_ok=True)
    (folder / "pack.yaml").write_text(
        PACK.replace("version: 1\n", f"version: {version}\n").replace("class: C", "class: A")
    )
    (folder / "codec.js").write_text(codec)
    (folder / "vectors" / "data.yaml").write_text(VECTORS)
    return str(folder)


def test_payloads_of_a_codec_that_loops_come_once_over_kills(
    house: House, lora_packet: LoraPacket, tmp_path: Path
) -> None:
    chance = random.Random(5)
    asked = ("--config", str(house.rig.config), "--json")
    ilot("pack", "install", pack(tmp_path, 1, LOOPS), *asked)
    device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
    house.start()
    accept = house.gateway.forward(device.join_request(1), 60)
    assert accept
    device.join_accept(accept)
    sent: list[tuple[float, float, float]] = []  # what it says, and between when
    for turn in range(ROUNDS):
        for _ in range(FRAMES):
            number, before = len(sent), time.time()
            assert house.gateway.forward(device.uplink(bytes((9, number, 1)), 1, confirmed=True), 60), house.rig.logs()
            sent.append((float(number), before, time.time()))
        if turn == 0:
            status = ilot("status", *asked)
            assert status["kept"]["frames"] == FRAMES
            counts = status["counts"][f"lorawan:{DEV_EUI}"]
            assert (counts["codec-time"], counts["codec-rests"]) == (3, FRAMES - 3), "it is not let loop for ever"
        folder = pack(tmp_path, 2 * turn + 2, CODEC)
        install = subprocess.Popen(
            [sys.executable, "-m", "hub", "pack", "install", folder, *asked],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        target = f"packs/acme-thermo/{2 * turn + 2}-*"
        until(lambda target=target: [*house.rig.state.glob(target)], 90, house.rig.logs)  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 0.15))
        house.kill()  # while it reads them, or just before or after
        install.wait(120)
        house.start()
        until(lambda: len(house.stored("probe_2")) >= len(sent), 90, house.rig.logs)
        if turn < ROUNDS - 1:
            ilot("pack", "install", pack(tmp_path, 2 * turn + 3, LOOPS), *asked)
    times = [
        (value, at / 1000)
        for value, at in house.rig.sql(
            "SELECT r.value, r.time FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.place = 'sensor' AND s.metric = 'probe_2' ORDER BY r.time"
        )
    ]
    assert [value for value, _ in times] == [value for value, _, _ in sent]
    assert all(before - 1 <= at <= after for (_, at), (_, before, after) in zip(times, sent, strict=True)), (
        "the time at which each was received"
    )
    assert ilot("redecode", *asked) == {"frames": [], "left": 0}
