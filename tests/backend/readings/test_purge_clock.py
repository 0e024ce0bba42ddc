"""What retention does when this machine's clock is wrong: nothing, until hubs or a person say that it is right."""

from __future__ import annotations

import time

import pytest
from backend_kit import Desk, Sender
from click.testing import CliRunner

from backend.cli.main import backend
from backend.ingest import core as ingesting
from backend.readings import purge_clock
from backend.readings.purge_clock import ALARM, PurgeClock, check_start
from hub.core.errors import NotReady
from hub.core.text import reason_of
from hub.protocol.records.rows import Column, Row, Shape, Subject

DAY = 86_400.0
PERSONAL = Shape((Column("sound", "dB", privacy="personal"),))


class Machine:
    """A clock that is set, and seconds that pass."""

    def __init__(self) -> None:
        self.now, self.passed = time.time(), 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds

    def time(self) -> float:
        return self.now


@pytest.fixture
def machine(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The desk's clock, after a first look at retention."""
    made = Machine()
    desk.ingest.clock = PurgeClock(desk.ingest.storage, lambda: made.passed)
    monkeypatch.setattr(ingesting.time, "time", made.time)
    desk.ingest.purge()
    return made


def send(desk: Desk, hub: Sender, at: float) -> None:
    """One personal reading of that moment, and the hub was seen then."""
    segment = hub.segment()
    one = Row(Subject("ble:7", "r"), PERSONAL, int(at * 1000), True, (50.0,), 0, 1)
    desk.post(hub, segment.message([segment.block([one])]))
    desk.settle()
    desk.compact()
    desk.seen_at(at)


def kept(desk: Desk) -> int:
    return len(desk.stored())


def alarms(desk: Desk) -> list[str]:
    return [kind for (kind,) in desk.sql("select kind from alarms where cleared_at is null")]


def test_a_clock_that_is_once_400_days_ahead_deletes_nothing_and_raises_an_alarm(desk: Desk, machine: Machine) -> None:
    send(desk, desk.enrol(), machine.now - 30 * DAY)
    machine.wait(3600.0)
    machine.now += 400 * DAY
    for _ in range(3):
        desk.purge_due(machine.now)
        machine.wait(3600.0)
    assert (kept(desk), alarms(desk)) == (1, [ALARM])
    machine.now -= 400 * DAY
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (1, []), "the clock is right again, and the alarm is over"


def test_a_twin_that_believes_its_clock_deletes_it(desk: Desk, machine: Machine) -> None:
    send(desk, desk.enrol(), machine.now - 30 * DAY)
    desk.purge(machine.now + 400 * DAY)
    assert kept(desk) == 0


def test_it_does_not_at_the_start_of_another_process_either(desk: Desk, machine: Machine) -> None:
    send(desk, desk.enrol(), machine.now - 30 * DAY)
    machine.now += 400 * DAY
    desk.ingest.clock = PurgeClock(desk.ingest.storage, lambda: 5.0)
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (1, [ALARM])


def test_a_database_of_a_former_version_has_the_day_of_its_newest_record(desk: Desk, machine: Machine) -> None:
    send(desk, desk.enrol(), machine.now - 30 * DAY)
    desk.sql("delete from meta where key = 'clock'")
    machine.now += 400 * DAY
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (1, [ALARM])


@pytest.mark.of_files
def test_time_that_truly_passes_deletes_as_ever(desk: Desk, machine: Machine) -> None:
    send(desk, desk.enrol(), machine.now - 30 * DAY)
    for _ in range(400):
        machine.wait(DAY)
        desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (0, [])


@pytest.mark.of_files
def test_after_a_holiday_it_goes_on_and_after_a_month_hubs_must_agree(desk: Desk, machine: Machine) -> None:
    hub = desk.enrol()
    send(desk, hub, machine.now - 390 * DAY)
    machine.now += 7 * DAY
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (0, []), "397 days old"
    send(desk, hub, machine.now - 390 * DAY)
    machine.now += 30 * DAY
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (1, [ALARM])
    desk.seen_at(machine.now)
    desk.purge_due(machine.now)
    assert kept(desk) == 1, "it spoke, and dates its readings otherwise"
    send(desk, hub, machine.now - 60.0)
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (1, []), "the old one is gone, the new one stays"


@pytest.mark.of_files
def test_a_person_says_that_a_larger_step_is_right(desk: Desk, machine: Machine) -> None:
    send(desk, desk.enrol(), machine.now - 30 * DAY)
    machine.now += 400 * DAY
    desk.purge_due(machine.now)
    assert kept(desk) == 1
    with desk.ingest.storage.transaction():
        purge_clock.believe(desk.ingest.storage, machine.now)
    desk.purge_due(machine.now)
    assert (kept(desk), alarms(desk)) == (0, [])


@pytest.mark.of_files
def test_a_backend_whose_clock_is_behind_does_not_start_until_a_person_says_so(desk: Desk, machine: Machine) -> None:
    storage = desk.ingest.storage
    check_start(storage, machine.now - 0.9 * DAY)
    with pytest.raises(NotReady) as refused:
        check_start(storage, machine.now - 1.1 * DAY)
    said = reason_of(refused.value)
    assert "--clock-is-right" in said
    desk.database.execute("update meta set value = value + 1e8 where key = 'clock'")
    done = CliRunner().invoke(backend, ["retention", str(desk.owner.directory), "--clock-is-right"])
    assert done.exit_code == 0, done.output
    assert abs((storage.notes.believed() or 0.0) - time.time()) < 60.0
    check_start(storage, time.time())
