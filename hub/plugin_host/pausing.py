"""Pauses plugin instances that must not run during a crisis; they resume by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

Key = tuple[str, str]
"""("exporter", "notifier" or "integration", name)."""


class _Paused(Exception):
    """Raised to end a run from a sibling task."""


class Pauses:
    """The paused instances."""

    def __init__(self) -> None:
        self._why: dict[Key, str] = {}
        self._turn = asyncio.Event()

    def pause(self, why: Mapping[Key, str]) -> None:
        """Pause exactly these instances, with the reason; the others resume."""
        self._why = dict(why)
        self._turn.set()
        self._turn = asyncio.Event()

    def why(self, key: Key) -> str:
        return self._why.get(key, "")

    async def run_unless_paused(
        self, key: Key, start: Callable[[], Awaitable[None]], report: Callable[[str], None]
    ) -> None:
        """Run `start` while this instance is not paused; `report` gets the reason of each pause, and "" when it ends.

        Raises what `start` raises.
        """
        while True:
            while why := self.why(key):
                report(why)
                await self._turn.wait()
            report("")
            failed, paused = None, False
            try:
                async with asyncio.TaskGroup() as group:
                    guard = group.create_task(self._until_paused(key))
                    try:
                        await start()
                    except Exception as error:
                        failed = error
                    guard.cancel()
            except* _Paused:
                paused = True
            if failed is not None:
                raise failed
            if not paused:
                return

    async def _until_paused(self, key: Key) -> None:
        while not self.why(key):
            await self._turn.wait()
        raise _Paused
