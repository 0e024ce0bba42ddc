"""A hostile broker. Hubs and backend each believe to be at their own broker, and are: at two real ones. Between them
sits Mallory, who drops, delays, reorders, repeats, alters and forges whatever the one says to the other, while both
get every PUBACK they like. What must hold is judged in the backend's database.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.protocol.link_messages import MAGIC, Ack, pack_reply, sign_ack

from .kit import District, Mosquitto, done, until

pytestmark = pytest.mark.real("network, processes")

ID = 16
UP = ("pass", "pass", "drop", "hold", "repeat", "alter", "cut", "splice", "replay", "misdirect")
DOWN = ("pass", "pass", "lose", "echo", "flip", "swap", "forge", "promise", "refuse")
Deed = Callable[[str, bytes], list[tuple[str, bytes]]]


class Mallory:
    """Relays between the hubs' broker and the backend's. `up` and `down` judge (topic, payload) and return what is
    passed on instead; honest until told."""

    def __init__(self, front: aiomqtt.Client, rear: aiomqtt.Client, seed: int) -> None:
        self.front, self.rear = front, rear
        self.rng = random.Random(seed)
        self.did: Counter[str] = Counter()
        self.up: Deed = lambda topic, payload: [(topic, payload)]
        self.down: Deed = self.up
        self.held: list[tuple[str, bytes]] = []
        self.seen: dict[str, list[tuple[str, bytes]]] = {"up": [], "down": []}
        self.other = ""

    async def relay(self) -> None:
        await self.front.subscribe([("ilot/v1/+/up/+", 1), ("ilot/v1/+/state", 1)])
        await self.rear.subscribe("ilot/v1/+/ack", qos=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry(self.front, self.rear, "up"))
            group.create_task(self._carry(self.rear, self.front, "down"))

    async def _carry(self, source: aiomqtt.Client, sink: aiomqtt.Client, way: str) -> None:
        async for message in source.messages:
            said = str(message.topic), bytes(message.payload)
            self.seen[way].append(said)
            for topic, payload in (self.up if way == "up" else self.down)(*said):
                await sink.publish(topic, payload, qos=1)

    def hostile_up(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        deed = self._choose(UP)
        if deed == "drop":
            return []
        if deed == "hold":
            self.held.append((topic, payload))
            released = self.held if len(self.held) > 3 else []
            if released:
                self.rng.shuffle(released)
                self.held = []
            return released
        if deed == "repeat":
            return [(topic, payload)] * 3
        if deed == "alter":
            return [(topic, self._flipped(payload))]
        if deed == "cut":
            return [(topic, payload[: self.rng.randrange(len(payload))])]
        if deed == "splice":
            _, other = self.rng.choice(self.seen["up"])
            return [(topic, payload[:ID] + MAGIC + payload[ID + 4 : len(payload) // 2] + other[len(other) // 2 :])]
        if deed == "replay":
            return [(topic, payload), *self.rng.choices(self.seen["up"], k=3)]
        if deed == "misdirect":
            return [(f"ilot/v1/{self.other}/{topic.split('/', 3)[3]}", payload), (topic, payload)]
        return [(topic, payload)]

    def hostile_down(self, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        deed = self._choose(DOWN)
        if deed == "lose":
            return []
        if deed == "echo":
            return [(topic, payload)] * 3
        if deed == "flip":
            return [(topic, payload[: ID + 1] + self._flipped(payload[ID + 1 :]))]
        if deed == "swap":
            _, other = self.rng.choice(self.seen["down"])
            return [(topic, payload[:ID] + other[ID:])]
        if deed == "forge":
            return [(topic, payload[:ID] + b"\0" + self.forged(topic))]
        if deed == "promise":
            return [(topic, payload[:ID] + b"\0" + pack_reply([]))]
        if deed == "refuse":
            return [(topic, payload[:ID] + bytes([self.rng.randrange(1, 256)]) + b"\x1b[31mno\n")]
        return [(topic, payload)]

    def forged(self, topic: str) -> bytes:
        """An ack of everything, signed by a key that the owner never named."""
        run = self.rng.randbytes(16)
        acks = [
            Ack(hub=topic.split("/")[2], stream=stream, run=run, db=bytes(16), n=2**40, through=2**40)
            for stream in ("readings", "alerts")
        ]
        return pack_reply([sign_ack(ack, Ed25519PrivateKey.generate()) for ack in acks])

    def _choose(self, deeds: tuple[str, ...]) -> str:
        deed = self.rng.choice(deeds)
        self.did[deed] += 1
        return deed

    def _flipped(self, payload: bytes) -> bytes:
        at = self.rng.randrange(len(payload))
        return payload[:at] + bytes([payload[at] ^ 1 << self.rng.randrange(8)]) + payload[at + 1 :]


@asynccontextmanager
async def between(district: District, rear: Mosquitto, seed: int) -> AsyncIterator[Mallory]:
    for broker in (district.broker, rear):
        broker.allow("user mallory", "topic readwrite #")
        await broker.start()
    async with district.client("mallory") as front, district.client("mallory", rear) as back:
        mallory = Mallory(front, back, seed)
        task = asyncio.create_task(mallory.relay())
        try:
            yield mallory
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()


@pytest.fixture
def rear(district: District, tmp_path: Path) -> AsyncIterator[Mosquitto]:
    made = Mosquitto(district.owner, tmp_path / "rear")
    yield made
    made.stop()
    district.broker.stop()


@pytest.fixture
def district(tmp_path: Path) -> District:
    return District(tmp_path)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_hostile_broker_causes_no_wrong_row_no_second_row_and_no_deletion(
    district: District, rear: Mosquitto, seed: int
) -> None:
    async with between(district, rear, seed) as mallory, district.backend(rear) as running:
        await district.enrol(running)
        mallory.other = await district.enrol(running, "other")
        async with district.hub(timeout=1, window=16) as (buffer, link):
            await district.write(buffer, 200)
            await until(lambda: done(link))
            mallory.up, mallory.down = mallory.hostile_up, mallory.hostile_down
            while sum(mallory.did.values()) < 400 or set(mallory.did) != {*UP, *DOWN}:
                await district.write(buffer, 10)
                await asyncio.sleep(0.02)
            there = district.arrived()
            assert len(there) == len(set(there))
            assert set(there) <= set(district.everything())
            mallory.up = mallory.down = lambda topic, payload: [(topic, payload)]
            await until(lambda: done(link), 60.0)
            refused = link.status().refused
    assert district.arrived() == district.everything()
    assert refused["signature"] > 0
    with apsw.Connection(str(district.owner / "backend.db")) as database:
        assert database.execute("select count(*) from forks").get == 0
        alarms = {kind for (kind,) in database.execute("select kind from alarms")}
    assert "forged" in alarms


async def test_forged_acks_of_everything_delete_nothing_while_no_backend_is_there(
    district: District, rear: Mosquitto
) -> None:
    async with between(district, rear, 3) as mallory:
        async with district.backend(rear) as running:
            await district.enrol(running)
        mallory.up = lambda topic, payload: []
        async with district.hub(timeout=1) as (buffer, link):
            await district.write(buffer, 300)
            held = buffer.status().records
            answered = 0
            while answered < 60:
                for topic, payload in mallory.seen["up"][answered:]:
                    answered += 1
                    hub = topic.split("/")[2]
                    forged = b"\0" + (pack_reply() if answered % 2 else mallory.forged(topic))
                    await mallory.front.publish(f"ilot/v1/{hub}/ack", payload[:ID] + forged, qos=1)
                await asyncio.sleep(0.01)
            assert buffer.status().records >= held > 0
            assert link.status().acked == 0
            assert link.status().refused["signature"] >= 10
            mallory.up = lambda topic, payload: [(topic, payload)]
            async with district.backend(rear):
                await until(lambda: done(link), 60.0)
    assert district.arrived() == district.everything()
