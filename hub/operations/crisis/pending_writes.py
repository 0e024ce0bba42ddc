"""Crisis states that are not stored yet, because the disk refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from hub.core.errors import StorageError
from hub.core.text import reason_of
from hub.operations.crisis.state import KEY, State, decode, encode


class AuditStore(Protocol):
    """The part of `hub.core.store.Store` that is used here."""

    async def get(self, key: str) -> bytes | None: ...
    async def audit(
        self, at: float, who: str, what: Mapping[str, object], meta: Mapping[str, bytes] | None = None
    ) -> None: ...


class _Entry(NamedTuple):
    state: State
    at: float
    who: str
    what: Mapping[str, object]


class PendingWrites:
    """Queue of states and their audit entries. `kept` is the state that a restart would find. Entries are written in
    order, each with the state that it led to; a late one says so: `late_s`, whole seconds."""

    def __init__(self, memory: AuditStore, now: Callable[[], float]) -> None:
        self._memory, self._now = memory, now
        self._owed: list[_Entry] = []
        self._turn = asyncio.Lock()
        self.kept = State()
        self.error = ""

    @property
    def pending(self) -> bool:
        return bool(self._owed)

    async def load(self) -> State:
        """Load the stored state. Raises StorageError."""
        self.kept = decode(await self._memory.get(KEY))
        return self.kept

    def add(self, state: State, at: float, who: str, what: Mapping[str, object]) -> None:
        """Queue a state that holds since `at` (Unix seconds), with its audit entry."""
        self._owed.append(_Entry(state, at, who, what))

    def discard(self) -> None:
        """Remove the newest entry, whose action did not happen."""
        self._owed.pop()
        self.error = "" if not self._owed else self.error

    async def flush(self) -> None:
        """Write the queue. Raises StorageError, and keeps the entries that were not written."""
        async with self._turn:
            while self._owed:
                state, at, who, what = self._owed[0]
                late = int(self._now() - at)
                said = {**what, "late_s": late} if late > 0 else what
                try:
                    await self._memory.audit(at, who, said, {KEY: encode(state)})
                except (StorageError, OSError) as error:
                    self.error = reason_of(error)
                    raise StorageError(self.error) from error
                self.kept = state
                self._owed.pop(0)
            self.error = ""
