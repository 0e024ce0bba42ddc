"""The test kit judges as the hub does: the same plugin is refused in both for the same reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hub.core.errors import DecodeError, NotReady, PluginError
from hub.core.model import Command, Device, Metric, Quality, Report
from hub.core.small_state import STATE_LIMIT
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.runtime import InProcessSession
from hub.sdk.session_rules import FORMER
from hub.sdk.testing import FakeSession, FakeState, ManualClock, Refused, Reply, Request, settle
from tests.hub.path_kit import METER, TAG
from tests.hub.plugin_host.test_runtime import Stage

MISSPELT: Any = Metric(key="heart_rate", unit="/min", privacy="Personal")  # type: ignore[arg-type]
OWN = Device(id=TAG.id, integration="bluetooth", place="p1")
HOURLY = timedelta(hours=1)


def fake(**more: Any) -> FakeSession:
    return FakeSession("bluetooth", devices=[OWN, METER], **more)


def real() -> InProcessSession:
    """The hub's own session over a pipeline, for the same plugin and devices."""
    stage = Stage()
    stage.core = msgspec.structs.replace(stage.core, plugin_facts=PluginFacts())
    return stage.session()


def command(name: str = "1") -> Command:
    return Command(id=name, device=TAG.id, metric="valve_position", value=1.0)


# -- the same judgement ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.emit(Report(device=METER.id, values={"temperature": 1.0})),
        lambda session: session.emit({"temperature": 1.0}),
        lambda session: _now(lambda: session.state.put("cursor", object())),
        lambda session: _now(lambda: session.state.put("k" * 2000, 1)),
        lambda session: _now(lambda: session.state.put("blob", b"x" * STATE_LIMIT)),
        lambda session: _now(lambda: session.devices.declare(METER.id, model="mine")),
        lambda session: _now(lambda: session.devices.declare(TAG.id, metrics=(MISSPELT,))),
        lambda session: _now(lambda: session.devices.declare(TAG.id, metrics=({"key": "wibble"},))),
        lambda session: _now(lambda: session.radio.publish_facts("gateway:1", {"raw": object()})),
        lambda session: _now(lambda: session.radio.publish_facts("gateway:1", {"raw": "x" * 5000})),
        lambda session: anext(session.every(timedelta(0))),
        lambda session: session.packs.get(METER.id),
    ],
    ids=["another's device", "no report", "an object in state", "a long key", "too much state", "another's model",
         "a misspelt privacy class", "no metric",
         "an object in facts", "too many facts", "no interval", "another's pack"],
)  # fmt: skip
async def test_the_fake_and_the_hub_refuse_the_same_with_the_same_words(act: Callable[[Any], Any]) -> None:
    with pytest.raises(PluginError) as kit:
        await act(fake())
    with pytest.raises(PluginError) as runtime:
        await act(real())
    assert str(kit.value) == str(runtime.value)


async def test_what_a_plugin_registers_is_judged_by_the_fake_too() -> None:
    with pytest.raises(PluginError, match="privacy is 'Personal'"):
        fake(metrics=[MISSPELT])


async def _now(act: Callable[[], None]) -> None:
    act()


async def test_values_that_the_hub_leaves_out_are_left_out_of_the_fakes_reports() -> None:
    given = {"temperature": 21.5, "humidity": "dry", "wibble": 3.0, "battery": float("nan"), "pressure": 1e9}
    session = fake()
    await session.emit(Report(device=TAG.id, values=given))
    assert [report.values for report in session.reports] == [{"temperature": 21.5}]
    assert set(session.refused) == {
        Refused("unknown-metric", TAG.id, "wibble"),
        *(Refused("implausible", TAG.id, key) for key in ("humidity", "battery", "pressure")),
    }
    stage = Stage()
    await stage.session().emit(Report(device=TAG.id, values=given))
    assert stage.counts.about(TAG.id) == {"unknown-metric": 1, "implausible": 3}


async def test_metrics_that_a_plugin_registers_or_declares_are_known() -> None:
    session = fake(metrics=[Metric(key="wibble")])
    session.devices.declare(TAG.id, metrics=(Metric(key="wobble", high=5.0),))
    await session.emit(Report(device=TAG.id, values={"wibble": 1.0, "wobble": 6.0}))
    assert session.reports[0].values == {"wibble": 1.0}
    assert session.refused == [Refused("implausible", TAG.id, "wobble")]


async def test_a_device_that_nobody_configured_is_not_admitted() -> None:
    session = fake()
    await session.emit(Report(device="ble:EE:EE:EE:EE:EE:EE", values={"temperature": 1.0}, quality=Quality.GOOD))
    assert (session.reports, session.refused) == ([], [Refused("not-admitted", "ble:EE:EE:EE:EE:EE:EE")])


def test_state_reads_like_a_mapping_and_none_removes_a_value() -> None:
    state = FakeState()
    state.put("a", 1)
    state.put("b", {"c": [2]})
    assert state == {"a": 1, "b": {"c": [2]}}
    state.put("a", None)
    assert (dict(state), state.get("a", "gone")) == ({"b": {"c": [2]}}, "gone")


# -- running -----------------------------------------------------------------------------------------------------


async def commanded(config: None, session: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_polls(session))
        tasks.create_task(_writes(session))


async def _polls(session: Any) -> None:
    async for _ in session.polling.poll_cycles(HOURLY, list):
        await session.emit(Report(device=TAG.id, values={"temperature": 1.0}))


async def _writes(session: Any) -> None:
    async for order in session.commands:
        session.commands.answer(order, "done")


async def test_a_plugin_that_awaits_commands_ends_when_its_turns_are_over() -> None:
    session = fake()
    await session.run(commanded, None, turns=3)
    assert len(session.reports) == 3


async def test_a_run_ends_when_what_it_waits_for_has_come_and_time_passes_by_itself() -> None:
    session = fake()
    began = session.clock.now()
    await session.run(commanded, None, until=lambda: len(session.reports) == 4)
    assert session.clock.now() - began == pytest.approx(3 * 3600)
    session.commands.give(command())
    await session.run(commanded, None, until=lambda: session.commands.answers)
    assert session.commands.answers == [("1", "done", "")]


async def test_a_run_raises_what_the_plugin_raises_and_a_plugin_that_hangs_is_a_time_out() -> None:
    async def wrong(config: None, session: Any) -> None:
        raise DecodeError("truncated")

    async def hangs(config: None, session: Any) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DecodeError):
        await fake().run(wrong, None, until=lambda: False)
    with pytest.raises(TimeoutError, match=r"0 s went by before the plugin's loops had their turns\."):
        await fake().run(hangs, None, timeout=0.05)
    with pytest.raises(TimeoutError, match="before what `until` asks for was true"):
        await fake().run(hangs, None, until=lambda: False, timeout=0.05)


def test_one_session_lives_through_several_event_loops() -> None:
    session = fake()

    async def waits(config: None, session: Any) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_writes(session))
            tasks.create_task(session.clock.sleep(60))
            tasks.create_task(_changes(session))
            session.room.clear()
            tasks.create_task(session.emit(Report(device=TAG.id, values={"temperature": 1.0})))

    async def _changes(session: Any) -> None:
        async for device in session.devices.changes():
            session.devices.declare(device.id, model="again")

    for n in range(2):
        with pytest.raises(TimeoutError):
            asyncio.run(session.run(waits, None, timeout=0.05))
        session.commands.give(command(str(n)))
        session.devices.put(OWN)
        session.room.set()
        asyncio.run(session.clock.advance(120))
    asyncio.run(session.run(commanded, None, until=lambda: len(session.commands.answers) == 2))
    assert [name for name, *_ in session.commands.answers] == ["0", "1"]
    assert len(session.reports) > 0


async def test_the_clock_moves_to_the_next_sleeper_only() -> None:
    clock = ManualClock()
    began = clock.monotonic()
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (7, 3, 5)]
    await settle()
    tasks[1].cancel()
    await settle()
    assert await clock.advance_to_next()
    assert clock.monotonic() - began == 5
    assert [task.done() for task in tasks] == [False, True, True]
    assert await clock.advance_to_next()
    assert not await clock.advance_to_next()


# -- HTTP --------------------------------------------------------------------------------------------------------


async def test_requests_are_kept_with_their_headers_and_bodies_and_answered_from_a_table() -> None:
    http = fake().http
    http.reply("GET", "http://a/", {"t": 215})
    http.replies["POST", "http://a/"] = lambda request: Reply(201, {}, request.body or b"")
    http.replies["PUT", "http://a/"] = NotReady("away")
    assert (await http.request("GET", "http://a/")).json() == {"t": 215}
    sent = await http.request("POST", "http://a/", headers={"X-Key": "1"}, body=b'{"on": true}')
    assert (sent.status, sent.body) == (201, b'{"on": true}')
    with pytest.raises(NotReady, match="away"):
        await http.request("PUT", "http://a/")
    with pytest.raises(NotReady, match="does not answer"):
        await http.request("GET", "http://b/")
    assert http.requests[1] == Request("POST", "http://a/", {"X-Key": "1"}, b'{"on": true}', timedelta(seconds=10))
    assert http.requests[1].json() == {"on": True}
    assert [(request.method, request.url) for request in http.requests[2:]] == [
        ("PUT", "http://a/"),
        ("GET", "http://b/"),
    ]


# -- former names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("session", [fake, real], ids=["the fake", "the hub"])
@pytest.mark.parametrize("name", sorted(FORMER))
def test_a_former_member_of_a_session_is_the_present_one_with_a_warning(session: Callable[[], Any], name: str) -> None:
    one, (part, _, member) = session(), FORMER[name].partition(".")
    with pytest.warns(DeprecationWarning, match=f"session.{name} is now session.{part}.{member}") as warned:
        assert getattr(one, name) == getattr(getattr(one, part), member)
    assert warned[0].filename == __file__


async def test_reports_that_belong_together_are_emitted_under_the_former_name_too() -> None:
    session = fake()
    reports = [Report(device=TAG.id, values={"temperature": float(n)}) for n in range(2)]
    with pytest.warns(DeprecationWarning, match=r"session\.emit_all is now session\.emit\(\*reports\)"):
        await session.emit_all(reports, note=lambda: session.state.put("n", 1), durable=True)  # type: ignore[attr-defined]
    assert (session.reports, session.durable, session.state) == (reports, reports, {"n": 1})
    with pytest.raises(AttributeError, match="no 'rediscover'"):
        _ = session.rediscover  # type: ignore[attr-defined]
