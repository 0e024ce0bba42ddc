"""The integration on a pseudo-terminal: another process writes what a meter writes, the real serial library reads."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
import pytest

import hub
from hub.sdk import serial_line
from hub.sdk.testing import FakeSession, settle
from integrations.linky import Config, Latest, probe, run
from integrations.linky import line as line_module
from integrations.linky.decode import METRICS
from integrations.linky.meter import Meter

BUILDING = hub.Device(id="linky:tgbt", integration="linky", place="tgbt", settings={"premises": "building"})
DWELLING = hub.Device(id="linky:flat", integration="linky", place="flat")


@contextmanager
def meter(mode: str, tmp_path: Path, serial: str = "021875123456") -> Iterator[str]:
    """A simulated meter in a process of its own; its port."""
    command = [sys.executable, "-m", "integrations.linky.sim", "--mode", mode, "--serial", serial, "--interval", "0.05"]
    process = subprocess.Popen(
        [*command, "--link", str(tmp_path / "port")], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.01)


async def listen(config: Config, session: FakeSession, enough: Callable[[], bool]) -> None:
    """Run the integration until it has told enough."""
    task = asyncio.create_task(run(config, session))
    waiting = asyncio.create_task(until(enough))
    done, _ = await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    waiting.cancel()
    await asyncio.gather(task, waiting, return_exceptions=True)
    for ended in done:
        ended.result()


@pytest.mark.real("processes")
@pytest.mark.parametrize(("mode", "speed"), [("standard", 9600), ("historic", 1200)])
async def test_a_buildings_meter_is_read_in_either_mode(mode: str, speed: int, tmp_path: Path) -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    with meter(mode, tmp_path) as port:
        await listen(Config(port=port), session, lambda: bool(session.reports))
        assert await probe(Config(port=port)) == (
            f"Sagemcom Linky, single-phase{', TIC 02' if mode == 'standard' else ''} speaks the {mode} mode"
        )
    report = session.reports[0]
    assert report.device == "linky:tgbt"
    assert report.values["energy"] > 4000  # type: ignore[operator]
    assert 700 <= report.values["apparent_power"] < 1300  # type: ignore[operator]
    assert report.proof == hub.Proof(scheme="tic")
    assert session.drops == []
    told = json.dumps([str(item) for item in (session.reports, session.declared, session.candidates)])
    assert "021875123456" not in told
    assert "09876543210987" not in told, "the PRM of the subscriber left the module"


@pytest.mark.real("processes")
async def test_the_load_curve_is_told_once_at_its_own_time(tmp_path: Path) -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    session.turns = None
    with meter("standard", tmp_path) as port:
        task = asyncio.create_task(run(Config(port=port, interval=timedelta(seconds=1)), session))
        await until(lambda: len(session.reports) >= 3)
        for _ in range(5):
            before = len(session.reports)
            await session.clock.advance(1.0)
            await until(lambda before=before: len(session.reports) > before)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    loads = [report.time for report in session.reports if "load_mean" in report.values]
    assert loads in ([loads[0]], [loads[0], loads[0] + 1800]), "once, also where a half hour ended meanwhile"  # type: ignore[operator]
    assert loads[0] % 1800 == 0  # type: ignore[operator]
    assert len([report for report in session.reports if "energy" in report.values]) > 2


@pytest.mark.real("processes")
async def test_a_kill_while_the_load_curve_waits_for_room_does_not_count_it_as_told(tmp_path: Path) -> None:
    class Full(FakeSession):
        async def emit(self, *reports: hub.Report, **more: Any) -> None:
            await super().emit(*reports, **more)
            if len(self.reports) == 1:
                self.room.clear()

    session = Full("linky", devices=[BUILDING], metrics=METRICS)
    session.turns = None

    def loads() -> list[hub.Report]:
        return [report for report in session.reports if "load_mean" in report.values]

    with meter("standard", tmp_path) as port:
        for enough in (lambda: session.reports, loads):
            task = asyncio.create_task(run(Config(port=port, interval=timedelta(seconds=1)), session))
            await until(lambda enough=enough: bool(enough()))  # type: ignore[misc]
            await settle()
            if not session.room.is_set():
                assert [key for key in session.state if key.startswith("at/")] == []
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            session.room.set()
    assert len(loads()) == 1


@pytest.mark.real("processes")
async def test_a_dwelling_gives_its_energy_and_no_load(tmp_path: Path) -> None:
    session = FakeSession("linky", devices=[DWELLING], metrics=METRICS)
    with meter("standard", tmp_path) as port:
        await listen(Config(port=port, interval=timedelta(seconds=1)), session, lambda: bool(session.reports))
    assert {key for report in session.reports for key in report.values} == {
        "energy", "tariff_option", "power_subscribed", "overload", "tamper",
    }  # fmt: skip


@pytest.mark.real("processes")
async def test_a_dwelling_is_told_once_a_day_whatever_the_interval(tmp_path: Path) -> None:
    asked: list[timedelta] = []

    class Session(FakeSession):
        def every(self, interval: timedelta):  # type: ignore[no-untyped-def]
            asked.append(interval)
            return super().every(interval)

    session = Session("linky", devices=[DWELLING], metrics=METRICS)
    with meter("standard", tmp_path) as port:
        await listen(Config(port=port, interval=timedelta(seconds=1)), session, lambda: bool(session.reports))
    assert asked == [timedelta(days=1)]


@pytest.mark.real("processes")
async def test_another_meter_is_refused_until_a_person_says_that_it_was_replaced(tmp_path: Path) -> None:
    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    with meter("standard", tmp_path) as port:
        await listen(Config(port=port), session, lambda: bool(session.reports))
    session.reports.clear()
    assert "021875123456" not in str(session.state)
    with meter("standard", tmp_path, "021875999999") as port:
        with pytest.raises(hub.AuthFailed, match="another meter"):
            await listen(Config(port=port), session, lambda: bool(session.reports))
        assert session.reports == []
        assert "tic-other-meter" in [reason for _, reason in session.drops]
        session.devices.put(msgspec.structs.replace(BUILDING, settings={"premises": "building", "meter": "999999"}))
        await listen(Config(port=port), session, lambda: bool(session.reports))
        session.devices.put(BUILDING)  # the setting is needed once only
        session.reports.clear()
        await listen(Config(port=port), session, lambda: bool(session.reports))


@pytest.mark.parametrize(("own", "site", "zone"), [
    (None, "Indian/Reunion", "Indian/Reunion"), (None, "America/Martinique", "America/Martinique"),
    ("Pacific/Noumea", "Europe/Paris", "Pacific/Noumea"),
])  # fmt: skip
def test_a_meter_tells_the_legal_time_of_the_hubs_site_unless_it_is_said_otherwise(
    own: str | None, site: str, zone: str
) -> None:
    from integrations.linky import _take, sim
    from integrations.linky.frames import Framer

    session, taken = FakeSession("linky", devices=[BUILDING], metrics=METRICS), list[Meter]()
    session.devices.timezone = site
    data = sim.standard("021875123456", "H261231233000", 1, 2, 3, ("H261231233000", 870))
    (frame,) = Framer().feed(data)
    latest = SimpleNamespace(take=taken.append, device=BUILDING.id)
    _take(frame, cast(Latest, latest), Config(port="/dev/null", timezone=own), session)
    moment = datetime(2026, 12, 31, 23, 30, tzinfo=ZoneInfo(zone)).timestamp()
    assert {stamp.time for stamp, _ in taken[0].dated} == {moment}


def test_one_frame_of_another_meter_is_noise() -> None:
    from zoneinfo import ZoneInfo

    from integrations.linky import sim
    from integrations.linky.decode import decode
    from integrations.linky.frames import Framer

    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    latest = Latest(Config(port="/dev/null"), session)
    for serial in ("021875123456", "021875123457", "021875123457", "021875123456", "021875123457", "021875123456"):
        (frame,) = Framer().feed(sim.historic(serial, 1, 2, 300))
        latest.take(decode(frame, ZoneInfo("Europe/Paris")))
    assert [reason for _, reason in session.drops] == ["tic-other-meter"] * 3


async def test_a_building_that_is_said_to_be_a_dwelling_after_all_tells_no_more_than_one_from_then_on() -> None:
    from zoneinfo import ZoneInfo

    from hub.sdk.testing import settle
    from integrations.linky import DWELLING as TOLD
    from integrations.linky import sim
    from integrations.linky.decode import decode
    from integrations.linky.frames import Framer

    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    latest = Latest(Config(port="/dev/null"), session)
    (frame,) = Framer().feed(sim.historic("021875123456", 1, 2, 300))
    telling = asyncio.create_task(latest.tell())
    try:
        for settings, most in (({"premises": "building"}, None), ({"premises": "dwelling"}, TOLD)):
            session.reports.clear()
            session.devices.put(msgspec.structs.replace(BUILDING, settings=settings))
            latest.take(decode(frame, ZoneInfo("Europe/Paris")))
            await settle()
            await session.clock.advance(3600)
            await settle()
            (report,) = session.reports
            assert ("apparent_power" in report.values) is (most is None)
            assert most is None or set(report.values) <= set(most)
    finally:
        telling.cancel()


@pytest.mark.real("processes")
async def test_a_meter_that_is_not_configured_is_a_candidate_and_tells_nothing(tmp_path: Path) -> None:
    session = FakeSession("linky", metrics=METRICS)
    with meter("standard", tmp_path) as port:
        await listen(Config(port=port), session, lambda: bool(session.candidates))
    assert session.reports == []
    assert session.candidates[0].id == "linky:linky"
    assert session.candidates[0].model == "Sagemcom Linky, single-phase, TIC 02"


@pytest.mark.real("processes")
async def test_a_silent_line_a_missing_port_and_an_unplugged_one_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import tty

    session = FakeSession("linky", devices=[BUILDING], metrics=METRICS)
    with pytest.raises(hub.NotReady, match="cannot be opened"):
        await run(Config(port=str(tmp_path / "nothing")), session)
    monkeypatch.setattr(line_module, "DETECT_S", 0.05)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    try:
        with pytest.raises(hub.NotReady, match="nothing came: is the module wired"):
            await run(Config(port=os.ttyname(theirs)), session)
        monkeypatch.setattr(line_module, "DETECT_S", 1.5)
        real, said = serial_line.open_serial_line, [b"noise"]

        @asynccontextmanager
        async def open_line(port: str, **options: Any) -> AsyncIterator[Any]:
            async with real(port, **options) as line:
                if said:  # what stood there before was thrown away
                    os.write(ours, said.pop())
                yield line

        with monkeypatch.context() as patched:
            patched.setattr(serial_line, "open_serial_line", open_line)
            with pytest.raises(hub.NotReady, match="5 bytes that are no frame"):
                await run(Config(port=os.ttyname(theirs)), session)
    finally:
        os.close(theirs)
        os.close(ours)
    with meter("historic", tmp_path) as port:
        task = asyncio.create_task(run(Config(port=port), session))
        await until(lambda: bool(session.reports))
    with pytest.raises(hub.NotReady, match="is gone"):
        await task
