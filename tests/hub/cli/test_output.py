"""What commands print can be read aloud: one reading, spans a person counts in, and an empty list that says so."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.cli import counts, heads, main, output


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


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    """A French shell."""
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.mark.usefixtures("french")
def test_a_french_shell_is_told_in_french(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("device", "since"), [("lamp", output.ago(None)), ("é", output.size(1_500_000))])
    output.say(output.counted("readings", 2))
    out, err = capsys.readouterr()
    assert out.splitlines() == ["appareil  depuis", "lamp      jamais", "é         1,5 Mo"]
    assert err == "2 relevés\n"


@pytest.mark.usefixtures("french")
def test_an_error_ends_a_command_in_the_language_of_the_shell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["device", "key", "ble:1"])
    assert ended.value.code == 2
    assert "soit --key-file FICHIER, soit --forget" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main.main(["new", "plugin", "acme_thermo", "--in", "/proc"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("ilot: /proc/ilot-acme-thermo ne peut pas être écrit")


def test_every_head_and_every_count_that_a_command_names_has_its_word() -> None:
    for path in Path(output.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call) or ast.unparse(call.func) not in ("output.table", "output.counted"):
                continue
            if ast.unparse(call.func) == "output.counted":
                assert f"count-{ast.literal_eval(call.args[0])}" in counts.PHRASES, path
            elif isinstance(call.args[0], ast.Tuple):
                named = [one.value for one in call.args[0].elts if isinstance(one, ast.Constant) and one.value]
                assert {f"head-{name}" for name in named} <= heads.PHRASES.keys(), path


@pytest.mark.usefixtures("french")
def test_a_command_that_fails_says_so_in_json_where_json_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").write_text("sites: {}\n")
    words = ["status", "--config", str(tmp_path / "config.yaml"), "--state-dir", str(tmp_path), "--json"]
    with pytest.raises(SystemExit) as ended:
        main.main(words)
    told = capsys.readouterr()
    said = json.loads(told.err)
    assert (ended.value.code, said["exit_code"], told.out) == (4, 4, "")
    assert said["error"].startswith("no hub answers at")
    assert said["error_text"]["code"] == "no-hub-answers"
    assert said["error_text"]["params"]["reason"]["code"] == "os-no-such-file"
