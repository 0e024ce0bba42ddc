"""The city's database from the event loop: reads in threads, writes one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from backend.storage.city.database import CityDatabase, Reader, Transaction

READERS = 4
T = TypeVar("T")


class CityStore:
    """Runs work over the city's database. Raises StorageError, and what the work raises."""

    def __init__(self, database: CityDatabase) -> None:
        self.database = database
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="city-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="city-write")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run work in one transaction, and return what it returns once that is durable."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run work over one snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def run(self, work: Callable[[], T]) -> T:
        """Run work that asks another database or takes long, in a reader's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def beside(self, work: Callable[[Reader], object]) -> None:
        """Run work over one snapshot beside; nobody waits for it, and what it raises is dropped. Any thread."""
        self._readers.submit(self._read, work)

    async def close(self) -> None:
        """Finish what was asked, then close the database."""
        await asyncio.to_thread(self._close)

    def _write(self, work: Callable[[Transaction], T]) -> T:
        with self.database.transaction() as transaction:
            return work(transaction)

    def _read(self, work: Callable[[Reader], T]) -> T:
        with self.database.snapshot() as reader:
            return work(reader)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self.database.close()
