"""The simulator: a hub configured from its line reads it, and what it plays hangs together."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from itertools import pairwise
from typing import Any

import pytest

import hub
from integrations.opcua import Config, DeviceSettings, guessing, run
from integrations.opcua.messages import Resolved
from integrations.opcua.sim import devices, plant


@pytest.mark.real("network, processes")
async def test_the_hub_configured_from_the_simulators_line_reads_it(session: Any, start: Any) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "integrations.opcua.sim", "--seed", "3", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = json.loads(await process.stdout.readline())
        assert line["devices"] == devices(3)
        for device, settings in line["devices"].items():
            session.put(device, settings["nodes"], settings["namespace"])
        url = f"opc.tcp://127.0.0.1:{line['port']}"
        start(run(Config(url=url, security="none", publishing=0.2), session))  # type: ignore[arg-type]
        wanted = {name: {signal_.metric for signal_ in signals.values()} for name, signals in plant(3).items()}
        await session.until(
            lambda: all(session.values(f"opcua:{name.lower()}").keys() == metrics for name, metrics in wanted.items())
        )
        for name in wanted:
            for metric, value in session.values(f"opcua:{name.lower()}").items():
                low, high = hub.METRICS[metric].low, hub.METRICS[metric].high
                assert low is None or high is None or low <= value <= high
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_the_simulated_energy_is_the_integral_of_the_power() -> None:
    boiler = plant(7)["Chaudiere"]
    counts = [boiler["Energie"].value(t) for t in range(1000)]
    slopes = [3.6 * (after - before) for before, after in pairwise(counts)]
    assert min(slopes) > 0
    assert slopes == pytest.approx([boiler["Puissance"].value(t + 0.5) for t in range(999)], rel=1e-3)


def test_the_importer_would_guess_every_variable_of_the_plant() -> None:
    for settings in devices(1).values():
        DeviceSettings.model_validate(settings)
    for signals in plant(1).values():
        for name, played in signals.items():
            kind = "Boolean" if isinstance(played.value(0.0), bool) else "Double"
            found = Resolved(0, "i=1", kind, False, 1, *(played.unit or (None, "")))
            assert guessing.metric(name, found) == played.metric, name
