"""`ilot backend migrate`, as an operator calls it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import postgres_kit as kit
import pytest
from click.testing import CliRunner

from backend import storage
from backend.cli.main import backend


@pytest.fixture(scope="module")
def server() -> Iterator[kit.Cluster]:
    if not kit.available():
        pytest.skip(kit.MISSING)
    with kit.cluster() as running:
        yield running


@pytest.mark.real("network, processes")
def test_a_database_is_rehearsed_migrated_and_found_ready(server: kit.Cluster) -> None:
    url = server.url(server.create("town"))
    run = CliRunner()
    rehearsed = run.invoke(backend, ["migrate", "--database", url, "--dry-run", "--json"])
    assert (rehearsed.exit_code, json.loads(rehearsed.stdout)["kept"]) == (0, False)
    assert "taken back" in rehearsed.stderr
    made = run.invoke(backend, ["migrate", "--json"], env={"ILOT_DATABASE": url})
    steps = json.loads(made.stdout)["steps"]
    assert f"first schema: step {steps} of {steps}, 0 rows moved" in made.stderr
    again = run.invoke(backend, ["migrate", "--database", url, "--json"])
    assert json.loads(again.stdout)["steps"] == 0


def test_a_password_on_the_command_line_is_refused_and_not_repeated() -> None:
    done = CliRunner().invoke(backend, ["migrate", "--database", "postgresql://ilot:hunter2@db/ilot"])
    assert done.exit_code == 3
    assert "passfile=" in done.stderr
    assert "hunter2" not in done.output


@pytest.mark.real("network")
def test_a_database_that_does_not_answer_is_named_with_the_reason() -> None:
    url = f"postgresql://ilot@{kit.NAME}:{kit.free_port()}/ilot?hostaddr=127.0.0.1&sslrootcert=/nowhere"
    done = CliRunner().invoke(backend, ["migrate", "--database", url])
    assert done.exit_code != 0
    assert f"PostgreSQL ilot at {kit.NAME}" in done.stderr


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    if (engine := getattr(storage, "postgresql", None)) is not None:
        monkeypatch.setattr(storage, "postgresql", engine)  # the next import puts another there
    for name in [one for one in sys.modules if one.startswith("backend.storage.postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = CliRunner().invoke(backend, ["migrate", "--database", "postgresql:///ilot?host=/run"])
    assert done.exit_code == 3
    assert "ilot[postgresql]" in done.stderr
