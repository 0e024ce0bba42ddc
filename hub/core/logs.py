"""Format of log lines, and the last lines in memory for the pages and `ilot diagnostics`. None of it is on disk.

Log lines name no reading and no person: that is the rule for whoever writes one (see docs/explanation/security.md). A
line is kept whole up to LONGEST characters; a traceback is kept as its last line, which names the error.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from hub.core.text import Phrase, phrase, reason_of

MOST = 500
LONGEST = 500
LEVELS = ("debug", "info", "warning", "error")


# What devices, servers and other people's programs say is in the lines: none of it may look like a line of the hub's
# own, nor move the cursor of a terminal or turn the writing round.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def tame(text: str, between: str = "\n    ") -> str:
    """The text with U+FFFD in the place of controls and marks of direction, and this `between` its lines."""
    return _CONTROLS.sub("\ufffd", text).replace("\n", between)


class IndentingFormatter(logging.Formatter):
    """Formats a record so that only its first line begins at the margin; tracebacks are indented too. `translate`
    returns a phrase in the language of the log."""

    def __init__(
        self, form: str | None = None, dates: str | None = None, translate: Callable[[str], str] | None = None
    ) -> None:
        super().__init__(form, dates)
        self._translate = translate

    def format(self, record: logging.LogRecord) -> str:
        return tame(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of logging.Formatter
        if self._translate is not None and isinstance(said := sentence(record), Phrase):
            record.message = self._translate(said)
        return super().formatMessage(record)


def sentence(record: logging.LogRecord) -> str:
    """Return the message of a record, a Phrase where it was logged as one: `getMessage` makes a plain string of it."""
    said: object = record.msg
    return said if isinstance(said, Phrase) and not record.args else record.getMessage()


class Line(msgspec.Struct, frozen=True):
    """`at` is Unix seconds by the machine's clock; `source` the logger, without `hub.`; `text` is a Phrase where the
    line was logged as one."""

    at: float
    level: str
    source: str
    text: str


class Ring(logging.Handler):
    """The last MOST lines of every logger below the one that it is added to. Safe from any thread: a deque's append
    is one operation."""

    def __init__(self, most: int = MOST) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[Line] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a line that cannot be put together says so."""
        try:
            text = sentence(record)
            if record.exc_info and record.exc_info[1] is not None:
                text = _with_error(text, record.exc_info[1])
        except Exception as error:
            text = phrase("log-line-unwritable", "a log line could not be written: {kind}", kind=type(error).__name__)
        source = record.name.removeprefix("hub.")
        self._lines.append(Line(record.created, _level(record.levelno), source, _tame_whole(text)))

    def last(self, *, source: str = "", level: str = "info", most: int = MOST) -> Iterator[Line]:
        """The newest first: of `source` and below it, of this level and above."""
        least = LEVELS.index(level)
        for line in reversed(list(self._lines)):
            if most <= 0:
                return
            ours = not source or line.source == source or line.source.startswith(f"{source}.")
            if ours and LEVELS.index(line.level) >= least:
                most -= 1
                yield line


def _with_error(text: str, error: BaseException) -> str:
    kind = type(error).__name__
    if not isinstance(text, Phrase):
        return f"{text} ({kind}: {error})"
    return phrase("log-line-with-error", "{line} ({kind}: {reason})", line=text, kind=kind, reason=reason_of(error))


def _tame_whole(value: Any) -> Any:
    """Return a text of bounded length on one line, with the parameters of a phrase, and theirs; other values as they
    are."""
    if isinstance(value, tuple):
        return tuple(map(_tame_whole, value))
    if not isinstance(value, str):
        return value
    text = tame(value[:LONGEST], " ")
    if isinstance(value, Phrase):
        return Phrase(text, value.code, {name: _tame_whole(one) for name, one in value.params.items()})
    return text


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"
