"""The part of a session that the sources of this integration use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from logging import Logger, LoggerAdapter
from typing import Protocol


class Life(Protocol):
    """See `hub.Session`."""

    @property
    def name(self) -> str: ...
    @property
    def log(self) -> LoggerAdapter[Logger]: ...
    def every(self, interval: timedelta) -> AsyncIterator[float]: ...
