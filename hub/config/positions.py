"""Positions of keys and values of a configuration in its files. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.core.errors import Problem
from hub.core.text import phrase

Path = tuple[str | int, ...]
"""Path to a value: keys of mappings as text, positions in sequences as numbers from 0."""

SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_BREAK = re.compile(r"\r\n|\r|\n")


class Spot(NamedTuple):
    """A position in a file; line and column count characters from 1."""

    file: str
    line: int
    column: int


class SecretRef:
    """`!secret name` in the data: the name, never the value. No struct or dataclass, since msgspec would encode one as
    a mapping, and decode it as a mapping."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretRef) and other.name == self.name

    def __hash__(self) -> int:
        return hash((SecretRef, self.name))

    def __repr__(self) -> str:
        return f"SecretRef({self.name!r})"


class Finding(NamedTuple):
    """An error, before its position in a file is known."""

    path: Path
    message: str
    suggestion: str = ""
    at_key: bool = False  # point at the key, not at its value
    hide: bool = False  # the failing line may hold a secret: do not show it
    spot: Spot | None = None  # position, when it is neither the key's nor the value's at `path`


@dataclass(slots=True)
class Positions:
    """Positions of one configuration, over all its files. Empty for data that came from no file."""

    keys: dict[Path, Spot] = field(default_factory=dict)
    values: dict[Path, Spot] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)

    def spot(self, path: Path, *, at_key: bool = False) -> Spot | None:
        """Return the position of `path`, or of its nearest parent in the file."""
        for length in range(len(path), -1, -1):
            part = path[:length]
            key, value = self.keys.get(part), self.values.get(part)
            found = (key or value) if at_key or length < len(path) else (value or key)
            if found:
                return found
        return None

    def problems(self, findings: Iterable[Finding]) -> list[Problem]:
        """Return the findings as problems with their lines, in the order of the files, without duplicates."""
        placed = [(one, one.spot or self.spot(one.path, at_key=one.at_key)) for one in findings]
        hidden = {spot[:2] for one, spot in placed if spot and one.hide}
        made = (self._problem(one, spot, shown=spot is not None and spot[:2] not in hidden) for one, spot in placed)
        return sorted(dict.fromkeys(made), key=by_place)

    def _problem(self, one: Finding, spot: Spot | None, *, shown: bool) -> Problem:
        where = dotted(one.path)
        if spot is None:
            return Problem(one.message, path=where, suggestion=one.suggestion)
        source = line_of(self.lines.get(spot.file, []), spot.line) if shown else ""
        return Problem(one.message, where, spot.file, spot.line, spot.column, source, one.suggestion)


def by_place(problem: Problem) -> tuple[str, int, int]:
    """Return the sort key of a problem: file, line, column."""
    return problem.file, problem.line, problem.column


class Lines:
    """Index of the lines of a text. A line ends at LF, CR or both."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]
        self._size = len(text)
        self.text = _BREAK.split(text)

    def spot(self, file: str, index: int) -> Spot:
        index = min(max(index, 0), self._size)
        line = bisect_right(self._starts, index)
        return Spot(file, line, index - self._starts[line - 1] + 1)


def line_of(lines: list[str], number: int) -> str:
    """Return line `number` (from 1), empty when there is none."""
    return lines[number - 1] if 0 < number <= len(lines) else ""


def dotted(path: Path) -> str:
    """Return a path as people write it: `devices["modbus:meter"].settings.registers[0].unit`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _SIMPLE.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part, double=True)}]"
    return text


def clipped(text: str, most: int = 60) -> str:
    """Return text from the file, short and printable."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


def quoted(value: object, *, double: bool = False) -> str:
    """Return a value from the file, short and printable, in quotes when it is text; a Phrase where it has parts."""
    if isinstance(value, str):
        mark = '"' if double else "'"
        return f"{mark}{clipped(value)}{mark}"
    if value is None:
        return phrase("given-nothing", "nothing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return phrase("given-mapping", "a mapping")
    if isinstance(value, (list, tuple)):
        return phrase("given-list", "a list")
    return clipped(str(value))
