"""The session of a test and the hub's own: the same cases over both, and what came of each is the same.

A case is what a plugin does. What is compared: what it returned or raised, the readings that were taken, what was
counted, who waits for a person, what is told of polls and diagnostics. Not compared: what a district decides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.automation.commands import OwnCommands
from hub.core.errors import DecodeError, HubError
from hub.core.model import (
    Candidate,
    Command,
    Decoded,
    Device,
    Frame,
    Metric,
    NeedKey,
    Proof,
    Quality,
    Report,
    Signal,
)
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.sdk.hookspecs import Decoder
from hub.sdk.session_rules import FACT_SUBJECTS
from hub.sdk.testing import FakeSession, ManualClock, settle
from tests.hub.automation.commands.test_service import BOILER, Hub, opened
from tests.hub.path_kit import METER, TAG
from tests.hub.plugin_host.test_runtime import Stage

BARE = Device(id="ble:BB:BB:BB:BB:BB:BB", integration="bluetooth", place="classe-1")
KNOWN = (TAG, METER, BARE)
FRAME = Frame(kind="ble", address="AA:AA:AA:AA:AA:AA", data={}, signal=Signal(rssi=-70), name="tag")
SEALED = Proof("test-ccm", 7, authenticated=True, sealed=True)
NOW = ManualClock().now()


class Scene(NamedTuple):
    """One of the two: a session, and what came of what a plugin did with it."""

    session: Any
    clock: ManualClock
    put: Callable[[Device], None]
    remove: Callable[[str], object]
    came: Callable[[], dict[str, Any]]


def fake(*decoders: Any) -> Scene:
    clock = ManualClock()
    session = FakeSession("bluetooth", KNOWN, clock, decoders=_decoders(decoders))

    def came() -> dict[str, Any]:
        taken = [
            (r.device, tuple(r.values.items()), clock.now() if r.time is None else r.time, r.quality,
             r.signal.rssi if r.signal else None)
            for r in session.reports if r.values
        ]  # fmt: skip
        counted = Counter((one.reason, one.device if session.devices.get(one.device) else "bluetooth")
                          for one in session.refused)  # fmt: skip
        counted.update(
            (reason, device if session.devices.get(device) else "bluetooth") for device, reason in session.drops
        )
        return {
            "taken": taken, "counted": dict(counted), "polls": session.polling.outcomes, "facts": session.radio.facts,
            "waiting": strangers(session),
        }  # fmt: skip

    return Scene(session, clock, session.devices.put, session.devices.remove, came)


def real(*decoders: Any) -> Scene:
    stage = Stage()
    facts, polls = PluginFacts(), PollScheduler()
    made = _decoders(decoders)
    stage.devices.put(BARE)
    stage.core = msgspec.structs.replace(
        stage.core, plugin_facts=facts, poll_scheduler=polls, decoders=lambda kind: [d for d in made if d.kind == kind]
    )

    def came() -> dict[str, Any]:
        taken = [
            (row.subject.device, tuple(zip((c.metric for c in row.shape.columns), row.values, strict=True)),
             row.time_ms / 1000, Quality(row.quality), row.rssi)
            for row in stage.buffer.rows
        ]  # fmt: skip
        counted = {(reason, about): n for about in ("bluetooth", *(d.id for d in KNOWN))
                   for reason, n in stage.counts.about(about).items()
                   if reason != "not-its-own"}  # fmt: skip  # it is raised
        return {
            "taken": taken, "counted": counted, "polls": polls.failed,
            "facts": {subject: one for _, subject, one in facts},
            "waiting": sorted({one.id for one in stage.quarantine} - {one.id for one in KNOWN}),
        }  # fmt: skip

    return Scene(stage.session(), stage.clock, stage.devices.put, stage.devices.remove, came)


def strangers(session: FakeSession) -> list[str]:
    """Who waits for a person: discovered, or heard and not admitted."""
    heard = {one.device for one in session.refused if one.reason == "not-admitted"}
    return sorted(({one.id for one in session.candidates} | heard) - {one.id for one in KNOWN})


def _decoders(decode: tuple[Any, ...]) -> list[Decoder]:
    return [Decoder(f"d{n}", "test", "ble", one, (), None) for n, one in enumerate(decode)]


async def outcome(act: Callable[[Scene], Awaitable[object]], scene: Scene) -> dict[str, Any]:
    try:
        said: object = await act(scene)
    except HubError as error:
        said = type(error), str(error)
    return {"said": said, **scene.came()}


async def same(act: Callable[[Scene], Awaitable[object]], *decoders: Any) -> dict[str, Any]:
    """What came of it, which is the same in both."""
    expected = await outcome(act, real(*decoders))
    assert await outcome(act, fake(*decoders)) == expected
    return expected


def emits(*reports: Report, **more: Any) -> Callable[[Scene], Awaitable[object]]:
    async def act(scene: Scene) -> object:
        for report in reports:
            await scene.session.emit(report, **more)
        return None

    return act


def report(device: str = TAG.id, **more: Any) -> Report:
    return Report(device=device, **{"values": {"temperature": 21.5}, **more})


def proof(counter: int | None, **more: Any) -> Proof:
    return Proof(**{"scheme": "test-ccm", "authenticated": True, "sealed": True, **more}, counter=counter)


REPORTS = {
    "an ordinary one": [report()],
    "a stranger's": [report("ble:EE:EE:EE:EE:EE:EE")],
    "unknown and implausible values": [report(values={"wibble": 1.0, "humidity": "dry", "battery": 90})],
    "nothing that is left": [report(values={"wibble": 1.0})],
    "a date": [report(time=NOW - 60)],
    "a date a little ahead": [report(time=NOW + 119)],
    "a date far ahead": [report(time=NOW + 121)],
    "a date before all dates": [report(time=-1.0)],
    "a counter that rises": [report(proof=proof(1)), report(proof=proof(2))],
    "a counter that repeats": [report(proof=proof(7)), report(proof=proof(7))],
    "a counter that falls": [report(proof=proof(7)), report(proof=proof(3)), report(proof=proof(8))],
    "a counter that nobody proved": [report(proof=proof(n, authenticated=False)) for n in (7, 3)],
    "a proof under a key that nobody has": [report(BARE.id, proof=proof(7)), report(BARE.id, proof=proof(3))],
    "a signal": [report(signal=Signal(rssi=-70))],
    "a signal that nothing hears": [report(signal=Signal(rssi=-40_000))],
    "an uncertain value": [report(quality=Quality.UNCERTAIN)],
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
async def test_a_report_is_judged_alike(name: str) -> None:
    await same(emits(*REPORTS[name]))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([TAG.id, BARE.id, "ble:EE:EE:EE:EE:EE:EE"]),
            st.dictionaries(
                st.sampled_from(["temperature", "humidity", "battery", "wibble", "leak", "firmware", "power_factor"]),
                st.sampled_from([1.0, 50, 1e9, True, "x", float("nan"), None, b"x", 1 << 70]),
                min_size=1,
            ),
            st.sampled_from([None, NOW - 5, NOW + 500, -1.0]),
            st.none() | st.builds(proof, st.none() | st.integers(0, 4), authenticated=st.booleans()),
        ),
        max_size=5,
    )
)
@settings(max_examples=60)
def test_whatever_reports_come_they_are_judged_alike(drawn: list[Any]) -> None:
    reports = [Report(device=d, values=values, time=time, proof=said) for d, values, time, said in drawn]
    asyncio.run(same(emits(*reports)))


async def _all_at_once(scene: Scene) -> object:
    await scene.session.emit(
        report(values={"humidity": 40}), report(METER.id), note=lambda: scene.session.state.put("n", 1)
    )
    return None


async def _noted(scene: Scene) -> object:
    def note() -> None:
        raise DecodeError("not-now")

    with contextlib.suppress(DecodeError):
        await scene.session.emit(report(), note=note)
    await scene.session.emit(note=lambda: scene.session.state.put("n", 2))
    return scene.session.state.get("n")


async def _found(scene: Scene) -> object:
    for device in (TAG.id, METER.id, "ble:EE:EE:EE:EE:EE:EE"):
        scene.session.devices.discovered(Candidate(id=device, integration="somebody", model="m"))
    return None


async def _changes(scene: Scene) -> object:
    """What is put before one listens is no change; each who listens hears each change of its own."""
    scene.put(msgspec.structs.replace(BARE, name="before"))
    heard: list[list[str]] = [[], []]

    async def listen(into: list[str], changes: AsyncIterator[Device]) -> None:
        async for device in changes:
            into += [f"{device.name} {scene.session.devices.get(device.id) is not None}"]

    tasks = [asyncio.create_task(listen(into, scene.session.devices.changes())) for into in heard]
    await settle()
    scene.put(msgspec.structs.replace(BARE, name="changed"))
    scene.put(msgspec.structs.replace(METER, name="another's"))
    scene.remove(METER.id)
    scene.remove(BARE.id)
    await settle()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return heard


async def _polls(scene: Scene) -> object:
    polled = scene.session.polling.polled
    for device, how in [(TAG.id, "silent"), (BARE.id, "unread"), (METER.id, "silent"), ("ble:none", "silent")]:
        polled(device, how)
    polled(BARE.id, "answered")
    return scene.session.polling.set_poll_intervals({TAG.id: timedelta(seconds=7)}, timedelta(seconds=9))


async def _polls_then_reports(scene: Scene) -> object:
    scene.session.polling.polled(TAG.id, "silent")
    await scene.session.emit(report())
    return None


async def _tells(scene: Scene) -> object:
    publish = scene.session.radio.publish_facts
    publish("gateway:1", {"a": 1})
    publish("gateway:2", {"a": 1})
    publish("gateway:1", {})
    publish("gateway:2", {"b": [1]})
    return None


async def _tells_too_much(scene: Scene) -> object:
    for n in range(FACT_SUBJECTS + 1):
        scene.session.radio.publish_facts(f"gateway:{n}", {"a": 1})
    return None


async def _drops(scene: Scene) -> object:
    for device in (TAG.id, METER.id, "ble:none", ""):
        scene.session.radio.report_decode_error(device, DecodeError("short-payload"))
    scene.session.radio.report_decode_error(TAG.id, ValueError("mine"))
    return None


async def _declares(scene: Scene) -> object:
    scene.session.devices.declare(TAG.id, metrics=(Metric(key="wibble", high=5.0),))
    scene.session.devices.declare(TAG.id, model="M", metrics=(Metric(key="wobble"),))
    await scene.session.emit(report(values={"wibble": 4.0, "wobble": 1.0}))
    await scene.session.emit(report(BARE.id, values={"wibble": 4.0, "temperature": 1.0}))
    return [device.id for device in scene.session.devices.all()]


async def _takes_its_time(scene: Scene) -> object:
    """A turn that lasted longer than its interval is followed at once by one, and not by all that were missed."""
    turns, loop = [], scene.session.every(timedelta(seconds=10))
    began = await anext(loop)

    async def rest() -> None:
        async for now in loop:
            turns.extend([now - began])

    await scene.clock.advance(35)
    task = asyncio.create_task(rest())
    await settle()
    at_once = len(turns)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return at_once


async def _no_bus(scene: Scene) -> object:
    return scene.session.bus("rs485")


async def _no_round(scene: Scene) -> object:
    return scene.session.polling.poll_cycles(timedelta(0), list)


ACTS = [
    _all_at_once, _noted, _found, _changes, _polls, _polls_then_reports, _tells, _tells_too_much, _drops, _declares,
    _takes_its_time, _no_bus, _no_round,
]  # fmt: skip


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__.strip("_"))
async def test_what_a_plugin_does_has_the_same_outcome(act: Callable[[Scene], Awaitable[object]]) -> None:
    await same(act)


# -- frames ------------------------------------------------------------------------------------------------------------


def says(**more: Any) -> Callable[[Frame, Any], Decoded]:
    return lambda frame, keys: Decoded(**{"device": TAG.id, "values": {"temperature": 21.5}, "proof": SEALED, **more})


def _raises(error: Exception) -> Callable[[Frame, Any], None]:
    def decode(frame: Frame, keys: Any) -> None:
        raise error

    return decode


DECODERS: dict[str, list[Any]] = {
    "read": [says(model="M", skipped=("odd-part",))],
    "nobody knows it": [lambda frame, keys: None],
    "the second knows it": [lambda frame, keys: None, says()],
    "wrong": [_raises(DecodeError("bad-mic"))],
    "a mistake of the decoder": [_raises(ZeroDivisionError())],
    "a key is missing": [lambda frame, keys: NeedKey("ble:EE:EE:EE:EE:EE:EE", "M")],
    "a key of a known device is missing": [lambda frame, keys: NeedKey(BARE.id, "M")],
    "a stranger": [says(device="ble:EE:EE:EE:EE:EE:EE", model="M")],
    "a device of another": [says(device=METER.id)],
    "in clear though it has a key": [says(proof=None)],
    "a device without a key": [says(device=BARE.id, proof=None)],
    "it is given keys": [lambda frame, keys: says()(frame, keys) if keys(TAG.id) == TAG.key else None],
}


@pytest.mark.parametrize("name", DECODERS)
async def test_a_frame_goes_the_same_way(name: str) -> None:
    async def act(scene: Scene) -> object:
        return [await scene.session.radio.submit_frame(FRAME) for _ in range(2)]

    await same(act, *DECODERS[name])


# -- commands ----------------------------------------------------------------------------------------------------------

ANSWERS: dict[str, list[str]] = {
    "done": ["sent", "done"],
    "twice": ["done", "failed"],
    "in another word": ["finished", "done"],
    "only queued": ["queued"],
    "only sent": ["sent"],
    "not at all": [],
}


async def _answers(commands: Any, taken: list[str], states: list[str], wanted: list[bool]) -> None:
    async for command in commands:
        taken.append(command.metric)
        for state in states:
            commands.answer(command, state)
        wanted.append(commands.wanted(command))


async def _twice(commands: Any, states: list[str]) -> tuple[list[str], list[bool]]:
    """Two runs of a plugin that answers so: the metrics that it was given, and whether each was wanted afterwards."""
    taken, wanted = list[str](), list[bool]()
    for run in range(2):
        task = asyncio.create_task(_answers(commands, taken, states, wanted))
        async with asyncio.timeout(60):
            while len(taken) < (1 + run if states == ["queued"] else 1):
                await asyncio.sleep(0.001)
        await settle(200)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await settle()
    return taken, wanted


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_to_a_command_counts_alike(name: str, tmp_path: Path) -> None:
    session = FakeSession("modbus", [BOILER], ManualClock())
    session.commands.give(Command(id="1", device=BOILER.id, metric="setpoint", value=55.0))
    mine = await _twice(session.commands, ANSWERS[name])
    async with opened(tmp_path) as store:
        hub = Hub(store, ManualClock())
        await hub.desk.load()
        record = await hub.order()
        theirs = await _twice(OwnCommands("modbus", hub.desk), ANSWERS[name])
        state = record.state
        ignored = hub.counts.about("modbus").get("answer-to-no-command", 0)
        await hub.desk.flush()
    assert mine == theirs
    last = "failed" if session.commands.unanswered else session.commands.answers[-1][1]
    assert (last, len(session.commands.ignored)) == (state, ignored)


# -- the suite can fail ------------------------------------------------------------------------------------------------


async def test_a_fake_that_takes_every_date_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.sdk.testing.judging.FUTURE_S", 1e12)
    with pytest.raises(AssertionError):
        await same(emits(*REPORTS["a date far ahead"]))


async def test_a_fake_that_forgets_counters_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.sdk.testing.judging.Judge._fresh", lambda *_: True)
    for name in ("a counter that repeats", "a counter that falls"):
        with pytest.raises(AssertionError):
            await same(emits(*REPORTS[name]))
