"""The disk under the state: what it refuses is said with a remedy, and what the kernel knows of the card is read."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hub.operations.doctor import storage
from hub.operations.doctor.findings import NOTE, OK, WRONG
from hub.operations.doctor.machine import Machine

from .machine_kit import tree, write

NOW = 1_795_000_000.0  # 2026-11-18
STATE = Path("/var/lib/ilot")


@contextmanager
def mounted(where: Path, *options: str) -> Iterator[Path]:
    """A tmpfs. Skips where this user may not mount."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", *options, "ilot-doctor", str(where)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.decode().strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def test_a_file_is_written_and_synced_and_nothing_is_left(tmp_path: Path) -> None:
    assert storage.written(tmp_path).state == OK
    assert list(tmp_path.iterdir()) == []
    missing = storage.written(tmp_path / "none")
    assert (missing.state, "ilot enroll" in missing.remedy) == (WRONG, True)


@pytest.mark.real("processes")
def test_a_file_system_that_is_read_only_is_wrong_for_the_writing_and_for_the_mount(tmp_path: Path) -> None:
    with mounted(tmp_path) as where:
        assert storage.written(where).state == OK
        subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        found = storage.written(where)
        assert (found.state, "Read-only file system" in found.says, "replace the card" in found.remedy) == (
            WRONG, True, True,
        )  # fmt: skip
        mount = storage.mount_of(Machine(), where)
        assert mount is not None
        assert (mount.point, mount.kind, mount.read_only) == (str(where), "tmpfs", True)
        assert any("mounted read-only" in one.says for one in storage.look(Machine(), where, NOW))


@pytest.mark.real("processes")
def test_a_disk_that_is_full_says_so_and_how_to_find_what_fills_it(tmp_path: Path) -> None:
    with mounted(tmp_path, "-o", "size=128k") as where:
        (where / "fill").write_bytes(bytes(100 * 1024))
        found = storage.written(where)
        assert (found.state, "No space left" in found.says, "du -xh" in found.remedy) == (WRONG, True, True)
        assert [one.state for one in storage.look(Machine(), where, NOW) if one.what == "disk"] == [WRONG]
        assert [one.name for one in where.iterdir()] == ["fill"]


@pytest.mark.parametrize("call", ["fsync", "write", "pread"])
def test_an_error_of_the_medium_at_any_step_is_a_failing_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, refuse)
    found = storage.written(tmp_path)
    monkeypatch.undo()
    assert (found.state, "ilot backup" in found.remedy) == (WRONG, True)
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_gives_back_something_else_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pread", lambda *_: bytes(storage.TRIED))
    assert storage.written(tmp_path).state == WRONG


def test_a_slow_sync_is_told(tmp_path: Path) -> None:
    ticks = itertools.count(0.0, storage.SLOW_S + 0.1)
    found = storage.written(tmp_path, clock=lambda: next(ticks))
    assert (found.state, "slow" in found.remedy) == (NOTE, True)


@pytest.mark.parametrize(
    ("card", "state", "says"),
    [
        ({"type": "SD", "name": "SC32G", "date": "08/2024"}, OK, "mmcblk0 SD SC32G, made 2 years ago"),
        ({"type": "SD", "name": "SC32G", "date": "08/2017"}, NOTE, "made 9 years ago"),
        ({"type": "SD", "name": "x", "date": "13/2017"}, OK, "mmcblk0 SD x"),
        ({"type": "SD", "name": "x", "date": "01/2099"}, OK, "mmcblk0 SD x"),
        ({"type": "MMC", "name": "BJTD4R", "life_time": "0x01 0x02", "pre_eol_info": "0x01"}, OK, "up to 20 %"),
        ({"type": "MMC", "name": "BJTD4R", "life_time": "0x09 0x01", "pre_eol_info": "0x01"}, NOTE, "up to 90 %"),
        ({"type": "MMC", "name": "BJTD4R", "life_time": "0x0b 0x01", "pre_eol_info": "0x01"}, WRONG, "up to 110 %"),
        ({"type": "MMC", "name": "BJTD4R", "life_time": "0x01 0x01", "pre_eol_info": "0x02"}, NOTE, "up to 10 %"),
        ({"type": "MMC", "name": "BJTD4R", "life_time": "0x01 0x01", "pre_eol_info": "0x03"}, WRONG, "up to 10 %"),
        ({"type": "MMC", "name": "BJTD4R", "life_time": "0x00 0xff", "pre_eol_info": "none"}, OK, "BJTD4R"),
        ({"model": "Samsung SSD"}, OK, "mmcblk0 Samsung SSD"),
    ],
)
def test_wear_and_age_of_a_card_are_told(tmp_path: Path, card: dict[str, str], state: str, says: str) -> None:
    machine = tree(tmp_path, card, {"lifetime_write_kbytes": "52000000"})
    (found,) = (one for one in storage.look(machine, STATE, NOW) if one.what == "card")
    assert (found.state, bool(found.remedy)) == (state, state != OK)
    assert says in found.says
    assert "53.2 GB written" in found.says


@pytest.mark.parametrize(("errors", "state"), [("0", OK), ("3", WRONG)])
def test_errors_that_ext4_noted_are_told(tmp_path: Path, errors: str, state: str) -> None:
    machine = tree(tmp_path, ext4={"errors_count": errors, "last_error_time": "1794787200"})
    (found,) = (one for one in storage.look(machine, STATE, NOW) if one.what == "file system")
    assert found.state == state
    assert ("2026-11-16" in found.says) == (state == WRONG)


def test_the_mount_is_the_longest_that_holds_the_directory_and_its_name_is_unescaped(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/mountinfo": (
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 8:2 / /var/lib/my\\040hub rw - ext4 /dev/sda2 ro,errors=remount-ro\n"
        "3 1 8:3 / /var/lib/my rw - ext4 /dev/sda3 rw\n"
        "torn line\n"
    )})  # fmt: skip
    found = storage.mount_of(Machine(tmp_path), Path("/var/lib/my hub/state"))
    assert found == ("/var/lib/my hub", "8:2", "ext4", True)
