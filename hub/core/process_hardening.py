"""Protects the keys in this process by limits of Linux.

    PR_SET_DUMPABLE 0    no core dump, also to a core_pattern that is a program, which RLIMIT_CORE does not stop;
                         other processes of the same user can neither trace this one nor read /proc/PID/mem
    RLIMIT_CORE 0        the same for every child, whatever it runs
    mlockall             where there is swap and the memory limit allows it, pages are kept out of it

Nothing here keeps root out.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from pathlib import Path

from hub.core.text import phrase, reason_of

PR_SET_DUMPABLE = 4  # prctl(2)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # mlockall(2)

_SWAPS = Path("/proc/swaps")


def harden() -> list[str]:
    """Close this process; never raises. Returns what could not be done, one sentence each, for the log and
    `ilot doctor`. Calling it again is harmless."""
    steps = (_no_dumps, _no_cores, _no_swap)
    return [sentence for step in steps if (sentence := step())]


def _no_dumps() -> str:
    error = _call(lambda libc: libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
    return error and phrase(
        "memory-readable", "other processes of this user can read the memory of this one: {reason}", reason=error
    )


def _no_cores() -> str:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        return phrase(
            "core-dumps-possible",
            "a program started from here may leave a core dump: {reason}",
            reason=reason_of(error),
        )
    return ""


def _no_swap() -> str:
    if not _swap():
        return ""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY and not _may_lock():
        # Locked all the same, the next allocation beyond the limit would fail: worse than swap.
        return phrase(
            "keys-in-swap-by-limit",
            "keys in memory may be written to swap: set LimitMEMLOCK=infinity, or use no swap but zram",
        )
    # ONFAULT: what is never touched, such as the rest of a thread's stack, takes no memory.
    error = _call(lambda libc: libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
    return error and phrase("keys-in-swap", "keys in memory may be written to swap: {reason}", reason=error)


def _swap() -> bool:
    """Return whether there is swap that outlives the power. zram is memory."""
    try:
        lines = _SWAPS.read_text().splitlines()[1:]
    except OSError:
        return True
    return any(not line.startswith("/dev/zram") for line in lines)


def _may_lock() -> bool:
    """CAP_IPC_LOCK (14), from the effective set."""
    try:
        status = Path("/proc/self/status").read_text()
        return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> 14 & 1)
    except (OSError, ValueError, IndexError):
        return False


def _call(function: Callable[[ctypes.CDLL], int]) -> str:
    """Return the error text of the C library, empty when the call worked."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if not function(libc):
            return ""
        number = ctypes.get_errno()
        return reason_of(OSError(number, os.strerror(number)))
    except (OSError, AttributeError) as error:
        return reason_of(error)
