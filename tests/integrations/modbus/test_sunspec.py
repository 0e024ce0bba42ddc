"""SunSpec: against a libmodbus server, with the SunSpec Alliance's own reader beside ours; and maps that lie."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import hub
from hub.cli.check import check
from hub.cli.import_config import importing
from hub.core.errors import HubError
from hub.sdk.phrases import Phrase
from integrations.modbus import Config, DeviceSettings, run
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.plan import Request
from integrations.modbus.poll import Poller
from integrations.modbus.presence import Roster
from integrations.modbus.sunspec import Found, Points, discover
from integrations.modbus.sunspec.metrics import METRICS
from integrations.modbus.sunspec.models import SHAPES
from integrations.modbus.sunspec.walk import MOST_MODELS, walk

from . import sunspec_kit as kit

DEVICE = "modbus:toit"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit.compiled("map.c", tmp_path_factory.mktemp("map"))


async def polled(session: Any, start: Callable[..., Any], port: int, **more: Any) -> dict[str, Any]:
    """The values of one poll of the whole integration."""
    session.put(DEVICE, {"unit": 1, "sunspec": True, **more})
    running = start(run(Config(host="127.0.0.1", port=port, max_rate=1000), session))
    await running.settle(1)
    await running.tick()
    return dict(session.take().get(DEVICE, {}))


@pytest.mark.real("network, processes")
async def test_an_inverter_and_a_meter_of_one_map_are_read_each_as_its_device(
    session: Any, start: Callable[..., Any], server: Path
) -> None:
    async with kit.serving(server, {40000: kit.MAP}) as port:
        values = await polled(session, start, port)
        assert values == kit.INVERTER_103_READINGS
        assert all(type(values[key]) is type(value) for key, value in kit.INVERTER_103_READINGS.items())
        declared = next(one for one in session.declared if one[1])
        assert declared[:3] == (DEVICE, "Acme Sol 10", "1.4.2")
        assert {metric.key for metric in declared[3]} >= {*kit.INVERTER_103_READINGS} - {*hub.METRICS}
    assert session.drops == []


@pytest.mark.real("network, processes")
async def test_the_second_device_of_a_map_is_read_by_its_part(
    session: Any, start: Callable[..., Any], server: Path
) -> None:
    async with kit.serving(server, {50000: kit.MAP}) as port:
        # in small pieces, as some devices want
        assert await polled(session, start, port, sunspec_part=2, max_registers=20) == kit.METER_203_READINGS


@pytest.mark.real("network, processes")
async def test_floats_of_two_models_in_one_device_keep_their_names_apart(
    session: Any, start: Callable[..., Any], server: Path
) -> None:
    async with kit.serving(server, {0: kit.FLOATS}) as port:
        values = await polled(session, start, port)
    assert {key: value for key, value in values.items() if not key.endswith("_2")} == kit.INVERTER_111_READINGS
    second = {f"{key}_2": value for key, value in kit.METER_213_READINGS.items() if key != "voltage"}
    assert {key: value for key, value in values.items() if key.endswith("_2")} == {**second, "voltage_2": 230.5}


@pytest.mark.real("network, processes")
async def test_the_sunspec_alliance_s_own_reader_sees_the_same(server: Path) -> None:
    client = importlib.import_module("sunspec2.modbus.client")

    def theirs(port: int) -> dict[int, dict[str, Any]]:
        device = client.SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=10)
        device.scan()
        try:
            return {
                number: {name: point.cvalue for name, point in models[0].points.items()}
                for number, models in device.models.items()
                if isinstance(number, int)
            }
        finally:
            device.close()

    units = {"energy": 1000, "energy_exported": 1000, "power_factor": 100}
    checked = 0
    for words, numbers in ((kit.MAP, (103, 203)), (kit.FLOATS, (111, 213))):
        ours = walked(words, 40000)
        async with kit.serving(server, {40000: words}) as port:
            seen = await asyncio.to_thread(theirs, port)
        assert (seen[1]["Mn"], seen[1]["Md"], seen[1]["SN"]) == ours.parts[0][0:2] + ours.parts[0][3:4]
        for part in ours.parts:
            for model in part.models:
                if model.id not in numbers:
                    continue
                points = Points(part._replace(models=(model,)))
                values = points.values(raw_of(points, words, 40000), pytest.fail)
                for point in SHAPES[model.id].points:
                    # models 202 to 204 call the voltage between phases otherwise than 201 and 211
                    name = point.name if point.name in seen[model.id] else point.name.replace("PPVph", "PhVph")
                    said, value = seen[model.id][name], values.get(point.metric)
                    if point.type in ("enum16", "bitfield32"):
                        continue
                    if value is None:  # theirs tells nothing of an accumulator that has not begun
                        assert said in (None, 0)
                        continue
                    factor = 1 if (model.id, point.name) == (213, "PF") else units.get(point.metric, 1)
                    assert value * factor == pytest.approx(said), (model.id, point.name)
                    checked += 1
    assert checked > 50


@pytest.mark.parametrize("number", [*SHAPES])
def test_every_point_stands_where_the_published_definition_has_it(number: int) -> None:
    text = (files("sunspec2") / "models" / "json" / f"model_{number}.json").read_text()
    offset, defined = 0, {}
    for point in json.loads(text)["group"]["points"]:
        name = re.sub("^PhVph(AB|BC|CA)$", r"PPVph\1", point["name"])  # 202 to 204 say it so
        symbols = {one["value"]: one["name"] for one in point.get("symbols", ())}
        defined[name] = (offset, point["type"], point.get("sf", ""), symbols)
        offset += point["size"]
    shape = SHAPES[number]
    for one in shape.points:
        assert (one.offset, one.type, one.scale) == defined[one.name][:3], one
    for name, at in shape.scales.items():
        assert (at, "sunssf") == defined[name][:2], name
    assert shape.scales.keys() == {one.scale for one in shape.points if one.scale}
    # 111 has a slip of the pen: GGTHROTTLED
    states = {value: name.lower().removeprefix("gg") for value, name in defined.get("St", (0, "", "", {}))[3].items()}
    assert shape.symbols.get("St", {}) == states


def words_at(words: list[int], base: int, address: int, count: int) -> list[int] | None:
    """What a device that has just these registers answers; None: it refuses."""
    at = address - base
    return words[at : at + count] if at >= 0 and at + count <= len(words) else None


def walked(words: list[int], base: int) -> Found:
    walking = walk()
    ask, asked = next(walking), 0
    while True:
        asked += 1
        assert asked <= 4 + 2 * MOST_MODELS
        assert 0 <= ask.address <= ask.address + ask.registers - 1 <= 0xFFFF
        try:
            ask = walking.send(words_at(words, base, *ask))
        except StopIteration as done:
            found: Found = done.value
            return found


def raw_of(points: Points, words: list[int], base: int) -> dict[str, Any]:
    from integrations.modbus.decode import decode

    raw: dict[str, Any] = {}
    for register in points.registers:
        there = words_at(words, base, register.address, register.size)
        value = None if there is None else decode(register, there)
        if value is not None:
            raw[register.metric] = value
    return raw


def test_a_scale_factor_that_is_none_takes_its_values_and_no_others() -> None:
    words = [*kit.MARK, *kit.INVERTER, *kit.END]
    start = words.index(103)
    words[start + 13] = 11  # V_SF: from -10 to 10
    words[start + 15] = kit.NO_INT16  # W_SF
    points = Points(walked(words, 40000).parts[0])
    drops: list[hub.DecodeError] = []
    values = points.values(raw_of(points, words, 40000), drops.append)
    gone = {key for key in kit.INVERTER_103_READINGS if key.startswith("voltage_l") or key == "power"}
    assert values == {key: value for key, value in kit.INVERTER_103_READINGS.items() if key not in gone}
    told = [error.detail for error in drops if isinstance(error.detail, Phrase)]
    assert [error.reason for error in drops] == ["bad-scale", "bad-scale"]
    assert [(one.code, one.params["scale"], one.params.get("power")) for one in told] == [
        ("modbus.scale-factor-impossible", "V_SF", 11),
        ("modbus.scale-factor-missing", "W_SF", None),
    ]


def test_a_model_that_is_shorter_than_its_definition_gives_what_it_has() -> None:
    short = [103, 22, *kit.INVERTER_103[2:24]]
    words = [*kit.MARK, *kit.common("A", "B", "C", "D"), *short, *kit.END]
    points = Points(walked(words, 40000).parts[0])
    values = points.values(raw_of(points, words, 40000), pytest.fail)
    assert set(values) == {key for key in kit.INVERTER_103_READINGS if key.split("_")[0] in ("current", "voltage")} | {
        "power",
        "frequency",
        "apparent_power",
        "reactive_power",
        "power_factor",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*kit.MARK, *kit.INVERTER], "stops at 40128 without its end mark"),
        ([*kit.MARK, *kit.common("A", "B", "C", "D"), 103, 0xFFF0], "65520 registers long, past the last"),
        ([*kit.MARK, *kit.common("A", "B", "C", "D"), *[7, 0] * 100], f"more than {MOST_MODELS} models"),
        ([*kit.MARK, 1, 0, *kit.END], None),
    ],
)
def test_a_map_without_an_end_or_with_lying_lengths_gives_what_was_sound(words: list[int], says: str | None) -> None:
    found = walked(words, 40000)
    assert len(found.parts) == 1
    assert [says in note for note in found.notes if says] == ([True] if says else [])


@pytest.mark.parametrize(
    ("words", "reason"),
    [([1, 2, 3, 4], "no-sunspec"), ([*kit.MARK, *kit.INVERTER_103], "sunspec-map"), ([*kit.MARK], "sunspec-map")],
)
def test_what_is_no_map_is_refused(words: list[int], reason: str) -> None:
    with pytest.raises(hub.DecodeError) as error:
        walked(words, 40000)
    assert error.value.reason == reason


@given(
    st.lists(
        st.one_of(
            st.lists(st.integers(0, 0xFFFF), max_size=8),
            st.sampled_from(
                [kit.INVERTER_103, kit.METER_203, kit.INVERTER_111, kit.OTHER, kit.common("A", "B", "C", "D")]
            ),
            st.tuples(st.sampled_from([1, 101, 103, 204, 213, 0xFFFF]), st.integers(0, 0xFFFF)).map(list),
        ),
        max_size=8,
    ),
    st.sampled_from([0, 40000, 50000, 65500]),
    st.data(),
)
@settings(max_examples=300)
def test_no_map_makes_the_walk_long_or_a_value_out_of_thin_air(blocks: Any, base: int, data: st.DataObject) -> None:
    words = [*kit.MARK, *(word for block in blocks for word in block)][: 0x10000 - base]
    for at in data.draw(st.lists(st.integers(2, max(2, len(words) - 1)), max_size=4)):
        if at < len(words):
            words[at] = data.draw(st.integers(0, 0xFFFF))
    try:
        found = walked(words, base)
    except hub.DecodeError:
        return
    for part in found.parts:
        points = Points(part)
        known = {metric.key for metric in points.metrics} | {*hub.METRICS}
        values = points.values(raw_of(points, words, base), lambda error: None)
        assert {*values} <= known
        assert all(register.address + register.size <= 0x10000 for register in points.registers)


class Changing:
    """A link to a device whose map the test changes; what it has not is refused."""

    peer = "plant:502"

    def __init__(self, words: list[int]) -> None:
        self.words = words
        self.reads = 0
        self.dead = False
        self.answered_s: dict[int, float] = {}

    async def read(self, unit: int, request: Request, *, attempts: int = 1, silent: bool = False) -> list[int]:
        self.reads += 1
        if self.dead:
            raise Silent("unit 1 does not answer")
        words = words_at(self.words, 40000, request.address, request.count)
        if words is None:
            raise Refused(2, request)
        return words


async def test_a_map_is_looked_for_once_and_again_when_it_has_moved(
    session: Any, start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    link = Changing(kit.MAP)
    session.put(DEVICE, {"sunspec": True})
    running = start(Poller(DEVICE, Config(host="plant", retries=0), session, link, Roster()).run())
    await running.settle(1)
    await running.tick()
    walk_reads, link.reads = link.reads, 0
    await running.tick()
    assert (walk_reads > 5, link.reads) == (True, 1)  # a whole inverter in one request
    session.take()
    link.words = [*kit.MARK, *kit.common("Acme", "Sol 10", "2.0", "A-1234"), *kit.INVERTER_103, *kit.END]
    await running.tick()
    assert session.take() == {}
    assert session.drops == [(DEVICE, "sunspec-moved")]
    await running.tick()
    assert session.take() == {DEVICE: kit.INVERTER_103_READINGS}
    assert session.declared[-1][2] == "2.0"
    link.dead = True
    with pytest.raises(hub.NotReady):
        await running.tick()


async def test_a_device_without_a_map_is_told_once_and_what_the_operator_listed_is_read(
    session: Any, start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    session.put(DEVICE, {"sunspec": True, "registers": [{"metric": "power", "address": 40000}]})
    running = start(Poller(DEVICE, Config(host="plant"), session, Changing([7, 8, 9, 10]), Roster()).run())
    await running.settle(1)
    for _ in range(4):
        await running.tick()
    assert [report.values for report in session.reports] == [{"power": 7}] * 4
    assert session.drops == [(DEVICE, "no-sunspec")] * 2  # then ever more rarely
    (record,) = caplog.records
    assert "no SunSpec mark at 40000, 50000, 0" in record.getMessage()


async def test_a_register_of_the_operator_takes_the_place_of_a_point(session: Any, start: Callable[..., Any]) -> None:
    own = {"metric": "power", "address": 40002}
    session.put(DEVICE, {"sunspec": True, "registers": [own]})
    running = start(Poller(DEVICE, Config(host="plant"), session, Changing(kit.MAP), Roster()).run())
    await running.settle(1)
    await running.tick()
    assert session.take()[DEVICE] == {**kit.INVERTER_103_READINGS, "power": 1}


async def test_a_unit_that_answers_for_another_is_away_and_not_without_a_map() -> None:
    async def read(request: Request) -> list[int]:
        raise Refused(0x0B, request)

    with pytest.raises(Refused):
        await discover(read)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sunspec": False}, "nothing is read"),
        ({"sunspec": False, "registers": [{"metric": "power", "address": 0}], "sunspec_part": 2}, "say more of"),
        (
            {"registers": [{"metric": "sunspec_x", "address": 0, "unit": "1", "privacy": "technical"}]},
            "names that start with sunspec_ are taken",
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DeviceSettings.model_validate({"sunspec": True, **change})


def test_no_metric_of_ours_is_the_catalogue_s_and_every_point_has_one() -> None:
    assert not {*METRICS} & {*hub.METRICS}
    assert {point.metric for shape in SHAPES.values() for point in shape.points} <= {*METRICS, *hub.METRICS}


async def ilot(command: Any, *arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(CliRunner().invoke, command, list(arguments))
    code = done.exception.exit_code if isinstance(done.exception, HubError) else done.exit_code
    return code, done.stdout, done.stderr + (str(done.exception) if done.exception else "")


@pytest.mark.real("network, processes")
async def test_an_import_proposes_what_the_map_has_and_proposes_it_once(server: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("sites: {school: {}}\nzones:\n  plant: {site: school} # roof\n")
    async with kit.serving(server, {40000: kit.MAP}) as port:
        ask = ("modbus", "-c", str(file), "--host", "127.0.0.1", "--port", str(port), "--zone", "plant")
        code, out, err = await ilot(importing, *ask)
        assert code == 0, err
        assert "# Acme Sol 10, serial A-1234, version 1.4.2" in out
        assert "power 3520 W" in out
        assert "unit 1, Acme Sol 10: models 160 are not read" in err
        assert "sunspec" not in file.read_text()
        code, _, err = await ilot(importing, *ask, "--yes")
        assert code == 0, err
        devices = YAML(typ="safe").load(file.read_text())["devices"]
        assert {name: device["settings"] for name, device in devices.items()} == {
            "modbus:sol-10-a-1234": {"unit": 1, "sunspec": True},
            "modbus:compteur-m-77": {"unit": 1, "sunspec": True, "sunspec_part": 2},
        }
        code, out, err = await ilot(check, "-c", str(file))
        assert (code, out) == (0, f"{file}: right. 1 integration, 2 devices\n"), err
        code, out, err = await ilot(importing, *ask, "--yes")
        assert "nothing to add" in err, out
        assert (await ilot(importing, *ask[:3], "--unit", "1"))[0] == 0  # the file knows the host by now


@pytest.mark.real("network, processes")
async def test_an_import_says_whom_it_cannot_read(server: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("sites: {s: {name: S}}\nzones: {technique: {site: s}}\n")
    ask = ("modbus", "-c", str(file), "--zone", "technique")
    code, _, err = await ilot(importing, *ask)
    assert code != 0
    assert "say whom to ask: --host" in err
    async with kit.serving(server, {0: [1, 2, 3, 4]}) as port:
        code, _, err = await ilot(importing, *ask, "--host", "127.0.0.1", "--port", str(port))
    assert code != 0
    assert "no SunSpec mark at 40000, 50000, 0" in err
    with file.open("a") as more:
        more.write("buses: {rs485: {port: /dev/null}}\nintegrations: {modbus: {bus: rs485}}\n")
    code, _, err = await ilot(importing, *ask)
    assert "a serial line, which the running hub owns: set `sunspec: true`" in err
