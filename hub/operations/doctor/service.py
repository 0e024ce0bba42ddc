"""The installed service: its user, configuration and state, from its unit files; its state, from systemd.

systemd.unit(5): a unit file in /etc hides that in /run and that in /usr/lib; drop-ins of all three are read in the
order of their names. Only what decides user and files is read, not all of systemd's syntax.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from hub.core.text import phrase
from hub.operations.doctor.findings import NOTE, OK, SERVICE, WRONG, Finding
from hub.operations.doctor.machine import MOST_TABLE, Machine, whole_number

UNIT = "ilot.service"
_FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_SHOWN = (
    "LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "WatchdogUSec", "Result", "MainPID",
    "ActiveEnterTimestampMonotonic", "NeedDaemonReload",
)  # fmt: skip
_LATELY_S = 3600.0
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class Unit(NamedTuple):
    """The installed service: its unit file, user and groups, its configuration file ("" where it names none) and its
    state directory."""

    file: str
    user: str
    groups: tuple[str, ...]
    config: str
    state: str


class User(NamedTuple):
    """A user of the service: numbers, as they decide what it may open."""

    name: str
    uid: int
    gid: int
    groups: frozenset[int]


def installed(machine: Machine) -> Unit | None:
    """Return the installed service of the hub, None where there is none."""
    file = next((f"{folder}/{UNIT}" for folder in _FOLDERS if os.path.isfile(machine.path(f"{folder}/{UNIT}"))), None)
    if file is None:
        return None
    said: dict[str, str] = {}
    groups: list[str] = []
    for name in (file, *_drop_ins(machine)):
        for key, value in _settings(machine.text(name, MOST_TABLE)):
            if key == "SupplementaryGroups":
                groups = [*groups, *value.split()] if value else []
            else:
                said[key] = value
    user = said.get("User", "")
    state = said.get("StateDirectory", "").partition(" ")[0].partition(":")[0]
    return Unit(
        file,
        user if _NAME.fullmatch(user) else "root",
        tuple(one for one in groups if _NAME.fullmatch(one)),
        _config(said.get("ExecStart", "")),
        f"/var/lib/{state}" if state and ".." not in state else "",
    )


def user_of(unit: Unit) -> User | None:
    """Return the user that the service runs as, with all its groups; None where the machine has no such user."""
    import grp

    try:
        entry = pwd.getpwnam(unit.user)
    except KeyError:
        return None
    extra = set()
    for name in unit.groups:
        try:
            extra.add(grp.getgrnam(name).gr_gid)
        except KeyError:
            continue
    return User(unit.user, entry.pw_uid, entry.pw_gid, frozenset({*os.getgrouplist(unit.user, entry.pw_gid), *extra}))


def look(machine: Machine, unit: Unit | None) -> Iterator[Finding]:
    """Yield whose service is installed and how it does."""
    if unit is None:
        yield Finding(
            SERVICE,
            NOTE,
            phrase("no-service-installed", "{unit} is not installed on this machine", unit=UNIT),
            phrase(
                "install-the-service",
                "install the package ilot: a hub that somebody started by hand does not come back after a power cut",
            ),
        )
        return
    yield Finding(
        SERVICE,
        OK,
        phrase(
            "service-named",
            "{unit} runs as {user} with {config}",
            unit=UNIT,
            user=unit.user,
            config=unit.config or phrase("config-not-named", "no file named"),
        ),
    )
    if not machine.path("/run/systemd/system").is_dir():
        yield Finding(
            SERVICE,
            NOTE,
            phrase("no-systemd-runs", "systemd does not run here: whether the hub comes back by itself is not known"),
            phrase("look-where-systemd-runs", "ask on the machine itself, not in a container or a rescue system"),
        )
        return
    yield from _state(machine, properties(machine))


def properties(machine: Machine, most: int = 64) -> dict[str, str]:
    """Return the properties of the unit that systemd knows; {} where it does not answer."""
    said = machine.ask("systemctl", "show", UNIT, "--no-pager", f"--property={','.join(_SHOWN)}")
    pairs = (line.partition("=") for line in (said or "").splitlines()[:most])
    return {key: value[:200] for key, sign, value in pairs if sign}


def _state(machine: Machine, said: dict[str, str]) -> Iterator[Finding]:
    if not said:
        yield Finding(
            SERVICE,
            WRONG,
            phrase("systemd-silent", "systemd does not say how {unit} does", unit=UNIT),
            phrase("ask-systemd", "`systemctl status {unit}`", unit=UNIT),
        )
        return
    state, sub = said.get("ActiveState", "?"), said.get("SubState", "?")
    if state != "active":
        yield Finding(
            SERVICE,
            WRONG,
            phrase(
                "service-not-active",
                "{unit} is {state} ({sub}, result {result})",
                unit=UNIT,
                state=state,
                sub=sub,
                result=said.get("Result", "?"),
            ),
            phrase(
                "start-the-service",
                "`journalctl -u {unit} -n 50` says why; then `systemctl reset-failed {unit}` and "
                "`systemctl start {unit}`",
                unit=UNIT,
            ),
        )
    if said.get("UnitFileState") not in ("enabled", "enabled-runtime", "static"):
        yield Finding(
            SERVICE,
            WRONG,
            phrase("service-not-enabled", "{unit} is not started when the machine starts", unit=UNIT),
            phrase("enable-the-service", "`systemctl enable {unit}`", unit=UNIT),
        )
    if said.get("WatchdogUSec", "0") in ("", "0", "infinity"):
        yield Finding(
            SERVICE,
            NOTE,
            phrase("service-without-watchdog", "{unit} has no watchdog: a hub that hangs is not restarted", unit=UNIT),
            phrase(
                "take-the-packaged-unit",
                "take the unit of the package: `systemctl revert {unit}`, `systemctl restart {unit}`",
                unit=UNIT,
            ),
        )
    if said.get("NeedDaemonReload") == "yes":
        yield Finding(
            SERVICE,
            NOTE,
            phrase("unit-file-newer", "the unit file changed since systemd read it"),
            phrase("reload-systemd", "`systemctl daemon-reload`, then `systemctl restart {unit}`", unit=UNIT),
        )
    yield from _restarts(machine, said, state)


def _restarts(machine: Machine, said: dict[str, str], state: str) -> Iterator[Finding]:
    count = whole_number(said.get("NRestarts", "")) or 0
    if state != "active":
        return
    began = whole_number(said.get("ActiveEnterTimestampMonotonic", ""))
    try:
        up = float(machine.text("/proc/uptime").split()[0])
    except (ValueError, IndexError):
        up = 0.0
    since = up - began / 1e6 if began is not None else None
    lately = count > 0 and since is not None and since < _LATELY_S
    running = phrase(
        "service-active", "active, restarted by systemd {count} [time|times] since it was started", count=count
    )
    remedy = phrase("why-it-restarted", "`journalctl -u {unit} -p warning -n 50` says why it ended", unit=UNIT)
    yield Finding(SERVICE, NOTE if lately else OK, running, remedy if lately else "")


def _drop_ins(machine: Machine) -> list[str]:
    found: dict[str, str] = {}
    for folder in reversed(_FOLDERS):
        for path in machine.names(f"{folder}/{UNIT}.d/*.conf"):
            found[path.name] = f"{folder}/{UNIT}.d/{path.name}"
    return [found[name] for name in sorted(found)]


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each setting of [Service], lines that go on joined."""
    here = False
    for line in map(str.strip, text.replace("\\\n", " ").splitlines()):
        if line.startswith("["):
            here = line == "[Service]"
        elif here and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield key.strip(), value.strip().strip('"')


def _config(command: str) -> str:
    """Return the file that the command line of the service names as its configuration, "" where it names none."""
    try:
        words = shlex.split(command.lstrip("-@+!:"))
    except ValueError:
        return ""
    for word, following in pairwise([*words, ""]):
        if word in ("--config", "-c") and following.startswith("/"):
            return str(Path(following))
        if word.startswith("--config=/"):
            return str(Path(word.partition("=")[2]))
    return ""
