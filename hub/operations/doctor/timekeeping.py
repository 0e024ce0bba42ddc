"""Time: the clock, who keeps it, what keeps it without power, and the time zone.

adjtimex(2), else systemd-timedated     whether a time server keeps the clock
/sys/class/rtc/rtc*                     a clock with a battery; battery_voltage of Raspberry Pi 5, in µV
/dev/rtc*, RTC_VL_READ                  what other chips tell of their battery (linux/rtc.h), for root alone
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import struct
from collections.abc import Iterable, Iterator

from hub.core.clock import SystemClock
from hub.core.text import phrase
from hub.core.time_server import is_clock_synchronised
from hub.operations.doctor.findings import CLOCK, NOTE, OK, RTC, TIME_SERVER, TIME_ZONE, WRONG, Finding
from hub.operations.doctor.machine import MOST_SHOWN, Machine

LOW_MICROVOLT = 2_000_000
"""Below this a cell of 3 V is nearly empty; next to nothing is no cell."""
NO_CELL_MICROVOLT = 300_000
_RTC_VL_READ = 0x80047013
_DATA_INVALID, _BACKUP_LOW, _BACKUP_EMPTY = 1, 2, 4
_ZONES = "/zoneinfo/"
_KEEPERS = {
    "systemd-timesyncd": "/run/systemd/timesync/synchronized",
    "chrony": "/run/chrony",
    "ntpsec": "/run/ntpsec",
}


def look(machine: Machine, kept: bool | None) -> Iterator[Finding]:
    """Yield clock, time server and battery-backed clock. `kept`: whether a time server keeps the clock."""
    clock = SystemClock()
    now = dt.datetime.fromtimestamp(clock.now(), dt.UTC)
    yield Finding(
        CLOCK,
        OK if clock.sure() else WRONG,
        f"{now:%Y-%m-%d %H:%M:%S} UTC",
        ""
        if clock.sure()
        else phrase(
            "clock-before-build", "it is before this software was built: set it, or let it reach a time server"
        ),
    )
    yield _time_server(machine, kept)
    yield _battery(machine, kept)


def synchronised(machine: Machine) -> bool | None:
    """Return whether a time server keeps the clock: by the kernel, which the hub's own unit keeps a check of its pages
    from asking (`ProtectClock=`), else by systemd; None where neither says."""
    kept = is_clock_synchronised()
    if kept is None and (said := machine.ask("timedatectl", "show", "--property=NTPSynchronized", "--value")):
        return {"yes": True, "no": False}.get(said.strip())
    return kept


def _time_server(machine: Machine, kept: bool | None) -> Finding:
    keepers = [name for name, sign in _KEEPERS.items() if machine.path(sign).exists()]
    if kept:
        return Finding(
            TIME_SERVER,
            OK,
            phrase("time-server-by", "the clock is kept by {keeper}", keeper=keepers)
            if keepers
            else phrase("time-server-keeps", "the clock is kept by a time server"),
        )
    says = (
        phrase("time-server-unknown", "the kernel does not say whether a time server keeps the clock")
        if kept is None
        else phrase("time-server-none", "no time server keeps the clock")
    )
    return Finding(
        TIME_SERVER,
        NOTE,
        says,
        phrase(
            "reach-a-time-server",
            "`apt install systemd-timesyncd`, `timedatectl set-ntp true`; name one that this network reaches (UDP 123) "
            "in /etc/systemd/timesyncd.conf: NTP=…; `timedatectl timesync-status` shows it",
        ),
    )


def _battery(machine: Machine, kept: bool | None) -> Finding:
    clocks = machine.names("/sys/class/rtc/rtc[0-9]*")
    if not clocks:
        return Finding(
            RTC,
            OK if kept else NOTE,
            phrase("no-rtc", "none: after a power cut the time is not known until a time server answers"),
            ""
            if kept
            else phrase(
                "add-rtc", "with no time server in reach, add one: Raspberry Pi 5 takes a cell, others a module"
            ),
        )
    name = machine.word(clocks[0] / "name") or clocks[0].name
    microvolt = machine.number(clocks[0] / "battery_voltage")
    cell = phrase("put-a-cell-in", "put in a new cell, then `hwclock --systohc`")
    if microvolt is not None and microvolt < LOW_MICROVOLT:
        if microvolt < NO_CELL_MICROVOLT:
            return Finding(RTC, OK if kept else NOTE, phrase("rtc-without-cell", "{name}, without a cell", name=name),
                           "" if kept else cell)  # fmt: skip
        says = phrase("rtc-cell-low", "{name}, its cell has {volt:.1f} V left", name=name, volt=microvolt / 1e6)
        return Finding(RTC, NOTE, says, cell)
    flags = _voltage_flags(machine.path(f"/dev/{clocks[0].name}"))
    if flags & (_DATA_INVALID | _BACKUP_EMPTY):
        return Finding(
            RTC, WRONG, phrase("rtc-cell-empty", "{name}, its cell is empty: it lost the time", name=name), cell
        )
    if flags & _BACKUP_LOW:
        return Finding(RTC, NOTE, phrase("rtc-cell-nearly-empty", "{name}, its cell is nearly empty", name=name), cell)
    if microvolt is not None:
        return Finding(RTC, OK, phrase("rtc-cell-volts", "{name}, its cell has {volt:.1f} V", name=name,
                                       volt=microvolt / 1e6))  # fmt: skip
    return Finding(RTC, OK, phrase("rtc-present", "{name}", name=name))


def _voltage_flags(device: os.PathLike[str]) -> int:
    """Return what the chip says of its battery, 0 where it says nothing: not root, in use, or a chip that cannot."""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        found = fcntl.ioctl(descriptor, _RTC_VL_READ, struct.pack("I", 0))
        return int(struct.unpack("I", found)[0])
    except (OSError, struct.error):
        return 0
    finally:
        os.close(descriptor)


def look_at_zone(machine: Machine, zones: Iterable[str]) -> Finding:
    """Return how the time zone is. `zones`: those of the hub's sites."""
    wanted = set(zones)
    name = time_zone(machine)
    if not name:
        return Finding(
            TIME_ZONE,
            NOTE,
            phrase("time-zone-not-set", "not set: commands and logs tell times in UTC"),
            _set_zone(wanted),
        )
    if wanted and name not in wanted:
        return Finding(
            TIME_ZONE,
            NOTE,
            phrase("time-zone-other", "{zone}, and the site of the hub is in {site}", zone=name, site=sorted(wanted)),
            _set_zone(wanted),
        )
    return Finding(TIME_ZONE, OK, name)


def _set_zone(wanted: set[str]) -> str:
    return phrase(
        "set-time-zone",
        "`timedatectl set-timezone {zone}`; pages, reports and alerts use the site's own zone all the same",
        zone=min(wanted, default="Europe/Paris"),
    )


def time_zone(machine: Machine) -> str:
    """Return the machine's time zone by its name, "" where none is set."""
    try:
        target = os.readlink(machine.path("/etc/localtime"))
    except OSError:
        return machine.word("/etc/timezone")
    return target.partition(_ZONES)[2][:MOST_SHOWN]
