"""Whether a time server keeps this machine's clock, by the kernel (adjtimex(2))."""

from __future__ import annotations

import ctypes

_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX = 512  # bytes: struct timex has 208 on 64-bit Linux


def is_clock_synchronised() -> bool | None:
    """Return whether a time server keeps this machine's clock; None where the kernel does not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX))  # `modes` 0 only reads
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED
