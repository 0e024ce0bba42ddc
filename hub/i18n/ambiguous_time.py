"""The hour that comes twice: when summer time ends, a time on the wall is two moments. Pure.

Where people read such a time, its offset stands behind it: 02:30 UTC+2 is an hour before 02:30 UTC+1.
"""

from __future__ import annotations

from datetime import datetime

MINUS = "\u2212"


def offset(local: datetime) -> str:
    """How far the clocks of its zone are ahead of UTC then: `UTC`, `UTC+2`, `UTC−9:30`."""
    east = local.strftime("%z")
    if east == "+0000":
        return "UTC"
    return f"UTC{east[0].replace('-', MINUS)}{int(east[1:3])}{':' + east[3:] if east[3:] != '00' else ''}"


def offset_if_ambiguous(local: datetime) -> str:
    """The offset of a moment whose time on the wall comes twice; "" of any other. `local` is as `fromtimestamp` gives
    it, with a zone, or without one where the machine's is meant: a time that comes not at all is none of a moment."""
    if local.timestamp() == local.replace(fold=not local.fold).timestamp():
        return ""
    return offset(local if local.tzinfo is not None else local.astimezone())
