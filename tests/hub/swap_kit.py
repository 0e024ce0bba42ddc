"""Whoever owns a directory may put a link in it between any two steps of root: here that is tried between all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_OURS = (
    "/hub/core/disk/",
    "/hub/config/history.py",
    "/hub/operations/backups/restore.py",
    "/hub/devices/packs/library.py",
)


def swapped_before(step: int, swap: Callable[[], None], work: Callable[[], object]) -> bool:
    """Do `work`, and `swap` before its step of that number: a line of what opens files for root. False when `work`
    ended before. What it raises is raised."""
    count = 0

    def traced(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            if count == step:
                sys.settrace(None)
                swap()
                return None
        return traced if count < step else None

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        return traced if count < step and any(part in frame.f_code.co_filename for part in _OURS) else None

    former = sys.gettrace()
    sys.settrace(called)
    try:
        work()
    finally:
        sys.settrace(former)
    return count >= step


def state_of(directory: Path) -> dict[str, tuple[object, ...]]:
    """All that can be changed in a directory: names, bytes, rights and owners."""
    return {
        str(path.relative_to(directory)): (
            (found := path.lstat()).st_mode,
            found.st_uid,
            found.st_gid,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [directory, *directory.rglob("*")]
    }
