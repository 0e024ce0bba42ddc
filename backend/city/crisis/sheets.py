"""Reflex sheets: Markdown files of the town, shown on the pages and within the last snapshot.

The first heading is the title; the file's name without `.md` names the sheet, and its place is that of the name. HTML
in a sheet is shown as text, and no picture or link leads elsewhere: a snapshot has nothing beside it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from backend.city.crisis import log
from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Sheet
from backend.storage.city.database import Transaction
from hub.core.errors import ConfigError
from hub.core.text import phrase, system_error
from hub.i18n.typography import typeset

MAX_SHEETS, MAX_BYTES = 100, 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


class Imported(NamedTuple):
    """Names of sheets that are new, that changed, and that the directory has no more."""

    new: list[str]
    changed: list[str]
    gone: list[str]


def read(directory: Path) -> list[tuple[str, str, str]]:
    """Return (name, title, body) of the sheets in a directory, by name. Raises ConfigError with file and reason."""
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".md" and path.is_file())
    except OSError as error:
        raise ConfigError(
            phrase(
                "crisis-sheets-unread", "{file} cannot be read: {reason}", file=directory, reason=system_error(error)
            )
        ) from error
    if len(paths) > MAX_SHEETS:
        raise ConfigError(phrase("crisis-sheets-many", "{file} has more than {most} sheets", file=directory, most=100))
    return [_sheet(path) for path in paths]


def _sheet(path: Path) -> tuple[str, str, str]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            phrase("crisis-sheets-unread", "{file} cannot be read: {reason}", file=path, reason=system_error(error))
        ) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(phrase("crisis-sheet-long", "{file} is longer than {most} bytes", file=path, most=MAX_BYTES))
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(
            phrase("crisis-sheet-name", "{file}: the name of a sheet has letters, digits, '.', '_' and '-'", file=path)
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(phrase("crisis-sheet-text", "{file} is no text in UTF-8", file=path)) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# ") and line[2:].strip():
            body = "\n".join(text.splitlines()[number:])
            return path.stem, line[2:].strip()[:200], body
        if line.strip():
            break
    raise ConfigError(phrase("crisis-sheet-title", "{file}: the first line is a title: '# …'", file=path))


def put(t: Transaction, found: list[tuple[str, str, str]], *, who: str, now: float) -> Imported:
    """Put sheets in the place of all that there were, and write into the log what changed."""
    before = {one.name: one for one in tables.sheets(t)}
    result = Imported([], [], sorted(before.keys() - {name for name, _, _ in found}))
    for place, (name, title, body) in enumerate(found, 1):
        former = before.get(name)
        if former is None:
            result.new.append(name)
        elif (former.title, former.body) != (title, body):
            result.changed.append(name)
        elif former.place == place:
            continue
        tables.put_sheet(t, Sheet(name, place, title, body, who, now))
    for name in result.gone:
        tables.drop_sheet(t, name)
    for kind, names in (("new", result.new), ("changed", result.changed), ("gone", result.gone)):
        if names:
            log.note(t, 0, now, who, "sheet", ", ".join(names)[: log.MAX_TEXT], {"change": kind})
    return result


def rendered(body: str, lang: str = "fr") -> str:
    """Return the HTML of a sheet, one level of headings deeper, escaped."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])
    tokens = parser.parse(body)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        for inner in token.children or ():
            if inner.type == "text" and lang == "fr":
                inner.content = typeset(inner.content)
    return str(parser.renderer.render(tokens, parser.options, {}))
