"""One plugin, in the hub's process and in one of its own: the same readings, state, commands, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from hub.core.errors import DecodeError
from hub.core.model import Command, Decoded, Proof
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.plugin_host.serial_buses import Buses, BusOptions
from hub.plugin_host.supervisor import FINISHED, QUARANTINED, STOPPED, WAITING, Health
from hub.sdk.hookspecs import Decoder
from hub.sdk.testing import settle
from tests.hub.plugin_host.isolation.apart_kit import EXAMPLES, OWN, Stage, directly, eventually
from tests.hub.plugin_host.test_serial_buses import slave
from tests.interpreters import needs_python_of_all

WAYS = ("none", None)
"""Of `isolation`: in the hub's process, and where nothing is said."""


@pytest.fixture(autouse=True)
def launching(monkeypatch: pytest.MonkeyPatch) -> None:
    directly(monkeypatch)
    monkeypatch.syspath_prepend(str(EXAMPLES))


async def both(does: str, made: Callable[[], Stage] = Stage, **given: Any) -> list[Stage]:
    """The two stages after the plugin did its deed."""
    stages = []
    for way in WAYS:
        stage = made()
        async with stage.run(way, does, **given) as health:
            await eventually(lambda: health.state == FINISHED or health.error)
        assert health.error == "", health.error
        assert health.apart == (way is None)
        stages.append(stage)
    here, apart = stages
    assert apart.readings() == here.readings()
    assert apart.said == here.said
    assert apart.counts.by_subject() == here.counts.by_subject()
    return stages


@pytest.mark.real("processes")
async def test_readings_arrive_with_all_that_the_plugin_says_of_them() -> None:
    here, apart = await both("emits")
    assert [row[3] for row in apart.readings()][:3] == [[20.5, 40], [21.0], [41]]
    assert [one.id for one in apart.quarantine] == [one.id for one in here.quarantine] == ["acme:stranger"]
    assert apart.buffer.flushed == here.buffer.flushed


@pytest.mark.real("processes")
async def test_what_the_hub_refuses_is_refused_before_note_and_leaves_the_state_as_it_was() -> None:
    _, apart = await both("is_refused")
    (refused, wrong), calls, counter = apart.said["saw"]
    assert (refused[0], wrong[0], calls, counter) == ("PluginError", "PluginError", [], 1)
    assert apart.readings() == []


@pytest.mark.real("processes")
async def test_what_the_hub_would_end_a_process_for_is_an_error_in_the_plugin_first() -> None:
    stage = Stage()
    async with stage.run(None, "hands_over_too_much") as health:
        await eventually(lambda: health.state == FINISHED or health.error)
        assert health.error == ""
    assert [kind for kind, _ in stage.said["saw"]] == ["PluginError"] * 3
    assert stage.readings() == []


@pytest.mark.real("processes")
async def test_what_is_noted_lies_in_the_commit_of_its_reading() -> None:
    for stage in await both("notes"):
        assert stage.said["counter"] == 2
        assert stage.said["saw"] == [["KeyError", "'note'"], 2]
        assert [row[3] for row in stage.readings()] == [[20.0], [21.0], [22.0]]


@pytest.mark.real("processes")
async def test_state_is_kept_and_bounded_alike() -> None:
    _, apart = await both("keeps", lambda: Stage(local={"state/acme/former": 5, "state/modbus/former": 6}))
    saw, a, gone, former = apart.said["saw"]
    assert [kind for kind, _ in saw] == ["PluginError"] * 4
    assert (a, gone, former) == ({"b": [1, 2.5, None, b"x"]}, "none", 5)


@pytest.mark.real("processes")
async def test_a_plugin_sees_its_own_devices_declares_them_and_finds_others() -> None:
    here, apart = await both("knows_its_devices")
    assert apart.said["saw"][0] == [OWN.id]
    assert apart.said["saw"][1] == [True, 7, b"k" * 16]
    assert [kind for kind, _ in apart.said["saw"][2:4]] == ["PluginError", "PluginError"]
    assert apart.planner.declared[OWN.id].model == here.planner.declared[OWN.id].model == "T1"
    assert [one.integration for one in apart.quarantine] == ["acme"]


@pytest.mark.real("processes")
async def test_a_device_that_is_added_changed_or_removed_is_told_at_once() -> None:
    async def follows(stage: Stage, way: str | None) -> None:
        devices = stage.devices
        changes: list[Callable[[], object]] = [
            lambda: devices.put(replace(OWN, id="acme:2")),
            lambda: devices.put(replace(OWN, place="hall")),
            lambda: devices.remove("acme:2"),
            lambda: devices.assign([replace(OWN, integration="modbus")]),
        ]
        async with stage.run(way, "follows_changes", n=4) as health:
            await eventually(lambda: stage.said.get("listens"))
            for told, change in enumerate(changes):
                await settle()
                change()
                await eventually(lambda told=told: len(stage.said.get("changes", ())) > told)
            await eventually(lambda: health.state == FINISHED)

    for way in WAYS:
        stage = Stage()
        await follows(stage, way)
        assert stage.said["saw"] == [["acme:2", "classe-1"], ["acme:1", "hall"], ["acme:2", None], ["acme:1", None]]


class Desk:
    """Commands of one integration, as `hub.automation.commands.service` hands them out."""

    def __init__(self) -> None:
        self.answers: list[tuple[Any, ...]] = []
        self.offered: frozenset[str] = frozenset()
        self.open: set[str] = set()
        self.closed = 0

    async def commands_for(self, integration: str) -> Any:
        try:
            for value in (55.0, 56.0):
                command = Command(id=f"c{value}", device=OWN.id, metric="setpoint", value=value, expires=2e9)
                self.open.add(command.id)
                yield command
            await asyncio.get_running_loop().create_future()
        finally:
            self.closed += 1

    def answer(self, integration: str, command: str, state: str, detail: str) -> None:
        self.answers.append((integration, command, state, detail))
        if state in ("done", "failed"):
            self.open.discard(command)

    def wants(self, integration: str, command: str) -> bool:
        return integration == "acme" and command in self.open

    def offer(self, integration: str, acts: frozenset[str]) -> None:
        self.offered = acts


@pytest.mark.real("processes")
async def test_commands_are_taken_asked_about_and_answered() -> None:
    def made() -> Stage:
        stage = Stage()
        stage.core = replace(stage.core, commands=Desk())  # type: ignore[arg-type]  # acts as one
        return stage

    for stage in await both("obeys", made, n=2):
        desk: Any = stage.core.commands
        assert [one[1:] for one in desk.answers] == [
            ("c55.0", "sent", ""),
            ("c55.0", "done", "too warm"),
            ("c56.0", "sent", ""),
            ("c56.0", "failed", "too warm"),
        ]
        assert (desk.offered, desk.closed) == (frozenset({"rejoin"}), 1)
        assert stage.said["saw"] == [
            [OWN.id, "setpoint", 55.0, True, False],
            [OWN.id, "setpoint", 56.0, True, False],
        ]


@pytest.mark.real("processes")
async def test_a_loop_that_polls_keeps_the_pace_of_the_hub() -> None:
    for way in WAYS:
        stage, scheduler = Stage(), PollScheduler()
        stage.core = replace(stage.core, poll_scheduler=scheduler)
        async with stage.run(way, "polls", n=3, interval="PT10S") as health:
            await eventually(lambda stage=stage: stage.said.get("cycles") == 1)
            (loop,) = scheduler
            assert (loop.configured_s, list(loop.polled_devices())) == (10.0, [OWN.id])
            assert scheduler.failed == {OWN.id: "silent"}
            await eventually(lambda: health.state == FINISHED, clock=stage.clock)
            assert list(scheduler) == []
        first, second, third = stage.said["saw"]
        assert second - first <= 10.5
        assert 9.5 <= third - second <= 10.5


@pytest.mark.real("processes")
async def test_a_plugin_is_woken_by_the_clock_of_the_hub() -> None:
    for way in WAYS:
        stage = Stage()
        async with stage.run(way, "ticks", n=3, interval="PT10S") as health:
            await eventually(lambda: health.state == FINISHED, clock=stage.clock)
        first, second, third = stage.said["saw"]
        assert second - first <= 10.5
        assert 9.5 <= third - second <= 10.5


@pytest.mark.real("processes")
async def test_a_timetable_is_answered_at_once() -> None:
    _, apart = await both("has_a_timetable")
    assert apart.said["saw"][0] == 60.0
    assert apart.said["saw"][1][0] == "PluginError"


@pytest.mark.real("processes")
async def test_frames_go_to_shared_decoders_and_what_cannot_be_read_is_counted() -> None:
    def made() -> Stage:
        def decode(frame: Any, keys: Any) -> Any:
            if frame.address == "known":
                return Decoded(device=OWN.id, values={"temperature": 1.0}, proof=Proof("acme", 1, True))
            return None

        stage = Stage()
        decoders = [Decoder("d", "test", "ble", decode, (), None)]
        stage.core = replace(stage.core, decoders=lambda kind: decoders)
        return stage

    _, apart = await both("hears", made)
    assert apart.said["saw"][:2] == [True, False]
    assert apart.said["saw"][2][0] == "PluginError"
    assert apart.counts.by_subject()[OWN.id]["bad-mic"] == 1
    assert [row[3] for row in apart.readings()] == [[1.0]]


@pytest.mark.real("processes")
async def test_requests_go_out_by_the_hub() -> None:
    def made() -> Stage:
        stage = Stage()
        stage.http.reply("POST", "https://acme.example/a", {"ok": True}, status=201, headers={"y": "2"})
        return stage

    for stage in await both("calls", made):
        assert stage.said["saw"][:3] == [201, {"y": "2"}, {"ok": True}]
        assert stage.said["saw"][3][0] == "NotReady"
        assert stage.http.requests[0].body == b"hello"


@pytest.mark.real("network, processes")
async def test_a_serial_line_is_lent_by_the_hub() -> None:
    def answer(asked: bytes) -> list[tuple[float, bytes]]:
        if asked == b"silence\n":
            return []
        return [(0.0, asked[:2]), (0.01, asked[2:])]

    async with slave(answer) as (port, _):
        for way in WAYS:
            stage, buses = Stage(), Buses({"rs485": BusOptions(port, quiet_s=0.0)})
            stage.core = replace(stage.core, buses=buses)
            async with stage.run(way, "uses_a_bus") as health:
                await eventually(lambda: health.state == FINISHED or health.error)
            none, answered, bad, silence, more = stage.said["saw"]
            assert (none[0], answered, silence, more) == ("AuthFailed", b"question\n", None, b"more\n")
            assert bad == ["DecodeError", "bad-answer: bad\n"]
            assert buses.status()["rs485"] == {"exchanges": 3, "silences": 1}
            await buses.close()


@pytest.mark.real("processes")
@pytest.mark.parametrize(
    ("does", "state", "error"),
    [
        ("is_away", WAITING, "the boiler is off"),
        ("is_locked_out", STOPPED, "the password is old"),
        ("is_wrong", WAITING, "KeyError: 'oops'"),
        ("exits", WAITING, "SystemExit: enough"),
    ],
)
async def test_an_error_of_the_plugin_reads_alike(does: str, state: str, error: str) -> None:
    for way in WAYS:
        stage = Stage()
        async with stage.run(way, does) as health:
            await eventually(lambda: health.error)
            assert (health.state, str(health.error)) == (state, error)


@pytest.mark.real("processes")
@needs_python_of_all
@pytest.mark.parametrize("given", [{}, {"n": "three"}, {"wrong": 1}])
async def test_options_that_are_wrong_are_named_alike(given: dict[str, Any]) -> None:
    said = []
    for way in WAYS:
        stage = Stage()
        if "wrong" in given or "n" in given:
            given = {"does": "emits", **given}
        async with stage.run(way, **{"does": 5, **given}) as health:
            said.append(str(await eventually(lambda: health.error)).removeprefix("ConfigError: "))
    assert said[0] == said[1]


@pytest.mark.real("processes")
async def test_a_process_has_its_use_and_its_reasons_told() -> None:
    stage = Stage()
    async with stage.run(None, "cleans_up") as health:
        await eventually(lambda: health.memory and stage.said.get("runs"))
        assert health.apart
        assert 0 < health.cpu_s < 30
        assert 4 << 20 < health.memory < 64 << 20
    assert stage.said["cleaned"] is True, "it may clean up, and emit meanwhile"
    assert [row[3] for row in stage.readings()] == [[1.0]]


@pytest.mark.real("processes")
async def test_five_failures_in_ten_minutes_are_enough() -> None:
    stage = Stage()
    async with stage.run(None, "dies") as health:
        await eventually(lambda: health.state == QUARANTINED, clock=stage.clock)
    assert health.crashes == 5
    assert "exit code 9" in health.error


def test_a_line_of_health_is_plain_data() -> None:
    assert Health(name="acme").apart is False


def test_decode_errors_keep_their_slug() -> None:
    from hub.plugin_host.isolation.failures import raised, told

    error = raised(told(DecodeError("bad-mic", "wrong key?")))
    assert isinstance(error, DecodeError)
    assert (error.reason, error.detail, str(error)) == ("bad-mic", "wrong key?", "bad-mic: wrong key?")
