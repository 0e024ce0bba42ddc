"""Catalogue of the pages' sentences, in French and in English. `word("key", "fr")`; `{name}` is filled in.

It is a table in Python and not gettext's files: nothing is compiled at build time and nothing is read at run time, and
a test checks that no template uses an unknown key, and that no key is unused. One file for each area; a key is in one
of them only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules

from hub.i18n.typography import no_break_signs, whole_text, with_units

LANGUAGES = ("fr", "en")


def merged(tables: Iterable[Mapping[str, tuple[str, str]]]) -> dict[str, tuple[str, str]]:
    """Merge tables. Raises ValueError where two have the same key."""
    found: dict[str, tuple[str, str]] = {}
    for table in tables:
        twice = found.keys() & table.keys()
        if twice:
            raise ValueError(f"these stand twice in the catalogue of the pages: {', '.join(sorted(twice))}")
        found.update(table)
    return found


def _files() -> list[str]:
    """The modules of this folder; the options of the configuration are a catalogue of their own."""
    return [one.name for one in iter_modules(__path__) if not one.ispkg]


WORDS = merged(getattr(import_module(f"{__name__}.{name}"), "WORDS", {}) for name in _files())


_EITHER = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")
"""`[one|many]`, chosen by `count`: in French 0 and 1 are singular, in English 1 alone (CLDR, plural rules)."""


def word(key: str, lang: str, **filled: object) -> str:
    """Return a sentence of the catalogue; the thousands of a `count` are separated. Raises KeyError."""
    text = with_units(WORDS[key][LANGUAGES.index(lang)])
    if lang == "fr":
        text = no_break_signs(text)
    count = filled.get("count")
    if isinstance(count, int):
        many = count > 1 if lang == "fr" else count != 1
        text = _EITHER.sub(lambda found: found[1 + many], text)
        filled["count"] = whole_text(count, lang)
    return text.format(**filled) if filled else text
