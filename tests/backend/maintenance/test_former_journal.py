"""The journal of a former release: what it acknowledged is stored once at the next start, whatever the disk did."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import struct
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from backend_kit import NOW, Desk, Sender, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.conformance.sender import Segment
from backend.ingest import record_writer
from backend.maintenance.former_journal import MAGIC, FormerJournal
from hub.core.errors import StorageError
from hub.protocol.records import framing

NOTHING_DONE = (0, 0)


class Left(NamedTuple):
    """What a former release left: a segment, its blocks that wait in the file `path`, and where each entry begins."""

    segment: Segment
    blocks: list[bytes]
    path: Path
    begin: list[int]


def entry(epoch: int, stream: int, raw: bytes) -> bytes:
    body = struct.pack(">QQ", epoch, stream) + raw
    return struct.pack(">II", len(body), crc32(body)) + body


def leave(desk: Desk, hub: Sender, count: int = 3) -> Left:
    """Have records wait in a journal, acknowledged; the context and a first record are stored."""
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row(NOW - 1, -1.0)])]))
    ((epoch, stream),) = desk.sql(
        "select e.id, e.stream from epochs e join streams s on s.id = e.stream where s.hub = ?", hub.hub
    )
    blocks = [segment.block([row(NOW + n, float(n))]) for n in range(count)]
    directory = desk.owner.directory / "journal"
    directory.mkdir(exist_ok=True)
    path = directory / f"{len(list(directory.glob('*.log'))) + 1:08d}.log"
    pieces = [entry(epoch, stream, block) for block in blocks]
    path.write_bytes(MAGIC + b"".join(pieces))
    return Left(segment, blocks, path, list(itertools.accumulate(map(len, pieces), initial=len(MAGIC))))


def files(desk: Desk) -> list[Path]:
    return sorted((desk.owner.directory / "journal").iterdir())


def values(desk: Desk) -> list[float]:
    return [value for _, value in desk.rows()]


@pytest.fixture
def hub(plain: Desk) -> Sender:
    return plain.enrol()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_what_waits_is_stored_once_at_the_next_start_and_its_file_goes(plain: Desk, hub: Sender) -> None:
    left = leave(plain, hub)
    for _ in range(2):
        plain.restart()
        assert values(plain) == [-1.0, 0.0, 1.0, 2.0]
        assert files(plain) == []
    assert list(plain.post(hub, left.segment.message(left.blocks)).taken(left.segment)) == [(1, 4)]
    assert plain.ingest.counts.duplicates == 3


def test_a_stop_between_the_commit_and_the_clean_up_doubles_nothing(plain: Desk, hub: Sender, tmp_path: Path) -> None:
    left = leave(plain, hub)
    shutil.copytree(left.path.parent, tmp_path / "journal")
    plain.restart()
    shutil.copytree(tmp_path / "journal", left.path.parent, dirs_exist_ok=True)
    plain.restart()
    assert values(plain) == [-1.0, 0.0, 1.0, 2.0]
    assert (plain.alarms(), files(plain)) == ([], [])


@given(cut=st.integers(0, 800))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_torn_end_is_passed_over_and_the_rest_stays(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    desk = Desk(tmp_path_factory.mktemp("j") / "owner")
    left = leave(desk, desk.enrol())
    kept = max(left.begin[-1] - cut, len(MAGIC))
    os.truncate(left.path, kept)
    desk.restart()
    assert len(desk.rows()) == 1 + sum(end <= kept for end in left.begin[1:])
    assert desk.alarms() == []
    desk.close()


@pytest.mark.parametrize("at", [2, 6, 20, 30, 150])
def test_a_damaged_entry_is_set_aside_told_and_asked_for_again_and_the_rest_goes_on(
    plain: Desk, hub: Sender, at: int
) -> None:
    left = leave(plain, hub)
    kept = left.begin[2] - left.begin[1]
    flip(left.path, left.begin[1] + at)
    leave(plain, plain.enrol(), 1)
    plain.restart()
    assert sorted(values(plain)) == [-1.0, -1.0, 0.0, 0.0, 2.0]
    assert plain.alarms() == ["journal"]
    ((reason, body),) = plain.sql("select reason, body from quarantine")
    assert (reason, len(body)) == ("journal", kept)
    answer = plain.state(hub, hub.state(left.segment))
    assert list(answer.taken(left.segment)) == [(1, 2), (4, 4)], "it is not said to be here"
    look = plain.ingest.holes.check
    look(plain.ingest.received, 1000.0)
    look(plain.ingest.received, 1100.0)
    assert list(plain.ingest.holes.due(hub.hub, {}, 1100.0).values()) == [((3, 3),)]
    assert list(plain.post(hub, left.segment.message(left.blocks[1:2])).taken(left.segment)) == [(1, 4)]


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOENT, errno.EMFILE])
def test_what_the_disk_has_lost_is_set_aside_and_what_it_only_refuses_waits(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    left = leave(plain, hub)
    pread = os.pread

    def refuse(descriptor: int, size: int, offset: int) -> bytes:
        if offset == len(MAGIC):
            raise OSError(error, os.strerror(error))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", refuse)
    if error == errno.EMFILE:
        with pytest.raises(StorageError, match="Too many open files"):
            plain.restart()
        monkeypatch.undo()
        assert left.path.exists()
        plain.ingest = Desk(plain.owner.directory).ingest
        assert values(plain) == [-1.0, 0.0, 1.0, 2.0]
    else:
        plain.restart()
        assert values(plain) == [-1.0, 1.0, 2.0]
        assert plain.alarms() == ["journal"]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_sector_stops_no_start_and_what_stands_beside_it_is_found(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    left, pread = leave(plain, hub), os.pread
    gone = left.begin[lost] + 30

    def read_bytes(self: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def refuse(descriptor: int, size: int, offset: int) -> bytes:
        if offset <= gone < offset + size and os.fstat(descriptor).st_ino == left.path.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, size, offset)

    monkeypatch.setattr("backend.maintenance.former_journal._PIECE", 16)
    monkeypatch.setattr(os, "pread", refuse)
    with monkeypatch.context() as starting:
        starting.setattr(Path, "read_bytes", read_bytes)
        found = FormerJournal(left.path.parent, NOTHING_DONE)
    waiting = found.waiting(1 << 20)
    assert [one.seq for one in waiting.entries] == [n + 2 for n in range(3) if n != lost]
    assert len(waiting.items) == 3, "and the other is told"


@pytest.mark.parametrize("poison", ["context", "table", "row"])
def test_a_record_that_cannot_be_stored_stops_no_other(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    leave(plain, hub, 1)
    leave(plain, plain.enrol(), 2)
    epoch = plain.sql("select min(id) from epochs")[0][0]
    if poison == "row":
        real = record_writer.RecordWriter.store

        def store(self: Any, stream: Any, epoch: Any, item: Any) -> None:
            real(self, stream, epoch, item)
            if stream.hub == hub.hub:
                raise ValueError("nobody has thought of this")

        monkeypatch.setattr(record_writer.RecordWriter, "store", store)
    else:
        table, key = ("epochs", "id") if poison == "context" else ("tables", "epoch")
        plain.sql(f"delete from {table} where {key} = ?", epoch)
    plain.restart()
    assert sorted(values(plain)) == [-1.0, -1.0, 0.0, 1.0]
    assert plain.sql("select hub, reason from quarantine") == [(hub.hub, "journal")]
    assert files(plain) == []


def test_what_looks_like_an_entry_inside_a_damaged_one_is_none(tmp_path: Path) -> None:
    """A hub chooses the bytes of its records: it must not have a record of another hub count as taken."""

    def made(stream: int, payload: bytes) -> bytes:
        header = framing.pack_header(framing.BLOCK, len(payload), readings=1, seq=1, total=1, commit_s=0)
        return entry(1, stream, framing.pack_record(header, payload, bytes(64)))

    hidden = made(7, b"x")
    outer, after = bytearray(made(1, b"y" * 40 + hidden + b"y" * 40)), made(2, b"z")
    outer[30] ^= 1
    long, torn = bytearray(outer), bytes(outer[:-20])
    long[2] ^= 1  # its length
    for name, whole, found in (
        ("between", outer + after, [0, 2]), ("last", outer, [0]), ("long", long + after, [0, 7, 0, 2]),
        ("torn", torn, [0, 7]),
    ):  # fmt: skip
        where = tmp_path / name
        where.mkdir()
        (where / "00000001.log").write_bytes(MAGIC + whole)
        held = FormerJournal(where, NOTHING_DONE)
        assert [item.stream for item in held.waiting(1 << 20).items] == found


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> Left:
    desk = Desk(tmp_path_factory.mktemp("noted") / "owner")
    left = leave(desk, desk.enrol(), 5)
    desk.close()
    return left


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_bytes_of_a_journal_change_every_entry_that_is_whole_is_found(
    noted: Left, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    changed = bytearray(noted.path.read_bytes())
    at = data.draw(st.integers(0, len(changed) - 1))
    size = data.draw(st.integers(1, 60))
    for n in range(at, min(at + size, len(changed))):
        changed[n] ^= data.draw(st.integers(1, 255))
    where = tmp_path_factory.mktemp("j")
    (where / "00000001.log").write_bytes(changed)
    held = FormerJournal(where, NOTHING_DONE)
    untouched = sum(last <= at or first >= at + size for first, last in itertools.pairwise(noted.begin))
    assert len(held.waiting(1 << 20).entries) == untouched
