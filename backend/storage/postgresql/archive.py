"""A PostgreSQL database as the archive reads and fills it. See `backend.storage.archive`.

Numbers that the tables draw by themselves are stored as the archive has them, and the sequences are set above them at
the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, NamedTuple, TypeVar, cast

import msgspec
from psycopg import sql

from backend.storage import archive
from backend.storage.archive import AccountPart, HubLine, Line, PackLine, RecordLine, StreamLine
from backend.storage.engine import StandbyAway
from backend.storage.postgresql import migrations
from backend.storage.postgresql.connection import READING, Database, Session
from backend.storage.postgresql.errors import DatabaseAway, TryAgain
from backend.storage.postgresql.hub_snapshot import PostgresHubSnapshot
from backend.storage.postgresql.moments import Moment, moment
from hub.core.errors import StorageError
from hub.core.text import phrase
from hub.protocol.ranges import Ranges

NOTE = "import/"
"""Before the keys of notes in the table `meta`."""
AT_ONCE = 2000
"""Lines that are asked for at once."""
_NUMBER: LiteralString = "(select number from hubs where hub = %s)"
_OF_NUMBER: LiteralString = f"hub = {_NUMBER}"
_OF_STREAM: LiteralString = f"stream in (select id from streams where {_OF_NUMBER})"  # noqa: S608
_OF_EPOCH: LiteralString = f"epoch in (select id from epochs where {_OF_STREAM})"  # noqa: S608
_HUB: LiteralString = (
    "select h.hub, h.identity, h.name, h.enrolled_at, h.revoked_at, s.seen_at, s.state, s.state_at, h.tags,"
    " h.last_record from hubs h left join hub_states s on s.hub = h.number where h.hub = %s"
)
_DAYS: LiteralString = (
    "select floor(received_at / 86400)::bigint, count(*), min(id), max(id) from records"  # noqa: S608
    f" where {_OF_STREAM} group by 1 order by 1"
)
_PACKS: LiteralString = (
    f"select stream, block / {archive.PACKS}, count(*), sum(length(digests)) from digests where {_OF_STREAM}"  # noqa: S608
    " group by 1, 2 order by 1, 2"
)
_BEYOND: LiteralString = (
    "select array_agg(seq), coalesce(sum(readings), 0)::bigint"
    " from unnest(%s::bigint[], %s::bigint[]) as g (first, last)"
    " cross join lateral (select seq, readings from records where stream = %s and seq between g.first and g.last) r"
)
"""Numbers and readings of lines that the row of a stream does not tell of yet."""
_LAST = 2**63 - 1


class _Table(NamedTuple):
    """Where lines of a class lie. `numbered`: by the number of their hub; `drawn` is the column whose values the table
    draws by itself. `renamed` are fields whose columns have other names."""

    name: LiteralString
    where: LiteralString
    key: tuple[LiteralString, ...]
    numbered: bool = False
    drawn: LiteralString = ""
    renamed: dict[str, LiteralString] = {}  # noqa: RUF012


_TABLES: dict[type[Line], _Table] = {
    archive.StreamLine: _Table("streams", _OF_NUMBER, ("id",), numbered=True, drawn="id"),
    archive.EpochLine: _Table("epochs", _OF_STREAM, ("id",), drawn="id"),
    archive.TableLine: _Table("epoch_tables", _OF_EPOCH, ("epoch", "number")),
    archive.NamesLine: _Table("names", _OF_NUMBER, ("epoch", "number"), numbered=True),
    archive.BootLine: _Table("boots", _OF_NUMBER, ("boot",), numbered=True),
    archive.SeriesLine: _Table("series", _OF_NUMBER, ("place", "metric", "device"), numbered=True),
    archive.ErasureLine: _Table("erasures", _OF_NUMBER, ("id",), numbered=True),
    archive.GapLine: _Table("gaps", _OF_NUMBER, ("id",), numbered=True, drawn="id"),
    archive.ForkLine: _Table("forks", _OF_STREAM, ("id",), drawn="id"),
    archive.RecordLine: _Table("records", _OF_STREAM, ("stream", "seq")),
    archive.PackLine: _Table("digests", _OF_STREAM, ("stream", "block"), renamed={"data": "digests"}),
    archive.QuarantineLine: _Table("quarantine", "true", ("id",), drawn="id"),
    archive.AlarmLine: _Table("alarms", "true", ("id",), drawn="id"),
    archive.AlertLine: _Table("alerts", "true", ("hub", "alert")),
    archive.AnchorLine: _Table("anchors", "true", ("hub", "told_ms")),
    archive.LookupLine: _Table("lookups", "true", ("hub", "device")),
    archive.TokenLine: _Table("tokens", "true", ("id",)),
    archive.TrialLine: _Table("trials", "true", ("token",)),
    archive.RetentionLine: _Table("retention", "true", ("privacy",)),
    archive.SilenceLine: _Table("silences", "true", ("scope", "name")),
    archive.CallbackTokenLine: _Table("callback_tokens", "true", ("id",)),
    archive.CallbackLine: _Table("callbacks", "true", ("id",), drawn="id"),
    archive.DownlinkLine: _Table("downlinks", "true", ("hub", "device", "id")),
}
_RANGES = ("stored", "forked")
_L = TypeVar("_L", bound=Line)


class PostgresArchiveSnapshot:
    """One moment, of a transaction that reads."""

    def __init__(self, seen: Moment) -> None:
        self._seen = seen

    def hubs(self) -> list[str]:
        return [str(hub) for (hub,) in self._seen.rows('select hub from hubs order by hub collate "C"')]

    def hub(self, hub: str) -> PostgresHubSnapshot:
        return PostgresHubSnapshot(self._seen, hub)

    def of_hub(self, hub: str) -> Iterator[Line]:
        for row in self._seen.rows(_HUB, [hub]):
            yield HubLine(*row)
        for kind in archive.OF_HUB:
            if kind is StreamLine:
                yield from map(self._whole, self._lines(StreamLine, [hub]))
            elif kind is not HubLine:
                yield from self._lines(kind, [hub])

    def account(self, hub: str) -> list[AccountPart]:
        days = self._seen.rows(_DAYS, [hub])
        found = [AccountPart(None, day, "-".join(map(str, key))) for day, *key in days]
        packs = self._seen.rows(_PACKS, [hub])
        return found + [AccountPart(stream, number, "-".join(map(str, key))) for stream, number, *key in packs]

    def account_lines(self, hub: str, part: AccountPart) -> Iterator[Line]:
        if part.stream is None:
            day = part.number * 86_400.0
            yield from self._lines(RecordLine, [hub, day, day + 86_400.0], "received_at >= %s and received_at < %s")
        else:
            first = part.number * archive.PACKS
            blocks = [part.stream, first, first + archive.PACKS - 1]
            yield from self._lines(PackLine, [hub, *blocks], "stream = %s and block between %s and %s")

    def common(self) -> Iterator[Line]:
        for kind in archive.COMMON:
            yield from self._lines(kind)

    def _lines(self, kind: type[_L], given: Sequence[object] = (), also: LiteralString = "true") -> Iterator[_L]:
        """Yield lines by their keys, AT_ONCE at a time: a hub decides how many there are."""
        table = _TABLES[kind]
        fields = _fields(kind, table)
        key = sql.SQL(", ").join(_ordered(kind, name) for name in table.key)
        query = sql.SQL("select {} from {} where {} and {}").format(
            sql.SQL(", ").join(map(sql.Identifier, fields.values())),
            sql.Identifier(table.name),
            sql.SQL(table.where),
            sql.SQL(also),
        )
        marks = sql.SQL(", ").join(sql.Placeholder() * len(table.key))
        beyond = sql.SQL("{} and ({}) > ({}) order by {} limit {}").format(query, key, marks, key, AT_ONCE)
        statement, after = sql.SQL("{} order by {} limit {}").format(query, key, AT_ONCE), list[object]()
        places = [list(fields.values()).index(name) for name in table.key]
        while True:
            rows = self._seen.rows(cast(str, statement), [*given, *after])
            for row in rows:
                yield _line(kind, dict(zip(fields, row, strict=True)))
            if len(rows) < AT_ONCE:
                return
            statement, after = beyond, [rows[-1][at] for at in places]

    def _whole(self, line: StreamLine) -> StreamLine:
        """Return a stream with the numbers that its row does not tell of yet."""
        stored = Ranges(line.stored)
        missing = stored.missing(0, _LAST)
        firsts, lasts = [one[0] for one in missing], [one[1] for one in missing]
        ((numbers, readings),) = self._seen.rows(_BEYOND, [firsts, lasts, line.id])
        for number in numbers or ():
            stored.add(number)
        return msgspec.structs.replace(line, stored=list(stored), readings=line.readings + readings)


class PostgresArchiveSource:
    """The database of a URL, as it is exported."""

    by_hub = True

    def __init__(self, url: str) -> None:
        self._database = Database(url, name="ilot backend export", purpose=READING)

    @contextmanager
    def snapshot(self) -> Iterator[archive.ArchiveSnapshot]:
        with moment(self._database) as seen:
            yield PostgresArchiveSnapshot(seen)

    def may_pass(self, error: StorageError) -> bool:
        return isinstance(error, TryAgain | DatabaseAway | StandbyAway)

    def close(self) -> None:
        self._database.close()


class PostgresArchiveTarget:
    """The database of a URL that is filled."""

    by_hub = True

    def __init__(self, url: str) -> None:
        self._database = Database(url, name="ilot backend import")
        with self._database.errors():
            migrations.check(self._database.session(), self._database.place)

    def is_fresh(self) -> bool:
        used = "select exists (select 1 from hubs) or exists (select 1 from records) or exists (select 1 from chunks)"
        return self._rows(used) == [(False,)] and not self.done()

    def done(self) -> set[str]:
        return {
            str(key).removeprefix(NOTE)
            for (key,) in self._rows("select key from meta where starts_with(key, 'import/')")
        }

    def add(self, hub: str, lines: Iterable[Line], note: str) -> None:
        with self._database.transaction() as session:
            number = None
            for line in lines:
                if isinstance(line, HubLine):
                    self._put_hub(session, line)
                    continue
                if number is None and hub:
                    number = self._number(session, hub)
                self._put(session, number, line)
            self._note(session, note)

    def admit(self, hub: HubLine, note: str) -> None:
        with self._database.transaction() as session:
            session.execute(
                "update hubs set revoked_at = %s, version = version + 1, changed = version + 1 where hub = %s",
                [hub.revoked_at, hub.hub],
            )
            self._note(session, note)

    def finish(self, note: str) -> None:
        with self._database.transaction() as session:
            for table in _TABLES.values():
                if table.drawn:
                    session.execute(
                        sql.SQL(
                            "select setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 0) + 1, false) from {}"
                        ).format(table.name, table.drawn, sql.Identifier(table.drawn), sql.Identifier(table.name))
                    )
            session.execute("delete from meta where starts_with(key, 'import/')")
            self._note(session, note)

    def close(self) -> None:
        self._database.close()

    def _rows(self, statement: LiteralString) -> list[Any]:
        with self._database.errors():
            return self._database.session().execute(statement).fetchall()

    def _number(self, session: Session, hub: str) -> int:
        row = session.execute("select number from hubs where hub = %s", [hub]).fetchone()
        if row is None:
            raise StorageError(phrase("row-of-no-hub", "{hub} is not enrolled", hub=hub[:64]))
        return int(row[0])

    def _put_hub(self, session: Session, line: HubLine) -> None:
        row = session.execute(
            "insert into hubs (hub, identity, name, tags, enrolled_at, revoked_at, last_record)"
            " values (%s, %s, %s, %s, %s, %s, %s) returning number",
            [line.hub, line.identity, line.name, line.tags, line.enrolled_at, line.revoked_at, line.last_record],
        ).fetchone()
        if row is not None and line.state is not None:
            session.execute(
                "insert into hub_states (hub, state, state_at, seen_at) values (%s, %s, %s, %s)",
                [row[0], line.state, line.state_at or 0.0, line.seen_at or line.state_at or 0.0],
            )

    def _put(self, session: Session, number: int | None, line: Line) -> None:
        kind = type(line)
        table = _TABLES[kind]
        values = {
            column: msgspec.msgpack.encode(value) if field in _RANGES else value
            for field, column in _fields(kind, table).items()
            for value in (getattr(line, field),)
        }
        if table.numbered:
            values["hub"] = number
        drawn = sql.SQL("overriding system value" if table.drawn else "")
        again = "on conflict (privacy) do update set days = excluded.days, purged = excluded.purged, purged_at ="
        session.execute(
            sql.SQL("insert into {} ({}) {} values ({}) {}").format(
                sql.Identifier(table.name),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                drawn,
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
                sql.SQL(f"{again} excluded.purged_at" if isinstance(line, archive.RetentionLine) else ""),
            ),
            list(values.values()),
        )

    def _note(self, session: Session, note: str) -> None:
        session.execute(
            "insert into meta (key, value) values (%s, %s) on conflict (key) do nothing", [f"{NOTE}{note}", b"1"]
        )


def _fields(kind: type[Line], table: _Table) -> dict[str, str]:
    """Return the column of each field."""
    return {field: table.renamed.get(field, field) for field in kind.__struct_fields__}


def _ordered(kind: type[Line], column: LiteralString) -> sql.Composable:
    """Return a column as lines are ordered by it: texts by their characters, in any database."""
    text = kind.__annotations__.get(column) in ("str", str)
    return sql.SQL('{} collate "C"').format(sql.Identifier(column)) if text else sql.Identifier(column)


def _line(kind: type[_L], row: dict[str, Any]) -> _L:
    for name in _RANGES:
        if name in row:
            row[name] = msgspec.msgpack.decode(row[name], type=list[tuple[int, int]])
    return kind(**row)
