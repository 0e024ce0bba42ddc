"""Packed lines of the account in SQLite. See `backend.storage.chunks.PackedAccount`."""

from __future__ import annotations

from typing import cast

import apsw

from backend.storage.sqlite.errors import refusals


class SqlitePackedAccount:
    """The table `packed_records`, beside `records`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def first_line(self, stream: int) -> int | None:
        return cast("int | None", self._db.execute("select min(seq) from records where stream = ?", (stream,)).get)

    @refusals()
    def lines(self, stream: int, first: int, last: int) -> list[tuple[int, bytes, float]]:
        rows = self._db.execute(
            "select seq, digest, received_at from records where stream = ? and seq between ? and ? order by seq",
            (stream, first, last),
        )
        return cast("list[tuple[int, bytes, float]]", rows.fetchall())

    @refusals()
    def packed(self, stream: int, block: int) -> bytes | None:
        found = self._db.execute("select data from packed_records where stream = ? and block = ?", (stream, block)).get
        return None if found is None else bytes(cast(bytes, found))

    @refusals()
    def replace(self, stream: int, block: int, data: bytes, first: int, last: int) -> None:
        self._db.execute("insert or replace into packed_records values (?, ?, ?)", (stream, block, data))
        self._db.execute("delete from records where stream = ? and seq between ? and ?", (stream, first, last))
