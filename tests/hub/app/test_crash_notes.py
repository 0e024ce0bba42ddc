"""Deaths of a hub are counted by the note that it leaves behind; power cuts, orderly ends and old deaths are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.app.crash_notes import CRASHES, WINDOW_S, CrashNotes, SafeMode


class Machine:
    """Its clock, and which start of it this is."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.at, self.boot = directory, 100.0, "a"

    def notes(self) -> CrashNotes:
        return CrashNotes(self.directory, lambda: self.at, lambda: self.boot)

    def death(self, suspect: str = "") -> SafeMode | None:
        """A hub that starts, and dies without a word."""
        notes = self.notes()
        safe = notes.begin()
        if suspect:
            notes.suspect(suspect)
        self.at += 5
        return safe


def test_after_three_deaths_within_ten_minutes_the_plugins_of_others_and_the_suspects_are_left_out(
    tmp_path: Path,
) -> None:
    machine = Machine(tmp_path)
    for suspect in ("", "", "modbus"):
        assert machine.death(suspect) is None
    safe = machine.notes().begin()
    assert safe is not None
    assert safe.crashes == CRASHES
    assert "modbus held it before that" in safe.leaves_out("modbus", shipped=True)
    assert "not part of it" in safe.leaves_out("acme", shipped=False)
    assert safe.leaves_out("knx", shipped=True) == ""


def reboots(machine: Machine) -> None:
    machine.boot, machine.at = "b", 20.0


def waits(machine: Machine) -> None:
    machine.at += WINDOW_S


def ends_in_order(machine: Machine) -> None:
    notes = machine.notes()
    notes.begin()
    notes.end()


@pytest.mark.parametrize("between", [reboots, waits, ends_in_order])
def test_what_came_before_a_restart_of_the_machine_ten_minutes_or_an_orderly_end_does_not_count(
    tmp_path: Path, between: Callable[[Machine], None]
) -> None:
    machine = Machine(tmp_path)
    for _ in range(CRASHES - 1):
        machine.death()
    between(machine)
    machine.death()
    assert machine.notes().begin() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 3}', '{"boot": "a", "crashes": [{"at": "x"}]}', "\xff"])
def test_a_damaged_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_bytes(text.encode("latin-1"))
    assert Machine(tmp_path).notes().begin() is None


def test_a_note_that_cannot_be_written_keeps_no_hub_from_running(tmp_path: Path) -> None:
    notes = Machine(tmp_path / "gone").notes()
    assert notes.begin() is None
    notes.suspect("x")
    notes.end()
