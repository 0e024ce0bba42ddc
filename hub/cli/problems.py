"""Problems of a configuration in a terminal: where, what, the failing line and a caret under it. Pure.

config.yaml:12:3: 'intervall' is not an option of integration 'modbus'; there are host, port, interval…
   12 |   intervall: 5s
      |   ^ did you mean 'interval'?
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from hub.config.pydantic_findings import without_foreign_help
from hub.core.errors import Problem
from hub.core.text import phrase
from hub.i18n.catalogues import is_translated, translate
from hub.i18n.typography import KEPT, NARROW

WIDTH = 100
"""Columns of a long line that are shown."""
_SPACES = KEPT + NARROW
"""Spaces of French sentences: no control characters, though they are not printable for Python."""


def render(problems: Sequence[Problem], *, colour: bool = False, french: bool = False) -> str:
    """Return all problems and their number, with a newline at the end. `colour` uses ANSI sequences."""
    if not problems:
        return ""
    count = phrase("problems-found", "{count} [problem|problems] found", count=len(problems))
    shown = (show(problem, colour=colour, french=french) for problem in problems)
    return "\n".join([*shown, "", translate(count, "fr" if french else "en"), ""])


def show(problem: Problem, *, colour: bool = False, french: bool = False) -> str:
    """Return one problem: one to three lines, no newline at the end. Text of the file is escaped, so that it cannot
    drive the terminal."""
    red, bold, plain = ("\x1b[31m", "\x1b[1m", "\x1b[0m") if colour else ("", "", "")
    lang = "fr" if french else "en"
    message = translate(without_foreign_help(problem.message, lambda help: is_translated(help, lang)), lang)
    where = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    message = _clean(message, _SPACES if french else "")
    head = f"{bold}{_clean(where)}: {plain}{message}" if where else message
    hint = ""
    if problem.suggestion:
        meant = phrase("problem-suggestion", "did you mean {suggestion}?", suggestion=problem.suggestion)
        hint = _clean(translate(meant, lang), _SPACES if french else "")
    if not problem.source.strip():
        return f"{head} ({hint})" if hint else head
    line, column = _window(problem.source, max(problem.column, 1) - 1)
    number = f"{problem.line:>5} | "
    pad = " " * (len(number) - 2) + "| " + " " * _cells(line[:column])
    return f"{head}\n{number}{line}\n{pad}{red}^{plain}{' ' + hint if hint else ''}"


def _window(line: str, column: int) -> tuple[str, int]:
    """Return the part of a line around a column, and the column in it."""
    line = _clean(line)
    column = min(column, len(line))
    if len(line) <= WIDTH:
        return line, column
    start = max(0, min(column - WIDTH // 2, len(line) - WIDTH))
    head, tail = "…" if start else "", "…" if start + WIDTH < len(line) else ""
    return head + line[start : start + WIDTH] + tail, column - start + len(head)


def _clean(text: str, kept: str = "") -> str:
    """Replace characters that move the cursor by as many others, but those of `kept`."""
    return "".join(c if c.isprintable() or c in kept else " " if c == "\t" else "�" for c in text)


def _cells(text: str) -> int:
    """Return the terminal columns of a text (Unicode TR11; combining marks take none)."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
