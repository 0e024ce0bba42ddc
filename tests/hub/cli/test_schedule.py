"""`ilot schedule`: by whose clock the hours of an ICS file are written, and which day is the first."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.cli.schedule import schedule

HALL = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//FR
BEGIN:VEVENT
UID:1
DTSTART:20261231T200000Z
DTEND:20261231T230000Z
END:VEVENT
END:VCALENDAR
"""
REUNION = "hub: {site: here}\nsites: {here: {timezone: Indian/Reunion}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "hall.ics").write_text(HALL.replace("\n", "\r\n"))
    return tmp_path / "config.yaml"


def run(config: Path, *arguments: str) -> Result:
    file = str(config.parent / "hall.ics")
    given = ["--config", str(config), "--from", "2026-12-01", "--until", "2027-01-31", *arguments]
    return CliRunner().invoke(schedule, ["import", file, *given], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "more", "zone", "days"),
    [
        (REUNION, [], "Indian/Reunion", {"2027-01-01": "00:00-03:00"}),
        (REUNION + "calendars: {hall: !include hall.yaml}\n", [], "Indian/Reunion", {"2027-01-01": "00:00-03:00"}),
        (REUNION, ["--timezone", "America/Martinique"], "America/Martinique", {"2026-12-31": "16:00-19:00"}),
        (None, [], "Europe/Paris", {"2026-12-31": "21:00-24:00"}),
        ("hub: {site: nowhere}\nsites: 3\n", [], "Europe/Paris", {"2026-12-31": "21:00-24:00"}),
        ("{", [], "Europe/Paris", {"2026-12-31": "21:00-24:00"}),
    ],
)
def test_hours_are_those_of_the_hubs_site_and_it_is_said_by_whose_clock(
    config: Path, text: str | None, more: list[str], zone: str, days: dict[str, str]
) -> None:
    if text is not None:
        config.write_text(text)
    done = run(config, *more, "--json")
    answer = json.loads(done.stdout)
    assert answer["timezone"] == zone
    for day, hours in days.items():
        assert f'"{day}": ["{hours}"]' in answer["calendar"]
    assert f"by the clock of {zone}" in done.stderr


def test_a_zone_that_is_none_is_refused(config: Path) -> None:
    done = run(config, "--timezone", "Mars/Olympus")
    assert done.exit_code == 2
    assert "is not in the IANA database" in done.stderr


def test_a_configuration_that_may_not_be_read_is_not_guessed_and_not_needed_where_the_zone_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(REUNION)
    opened, asked = Path.open, os.access

    def refused(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == config:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # as an ordinary user; root reads all
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != config and asked(path, mode))
    done = run(config)
    assert done.exit_code == 2
    assert "name the time zone of the hub's site with --timezone" in done.stderr
    assert "Permission denied" in done.stderr
    done = run(config, "--timezone", "Indian/Reunion", "--json")
    assert '"2027-01-01": ["00:00-03:00"]' in json.loads(done.stdout)["calendar"]
