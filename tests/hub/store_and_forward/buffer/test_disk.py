"""What the one place that makes bytes durable asks of the operating system."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from buffer_kit import Party, batch, rows

from hub.store_and_forward.buffer.disk import SystemDisk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(call, path) of each sync from here on, as Linux names what is behind the descriptor."""
    calls: list[tuple[str, str]] = []
    for name in ("fsync", "fdatasync"):
        true = getattr(os, name)

        def call(fd: int, name: str = name, true: object = true) -> None:
            calls.append((name, os.readlink(f"/proc/self/fd/{fd}")))
            true(fd)  # type: ignore[operator]

        monkeypatch.setattr(os, name, call)
    return calls


def test_a_first_commit_is_a_sync_of_its_file_then_of_its_directory_and_the_next_one_of_its_file(
    party: Party, tmp_path: Path, synced: list[tuple[str, str]]
) -> None:
    journal = party.journal(tmp_path)
    synced.clear()
    journal.commit(batch(rows(0, 1)))
    (path,) = (tmp_path / "readings").glob("*.seg")
    assert synced == [("fdatasync", str(path)), ("fsync", str(path.parent))]
    synced.clear()
    journal.commit(batch(rows(1, 1)))
    assert synced == [("fdatasync", str(path))]
    journal.close()


def test_what_is_cut_is_shorter_and_whole_on_the_medium(tmp_path: Path, synced: list[tuple[str, str]]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"whole-torn")
    SystemDisk().cut(path, 5)
    assert path.read_bytes() == b"whole"
    assert synced == [("fsync", str(path))]


def test_each_directory_that_is_made_outlives_the_power_by_the_one_above_it(
    tmp_path: Path, synced: list[tuple[str, str]]
) -> None:
    SystemDisk().make_directory(tmp_path / "one" / "two")
    assert synced == [("fsync", str(tmp_path)), ("fsync", str(tmp_path / "one"))]
    synced.clear()
    SystemDisk().make_directory(tmp_path / "one" / "two")
    assert synced == []
    assert stat.S_IMODE((tmp_path / "one" / "two").stat().st_mode) == 0o700
