"""Use of a process, as the kernel counts it, and whether its import goes on."""

from __future__ import annotations

import os
from typing import NamedTuple

from hub.core.text import Phrase, phrase

SLEEPS_S, BUSY_S = 5, 10.0
"""Seconds that an import may sleep at a stretch, and that it may have of the processor."""
_STILL_US = 10_000


class Use(NamedTuple):
    """Processor time in microseconds, memory that is shared with no file in bytes, and whether its first thread waits
    for something that is no disk; zeros when it is gone."""

    processor: int = 0
    memory: int = 0
    asleep: bool = False


def used(pid: int) -> Use:
    """Return what a process uses."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = map(int, file.read().split())
        ticks, pages = int(fields[11]) + int(fields[12]), resident - shared
    except (OSError, ValueError, IndexError):
        return Use()
    clock, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return Use(ticks * 1_000_000 // clock, pages * page, fields[0] == b"S")


class ImportWatch:
    """Judges an import by what its process uses, once a second: a slow board computes or reads its disk, and one that
    hangs sleeps, or computes without an end."""

    def __init__(self) -> None:
        self._processor = self._slept = 0

    def stuck(self, use: Use) -> Phrase | None:
        """Return why the import will not end, None while it may."""
        still = use.asleep and use.processor - self._processor <= _STILL_US
        self._slept = self._slept + 1 if still else 0
        self._processor = use.processor
        if self._slept >= SLEEPS_S:
            return phrase("plugin-import-waits", "importing it waited {seconds:.0f} s for something", seconds=SLEEPS_S)
        if use.processor > BUSY_S * 1e6:
            return phrase("plugin-import-endless", "importing it took {seconds:.0f} s of the processor", seconds=BUSY_S)
        return None
