"""Packed lines of the account in PostgreSQL. See `backend.storage.chunks.PackedAccount`.

The numbers of a stream are those of its row and of its lines. So before lines are packed, the row is written with all
of them, in the same transaction.
"""

from __future__ import annotations

from backend.storage.postgresql.streams import Streams
from backend.storage.postgresql.writing import Writing


class PackedAccount:
    """The table `digests`, beside `records`."""

    def __init__(self, writing: Writing, streams: Streams) -> None:
        self._writing, self._streams = writing, streams

    def first_line(self, stream: int) -> int | None:
        row = self._writing.one("select min(seq) from records where stream = %s", (stream,))
        return None if row is None else row[0]

    def lines(self, stream: int, first: int, last: int) -> list[tuple[int, bytes, float]]:
        rows = self._writing.ask(
            "select seq, digest, received_at from records where stream = %s and seq between %s and %s order by seq",
            (stream, first, last),
        )
        return [(int(seq), bytes(digest), float(at)) for seq, digest, at in rows]

    def packed(self, stream: int, block: int) -> bytes | None:
        row = self._writing.one("select digests from digests where stream = %s and block = %s", (stream, block))
        return None if row is None else bytes(row[0])

    def replace(self, stream: int, block: int, data: bytes, first: int, last: int) -> None:
        self._streams.write_row(stream)
        self._writing.change(
            "insert into digests (stream, block, digests) values (%s, %s, %s)"
            " on conflict (stream, block) do update set digests = excluded.digests",
            (stream, block, data),
        )
        self._writing.change("delete from records where stream = %s and seq between %s and %s", (stream, first, last))
