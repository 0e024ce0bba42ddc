"""Waits of the city's tests for what must happen: as patient as journeys are."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from tests.journeys.patience import PATIENCE_MS, PATIENCE_S

__all__ = ["PATIENCE_MS", "PATIENCE_S", "until"]


async def until(look: Callable[[], Any], what: str) -> Any:
    """Look again and again, in this loop or in a browser, until something is there; return that."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}"
        await asyncio.sleep(0.05)
