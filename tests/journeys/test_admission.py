"""A thousand unknown sensors at a real hub: nothing of them reaches the backend; two hundred are adopted in one go.

The radio is a fake org.bluez under the real bleak, the backend is the real one, its database the oracle.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from integrations.bluetooth.sim.sensors import BTHOME, Advertisement, Sensor

from .ble_kit import BleHouse, house
from .patience import PATIENCE_S

pytestmark = pytest.mark.real("processes")

CONFIG = """\
hub: {{name: gate, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{rooms: {{site: rig, name: Rooms}}}}
places: {{one: {{zone: rooms}}}}
integrations: {{bluetooth: {{repeat: 0s}}}}
devices:
  "ble:A4:C1:38:5E:00:01": {{integration: bluetooth, place: one}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms, segment_size: 64KB}}
"""
OWN = "A4:C1:38:5E:00:01"
MANY, BATCH = 1000, 200


def address(number: int) -> str:
    return f"D4:C1:38:00:{number >> 8:02X}:{number & 255:02X}"


def says(packet: int) -> Advertisement:
    """BTHome in clear: packet id, 25 °C."""
    return Advertisement({BTHOME: bytes.fromhex(f"4000{packet & 255:02x}02c409")}, {})


class GateHouse(BleHouse):
    config = CONFIG

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.packet = 0
        self.twin = "hasty"

    async def say(self, *addresses: str) -> None:
        self.packet += 1
        for one in addresses:
            self.bluez.say(Sensor(one, "", "", lambda: says(0)), says(self.packet))
            await asyncio.sleep(0.006)  # strangers are read at 200 a second

    async def held(self, addresses: list[str], reports: int) -> bool:
        """Whether each of these waits, with so many reports."""
        waiting = {one["id"]: one["held"] for one in (await self.ilot("quarantine", "list"))["waiting"]}
        return all(waiting.get(f"ble:{one}") == reports for one in addresses)

    def devices(self) -> set[str]:
        rows = self.sql("SELECT DISTINCT s.device FROM readings r JOIN series s ON s.id = r.series")
        return {str(device) for (device,) in rows}

    def before(self, moment: float) -> dict[str, int]:
        """Sensor → how many of its temperatures are dated before `moment` (Unix seconds)."""
        return dict(
            self.sql(
                "SELECT s.device, count(*) FROM readings r JOIN series s ON s.id = r.series"
                f" WHERE s.metric = 'temperature' AND s.device != 'ble:{OWN}' AND r.time < {moment * 1000:.0f}"
                " GROUP BY 1"
            )
        )

    def twice(self) -> list[tuple[object, ...]]:
        return self.sql("SELECT series, time, count(*) FROM readings GROUP BY 1, 2 HAVING count(*) > 1")


async def test_unknown_ids_give_no_reading_upstream_and_two_hundred_are_adopted_in_one_go(tmp_path: Path) -> None:
    async with house(GateHouse, tmp_path) as made:
        await made.start()
        strangers = [address(n) for n in range(MANY)]
        await made.say(*strangers)
        await made.say(OWN)
        async with asyncio.timeout(PATIENCE_S):
            while len((listed := await made.ilot("quarantine", "list"))["waiting"]) < MANY:
                await asyncio.sleep(0.1)
        async with asyncio.timeout(PATIENCE_S):
            while made.devices() != {f"ble:{OWN}"}:
                await asyncio.sleep(0.1)
        one = listed["waiting"][0]
        assert (one["integration"], one["reason"], one["known"]) == ("bluetooth", "not in the configuration", False)
        assert one["values"]["temperature"] == 25.0
        assert one["heard"]

        # ignored and blocked: not listed again, over a restart
        await made.ilot("quarantine", "block", "ble:D4:C1:38:00:03:*", "--why", "not ours")
        await made.ilot("quarantine", "ignore", f"ble:{address(512)}")
        await made.end(kill=True)
        await made.start()
        await made.say(*(address(n) for n in (500, 512, 768, 800)))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                listed = await made.ilot("quarantine", "list")
                if sum(told["heard"] for told in listed["decisions"]) >= 3 and listed["waiting"]:
                    break
        assert [waiting["id"] for waiting in listed["waiting"]] == [f"ble:{address(500)}"]
        assert {(told["kind"], told["heard"]) for told in listed["decisions"]} == {("block", 2), ("ignore", 1)}

        # two hundred of them, by a filter; what they said before goes on, once, whatever happens meanwhile
        batch = strangers[:BATCH]
        for held in (0, 2, 3):  # what is heard once is held with the second
            await made.say(*batch)
            async with asyncio.timeout(PATIENCE_S):
                while not await made.held(batch, held):
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1.1)  # it holds one a second
        preview = await made.ilot(
            "recette", "adopt", "ble:D4:C1:38:00:00:*", "--place", "salle-{n:3}", "--zone", "rooms", "--dry-run"
        )
        assert preview["summary"] == {"added": BATCH}
        began, adoption = time.monotonic(), time.time()
        await made.ilot("recette", "start", "--for", "1h", "--why", "réception")
        answer = await made.ilot(
            "recette", "adopt", "ble:D4:C1:38:00:00:*", "--place", "salle-{n:3}", "--zone", "rooms"
        )
        assert answer["summary"] == {"added": BATCH}
        adopted = {f"ble:{one}" for one in batch}
        async with asyncio.timeout(PATIENCE_S):
            while not adopted <= made.devices():
                await made.say(*batch)
        seconds = time.monotonic() - began
        assert made.devices() == {*adopted, f"ble:{OWN}"}, "and nothing of the others"
        await made.end(kill=True)
        await made.start()
        assert (await made.ilot("recette", "status"))["active"], "it outlives a kill"
        assert (await made.ilot("recette", "end"))["adopted"] == BATCH
        async with asyncio.timeout(PATIENCE_S):
            while len(made.before(adoption)) < BATCH:
                await asyncio.sleep(0.2)
        assert set(made.before(adoption).values()) == {3}, "three reports of each, from before its adoption"
        assert made.twice() == []
        print(f"{BATCH} sensors adopted, each with a reading at the backend, {seconds:.1f} s after Mode recette opened")
        await made.end()
