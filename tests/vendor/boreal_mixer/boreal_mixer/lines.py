"""The lines of a Boreal gateway. Pure.

LIST          UNITS 3 8
GET 3         UNIT 3 flow=35.5 set=36.0
SET 3 38.0    OK, or ERR and why
"""

from __future__ import annotations

import re

import hub

LONGEST = 400
"""Bytes of a line, its end included."""
MOST = 99
LIST = b"LIST\n"
_UNITS = re.compile(rb"UNITS((?: [1-9][0-9]?){0,99})\r?\n")
_NUMBER = rb"(-?[0-9]{1,3}(?:\.[0-9]{1,2})?)"
_UNIT = re.compile(rb"UNIT ([1-9][0-9]?) flow=%b set=%b\r?\n" % (_NUMBER, _NUMBER))


def units(line: bytes) -> list[int]:
    """The numbers of the units behind a gateway. Raises DecodeError."""
    return [int(one) for one in _matched(_UNITS, line)[1].split()]


def get(number: int) -> bytes:
    """The line that asks for a unit's values."""
    return b"GET %d\n" % number


def values(line: bytes) -> tuple[int, dict[str, hub.Value]]:
    """A unit's number and what it says. Raises DecodeError."""
    number, flow, wanted = _matched(_UNIT, line).groups()
    return int(number), {"flow_temperature": float(flow), "setpoint": float(wanted)}


def order(number: int, command: hub.Command) -> bytes:
    """The line that carries a command out. Raises PluginError for one that no unit takes."""
    value = command.value
    if command.metric != "setpoint" or isinstance(value, bool | str) or value is None:
        raise hub.PluginError(
            f"a mixing unit takes a set point: {command.metric} is none"
        )
    return b"SET %d %.1f\n" % (number, value)


def _matched(form: re.Pattern[bytes], line: bytes) -> re.Match[bytes]:
    if len(line) > LONGEST:
        raise hub.DecodeError("line-size", f"{len(line)} bytes")
    found = form.fullmatch(line)
    if found is None:
        raise hub.DecodeError("line-shape", repr(line[:40]))
    return found
