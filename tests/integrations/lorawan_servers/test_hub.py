"""A whole hub, killed again and again while ChirpStack's broker gives it uplinks: each is at the backend, and once."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import server_kit as kit

from tests.hub.devices.packs.packs_kit import CODEC, PACK, VECTORS

from ...faults.rig import Rig, ilot, until

pytestmark = [
    pytest.mark.real("clock, network, processes"),
    pytest.mark.long("starts whole hubs", of="tests/integrations"),
]

CONFIG = """\
hub: {{name: joined, site: rig, state_dir: {state}}}
sites: {{rig: {{name: Rig, timezone: Europe/Paris}}}}
zones: {{bench: {{site: rig, name: Bench}}}}
places: {{sensor: {{zone: bench, name: Sensor}}}}
integrations: {{chirpstack: {{host: 127.0.0.1, port: {port}}}}}
devices: {{"{device}": {{integration: chirpstack, place: sensor, pack: cayenne-lpp}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
"""


class House:
    """A backend, a hub and a broker that keeps sessions."""

    def __init__(self, root: Path, pack: str = "cayenne-lpp") -> None:
        self.rig = Rig(root)
        self.broker = kit.Mosquitto(root, "allow_anonymous true", "max_queued_messages 0")
        self.broker.start()
        url = self.rig.config.read_text().partition('url: "')[2].partition('"')[0]
        self.rig.config.write_text(
            CONFIG.format(state=self.rig.state, url=url, port=self.broker.port, device=kit.DEVICE).replace(
                "cayenne-lpp", pack
            )
        )
        self.began = float(int(time.time()) - 86_400)

    def start(self) -> None:
        self.rig.hub = self.rig._start([sys.executable, "-m", "hub", "run", "--config", str(self.rig.config)], "hub")

    def kill(self) -> None:
        self.rig.kill(self.rig.hub)

    def say(self, server: kit.NetworkServer, number: int) -> None:
        """Uplink n, a second after the one before it, temperature n/10 modulo 100; some are followed by a copy."""
        at, payload = self.began + number, b"\x01\x67" + (number % 1000).to_bytes(2, "big")
        for _ in range(1 + (number % 7 == 0)):
            server.publish(kit.topic("up"), kit.uplink(number, payload, at=at))

    def stored(self) -> list[int]:
        """The numbers of those that are at the backend with their own value, by their dates."""
        return [
            number
            for time_ms, value in self.rig.sql(
                "SELECT r.time, r.value FROM readings r JOIN series s ON s.id = r.series"
                " WHERE s.place = 'sensor' AND s.metric = 'temperature' ORDER BY r.time"
            )
            if (number := round(time_ms / 1000 + 0.25 - self.began)) % 1000 == round(value * 10)
        ]

    def close(self) -> None:
        self.rig.close()
        self.broker.kill()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def kill_and_count(house: House, kills: int, uplinks: int, pause: float, seed: int = 1) -> list[int]:
    """What is at the backend in the end."""
    rng = random.Random(seed)
    with kit.network_server(house.broker.port, "nothing") as server:
        house.start()
        # ChirpStack's first word comes when the hub has subscribed: before that, nobody keeps it
        until(lambda: _subscribed(house), 60, house.rig.logs)

        def speak() -> None:
            for number in range(uplinks):
                house.say(server, number)
                time.sleep(pause)

        speaking = threading.Thread(target=speak)
        speaking.start()
        for _ in range(kills):
            time.sleep(rng.uniform(0.2, 2.5))
            house.kill()
            house.start()
        speaking.join()
        until(lambda: len(house.stored()) >= uplinks, 60, house.rig.logs)
        return house.stored()


def _subscribed(house: House) -> bool:
    """A stranger's word reaches the hub."""
    with kit.network_server(house.broker.port, "nothing") as server:
        server.publish(kit.topic("up", "00000000000000ff"), b"?")
    with contextlib.suppress(RuntimeError):  # the hub does not answer yet
        return "bad-protobuf" in str(house.rig.status())
    return False


def test_uplinks_of_a_server_are_at_the_backend_once_over_kills_of_the_hub(house: House) -> None:
    assert kill_and_count(house, kills=3, uplinks=300, pause=0.02) == list(range(300))


REFUSES = CODEC.replace("function decodeUplink(i) {", "function decodeUplink(i) {\n  if (i.bytes[0] === 9) throw 1;")


def pack(root: Path, version: int, codec: str) -> str:
    folder = root / "acme-thermo"
    (folder / "vectors").mkdir(parents=True, exist_ok=True)
    of_port_5 = PACK.replace("version: 1\n", f"version: {version}\n").replace("ports: [1]", "ports: [5]")
    (folder / "pack.yaml").write_text(of_port_5)
    (folder / "codec.js").write_text(codec)
    (folder / "vectors" / "data.yaml").write_text(VECTORS.replace("port: 1", "port: 5"))
    return str(folder)


def test_payloads_that_no_codec_could_read_come_once_and_dated_when_a_pack_can(tmp_path: Path) -> None:
    house = House(tmp_path / "rig", "acme-thermo")
    asked = ("--config", str(house.rig.config), "--json")

    def kept() -> int:
        with contextlib.suppress(RuntimeError):  # the hub does not answer yet
            return int(ilot("status", *asked)["kept"]["frames"])
        return -1

    def stored() -> list[tuple[int, float]]:
        query = (
            "SELECT r.time, r.value FROM readings r JOIN series s ON s.id = r.series"
            " WHERE s.place = 'sensor' AND s.metric = 'probe_2' ORDER BY r.time"
        )
        return [(round(time_ms / 1000 + 0.25 - house.began), value) for time_ms, value in house.rig.sql(query)]

    try:
        ilot("pack", "install", pack(tmp_path, 1, REFUSES), *asked)
        with kit.network_server(house.broker.port, "nothing") as server:
            house.start()
            until(lambda: _subscribed(house), 60, house.rig.logs)
            for number in range(6):
                event = kit.uplink(number, bytes((9, number, 1)), at=house.began + number)
                server.publish(kit.topic("up"), event)
                server.publish(kit.topic("up"), event)  # a copy
            until(lambda: kept() == 6, 90, house.rig.logs)
        house.kill()
        house.start()
        until(lambda: kept() == 6, 90, house.rig.logs)
        ilot("pack", "install", pack(tmp_path, 2, CODEC), *asked)
        until(lambda: len(stored()) >= 6, 90, house.rig.logs)
        assert stored() == [(number, float(number)) for number in range(6)]
        assert kept() == 0
    finally:
        house.close()
