"""One open database for the tasks of a process that is not ingest: each waits for its turn, in one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from backend.storage.engine import Storage
from backend.storage.opening import open_storage

T = TypeVar("T")


class CallStorage(Protocol):
    """Runs work over an open database, one after the other, and returns what it returns."""

    def __call__(self, work: Callable[[Storage], T], /) -> Awaitable[T]: ...


class SharedStorage:
    """The database at an address, opened when it is used first, and again after it could not be. Raises StorageError
    from what it is asked."""

    def __init__(self, address: Path | str) -> None:
        self._address = address
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="storage")
        self._storage: Storage | None = None

    async def call(self, work: Callable[[Storage], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def close(self) -> None:
        """Finish what was asked, then close the database."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _do(self, work: Callable[[Storage], Any]) -> Any:
        if self._storage is None:
            self._storage = open_storage(self._address)
        return work(self._storage)

    def _close(self) -> None:
        if self._storage is not None:
            self._storage.close()
