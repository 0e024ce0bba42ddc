"""What commands print can be read aloud: one reading, spans a person counts in, and an empty list that says so."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hub.cli import output


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (1_052_000, "12 d 4 h"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(seconds: float, said: str) -> None:
    assert output.duration(seconds) == said


@pytest.fixture
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process on the clock of another zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("machine", "unix_s", "said"),
    [
        ("Europe/Paris", 1_792_888_200, "2026-10-25 02:30:00 UTC+2"),
        ("Europe/Paris", 1_792_891_800, "2026-10-25 02:30:00 UTC+1"),
        ("Europe/Paris", 1_792_895_400, "2026-10-25 03:30:00"),
        ("UTC", 1_792_891_800, "2026-10-25 01:30:00"),
        ("America/Martinique", 1_798_775_999, "2026-12-31 23:59:59"),
    ],
    indirect=["machine"],
)
@pytest.mark.usefixtures("machine")
def test_a_moment_is_told_by_the_clock_of_this_machine_and_which_of_two_hours_it_is_in(unix_s: int, said: str) -> None:
    assert output.moment(unix_s) == said
    assert output.minute(unix_s) == said.replace(said[16:19], "", 1)


def test_one_thing_is_not_said_as_many() -> None:
    assert [output.counted("reports", n) for n in (0, 1, 2)] == ["0 reports", "1 report", "2 reports"]


def test_an_empty_table_keeps_its_head_for_scripts_and_tells_people_that_it_is_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.table(("device", "metric"), [])
    assert capsys.readouterr() == ("device  metric\n", "(none)\n")
    output.table(("device", "metric"), [("lamp", "on")])
    assert capsys.readouterr() == ("device  metric\nlamp    on\n", "")


def test_what_devices_are_called_moves_no_cursor_and_makes_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("device", "name"), [("lamp", "Salle\n4\x1b]0;owned\x07"), ("é", "1\u202f200 m\u00b3")])
    output.say("two\nlines, \x1b[2Jone colour")
    out, err = capsys.readouterr()
    assert out.splitlines() == ["device  name", "lamp    Salle 4\ufffd]0;owned\ufffd", "é       1\u202f200 m\u00b3"]
    assert err == "two\nlines, \ufffd[2Jone colour\n"
