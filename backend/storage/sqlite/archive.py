"""A SQLite database as the archive reads and fills it. See `backend.storage.archive`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import apsw
import msgspec

from backend.storage import archive
from backend.storage.archive import AccountPart, HubLine, Line, PackLine, RecordLine
from backend.storage.sqlite.bodies import hub_number
from backend.storage.sqlite.chunks import SqliteHubSnapshot
from backend.storage.sqlite.errors import refusals
from backend.storage.sqlite.registry import unpacked_tags
from backend.storage.sqlite.schema import has_rows, open_database, open_for_reading, transaction
from hub.core.errors import StorageError
from hub.core.text import phrase

NOTE = "import/"
"""Before the keys of notes in the table `meta`."""
_OF_HUB, _OF_STREAM = "hub = ?1", "stream in (select id from streams where hub = ?1)"
_OF_EPOCH = f"epoch in (select id from epochs where {_OF_STREAM})"  # noqa: S608
_OF_NUMBER = "hub = (select number from compacted where hub = ?1)"


class _Table(NamedTuple):
    """Where lines of a class lie. `hub` is the column that names their hub, "" where none does; `renamed` are fields
    whose columns have other names."""

    name: str
    where: str
    key: str
    hub: str = ""
    renamed: dict[str, str] = {}  # noqa: RUF012


_TABLES: dict[type[Line], _Table] = {
    archive.HubLine: _Table("hubs", _OF_HUB, "hub"),
    archive.StreamLine: _Table("streams", _OF_HUB, "id", "hub"),
    archive.EpochLine: _Table("epochs", _OF_STREAM, "id"),
    archive.TableLine: _Table("tables", _OF_EPOCH, "epoch, number"),
    archive.NamesLine: _Table("names", _OF_NUMBER, "epoch, number", "number of hub"),
    archive.BootLine: _Table("boots", _OF_HUB, "boot", "hub"),
    archive.SeriesLine: _Table("series", _OF_HUB, "place, metric, device", "hub"),
    archive.ErasureLine: _Table("erasing", _OF_NUMBER, "id", "number of hub"),
    archive.GapLine: _Table("gaps", _OF_HUB, "id", "hub"),
    archive.ForkLine: _Table("forks", _OF_STREAM, "id"),
    archive.RecordLine: _Table("records", _OF_STREAM, "id"),
    archive.PackLine: _Table("packed_records", _OF_STREAM, "stream, block"),
    archive.QuarantineLine: _Table("quarantine", "", "id"),
    archive.AlarmLine: _Table("alarms", "", "id"),
    archive.AlertLine: _Table("alerts", "", "hub, alert"),
    archive.AnchorLine: _Table("witnesses", "", "hub, told_ms"),
    archive.LookupLine: _Table("asked", "", "hub, device"),
    archive.TokenLine: _Table("tokens", "", "id"),
    archive.TrialLine: _Table("trials", "", "token"),
    archive.RetentionLine: _Table("retention", "", "privacy"),
    archive.SilenceLine: _Table("silences", "", "scope, name"),
    archive.CallbackTokenLine: _Table("doors", "", "id"),
    archive.CallbackLine: _Table("callbacks", "", "id", renamed={"token": "door"}),
    archive.DownlinkLine: _Table("downlinks", "", "hub, device, id"),
}
_LAST = "coalesce((select seq from sqlite_sequence where name = 'records'), 0)"
_SHOWN = {"day": "coalesce(day, 0)", "classes": "coalesce(classes, 0)", "last_record": _LAST}
"""What is selected in the place of columns that are empty in rows of former releases, or that no table has."""
_RANGES = ("stored", "forked")
_L = TypeVar("_L", bound=Line)


class SqliteArchiveSnapshot:
    """One moment, over a connection whose transaction has begun to read."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection
        self._columns = _columns(connection)

    @refusals()
    def hubs(self) -> list[str]:
        return [str(hub) for (hub,) in self._db.execute("select hub from hubs order by hub").fetchall()]

    def hub(self, hub: str) -> SqliteHubSnapshot:
        with refusals():
            return SqliteHubSnapshot(self._db, hub)

    def of_hub(self, hub: str) -> Iterator[Line]:
        for kind in archive.OF_HUB:
            yield from self._lines(kind, _TABLES[kind].where, hub)

    @refusals()
    def account(self, hub: str) -> list[AccountPart]:
        days = self._db.execute(
            f"select cast(received_at / 86400 as integer), count(*), min(id), max(id) from records where {_OF_STREAM}"  # noqa: S608
            " group by 1 order by 1",
            (hub,),
        )
        found = [AccountPart(None, cast(int, day), "-".join(map(str, key))) for day, *key in days.fetchall()]
        packs = self._db.execute(
            f"select stream, block / {archive.PACKS}, count(*), sum(length(data)) from packed_records"  # noqa: S608
            f" where {_OF_STREAM} group by 1, 2 order by 1, 2",
            (hub,),
        )
        return found + [
            AccountPart(cast(int, stream), cast(int, number), "-".join(map(str, key)))
            for stream, number, *key in packs.fetchall()
        ]

    def account_lines(self, hub: str, part: AccountPart) -> Iterator[Line]:
        if part.stream is None:
            day = f"{_OF_STREAM} and cast(received_at / 86400 as integer) = ?2"
            yield from self._lines(RecordLine, day, hub, part.number)
        else:
            first = part.number * archive.PACKS
            blocks = f"{_OF_STREAM} and stream = ?2 and block between ?3 and ?4"
            yield from self._lines(PackLine, blocks, hub, part.stream, first, first + archive.PACKS - 1)

    def common(self) -> Iterator[Line]:
        for kind in archive.COMMON:
            yield from self._lines(kind, "")

    def _lines(self, kind: type[_L], where: str, *arguments: Any) -> Iterator[_L]:
        table = _TABLES[kind]
        fields = _fields(kind, table, self._columns)
        columns = ", ".join(_SHOWN.get(column, column) for column in fields.values())
        condition = f"where {where}" if where else ""
        cursor = self._db.cursor()
        try:
            with refusals():
                for row in cursor.execute(
                    f"select {columns} from {table.name} {condition} order by {table.key}",  # noqa: S608
                    arguments,
                ):
                    yield _line(kind, dict(zip(fields, row, strict=True)))
        finally:
            cursor.close()


class SqliteArchiveSource:
    """The database in a file, as it is exported."""

    by_hub = False

    def __init__(self, path: Path) -> None:
        self._db = open_for_reading(path)
        with refusals():
            former = has_rows(self._db)
        if former:
            self._db.close()
            raise StorageError(
                phrase(
                    "archive-of-rows",
                    "{file} still holds rows of a former release: start the backend once, or migrate it, first",
                    file=path,
                )
            )

    @contextmanager
    def snapshot(self) -> Iterator[archive.ArchiveSnapshot]:
        with refusals():
            self._db.execute("begin")
        try:
            yield SqliteArchiveSnapshot(self._db)
        finally:
            self._db.execute("rollback")

    def may_pass(self, error: StorageError) -> bool:
        return False

    def close(self) -> None:
        self._db.close()


class SqliteArchiveTarget:
    """A database in a file that is filled."""

    by_hub = False

    def __init__(self, path: Path) -> None:
        self._db = open_database(path)
        self._columns = _columns(self._db)

    @refusals()
    def is_fresh(self) -> bool:
        used = "select exists (select 1 from hubs) or exists (select 1 from records) or exists (select 1 from chunks)"
        return not self._db.execute(used).get and not self.done()

    @refusals()
    def done(self) -> set[str]:
        rows = self._db.execute("select key from meta where key > ? and key < ?", (NOTE, f"{NOTE}\uffff"))
        return {str(key).removeprefix(NOTE) for (key,) in rows.fetchall()}

    @refusals()
    def add(self, hub: str, lines: Iterable[Line], note: str) -> None:
        with transaction(self._db):
            number = hub_number(self._db, hub) if hub else 0
            for line in lines:
                self._put(hub, number, line)
            self._note(note)

    @refusals()
    def admit(self, hub: HubLine, note: str) -> None:
        with transaction(self._db):
            self._db.execute("update hubs set revoked_at = ? where hub = ?", (hub.revoked_at, hub.hub))
            self._note(note)

    @refusals()
    def finish(self, note: str) -> None:
        with transaction(self._db):
            self._db.execute("delete from meta where key > ? and key < ?", (NOTE, f"{NOTE}\uffff"))
            self._note(note)

    def close(self) -> None:
        self._db.close()

    def _note(self, note: str) -> None:
        self._db.execute("insert or replace into meta values (?, 1)", (f"{NOTE}{note}",))

    def _put(self, hub: str, number: int, line: Line) -> None:
        kind = type(line)
        table = _TABLES[kind]
        values = {
            column: _stored(field, getattr(line, field))
            for field, column in _fields(kind, table, self._columns).items()
        }
        if isinstance(line, HubLine):
            self._begin_above(cast(int, values.pop("last_record")))
        if table.hub:
            values["hub"] = hub if table.hub == "hub" else number
        marks = ", ".join("?" * len(values))
        verb = "insert or replace" if isinstance(line, archive.RetentionLine) else "insert"  # a fresh one has these
        self._db.execute(
            f"{verb} into {table.name} ({', '.join(values)}) values ({marks})",
            tuple(values.values()),
        )

    def _begin_above(self, last: int) -> None:
        """Have ids of new records begin above this one, of which there may be no line any more."""
        self._db.execute(
            "insert into sqlite_sequence (name, seq) select 'records', 0"
            " where not exists (select 1 from sqlite_sequence where name = 'records')"
        )
        self._db.execute("update sqlite_sequence set seq = max(seq, ?) where name = 'records'", (last,))


def _columns(connection: apsw.Connection) -> dict[str, set[str]]:
    """Return the columns of each table."""
    return {
        table.name: {
            str(name)
            for (name,) in connection.execute("select name from pragma_table_info(?)", (table.name,)).fetchall()
        }
        for table in _TABLES.values()
    }


def _fields(kind: type[Line], table: _Table, columns: dict[str, set[str]]) -> dict[str, str]:
    """Return the column of each field; one that this release does not have is left out."""
    named = {field: table.renamed.get(field, field) for field in kind.__struct_fields__}
    return {field: column for field, column in named.items() if column in columns[table.name] or column in _SHOWN}


def _line(kind: type[_L], row: dict[str, Any]) -> _L:
    for name in _RANGES:
        if name in row:
            row[name] = msgspec.msgpack.decode(row[name], type=list[tuple[int, int]])
    if "tags" in row:
        row["tags"] = list(unpacked_tags(row["tags"]))
    return kind(**row)


def _stored(field: str, value: Any) -> Any:
    if field in _RANGES:
        return msgspec.msgpack.encode(value)
    if field == "tags":
        return msgspec.json.encode(value).decode() if value else None
    return value
