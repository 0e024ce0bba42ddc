"""Parses texts of /proc and /sys and the kernel's clock state to readings. Pure.

proc(5), proc_loadavg(5), proc_meminfo(5), proc_uptime(5), adjtimex(2), statvfs(3), and
Documentation/driver-api/thermal/sysfs-api.rst of Linux. Every parser raises DecodeError on an invalid text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import hub
from hub.sdk.phrases import phrase

CPU_ZONE = re.compile(r"cpu|soc|core|pkg|package", re.ASCII | re.IGNORECASE)
"""Thermal zones of a processor, as kernels name them: cpu-thermal, soc_thermal, x86_pkg_temp, bigcore0-thermal …"""

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
STA_UNSYNC = 0x0040


@dataclass(frozen=True, slots=True)
class ThermalZone:
    """A thermal zone: the texts of its `type` and `temp` files."""

    type: str
    temp: str


@dataclass(frozen=True, slots=True)
class FileSystem:
    """Result of statvfs(3): counts of blocks of `frsize` bytes; `bavail` is available to ordinary users."""

    frsize: int
    blocks: int
    bfree: int
    bavail: int


@dataclass(frozen=True, slots=True)
class ClockState:
    """Result of adjtimex(2) with `modes` 0: its return value, `status`, and `maxerror` in microseconds."""

    state: int
    status: int
    maxerror: int


def load(text: str) -> dict[str, float]:
    """Parse /proc/loadavg: the first figure, processes that run or wait, averaged over 1 minute."""
    return {"cpu_load": _number("loadavg", _fields("loadavg", text)[0])}


def uptime(text: str) -> dict[str, float]:
    """Parse /proc/uptime: seconds since boot, suspended time included."""
    return {"uptime": _number("uptime", _fields("uptime", text)[0])}


def memory(text: str) -> dict[str, float]:
    """Parse /proc/meminfo: memory not available for new work, in percent of all. Empty where the kernel does not report
    it."""
    sizes = {}
    for line in text.splitlines():
        key, colon, size = line.partition(":")
        if colon and key in ("MemTotal", "MemAvailable"):
            sizes[key] = _number("meminfo", _fields("meminfo", size)[0])
    if not sizes.get("MemTotal"):
        raise hub.DecodeError("bad-meminfo", phrase("host.no-memory-total", "no MemTotal"))
    if "MemAvailable" not in sizes:
        return {}
    share = _percent(sizes["MemTotal"] - sizes["MemAvailable"], sizes["MemTotal"])
    return {"memory_used": share}


def temperature(zones: Iterable[ThermalZone]) -> dict[str, float]:
    """Return the hottest zone of the processor, in degrees Celsius, without other zones (battery, radio, board). Empty
    without such a zone, or while it has no value."""
    hottest = [_millidegrees(zone.temp) for zone in zones if CPU_ZONE.search(zone.type) and zone.temp.strip()]
    return {"cpu_temperature": max(hottest)} if hottest else {}


def disk(system: FileSystem) -> dict[str, float]:
    """Return used space as in `df`, in percent of the space for ordinary users, and free space in MiB. Empty for a file
    system without size (proc, an empty overlay)."""
    used = system.blocks - system.bfree
    if system.blocks <= 0 or used < 0 or min(system.frsize, system.bavail) < 0 or used + system.bavail == 0:
        return {}
    return {"disk_used": _percent(used, used + system.bavail), "disk_free": float(system.bavail * system.frsize >> 20)}


def clock(state: ClockState) -> dict[str, float | bool]:
    """Return whether the kernel's clock is synchronised and, only then, its maximum error in seconds: without
    synchronisation the kernel's figure is a ceiling (16 s), not a measure."""
    if state.state == TIME_ERROR or state.status & STA_UNSYNC:
        return {"clock_synchronised": False}
    if state.maxerror < 0:
        raise hub.DecodeError("bad-clock", phrase("host.negative-clock-error", "a negative maximum error"))
    return {"clock_synchronised": True, "clock_error": state.maxerror / 1e6}


def model(text: str) -> str:
    """Return the machine's name from the device tree or DMI, without its padding; at most 64 printable characters."""
    return "".join(c for c in text.replace("\0", " ").strip() if c.isprintable())[:64]


def _fields(source: str, text: str) -> list[str]:
    fields = text.split()
    if not fields:
        raise hub.DecodeError(f"bad-{source}", phrase("host.empty-source", "empty"))
    return fields


def _number(source: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise hub.DecodeError(f"bad-{source}", phrase("host.not-a-number", "not a number")) from error
    if not math.isfinite(number) or number < 0:
        raise hub.DecodeError(f"bad-{source}", phrase("host.not-a-positive-number", "not a positive number"))
    return number


def _millidegrees(text: str) -> float:
    try:
        degrees = int(text) / 1000
    except (ValueError, OverflowError) as error:
        raise hub.DecodeError(
            "bad-thermal", phrase("host.not-whole-millidegrees", "not a whole number of millidegrees")
        ) from error
    return degrees


def _percent(part: float, whole: float) -> float:
    return min(100.0, max(0.0, 100 * (part / whole)))
