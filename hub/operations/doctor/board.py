"""The board: its power, its temperature, its memory.

/sys/devices/platform/soc/soc:firmware/get_throttled    Raspberry Pi: bits of now (0 to 3) and since the start (16 on)
/sys/class/hwmon/*/in0_lcrit_alarm, name rpi_volt       the same of the voltage alone (Documentation/hwmon)
/sys/class/thermal/thermal_zone*/temp                   thousandths of a degree
/proc/meminfo, /sys/fs/cgroup/…/memory.events           memory, and who was killed for want of it
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.core.text import Phrase, phrase
from hub.operations.doctor.findings import MEMORY, NOTE, OK, POWER, TEMPERATURE, WRONG, Finding
from hub.operations.doctor.machine import Machine, whole_number
from hub.operations.doctor.service import UNIT

HOT_C, TOO_HOT_C = 75.0, 85.0
MIN_FREE_KB = 64 * 1024
_FIRMWARE = ("/sys/devices/platform/soc/soc:firmware/get_throttled",)
_UNDER, _CAPPED, _THROTTLED, _WARM = 1, 2, 4, 8
_BEFORE = 16
_SUPPLY = phrase(
    "better-supply", "take the maker's own power supply, a short thick cable, and USB devices off the board"
)


def look(machine: Machine) -> Iterator[Finding]:
    """Yield power, temperature and memory."""
    yield from _power(machine)
    yield from _temperature(machine)
    yield from _memory(machine)


def _power(machine: Machine) -> Iterator[Finding]:
    bits = _throttled(machine)
    alarms = [
        machine.number(folder / "in0_lcrit_alarm")
        for folder in machine.names("/sys/class/hwmon/hwmon*")
        if machine.word(folder / "name") == "rpi_volt"
    ]
    if bits is None and not any(alarm is not None for alarm in alarms):
        yield Finding(POWER, OK, phrase("power-not-told", "this board does not tell of its voltage"))
        return
    bits = bits or 0
    if bits & _UNDER or any(alarms):
        yield Finding(POWER, WRONG, phrase("voltage-too-low", "the voltage is too low now"), _SUPPLY)
    elif bits >> _BEFORE & _UNDER:
        yield Finding(
            POWER, NOTE, phrase("voltage-was-too-low", "the voltage was too low since the machine started"), _SUPPLY
        )
    else:
        yield Finding(POWER, OK, phrase("voltage-enough", "the voltage was enough since the machine started"))
    slowed = _CAPPED | _THROTTLED | _WARM
    if (bits | bits >> _BEFORE) & slowed and not (bits | bits >> _BEFORE) & _UNDER:
        yield Finding(
            TEMPERATURE,
            NOTE,
            phrase("board-slowed", "the board slowed itself down for heat since the machine started"),
            _COOL,
        )


_COOL = phrase("cool-the-board", "give it air or a heat sink, and no sun: cards and boards age faster in heat")


def _throttled(machine: Machine) -> int | None:
    for name in _FIRMWARE:
        word = machine.word(name)
        if word:
            return whole_number(word if word.startswith("0x") else f"0x{word}")
    said = machine.ask("vcgencmd", "get_throttled")
    return None if said is None else whole_number(said.strip().removeprefix("throttled=")[:20])


def _temperature(machine: Machine) -> Iterator[Finding]:
    found = [
        number / 1000
        for zone in machine.names("/sys/class/thermal/thermal_zone*")
        if (number := machine.number(zone / "temp")) is not None and -40_000 < number < 150_000
    ]
    if not found:
        return
    hottest = max(found)
    state = WRONG if hottest >= TOO_HOT_C else NOTE if hottest >= HOT_C else OK
    yield Finding(
        TEMPERATURE, state, phrase("board-degrees", "{degrees:.0f} °C", degrees=hottest), "" if state == OK else _COOL
    )


def _memory(machine: Machine) -> Iterator[Finding]:
    facts = {}
    for line in machine.text("/proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        facts[key] = whole_number(value.split()[0] if value.split() else "")
    free, size = facts.get("MemAvailable"), facts.get("MemTotal")
    if free is None or size is None:
        return
    says: Phrase = phrase("memory-free", "{free} of {size} MB free", free=free // 1024, size=size // 1024)
    remedy = phrase("who-takes-memory", "`ps -eo rss,args --sort=-rss | head` shows who takes it")
    yield Finding(MEMORY, OK if free >= MIN_FREE_KB else WRONG, says, "" if free >= MIN_FREE_KB else remedy)
    killed = 0
    for line in machine.text(f"/sys/fs/cgroup/system.slice/{UNIT}/memory.events").splitlines():
        key, _, value = line.partition(" ")
        killed += (whole_number(value) or 0) if key == "oom_kill" else 0
    if killed:
        yield Finding(
            MEMORY,
            WRONG,
            phrase("killed-for-memory", "{count} [process|processes] of the hub killed for want of memory",
                   count=killed),
            phrase("memory-limit-or-more", "`journalctl -u {unit} -g memory` says when; `ilot status` what it takes; "
                   "raise MemoryMax by `systemctl edit {unit}`, or take a larger board", unit=UNIT),
        )  # fmt: skip
