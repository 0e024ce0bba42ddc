"""Commands for accounts, journal and sign-in provider."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.city.people import journal
from backend.cli.main import backend
from backend.owner import directory as owners
from backend.storage.city.database import open_city
from hub.page_kit.people.passwords import normalised_code


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville")
    return tmp_path / "owner"


def run(*words: object, code: int = 0) -> Result:
    found = CliRunner().invoke(backend, ["city", *map(str, words)])
    assert found.exit_code == code, (found.output, found.stderr, found.exception)
    return found


def test_an_account_is_added_with_a_code_and_no_password(directory: Path) -> None:
    made = run("account", "add", directory, "anne", "--role", "admin").stdout.strip()
    assert normalised_code(made) == made
    listed = json.loads(run("account", "list", directory, "--json").stdout)
    assert (listed["name"], listed["role"], listed["state"]) == ("anne", "admin", "code")
    again = run("account", "code", directory, "anne").stdout.strip()
    assert again != made
    run("account", "add", directory, "anne", "--role", "admin", code=3)
    run("account", "add", directory, "Anne", "--role", "admin", code=3)
    run("account", "add", directory, "sso-1", "--role", "admin", code=3)
    run("account", "add", directory, "bins", "--role", "provider", code=3)
    run("account", "add", directory, "bins", "--role", "provider", "--provider", "acme")
    run("account", "add", directory, "crew", "--role", "crew", "--class", "personal", code=3)
    run("account", "disable", directory, "anne", code=3)  # the last administrator
    run("account", "disable", directory, "bins")
    run("account", "code", directory, "nobody", code=3)


def test_the_journal_is_verified_and_a_broken_one_ends_with_7(directory: Path) -> None:
    run("account", "add", directory, "anne", "--role", "admin")
    head = run("journal", "verify", directory).stdout.strip()
    assert head.startswith("1:")
    run("account", "code", directory, "anne")
    run("journal", "verify", directory, "--head", head)
    other = f"1:{'0' * 64}"
    run("journal", "verify", directory, "--head", other, code=7)
    assert "people.code-made" in run("journal", "show", directory).stdout
    city = open_city(directory, directory / "backend.db")
    with city.transaction() as t:
        t.run("update journal set who = 'x' where n = 1")
    city.close()
    broken = json.loads(run("journal", "verify", directory, "--json", code=7).stdout)
    assert (broken["wrong"], broken["whole"]) == (1, False)
    assert journal.read_heads(directory)


GOOD = """
issuer = "https://127.0.0.1:1"
client_id = "ilot"
secret_file = "oidc.secret"
url = "https://ville.example"
[[rules]]
claim = "groups"
value = "heads"
role = "head"
"""


@pytest.mark.real("network")
def test_a_wrong_file_of_the_provider_is_refused_by_its_fault(directory: Path) -> None:
    assert "oidc.toml" in run("sign-in", directory).stderr
    (directory / "oidc.secret").write_text("a-secret-of-the-client")
    for wrong, right in (
        ("https://127.0.0.1:1", "http://127.0.0.1:1"),
        ('role = "head"', 'role = "king"'),
        ('role = "head"', 'role = "provider"'),
        ('role = "head"', 'role = "crew"\nclasses = ["personal"]'),
        ('claim = "groups"', 'klaim = "groups"'),
        ("[[rules]]", "[[other]]"),
        ('secret_file = "oidc.secret"', 'secret_file = "nowhere"'),
        ("https://ville.example", "https://ville.example?x"),
        ("issuer =", "issuer"),
    ):
        assert wrong in GOOD
        (directory / "oidc.toml").write_text(GOOD.replace(wrong, right))
        found = run("sign-in", directory, code=3)
        assert found.stderr.startswith("error: "), right
    (directory / "oidc.toml").write_text(GOOD)
    run("sign-in", directory, code=4)  # nobody answers there
