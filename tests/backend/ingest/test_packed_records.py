"""The lines of the account, packed: each digest is found again, and nothing is packed too early."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ingest.packed_records import AGE_S, BLOCK, find, pack, pack_old, unpack
from backend.storage.sqlite.packed_records import SqlitePackedAccount
from backend.storage.sqlite.schema import open_database, transaction
from hub.core.errors import DecodeError

NOW = 1_800_000_000.0


def digest(seq: int) -> bytes:
    return sha256(b"%d" % seq).digest()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[apsw.Connection]:
    made = open_database(tmp_path / "backend.db")
    yield made
    made.close()


def receive(db: apsw.Connection, numbers: range, at: float, stream: int = 1) -> None:
    with transaction(db):
        db.executemany(
            "insert into records (stream, seq, digest, epoch, kind, readings, received_at)"
            " values (?, ?, ?, 1, 1, 1, ?)",
            [(stream, seq, digest(seq), at) for seq in numbers],
        )


def found(db: apsw.Connection, seq: int, stream: int = 1) -> bytes | None:
    data = SqlitePackedAccount(db).packed(stream, seq // BLOCK)
    return None if data is None else find(data, seq)


def packed(db: apsw.Connection, now: float, most: int = 64) -> int:
    with transaction(db):
        return pack_old(SqlitePackedAccount(db), (1, 2), now, most)


@given(st.integers(0, 5), st.sets(st.integers(0, BLOCK - 1)))
def test_each_digest_of_a_block_is_found_and_none_that_did_not_arrive(block: int, places: set[int]) -> None:
    digests = {block * BLOCK + at: digest(at) for at in places}
    data = pack(digests)
    assert unpack(data, block) == digests
    assert len(data) == BLOCK // 8 + 32 * len(digests)
    for at in (0, 1, 511, BLOCK - 1):
        assert find(data, block * BLOCK + at) == digests.get(block * BLOCK + at)


@given(st.binary(max_size=400))
def test_a_damaged_block_is_told_as_such_and_never_read_past(data: bytes) -> None:
    try:
        assert pack(unpack(data, 3)) == data
    except DecodeError as error:
        assert "3072" in str(error)  # noqa: PT017


def test_a_block_is_packed_once_all_of_its_lines_are_old(db: apsw.Connection) -> None:
    receive(db, range(1, 1500), NOW)
    receive(db, range(1500, 1600), NOW + 86_400)
    assert packed(db, NOW + AGE_S - 1) == 0
    assert packed(db, NOW + AGE_S + 1) == 1
    assert db.execute("select min(seq), count(*) from records").fetchall() == [(BLOCK, 576)]
    assert found(db, 1) == digest(1)
    assert found(db, 0) is None
    assert found(db, 1030) is None
    assert packed(db, NOW + AGE_S + 86_401) == 1
    assert [found(db, seq) for seq in (1023, 1024, 1599, 1600)] == [digest(1023), digest(1024), digest(1599), None]


def test_a_record_that_comes_late_joins_its_block(db: apsw.Connection) -> None:
    receive(db, range(1, 10), NOW)
    assert packed(db, NOW + AGE_S + 1) == 1
    receive(db, range(20, 22), NOW + AGE_S + 2)
    receive(db, range(1, 5), NOW, stream=2)
    assert packed(db, NOW + AGE_S + 3) == 1
    assert found(db, 3, stream=2) == digest(3)
    assert packed(db, NOW + 2 * AGE_S + 3) == 1
    assert [found(db, seq) for seq in (9, 10, 20, 21)] == [digest(9), None, digest(20), digest(21)]


def test_a_piece_of_packing_is_bounded(db: apsw.Connection) -> None:
    receive(db, range(1, 3 * BLOCK), NOW)
    assert packed(db, NOW + AGE_S + 1, most=2) == 2
    assert packed(db, NOW + AGE_S + 1, most=2) == 1
    assert db.execute("select count(*) from records").get == 0
