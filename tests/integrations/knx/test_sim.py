"""The simulator, in its own process, by the very plugin: UDP and TCP tunnels, all that the building does."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knxd_kit import until
from project_kit import archive

import hub
from hub.sdk.testing import FakeSession
from integrations import knx
from integrations.knx import decode, monitor
from integrations.knx.asking import due
from integrations.knx.book import State
from integrations.knx.sim.building import Building, float16
from integrations.knx.sim.server import Peer, Server, frame, split

Start = Callable[[Any], "asyncio.Task[None]"]


@pytest.fixture
async def sim() -> AsyncIterator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "integrations.knx.sim", "--interval", "0.1", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    yield json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("connection", ["tunnelling", "tunnelling-tcp"])
async def test_the_building_is_read_asked_and_switched_through_a_tunnel(
    sim: dict[str, Any], session: FakeSession, start: Start, connection: str
) -> None:
    for name, wanted in sim["devices"].items():
        session.devices.put(hub.Device(id=name, integration="knx", place="p", settings=wanted))
    config = knx.Config(connection=connection, host="127.0.0.1", port=sim["port"], max_rate=20)
    assert await knx.probe(config) == (f"ilot sim (1.1.250) at 127.0.0.1:{sim['port']}: tunnelling, tunnelling-tcp")
    start(knx.run(config, session))

    def values(device: str) -> dict[str, Any]:
        return {k: v for report in session.reports if report.device == device for k, v in report.values.items()}

    await until(lambda: len(values("knx:1.1.10")) == 4, "the room to speak")
    await until(lambda: set(values("knx:1.1.30")) == {"energy", "power"}, "the meter to be asked")
    session.commands.give(hub.Command(id="l", device="knx:1.1.20", metric="light", value=True))
    session.commands.give(hub.Command(id="b", device="knx:1.1.20", metric="blind_position", value=12))
    await until(lambda: sum(a[1] == "done" for a in session.commands.answers) == 2, "both to be confirmed")
    assert values("knx:1.1.20")["light"] is True
    assert abs(values("knx:1.1.20")["blind_position"] - 12) <= 1
    assert session.drops == []
    [(device, _, _, metrics)] = session.declared
    assert (device, metrics[0].key, metrics[0].privacy) == ("knx:1.1.20", "blind_position", "personal")


@pytest.mark.real("network, processes")
async def test_a_tcp_tunnel_that_ends_is_noticed_at_once(session: FakeSession, start: Start) -> None:
    async with asyncio.timeout(60):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "integrations.knx.sim", "--interval", "0.05", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        told = json.loads(await process.stdout.readline())
    session.devices.put(hub.Device(id="knx:a", integration="knx", place="p", settings=told["devices"]["knx:1.1.10"]))
    task = start(knx.run(knx.Config(connection="tunnelling-tcp", host="127.0.0.1", port=told["port"]), session))
    await until(lambda: session.reports, "a report")
    process.kill()
    await process.wait()
    with pytest.raises(hub.NotReady, match="the connection was lost"):
        async with asyncio.timeout(60):
            await task


@pytest.mark.real("network, processes")
async def test_names_and_types_of_a_project_stand_in_the_group_monitor(
    sim: dict[str, Any], start: Start, tmp_path: Path
) -> None:
    project = archive(tmp_path / "p.knxproj", 23)
    heard: list[dict[str, Any]] = []
    config = knx.Config(connection="tunnelling", host="127.0.0.1", port=sim["port"], project=project)
    start(knx.listen(config, heard.append))
    await until(lambda: len(heard) >= 4, "telegrams")
    assert all("name" not in line for line in heard), "none of these addresses is in that project"
    names = monitor._names(config)
    assert names[2305] == ("Température salle 12", "DPST-9-1")
    said = monitor.Said(0x110A, 2305, "write", float16(19.5), False, b"")
    told = monitor.line(said, names, 3, 0.0)
    assert (told["name"], told["dpt"], told["value"], told["unit"]) == ("Température salle 12", "9.001", 19.5, "Cel")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x0201, 0x0203, 0x0205, 0x0207, 0x0209, 0x0420, 0x0421, 0x0950]), st.binary(max_size=40)
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_the_simulator_survives_any_frames(frames: list[tuple[int, bytes]], tcp: bool) -> None:
    building = Building(lambda: 0.0)

    def hear(cemi: bytes) -> list[bytes]:
        try:
            return building.hear(cemi)
        except hub.DecodeError:
            return []

    server = Server(hear, "127.0.0.1", 3671)
    for service, body in frames:
        for _, answer in server.receive(service, body, Peer(("127.0.0.1", 9), tcp)):
            assert list(split(answer))


def test_frames_that_are_not_whole_wait() -> None:
    whole = frame(0x0203, bytes(8))
    assert list(split(whole + whole[:5])) == [(0x0203, bytes(8))]
    assert list(split(b"\x06\x10\x02\x03\x00\x02")) == []


def test_the_room_speaks_and_the_meter_only_answers() -> None:
    building = Building(lambda: 30.0)
    said = {decode.cemi(cemi).source for cemi in building.speaks()}
    assert said == {0x110A}
    assert float16(21.0) == b"\x0c\x1a"
    assert float16(-30.0) == b"\x8a\x24"


@pytest.mark.parametrize(
    ("state", "now", "expected"),
    [
        (State(), 0.0, True),
        (State(heard=100.0), 159.0, False),
        (State(heard=100.0), 160.0, True),
        (State(heard=100_000.0), 160.0, True),
        (State(heard=100_000.0, asked=150.0, silent=1), 160.0, False),
        (State(heard=100.0, asked=130.0), 165.0, False),
        (State(heard=0.0, asked=100.0, silent=1), 219.0, False),
        (State(heard=0.0, asked=100.0, silent=1), 220.0, True),
        (State(heard=0.0, asked=100.0, silent=30), 100.0 + 86_399, False),
        (State(heard=0.0, asked=100.0, silent=30), 100.0 + 86_400, True),
    ],
)
def test_who_speaks_by_himself_is_not_asked_and_who_does_not_answer_ever_less(
    state: State, now: float, expected: bool
) -> None:
    assert due(state, 60.0, now) is expected
