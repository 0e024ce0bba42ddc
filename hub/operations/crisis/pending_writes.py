"""What the store knows of a crisis, and what it does not know yet because the disk refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from hub.core.errors import StorageError
from hub.operations.crisis.state import KEY, State, decode, encode


class Memory(Protocol):
    """`hub.core.store.Store`, as much as is needed of it."""

    async def get(self, key: str) -> bytes | None: ...
    async def audit(
        self, at: float, who: str, what: Mapping[str, object], noting: Mapping[str, bytes] | None = None
    ) -> None: ...


class _Entry(NamedTuple):
    state: State
    at: float
    who: str
    what: Mapping[str, object]


class PendingWrites:
    """`kept` is the state that a restart would find. What is owed to the audit log is written in its order, each entry
    with the state that it led to; one that came late says so: `late_s`, whole seconds."""

    def __init__(self, memory: Memory, now: Callable[[], float]) -> None:
        self._memory, self._now = memory, now
        self._owed: list[_Entry] = []
        self._turn = asyncio.Lock()
        self.kept = State()
        self.error = ""

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    async def load(self) -> State:
        """Raises StorageError."""
        self.kept = decode(await self._memory.get(KEY))
        return self.kept

    def owe(self, state: State, at: float, who: str, what: Mapping[str, object]) -> None:
        """This holds since `at` (Unix seconds), and is to be remembered with its audit."""
        self._owed.append(_Entry(state, at, who, what))

    def disown(self) -> None:
        """The newest entry did not come to pass."""
        self._owed.pop()
        self.error = "" if not self._owed else self.error

    async def settle(self) -> None:
        """Write down what is owed. Raises StorageError, and still owes what was not written."""
        async with self._turn:
            while self._owed:
                state, at, who, what = self._owed[0]
                late = int(self._now() - at)
                said = {**what, "late_s": late} if late > 0 else what
                try:
                    await self._memory.audit(at, who, said, {KEY: encode(state)})
                except (StorageError, OSError) as error:
                    self.error = str(error)
                    raise StorageError(self.error) from error
                self.kept = state
                self._owed.pop(0)
            self.error = ""
