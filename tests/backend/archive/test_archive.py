"""An archive holds all that was received, as others read it too; what is imported from it answers the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from archive_kit import (
    DAY_START,
    HUBS,
    OF,
    City,
    city,
    export,
    facts,
    fill,
    lines_of,
    load,
    packed,
    readings,
    total,
)
from backend_kit import NOW, ROOM, Desk, row
from click.testing import CliRunner
from compaction_kit import BOOT, HOUR, count, report
from hypothesis import given
from hypothesis import strategies as st

from backend.archive import lists, parquet
from backend.archive.checking import check
from backend.archive.exporting import Of
from backend.archive.hub_rows import HubRows
from backend.archive.reading import Archive, read_lines
from backend.archive.stores import Directory, open_store
from backend.cli.main import backend as command
from backend.owner.lock import exporting_alone
from backend.storage import archive
from backend.storage.archive import EVERY, HubLine, RecordLine
from backend.storage.engine import ErasureOrder
from backend.storage.opening import open_archive_source
from backend.storage.sqlite.archive import SqliteArchiveTarget
from backend.storage.sqlite.storage import SqliteStorage
from hub.core.errors import ConfigError, DecodeError, StorageError
from hub.protocol.records.rows import Subject


def silent(what: str, share: float) -> None:
    assert 0.0 <= share <= 1.0, what


def close(one: City) -> None:
    storage = one.storage
    assert isinstance(storage, SqliteStorage)
    packed(
        one, lambda *block: storage.connection.execute("insert or ignore into packed_records values (?, ?, ?)", block)
    )
    one.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with everything in it."""
    path = tmp_path_factory.mktemp("source") / "backend.db"
    one = city(path)
    fill(one)
    close(one)
    return path


@pytest.fixture
def filled(source: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copy(source, tmp_path / "backend.db"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with something of everything in it, of two days."""
    path = tmp_path_factory.mktemp("small") / "backend.db"
    one = city(path)
    fill(one, 1)
    close(one)
    return path


@pytest.fixture(scope="module")
def stored(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of it."""
    place = tmp_path_factory.mktemp("archive")
    export(source, Directory(place))
    return place


def all_of(path: Path) -> tuple[Any, Any]:
    """Return what a database holds beside readings, and what it answers of each series."""
    with closing(open_archive_source(path)) as opened:
        return facts(opened), readings(opened)


def files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


# whole


def test_what_is_imported_from_an_archive_is_what_was_exported(source: Path, stored: Path, tmp_path: Path) -> None:
    done = load(Directory(stored), tmp_path / "new.db")
    assert load(Directory(stored), tmp_path / "new.db") == done  # as after a kill before it said so: nothing is added
    lines, found = all_of(source)
    assert {kind for _, kind in lines_of(lines)} == {kind.__name__ for kind in EVERY}
    assert all_of(tmp_path / "new.db") == (lines, found)
    assert (done.hubs, done.readings) == (len(HUBS), total(found))
    assert total(found) > 700


def test_duckdb_reads_each_reading_once_as_the_backend_answers_it(source: Path, stored: Path) -> None:
    query = (
        "select hub, device, metric, epoch_ms(time), record * 4096 + position, number, flag, text, quality, trust,"
        " place, unit, strftime(time, '%Y-%m-%d') = day::varchar or time > '9999-01-01' from read_parquet($1,"
        " hive_partitioning = true)"
    )
    rows = duckdb.execute(query, [str(stored / "readings/*/*/*.parquet")]).fetchall()
    assert all(row[-1] for row in rows)  # each lies in the folder of its day
    theirs: dict[Any, list[Any]] = {}
    for hub, device, metric, time_ms, origin, number, flag, text, quality, trust, place, unit, _ in rows:
        (value,) = [one for one in (number, flag, text) if one is not None]
        theirs.setdefault((hub, device, metric), []).append((time_ms, origin, value, quality, trust, place, unit))
    ours = {}
    for series, some in all_of(source)[1].items():
        dated = [(*one[:2], one[2], *one[3:5], one[6][1], one[7][1]) for one in some if not one[5]]
        if dated:
            ours[series] = [(*one[:2], float(one[2]) if type(one[2]) is int else one[2], *one[3:]) for one in dated]
    assert {key: sorted(some) for key, some in theirs.items()} == {key: sorted(some) for key, some in ours.items()}
    assert any(key[2] == "report.rssi" for key in theirs)  # its device measures something of the same name


def test_what_has_no_date_is_told_by_its_boot(stored: Path) -> None:
    rows = duckdb.execute(
        "select hub, time, boot, monotonic_ms, number from read_parquet($1, hive_partitioning = true) order by 4",
        [str(stored / "undated/*/*.parquet")],
    ).fetchall()
    assert rows == [(HUBS[1], None, (b"l" * 16).hex(), 1000 * n, float(n)) for n in range(3)]


def test_a_whole_number_that_no_double_holds_is_whole(stored: Path) -> None:
    rows = duckdb.execute(
        "select whole from read_parquet($1) where metric = 'big' order by time",
        [str(stored / "readings/*/*/*.parquet")],
    ).fetchall()
    assert rows == [((1 << 60) + hour,) for hour in range(30)]


def test_the_rest_is_lines_that_any_reader_of_json_takes(stored: Path) -> None:
    rows = duckdb.execute(
        "select count(*), count(distinct json->>'digest') from read_json_objects($1) where json->>'line' = 'record'",
        [str(stored / "account/*/*/*.jsonl.zst")],
    ).fetchall()
    assert rows == [(124, 124)]


def test_a_checked_archive_was_read_to_its_end(stored: Path) -> None:
    opened = Archive(Directory(stored))
    path = opened.newest(complete=True)
    assert path is not None
    found = check(opened, path, silent)
    assert (found.hubs, found.owner, found.damaged_at_export) == (2, "Ville", 0)
    assert (found.readings, found.lines) == (705, 177)


# again


def test_an_export_with_nothing_new_puts_a_manifest_alone(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    first = export(filled, place)
    before = files(tmp_path / "archive")
    second = export(filled, place)
    assert (first.files, second.files, second.files_put, second.left) == (first.files, first.files, 1, 0)
    assert len(set(files(tmp_path / "archive")) - set(before)) == 1
    assert len(files(tmp_path / "archive")) == len(before)


def test_an_export_puts_the_days_that_changed_and_drops_what_they_replace(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    export(filled, place)
    before = {path.parent for path in files(tmp_path / "archive")}
    one = reopened(filled)
    one.arrive(HUBS[0], [report(DAY_START + 3 * HOUR + 11, 9.0)])
    one.close()
    done = export(filled, place)
    assert done.files_put == 7  # a day's readings and account, facts of two hubs, two lists, a manifest
    after = files(tmp_path / "archive")
    assert {path.parent for path in after} == before
    readings_of_day = [path for path in after if "readings" in path.parts and path.suffix == ".parquet"]
    assert len(readings_of_day) == len({path.parent for path in readings_of_day})  # one file of each hub and day
    load(place, tmp_path / "new.db")
    assert all_of(tmp_path / "new.db")[1] == all_of(filled)[1]


def test_compaction_alone_puts_no_reading_anew(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    export(filled, place)
    before = {path for path in named(place) if path.endswith(".parquet")}
    one = reopened(filled)
    one.compact()
    one.close()
    export(filled, place)
    assert {path for path in named(place) if path.endswith(".parquet")} == before


def test_a_clock_that_comes_later_moves_readings_to_their_day(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    export(filled, place)
    one = reopened(filled)
    one.date(HUBS[1], b"l" * 16, DAY_START)
    one.close()
    export(filled, place)
    assert not list((tmp_path / "archive").glob("undated/*/*"))
    rows = duckdb.execute(
        "select epoch_ms(time) from read_parquet($1) where boot = $2 order by 1",
        [str(tmp_path / "archive/readings/*/*/*.parquet"), (b"l" * 16).hex()],
    ).fetchall()
    assert rows == [(DAY_START + 1000 * n,) for n in range(3)]


def test_a_better_clock_dates_what_was_imported(filled: Path, stored: Path, tmp_path: Path) -> None:
    load(Directory(stored), tmp_path / "new.db")
    for path in (filled, tmp_path / "new.db"):
        one = reopened(path)
        one.date(HUBS[0], BOOT, DAY_START + 7)
        one.close()
    found = all_of(filled)[1]
    assert all_of(tmp_path / "new.db")[1] == found
    exact = [one for one in found[HUBS[0], "ble:1", "temperature"] if one[2] == 5.0]
    assert [one[3] for one in exact] == [0] * 4  # they were uncertain before


def test_an_erased_person_is_in_no_file_after_the_next_export(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    one = reopened(filled)
    one.arrive(HUBS[1], [count(DAY_START + n, n, Subject("tag:9", "madame-x")) for n in range(9)])
    one.compact()
    one.close()
    export(filled, place)
    assert b"madame-x" in contents(tmp_path / "archive")
    one = reopened(filled)
    with one.storage.transaction([HUBS[1]]):
        order = ErasureOrder("order-x", "pseudonym", "madame-x", 1 << 52, one.now)
        one.storage.bodies.order(HUBS[1], order, 999)
    one.close()
    export(filled, place)  # before a byte of it is gone from the database
    found = contents(tmp_path / "archive", readings_alone=True)
    assert b"madame-x" not in found
    one = reopened(filled)
    one.compact()
    one.close()
    export(filled, place)
    assert contents(tmp_path / "archive").count(b"madame-x") == 1  # the order itself


# interrupted


class Power:
    """A store or database whose machine stops at the `left`th call that writes."""

    def __init__(self, real: Any, calls: set[str], left: int) -> None:
        self._real, self._calls, self._left = real, calls, left

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if name not in self._calls:
            return value

        def stop_or(*given: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise Cut
            return value(*given, **more)

        return stop_or


class Cut(Exception):
    """The machine stops."""


def cuts(once: Callable[[int], None]) -> Iterator[int]:
    """Call with a rising number of writes, until nothing is cut any more."""
    for left in range(500):
        try:
            once(left)
        except Cut:
            yield left
        else:
            return
    raise AssertionError("it finds no end")


def test_an_export_that_is_cut_anywhere_goes_on_and_the_last_whole_one_stays(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.archive.exporting.COMMIT_S", 0.0)  # a manifest after each part
    filled = Path(shutil.copy(small, tmp_path / "backend.db"))
    place = tmp_path / "archive"
    export(filled, Directory(place))
    old = all_of(filled)[1]
    one = reopened(filled)
    one.arrive(HUBS[0], [report(DAY_START + 3 * HOUR + 11, 9.0)])
    one.close()
    new = all_of(filled)
    tried = 0
    again, wanted = tmp_path / "again", set[str]()

    def once(left: int) -> None:
        shutil.rmtree(again, ignore_errors=True)
        shutil.copytree(place, again)
        export(filled, Power(Directory(again), {"put", "delete"}, left))

    for left in cuts(once):
        tried += 1
        if left % 5 == 0:
            (tmp_path / "old.db").unlink(missing_ok=True)
            load(Directory(again), tmp_path / "old.db")
            assert all_of(tmp_path / "old.db")[1] in (old, new[1])
        done = export(filled, Directory(again))
        assert (done.left, done.damaged) == (0, [])
        if not wanted:
            load(Directory(again), tmp_path / "new.db")
            assert all_of(tmp_path / "new.db") == new
            wanted = set(named(Directory(again)))
        assert set(named(Directory(again))) == wanted
        there = {path.relative_to(again).as_posix() for path in files(again)}
        assert {path for path in there if not path.startswith(("lists/", "manifests/"))} == wanted
        assert not any("/." in path for path in there)
    assert tried > 8


def test_an_import_that_is_cut_anywhere_goes_on_behind_what_is_there(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.storage import opening

    stored = tmp_path / "archive"
    export(small, Directory(stored))
    wanted, tried, path = all_of(small), 0, tmp_path / "new.db"
    real_target, real_chunks = opening.open_archive_target, opening.open_chunks

    def once(left: int) -> None:
        for old in tmp_path.glob("new.db*"):
            old.unlink()
        target = Power(real_target(path), {"add", "admit", "finish"}, left)
        monkeypatch.setattr("archive_kit.open_archive_target", lambda _: target)
        monkeypatch.setattr("archive_kit.open_chunks", lambda _: Power(real_chunks(path), {"apply"}, left))
        load(Directory(stored), path)

    for _ in cuts(once):
        tried += 1
        monkeypatch.setattr("archive_kit.open_archive_target", real_target)
        monkeypatch.setattr("archive_kit.open_chunks", real_chunks)
        load(Directory(stored), path)
        assert all_of(path) == wanted
    assert tried > 8


def test_a_hub_is_refused_until_all_of_it_is_there(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new.db"
    real = SqliteArchiveTarget(path)
    monkeypatch.setattr("archive_kit.open_archive_target", lambda _: Power(real, {"admit"}, 0))
    with pytest.raises(Cut):
        load(Directory(stored), path)
    with closing(open_archive_source(path)) as opened, opened.snapshot() as seen:
        assert [line.revoked_at is not None for line in seen.of_hub(HUBS[0]) if isinstance(line, HubLine)] == [True]


class Meanwhile(Directory):
    """A store while whose files are put, hubs go on."""

    def __init__(self, root: Path, happens: Callable[[str], None]) -> None:
        super().__init__(root)
        self._happens = happens

    def put(self, path: str, *more: Any) -> str:
        version = super().put(path, *more)
        self._happens(path)
        return version


def export_meanwhile(filled: Path, place: Path) -> int:
    """Export while a record arrives with each file that is put; return how many readings were exported."""
    one = reopened(filled)
    came = 0

    def happens(path: str) -> None:
        nonlocal came
        came += 1
        one.arrive(HUBS[came % 2], [report(DAY_START + came, came)])
        if came == 5:
            one.compact()

    done = export(filled, Meanwhile(place, happens))
    one.close()
    assert came > 10
    return done.readings


def unaccounted(path: Path) -> set[int]:
    """Return the records of which there are other readings than their lines tell."""
    lines, answered = all_of(path)
    strange = set()
    for hub in HUBS:
        told = {line.id: line.readings for line in lines[hub] if isinstance(line, RecordLine)}
        there: dict[int, set[int]] = {}
        for (of, _, _), some in answered.items():
            for reading in some if of == hub else ():
                there.setdefault(reading[1] >> 12, set()).add(reading[1])
        strange |= {n for n in told.keys() | there.keys() if told.get(n) != len(there.get(n, ()))}
    return strange


def test_what_arrives_during_an_export_is_in_the_next_one_with_its_line(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.archive.exporting.SNAPSHOT_S", -1.0)  # each day by a snapshot of its own
    filled = Path(shutil.copy(small, tmp_path / "backend.db"))
    first = export_meanwhile(filled, tmp_path / "archive")
    load(Directory(tmp_path / "archive"), tmp_path / "first.db")
    assert unaccounted(tmp_path / "first.db") == set()
    second = export(filled, Directory(tmp_path / "archive"))
    assert second.readings == total(all_of(filled)[1]) > first + 2 * 5
    load(Directory(tmp_path / "archive"), tmp_path / "second.db")
    assert unaccounted(tmp_path / "second.db") == set()


def test_a_twin_that_exports_all_readings_it_finds_has_some_without_their_line(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their hubs would send them again, and they would be there twice."""
    monkeypatch.setattr("backend.archive.exporting.SNAPSHOT_S", -1.0)
    monkeypatch.setattr("backend.archive.exporting.HubRows", lambda seen, last: HubRows(seen))
    filled = Path(shutil.copy(small, tmp_path / "backend.db"))
    export_meanwhile(filled, tmp_path / "archive")
    load(Directory(tmp_path / "archive"), tmp_path / "new.db")
    assert len(unaccounted(tmp_path / "new.db")) > 2


# refused


def test_an_altered_file_is_found_and_nothing_of_it_is_imported(stored: Path, tmp_path: Path) -> None:
    for number, one in enumerate(files(stored)):
        place = tmp_path / "altered"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(stored, place)
        altered = place / one.relative_to(stored)
        data = bytearray(altered.read_bytes())
        data[len(data) * number // len(files(stored))] ^= 4
        altered.write_bytes(bytes(data))
        opened = Archive(Directory(place))
        with pytest.raises(DecodeError):
            check(opened, str(opened.newest(complete=True)), silent)
        with pytest.raises(DecodeError):
            load(Directory(place), tmp_path / f"new{number}.db")


def test_a_file_that_is_gone_is_said(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "archive")
    next((tmp_path / "archive").glob("readings/*/*/*")).unlink()
    with pytest.raises(StorageError, match=r"\.parquet cannot be read"):
        load(Directory(tmp_path / "archive"), tmp_path / "new.db")


def test_a_database_in_use_takes_no_archive(filled: Path, stored: Path) -> None:
    with pytest.raises(ConfigError, match="in use already"):
        load(Directory(stored), filled)


def test_the_archive_of_another_owner_is_refused(filled: Path, stored: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another owner"):
        load(Directory(stored), tmp_path / "new.db", of=Of("Autre", "cd" * 32))
    with pytest.raises(ConfigError, match="another owner"):
        export(filled, Directory(stored), everything=False)


def test_a_database_of_a_former_release_is_migrated_first(filled: Path, tmp_path: Path) -> None:
    """Or its rows would be missing, and nobody would know."""
    one = reopened(filled)
    assert isinstance(one.storage, SqliteStorage)
    one.storage.connection.execute("create table readings (series integer, time integer, origin integer, value, flags)")
    one.close()
    with pytest.raises(StorageError, match="former release"):
        export(filled, Directory(tmp_path / "archive"))


def test_an_archive_of_readings_alone_is_read_but_not_imported(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    done = export(filled, place, everything=False)
    assert {path.parts[-4] for path in files(tmp_path / "archive") if path.suffix == ".parquet"} == {
        "readings", "archive",
    }  # fmt: skip
    assert done.readings == 705
    assert not (tmp_path / "archive/hubs").exists()
    with pytest.raises(ConfigError, match="readings alone"):
        load(place, tmp_path / "new.db")


def test_a_folder_locks_nothing_and_has_no_versions(filled: Path, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    with pytest.raises(ConfigError, match="cannot lock"):
        export(filled, place, lock_s=1.0)
    with pytest.raises(ConfigError, match="no former versions"):
        list(place.stored("manifests/", as_of=1.0))
    with pytest.raises(ConfigError, match="name a folder"):
        open_store("ftp://somewhere")
    with pytest.raises(StorageError, match="strange"):
        place.put("../x", filled, "", None)


def test_a_damaged_chunk_is_told_and_the_rest_is_exported(filled: Path, tmp_path: Path) -> None:
    one = reopened(filled)
    assert isinstance(one.storage, SqliteStorage)
    one.storage.connection.execute(
        "update chunks set data = cast(x'00' || data as blob) where id = (select min(id) from chunks)"
    )
    one.close()
    place = Directory(tmp_path / "archive")
    done = export(filled, place)
    assert len(done.damaged) >= 1
    assert "chunk" in done.damaged[0]
    assert 600 < done.readings < 705
    assert export(filled, place).damaged == done.damaged  # it is tried again, and not forgotten


@given(data=st.binary(max_size=300), at=st.integers(0, 1 << 16), what=st.sampled_from(("put", "cut", "insert")))
def test_damaged_parquet_is_refused_or_read_and_nothing_else(
    stored: Path, tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int, what: str
) -> None:
    file = sorted(stored.glob("readings/*/*/*.parquet"))[0]
    whole = file.read_bytes()
    at %= len(whole)
    broken = {"put": whole[:at] + data + whole[at + len(data) :], "cut": whole[:at], "insert": whole[:at] + data}[what]
    target = tmp_path_factory.getbasetemp() / "broken.parquet"
    target.write_bytes(broken)
    try:
        groups = list(parquet.read(target))
    except DecodeError:
        return
    assert all(readings for group in groups for readings in group.values())


@given(data=st.binary(max_size=400))
def test_damaged_lines_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    target = tmp_path_factory.getbasetemp() / "broken.jsonl.zst"
    for content in (data, lists.zstd.compress(data), lists.zstd.compress(b'{"line": "record"}\n')):
        target.write_bytes(content)
        try:
            found = list(read_lines("x", target))
        except DecodeError:
            continue
        assert found == []


@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode), st.just(b"[" * 5000)))
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    path = f"manifests/20261130T000000000Z-{lists.digest_of(data)[:16]}.json"
    with pytest.raises((DecodeError, ConfigError)):
        lists.decode_manifest(path, data)
    with pytest.raises(DecodeError):
        lists.decode_manifest(path, data + b" ")


@given(line=st.sampled_from(EVERY), cut=st.integers(0, 40))
def test_a_line_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, line: Any, cut: int) -> None:
    one = line(**{name: _some(kind) for name, kind in _types(line).items()})
    target = tmp_path_factory.getbasetemp() / "one.jsonl.zst"
    with target.open("wb") as file:
        lists.write_lines(file, [msgspec.json.encode(one)] * 3)
    assert list(read_lines("x", target)) == [one] * 3
    target.write_bytes(target.read_bytes()[:cut])
    if cut < 40:
        with pytest.raises(DecodeError):
            list(read_lines("x", target))


def test_a_list_that_names_files_outside_the_archive_is_refused() -> None:
    for path in ("/etc/passwd", "../x", "a/../../x", "a\\b", "", "a//b", "a\0b"):
        data = lists.encode_list([lists.File(path, "p", "k", "", "0" * 64, 1, 1)])
        with pytest.raises(DecodeError):
            list(lists.decode_list("list", lists.digest_of(data), data))


def test_numbers_that_no_database_holds_are_refused(stored: Path, tmp_path: Path) -> None:
    """As somebody would write them who makes an archive of his own."""
    place = Directory(tmp_path / "forged")
    manifest = forged(stored, place, b'"seq":1,', b'"seq":%d,' % (1 << 63))
    assert manifest.complete
    with pytest.raises((DecodeError, StorageError)):
        load(place, tmp_path / "new.db")


def forged(stored: Path, place: Directory, old: bytes, new: bytes) -> lists.Manifest:
    """Make an archive like another one, with other words in its lines."""
    opened = Archive(Directory(stored))
    manifest = opened.manifest(str(opened.newest(complete=True)))
    made = []

    def put(folder: str, suffix: str, data: bytes) -> tuple[str, str]:
        digest = lists.digest_of(data)
        path = f"{folder}/{digest[:16]}{suffix}"
        (place_of := Path(place.place, path)).parent.mkdir(parents=True, exist_ok=True)
        place_of.write_bytes(data)
        return path, digest

    for listed in manifest.lists:
        files = []
        for file in opened.files(listed):
            data = (stored / file.path).read_bytes()
            if file.path.endswith(".zst"):
                data = lists.zstd.compress(lists.zstd.decompress(data).replace(old, new))
            folder, name = file.path.rsplit("/", 1)
            path, digest = put(folder, name[16:], data)
            files.append(msgspec.structs.replace(file, path=path, sha256=digest, bytes=len(data)))
        path, digest = put(f"lists/{listed.group}", ".jsonl.zst", lists.encode_list(files))
        made.append(msgspec.structs.replace(listed, path=path, sha256=digest))
    manifest = msgspec.structs.replace(manifest, lists=made)
    path, data = lists.encode_manifest(manifest)
    (named := Path(place.place, path)).parent.mkdir(parents=True, exist_ok=True)
    named.write_bytes(data)
    return manifest


def test_lines_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_LINE", 1 << 16)
    (tmp_path / "x").write_bytes(lists.zstd.compress(b" " * (1 << 22)))
    with pytest.raises(DecodeError, match="longer than any"):
        list(read_lines("x", tmp_path / "x"))


def test_records_that_are_numbered_by_hub_are_moved_apart(source: Path, tmp_path: Path) -> None:
    """As an engine does that numbers the records of each hub: both begin at 1."""
    first = {
        hub: next(line.id for line in lines if isinstance(line, RecordLine))
        for hub, lines in all_of(source)[0].items()
        if hub
    }
    place = Directory(tmp_path / "archive")
    with closing(open_archive_source(source)) as opened:
        from backend.archive.exporting import Exporter

        opened.by_hub = True
        Exporter(opened, place, OF, everything=True).run()
    load(place, tmp_path / "new.db")
    lines, found = all_of(tmp_path / "new.db")
    moved = {hub: next(line.id for line in some if isinstance(line, RecordLine)) for hub, some in lines.items() if hub}
    assert moved[HUBS[0]] == first[HUBS[0]]
    assert moved[HUBS[1]] > max(line.id for line in lines[HUBS[0]] if isinstance(line, RecordLine))
    assert total(found) == total(all_of(source)[1])
    fresh = SqliteStorage(tmp_path / "new.db")
    stream = fresh.streams.of(HUBS[0])[0]
    with fresh.transaction([HUBS[0]]):
        from backend.storage.engine import RecordLine as Stored

        new = fresh.records.add(stream, Stored(5000, b"n" * 32, 1, 1, 1), 5.0)
    assert new > max(line.id for some in lines.values() for line in some if isinstance(line, RecordLine))
    fresh.close()


def test_the_page_of_the_format_tells_every_field() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/archive-format.md").read_text(encoding="utf-8")
    for kind in EVERY:
        rows = [line for line in page.splitlines() if line.startswith(f"| `{kind.__struct_config__.tag}` |")]
        fields = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
        assert any(row.endswith(f"| {fields} |") for row in rows)
    for name in (*parquet.TEXTS, *lists.File.__struct_fields__, *lists.Manifest.__struct_fields__):
        assert f"`{name}`" in page


# commands


def test_the_commands_export_check_and_import(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    desk.close()
    desk.owner.database.unlink()
    one = city(desk.owner.database)
    fill(one)
    one.close()
    run = CliRunner().invoke
    owner, place = str(tmp_path / "owner"), str(tmp_path / "archive")
    with exporting_alone(tmp_path / "owner"):
        beside = run(command, ["export", owner, place, "--all"])
    assert (beside.exit_code != 0, "another export" in beside.stderr) == (True, True)
    done = run(command, ["export", owner, place, "--all", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["readings"] == 705
    checked = run(command, ["check-archive", place, "--json"])
    assert json.loads(checked.stdout)["readings"] == 705
    wanted = all_of(desk.owner.database)
    refused = run(command, ["import", place, owner])
    assert refused.exit_code == 3
    assert "fresh" in refused.stderr
    for file in (tmp_path / "owner").glob("backend.db*"):
        file.unlink()
    imported = run(command, ["import", place, owner, "--json"])
    assert imported.exit_code == 0, imported.output
    assert json.loads(imported.stdout)["hubs"] == 2
    assert all_of(desk.owner.database) == wanted
    nothing = run(command, ["check-archive", str(tmp_path / "nowhere")])
    assert (nothing.exit_code, "no archive" in nothing.stderr) == (3, True)


def test_a_hub_sends_what_an_imported_archive_lacks_and_all_is_there_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    early = [segment.block([row(NOW + n, 20.0 + n)]) for n in range(5)]
    desk.post(hub, segment.message(early))
    run = CliRunner().invoke
    assert run(command, ["export", str(tmp_path / "owner"), str(tmp_path / "archive"), "--all"]).exit_code == 0
    late = [segment.block([row(NOW + 100 + n, 30.0 + n)]) for n in range(4)]
    before = desk.post(hub, segment.message(late))
    desk.close()
    for file in (tmp_path / "owner").glob("backend.db*"):
        file.unlink()
    done = run(command, ["import", str(tmp_path / "archive"), str(tmp_path / "owner")])
    assert done.exit_code == 0, done.output
    again = Desk(tmp_path / "owner")
    answer = again.post(hub, segment.message([*early, *late]))
    assert answer.acks[0].db != before.acks[0].db  # so the hub begins its ack set anew
    assert answer.acks[0].n > before.acks[0].n
    assert answer.acks[0].through == before.acks[0].through
    found = all_of(tmp_path / "owner" / "backend.db")[1][hub.hub, ROOM.device, "temperature"]
    assert [one[2] for one in found] == [20.0, 21.0, 22.0, 23.0, 24.0, 30.0, 31.0, 32.0, 33.0]
    again.close()


def reopened(path: Path) -> City:
    """A city again, at the end of what it holds."""
    one = city(path)
    one.now = 1_800_020_000.0
    for hub in HUBS:
        (stream,) = one.storage.streams.of(hub)
        one.resume(hub, stream)
    return one


def named(place: Directory) -> list[str]:
    """Return the files that the newest manifest names."""
    opened = Archive(place)
    path = opened.newest(complete=True)
    assert path is not None
    return [file.path for listed in opened.manifest(path).lists for file in opened.files(listed)]


def contents(place: Path, *, readings_alone: bool = False) -> bytes:
    """Return all that an archive says, expanded."""
    found = []
    for path in files(place):
        if path.suffix == ".parquet":
            found.append(repr(duckdb.execute("select * from read_parquet($1)", [str(path)]).fetchall()).encode())
        elif path.suffix == ".zst" and not readings_alone:
            found.append(lists.zstd.decompress(path.read_bytes()))
    return b"".join(found)


def _types(line: type[archive.Line]) -> dict[str, Any]:
    from typing import get_type_hints

    return {name: kind for name, kind in get_type_hints(line).items() if name in line.__struct_fields__}


def _some(kind: Any) -> Any:
    if kind in (bytes, str, int, float):
        return {bytes: b"\x00\xff", str: "é\n", int: -(1 << 62), float: 1.5}[kind]
    return [(1, 2)] if "tuple" in str(kind) else ["x"] if "list" in str(kind) else None
