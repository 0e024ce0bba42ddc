"""Tables (CSV) of hubs to enrol: their names, tags and request files. Pure.

The first line names the columns, in any order, in English or French: `name`, `tags` and, for requests, `request`. Tags
are words of letters, digits and `.:_-`, with spaces or commas between them. A table is read as one of devices is
(`hub.protocol.device_labels.table`): `;`, `,` or tabulator, UTF-8, UTF-16 or Windows-1252.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from backend.hubs.registry import Newcomer
from hub.core.errors import ConfigError
from hub.core.text import phrase
from hub.protocol.device_labels.label import Unreadable, shown
from hub.protocol.device_labels.table import rows_of, text_of

MAX_BYTES, MAX_ROWS = 4 << 20, 10_000
MAX_TAGS, MAX_NAME = 16, 128
_COLUMNS = {
    "name": "name", "nom": "name", "tags": "tags", "tag": "tags", "etiquettes": "tags", "request": "request",
    "demande": "request",
}  # fmt: skip
_TAG = re.compile(r"\w[\w.:-]{0,63}")


class Fault(NamedTuple):
    """Why a row cannot be used. `line` counts from 1."""

    line: int
    reason: str


class Line(NamedTuple):
    """A row of a table. `request` names a file, "" where the table has no such column."""

    line: int
    newcomer: Newcomer
    request: str = ""


class EnrolmentTable(NamedTuple):
    """Rows, what is wrong with others, and titles of columns that mean nothing here."""

    lines: list[Line]
    faults: list[Fault]
    ignored: list[str]


def read_table(data: bytes, *, requests: bool) -> EnrolmentTable:
    """Read a table, of request files or of tokens to make. Raises ConfigError when it is no table."""
    if len(data) > MAX_BYTES:
        raise ConfigError(phrase("table-too-large", "a table has at most {limit} MiB: split it", limit=MAX_BYTES >> 20))
    try:
        (_, head), *rows = list(rows_of(text_of(data))) or [(1, [])]
    except Unreadable as error:
        raise ConfigError(error.detail) from error
    names = [_COLUMNS.get(_small(title), "") for title in head]
    needed = "request" if requests else "name"
    if needed not in names or len([name for name in names if name]) > len({name for name in names if name}):
        raise ConfigError(
            phrase(
                "enrolment-table-columns",
                "the first line of this table names its columns, each once: {columns}",
                columns=["request", "name", "tags"] if requests else ["name", "tags"],
            )
        )
    if len(rows) > MAX_ROWS:
        raise ConfigError(phrase("table-too-many-rows", "at most {limit} rows: split it", limit=MAX_ROWS))
    lines, faults = list[Line](), list[Fault]()
    for number, row in rows:
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False) if name}
        try:
            lines.append(_line(number, cells, needed, len(row) - len(head)))
        except ConfigError as error:
            faults.append(Fault(number, error.args[0]))
    ignored = [shown(title) for title, name in zip(head, names, strict=True) if title.strip() and not name]
    return EnrolmentTable(lines, faults, ignored)


def read_tags(text: str) -> tuple[str, ...]:
    """Parse tags, each once. Raises ConfigError."""
    tags = tuple(dict.fromkeys(text.replace(",", " ").split()))
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise ConfigError(
                phrase(
                    "tag-form-wrong",
                    "{tag!r} is no tag: at most 64 letters, digits and .:_-, a letter or digit first",
                    tag=shown(tag),
                )
            )
    if len(tags) > MAX_TAGS:
        raise ConfigError(phrase("too-many-tags", "a hub has at most {limit} tags", limit=MAX_TAGS))
    return tags


def _line(number: int, cells: dict[str, str], needed: str, more: int) -> Line:
    if more > 0:
        raise ConfigError(phrase("row-too-long", "this row has more cells than the first line names columns"))
    if not cells.get(needed):
        raise ConfigError(phrase("row-without-cell", "this row has no {column}", column=needed))
    name = cells.get("name", "")
    if len(name) > MAX_NAME:
        raise ConfigError(phrase("hub-name-too-long", "a name has at most {limit} characters", limit=MAX_NAME))
    return Line(number, Newcomer(name, read_tags(cells.get("tags", ""))), cells.get("request", ""))


def _small(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.strip().lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
