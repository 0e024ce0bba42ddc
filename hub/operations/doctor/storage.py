"""The disk under the state directory: a file is written and synced, and what the kernel knows of the card is read.

    /proc/self/mountinfo                    device and options of the mount (proc_pid_mountinfo(5))
    /sys/dev/block/MAJOR:MINOR              its partition and disk
    /sys/block/mmcblk*/device/…             type, date, life_time and pre_eol_info (Documentation/mmc/mmc-dev-attrs)
    /sys/fs/ext4/PARTITION/…                errors_count, lifetime_write_kbytes (ABI/testing/sysfs-fs-ext4)

`life_time` are two estimates, of both kinds of cells: 0x01 is up to 10 % of the designed life, 0x0b more than all of
it. `pre_eol_info` tells of the spare blocks: 0x01 normal, 0x02 80 % are used, 0x03 urgent (JESD84-B50, EXT_CSD 267 to
269). SD cards tell neither, only when they were made.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hub.core.disk.atomic_files import still_takes, sync_directory
from hub.core.text import Phrase, phrase, system_error
from hub.operations.doctor.findings import CARD, DISK, FILE_SYSTEM, NOTE, OK, WRITING, WRONG, Finding
from hub.operations.doctor.machine import MOST_TABLE, Machine, whole_number

MIN_FREE = 256 * 1024 * 1024
MIN_INODES = 1000
SLOW_S = 0.5
"""A commit of the buffer waits for as long as a sync takes."""
TRIED = 65536
OLD_YEARS = 8
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MADE = re.compile(r"(0[1-9]|1[0-2])/(20[0-9]{2})")
_GIGABYTE = 1e9


class Mount(NamedTuple):
    """Where a directory lies: mount point, MAJOR:MINOR, type of the file system, whether it is read-only."""

    point: str
    device: str
    kind: str
    read_only: bool


def written(directory: Path, clock: Callable[[], float] = time.monotonic) -> Finding:
    """Write a file there, sync it and its name, read it back and remove it."""
    path = directory / f".doctor-{secrets.token_hex(8)}"
    data = secrets.token_bytes(TRIED)
    began = clock()
    try:
        try:
            if _back(path, data) != data:
                return Finding(
                    WRITING,
                    WRONG,
                    phrase(
                        "read-back-differs", "what was written to {directory} is not what is read", directory=directory
                    ),
                    _REPLACE,
                )
            sync_directory(directory)
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
    except OSError as error:
        return _refused(directory, error)
    took = clock() - began
    says = phrase(
        "file-written-and-synced",
        "{size} kB written, synced and read back in {milliseconds:.0f} ms",
        size=TRIED // 1024,
        milliseconds=took * 1000,
    )
    if took <= SLOW_S:
        return Finding(WRITING, OK, says)
    return Finding(
        WRITING,
        NOTE,
        says,
        phrase(
            "sync-is-slow",
            "slow: is another program writing (`iotop`)? If it stays so, the card is worn: replace it",
        ),
    )


_REPLACE = phrase("replace-the-card", "the card or disk is failing: make a backup (`ilot backup`) and replace it now")


def _back(path: Path, data: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        left = data
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
        still_takes(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # so that it is read from the disk
        return os.pread(descriptor, len(data), 0)
    finally:
        os.close(descriptor)


def _refused(directory: Path, error: OSError) -> Finding:
    remedies = {
        errno.EROFS: phrase(
            "disk-turned-read-only",
            "a failing card turns read-only: `dmesg` shows why. Make a backup (`ilot backup`) and replace the card",
        ),
        errno.EIO: _REPLACE,
        errno.ENOSPC: phrase("free-some-room", "free some room: `du -xh --max-depth=2 / | sort -h | tail` shows where"),
        errno.EDQUOT: phrase("raise-the-quota", "raise the quota of the hub's user"),
        errno.EACCES: phrase(
            "not-its-directory", "it is not this user's: `ilot doctor --fix` as root gives it to the hub's user"
        ),
        errno.ENOENT: phrase("enroll-makes-it", "`ilot enroll TOKEN` makes it"),
    }
    return Finding(
        WRITING,
        WRONG,
        phrase("nothing-written", "nothing can be written to {directory}: {reason}", directory=directory,
               reason=system_error(error)),
        remedies.get(error.errno or 0, ""),
    )  # fmt: skip


def look(machine: Machine, state: Path, now: float) -> Iterator[Finding]:
    """Yield room, errors and wear of the disk under the state directory."""
    yield from _room(machine.path(str(state)) if not machine.here else state)
    mount = mount_of(machine, state)
    if mount is None:
        return
    if mount.read_only:
        yield Finding(
            FILE_SYSTEM,
            WRONG,
            phrase("mounted-read-only", "{point} is mounted read-only", point=mount.point),
            phrase(
                "why-read-only",
                "`dmesg` says whether the kernel did that after an error: then replace the card; else "
                "`mount -o remount,rw {point}`",
                point=mount.point,
            ),
        )
    partition = _partition(machine, mount.device)
    if partition is None:
        return
    yield from _errors(machine, partition.name, mount)
    disk = partition.parent if (partition / "partition").exists() else partition
    yield from _wear(machine, disk, _written(machine, partition.name), now)


def _room(state: Path) -> Iterator[Finding]:
    try:
        found = os.statvfs(state)
    except OSError:
        return  # said elsewhere
    free = found.f_bavail * found.f_frsize
    scarce = free < MIN_FREE or (found.f_files > 0 and found.f_favail < MIN_INODES)
    yield Finding(
        DISK,
        WRONG if scarce else OK,
        phrase(
            "disk-room",
            "{free:.1f} of {size:.1f} GB free",
            free=free / _GIGABYTE,
            size=found.f_blocks * found.f_frsize / _GIGABYTE,
        ),
        phrase("disk-free-some-room", "free some room: the buffer drops the oldest readings when the disk is full")
        if scarce
        else "",
    )


def mount_of(machine: Machine, directory: Path) -> Mount | None:
    """Return the mount that holds a directory, the longest that fits; None where the kernel does not say."""
    best: Mount | None = None
    where = os.path.realpath(directory) if machine.here else str(directory)
    for line in machine.text("/proc/self/mountinfo", MOST_TABLE).splitlines():
        fields = line.split()
        if len(fields) < 10 or "-" not in fields[6:]:
            continue
        point = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4])
        if where != point and not where.startswith(point.rstrip("/") + "/"):
            continue
        if best is None or len(point) >= len(best.point):
            rest = fields[fields.index("-", 6) + 1 :]
            options = {*fields[5].split(","), *(rest[2].split(",") if len(rest) > 2 else ())}
            best = Mount(point, fields[2], rest[0] if rest else "", "ro" in options)
    return best


def _partition(machine: Machine, device: str) -> Path | None:
    """Return the folder in /sys of the block device, of an encrypted or mapped one that of what it lies on."""
    if not re.fullmatch(r"[0-9]{1,5}:[0-9]{1,7}", device):
        return None
    try:
        found = machine.path(f"/sys/dev/block/{device}").resolve(strict=True)
        for _ in range(4):
            below = next(iter(sorted((found / "slaves").iterdir())), None) if (found / "slaves").is_dir() else None
            if below is None:
                break
            found = below.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return found


def _errors(machine: Machine, partition: str, mount: Mount) -> Iterator[Finding]:
    folder = f"/sys/fs/ext4/{partition}"
    count = machine.number(f"{folder}/errors_count")
    if count is None:
        return
    if not count:
        yield Finding(FILE_SYSTEM, OK, phrase("ext4-without-errors", "{point}: no error noted", point=mount.point))
        return
    last = machine.number(f"{folder}/last_error_time")
    yield Finding(
        FILE_SYSTEM,
        WRONG,
        phrase(
            "ext4-errors",
            "{point}: {count} [error|errors] noted, the last on {moment}",
            point=mount.point,
            count=count,
            moment=_day(last) if last else "?",
        ),
        phrase(
            "check-file-system",
            "make a backup (`ilot backup`), then check the file system at the next start: add fsck.mode=force to "
            "/boot/firmware/cmdline.txt once. If errors return, replace the card",
        ),
    )


def _written(machine: Machine, partition: str) -> int | None:
    kilobytes = machine.number(f"/sys/fs/ext4/{partition}/lifetime_write_kbytes")
    return None if kilobytes is None or kilobytes < 0 else kilobytes * 1024


def _wear(machine: Machine, disk: Path, put: int | None, now: float) -> Iterator[Finding]:
    device = disk / "device"
    kind, name = machine.word(device / "type"), machine.word(device / "name") or machine.word(device / "model")
    facts: list[Phrase | str] = [" ".join(filter(None, (disk.name, kind if kind in ("SD", "MMC") else "", name)))]
    age = _age(machine.word(device / "date"), now) if kind in ("SD", "MMC") else None
    if age is not None:
        facts.append(phrase("card-made", "made {count} [year|years] ago", count=age))
    if put is not None:
        facts.append(
            phrase("card-lifetime-written", "{size:.1f} GB written since it was formatted", size=put / _GIGABYTE)
        )
    used = _life(machine.word(device / "life_time"))
    spare = machine.number(device / "pre_eol_info")
    if used is not None:
        facts.append(phrase("card-life-used", "up to {percent} % of its life used", percent=used))
    state, remedy = _verdict(used, spare, age)
    yield Finding(CARD, state, phrase("card-facts", "{facts}", facts=facts), remedy)


def _verdict(used: int | None, spare: int | None, age: int | None) -> tuple[str, str]:
    if spare == 3 or (used is not None and used > 100):
        return WRONG, _REPLACE
    if spare == 2 or (used is not None and used > 80):
        return NOTE, phrase("card-nearly-worn", "nearly worn: have a new card ready, and a backup (`ilot backup`)")
    if age is not None and age >= OLD_YEARS:
        return NOTE, phrase("card-is-old", "an old card: have a new one ready, and a backup (`ilot backup`)")
    return OK, ""


def _life(word: str) -> int | None:
    """Return the percentage of life that the worse of both estimates stands for; 110 for what is beyond it."""
    found = [number for part in word.split()[:2] if (number := whole_number(part)) is not None and 1 <= number <= 11]
    return max(found) * 10 if found else None


def _age(made: str, now: float) -> int | None:
    """Return the whole years since a date MM/YYYY of a card's register, None for one that cannot be."""
    found = _MADE.fullmatch(made)
    if found is None:
        return None
    years = (now - dt.datetime(int(found[2]), int(found[1]), 1, tzinfo=dt.UTC).timestamp()) / (365.25 * 86400)
    return int(years) if years >= 0 else None


def _day(unix_s: int) -> str:
    try:
        return f"{dt.datetime.fromtimestamp(unix_s, dt.UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return "?"
