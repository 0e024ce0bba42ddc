"""Which plugin instances may not run now, and why: those that a crisis cuts off. They wait, and go on by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

Key = tuple[str, str]
"""("exporter", "notifier" or "integration", name)."""


class _Held(Exception):
    """Ends a run from beside."""


class Pauses:
    """One a hub."""

    def __init__(self) -> None:
        self._why: dict[Key, str] = {}
        self._turn = asyncio.Event()

    def hold(self, why: Mapping[Key, str]) -> None:
        """These stop, and do not start, until `hold` is called without them."""
        self._why = dict(why)
        self._turn.set()
        self._turn = asyncio.Event()

    def why(self, key: Key) -> str:
        return self._why.get(key, "")

    async def passing(self, key: Key, start: Callable[[], Awaitable[None]], told: Callable[[str], None]) -> None:
        """Run `start` while this instance is not held; `told` hears why it waits, and "" when it goes on. Raises what
        `start` raises."""
        while True:
            while why := self.why(key):
                told(why)
                await self._turn.wait()
            told("")
            failed, held = None, False
            try:
                async with asyncio.TaskGroup() as group:
                    guard = group.create_task(self._until_held(key))
                    try:
                        await start()
                    except Exception as error:
                        failed = error
                    guard.cancel()
            except* _Held:
                held = True
            if failed is not None:
                raise failed
            if not held:
                return

    async def _until_held(self, key: Key) -> None:
        while not self.why(key):
            await self._turn.wait()
        raise _Held
