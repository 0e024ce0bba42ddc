"""The machine: room, a written and synced file, the clock, and the releases of what runs."""

from __future__ import annotations

import os
import shutil
import ssl
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from backend.maintenance.doctor.findings import (
    CLOCK,
    DAY_S,
    DISK,
    NOTE,
    OK,
    RELEASE,
    TIME_SERVER,
    WRITING,
    WRONG,
    Finding,
)
from hub.core.clock import BUILD_FLOOR
from hub.core.disk.atomic_files import PRIVATE
from hub.core.text import phrase, reason_of
from hub.core.time_server import is_clock_synchronised

WRONG_FREE, NOTE_FREE = 1 << 30, 10 << 30
"""Bytes of the disk: below the first a busy day may fill it."""
FEW_FILES = 10_000
SLOW_S = 0.5
_TEST = b"ilot" * 16_384


def look(directory: Path) -> Iterator[Finding]:
    """Yield the findings about the disk of this directory."""
    yield from _disk(directory)
    yield _writing(directory)


def _disk(directory: Path) -> Iterator[Finding]:
    free, total = (shutil.disk_usage(directory)[n] for n in (2, 0))
    files = os.statvfs(directory)
    state = WRONG if free < WRONG_FREE else NOTE if free < min(NOTE_FREE, total // 10) else OK
    few = files.f_files > 0 and files.f_favail < FEW_FILES
    yield Finding(
        DISK,
        WRONG if few else state,
        phrase("disk-free", "{free:.1f} of {total:.1f} GB free", free=free / 1e9, total=total / 1e9),
        ""
        if state == OK and not few
        else phrase(
            "backend-disk-remedy",
            "a larger disk, or fewer days: `ilot backend retention {directory}`",
            directory=directory,
        ),
    )


def _writing(directory: Path) -> Finding:
    path, began = directory / f".doctor-{os.getpid()}", time.monotonic()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
        try:
            path.unlink()
            os.write(descriptor, _TEST)
            os.fsync(descriptor)
            same = os.pread(descriptor, len(_TEST), 0) == _TEST
        finally:
            os.close(descriptor)
    except OSError as error:
        remedy = phrase("writing-remedy", "room, a file system that may be written, the rights of the service's user")
        return Finding(WRITING, WRONG, reason_of(error), remedy)
    took = time.monotonic() - began
    says = phrase(
        "test-file-took",
        "a file of 64 kB was written, synced and read back in {milliseconds:.0f} ms",
        milliseconds=took * 1e3,
    )
    if not same:
        altered = phrase("test-file-differs", "a file of 64 kB reads back as something else")
        return Finding(
            WRITING, WRONG, altered, phrase("change-disk", "a copy (`ilot backend backup`), then another disk")
        )
    if took > SLOW_S:
        return Finding(
            WRITING,
            NOTE,
            says,
            phrase("backend-disk-is-slow", "the disk is busy or worn: each acknowledgement waits for it"),
        )
    return Finding(WRITING, OK, says)


def clock(now: float, newest: float | None) -> Iterator[Finding]:
    """Yield the findings about the clock; `newest` is when the newest state of a hub arrived by it, if known."""
    shown = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    set_it = phrase("set-clock", "`timedatectl set-ntp true`, or set it by hand")
    behind = now < BUILD_FLOOR or (newest is not None and now < newest - DAY_S)
    yield Finding(CLOCK, WRONG if behind else OK, shown, set_it if behind else "")
    kept = is_clock_synchronised()
    if kept:
        yield Finding(TIME_SERVER, OK, phrase("clock-is-kept", "a time server keeps the clock"))
    else:
        says = (
            phrase("backend-clock-not-kept", "no time server keeps the clock")
            if kept is False
            else phrase("clock-keeper-unknown", "the kernel does not say whether a time server keeps the clock")
        )
        yield Finding(TIME_SERVER, NOTE, says, set_it)


def releases(running: str = "") -> Iterator[Finding]:
    """Yield the releases of this software and of what it runs on; `running` is that of the running server, if known."""
    installed = version("ilot")
    if running and running != installed:
        says = phrase(
            "release-differs", "{running} runs, {installed} is installed", running=running, installed=installed
        )
        yield Finding(RELEASE, NOTE, says, phrase("restart-backend", "`systemctl restart ilot-backend`"))
    else:
        yield Finding(RELEASE, OK, installed)
    yield Finding("Python", OK, sys.version.split()[0])
    yield Finding("TLS", OK, ssl.OPENSSL_VERSION)
