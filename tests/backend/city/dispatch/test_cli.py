"""`ilot backend city routes` from a shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from dispatch_kit import PLAN

from backend.cli.main import backend
from backend.owner import directory as owners


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville")
    return tmp_path / "owner"


def routes(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(backend, ["city", "routes", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_plan_is_checked_imported_and_exported_as_it_was(owner: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    assert routes("check", owner)[0] == 3  # there is none
    assert routes("import", owner, file, "--dry-run")[0] == 0
    assert routes("check", owner)[0] == 3
    assert routes("import", owner, file)[0] == 0
    code, said = routes("check", owner, "--year", 2027, "--json")
    told = json.loads(said.splitlines()[-1])
    assert (code, told["holes"], told["hours"]) == (0, [], 365 * 24 + 48)
    exported = tmp_path / "exported.yaml"
    exported.write_text(routes("export", owner)[1])
    assert routes("import", owner, exported)[0] == 0
    assert routes("export", owner)[1] == exported.read_text()


def test_hours_without_anybody_are_listed_and_end_with_six(owner: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace("people: [nour]}", "people: [nour], holidays: never}"))
    code, said = routes("check", owner, "--file", file, "--year", 2027, "--json")
    assert code == 6
    holes = json.loads(said.splitlines()[-1])["holes"]
    assert len({hole["begin"] for hole in holes}) >= 11


def test_a_file_with_an_error_is_refused_with_its_place_and_nothing_is_stored(owner: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN.replace("service: night, people", "service: nihgt, people"))
    assert routes("import", owner, file)[0] == 3
    file.write_text("routes:\n  - {id: a, service: b, days: someday}\n")
    code, said = routes("import", owner, file)
    assert (code, f"{file}:2:" in said) == (3, True)
    assert "routes: []" in routes("export", owner)[1]
