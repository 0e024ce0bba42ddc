"""Against mosquitto; the messages are read by paho, and understood by the reader of Home Assistant's discovery that the
hub has for other people's devices."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest

import hub
from hub.core.metric_catalogue import METRICS
from hub.sdk.exporter import LastValue, Series
from hub.sdk.testing import FakeView
from plugins.homeassistant import Config, run
from plugins.homeassistant.entities import configuration, gone, object_id
from plugins.homeassistant.publishing import _Entities

from ...ports import free_port
from ...serving import start_server

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"


def series(place: str, metric: str, **more: str) -> Series:
    return Series(
        id=f"{place}/{metric}",
        place=place,
        device=f"ble:{place}",
        integration="bluetooth",
        metric=METRICS[metric],
        zone="classes",
        **more,
    )


def value(one: Series, said: float | bool) -> LastValue:
    return LastValue(
        series=one.id,
        device=one.device,
        metric=one.metric.key,
        value=said,
        unit=one.metric.unit,
        time=time.time(),
        trust="A",
        quality="good",
        rssi=-60,
    )


@asynccontextmanager
async def mosquitto(directory: Path, *more: str) -> AsyncIterator[int]:
    port = free_port()
    file = directory / "mosquitto.conf"
    file.write_text("\n".join([f"listener {port} 127.0.0.1", *(more or ("allow_anonymous true",))]) + "\n")
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(file), stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield port
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def hanging_up() -> AsyncIterator[int]:
    """The port of somebody who takes a connection and closes it after the first bytes."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
        finally:
            writer.close()

    server = await start_server(close, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


class Neighbour:
    """What stands retained at the broker and what comes."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client
        self.said: dict[str, bytes] = {}
        self.heard: list[str] = []
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        await self.client.subscribe("#", qos=1)
        async for message in self.client.messages:
            self.said[str(message.topic)] = bytes(message.payload)  # type: ignore[arg-type]
            self.heard.append(str(message.topic))

    async def until(self, true) -> None:
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def exporting(port: int, view: FakeView) -> AsyncIterator[Neighbour]:
    config = Config(host="127.0.0.1", port=port)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        neighbour = Neighbour(client)
        task = asyncio.create_task(run(config, view))
        try:
            yield neighbour
        finally:
            for one in (task, neighbour.task):
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one


@pytest.mark.real("network, processes")
async def test_a_series_is_announced_once_and_its_values_follow(tmp_path: Path) -> None:
    view = FakeView(hub="ab12")
    hall, door = series("hall", "temperature", name="Hall"), series("hall", "fault")
    view.say(hall, value(hall, 21.5))
    view.say(door, value(door, True))
    async with mosquitto(tmp_path) as port, exporting(port, view) as neighbour:
        await neighbour.until(lambda: "ilot/ab12/hall/fault" in neighbour.said)
        said = json.loads(neighbour.said["homeassistant/sensor/ilot_ab12_hall_temperature/config"])
        assert (said["unit_of_measurement"], said["device_class"], said["state_class"]) == (
            "°C",
            "temperature",
            "measurement",
        )
        assert said["state_topic"] == "ilot/ab12/hall/temperature"
        assert json.loads(neighbour.said["ilot/ab12/hall/temperature"])["value"] == 21.5
        assert "homeassistant/binary_sensor/ilot_ab12_hall_fault/config" in neighbour.said
        assert neighbour.said["ilot/ab12/status"] == b"online"
        view.say(hall, value(hall, 22.5))
        await neighbour.until(lambda: json.loads(neighbour.said["ilot/ab12/hall/temperature"])["value"] == 22.5)
        assert neighbour.heard.count("homeassistant/sensor/ilot_ab12_hall_temperature/config") == 1


@pytest.mark.real("network, processes")
async def test_home_assistant_that_comes_back_hears_it_again(tmp_path: Path) -> None:
    view = FakeView(hub="ab12")
    hall = series("hall", "temperature")
    view.say(hall, value(hall, 21.5))
    topic = "homeassistant/sensor/ilot_ab12_hall_temperature/config"
    async with mosquitto(tmp_path) as port, exporting(port, view) as neighbour:
        await neighbour.until(lambda: topic in neighbour.said)
        await neighbour.client.publish("homeassistant/status", b"online", qos=1)
        await neighbour.until(lambda: neighbour.heard.count(topic) == 2)


EXPORTER = """
import asyncio, sys
from hub.sdk.testing import FakeView
from plugins.homeassistant import Config, run
asyncio.run(run(Config(host="127.0.0.1", port=int(sys.argv[1])), FakeView(hub="ab12")))
"""


@pytest.mark.real("network, processes")
async def test_a_hub_that_is_killed_is_unavailable(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as port, aiomqtt.Client("127.0.0.1", port) as client:
        neighbour = Neighbour(client)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", EXPORTER, str(port))
        try:
            await neighbour.until(lambda: neighbour.said.get("ilot/ab12/status") == b"online")
        finally:
            process.kill()
            await process.wait()
        await neighbour.until(lambda: neighbour.said["ilot/ab12/status"] == b"offline")
        neighbour.task.cancel()
        with suppress(asyncio.CancelledError):
            await neighbour.task


@pytest.mark.real("network, processes")
async def test_a_broker_that_is_away_is_not_ready_and_one_that_refuses_the_user_is_a_person_s_business(
    tmp_path: Path,
) -> None:
    port = free_port()
    with pytest.raises(hub.NotReady, match="is away"):
        await run(Config(host="127.0.0.1", port=port), FakeView())
    async with mosquitto(tmp_path, "allow_anonymous false") as port:
        with pytest.raises(hub.AuthFailed, match="refuses user"):
            await run(Config(host="127.0.0.1", port=port, user="nobody", password="x"), FakeView())


def test_what_was_not_heard_of_for_a_month_is_withdrawn() -> None:
    before = {
        "homeassistant/sensor/a/config": 100,
        "homeassistant/sensor/b/config": 60,
        "homeassistant/sensor/c/config": 99,
    }
    assert gone(before, {"homeassistant/binary_sensor/c/config"}, 100) == [
        "homeassistant/sensor/b/config",
        "homeassistant/sensor/c/config",
    ]


def test_an_entity_keeps_its_id_when_its_hardware_is_replaced() -> None:
    before, after = (
        series("hall", "temperature"),
        Series(
            id="hall/temperature",
            place="hall",
            device="ble:new",
            integration="bluetooth",
            metric=METRICS["temperature"],
        ),
    )
    assert object_id("h", before) == object_id("h", after)
    assert configuration("h", before)["unique_id"] == configuration("h", after)["unique_id"]


def test_every_unit_of_the_catalogue_with_a_device_class_is_one_home_assistant_takes() -> None:
    from plugins.homeassistant.entities import UNITS

    accepted = {
        "temperature": {"°C"}, "humidity": {"%"}, "moisture": {"%"}, "battery": {"%"}, "energy": {"kWh", "Wh"},
        "power": {"W"}, "voltage": {"V"}, "current": {"A"}, "frequency": {"Hz"}, "carbon_dioxide": {"ppm"},
        "pm25": {"µg/m³"}, "pm10": {"µg/m³"}, "volatile_organic_compounds": {"µg/m³"}, "gas": {"m³", "L"},
        "water": {"L", "m³"}, "volume": {"L", "m³"}, "volume_storage": {"L"}, "volume_flow_rate": {"m³/h"},
        "illuminance": {"lx"}, "atmospheric_pressure": {"hPa"}, "pressure": {"bar"}, "distance": {"mm", "m"},
        "irradiance": {"W/m²"}, "sound_pressure": {"dB"}, "pm1": {"µg/m³"},
        "weight": {"kg"}, "speed": {"m/s"}, "duration": {"s", "d"}, "precipitation": {"mm"}, "conductivity": {"µS/cm"},
        "power_factor": {"", "%"}, "signal_strength": {"dBm"}, "data_size": {"MiB"},
    }  # fmt: skip
    wrong = {
        metric.key: UNITS.get(metric.unit, metric.unit)
        for metric in METRICS.values()
        if metric.kind == "number"
        and metric.device_class in accepted
        and UNITS.get(metric.unit, metric.unit) not in accepted[metric.device_class]
    }
    assert wrong == {}
    unknown = {m.device_class for m in METRICS.values() if m.kind == "number" and m.device_class} - accepted.keys()
    assert unknown <= {"apparent_power", "reactive_power"}, unknown


@pytest.mark.real("network")
async def test_a_broker_that_hangs_up_before_it_answers_is_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.homeassistant.publishing.ANSWER_S", 600.0)
    async with hanging_up() as port, asyncio.timeout(60):
        with pytest.raises(hub.NotReady, match="closes the connection"):
            await run(Config(host="127.0.0.1", port=port), FakeView())


@pytest.mark.real("network")
async def test_a_broker_that_takes_the_sign_in_and_then_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1000)
            writer.write(bytes((0x20, 2, 0, 0)))  # CONNACK, MQTT 3.1.1 §3.2
            with suppress(ConnectionError):
                while await reader.read(1000):
                    pass
        finally:
            writer.close()

    monkeypatch.setattr("plugins.homeassistant.publishing.ANSWER_S", 1.0)
    server = await start_server(mute, "127.0.0.1", 0)
    async with server:
        with pytest.raises(hub.NotReady, match="says nothing"):
            await run(Config(host="127.0.0.1", port=server.sockets[0].getsockname()[1]), FakeView())


async def test_two_announcements_at_once_withdraw_what_is_gone_without_harm() -> None:
    class Broker:
        async def publish(self, topic: str, payload: bytes, **_: object) -> None:
            await asyncio.sleep(0)

    view = FakeView()
    view.state.put("announced", {f"homeassistant/sensor/{name}/config": 1 for name in "ab"})
    entities = _Entities("homeassistant", view, Broker())  # type: ignore[arg-type]
    await asyncio.gather(entities._announce(), entities._announce())
    assert view.state.get("announced") == {}
