"""Ambiguous local time: when summer time ends, an hour occurs twice. Pure.

Where people read such a time, its offset is added: 02:30 UTC+2 is an hour before 02:30 UTC+1.
"""

from __future__ import annotations

from datetime import datetime

MINUS = "\u2212"


def offset(local: datetime) -> str:
    """Return the offset of its zone from UTC then: `UTC`, `UTC+2`, `UTC−9:30`."""
    east = local.strftime("%z")
    if east == "+0000":
        return "UTC"
    return f"UTC{east[0].replace('-', MINUS)}{int(east[1:3])}{':' + east[3:] if east[3:] != '00' else ''}"


def offset_if_ambiguous(local: datetime) -> str:
    """Return the offset of a moment whose local time occurs twice; "" for any other, and for local times that do not
    exist. `local` is a result of `fromtimestamp`, with a zone, or without one for the machine's own."""
    if local.timestamp() == local.replace(fold=not local.fold).timestamp():
        return ""
    return offset(local if local.tzinfo is not None else local.astimezone())
