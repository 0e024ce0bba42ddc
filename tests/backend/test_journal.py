"""The journal: what it acknowledged is there after anything, and becomes rows once."""

from __future__ import annotations

import errno
import itertools
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from backend_kit import NOW, Desk, Sender, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.journal import MAGIC, Journal
from hub.core.errors import StorageError
from hub.protocol.records import framing


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "owner", journal=True)


@pytest.fixture
def hub(desk: Desk) -> Sender:
    return desk.enrol()


def journal(desk: Desk) -> Journal:
    assert desk.ingest.journal is not None
    return desk.ingest.journal


def files(desk: Desk) -> list[Path]:
    return sorted((desk.owner.directory / "journal").iterdir())


def post(desk: Desk, hub: Sender, count: int = 3) -> None:
    segment = hub.segment()
    for n in range(count):
        message = segment.message([segment.block([row(NOW + n, float(n))])])
        assert n + 1 in desk.post(hub, message).taken(segment)


def test_records_wait_sealed_and_become_rows_when_settled(desk: Desk, hub: Sender) -> None:
    post(desk, hub)
    assert desk.rows() == []
    assert (journal(desk).pending_records, journal(desk).pending_readings) == (3, 6)
    assert b"temperature" not in b"".join(path.read_bytes() for path in files(desk))
    desk.settle()
    assert desk.rows() == [(NOW + n, float(n)) for n in range(3)]
    assert (journal(desk).pending_records, journal(desk).pending_readings, journal(desk).pending_bytes) == (0, 0, 0)


@pytest.mark.parametrize("settled", [0, 1, 3])
def test_what_was_acknowledged_becomes_rows_once_over_a_restart(desk: Desk, hub: Sender, settled: int) -> None:
    post(desk, hub)
    for _ in range(settled):
        desk.ingest.checkpoint(1)
    desk.restart()
    assert journal(desk).pending_records == 3 - settled
    desk.settle()
    desk.restart()
    desk.settle()
    assert desk.rows() == [(NOW + n, float(n)) for n in range(3)]


def test_a_stop_between_the_commit_and_the_clean_up_doubles_nothing(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(desk, hub)
    monkeypatch.setattr(journal(desk), "drop", lambda batch: None)
    desk.ingest.checkpoint(1 << 20)
    desk.restart()
    desk.settle()
    assert len(desk.rows()) == 3


def test_without_the_option_an_earlier_journal_is_taken_up_first(desk: Desk, hub: Sender) -> None:
    post(desk, hub)
    desk.restart(journal=False)
    assert len(desk.rows()) == 3
    assert all(path.stat().st_size == len(MAGIC) for path in files(desk))


def test_a_duplicate_of_what_waits_is_known(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    message = segment.message([segment.block([row()])])
    for _ in range(2):
        desk.post(hub, message)
        desk.restart()
    desk.post(hub, message)
    assert journal(desk).pending_records == 1


@given(cut=st.integers(0, 800))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_a_torn_end_is_passed_over_and_the_rest_stays(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    desk = Desk(tmp_path_factory.mktemp("j") / "owner", journal=True)
    hub = desk.enrol()
    post(desk, hub)
    desk.close()
    path = files(desk)[-1]
    data = path.read_bytes()
    ends = [len(MAGIC)]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 8 + int.from_bytes(data[ends[-1] : ends[-1] + 4], "big"))
    kept = max(len(data) - cut, len(MAGIC))
    os.truncate(path, kept)
    whole = sum(end <= kept for end in ends[1:])
    again = Desk(desk.owner.directory, journal=True)
    assert journal(again).pending_records == whole
    again.settle()
    assert len(again.rows()) == whole
    post(again, hub)
    again.close()


def test_after_a_failed_write_the_file_is_left_and_the_next_batch_goes_on(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = hub.segment()
    message = segment.message([segment.block([row()])])
    sync = os.fdatasync

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    answer = desk.answer(hub, message)
    assert isinstance(answer, StorageError)
    assert "Input/output error" in str(answer)
    assert journal(desk).pending_records == 0
    monkeypatch.setattr(os, "fdatasync", sync)
    assert 1 in desk.post(hub, message).taken(segment)
    assert len(files(desk)) == 2  # what the failed file holds nobody knows, so nothing more was written there
    desk.restart()  # it held the record after all: the same one twice
    desk.settle()
    assert desk.rows() == [(NOW, 20.0)]


def test_what_the_database_alone_took_is_not_acknowledged_on_a_disk_that_has_given_up(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = hub.segment()
    message = segment.message([segment.block([row()])])
    assert 1 in desk.post(hub, message).taken(segment)

    def refuse(descriptor: int, name: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "removexattr", refuse)
    answer = desk.answer(hub, message)  # again: nothing of it is new to the journal
    assert isinstance(answer, StorageError)
    assert "Read-only file system" in str(answer)
    monkeypatch.undo()
    assert 1 in desk.post(hub, message).taken(segment)


def test_the_name_of_a_new_file_is_on_the_disk_before_anything_in_it_counts(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, str]] = []
    for name in ("fsync", "fdatasync"):
        true = getattr(os, name)

        def call(fd: int, name: str = name, true: Callable[[int], None] = true) -> None:
            calls.append((name, os.readlink(f"/proc/self/fd/{fd}")))
            true(fd)

        monkeypatch.setattr(os, name, call)
    desk.restart()
    post(desk, hub, 1)
    path = files(desk)[-1]
    about = [call for call in calls if Path(call[1]) in (path, path.parent)]
    assert about == [("fsync", str(path.parent)), ("fdatasync", str(path))]


def test_files_are_changed_at_their_size_and_go_when_settled(tmp_path: Path, desk: Desk, hub: Sender) -> None:
    post(desk, hub, 10)
    entries = journal(desk).waiting(1 << 20).entries
    small = Journal(tmp_path / "small", desk.ingest.storage.connection, file_bytes=500)
    for entry in entries:
        small.append([entry])
    assert len(list((tmp_path / "small").iterdir())) > 2
    while (batch := small.waiting(1)).entries:
        small.drop(batch)
    assert len(list((tmp_path / "small").iterdir())) == 1
    small.close()


def entries(path: Path) -> list[int]:
    """Where each entry begins, and where the last one ends."""
    data, found = path.read_bytes(), [len(MAGIC)]
    while found[-1] < len(data):
        found.append(found[-1] + 8 + int.from_bytes(data[found[-1] : found[-1] + 4], "big"))
    return found


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("at", [2, 6, 20, 30, 150])
def test_a_damaged_entry_is_set_aside_told_and_asked_for_again_and_the_rest_goes_on(
    desk: Desk, hub: Sender, restarted: bool, at: int
) -> None:
    other = desk.enrol()
    segment = hub.segment()
    blocks = [segment.block([row(NOW + n, float(n))]) for n in range(3)]
    desk.post(hub, segment.message(blocks))
    theirs = other.segment()
    desk.post(other, theirs.message([theirs.block([row(NOW + 9, 9.0)])]))
    path = files(desk)[-1]
    begin = entries(path)
    kept = path.read_bytes()[begin[1] : begin[2]]
    flip(path, begin[1] + at)
    if restarted:
        desk.restart()
    desk.settle()
    assert desk.rows() == [(NOW, 0.0), (NOW + 2, 2.0), (NOW + 9, 9.0)]
    assert desk.ingest.counts.set_aside == 1
    assert desk.alarms() == ["journal"]
    ((owner, reason, body),) = desk.sql("select hub, reason, body from quarantine")
    assert (owner, reason, len(body)) == ("" if restarted else hub.hub, "journal", len(kept))
    assert journal(desk).pending_bytes == journal(desk).pending_records == 0
    answer = desk.state(hub, hub.state(segment))
    assert list(answer.taken(segment)) == [(1, 1), (3, 3)], "it is not said to be here any more"
    look = desk.ingest.holes.check
    look(desk.ingest.storage, desk.ingest.taken, 1000.0)
    look(desk.ingest.storage, desk.ingest.taken, 1100.0)
    assert list(desk.ingest.holes.due(hub.hub, {}, 1100.0).values()) == [((2, 2),)]
    assert list(desk.post(hub, segment.message(blocks[1:2])).taken(segment)) == [(1, 3)]
    desk.settle()
    assert len(desk.rows()) == 4


def test_the_last_record_of_a_stream_is_missed_when_its_entry_is_damaged(desk: Desk, hub: Sender) -> None:
    post(desk, hub, 2)
    path = files(desk)[-1]
    flip(path, entries(path)[1] + 100)
    desk.settle()
    (stream,) = desk.views.verify(hub.hub)
    assert (stream["ranges"], stream["announced"]) == ([(1, 1)], 2)


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOENT, errno.EMFILE])
def test_what_the_disk_has_lost_is_set_aside_and_what_it_only_refuses_waits(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    post(desk, hub)
    pread = os.pread

    def refuse(descriptor: int, size: int, offset: int) -> bytes:
        if offset == len(MAGIC):
            raise OSError(error, os.strerror(error))
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", refuse)
    if error == errno.EMFILE:
        with pytest.raises(StorageError, match="Too many open files"):
            desk.settle()
        monkeypatch.undo()
        desk.settle()
        assert len(desk.rows()) == 3
    else:
        desk.settle()
        assert len(desk.rows()) == 2
        assert desk.alarms() == ["journal"]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_sector_stops_no_start_and_what_stands_beside_it_is_found(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    post(desk, hub)
    path, pread = files(desk)[-1], os.pread
    gone = entries(path)[lost] + 30

    def read_bytes(self: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def refuse(descriptor: int, size: int, offset: int) -> bytes:
        if offset <= gone < offset + size and os.fstat(descriptor).st_ino == path.stat().st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, size, offset)

    monkeypatch.setattr("backend.journal._PIECE", 16)
    monkeypatch.setattr(os, "pread", refuse)
    with monkeypatch.context() as starting:
        starting.setattr(Path, "read_bytes", read_bytes)
        found = Journal(path.parent, desk.ingest.storage.connection)
    waiting = found.waiting(1 << 20)
    found.close()
    assert [entry.seq for entry in waiting.entries] == [n + 1 for n in range(3) if n != lost]
    assert len(waiting.items) == 3, "and the other is told"


def test_a_file_that_somebody_removed_stops_nobody(desk: Desk, hub: Sender) -> None:
    post(desk, hub)
    journal(desk).rotate()
    files(desk)[0].unlink()
    post(desk, hub)
    desk.settle()
    assert len(desk.rows()) == 3
    assert desk.ingest.counts.set_aside == 3


@pytest.mark.parametrize("poison", ["context", "table", "row"])
def test_a_record_of_which_no_rows_can_be_made_stops_no_other(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    other = desk.enrol()
    post(desk, hub, 1)
    post(desk, other, 2)
    epoch = desk.sql("select min(id) from epochs")[0][0]
    if poison == "row":
        real = desk.ingest.records.store

        def store(stream: Any, epoch: Any, item: Any) -> None:
            real(stream, epoch, item)
            if stream.hub == hub.hub:
                raise ValueError("nobody has thought of this")

        monkeypatch.setattr(desk.ingest.records, "store", store)
    else:
        desk.sql(
            "delete from epochs where id = ?" if poison == "context" else "delete from tables where epoch = ?", epoch
        )
        desk.ingest.verifier.rolled_back()
    desk.settle()
    assert [value for _, value in desk.rows()] == [0.0, 1.0]
    assert desk.sql("select hub, reason from quarantine") == [(hub.hub, "journal")]
    assert desk.ingest.counts.set_aside == 1
    assert journal(desk).pending_records == 0


@pytest.mark.parametrize("what", ["epochs", "tables"])
def test_acknowledged_records_whose_context_was_damaged_are_kept_whole_and_come_again(
    desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("backend.quotas.EVIDENCE", 0)  # its share of evidence is full: these are owed all the same
    segment = hub.segment()
    blocks = [segment.block([row(NOW + n, float(n))]) for n in range(3)]
    desk.post(hub, segment.message(blocks))
    ((raw,),) = desk.sql(f"select raw from {what}")
    desk.sql(f"update {what} set raw = ?", raw[:-9])
    desk.restart()
    desk.settle()
    assert desk.rows() == []
    assert desk.sql("select body from quarantine where epoch is not null order by id") == [(raw,) for raw in blocks]
    assert desk.alarms() == ["journal"] * 3
    assert list(desk.state(hub, hub.state(segment)).taken(segment)) == [], "nothing of it is said to be here"
    assert desk.post(hub, segment.message(blocks, context=False)).need == (segment.eid,)
    assert list(desk.post(hub, segment.message(blocks)).taken(segment)) == [(1, 3)]
    desk.settle()
    assert len(desk.rows()) == 3


def test_while_its_epoch_is_open_a_damaged_context_sets_nothing_aside(desk: Desk, hub: Sender) -> None:
    post(desk, hub, 2)
    desk.sql("update epochs set raw = x'00'")
    desk.settle()
    assert len(desk.rows()) == 2


def test_an_acknowledged_record_that_its_epoch_does_not_open_is_no_forgery_but_set_aside(
    desk: Desk, hub: Sender
) -> None:
    """SQLite gives the number of a line that it lost to the next epoch."""
    first, second = hub.segment(), hub.segment()
    lost, fine = first.block([row()]), second.block([row(NOW + 1)])
    desk.post(hub, first.message([lost]))
    desk.sql("delete from epochs")
    desk.restart()
    desk.post(hub, second.message([fine]))
    assert desk.sql("select count(*) from epochs") == [(1,)]
    desk.settle()
    assert desk.sql("select reason, body from quarantine") == [("journal", lost)]
    assert 1 not in desk.state(hub, hub.state(first)).taken(first)


def fill(desk: Desk, hub: Sender) -> None:
    for _ in range(200):
        post(desk, hub, 1)
        desk.settle()


def test_a_disk_that_refuses_sets_nothing_aside(desk: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    post(desk, hub)
    desk.ingest.storage.connection.execute("pragma max_page_count = 1")
    with pytest.raises(StorageError, match="full"):
        fill(desk, hub)
    desk.ingest.storage.connection.execute("pragma max_page_count = 100000")
    assert desk.sql("select count(*) from quarantine") == [(0,)]
    desk.settle()
    assert desk.ingest.counts.set_aside == 0
    assert journal(desk).pending_records == 0


def test_what_looks_like_an_entry_inside_a_damaged_one_is_none(tmp_path: Path, desk: Desk) -> None:
    """A hub chooses the bytes of its records: it must not have a record of another hub count as taken."""

    def entry(stream: int, payload: bytes) -> bytes:
        header = framing.pack_header(framing.BLOCK, len(payload), readings=1, seq=1, total=1, commit_s=0)
        body = struct.pack(">QQ", 1, stream) + framing.pack_record(header, payload, bytes(64))
        return struct.pack(">II", len(body), crc32(body)) + body

    hidden = entry(7, b"x")
    outer, after = bytearray(entry(1, b"y" * 40 + hidden + b"y" * 40)), entry(2, b"z")
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
        held = Journal(where, desk.ingest.storage.connection)
        assert [item.stream for item in held.waiting(1 << 20).items] == found
        assert held.digest(7, 1) is None, "what was found by seeking counts when its signature holds, not before"
        assert held.pending_records == (1 if name == "between" else 0)
        held.close()


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_bytes_of_a_journal_change_every_entry_that_is_whole_is_found(
    noted: tuple[Desk, bytes, list[int]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    desk, whole, begin = noted
    at = data.draw(st.integers(0, len(whole) - 1))
    size = data.draw(st.integers(1, 60))
    changed = bytearray(whole)
    for n in range(at, min(at + size, len(whole))):
        changed[n] ^= data.draw(st.integers(1, 255))
    where = tmp_path_factory.mktemp("j")
    (where / "00000001.log").write_bytes(changed)
    held = Journal(where, desk.ingest.storage.connection)
    untouched = sum(last <= at or first >= at + size for first, last in itertools.pairwise(begin))
    batch = held.waiting(1 << 20)
    assert len(batch.entries) == untouched
    held.close()


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, bytes, list[int]]:
    desk = Desk(tmp_path_factory.mktemp("noted") / "owner", journal=True)
    post(desk, desk.enrol(), 5)
    path = files(desk)[-1]
    return desk, path.read_bytes(), entries(path)
