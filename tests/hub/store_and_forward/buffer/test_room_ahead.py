"""Room that is taken ahead of a segment: where, how much, and that nothing depends on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.store_and_forward.buffer import disk as disks
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.segment import AHEAD, MAGIC, SegmentFile
from tests.hub.store_and_forward.buffer.buffer_kit import FaultyDisk, no_space


def taken(path: Path) -> int:
    """Bytes of the disk that a file holds."""
    return path.stat().st_blocks * 512


def written(disk: SystemDisk, path: Path, *commits: bytes, ahead: bool) -> SegmentFile:
    file = SegmentFile(disk, path)
    for data in commits:
        file.stage(data)
        file.commit(ahead)
    return file


def test_room_changes_no_length_and_is_given_back_at_the_close(tmp_path: Path) -> None:
    path = tmp_path / "s"
    file = written(SystemDisk(), path, b"a" * 500, b"b" * 500, ahead=True)
    assert path.read_bytes() == MAGIC + b"a" * 500 + b"b" * 500
    assert taken(path) >= AHEAD
    file.close()
    assert path.stat().st_size == len(MAGIC) + 1000
    assert taken(path) < AHEAD / 4


def test_room_is_taken_once_for_many_commits_and_again_when_it_is_used_up(tmp_path: Path) -> None:
    class Counting(SystemDisk):
        def __init__(self) -> None:
            self.calls: list[tuple[int, int]] = []

        def reserve(self, fd: int, end: int, size: int) -> None:
            self.calls.append((end, size))
            super().reserve(fd, end, size)

    disk = Counting()
    file = written(disk, tmp_path / "s", *[b"x" * 2800] * 60, ahead=True)
    assert file.size == len(MAGIC) + 60 * 2800
    assert [size > 0 for _, size in disk.calls] == [True] * 3


def test_dense_commits_take_none(tmp_path: Path) -> None:
    path = tmp_path / "s"
    written(SystemDisk(), path, b"a" * 500, b"b" * 500, ahead=False)
    assert taken(path) < AHEAD / 4


def test_what_a_killed_process_had_taken_goes_when_the_file_is_settled(tmp_path: Path) -> None:
    path = tmp_path / "s"
    written(SystemDisk(), path, b"a" * 500, ahead=True)  # and never closed
    assert taken(path) >= AHEAD
    SystemDisk().cut(path, path.stat().st_size)
    assert path.read_bytes() == MAGIC + b"a" * 500
    assert taken(path) < AHEAD / 4


def test_a_disk_that_gives_no_room_ahead_costs_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "_fallocate", lambda: lambda fd, mode, end, size: -1)
    path = tmp_path / "s"
    file = written(SystemDisk(), path, b"a" * 500, b"b" * 500, ahead=True)
    file.close()
    assert path.read_bytes() == MAGIC + b"a" * 500 + b"b" * 500


def test_a_poisoned_segment_is_left_as_it_is_its_room_too(tmp_path: Path) -> None:
    disk, path = FaultyDisk(), tmp_path / "s"
    file = written(disk, path, b"a" * 500, ahead=True)
    disk.fail["sync"] = [no_space()]
    file.stage(b"b" * 500)
    with pytest.raises(Exception, match="No space left"):
        file.commit(True)
    file.close()
    assert taken(path) >= AHEAD
    assert os.path.getsize(path) == len(MAGIC) + 1000
