"""Provider spaces by MQTT: a real mosquitto with the files that the owner makes for it, and its own clients."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.city.city import City
from backend.city.open_api.spaces import mqtt
from backend.city.open_api.spaces.arrivals import arrivals_of
from backend.owner import broker as brokers
from backend.owner.broker import Address
from tests.ports import free_port

from ..people.people_kit import Town
from ..waiting import PATIENCE_S
from .spaces_kit import kept, key_of, town_with_spaces

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
GOOD = b"point,time,metric,value,name,lat,lon\nbac-1,2027-01-15T07:00:00Z,fill_level,83,Bac,48.854,2.370\n"


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    async with town_with_spaces(city, tmp_path) as found:
        yield found


class Broker:
    """A mosquitto on loopback with the owner's files; `providers` is the port for those with a password."""

    def __init__(self, owner: Path, directory: Path) -> None:
        self.hubs, self.providers, self._directory = free_port(), free_port(), directory
        while self.providers == self.hubs:  # nobody has taken it yet
            self.providers = free_port()
        at = Address("127.0.0.1", self.hubs)
        brokers.prepare(owner, directory, at, providers=self.providers, where=str(directory))
        conf = directory / "ilot.conf"
        lines = [line + " 127.0.0.1" * line.startswith("listener ") for line in conf.read_text().splitlines()]
        conf.write_text("\n".join([*lines, "user root", ""]))
        self.address, self._process = at, None

    def add(self, key: str) -> str:
        """Give a key's holder its name at the broker, as the how-to says; return it."""
        user = f"provider.{key.split('_')[1]}"
        subprocess.run(["mosquitto_passwd", "-b", self._directory / "providers", user, key], check=True)
        return user

    def start(self) -> None:
        self._process = subprocess.Popen([MOSQUITTO, "-c", self._directory / "ilot.conf"], stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with closing(socket.socket()) as trial:
                if trial.connect_ex(("127.0.0.1", self.providers)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("mosquitto does not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @asynccontextmanager
    async def client(self, user: str, key: str) -> AsyncIterator[aiomqtt.Client]:
        trust = ssl.create_default_context(cafile=str(self._directory / "ca.pem"))
        async with aiomqtt.Client(
            "127.0.0.1", self.providers, username=user, password=key, tls_context=trust, timeout=PATIENCE_S
        ) as found:
            yield found


@pytest.fixture
async def broker(town: Town, tmp_path: Path) -> AsyncIterator[Broker]:
    found = Broker(town.city.directory, tmp_path / "broker")
    try:
        yield found
    finally:
        found.stop()


class Provider:
    """A provider at the broker: it publishes, and reads its answers."""

    def __init__(self, client: aiomqtt.Client, user: str, space: str) -> None:
        self.client, self._user, self._space = client, user, space

    async def drop(self, end: str, data: bytes, space: str = "") -> dict[str, Any]:
        await self.client.publish(f"ilot/spaces/{self._user}/{space or self._space}/{end}", data, qos=1)
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            async for message in self.client.messages:
                assert isinstance(message.payload, bytes)
                return dict(json.loads(message.payload))
        raise AssertionError


@asynccontextmanager
async def provider(town: Town, broker: Broker, key: str, space: str = "acme-waste") -> AsyncIterator[Provider]:
    user = broker.add(key)
    broker.start()
    async with mqtt.listening(town.city, broker.address), broker.client(user, key) as client:
        await client.subscribe(f"ilot/spaces/{user}/+/answer", 1)
        one = Provider(client, user, space)
        first, asked = asyncio.create_task(one.answer()), 0
        while not first.done():  # until the city's view has subscribed too
            asked += 1
            await client.publish(f"ilot/spaces/{user}/{space}/readings/none-{asked}", b"", qos=1)
            await asyncio.wait([first], timeout=0.5)
        told = first.result()
        while told["for"] != f"readings/none-{asked}":  # answers come in turn, to each that it heard
            told = await one.answer()
        assert told["status"] == 415
        arrivals_of(town.city).refused.clear()
        yield one


def refused(town: Town) -> dict[tuple[str, str], int]:
    return dict(arrivals_of(town.city).refused)


@pytest.mark.real("clock, network, processes")
async def test_a_file_and_readings_come_as_by_https(town: Town, broker: Broker) -> None:
    async with provider(town, broker, await key_of(town)) as one:
        data = bytes(2 << 20)
        told = await one.drop("files/Relevé (1).csv", data)
        assert (told["status"], told["for"], told["of"]) == (201, "files/Relevé (1).csv", sha256(data).hexdigest())
        assert (told["name"], told["bytes"], told["sha256"]) == ("Relevé (1).csv", len(data), told["of"])
        assert (await one.drop("files/Relevé (1).csv", data))["status"] == 200
        assert (await one.drop("files/Relevé (1).csv", b"other"))["detail_text"]["code"] == "spaces-there"
        told = await one.drop("readings/csv", GOOD)
        assert (told["status"], told["readings"], told["new"]) == (200, 1, 1)
        told = await one.drop("readings/csv", GOOD.replace(b"83", b"840"))
        assert (told["status"], told["lines"][0]["line"]) == (400, 2)
        assert (await one.drop("readings/csv", bytes(600_000)))["status"] == 413
    assert await kept(town) == [("acme-waste", "Relevé (1).csv", 2)]
    assert [line.what for line in await town.lines()][-3::2] == ["spaces.dropped", "spaces.readings"]
    assert refused(town) == {
        ("mqtt", "spaces-there"): 1, ("mqtt", "spaces-lines-wrong"): 1, ("mqtt", "spaces-readings-bytes"): 1,
    }  # fmt: skip


@pytest.mark.real("clock, network, processes")
async def test_a_key_ends_here_although_the_broker_goes_on(town: Town, broker: Broker) -> None:
    async with provider(town, broker, await key_of(town, days=1)) as one:
        assert (await one.drop("files/a", b"x"))["status"] == 201
        town.now[0] += 86_400
        told = await one.drop("files/b", b"x")
        assert (told["status"], told["detail_text"]["code"]) == (401, "people-token-wrong")
        assert (await one.drop("readings/csv", GOOD))["status"] == 401
    assert [name for _, name, _ in await kept(town)] == ["a"]
    assert refused(town) == {("mqtt", "key"): 2}


@pytest.mark.real("clock, network, processes")
async def test_names_that_are_none_and_spaces_of_others_are_refused(town: Town, broker: Broker) -> None:
    async with provider(town, broker, await key_of(town)) as one:
        for name in ("../a", "a/b", "..", ".hidden", "a\\b", "-rf", ""):
            told = await one.drop(f"files/{name}", b"x")
            assert (told["status"], told["detail_text"]["code"]) == (400, "spaces-file-name"), name
        for space in ("other-waste", "acme-roads", "nowhere"):
            assert (await one.drop("files/a", b"x", space))["status"] == 404
    assert await kept(town) == []


@pytest.mark.real("clock, network, processes")
async def test_a_flood_ends_at_the_quotas_and_each_message_is_answered(town: Town, broker: Broker) -> None:
    async with provider(town, broker, await key_of(town, quota=20)) as one:
        told = [(await one.drop(f"files/f{n}", bytes(2 << 20)))["status"] for n in range(4)]
        assert told == [201, 201, 201, 507]  # 6 MiB lie there
        assert (await one.drop("files/big", bytes((3 << 20) + 1)))["status"] == 413
        told = [(await one.drop("files/f0", b""))["status"] for _ in range(20)]
        assert told[-1] == 429  # so many requests an hour
    assert refused(town)["mqtt", "requests"] >= 1
    assert refused(town)["mqtt", "spaces-full"] == 1


@pytest.mark.real("clock, network, processes")
async def test_the_acl_lets_nobody_publish_as_another_or_read_what_others_drop(town: Town, broker: Broker) -> None:
    other = broker.add(await key_of(town, "other"))
    key = await key_of(town)
    async with provider(town, broker, key) as one:
        for topic in (f"ilot/spaces/{other}/other-waste/files/a", "ilot/v1/hub/up/readings", "ilot/spaces/x/y/files/z"):
            await one.client.publish(topic, b"x", qos=1)
        assert (await one.drop("files/mine", b"x"))["status"] == 201
    with pytest.raises(aiomqtt.MqttError):
        async with broker.client(other, key):
            pass
    assert [name for _, name, _ in await kept(town)] == ["mine"]
    assert refused(town) == {}


@pytest.mark.real("network")
async def test_what_waits_of_one_user_is_bounded(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "WAITING_EACH", 3)
    key, drops, told = await key_of(town), mqtt.Drops(town.city), list[dict[str, Any]]()

    class Client:
        async def publish(self, topic: str, data: bytes) -> None:
            told.append(json.loads(data))

    user = f"provider.{key.split('_')[1]}"
    await asyncio.gather(
        *(drops.take(Client(), f"ilot/spaces/{user}/acme-waste/files/f{n}", b"x") for n in range(5))  # type: ignore[arg-type]
    )
    assert sorted(one["status"] for one in told) == [201, 201, 201, 429, 429]
    assert not drops._bytes
    assert not drops._count


@given(st.text(max_size=60).map(lambda text: f"ilot/spaces/{text}") | st.text(max_size=80))
def test_a_topic_is_read_or_not_and_never_more_than_five_names(topic: str) -> None:
    found = mqtt._TOPIC.fullmatch(topic)
    if found is not None:
        user, space, end, what, name = found.groups()
        assert topic == f"ilot/spaces/{user}/{space}/{what}/{name}"
        assert "/" not in user + space
        assert end == f"{what}/{name}"


def test_no_hub_can_be_called_as_a_provider_is() -> None:
    from backend.ingest.mqtt import _UP

    assert _UP.fullmatch(f"ilot/v1/{brokers.PROVIDER}0123456789ab/up/readings") is None
