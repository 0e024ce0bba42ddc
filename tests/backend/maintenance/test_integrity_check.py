"""A database that the disk has damaged, by the words of `ilot backend check`. Python's own SQLite is the oracle: it is
another build than the one that is tested."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import pytest
from backend_kit import NOW, Desk, row
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from backend.cli.main import backend
from backend.storage.sqlite import integrity
from backend.storage.sqlite.schema import VERSION, open_database

PAGE = 1024


def invoke(*args: object) -> Result:
    return CliRunner().invoke(backend, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An owner's directory whose database has trees of several pages."""
    desk = Desk(tmp_path_factory.mktemp("whole") / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row(NOW + n, float(n)) for n in range(300)])]))
    desk.close()
    with contextlib.closing(open_database(desk.owner.database)) as db:
        db.execute("begin")
        for n in range(3000):
            db.execute("insert into records values (null, 9, ?, randomblob(32), 1, 2, 0, 0)", (n,))
            db.execute("insert into tables values (9, ?, randomblob(60))", (n,))
        db.execute("commit")
    return desk.owner.directory


@pytest.fixture
def owner(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "owner"))


def file_of(owner: Path) -> Path:
    (path,) = owner.glob("*.db")
    return path


def leaf_of(path: Path, name: str) -> int:
    """Where in the file a page begins that holds rows of a table or entries of an index."""
    with contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        numbers: Any = db.execute("select pageno from dbstat where name = ? and pagetype = 'leaf'", (name,)).fetchall()
    return (numbers[1][0] - 1) * PAGE


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def findings(owner: Path) -> list[dict[str, Any]]:
    """What `check` finds, each a line of JSON; it ends with 7 when it finds something."""
    result = invoke("check", owner, "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == (7 if found else 0), result.output
    return found


def oracle(path: Path) -> str:
    """What Python's SQLite says of the file: "ok", or anything else."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return "\n".join(text for (text,) in db.execute("pragma integrity_check"))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # it names what is damaged, as its bytes are now
        return str(error)


def test_a_whole_database_is_told_whole(owner: Path) -> None:
    result = invoke("check", owner)
    assert (result.exit_code, result.stdout, oracle(file_of(owner))) == (0, "", "ok")
    assert "the database is whole" in result.stderr


def test_a_damaged_table_is_named_with_what_to_put_back_and_no_index_is_blamed(owner: Path) -> None:
    path = file_of(owner)
    overwrite(path, leaf_of(path, "tables"), bytes(PAGE))
    assert oracle(path) != "ok"
    (found,) = findings(owner)
    assert (found["what"], found["hub"], found["of"].split(":")[0]) == ("damaged table", "", "tables")
    assert f"`sqlite3 {path} .recover" in found["remedy"]
    assert "ilot backend want" in found["remedy"]
    text = invoke("check", owner)
    assert text.stdout.startswith("damaged table\t-\t-\t")
    assert "\tremedy: look at the disk first. Stop the backend" in text.stdout
    assert "1 finding:" in text.stderr


def test_two_damaged_tables_are_both_named(owner: Path) -> None:
    path = file_of(owner)
    for table in ("tables", "records"):
        overwrite(path, leaf_of(path, table), bytes(PAGE))
    assert {(one["what"], one["of"].split(":")[0]) for one in findings(owner)} >= {
        ("damaged table", "tables"),
        ("damaged table", "records"),
    }


def test_a_damaged_index_of_a_whole_table_is_made_anew_by_what_its_remedy_says(owner: Path) -> None:
    path, index = file_of(owner), "sqlite_autoindex_records_1"
    at = leaf_of(path, index)
    page = path.read_bytes()[at : at + PAGE]
    entry = page.rindex(b"\x04\x01\x02\x02\x09")  # four bytes of header, then stream 9, a number, the row
    overwrite(path, at + entry + 7, b"\x7f")
    (found,) = findings(owner)
    assert (found["what"], found["of"].split(":")[0]) == ("damaged index", index)
    assert found["remedy"].endswith(f"`sqlite3 {path} 'reindex records'`")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("reindex records")
    assert findings(owner) == []


def test_a_file_that_is_no_database_and_one_that_was_cut_are_named(owner: Path) -> None:
    path = file_of(owner)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    assert oracle(path) != "ok"
    (found,) = findings(owner)
    assert (found["what"], found["of"]) == ("damaged file", f"{path.name}: database disk image is malformed")
    path.write_bytes(b"noise" * 4000)
    (found,) = findings(owner)
    assert (found["what"], found["of"]) == ("damaged file", f"{path.name}: file is not a database")
    assert "could not be looked through" in invoke("check", owner).stderr


def test_what_the_disk_refuses_to_read_is_told_as_that(owner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path) -> apsw.Connection:
        raise apsw.IOError("disk I/O error")

    monkeypatch.setattr(integrity, "open_for_reading", refuses)
    result = invoke("check", owner)
    assert result.exit_code != 0
    assert "cannot be read: disk I/O error" in result.stderr


def test_how_far_it_is_is_said_on_the_way(owner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "TELL_S", 0.0)
    monkeypatch.setattr(integrity, "_STEPS", 100)
    result = invoke("check", owner, "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    shares = [int(share) for share in re.findall(r": about (\d+)% is looked through", result.stderr)]
    assert len(shares) > 3
    assert shares == sorted(shares)


@given(at=st.floats(0, 1), data=st.binary(min_size=1, max_size=200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_disk_altered_it_finds_what_another_sqlite_finds_and_ends_in_order(
    whole: Path, tmp_path: Path, at: float, data: bytes
) -> None:
    owner = tmp_path / "owner"
    shutil.rmtree(owner, ignore_errors=True)
    shutil.copytree(whole, owner)
    path = file_of(owner)
    overwrite(path, int(at * (path.stat().st_size - len(data))), data)
    with path.open("rb") as file:
        file.seek(60)  # the format's number, SQLite's `user_version`: SQLite finds nothing wrong with another one
        assume(int.from_bytes(file.read(4), "big") == VERSION)
    sound = oracle(path) == "ok"
    whats = [one["what"] for one in findings(owner)]
    assert sound or any(what in ("damaged table", "damaged index", "damaged file") for what in whats)
    if sound:
        assert not {"damaged table", "damaged index", "damaged file"} & set(whats)
