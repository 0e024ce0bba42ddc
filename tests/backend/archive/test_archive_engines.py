"""An archive of either engine is imported into either, and answers the same."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import postgres_kit as kit
import pytest
from archive_kit import DAY_START, HUBS, city, export, facts, fill, load, packed, readings, total
from click.testing import CliRunner
from compaction_kit import report

from backend.archive.stores import Directory
from backend.cli.main import backend as command
from backend.owner import directory as owners
from backend.storage.archive import ErasureLine, GapLine, HubLine, RecordLine
from backend.storage.opening import migrate_database, open_archive_source
from backend.storage.postgresql.storage import PostgresStorage
from hub.core.errors import ConfigError

pytestmark = pytest.mark.real("network, processes")


@pytest.fixture(scope="module")
def cluster(postgres: kit.Shared) -> kit.Cluster:
    return postgres.server


def fresh(cluster: kit.Cluster, name: str) -> str:
    """Return the URL of a new database with the backend's tables."""
    url = cluster.socket_url(cluster.create(name))
    migrate_database(url, lambda *told: None)
    return url


@pytest.fixture(scope="module")
def full(cluster: kit.Cluster) -> str:
    """A PostgreSQL database with everything in it."""
    url = fresh(cluster, "full")
    one = city(url)
    fill(one, 3)
    storage = one.storage
    assert isinstance(storage, PostgresStorage)
    with storage.database.transaction() as session:
        packed(one, lambda *block: session.execute("insert into digests values (%s, %s, %s)", block))
    one.close()
    return url


def all_of(address: Path | str) -> tuple[Any, Any]:
    with closing(open_archive_source(address)) as opened:
        return facts(opened), readings(opened)


def test_postgresql_takes_back_what_it_gave(cluster: kit.Cluster, full: str, tmp_path: Path) -> None:
    place = Directory(tmp_path / "archive")
    first, second = export(full, place), export(full, place)
    assert (second.files_put, second.files) == (1, first.files)
    url = fresh(cluster, "back")
    load(place, url)
    found = all_of(url)
    assert found == all_of(full)
    assert total(found[1]) > 80
    with pytest.raises(ConfigError, match="in use already"):
        load(place, full)


def test_sqlite_takes_what_postgresql_gave_and_gives_it_back(cluster: kit.Cluster, full: str, tmp_path: Path) -> None:
    export(full, Directory(tmp_path / "of-postgresql"))
    load(Directory(tmp_path / "of-postgresql"), tmp_path / "backend.db")
    lines, found = all_of(tmp_path / "backend.db")
    moved = records_of(lines)[HUBS[1]][0] - records_of(all_of(full)[0])[HUBS[1]][0]
    assert moved > 0  # this engine numbers the records of all hubs in one row
    assert shifted(all_of(full), {HUBS[0]: 0, HUBS[1]: moved}) == without_last((lines, found))
    export(tmp_path / "backend.db", Directory(tmp_path / "of-sqlite"))
    url = fresh(cluster, "again")
    load(Directory(tmp_path / "of-sqlite"), url)
    assert all_of(url) == (lines, found)


def test_a_hub_goes_on_in_the_database_that_was_filled(cluster: kit.Cluster, full: str, tmp_path: Path) -> None:
    export(full, Directory(tmp_path / "archive"))
    for address in (fresh(cluster, "on"), tmp_path / "backend.db"):
        load(Directory(tmp_path / "archive"), address)
        before = all_of(address)
        one = city(address)
        one.now += 3600
        (stream,) = one.storage.streams.of(HUBS[0])
        last = stream.stored.last()
        one.resume(HUBS[0], stream)
        record = one.arrive(HUBS[0], [report(DAY_START + 5, 3.5)])
        assert record > max(records_of(before[0])[HUBS[0]])
        one.compact()
        assert one.storage.streams.of(HUBS[0])[0].stored.last() == last + 1
        one.close()
        after = all_of(address)[1]
        assert total(after) == total(before[1]) + 2
        assert [one for one in after[HUBS[0], "ble:1", "temperature"] if one[2] == 3.5]


@pytest.mark.long("a database of its own, for what the commands pass on")
def test_the_commands_take_a_url(cluster: kit.Cluster, full: str, tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    run = CliRunner().invoke
    owner, place = str(tmp_path / "owner"), str(tmp_path / "archive")
    done = run(command, ["export", owner, place, "--all", "--database", full])
    assert done.exit_code == 0, done.output
    url = fresh(cluster, "by-url")
    done = run(command, ["import", place, owner, "--database", url])
    assert done.exit_code == 0, done.output
    assert all_of(url) == all_of(full)
    assert not (tmp_path / "owner/backend.db").exists()


@pytest.mark.long("workers and six exports; SQLite tells the same in the short run")
def test_workers_write_while_postgresql_is_exported(cluster: kit.Cluster, tmp_path: Path) -> None:
    """Each hub's account and readings are of one moment: what is imported has a reading of each record, and no more."""
    url = fresh(cluster, "busy")
    one = city(url)
    for hub in HUBS:
        one.enrol(hub)
    done = threading.Event()
    faults: list[BaseException] = []

    def work() -> None:
        try:
            n = 0
            while not done.is_set():
                n += 1
                for hub in HUBS:
                    one.arrive(hub, [report(DAY_START + n, 1.0)])
                if n % 7 == 0:
                    one.compact(40.0)  # no hour passes for which tables would have to be made
        except BaseException as error:
            faults.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    place = Directory(tmp_path / "archive")
    try:
        found = [export(url, place) for _ in range(6)]
    finally:
        done.set()
        worker.join()
    assert faults == []
    one.close()
    assert found[-1].readings > found[0].readings
    load(place, tmp_path / "backend.db")
    lines, answered = all_of(tmp_path / "backend.db")
    for hub in HUBS:
        records = records_of(lines)[hub]
        of_readings = [origin >> 12 for _, origin, *_ in answered[hub, "ble:1", "temperature"]]
        assert sorted(of_readings) == records


def records_of(lines: dict[str, list[Any]]) -> dict[str, list[int]]:
    return {hub: sorted(line.id for line in some if isinstance(line, RecordLine)) for hub, some in lines.items()}


def shifted(found: tuple[Any, Any], moved: dict[str, int]) -> tuple[Any, Any]:
    """Return what is found when the ids of each hub's records are so much greater."""
    lines, answered = found
    names = {RecordLine: "id", GapLine: "declared_by", ErasureLine: "record"}
    new: dict[str, list[Any]] = {}
    for hub, some in lines.items():
        new[hub] = [
            msgspec.structs.replace(line, **{name: getattr(line, name) + moved[hub]})
            if (name := names.get(type(line)))
            else line
            for line in some
        ]
    other = {
        series: [(one[0], one[1] + (moved[series[0]] << 12), *one[2:]) for one in some]
        for series, some in answered.items()
    }
    return without_last((new, other))


def without_last(found: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return what is found without the bounds of ids, which each engine draws in its way."""
    lines = {
        hub: sorted(
            (msgspec.structs.replace(line, last_record=0) if isinstance(line, HubLine) else line for line in some),
            key=str,
        )
        for hub, some in found[0].items()
    }
    return lines, found[1]
