"""A file is replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

import pytest

from hub.core.disk import atomic_files
from hub.core.disk.atomic_files import shred, sync_data, write_atomically
from tests.hub.swap_kit import swapped_before


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

    monkeypatch.setattr(atomic_files.secrets, "token_bytes", random)
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
    atomic_files.hand_over_all(hubs)
    with pytest.raises(OSError, match="symbolic"):
        atomic_files.hand_over(hubs / "keys" / "link")
    assert {path.name: path.stat().st_uid for path in [theirs, *theirs.iterdir()]} == {
        "roots": 0,
        "linked": 0,
        "named twice": 0,
    }
    assert [(hubs / name).stat().st_gid for name in ("keys", "keys/made")] == [12346, 12346]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is led astray")
@pytest.mark.parametrize("made_by", [0, 12345])
@pytest.mark.parametrize("leads_to", ["roots", "hubs", "nothing"])
def test_root_follows_a_link_of_its_own_or_to_what_is_of_whoever_made_it(
    tmp_path: Path, made_by: int, leads_to: str
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    os.chown(hub, 12345, 12345)
    for name, owner in (("roots", 0), ("hubs", 12345)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("here")
        for path in (tmp_path / name, tmp_path / name / "file"):
            os.chown(path, owner, owner)
    (hub / "link").symlink_to(tmp_path / leads_to / "file")
    (hub / "folder").symlink_to(tmp_path / leads_to)
    for name in ("link", "folder"):
        os.chown(hub / name, made_by, made_by, follow_symlinks=False)
    strange = made_by == 12345 and leads_to != "hubs"
    assert sorted(atomic_files.strange_links(hub)) == ([hub / "folder", hub / "link"] if strange else [])
    for name in ("link", "folder/file", "folder/new"):
        if strange:
            with pytest.raises(atomic_files.StrangeLink, match="chown -h root"):
                atomic_files.refuse_strange_links(hub / name, hub)
        else:
            atomic_files.refuse_strange_links(hub / name, hub)
    if strange and leads_to == "roots":
        with pytest.raises(atomic_files.StrangeLink):
            atomic_files.open_here(hub / "link", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        assert (tmp_path / "roots" / "file").read_text() == "here"
    elif leads_to == "nothing":
        with pytest.raises(FileNotFoundError):
            atomic_files.open_here(hub / "link", os.O_RDWR | os.O_CREAT)
        assert not (tmp_path / "nothing").exists()
    else:
        os.close(atomic_files.open_here(hub / "link", os.O_RDWR))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a file over")
def test_a_file_that_has_another_name_is_not_handed_over_by_the_one_that_is_in_the_hubs_directory(
    tmp_path: Path,
) -> None:
    hub, theirs = tmp_path / "hub", tmp_path / "shadow"
    hub.mkdir()
    os.chown(hub, 12345, 12345)
    theirs.write_text("root's own")
    (hub / "lock").hardlink_to(theirs)
    atomic_files.hand_over(hub / "lock")
    assert theirs.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a file over")
@pytest.mark.parametrize("by", ["link", "second name", "another user's"])
def test_what_takes_the_place_of_a_file_that_root_made_is_never_handed_over(tmp_path: Path, by: str) -> None:
    """Whenever it is put there, between any two steps."""
    hub, theirs, step, tried = tmp_path / "hub", tmp_path / "shadow", 0, True
    hub.mkdir()
    os.chown(hub, 12345, 12345)
    theirs.write_text("root's own")
    others = 777 if by == "another user's" else 0
    os.chown(theirs, others, others)

    def swap() -> None:
        (hub / "made").unlink()
        if by == "link":
            (hub / "made").symlink_to(theirs)
        elif by == "second name":
            (hub / "made").hardlink_to(theirs)
        else:
            theirs.rename(hub / "made")

    while tried:
        step += 1
        if by == "another user's" and (hub / "made").exists() and (hub / "made").stat().st_uid == others:
            (hub / "made").rename(theirs)
        (hub / "made").unlink(missing_ok=True)
        (hub / "made").write_text("by root")
        with contextlib.suppress(FileNotFoundError):  # it was taken away at that very step
            tried = swapped_before(step, swap, lambda: atomic_files.hand_over_all(hub))
        there = theirs if theirs.exists() else hub / "made"
        assert there.stat().st_uid == others, f"swapped before step {step}"
    assert step > 10, "between all steps"
    assert (hub / "made").stat().st_uid == 12345


def test_who_is_not_root_follows_links_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    (tmp_path / "there").write_text("here")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    os.close(atomic_files.open_here(tmp_path / "link", os.O_RDWR))
    atomic_files.refuse_strange_links(tmp_path / "link", tmp_path)
    assert list(atomic_files.strange_links(tmp_path)) == []


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (errno.EROFS, "the file system has given up"),
        (errno.EIO, "the file system has given up"),
        (errno.ENODATA, "all is well: no file has that name"),
        (errno.EOPNOTSUPP, "it knows no such names"),
        (errno.EPERM, "nobody may set them"),
    ],
    ids=errno.errorcode.get,
)
def test_a_sync_is_done_only_where_the_file_system_still_lets_something_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int, means: str
) -> None:
    """That ext4 speaks so is shown on a real one: tests/faults/aborted.py."""

    def answer(descriptor: int, name: str) -> None:
        raise OSError(said, os.strerror(said))

    monkeypatch.setattr(os, "removexattr", answer)
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(b"promised")
        if "given up" in means:
            with pytest.raises(OSError, match=os.strerror(said)):
                sync_data(file.fileno())
        else:
            sync_data(file.fileno())


def test_a_sync_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(b"promised")
        before = os.fstat(file.fileno())
        sync_data(file.fileno())
        after = os.fstat(file.fileno())
        assert (before.st_mtime_ns, before.st_ctime_ns, before.st_size) == (after.st_mtime_ns, after.st_ctime_ns, 8)
        assert os.listxattr(file.fileno()) == []
