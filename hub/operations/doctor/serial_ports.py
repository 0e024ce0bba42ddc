"""Serial ports that the configuration names: there, with rights, and who holds them.

Who has a device open stands in /proc/PID/fd; of other users' processes only root sees it. It is collected before root
becomes the hub's user, for every character device at once, so that no configuration has to be read for it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hub.core.text import phrase
from hub.operations.doctor.findings import NOTE, OK, SERIAL_PORT, WRONG, Finding
from hub.operations.doctor.machine import Machine, whole_number

MOST_PROCESSES = 32_768
MOST_FILES = 4096
MOST_PORTS = 64
_TERMINALS = range(136, 144)  # majors, Documentation/admin-guide/devices.txt


class Holder(NamedTuple):
    """A process that has a device open, by number and name."""

    pid: int
    name: str


Key = tuple[int, int]
Holders = Mapping[Key, list[Holder]]
"""Device → who has it open."""


def holders(machine: Machine) -> Holders:
    """Return who holds which character device, as far as this user may see."""
    found: dict[Key, list[Holder]] = {}
    with suppress(OSError):
        for entry in sorted(os.scandir(machine.path("/proc")), key=lambda one: one.name)[:MOST_PROCESSES]:
            pid = whole_number(entry.name)
            if pid is None or pid == os.getpid():
                continue
            for device in _devices(Path(entry.path) / "fd"):
                found.setdefault(device, []).append(Holder(pid, machine.word(f"/proc/{pid}/comm") or "?"))
    return found


def key_of(status: os.stat_result) -> Key:
    """Return the number of a device; of a pseudo-terminal with its file system, as each container has others of the
    same number."""
    return (status.st_dev if os.major(status.st_rdev) in _TERMINALS else 0, status.st_rdev)


def _devices(folder: Path) -> set[Key]:
    """Return the character devices that a process has open."""
    found = set()
    with suppress(OSError):
        for name in os.listdir(folder)[:MOST_FILES]:
            with suppress(OSError):
                status = os.stat(folder / name)
                if stat.S_ISCHR(status.st_mode):
                    found.add(key_of(status))
    return found


def ports_of(values: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return device file → who names it in the configuration: pairs of a name and options, at any depth."""
    found: dict[str, str] = {}
    for name, value in values:
        for port in _device_files(value, 4):
            if len(found) < MOST_PORTS:
                found.setdefault(port, name)
    return found


def _device_files(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("/dev/"):
            yield value
    elif depth and isinstance(value, Mapping):
        for one in value.values():
            yield from _device_files(one, depth - 1)
    elif depth and isinstance(value, list | tuple | set):
        for one in value:
            yield from _device_files(one, depth - 1)


def look(ports: Mapping[str, str], held: Holders, hub: set[int], *, all_seen: bool) -> Iterator[Finding]:
    """Yield how each port is, as this user may open it. `hub`: processes of the running hub, which may hold it.
    `all_seen`: `held` was collected by root."""
    for port, name in ports.items():
        yield _port(port, name, held, hub, all_seen)


def _port(port: str, name: str, held: Holders, hub: set[int], all_seen: bool) -> Finding:
    try:
        found = os.stat(port)
    except OSError:
        return Finding(
            SERIAL_PORT,
            WRONG,
            phrase("port-not-there", "{port} ({name}) is not there", port=port, name=name),
            phrase(
                "plug-the-adapter-in",
                "is the adapter plugged in? `ls /dev/serial/by-id/` shows those that are; name it by that name",
            ),
        )
    if not stat.S_ISCHR(found.st_mode):
        return Finding(
            SERIAL_PORT,
            WRONG,
            phrase("port-is-no-device", "{port} ({name}) is no device", port=port, name=name),
            phrase("name-the-right-port", "name the right one: `ls -l /dev/serial/by-id/`"),
        )
    others = [one for one in held.get(key_of(found), ()) if one.pid not in hub]
    if others:
        return Finding(
            SERIAL_PORT,
            WRONG,
            phrase(
                "port-held-by", "{port} ({name}) is held by {program}, process {pid}", port=port, name=name,
                program=others[0].name, pid=others[0].pid,
            ),
            phrase(
                "stop-the-holder",
                "one line has one reader: stop it (`systemctl status {pid}` names its service; a console on the line "
                "is switched off by raspi-config, Serial Port)",
                pid=others[0].pid,
            ),
        )  # fmt: skip
    if not os.access(port, os.R_OK | os.W_OK):
        return Finding(
            SERIAL_PORT,
            WRONG,
            phrase("port-not-permitted", "{port} ({name}) may not be opened by this user", port=port, name=name),
            phrase(
                "join-dialout",
                "`ls -l {port}` names its group: `usermod -aG dialout ilot`, then `systemctl restart ilot`",
                port=port,
            ),
        )
    if any(one.pid in hub for one in held.get(key_of(found), ())):
        return Finding(SERIAL_PORT, OK, phrase("port-held-by-hub", "{port} ({name}) is held by the running hub",
                                               port=port,
                                               name=name))  # fmt: skip
    if not all_seen:
        return Finding(
            SERIAL_PORT,
            NOTE,
            phrase("port-holder-unseen", "{port} ({name}) is there; who holds it only root sees", port=port, name=name),
            phrase("call-as-root", "`sudo ilot doctor`"),
        )
    return Finding(SERIAL_PORT, OK, phrase("port-free", "{port} ({name}) is there and free", port=port, name=name))
