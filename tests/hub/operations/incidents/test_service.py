"""The vigil of a hub: every event counts, however quickly they come, and incidents are alerts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.automation.alerts import Alert
from hub.core.security_events import REPLAY, UNKNOWN, Events
from hub.operations.incidents import IncidentMonitor, Incidents
from hub.operations.incidents.correlation import GAP, HOST, QUIET_S
from hub.operations.incidents.service import MOST, RULE, CounterSource


class Clock:
    def __init__(self) -> None:
        self.wall, self.boot_s, self.is_sure = 1_790_000_000.0, 0.0, True

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.boot_s

    def sure(self) -> bool:
        return self.is_sure

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.boot_s += seconds


class Book:
    """`hub.automation.alerts.Book`, as much as the vigil asks of it."""

    def __init__(self) -> None:
        self.owners: set[str] = set()
        self.alerts: dict[str, Alert] = {}
        self.amended = 0

    @property
    def open(self) -> list[Alert]:
        return list(self.alerts.values())

    def of(self, rule: str, key: str) -> Alert | None:
        return self.alerts.get(key)

    async def raise_(self, alert: Alert) -> None:
        self.alerts[alert.key] = msgspec.structs.replace(alert, id=alert.key)

    async def update(self, name: str, newer: Alert) -> None:
        self.amended += 1
        self.alerts[name] = msgspec.structs.replace(newer, id=name)

    async def clear(self, rule: str, key: str, by: str) -> None:
        self.alerts.pop(key, None)

    async def flush(self) -> None:
        return


class Witness:
    def __init__(self) -> None:
        self.count, self.head, self.hurried = 0, b"", 0

    def send_soon(self) -> None:
        self.hurried += 1

    async def turn(self) -> None:
        return


@pytest.fixture
def house() -> dict[str, Any]:
    clock, book, refused = Clock(), Book(), dict[str, int]()
    events = Events(clock.now, clock.monotonic)
    witness = Witness()
    vigil = IncidentMonitor(
        events,
        book,
        witness,
        clock,
        Incidents(),  # type: ignore[arg-type]
        [CounterSource(HOST, lambda: refused), CounterSource(GAP, dict)],
        "school",
    )
    return {"clock": clock, "book": book, "events": events, "vigil": vigil, "refused": refused, "witness": witness}


async def test_a_burst_within_one_second_is_counted_whole_though_it_is_told_once(house: dict[str, Any]) -> None:
    for _ in range(40):
        house["events"].tell(REPLAY, "lorawan:AA", {"counter": 7})
    await house["vigil"].turn()
    (alert,) = house["book"].open
    assert alert.rule == RULE
    assert alert.text.startswith("40 replayed frames (lorawan:AA)")
    assert alert.evidence["replay lorawan:AA"] == "counter 7"
    assert house["witness"].hurried == 1


async def test_forty_strangers_are_no_incident_and_sixty_are_one_that_grows(house: dict[str, Any]) -> None:
    for number in range(40):
        house["events"].tell(UNKNOWN, f"lorawan:{number}")
    await house["vigil"].turn()
    assert house["book"].open == []
    for number in range(40, 60):
        house["events"].tell(UNKNOWN, f"lorawan:{number}")
    await house["vigil"].turn()
    assert house["book"].open[0].value == "60"
    for number in range(200):
        house["events"].tell(UNKNOWN, f"ble:{number}")
    await house["vigil"].turn()
    assert house["book"].open[0].value == "260"
    assert house["book"].amended == 1


async def test_what_comes_while_a_look_waits_for_the_disk_is_counted_whole_in_bounded_memory(
    house: dict[str, Any],
) -> None:
    for number in range(10_000):
        house["events"].tell(REPLAY, f"lorawan:{number}")
    assert len(house["vigil"]._fresh[REPLAY]) == MOST
    await house["vigil"].turn()
    assert house["book"].open[0].value == "10000"


async def test_a_counter_of_a_part_becomes_events_and_what_it_had_at_start_does_not(house: dict[str, Any]) -> None:
    house["refused"]["host"] = 9
    house["vigil"]._look(first=True)
    await house["vigil"].turn()
    assert house["book"].open == []
    house["refused"]["host"] = 12
    await house["vigil"].turn()
    assert house["book"].open[0].text.startswith("3 requests under another name")


async def test_a_clock_that_is_set_is_told_and_one_that_runs_is_not(house: dict[str, Any]) -> None:
    for _ in range(3):
        house["clock"].pass_(1.0)
        await house["vigil"].turn()
    assert house["book"].open == []
    house["clock"].wall += 3600
    await house["vigil"].turn()
    assert "1 steps of the clock" in house["book"].open[0].text


async def test_an_incident_ends_by_itself_when_it_has_been_quiet(house: dict[str, Any]) -> None:
    for _ in range(5):
        house["events"].tell(REPLAY, "lorawan:AA")
    await house["vigil"].turn()
    assert len(house["book"].open) == 1
    house["clock"].pass_(QUIET_S + 1)
    await house["vigil"].turn()
    assert house["book"].open == []
    assert house["vigil"].complaints() == []
