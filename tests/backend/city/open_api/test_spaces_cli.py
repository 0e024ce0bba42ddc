"""Commands for provider spaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backend.city.people import tokens
from backend.cli.main import backend
from backend.owner import directory as owners
from backend.storage.city import register
from backend.storage.city.database import open_city


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville")
    city = open_city(tmp_path / "owner", tmp_path / "owner" / "backend.db")
    with city.transaction() as t:
        register.put_services(t, [("waste", "Propreté"), ("roads", "Voirie")])
    city.close()
    return tmp_path / "owner"


def run(*words: object, code: int = 0) -> Result:
    found = CliRunner().invoke(backend, ["city", *map(str, words)])
    assert found.exit_code == code, (found.output, found.stderr, found.exception)
    return found


def add(directory: Path, name: str, *more: object, code: int = 0) -> Result:
    return run("space", "add", directory, name, "--provider", "acme", "--service", "waste", *more, code=code)


def listed(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("space", "list", directory, "--json").stdout.splitlines()]


def test_a_space_is_added_changed_listed_and_removed(directory: Path) -> None:
    made = json.loads(add(directory, "acme-waste", "--json").stdout)
    assert (made["path"], "key" in made) == ("/spaces/acme-waste/files/", False)
    add(directory, "acme-waste", "--file-mib", 2, "--readings")
    found = listed(directory)
    assert [(one["name"], one["file_bytes"], one["readings"]) for one in found] == [("acme-waste", 2 << 20, 1)]
    assert found[0]["used"] == {"bytes": 0, "files": 0, "day_bytes": 0, "day_files": 0}
    assert run("space", "list", directory).stdout.startswith("acme-waste\tacme\twaste\t0\t")
    run("space", "add", directory, "acme-waste", "--provider", "other", "--service", "waste", code=3)
    run("space", "add", directory, "acme-waste", "--provider", "acme", "--service", "roads", code=3)
    assert json.loads(run("space", "remove", directory, "acme-waste", "--json").stdout)["files"] == 0
    run("space", "remove", directory, "acme-waste", code=3)
    assert listed(directory) == []
    journal = run("journal", "show", directory, "--object", "acme-waste").stdout
    assert [f"spaces.{one}" in journal for one in ("made", "changed", "removed")] == [True] * 3


def test_a_name_a_service_and_limits_that_cannot_be_are_refused(directory: Path) -> None:
    for name in ("A", "../x", "a", "a" * 41, "-a"):
        run("space", "add", "--provider", "acme", "--service", "waste", "--", directory, name, code=3)
    run("space", "add", directory, "x-y", "--provider", "acme", "--service", "nobody", code=3)
    run("space", "add", directory, "x-y", "--provider", "", "--service", "waste", code=3)
    add(directory, "x-y", "--file-mib", 65, code=2)
    assert listed(directory) == []


def test_a_key_is_printed_once_and_is_of_this_provider_and_service_alone(directory: Path) -> None:
    add(directory, "acme-waste", "--token-of", "nobody", code=3)
    assert listed(directory) == []  # nothing by half
    run("account", "add", directory, "anne", "--role", "admin")
    run("account", "add", directory, "head", "--role", "head")
    add(directory, "acme-waste", "--token-of", "head", code=3)
    key = add(directory, "acme-waste", "--token-of", "anne", "--days", 7).stdout.strip()
    city = open_city(directory, directory / "backend.db")
    with city.snapshot() as reader:
        [row] = reader.rows("select made from people_tokens")
        held = tokens.holder(reader, key, "provider", row[0])
    city.close()
    assert (held.viewer.role, held.viewer.scope.provider) == ("provider", "acme")
    assert held.viewer.scope.services == {"waste"}
    assert held.token.expires - held.token.made == 7 * 86_400
