"""knxd, in its own process, on the other end of the tunnel: both directions, and what happens when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from knxd_kit import Knxd, until
from xknx.io import data_connection
from xknx.io.request_response import connectionstate

import hub
from hub.core.backoff import Backoff
from hub.core.clock import SystemClock
from hub.core.errors import NotReady
from hub.plugin_host.supervisor import Health, Supervisor
from hub.sdk.testing import FakeSession
from integrations import knx
from integrations.knx import addresses, bus

pytestmark = pytest.mark.real("network, processes")

Start = Callable[[Any], "asyncio.Task[None]"]
READ, RESPONSE, WRITE = b"\x00\x00", 0x40, 0x80
WARM = b"\x00\x40\x0c\x1a"  # a response: 21.00 °C as a two-octet float


def configured(peer: Knxd, **more: Any) -> knx.Config:
    return knx.Config(connection="tunnelling", host="127.0.0.1", port=peer.port, **{"max_rate": 20.0, **more})


def put(session: FakeSession, name: str, groups: dict[str, dict[str, Any]]) -> None:
    session.devices.put(hub.Device(id=name, integration="knx", place="p", settings={"groups": groups}))


def said(session: FakeSession, device: str) -> dict[str, Any]:
    """The last values of a device."""
    found: dict[str, Any] = {}
    for report in session.reports:
        if report.device == device:
            found |= report.values
    return found


async def begun(session: FakeSession, peer: Knxd, start: Start, **more: Any) -> asyncio.Task[None]:
    """A run whose tunnel is open: a telegram came through."""
    put(session, "knx:canary", {"31/0/0": {"dpt": "7.001", "metric": "count"}})
    task = start(knx.run(configured(peer, **more), session))
    number = 0
    async with asyncio.timeout(60):
        while "count" not in said(session, "knx:canary"):
            await peer.write("31/0/0", 0, number)
            if task.done():
                with contextlib.suppress(NotReady):  # xknx waits a second; a busy machine answers later
                    await task
                task = start(knx.run(configured(peer, **more), session))  # as the supervisor does
            await asyncio.sleep(0.02)
            number = (number + 1) % 256
    return task


async def test_what_knxtool_writes_is_reported_with_unit_and_kind_of_the_metric(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    put(
        session,
        "knx:salle-12",
        {
            "1/2/3": {"dpt": "9.001", "metric": "temperature"},
            "1/2/4": {"dpt": "1.018", "metric": "occupancy"},
            "1/2/5": {"dpt": "13.010", "metric": "energy"},
            "1/2/6": {"dpt": "1.009", "metric": "window"},
        },
    )
    await begun(session, knxd, start)
    await knxd.write("1/2/3", 0x0C, 0x1A)
    await knxd.switch("1/2/4", 1)
    await knxd.write("1/2/5", 0x00, 0x01, 0xE2, 0x40)
    await knxd.switch("1/2/6", 1)
    await until(lambda: len(said(session, "knx:salle-12")) == 4, "four readings")
    assert said(session, "knx:salle-12") == {
        "temperature": 21.0, "occupancy": True, "energy": 123.456, "window": False,
    }  # fmt: skip
    report = next(r for r in session.reports if "temperature" in r.values)
    assert report.proof == hub.Proof(scheme="knx")
    assert not report.proof.authenticated


async def test_a_value_that_cannot_be_the_type_is_counted_and_nothing_is_reported(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    put(session, "knx:a", {"1/2/3": {"dpt": "9.001", "metric": "temperature"}})
    await begun(session, knxd, start)
    await knxd.write("1/2/3", 1, 2, 3)
    await knxd.write("1/2/3", 0x7F, 0xFF)
    await until(lambda: len(session.drops) >= 2, "two counts")
    assert session.drops == [("knx:a", "knx-size"), ("knx:a", "knx-invalid")]
    assert not said(session, "knx:a")


async def test_an_unknown_address_makes_its_sender_a_candidate_once_and_is_never_forwarded(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    await begun(session, knxd, start)
    session.reports.clear()
    async with knxd.bus_device(lambda address, apdu: {}) as say:
        await say(addresses.group("4/5/6"), b"\x00\x81")
        await say(addresses.group("4/5/6"), b"\x00\x80")
        await say(addresses.group("4/5/7"), b"\x00\x80\x0c\x1a")
        await until(lambda: len(session.candidates) >= 2, "two candidates")
    first, second = session.candidates
    assert first.id == second.id
    assert first.id.startswith("knx:1.1.")
    assert first.evidence == {"groups": "4/5/6 (up to 6 bits)"}
    assert second.evidence == {"groups": "4/5/6 (up to 6 bits), 4/5/7 (2 bytes)"}
    assert session.drops == [("", "knx-unknown-group")]
    assert session.reports == []


async def test_start_up_reads_are_asked_one_by_one_at_the_pace_and_answered(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    asked: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()

    def answer(address: int, apdu: bytes) -> dict[int, bytes]:
        if apdu != READ:
            return {}
        asked.append((loop.time(), address))
        return {address: WARM}

    for number in range(4):
        put(session, f"knx:r{number}", {f"1/0/{number + 1}": {"dpt": 9.001, "metric": "temperature", "read": True}})
    put(session, "knx:quiet", {"1/0/9": {"dpt": 9.001, "metric": "temperature"}})
    async with knxd.bus_device(answer):
        began = loop.time()
        start(knx.run(configured(knxd, max_rate=10), session))
        await until(lambda: len(session.reports) >= 4, "four answers")
    assert [address for _, address in asked] == [addresses.group(f"1/0/{n}") for n in (1, 2, 3, 4)]
    assert asked[-1][0] - began >= 0.3, "four at ten a second: the last one 0.3 s after the first at the earliest"
    assert {r.device for r in session.reports} == {f"knx:r{n}" for n in range(4)}
    assert said(session, "knx:r0") == {"temperature": 21.0}


async def test_an_address_that_nobody_answers_makes_its_known_value_uncertain_once(
    knxd: Knxd, session: FakeSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_800_000_000.0]
    monkeypatch.setattr(bus, "time", SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0]))
    put(session, "knx:a", {"1/0/1": {"dpt": "9.001", "metric": "temperature", "every": 10}})
    await begun(session, knxd, start, timeout=0.2)
    await knxd.write("1/0/1", 0x0C, 0x1A)
    await until(lambda: said(session, "knx:a"), "the value")

    async def later(seconds: float, questions: int) -> None:
        now[0] += seconds
        await session.clock.advance(5)
        await until(lambda: session.drops.count(("knx:a", "knx-no-answer")) == questions, f"{questions} questions")

    session.drops.clear()
    await later(11, 1)
    assert session.polling.outcomes == {"knx:a": "silent"}, "though its former value was repeated"
    await later(21, 2)
    await later(41, 3)
    mine = [report for report in session.reports if report.device == "knx:a"]
    assert [(r.values, r.quality) for r in mine] == [
        ({"temperature": 21.0}, hub.Quality.GOOD),
        ({"temperature": 21.0}, hub.Quality.UNCERTAIN),
    ]
    now[0] += 41  # after three questions without an answer the next waits for 80 s
    await session.clock.advance(5)
    assert session.drops.count(("knx:a", "knx-no-answer")) == 3
    await knxd.write("1/0/1", 0x0C, 0x1A)
    await until(lambda: session.reports[-1].quality is hub.Quality.GOOD, "the value to be good again")
    assert session.polling.outcomes == {}


async def test_commands_are_written_and_the_status_address_confirms_them(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    state = {"on": 0}

    def actuator(address: int, apdu: bytes) -> dict[int, bytes]:
        status = addresses.group("2/0/2")
        if address == addresses.group("2/0/1") and apdu[1] & 0xC0 == WRITE:
            state["on"] = apdu[1] & 1
            return {status: bytes((0, WRITE | state["on"]))}
        if address == status and apdu == READ:
            return {status: bytes((0, RESPONSE | state["on"]))}
        return {}

    put(session, "knx:lampe", {"2/0/2": {"dpt": "1.001", "metric": "light", "write": "2/0/1"}})
    await begun(session, knxd, start)
    async with knxd.bus_device(actuator), knxd.listening() as lines:
        session.commands.give(hub.Command(id="c1", device="knx:lampe", metric="light", value=True))
        await until(lambda: len(session.commands.answers) == 2, "two answers")
        await until(lambda: any("to 2/0/1: 01" in line for line in lines), "knxtool to hear the write")
    assert session.commands.answers == [("c1", "sent", ""), ("c1", "done", "2/0/2 confirms it")]
    assert state["on"] == 1
    assert said(session, "knx:lampe") == {"light": True}


async def test_a_command_that_the_status_contradicts_or_leaves_open_fails_and_says_so(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    def stubborn(address: int, apdu: bytes) -> dict[int, bytes]:
        return {address: b"\x00\x40"} if address == addresses.group("2/0/2") and apdu == READ else {}

    group = {"dpt": "1.001", "write": "2/0/1", "confirm": 5}
    put(session, "knx:stuck", {"2/0/2": {**group, "metric": "light"}, "2/0/3": {**group, "metric": "running"}})
    await begun(session, knxd, start)
    async with knxd.bus_device(stubborn):
        session.commands.give(hub.Command(id="c1", device="knx:stuck", metric="light", value=True))
        session.commands.give(hub.Command(id="c2", device="knx:stuck", metric="running", value=True))
        await until(lambda: sum(s == "failed" for _, s, _ in session.commands.answers) == 2, "two failures")
    details = {name: detail for name, answer, detail in session.commands.answers if answer == "failed"}
    assert details["c1"] == "it was sent, but 2/0/2 says False"
    assert details["c2"] == "it was sent, but 2/0/3 does not answer: it may have been done"


async def test_a_number_is_written_in_the_types_own_unit_and_without_a_status_that_is_said(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    put(session, "knx:cvc", {"3/0/1": {"dpt": "9.001", "metric": "setpoint", "write": "3/0/1"}})
    put(session, "knx:poste", {"3/0/2": {"dpt": "9.024", "metric": "power", "write": "3/0/2"}})
    await begun(session, knxd, start)
    async with knxd.listening() as lines:
        session.commands.give(hub.Command(id="c1", device="knx:cvc", metric="setpoint", value=21))
        session.commands.give(hub.Command(id="c2", device="knx:poste", metric="power", value=1500.0))
        await until(lambda: len(session.commands.answers) == 4, "the answers")
        await until(lambda: any("to 3/0/1: 0C 1A" in line for line in lines), "knxtool to hear the set point")
        await until(lambda: any("to 3/0/2: 00 96" in line for line in lines), "knxtool to hear 1.5 kW")
    done = [(name, detail) for name, answer, detail in session.commands.answers if answer == "done"]
    assert done == [(n, "on the bus; no status address confirms it") for n in ("c1", "c2")]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"metric": "temperature", "value": 20.0}, "has no `write:` address"),
        ({"metric": "light", "value": None}, "KNX lets nothing go"),
        ({"metric": "light", "value": 0.5}, "1.001 is true or false"),
    ],
)
async def test_a_command_that_cannot_be_is_refused_and_nothing_is_sent(
    knxd: Knxd, session: FakeSession, start: Start, command: dict[str, Any], reason: str
) -> None:
    put(
        session,
        "knx:a",
        {
            "1/0/1": {"dpt": "9.001", "metric": "temperature"},
            "1/0/2": {"dpt": "1.001", "metric": "light", "write": "1/0/3"},
        },
    )
    await begun(session, knxd, start)
    session.commands.give(hub.Command(id="c", device="knx:a", **command))
    await until(lambda: session.commands.answers, "an answer")
    [(_, answer, detail)] = session.commands.answers
    assert answer == "failed"
    assert reason in detail


async def test_an_expired_command_is_not_sent(knxd: Knxd, session: FakeSession, start: Start) -> None:
    put(session, "knx:a", {"1/0/2": {"dpt": "1.001", "metric": "light", "write": "1/0/3"}})
    await begun(session, knxd, start)
    session.commands.give(hub.Command(id="c", device="knx:a", metric="light", value=True, expires=1.0))
    await until(lambda: session.commands.answers, "an answer")
    assert session.commands.answers == [("c", "expired", "")]


async def test_knxd_goes_and_comes_back_twice_with_one_line_each_and_no_crash(
    knxd: Knxd, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_connection, "HEARTBEAT_RATE", 0.1)
    monkeypatch.setattr(connectionstate, "CONNECTIONSTATE_REQUEST_TIMEOUT", 1.0)
    caplog.set_level(logging.INFO)

    class Session(FakeSession):
        async def emit(self, *reports: hub.Report, **more: Any) -> None:
            await super().emit(*reports, **more)
            supervisor.ready()

    session = Session("knx")
    health = Health(name="knx")
    supervisor = Supervisor(
        health, lambda: knx.run(configured(knxd), session), SystemClock(), Backoff(first=0.05, limit=0.2)
    )
    put(session, "knx:canary", {"31/0/0": {"dpt": "7.001", "metric": "count"}})
    start(supervisor.run())

    async def heard(number: int) -> None:
        async with asyncio.timeout(60):
            while said(session, "knx:canary").get("count") != number:
                await knxd.write("31/0/0", 0, number)
                await asyncio.sleep(0.02)

    await heard(1)
    await knxd.end(signal.SIGTERM)
    await until(lambda: health.state == "waiting", "the heartbeat to fail")
    await until(lambda: health.restarts >= 3, "a few attempts")
    await knxd.start()
    await heard(2)
    await knxd.end(signal.SIGKILL)
    await knxd.start()  # before the heartbeat: a server that no longer knows the tunnel
    await heard(3)
    assert health.crashes == 0
    lines = [(r.levelname, r.getMessage()) for r in caplog.records if r.name != "asyncio"]
    where = f"the KNX interface 127.0.0.1:{knxd.port}"
    lost = ("WARNING", f"not ready: {where} is away: the connection was lost; trying again by itself")
    assert lines == [lost, ("INFO", "back"), lost, ("INFO", "back")]


async def test_when_knxd_is_killed_the_first_question_finds_out(knxd: Knxd, session: FakeSession, start: Start) -> None:
    put(session, "knx:a", {"1/0/2": {"dpt": "1.001", "metric": "light", "write": "1/0/3"}})
    task = await begun(session, knxd, start)
    await knxd.end(signal.SIGKILL)
    session.commands.give(hub.Command(id="c", device="knx:a", metric="light", value=True))
    with pytest.raises(hub.NotReady, match="the connection was lost"):
        async with asyncio.timeout(60):
            await task
    assert session.commands.answers == [
        ("c", "failed", "the connection to the bus was lost: send it again once it is back")
    ]


async def test_probe_describes_the_interface_and_opens_no_tunnel(knxd: Knxd) -> None:
    text = await knx.probe(configured(knxd))
    assert text == f"ilot-test (1.1.250) at 127.0.0.1:{knxd.port}: tunnelling"
    text = await knx.probe(knx.Config(connection="tunnelling-tcp", host="127.0.0.1", port=knxd.port))
    assert text.endswith("it has no tunnels over TCP: set `connection: tunnelling`")


async def test_probe_says_that_nobody_answers() -> None:
    with pytest.raises(hub.NotReady, match="does not say what it is"):
        await knx.probe(knx.Config(connection="tunnelling", host="127.0.0.1", port=9))


async def test_the_group_monitor_prints_telegrams_that_ilot_decode_reads(knxd: Knxd, start: Start) -> None:
    heard: list[dict[str, Any]] = []
    start(knx.listen(configured(knxd), heard.append))
    async with asyncio.timeout(60):
        while not heard:
            await knxd.write("1/2/3", 0x0C, 0x1A)
            await asyncio.sleep(0.02)
    line = heard[0]
    assert line["destination"] == "1/2/3"
    assert line["service"] == "write"
    assert line["payload"] == "0c1a"
    [told] = knx.explain(knx.line({"cemi": line["cemi"], "dpt": "9.001"}), None)
    assert (told["value"], told["unit"], told["source"]) == (21.0, "Cel", line["source"])
    assert knx.read(knx.line(line), None).device == f"knx:{line['source']}"


async def test_a_run_that_is_cancelled_leaves_no_task_and_gives_its_tunnel_back(
    knxd: Knxd, session: FakeSession, start: Start
) -> None:
    for _ in range(50):  # knxd lends 40 addresses in all
        task = asyncio.ensure_future(knx.run(configured(knxd), session))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    task = await begun(session, knxd, start)
    others = asyncio.all_tasks()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asyncio.all_tasks() <= {one for one in others if one is not task and "knx" not in repr(one)} | {
        asyncio.current_task()
    }
