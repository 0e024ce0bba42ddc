"""What is asked of a database that a former release filled with a row for each reading: Protocol and plain records."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from backend.storage.chunks import Changes, HubSnapshot, SeriesLine


class FormerRow(NamedTuple):
    """A reading as a row. `series` is the number of its series; `time_ms` is Unix ms, or monotonic ms of a boot;
    `origin` is the record's id × 4096 + the report's position in it; `flags` are quality + 16 × trust class."""

    series: int
    time_ms: int
    origin: int
    value: int | float | str
    flags: int


class Window(NamedTuple):
    """Rows of one hub: of a boot whose clock is unknown, or dated ones, with first_ms ≤ time < last_ms."""

    boot: bytes
    first_ms: int
    last_ms: int


class FormerRows(Protocol):
    """Rows of a former release, on their way into chunks. Raises StorageError."""

    def hubs(self) -> list[str]:
        """Return the hubs that may have rows."""

    def piece(self) -> AbstractContextManager[None]:
        """Do the block in one transaction, durable on leaving; taken back where this is a rehearsal."""

    def series(self, hub: str) -> dict[int, SeriesLine]:
        """Return the series of a hub by their numbers."""

    def boots(self, hub: str) -> list[bytes]:
        """Return the boots of a hub with rows, and an empty one for dated rows."""

    def first(self, hub: str, boot: bytes, after_ms: int) -> int | None:
        """Return the time of the first row from a moment on."""

    def last(self, hub: str, boot: bytes) -> int:
        """Return the time of the last row."""

    def rows(self, hub: str, window: Window, most: int) -> list[FormerRow]:
        """Return the rows of a window, at most so many."""

    def arrived(self, record: int) -> float:
        """Return when a record arrived."""

    def seen(self, hub: str) -> HubSnapshot: ...

    def move(self, hub: str, window: Window, changes: Changes) -> None:
        """Write `changes`, and delete the rows of a window, overwritten."""

    def finish(self) -> None:
        """Delete the tables of rows, which are empty."""

    def close(self) -> None: ...
