"""Problems in a terminal: where, what, the failing line and a caret under it. Pure.

config.yaml:12:3: 'intervall' is not an option of integration 'modbus'; there are host, port, interval…
   12 |   intervall: 5s
      |   ^ did you mean 'interval'?
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from hub.config.french import in_french
from hub.core.errors import Problem

WIDTH = 100
"""Columns of a long line that are shown."""


def render(problems: Sequence[Problem], *, colour: bool = False, french: bool = False) -> str:
    """Return all problems and their number, with a newline at the end. `colour` uses ANSI sequences; `french`: in
    French where that is known."""
    if not problems:
        return ""
    many = "s" if len(problems) > 1 else ""
    count = f"{len(problems)} problème{many} trouvé{many}" if french else f"{len(problems)} problem{many} found"
    return "\n".join([*(show(problem, colour=colour, french=french) for problem in problems), "", count, ""])


def show(problem: Problem, *, colour: bool = False, french: bool = False) -> str:
    """Return one problem: one to three lines, no newline at the end. Text of the file is escaped, so that it cannot
    drive the terminal."""
    red, bold, plain = ("\x1b[31m", "\x1b[1m", "\x1b[0m") if colour else ("", "", "")
    message = (in_french(problem.message) if french else None) or problem.message
    where = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    head = f"{bold}{_clean(where)}: {plain}{_clean(message)}" if where else _clean(message)
    meant = "peut-être : {} ?" if french else "did you mean {}?"
    hint = meant.format(_clean(problem.suggestion)) if problem.suggestion else ""
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


def _clean(text: str) -> str:
    """Replace characters that move the cursor by as many others."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "�" for c in text)


def _cells(text: str) -> int:
    """Return the terminal columns of a text (Unicode TR11; combining marks take none)."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
