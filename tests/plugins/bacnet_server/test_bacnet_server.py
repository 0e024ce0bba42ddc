"""Asked by bacpypes3 in another process, and by the hub's own client, which is another implementation."""

from __future__ import annotations

import asyncio
import csv
import json
import logging
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import hub
from hub.core.metric_catalogue import METRICS
from hub.sdk.exporter import LastValue, Series
from hub.sdk.testing import FakeView
from integrations.bacnet import names
from integrations.bacnet.asking import Asker
from integrations.bacnet.decode import Station
from integrations.bacnet.link import Link
from integrations.bacnet.names import ObjectId
from integrations.bacnet.settings import Config as ClientConfig
from plugins.bacnet_server import Config, run
from plugins.bacnet_server.points import MOST, OTHER, STATES, Objects, ede, reliability, state_texts, units_of
from tests import ports

SERVER, CLIENT = "127.0.0.4", "127.0.0.5"
DEADLINE = 60.0


def series(place: str, metric: str, **more: Any) -> Series:
    return Series(
        id=f"{place}/{metric}",
        place=place,
        device=f"modbus:{place}",
        integration="modbus",
        metric=more.pop("own", None) or METRICS[metric],
        **more,
    )


MODE = hub.Metric(key="mode", kind="text", fr="Mode")
OFF = hub.Metric(key="night_mode", kind="flag", fr="Nuit")


def value(one: Series, said: float | bool | str, age: float = 0.0, quality: str = "good") -> LastValue:
    return LastValue(
        series=one.id,
        device=one.device,
        metric=one.metric.key,
        value=said,
        unit=one.metric.unit,
        time=time.time() - age,
        trust="B",
        quality=quality,
        rssi=None,
    )


class View(FakeView):
    """One turn as soon as something was said."""

    async def changes(self, interval: timedelta = timedelta(seconds=1)) -> AsyncIterator[list[LastValue]]:
        async for values in super().changes(interval):
            yield values


def free_port(host: str) -> int:
    return ports.free_port(host, socket.SOCK_DGRAM)


@asynccontextmanager
async def exporting(view: FakeView, caplog: pytest.LogCaptureFixture, **options: Any) -> AsyncIterator[Station]:
    caplog.set_level(logging.INFO)
    caplog.clear()
    config = Config.model_validate({"instance": 77, "address": SERVER, "port": 0, "allow": ["127.0.0.0/8"], **options})
    task = asyncio.create_task(run(config, view))
    try:
        async with asyncio.timeout(DEADLINE):
            while not (found := re.search(r"may ask \S+ port (\d+): device 77", caplog.text)):
                if task.done():
                    task.result()
                await asyncio.sleep(0.01)
        yield Station(SERVER, int(found[1]))
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Client:
    """The process of `bacnet_client.py`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process

    async def tell(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(DEADLINE):
            return dict(json.loads(await self._process.stdout.readline()))

    async def read(self, who: str, which: str = "present-value") -> Any:
        said = await self.tell(read=[who, which])
        return said.get("value", said.get("error"))

    async def until(self, who: str, expected: Any, which: str = "present-value") -> None:
        async with asyncio.timeout(DEADLINE):
            while await self.read(who, which) != expected:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def client(peer: Station, host: str = CLIENT) -> AsyncIterator[Client]:
    port = free_port(host)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("bacnet_client.py")),
        "--host",
        host,
        "--port",
        str(port),
        "--peer",
        f"{peer.host}:{peer.port}",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        async with asyncio.timeout(DEADLINE):
            assert json.loads(await process.stdout.readline()) == {"ready": True}
        yield Client(process, port)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.mark.real("network, processes")
async def test_a_supervisor_finds_reads_and_follows_what_the_hub_shows(caplog: pytest.LogCaptureFixture) -> None:
    view = View()
    hall, point, fault = (
        series("hall", "temperature", name="Le hall"),
        series("hall", "setpoint"),
        series("hall", "fault"),
    )
    night, mode = series("hall", "night_mode", own=OFF), series("hall", "mode", own=MODE)
    for one, said in ((hall, 21.5), (point, 20.0), (fault, True), (night, False), (mode, "Chauffage")):
        view.say(one, value(one, said))
    async with exporting(view, caplog) as station, client(station) as other:
        async with asyncio.timeout(DEADLINE):
            while not (there := await other.tell(who_is=f"{station.host}:{station.port}"))["devices"]:
                await asyncio.sleep(0.05)
        assert there == {"devices": [[77, 999]]}
        await other.until("analog-input,1", 21.5)
        assert await other.read("analog-input,1", "object-name") == "hall/temperature"
        assert await other.read("analog-input,1", "units") == "degrees-celsius"
        assert await other.read("analog-input,1", "description") == "Température, Le hall"
        assert await other.read("analog-input,1", "reliability") == "no-fault-detected"
        assert await other.read("analog-value,1") == 20.0
        assert await other.read("binary-input,1") == "active"
        assert await other.read("binary-value,1") == "inactive"
        assert await other.read("multi-state-value,1") == "1"
        assert await other.read("multi-state-value,1", "state-text") == ["Chauffage"]
        listed = await other.read("device,77", "object-list")
        assert sorted(listed) == [
            "analog-input,1", "analog-value,1", "binary-input,1", "binary-value,1", "device,77", "multi-state-value,1",
        ]  # fmt: skip

        first = await other.tell(subscribe=["analog-input,1", True])
        assert first["value"]["present-value"] == 21.5
        view.say(hall, value(hall, 23.0))
        assert (await other.tell(notified=60))["value"]["present-value"] == 23.0
        view.say(hall, value(hall, 23.0, quality="bad"))
        await other.until("analog-input,1", "unreliable-other", "reliability")
        assert await other.read("analog-input,1", "status-flags") == [0, 1, 0, 0], "fault"
        view.say(mode, value(mode, "Froid"))
        await other.until("multi-state-value,1", "2")
        assert await other.read("multi-state-value,1", "state-text") == ["Chauffage", "Froid"]


@pytest.mark.real("network, processes")
async def test_nothing_can_be_written_and_no_other_service_is_served(caplog: pytest.LogCaptureFixture) -> None:
    view = View()
    hall = series("hall", "temperature")
    view.say(hall, value(hall, 21.5))
    async with exporting(view, caplog) as station, client(station) as other:
        await other.until("analog-input,1", 21.5)
        for who, which in (("analog-input,1", "present-value"), ("analog-input,1", "out-of-service")):
            said = await other.tell(write=[who, which, 1.0 if which == "present-value" else True])
            assert "unrecognized-service" in said["error"]
        async with Link(ClientConfig(address=CLIENT, port=0)) as link:
            # DeviceCommunicationControl: be silent; ReinitializeDevice: cold start; ReadRange of the object list
            asked = {17: "09011901", 20: "0900", 26: "0c0200004d194c"}
            for service, body in asked.items():
                with pytest.raises(names.Refused) as caught:
                    await link.request(station, service, bytes.fromhex(body))
                assert caught.value.unsupported, service
        assert await other.read("analog-input,1") == 21.5
        services = await other.read("device,77", "protocol-services-supported")
        assert [n for n, bit in enumerate(services) if bit] == [5, 12, 14, 33, 34], (
            "COV, read, read many, who has, who is"
        )


@pytest.mark.real("network, processes")
async def test_the_device_object_tells_the_truth_about_types_and_subscriptions(
    caplog: pytest.LogCaptureFixture,
) -> None:
    view = View()
    hall, night = series("hall", "temperature"), series("hall", "night_mode", own=OFF)
    view.say(hall, value(hall, 21.5))
    view.say(night, value(night, True))
    async with exporting(view, caplog) as station, client(station) as other:
        await other.until("binary-value,1", "active")
        types = await other.read("device,77", "protocol-object-types-supported")
        assert [n for n, bit in enumerate(types) if bit] == [0, 2, 3, 5, 8, 19]
        assert int(await other.read("device,77", "protocol-revision")) < 17, "from 17 on there is a network port"
        assert (await other.tell(subscriptions="device,77"))["value"] == []
        await other.tell(subscribe=["analog-input,1", True])
        (one,) = (await other.tell(subscriptions="device,77"))["value"]
        host, port = bytes.fromhex(one["mac"])[:4], int(one["mac"][8:], 16)
        assert (".".join(map(str, host)), one["network"]) == (CLIENT, 0)
        assert port == other.port
        assert (one["who"], one["which"], one["confirmed"]) == ("analog-input,1", "present-value", True)
        assert 0 < one["left"] <= 60
        assert one["increment"] == await other.read("analog-input,1", "cov-increment") > 0
        async with Link(ClientConfig(address=CLIENT, port=0)) as link:  # another implementation
            asker = Asker(link, station, 77)
            # SubscribeCOV: process 7, binary-value:1, unconfirmed, for ever; then once more, confirmed, for a minute
            for flags, expected in (("2900", (False, 0)), ("2901393c", (True, 60))):
                await link.request(station, names.SUBSCRIBE_COV, bytes.fromhex("09071c01400001" + flags))
                both = (await other.tell(subscriptions="device,77"))["value"]
                assert len(both) == 2
                (mine,) = [one for one in both if one["process"] == 7]
                assert (mine["who"], mine["increment"]) == ("binary-value,1", None)
                assert mine["confirmed"] is expected[0]
                assert expected[1] - 30 < mine["left"] <= expected[1] or mine["left"] == expected[1] == 0
            assert list(map(int, (await asker.one(asker.device, 96)).values[0])) == types
            await link.request(station, names.SUBSCRIBE_COV, bytes.fromhex("09071c01400001"))  # ends it
            assert [one["process"] for one in (await other.tell(subscriptions="device,77"))["value"]] == [
                one["process"]
            ]


@pytest.mark.real("network, processes")
async def test_the_revision_of_the_database_counts_what_is_added_also_over_a_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    view, again = View(), View()
    hall, yard = series("hall", "temperature"), series("yard", "temperature")
    view.say(hall, value(hall, 21.5))
    async with exporting(view, caplog) as station, client(station) as other:
        await other.until("analog-input,1", 21.5)
        first = int(await other.read("device,77", "database-revision"))
        view.say(hall, value(hall, 22.0))
        await other.until("analog-input,1", 22.0)
        assert int(await other.read("device,77", "database-revision")) == first, "a value is no change of it"
        view.say(yard, value(yard, 5.0))
        await other.until("analog-input,2", 5.0)
        assert int(await other.read("device,77", "database-revision")) == first + 1
    again.state.update(view.state)
    async with exporting(again, caplog) as station, client(station) as other:
        assert int(await other.read("device,77", "database-revision")) == first + 1


@pytest.mark.real("network, processes")
async def test_who_renews_is_not_refused_when_there_is_no_room_for_others(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.bacnet_server.device.SUBSCRIPTIONS", 1)
    view = View()
    hall = series("hall", "temperature")
    view.say(hall, value(hall, 21.5))
    async with exporting(view, caplog) as station, client(station) as other:
        await other.until("analog-input,1", 21.5)
        async with Link(ClientConfig(address=CLIENT, port=0)) as link:
            for _ in range(2):
                await link.request(station, names.SUBSCRIBE_COV, bytes.fromhex("09071c000000012900393c"))
            for lifetime in ("393c", ""):
                with pytest.raises(names.Refused) as caught:
                    await link.request(station, names.SUBSCRIBE_COV, bytes.fromhex("09081c000000012900" + lifetime))
                assert caught.value.reason in names.NO_ROOM
        assert [one["process"] for one in (await other.tell(subscriptions="device,77"))["value"]] == [7]


@pytest.mark.real("network")
async def test_it_lives_beside_another_bacnet_program_that_hears_the_same_broadcasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port, everybody = free_port("0.0.0.0"), "127.255.255.255"
    heard: list[int] = []
    integration = ClientConfig.model_validate(
        {"address": CLIENT, "port": port, "discover": {"broadcast": f"{everybody}:{port}"}, "max_rate": 1000}
    )
    async with (
        Link(integration, heard=lambda i_am, _station, _data: heard.append(i_am.instance)) as link,
        exporting(View(), caplog, port=port, broadcast=everybody) as station,
    ):
        assert station.port == port
        async with asyncio.timeout(DEADLINE):
            while not heard:
                await link.ask_who_is(77, 77)
                await asyncio.sleep(0.1)
        assert set(heard) == {77}


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("own", [True, False])
async def test_an_address_that_is_taken_is_named_with_who_has_it(own: bool) -> None:
    port, everybody = free_port("0.0.0.0"), "127.255.255.255"
    where = ("127.0.0.1", SERVER, everybody)
    for taken in ("0.0.0.0", SERVER, everybody):
        async with holding(taken, port, own=own):
            with pytest.raises(hub.NotReady) as caught:
                await run(Config(instance=1, address=SERVER, port=port, broadcast=everybody), View())
        said = str(caught.value)
        wanted = SERVER if taken == "0.0.0.0" else taken
        assert said.startswith(f"{wanted} UDP port {port} is taken: "), said
        assert f"listens on {taken}:{port}" in said
        assert ("another part of this hub" if own else "another program of this machine") in said
        assert "Give this one another `port` or an address of its own" in said
        assert not [one for one in where if one not in (wanted, taken) and one in said], "nobody else is blamed"


@asynccontextmanager
async def holding(address: str, port: int, *, own: bool) -> AsyncIterator[None]:
    """Another program, or another part of this one, that shares its address with nobody."""
    if own:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((address, port))
            yield
        return
    code = f"import socket, sys; s = socket.socket(2, 2); s.bind(({address!r}, {port})); print(1, flush=True); input()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        assert await process.stdout.readline() == b"1\n"
        yield
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.real("network")
async def test_the_hubs_own_client_reads_it_in_one_question(caplog: pytest.LogCaptureFixture) -> None:
    view = View()
    many = [series(f"room-{n:03}", "temperature") for n in range(150)]
    for n, one in enumerate(many):
        view.say(one, value(one, 15 + n / 10))
    async with exporting(view, caplog) as station, Link(ClientConfig(address=CLIENT, port=0)) as link:
        asker = Asker(link, station, 77)
        async with asyncio.timeout(DEADLINE):
            while len(listed := await asker.array(asker.device, names.OBJECT_LIST)) < 151:
                await asyncio.sleep(0.05)
        await asker.identify(2)
        assert (asker.model, asker.max_apdu, asker.segments) == ("Ilot edge hub", 1476, True)
        wanted = [(who, (names.PRESENT_VALUE,)) for who in listed if isinstance(who, ObjectId) and who.type == 0]
        link.requests = 0
        found = await asker.read(wanted, attempts=2)
        assert link.requests <= 3, "150 objects"
        assert sorted(one.values[0] for one in found) == pytest.approx([15 + n / 10 for n in range(150)])


@pytest.mark.real("network, processes")
async def test_numbers_outlive_a_restart_and_a_replaced_device(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    view, again = View(), View()
    hall, yard = series("hall", "temperature"), series("yard", "temperature")
    file = tmp_path / "school_EDE.csv"
    view.say(yard, value(yard, 5.0))
    async with exporting(view, caplog) as station, client(station) as other:
        await other.until("analog-input,1", 5.0)
        view.say(hall, value(hall, 21.5))
        await other.until("analog-input,2", 21.5)
    again.state.update(view.state)
    async with exporting(again, caplog, points=str(file)) as station, client(station) as other:
        assert await other.read("analog-input,2", "object-name") == "hall/temperature"
        assert await other.read("analog-input,2", "reliability") == "communication-failure", "not heard in this life"
        attic, new = series("attic", "temperature"), series("hall", "temperature", model="another maker's")
        again.say(attic, value(attic, 30.0))
        again.say(new, value(new, 22.0))
        await other.until("analog-input,2", 22.0)
        await other.until("analog-input,3", 30.0)
        async with asyncio.timeout(DEADLINE):
            while not file.exists() or "attic" not in file.read_text():
                await asyncio.sleep(0.02)
        rows = list(csv.reader(file.read_text().splitlines(), delimiter=";"))
        assert rows[5] == ["VERSION_OF_LAYOUT", "2.3"]
        assert [row[:6] + row[9:11] + row[14:15] for row in rows[8:]] == [
            ["yard/temperature", "77", "yard/temperature", "0", "1", "Température, yard", "N", "Y", "62"],
            ["hall/temperature", "77", "hall/temperature", "0", "2", "Température, hall", "N", "Y", "62"],
            ["attic/temperature", "77", "attic/temperature", "0", "3", "Température, attic", "N", "Y", "62"],
        ]
        assert (tmp_path / "school_StateTexts.csv").read_text().startswith("#State Text Reference")


@pytest.mark.real("network, processes")
async def test_a_value_that_is_too_old_is_a_communication_failure(caplog: pytest.LogCaptureFixture) -> None:
    view = View()
    hall = series("hall", "temperature")
    async with exporting(view, caplog, expire="PT1H") as station, client(station) as other:
        view.say(hall, value(hall, 21.5))
        await other.until("analog-input,1", "no-fault-detected", "reliability")
        view.say(hall, value(hall, 21.5, age=3597.0))  # in three seconds it is too old, and nobody says so
        await other.until("analog-input,1", "communication-failure", "reliability")
        assert await other.read("analog-input,1") == 21.5, "the last one it said"


@pytest.mark.real("network, processes")
async def test_strangers_floods_and_garbage_cost_little(caplog: pytest.LogCaptureFixture) -> None:
    view = View()
    hall = series("hall", "temperature")
    view.say(hall, value(hall, 21.5))
    async with exporting(view, caplog, allow=[f"{CLIENT}/32"], max_rate=50) as station, client(station) as other:
        await other.until("analog-input,1", 21.5)
        async with Link(ClientConfig(address="127.0.0.6", port=0, timeout=timedelta(seconds=0.5))) as stranger:
            with pytest.raises(hub.NotReady):
                await stranger.request(station, names.READ_PROPERTY, b"\x0c\x00\x00\x00\x01\x19\x55")
        assert caplog.text.count("127.0.0.6 asked over BACnet and is not in `allow`") == 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((CLIENT, 0))
            for n in range(3000):
                body = bytes((0x81, 0x0A, 0, 10, 1, 4, n % 256, n % 7, 3, n % 256))
                sock.sendto(body[: 4 + n % 7] if n % 3 else body, (station.host, station.port))
        await asyncio.sleep(0.2)
        await other.until("analog-input,1", 21.5)
    assert "Traceback" not in caplog.text


@pytest.mark.real("network")
async def test_an_address_that_cannot_be_had_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(hub.NotReady, match=r"192\.0\.2\.77 is no address of this machine"):
        await run(Config(instance=1, address="192.0.2.77"), View())


def test_settings_that_cannot_be_meant_are_refused() -> None:
    for wrong in ({}, {"instance": 4194303}, {"instance": 1, "address": "here"}, {"instance": 1, "allow": ["x"]},
                  {"instance": 1, "port": 0, "broadcast": "192.0.2.255"}):  # fmt: skip
        with pytest.raises(ValidationError):
            Config.model_validate(wrong)


names_of_places = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(st.lists(st.tuples(names_of_places, st.sampled_from(sorted(METRICS))), max_size=30), st.data())
def test_an_instance_is_never_given_twice_nor_taken_away(found: list[tuple[str, str]], data: st.DataObject) -> None:
    objects = Objects({}, {})
    all_of_them = [series(place, metric) for place, metric in found]
    for _ in range(3):
        some = [one for one in all_of_them if data.draw(st.booleans())]
        before = dict(objects.of)
        objects.give(some)
        assert {name: (one.type, one.instance) for name, one in objects.of.items() if name in before} == {
            name: (one.type, one.instance) for name, one in before.items()
        }
        numbers = [(one.type, one.instance) for one in objects.of.values()]
        assert len(set(numbers)) == len(numbers)
        objects = Objects(*json.loads(json.dumps(objects.kept())))
    rows = list(csv.reader(ede(objects, 1, "p", 0.0).split("\r\n")[:-1], delimiter=";"))
    assert len(rows) == 8 + len(objects.of)
    assert not [cell for row in rows[8:] for cell in row if cell[:1] in "=+@" and cell]


def test_only_so_many_series_and_states_are_shown() -> None:
    objects = Objects({}, {})
    objects.give([series(f"room-{n}", "temperature") for n in range(MOST + 1)])
    assert (len(objects.of), objects.full) == (MOST, True)
    seen = [objects.state("x", f"text {n}") for n in range(40)]
    assert seen == [*range(1, STATES), *[STATES] * 25]
    assert objects.texts["x"][-1] == OTHER
    assert state_texts(objects).splitlines()[2].startswith("1;text 0;text 1;")
    assert objects.state("x", "text 3") == 4
    assert objects.state("y", "a\x1b[2J" + "b" * 100) == 1
    assert objects.texts["y"][0] == ("a [2J" + "b" * 100)[:40]


def test_units_have_the_numbers_that_the_hubs_client_reads() -> None:
    from integrations.bacnet.units import UCUM
    from plugins.bacnet_server.points import NO_UNITS, UNITS

    assert {unit: UCUM[number] for unit, number in UNITS.items() if number != NO_UNITS} == {
        unit: unit for unit, number in UNITS.items() if number != NO_UNITS
    }
    shown = {metric.unit for metric in METRICS.values() if metric.kind == "number" and units_of(metric) == NO_UNITS}
    assert shown <= {"1", "dBm", "m/s2", "deg/s", "uS/cm", "MiBy"} | {m.unit for m in METRICS.values()}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda one: None, 12), (lambda one: value(one, 1.0), 0), (lambda one: value(one, 1.0, age=3601), 12),
        (lambda one: value(one, 1.0, quality="bad"), 7), (lambda one: value(one, 1.0, quality="uncertain"), 0),
    ],
)  # fmt: skip
def test_what_a_value_is_worth(make: Callable[[Series], LastValue | None], expected: int) -> None:
    assert reliability(make(series("hall", "temperature")), time.time(), 3600.0) == expected
