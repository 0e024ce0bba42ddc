"""All options that forms show, as one list to search in: each with its text and the form where it stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hub.config.forms import BY_TYPE, MAP, OTHER, SECTION, form
from hub.config.positions import Path

DEEPEST, MOST = 4, 2000
"""Forms below the first that are looked into, and options at the most."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option: `at`, the keys of its form; `titles`, `about` and `french` as in `hub.config.forms`."""

    at: list[str]
    name: str
    titles: list[str] = []
    about: str = ""
    french: dict[str, str] = {}


def options(schema: Mapping[str, Any], data: Any, path: Path = ()) -> Iterator[Option]:
    """Return the options of the form at `path` and of the forms below it. Of a mapping by names the entries are left
    out, which are no settings but zones or rules, except where they are plugins of this hub."""
    try:
        shown = form(schema, data, path)
    except KeyError:  # only the text shows it
        return
    if shown.is_map:
        if path in BY_TYPE:
            for name in shown.entries:
                yield from options(schema, data, (*path, name))
        return
    for field in shown.fields:
        inner = field.kind in (SECTION, MAP)
        if field.kind != OTHER:
            yield Option(
                at=[*shown.path, field.name] if inner else shown.path,
                name=field.name,
                titles=shown.titles,
                about=field.about,
                french=field.french,
            )
        if inner and len(path) < DEEPEST:
            yield from options(schema, data, (*path, field.name))
