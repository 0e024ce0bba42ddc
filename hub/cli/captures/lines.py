"""Reads a capture file: JSON objects, one a line. Whatever else is there is told with its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hub.cli.hex_input import LINE_LIMIT, parse_line
from hub.core.errors import DecodeError, HubError
from hub.core.text import phrase, system_error

LARGEST = 256 << 20
MOST_LINES = 1_000_000
MOST_TOLD = 20
"""Bad lines that are told one by one."""


class Bad(NamedTuple):
    """A line that cannot be read."""

    number: int
    reason: str
    detail: str


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]] | Bad]:
    """Yield each line with its number. Raises HubError: the file cannot be read, or has too much."""
    try:
        with path.open("rb") as file:
            yield from _lines(path, file)
    except OSError as error:
        raise HubError(
            phrase(
                "capture-not-read", "the capture {file} cannot be read: {reason}", file=path, reason=system_error(error)
            )
        ) from error


def _lines(path: Path, file: Any) -> Iterator[tuple[int, dict[str, Any]] | Bad]:
    read = number = 0
    while raw := file.readline(LINE_LIMIT + 2):
        number += 1
        read += len(raw)
        if read > LARGEST or number > MOST_LINES:
            raise HubError(
                phrase(
                    "capture-too-large",
                    "{file}:{line}: a capture has at most {lines} lines and {size} MiB; cut it",
                    file=path,
                    line=number,
                    lines=MOST_LINES,
                    size=LARGEST >> 20,
                )
            )
        while raw and not raw.endswith(b"\n") and len(raw) >= LINE_LIMIT:  # skip to the end of a line that is too long
            more = file.readline(LINE_LIMIT)
            read += len(more)
            if not more or more.endswith(b"\n") or read > LARGEST:
                break
        text = raw.decode("utf-8", "replace").strip()
        if not text:
            continue
        try:
            line = parse_line(text)
            if not isinstance(line.get("time", 0), int | float) or isinstance(line.get("time"), bool):
                raise DecodeError("bad-line", phrase("capture-time-wrong", "`time` is a number, Unix seconds"))
            yield number, line
        except DecodeError as error:
            yield Bad(number, error.reason, error.detail)
