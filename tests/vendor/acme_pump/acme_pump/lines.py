"""The lines of an Acme circulator. Pure.

GET       STATE sn=7 running=1 power=312
RUN 0     OK, or ERR and why
"""

from __future__ import annotations

import re

import hub

LONGEST = 200
"""Bytes of a line, its end included."""
GET = b"GET\n"
_STATE = re.compile(rb"STATE sn=([0-9]{1,9}) running=([01]) power=([0-9]{1,5})\r?\n")


def decode(line: bytes) -> hub.Report:
    """Raises DecodeError: `line-size`, `line-shape`."""
    if len(line) > LONGEST:
        raise hub.DecodeError("line-size", f"{len(line)} bytes")
    found = _STATE.fullmatch(line)
    if found is None:
        raise hub.DecodeError("line-shape", repr(line[:40]))
    number, running, power = map(int, found.groups())
    return hub.Report(
        device=f"pump:{number}",
        values={"running": bool(running), "power": power},
    )


def request(command: hub.Command) -> bytes:
    """The line that carries a command out. Raises PluginError for one that is none of a circulator's."""
    if command.metric != "running" or not isinstance(command.value, bool):
        raise hub.PluginError(f"a circulator runs or stands: {command.metric} is none")
    return b"RUN %d\n" % command.value
