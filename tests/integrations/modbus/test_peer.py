"""Against libmodbus, both ways: our integration reads its server, `mbpoll` reads our simulator.

The C server is compiled here, so its compiler and library must be on the machine; without them the tests fail.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import hub
from integrations.modbus import Config, DeviceSettings, probe, run
from integrations.modbus.sim import DEVICES, NO_SENSOR, Boiler, Meter, Roof

HERE = Path(__file__).parent
INSTALL = "install it with: apt-get install -y gcc libmodbus-dev mbpoll"


def _need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"{program} is not on this machine; {INSTALL}")
    return path


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled libmodbus server."""
    binary = tmp_path_factory.mktemp("peer") / "peer"
    command = [_need("gcc"), "-Wall", "-I/usr/include/modbus", str(HERE / "peer.c"), "-o", str(binary), "-lmodbus"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.fail(f"the libmodbus peer does not compile; {INSTALL}\n{built.stderr}")
    return binary


@asynccontextmanager
async def _serving(*command: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        yield process, line.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def libmodbus(peer: Path) -> AsyncIterator[Config]:
    """Two seconds are for the units that never answer; a busy machine answers later than in a fifth of one."""
    async with _serving(str(peer)) as (_, line):
        yield Config(host="127.0.0.1", port=int(line), timeout=2.0, retries=0, max_rate=1000)  # type: ignore[arg-type]


@pytest.fixture
async def simulator() -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    async with _serving(sys.executable, "-m", "integrations.modbus.sim", "--seed", "3") as (process, line):
        yield process, json.loads(line)


REGISTERS = [
    {"metric": "voltage", "table": "input", "address": 0, "type": "float32"},
    {"metric": "current", "table": "input", "address": 2, "type": "float32", "word_order": "little"},
    {"metric": "frequency", "table": "input", "address": 4, "type": "float32", "byte_order": "little"},
    {
        "metric": "power", "table": "input", "address": 6, "type": "float32",
        "word_order": "little", "byte_order": "little",
    },
    {"metric": "balance", "table": "input", "address": 8, "type": "int32", "unit": "W", "privacy": "technical"},
    {"metric": "energy", "table": "input", "address": 10, "type": "int64", "scale": 0.001},
    {"metric": "flow_temperature", "table": "input", "address": 14, "type": "int16", "scale": 0.1},
    {"metric": "return_temperature", "table": "input", "address": 15, "type": "int16", "invalid": [0x8000]},
    {"metric": "firmware", "table": "input", "address": 20, "type": "string", "length": 4},
    {"metric": "setpoint", "address": 3, "scale": 0.1},
    {"metric": "fault", "address": 4, "type": "bool", "mask": 0x10},
    {"metric": "running", "table": "coil", "address": 0},
    {"metric": "heat", "table": "coil", "address": 8},
    {"metric": "leak", "table": "coil", "address": 9},
    {"metric": "tamper", "table": "discrete", "address": 5},
]  # fmt: skip
READINGS = {
    "voltage": 230.25, "current": -12.5, "frequency": pytest.approx(49.98), "power": 1500.75, "balance": -123456,
    "energy": 9876543.210, "flow_temperature": -5.5, "firmware": "PX3-2.01", "setpoint": 65.5, "fault": True,
    "running": True, "heat": False, "leak": True, "tamper": True,
}  # fmt: skip


@pytest.mark.real("network, processes")
async def test_what_libmodbus_serves_is_what_is_reported(
    session: Any, start: Callable[..., Any], libmodbus: Config
) -> None:
    session.put("modbus:peer", {"unit": 1, "registers": REGISTERS})
    running = start(run(libmodbus, session))
    await running.settle(1)
    await running.tick()
    (report,) = session.reports
    assert report.device == "modbus:peer"
    assert report.values == READINGS
    assert report.proof == hub.Proof(scheme="modbus")
    assert session.drops == []
    assert 0 < session.radio.facts["modbus:peer"]["latency_ms"] < 10_000
    ((device, _, _, metrics),) = session.declared
    assert (device, [metric.key for metric in metrics]) == ("modbus:peer", ["balance"])


@pytest.mark.real("network, processes")
async def test_a_register_libmodbus_does_not_have_is_named_and_the_others_are_read(
    session: Any, start: Callable[..., Any], libmodbus: Config, caplog: pytest.LogCaptureFixture
) -> None:
    beyond = {"metric": "humidity", "table": "input", "address": 48}
    inside = {"metric": "flow_temperature", "table": "input", "address": 40, "type": "int16"}
    session.put("modbus:peer", {"registers": [inside, beyond]})
    running = start(run(libmodbus, session))
    await running.settle(1)
    for _ in range(3):
        await running.tick()
    assert [report.values for report in session.reports] == [{"flow_temperature": 0}] * 3
    # once for both together, once alone at the same poll, skipped at the second, once alone at the third
    assert session.drops == [("modbus:peer", "illegal-address")] * 3
    (record,) = caplog.records
    assert "input 48 (humidity): the device has no such register: check `table` and `address`" in record.getMessage()


@pytest.mark.real("network, processes")
async def test_a_dead_unit_and_one_away_behind_the_gateway_leave_the_others_reporting(
    session: Any, start: Callable[..., Any], libmodbus: Config, caplog: pytest.LogCaptureFixture
) -> None:
    power = {"metric": "setpoint", "address": 3, "scale": 0.1}
    for unit in (1, 7, 8, 9):
        session.put(f"modbus:unit{unit}", {"unit": unit, "registers": [power]})
    running = start(run(libmodbus, session))
    await running.settle(4)
    for _ in range(4):
        await running.tick()
    assert [(report.device, report.values) for report in session.reports] == [("modbus:unit1", {"setpoint": 65.5})] * 4
    assert set(session.drops) == {("modbus:unit8", "gateway-target"), ("modbus:unit9", "bad-answer")}
    told = sorted(record.getMessage().split(" is away")[0] for record in caplog.records)
    assert told == ["modbus:unit7", "modbus:unit8"]


@pytest.mark.real("network, processes")
async def test_when_the_server_goes_the_run_says_not_ready_at_once(
    session: Any, start: Callable[..., Any], peer: Path
) -> None:
    async with _serving(str(peer)) as (process, line):
        config = Config(host="127.0.0.1", port=int(line), timeout=60, retries=0)  # type: ignore[arg-type]
        session.put("modbus:dead", {"unit": 7, "registers": REGISTERS[:1]})
        running = start(run(config, session))
        await running.settle(1)
        session.tickers[0].release()
        process.kill()
        await process.wait()
        async with asyncio.timeout(60):
            with pytest.raises(hub.NotReady, match="closed the connection"):
                await running.task
        with pytest.raises(hub.NotReady, match="accepts no connection"):
            await probe(config)


@pytest.mark.real("network, processes")
async def test_the_probe_says_who_answered(libmodbus: Config) -> None:
    assert await probe(libmodbus) == f"127.0.0.1:{libmodbus.port} accepts Modbus TCP connections"


async def _mbpoll(port: int, unit: int, kind: str, first: int, count: int = 1, *write: str) -> tuple[list[str], str]:
    """What mbpoll read (its references count from 1) and what it complained of."""
    process = await asyncio.create_subprocess_exec(
        _need("mbpoll"),
        "-m",
        "tcp",
        "-p",
        str(port),
        "-a",
        str(unit),
        "-t",
        kind,
        "-B",
        "-r",
        str(first),
        *([] if write else ["-1", "-c", str(count)]),
        "127.0.0.1",
        *write,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return re.findall(r"^\[\d+\]:\s+(\S+)", out.decode(), re.MULTILINE), err.decode().strip()


@pytest.mark.real("processes")
async def test_mbpoll_reads_from_the_simulator_what_it_should_hold(
    simulator: tuple[asyncio.subprocess.Process, dict[str, Any]],
) -> None:
    port = simulator[1]["port"]
    meter, boiler = Meter(3), Boiler(3)
    ((watt_hours,), _) = await _mbpoll(port, 1, "3:int", 1)
    assert 0 <= int(watt_hours) - int(meter.energy(0)) <= 60  # a minute at 3.6 kW
    ((watts, volts, amps), _) = await _mbpoll(port, 1, "3:float", 3, 3)
    low = meter.base - sum(size for size, _, _ in meter.swings)
    assert low <= float(watts) <= 2 * meter.base - low
    assert 228 <= float(volts) <= 234
    assert float(amps) == pytest.approx(float(watts) / float(volts) / 0.97, rel=1e-4)
    ((flow, back, bar), _) = await _mbpoll(port, 2, "3", 1, 3)
    assert abs(int(flow) / 10 - boiler.setpoint) <= 4
    assert 119 <= int(flow) - int(back) <= 121
    assert 150 <= int(bar) <= 170
    assert (await _mbpoll(port, 2, "4", 1))[0] == [str(round(boiler.setpoint * 10))]
    assert (await _mbpoll(port, 2, "0", 1))[0] == [str(int(boiler.running(0)))]
    assert (await _mbpoll(port, 2, "1", 1))[0] == ["0"]


@pytest.mark.real("processes")
async def test_the_simulator_refuses_writes_strangers_and_registers_it_has_not(
    simulator: tuple[asyncio.subprocess.Process, dict[str, Any]],
) -> None:
    port = simulator[1]["port"]
    assert (await _mbpoll(port, 2, "4", 1, 1, "5"))[1].endswith("Illegal function")
    assert (await _mbpoll(port, 9, "4", 1))[1].endswith("Target device failed to respond")
    assert (await _mbpoll(port, 1, "3", 1, 20))[1].endswith("Illegal data address")


@pytest.mark.real("network, processes")
async def test_the_hub_configured_from_the_simulators_line_reads_it(
    session: Any, start: Callable[..., Any], simulator: tuple[asyncio.subprocess.Process, dict[str, Any]]
) -> None:
    process, line = simulator
    assert line["devices"] == json.loads(json.dumps(DEVICES))
    for device, settings in line["devices"].items():
        session.put(device, settings)
    running = start(run(Config(host="127.0.0.1", port=line["port"], max_rate=1000), session))
    await running.settle(3)
    await running.tick()
    values = session.take()
    roof = values.pop("modbus:onduleur")
    assert roof["operating_state"] in ("sleeping", "mppt")
    assert roof["energy"] == pytest.approx(Roof(3).energy(0) / 1000, abs=2)
    assert session.declared[-1][1:3] == ("Ilot Simulated roof", "1.0")
    assert {device: set(said) for device, said in values.items()} == {
        device: {register["metric"] for register in settings["registers"]}
        for device, settings in DEVICES.items()
        if "registers" in settings
    }
    for said in values.values():
        for metric, value in said.items():
            low, high = hub.METRICS[metric].low, hub.METRICS[metric].high
            assert low is None or high is None or low <= value <= high
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert await process.wait() == 0
    with pytest.raises(hub.NotReady, match="accepts no connection"):
        await running.tick()


def test_the_simulated_meter_never_counts_back_and_its_power_is_the_slope_of_its_energy() -> None:
    meter = Meter(7)
    counts = [meter.energy(t) for t in range(7200)]
    slopes = [3600 * (after - before) for before, after in pairwise(counts)]
    assert min(slopes) > 0
    assert slopes == pytest.approx([meter.power(t + 0.5) for t in range(7199)], rel=1e-3)


def test_the_simulated_boiler_fires_faults_and_loses_its_sensor_within_the_hour() -> None:
    boiler = Boiler(7)
    images = [boiler.image(t) for t in range(3600)]
    assert {image["coil"][0] for image in images} == {0, 1}
    assert sum(image["discrete"][0] for image in images) == 90
    assert [image["input"][1] == NO_SENSOR for image in images] == [bool(image["discrete"][0]) for image in images]
    flows = [image["input"][0] for image in images]
    assert max(abs(after - before) for before, after in pairwise(flows)) <= 1


def test_the_simulators_settings_are_valid() -> None:
    for settings in DEVICES.values():
        DeviceSettings.model_validate(settings)
