"""Boreal mixing units: against a gateway that is a function, on the other end of a stream."""

from __future__ import annotations

import asyncio

import hub
import pytest
from gateway import URL, Station
from hub.sdk.testing import FakeLent, FakeSession
from hypothesis import given
from hypothesis import strategies as st

from boreal_mixer import Gateway, run
from boreal_mixer.lines import LONGEST, order, units, values
from boreal_mixer.options import Unit
from boreal_mixer.reasons import REASONS
from boreal_mixer.searching import FINDER, probe

CONFIG = Gateway.model_validate({"url": URL})


def unit(number: int) -> hub.Device:
    return hub.Device(
        id=f"boreal:{number}",
        integration="boreal_mixer",
        place="plant-room",
        settings={"unit": number},
    )


def session(*numbers: int) -> FakeSession:
    made = FakeSession("boreal_mixer", devices=[unit(one) for one in numbers])
    made.network.servers[URL] = Station().serve
    return made


def test_it_reads_its_units_and_finds_others() -> None:
    here = session(3)
    asyncio.run(here.run(run, CONFIG))
    (report,) = here.reports
    assert report.values == {"flow_temperature": 35.5, "setpoint": 36.0}
    assert [one.id for one in here.candidates] == ["boreal:8"]


@pytest.mark.parametrize(
    ("number", "answer"),
    [(3, ("1", "done", "")), (8, ("1", "failed", "ERR locked at the unit"))],
)
def test_an_order_is_answered_in_the_words_of_the_unit(
    number: int, answer: tuple[str, str, str]
) -> None:
    here = session(number)
    warmer = hub.Command(
        id="1", device=f"boreal:{number}", metric="setpoint", value=38.0
    )
    here.commands.give(warmer)
    asyncio.run(here.run(run, CONFIG, until=lambda: len(here.reports) >= 2))
    assert here.commands.answers == [answer]


@pytest.mark.parametrize(
    ("metric", "value"), [("dimmer", 3.0), ("setpoint", True), ("setpoint", None)]
)
def test_an_order_that_no_unit_takes_is_refused(
    metric: str, value: bool | float | None
) -> None:
    with pytest.raises(hub.PluginError, match="takes a set point"):
        order(3, hub.Command(id="1", device="boreal:3", metric=metric, value=value))


def test_a_search_finds_both_units_and_knows_the_one_that_is_read() -> None:
    lent = FakeLent(devices=[unit(3)])
    lent.network.servers[URL] = Station().serve
    found = asyncio.run(lent.search(FINDER, CONFIG))
    assert {one.address: one.known for one in found.values()} == {
        "3": "boreal:3",
        "8": "",
    }
    tried = asyncio.run(lent.read(FINDER, CONFIG, Unit(unit=8)))
    assert tried.values == {"flow_temperature": 29.5, "setpoint": 30.0}


def test_a_probe_says_how_many_there_are() -> None:
    ways = FakeLent()
    ways.network.servers[URL] = Station().serve
    assert str(asyncio.run(probe(CONFIG, ways))) == "2 units behind the gateway"


LINES = st.from_regex(rb"(UNITS|UNIT [0-9]+)[ a-z=0-9.]{0,40}\n", fullmatch=True)


@given(st.one_of(st.binary(max_size=LONGEST + 10), LINES))
def test_whatever_comes_gives_values_or_a_decode_error(line: bytes) -> None:
    for read in (units, values):
        try:
            read(line)
        except hub.DecodeError as error:
            assert error.reason in REASONS
