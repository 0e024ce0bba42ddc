"""Acme Pump: against a circulator that is a function, on the other end of a stream."""

from __future__ import annotations

import asyncio

import hub
import pytest
from circulator import URL, Circulator
from hub.sdk.testing import FakeSession
from hypothesis import given
from hypothesis import strategies as st

from acme_pump import Config, run
from acme_pump.lines import LONGEST, decode, request
from acme_pump.reasons import REASONS

CONFIG = Config.model_validate({"url": URL})
PUMP = hub.Device(id="pump:7", integration="acme_pump", place="boiler-room")


def session(pump: Circulator) -> FakeSession:
    made = FakeSession("acme_pump", devices=[PUMP])
    made.network.servers[URL] = pump.serve
    return made


def test_it_reports_what_the_circulator_says() -> None:
    here = session(Circulator())
    asyncio.run(here.run(run, CONFIG))
    (report,) = here.reports
    assert (report.device, report.values) == (PUMP.id, {"running": True, "power": 312})


def test_it_stops_the_circulator_and_reports_that_it_stands() -> None:
    here = session(Circulator())
    stop = hub.Command(id="1", device=PUMP.id, metric="running", value=False)
    here.commands.give(stop)
    asyncio.run(here.run(run, CONFIG, until=lambda: len(here.reports) >= 2))
    assert here.commands.answers == [("1", "done", "")]
    assert here.reports[-1].values == {"running": False, "power": 0}


def test_what_the_circulator_refuses_has_failed_in_its_own_words() -> None:
    here = session(Circulator(locked=True))
    stop = hub.Command(id="1", device=PUMP.id, metric="running", value=False)
    here.commands.give(stop)
    asyncio.run(here.run(run, CONFIG, until=lambda: here.commands.answers))
    assert here.commands.answers == [("1", "failed", "ERR locked at the device")]


def test_a_command_that_is_none_of_a_circulator_is_refused() -> None:
    with pytest.raises(hub.PluginError, match="setpoint is none"):
        request(hub.Command(id="1", device=PUMP.id, metric="setpoint", value=50.0))


@given(st.binary(max_size=LONGEST + 10))
def test_whatever_comes_gives_a_reading_or_a_decode_error(line: bytes) -> None:
    reason = ""
    try:
        decode(line)
    except hub.DecodeError as error:
        reason = error.reason
    assert reason in REASONS or line.startswith(b"STATE sn=")
