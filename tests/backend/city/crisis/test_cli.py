"""Commands of crisis and energy."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.city.crisis import log
from backend.cli.main import backend as command
from backend.owner import directory as owners
from backend.storage.city import crisis as tables
from backend.storage.city import energy
from backend.storage.city.database import CityDatabase, open_city


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville")
    return tmp_path / "owner"


def opened(owner: Path) -> CityDatabase:
    return open_city(owner, owner / "backend.db")


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(command, ["city", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_the_log_is_printed_and_a_broken_chain_is_an_exit_code(owner: Path) -> None:
    with closing(opened(owner)) as city:
        for n in range(3):
            with city.transaction() as t:
                log.note(t, 0, 100.0 + n, "Camille", "note", f"ligne {n}")
    code, out, _ = run("crisis", "log", owner, "--json")
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["ligne 0", "ligne 1", "ligne 2"]
    assert run("crisis", "log", owner, "--verify")[:2] == (0, "")
    with closing(opened(owner)) as city, city.transaction() as t:
        t.run("update crisis_log set text = 'autre' where n = 2")
    code, _, said = run("crisis", "log", owner, "--verify")
    assert code == 7
    assert "2" in said


def test_sheets_are_put_in_the_place_of_all_and_a_rehearsal_changes_nothing(owner: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fiches"
    folder.mkdir()
    (folder / "crue.md").write_text("# Crue\n\nFermer la vanne\n")
    assert json.loads(run("crisis", "sheets", owner, folder, "--dry-run", "--json")[1])["new"] == ["crue"]
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert tables.sheets(r) == []
    assert run("crisis", "sheets", owner, folder)[0] == 0
    (folder / "crue.md").rename(folder / "inondation.md")
    told = json.loads(run("crisis", "sheets", owner, folder, "--json")[1])
    assert (told["new"], told["gone"]) == (["inondation"], ["crue"])
    assert run("crisis", "sheets", owner, tmp_path / "nowhere")[0] == 3


def test_where_snapshots_go_is_tried_before_it_is_noted(owner: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert run("crisis", "snapshot-to", owner, tmp_path / "file" / "below")[0] == 3
    assert run("crisis", "snapshot-to", owner, tmp_path / "usb")[0] == 0
    assert run("crisis", "time-zone", owner, "Indian/Reunion")[0] == 0
    assert run("crisis", "time-zone", owner, "Mars/Olympus")[0] == 3
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert tables.setting(r, "snapshot-to") == str(tmp_path / "usb")
        assert tables.setting(r, "zone") == "Indian/Reunion"
    assert list((tmp_path / "usb").iterdir()) == []


def test_energy_is_counted_anew_where_the_time_zone_changes(owner: Path) -> None:
    with closing(opened(owner)) as city, city.transaction() as t:
        t.run("insert into energy_series values (1, 'h/p/e', 'kWh', 'hour', 1, '[]', 0)")
        t.run("insert into energy_hours values (1, 24000, ?)", b"x")
    assert run("crisis", "time-zone", owner, "Europe/Paris")[0] == 0
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert list(energy.followed(r)) == ["h/p/e"], "this one it was already"
    assert run("crisis", "time-zone", owner, "Indian/Reunion")[0] == 0
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert energy.followed(r) == {}
        assert energy.hours(r, 1, 24000) == {}


def test_meters_are_imported_whole_or_not_at_all(owner: Path, tmp_path: Path) -> None:
    file = tmp_path / "meters.csv"
    file.write_text("series,carrier,kwh\nh/p/gas,gas,11.2\nh/q/gas,vapeur,1\n")
    code, _, said = run("energy", "import", owner, file)
    assert code == 3
    assert "meters.csv:3" in said
    file.write_text("series,carrier,kwh\nh/p/gas,gas,11.2\n")
    assert run("energy", "import", owner, file, "--dry-run")[0] == 0
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert energy.meters(r) == {}
    assert json.loads(run("energy", "import", owner, file, "--json")[1])["meters"] == 1
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert energy.meters(r)["h/p/gas"].kwh == 11.2


def test_what_is_reread_is_dropped_and_an_unknown_meter_is_said(owner: Path) -> None:
    with closing(opened(owner)) as city, city.transaction() as t:
        energy.put_followed(t, energy.Followed(energy.next_series(t), "h/p/energy", "kW.h", "0.001", True, (), 5000))
        energy.put_hours(t, 1, 24000, {0: b"x"})
    assert run("energy", "reread", owner, "h/q/energy")[0] == 3
    assert json.loads(run("energy", "reread", owner, "--dry-run", "--json")[1])["series"] == 1
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert energy.hours(r, 1, 24000)
    assert run("energy", "reread", owner, "h/p/energy")[0] == 0
    with closing(opened(owner)) as city, city.snapshot() as r:
        assert energy.followed(r) == {}
        assert energy.hours(r, 1, 24000) == {}
