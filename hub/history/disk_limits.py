"""Limits of history on disk."""

from __future__ import annotations

from typing import NamedTuple


class DiskLimits(NamedTuple):
    """For how many seconds a kind of history stays on disk, and how many bytes it may take there."""

    keep_s: float
    max_bytes: int
