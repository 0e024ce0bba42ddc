"""A building's meters and one hub, each in its own process: what a dial shows reaches the backend, a name does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ..faults.rig import Rig, until
from ..serving import start_server
from .patience import PATIENCE_S

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts whole hubs", of="tests/journeys")]

ADDRESS = "041436028024"
CONFIG = """\
hub: {{name: meters, site: rig, state_dir: {state}}}
sites: {{rig: {{}}}}
zones: {{plant: {{site: rig}}}}
places:
  tgbt: {{zone: plant}}
  door: {{zone: plant}}
  water:
    zone: plant
    pulse:
      {{metric: water, source: water, weight: 1, unit: L, initial: {initial}, initial_raw: 12000, {corrections}}}
integrations:
  linky: {{port: {tic}, interval: 1}}
  mbus: {{port: {mbus}, interval: 10, timeout: 10}}
  enocean: {{port: {enocean}, pairing_until: {until}}}
devices:
  linky:tgbt: {{integration: linky, place: tgbt, settings: {{premises: building}}}}
  mbus:ACW-78563412-14-07: {{integration: mbus, place: water}}
  enocean:019EB63B: {{integration: enocean, place: door, settings: {{eep: F6-02-01}}}}
link: {{uplinks: {{https: {{url: "{url}"}}}}}}
buffer: {{window: 200ms, segment_size: 64KB}}
"""
SECRET = bytes.fromhex("456E4F6365616E20476D62482E313300")
PTM = [
    bytes.fromhex(line)
    for line in (
        "55000F07012B35244BC0FF456E4F6365019EB63B0000FFFFFFFF370071",
        "5500120701183540616E20476D62482E313300019EB63B0000FFFFFFFF3700F0",
        "55000A0701EB30D0B518FB019EB63B0000FFFFFFFF37004D",
    )
]


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A PME-PMI on a pseudo-terminal and a bus of M-Bus meters behind a TCP port: where they are."""
    commands = {
        "tic": ["integrations.linky.sim", "--mode", "pme-pmi", "--serial", ADDRESS, "--interval", "0.3"],
        "mbus": ["integrations.mbus.sim"],
    }
    processes, ports = [], {}
    try:
        for name, (module, *options) in commands.items():
            process = subprocess.Popen(
                [sys.executable, "-m", module, *options],
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            )
            processes.append(process)
            assert process.stdout is not None
            ports[name] = json.loads(process.stdout.readline())["port"]
        yield ports
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def values(rig: Rig) -> dict[str, dict[str, Any]]:
    """The last values of each place, as the backend has them."""
    rows = rig.sql(
        "SELECT s.place, s.metric, r.value FROM readings r JOIN series s ON s.id = r.series ORDER BY r.origin"
    )
    found: dict[str, dict[str, Any]] = {}
    for place, metric, value in rows:
        found.setdefault(place, {})[metric] = value
    return found


def stored(rig: Rig, *needles: bytes) -> list[str]:
    """Files of hub and backend in which one of these stands in clear."""
    files = [path for path in rig.root.rglob("*") if path.is_file() and path != rig.config]
    return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


async def test_a_buildings_meters_are_read_and_corrected_and_their_names_stay_here(
    tmp_path: Path, peers: dict[str, str]
) -> None:
    async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for packet in PTM:
                writer.write(packet)
            await reader.read()
        finally:
            writer.close()

    server = await start_server(gateway, "127.0.0.1", 0)
    rig = await asyncio.to_thread(Rig, tmp_path)
    try:
        url = rig.config.read_text().partition('url: "')[2].partition('"')[0]
        facts = {
            "state": rig.state, "url": url, **peers, "until": (datetime.now(UTC) + timedelta(minutes=9)).isoformat(),
            "enocean": f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        }  # fmt: skip
        rig.config.write_text(CONFIG.format(**facts, initial=2_000_000, corrections="corrections: []"))
        await asyncio.to_thread(run_until, rig, "water", "water", lambda index: index > 0)
        await asyncio.to_thread(until, lambda: "energy_hpe" in values(rig).get("tgbt", {}), PATIENCE_S, rig.logs)
        taught = lambda: "was taught in" in (tmp_path / "hub.log").read_text()  # noqa: E731
        await asyncio.to_thread(until, taught, PATIENCE_S, rig.logs)  # the switch said its key within the window
        first = await asyncio.to_thread(values, rig)
        assert first["water"]["water"] == 2_000_345.0, "12,345 at the meter, 12,000 when its dial showed 2,000,000"
        assert first["tgbt"]["energy_hpe"] >= 12_345
        assert "power_mean" not in first["tgbt"], "personal, and the zone states no purpose"
        await asyncio.to_thread(rig.stop, rig.hub)
        fix = f"corrections: [{{at: {datetime.now(UTC) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}Z, index: 3000000}}]"
        rig.config.write_text(CONFIG.format(**facts, initial=2_000_000, corrections=fix))
        await asyncio.to_thread(run_until, rig, "water", "water", lambda index: index == 3_000_000.0)
        await asyncio.to_thread(rig.stop, rig.hub)
    finally:
        server.close()
        await asyncio.to_thread(rig.close)
    assert stored(rig, ADDRESS.encode(), SECRET) == []


def run_until(rig: Rig, place: str, metric: str, enough: Callable[[float], bool]) -> None:
    """Run the hub until the backend has such a value."""
    rig.hub = rig._start([sys.executable, "-m", "hub", "run", "--config", str(rig.config)], "hub")

    def told() -> bool:
        value = values(rig).get(place, {}).get(metric)
        return value is not None and enough(value)

    until(told, PATIENCE_S, lambda: f"{values(rig)} {rig.logs()}")
