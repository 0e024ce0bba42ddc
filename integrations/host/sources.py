"""Reads the sources of readings: /proc, /sys, statvfs and adjtimex. I/O only, no decoding.

Nothing here changes the machine: adjtimex is called with `modes` 0, which only reads.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hub
from integrations.host import decode

PROC = Path("/proc")
SYS = Path("/sys")

Value = float | int | bool | str
Dropped = Callable[[hub.DecodeError], None]


def read(disk: Path, dropped: Dropped, *, proc: Path = PROC, sys: Path = SYS) -> dict[str, Value]:
    """Return every reading with a valid source. A missing or forbidden source (a container, a machine without sensors)
    gives none; an invalid one is `dropped`."""
    values: dict[str, Value] = {}
    for source in (
        lambda: decode.load((proc / "loadavg").read_text()),
        lambda: decode.memory((proc / "meminfo").read_text()),
        lambda: decode.uptime((proc / "uptime").read_text()),
        lambda: decode.temperature(_zones(sys)),
        lambda: decode.disk(_statvfs(disk)),
        lambda: decode.clock(_adjtimex()),
    ):
        try:
            values.update(source())
        except (OSError, UnicodeDecodeError):
            continue
        except hub.DecodeError as error:
            dropped(error)
    return values


def machine(*, proc: Path = PROC, sys: Path = SYS) -> str:
    """Return the machine's model, "" when it is not known."""
    for path in (proc / "device-tree/model", sys / "class/dmi/id/product_name"):
        try:
            if name := decode.model(path.read_text()):
                return name
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def _zones(sys: Path) -> Iterator[decode.ThermalZone]:
    for zone in sorted((sys / "class/thermal").glob("thermal_zone*")):
        try:
            yield decode.ThermalZone(type=(zone / "type").read_text(), temp=(zone / "temp").read_text())
        except OSError:  # a disabled zone answers EAGAIN or ENODATA; the others still work
            continue


def _statvfs(disk: Path) -> decode.FileSystem:
    found = os.statvfs(disk)
    return decode.FileSystem(found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail)


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; glibc's and musl's, 32 and 64 bits."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def _adjtimex() -> decode.ClockState:
    """Call adjtimex. Raises OSError where it is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    timex = _Timex(modes=0)
    state = libc.adjtimex(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return decode.ClockState(state=state, status=timex.status, maxerror=timex.maxerror)
