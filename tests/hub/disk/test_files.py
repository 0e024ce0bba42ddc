"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hub.disk import files
from hub.disk.files import shred, write_atomically


def test_writing_atomically_replaces_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two", 0o644)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_writing_that_fails_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")

    def refuse(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_lets_nobody_change_modes_takes_private_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.fchmod", refuse)  # as on a stick with FAT that another user has mounted
    write_atomically(tmp_path / "file", b"one")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_it_is_synced_before_it_is_renamed_and_the_directory_after(tmp_path: Path, disk_calls: list[str]) -> None:
    write_atomically(tmp_path / "file", b"one")
    assert disk_calls == ["file", "rename", "directory"]


def test_a_file_larger_than_the_memory_is_overwritten_whole_and_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = tmp_path / "file", list[int]()
    path.write_bytes(bytes(700_001))

    def random(size: int) -> bytes:
        asked.append(size)
        return b"x" * size

    monkeypatch.setattr(files.secrets, "token_bytes", random)
    with path.open("rb") as before:
        shred(path)
        assert before.read() == b"x" * 700_001
    assert not path.exists()
    assert max(asked) <= 1 << 18


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a file over")
def test_root_hands_over_what_it_made_and_nothing_that_a_link_or_another_name_leads_to(tmp_path: Path) -> None:
    theirs, hubs = tmp_path / "roots", tmp_path / "hub"
    for directory in (theirs, hubs, hubs / "keys"):
        directory.mkdir()
    for name in ("linked", "named twice"):
        (theirs / name).write_text("root's own")
    (hubs / "keys" / "made").write_text("by root")
    (hubs / "keys" / "link").symlink_to(theirs / "linked")
    (hubs / "keys" / "second name").hardlink_to(theirs / "named twice")
    (hubs / "directory").symlink_to(theirs)
    os.chown(hubs, 12345, 12346)
    files.hand_over_all(hubs)
    with pytest.raises(OSError, match="symbolic"):
        files.hand_over(hubs / "keys" / "link")
    assert {path.name: path.stat().st_uid for path in [theirs, *theirs.iterdir()]} == {
        "roots": 0, "linked": 0, "named twice": 0,
    }  # fmt: skip
    assert [(hubs / name).stat().st_gid for name in ("keys", "keys/made")] == [12346, 12346]
