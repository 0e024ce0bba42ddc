"""SQL of the city's view as each engine takes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

Value = str | int | float | bytes | None
Row = tuple[Any, ...]

NUMBERS = "(select cast(value as BIGINT) from json_each(?))"
"""The set of numbers in one value, a JSON list of them: for more than a few, where a place for each would be another
statement for each count, which an engine plans anew and limits."""
_TEXTS_AND_PLACES = re.compile(r"'(?:[^']|'')*'|json_each\(\?\)|\?")
_TYPES = re.compile(r"\b(TEXT|BIGINT|DOUBLE PRECISION|BYTES)\b")
_CREATES = re.compile(r"create\s+table\b", re.IGNORECASE)


class Tables(NamedTuple):
    """The tables of a room: `steps` of SQL, each executed once in each database, in one transaction. A step that was
    released is never changed: what comes later is another step. `again` are statements for a copy that is put back,
    which is older than what happened since: of sessions, codes and places in another database that it must not know."""

    name: str
    steps: tuple[str, ...]
    again: tuple[str, ...] = ()


class Session(Protocol):
    """A connection to the database, used by one thread at a time."""

    def transaction(self) -> AbstractContextManager[None]:
        """Run the block in one transaction, durable on leaving; where this session reads, in one snapshot. Raises
        StorageError."""

    def rows(self, sql: str, parameters: Sequence[Value]) -> list[Row]: ...

    def run(self, sql: str, parameters: Sequence[Value]) -> int:
        """Execute one statement; return how many rows it changed."""

    def many(self, sql: str, parameters: Iterable[Sequence[Value]]) -> None: ...

    def script(self, statements: Sequence[str]) -> None: ...

    def has_table(self, name: str) -> bool: ...

    def close(self) -> None: ...


class Right(Protocol):
    """The right of one process to do what only one may do at a time."""

    def take(self) -> bool:
        """Return whether this process has the right now; taken before, whether it still has. Raises StorageError."""

    def release(self) -> None: ...


class Engine(Protocol):
    """The database of one engine. Any thread."""

    @property
    def types(self) -> Mapping[str, str]:
        """The engine's own name of each type."""

    @property
    def table_suffix(self) -> str: ...

    def prepare(self) -> None:
        """Make what holds the tables, where it is not there yet. Raises StorageError."""

    def writing(self) -> Session: ...

    def reading(self) -> Session: ...

    def right(self, name: str) -> Right: ...


def rendered(step: str, engine: Engine) -> list[str]:
    """Return the statements of a migration's step in the words of an engine."""
    return [_statement(one, engine) for one in step.split(";") if one.strip()]


def _statement(statement: str, engine: Engine) -> str:
    text = _TYPES.sub(lambda found: engine.types[found[0]], statement.strip())
    return text + engine.table_suffix if _CREATES.match(text) else text


@lru_cache(2048)
def numbered(sql: str) -> str:
    """Return a statement as PostgreSQL takes it: with $1, $2… in the place of `?`, and its own function of a list."""
    numbers: Iterator[int] = iter(range(1, 1 << 16))

    def placed(found: re.Match[str]) -> str:
        if found[0].startswith("'"):
            return found[0]
        place = f"${next(numbers)}"
        return place if found[0] == "?" else f"json_array_elements_text({place}::json)"

    return _TEXTS_AND_PLACES.sub(placed, sql)


def listed(numbers: Iterable[int]) -> str:
    """Return the value that NUMBERS takes."""
    return f"[{','.join(map(str, numbers))}]"


def plain(values: Sequence[Value]) -> list[Value]:
    """Return values as both engines store them: a truth as 0 or 1."""
    return [int(one) if isinstance(one, bool) else one for one in values]
