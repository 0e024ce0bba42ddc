"""Captured frames sent again, forged frames and frames in clear, at a real hub that is killed and started again.

The radio is a fake org.bluez under the real bleak, the backend is the real one, and its database is the oracle: each
sealed frame carries its own counter as a reading (a duration of so many milliseconds), so that what was accepted twice
is there twice.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from integrations.bluetooth.intake import OWN_WAITING
from integrations.bluetooth.sim.bluez import FakeBluez
from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor

from .ble_kit import BleHouse, house

SENSORS = {f"A4:C1:38:5E:00:{n:02X}": bytes([n]) * 16 for n in (1, 2)}

CONFIG = """\
hub: {{name: replay, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{one: {{zone: bench}}, two: {{zone: bench}}}}
integrations: {{bluetooth: {{repeat: 0s}}}}
devices:
  "ble:A4:C1:38:5E:00:01": {{integration: bluetooth, place: one, key: !secret one}}
  "ble:A4:C1:38:5E:00:02": {{integration: bluetooth, place: two, key: !secret two}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms, segment_size: 64KB}}
"""


def sealed(address: str, key: bytes, counter: int, *, forged: bool = False) -> Advertisement:
    """An encrypted BTHome v2 packet (bthome.io/encryption) that says its own counter as a duration, object 0x42."""
    nonce = bytes.fromhex(address.replace(":", "")) + b"\xd2\xfc\x41" + struct.pack("<I", counter)
    objects = b"\x42" + counter.to_bytes(3, "little")
    box = AESCCM(key, tag_length=4).encrypt(nonce, objects, None)
    mic = bytes(byte ^ 0x55 for byte in box[-4:]) if forged else box[-4:]
    return Advertisement({BTHOME: b"\x41" + box[:-4] + struct.pack("<I", counter) + mic}, {})


ROOM = OWN_WAITING - 2
"""Frames of one device that may be under way: the first of a life may be heard twice, as what BlueZ knows already."""
CLEAR = Advertisement({BTHOME: bytes.fromhex("4002C409")}, {})
"""BTHome in clear: 25 °C. No reading of a temperature may arrive."""


class House(BleHouse):
    """Two sealed sensors on the air, and what was captured of them."""

    config = CONFIG

    def __init__(self, root: Path, bluez: FakeBluez) -> None:
        super().__init__(root, bluez)
        self.secrets = dict(zip(("one", "two"), (key.hex() for key in SENSORS.values()), strict=True))
        self.air = {address: Sensor(address, "", "", lambda: CLEAR, key=key) for address, key in SENSORS.items()}
        self.counter = dict.fromkeys(SENSORS, 0)
        self.captured: list[tuple[str, Advertisement]] = []
        self.replayed = self.judged = 0
        self.rng = random.Random(4)
        self.told, self.waiting = 0, dict[str, list[bytes]]()

    async def start(self) -> None:
        self.told, self.waiting = 0, {}
        await super().start()

    async def say(self, address: str, said: Advertisement) -> None:
        """On the air, once there is room for it: of each device a few frames may wait at the hub, each once."""
        waiting = self.waiting.get(address, [])
        if len(waiting) >= ROOM or said.service[BTHOME] in waiting:
            await self.read()
        self.waiting.setdefault(address, []).append(said.service[BTHOME])
        self.bluez.say(self.air[address], said)
        self.told += 1

    async def read(self) -> None:
        """Wait until the hub has read all that is on the air."""
        await self.taken(self.told, (f"ble:{address}" for address in SENSORS))
        self.waiting.clear()

    async def fresh(self) -> None:
        for address, key in SENSORS.items():
            self.counter[address] += 1
            said = sealed(address, key, self.counter[address])
            self.captured.append((address, said))
            await self.say(address, said)

    async def attack(self, replays: int) -> None:
        """Captured frames again, and between them a forged one far ahead and one in clear."""
        for n in range(replays if self.captured else 0):
            address, said = self.rng.choice(self.captured)
            await self.say(address, said)
            if n % 20 == 0:
                await self.say(address, sealed(address, SENSORS[address], 1_000_000 + n, forged=True))
            if n % 100 == 0:
                await self.say(address, CLEAR)
            self.replayed += 1

    async def judge(self) -> dict[str, int]:
        """What this life of the hub counted, of both devices together, once it has read all that is on the air."""
        await self.read()
        status = await self.status()
        total: dict[str, int] = {"reports": status["reports"]}
        for address in SENSORS:
            for reason, n in status["counts"].get(f"ble:{address}", {}).items():
                total[reason] = total.get(reason, 0) + n
        self.judged += total.get("replay", 0) + total.get("repeat", 0)
        return total

    def twice(self) -> list[tuple[Any, ...]]:
        """(device, counter, how often) of each that was stored more than once."""
        return self.sql(
            "SELECT s.device, r.value, count(*) FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.metric = 'duration' GROUP BY 1, 2 HAVING count(*) > 1"
        )

    def readings(self) -> list[tuple[str, int]]:
        rows = self.sql(
            "SELECT s.device, r.value FROM readings r JOIN series s ON s.id = r.series WHERE s.metric = 'duration'"
        )
        return [(device, round(value * 1000)) for device, value in rows]


@pytest.mark.real("processes")
async def test_ten_thousand_replayed_frames_over_kills_and_restarts_store_no_counter_twice(tmp_path: Path) -> None:
    async with house(House, tmp_path) as made:
        counted: dict[str, int] = {}
        for life in range(6):
            await made.start()
            for _ in range(20):
                await made.attack(90)
                await made.fresh()
            total = await made.judge()
            counted = {reason: counted.get(reason, 0) + total.get(reason, 0) for reason in {*counted, *total}}
            status = await made.status()
            known = [waiting for waiting in status["quarantine"] if waiting["known"]]
            assert {waiting["id"] for waiting in known} == {f"ble:{address}" for address in SENSORS}
            assert any("known devices are refused" in sentence for sentence in status["degraded"])
            await made.end(kill=life % 2 == 0)
        await made.start()
        await made.attack(90)
        await made.fresh()
        await made.judge()
        await made.end(kill=False)
        assert made.judged >= made.replayed >= 10_000, counted
        assert counted["bad-mic"] > 0
        assert counted["clear-but-keyed"] > 0
        assert made.twice() == []
        stored = set(made.readings())
        said = {(f"ble:{address}", n + 1) for address, last in made.counter.items() for n in range(last)}
        assert stored <= said, "no forged counter"
        assert len(stored) > len(said) * 0.8, "a kill may lose what was not durable, no more"
        assert made.sql("SELECT count(*) FROM series WHERE metric = 'temperature'") == [(0,)]
        print(
            f"replayed {made.replayed}, judged {made.judged}, stored {len(stored)} of {len(said)}, twice 0: {counted}"
        )


@pytest.mark.real("processes")
async def test_a_hub_that_forgets_its_counters_is_seen_by_the_same_oracle(tmp_path: Path) -> None:
    async with house(House, tmp_path) as made:
        made.twin = "forgetful"
        for _ in range(2):
            await made.start()
            for _ in range(3):
                await made.attack(10)
                await made.fresh()
            await made.judge()
            await made.end(kill=False)
        assert made.twice()


@pytest.mark.real("processes")
async def test_after_a_new_battery_a_sensor_is_heard_again_with_a_new_key_and_never_with_the_old(
    tmp_path: Path,
) -> None:
    address, other = SENSORS
    new = bytes(range(16))
    async with house(House, tmp_path) as made:
        await made.start()
        for _ in range(20):
            await made.fresh()
        for counter in range(1, 6):  # the battery was changed: its counter starts over
            await made.say(address, sealed(address, SENSORS[address], counter))
        await made.judge()
        (waiting,) = [w for w in (await made.status())["quarantine"] if w["known"]]
        assert waiting["id"] == f"ble:{address}"
        assert "its counter went back" in waiting["reason"]
        # As the maker's app or QR code shows it, in some text of its own.
        scanned = f"BTHome;MAC={address};KEY={new.hex().upper()};"
        answer = await made.ilot("device", "key", f"ble:{address}", "--key-file", "-", stdin=scanned)
        assert answer == {"device": f"ble:{address}", "keyed": True, "from": "command"}
        for counter in range(1001, 1006):
            await made.say(address, sealed(address, new, counter - 1000))
        for address_, said in made.captured:  # everything that was sealed under the old keys, again
            await made.say(address_, said)
        await made.judge()
        again = {w["id"]: w["reason"] for w in (await made.status())["quarantine"]}
        assert "do not fit its key" in again[f"ble:{address}"], "what was sealed under the former key is a forgery now"
        await made.end(kill=False)
        await made.start()  # the key outlives the process
        for counter in range(1, 10):
            await made.say(address, sealed(address, new, counter))
        await made.judge()
        await made.end(kill=False)
        stored = [n for device, n in made.readings() if device == f"ble:{address}"]
        assert sorted(stored) == sorted([*range(1, 21), *range(1, 10)]), "twenty under the old key, nine under the new"
        assert sorted(n for device, n in made.readings() if device == f"ble:{other}") == list(range(1, 21))


@pytest.mark.parametrize("address", SENSORS)
def test_what_this_file_seals_is_what_the_specification_says(address: str) -> None:
    said = sealed(address, SENSORS[address], 7).service[BTHOME]
    nonce = bytes.fromhex(address.replace(":", "")) + bytes.fromhex("d2fc41") + said[-8:-4]
    assert AESCCM(SENSORS[address], tag_length=4).decrypt(nonce, said[1:-8] + said[-4:], None) == b"\x42\x07\0\0"
