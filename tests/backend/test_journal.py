"""The journal: what it acknowledged is there after anything, and becomes rows once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from backend_kit import NOW, Desk, Sender, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.journal import MAGIC, Journal
from hub.errors import StorageError


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
        desk.ingest.settle(1)
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
    desk.ingest.settle(1 << 20)
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
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_a_journal_that_changed_under_us_is_a_clear_error(desk: Desk, hub: Sender) -> None:
    post(desk, hub)
    path = files(desk)[-1]
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(StorageError, match="the disk is failing"):
        desk.settle()
