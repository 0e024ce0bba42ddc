"""The pages' sentences: English here, other languages in the catalogues of `hub/locale`. `word("key", "fr")`.

One file for each area, with a table PHRASES, key -> English; `{name}` is filled in, and `[device|devices]` is chosen by
`count`. A key is in one file only. In the catalogues a sentence has the code `page-<key>`, and a language is read when
a page is first asked for in it. Tests check that no template uses an unknown key and that no key is unused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules

from hub.core.catalogue_domain import HUB
from hub.core.text import chosen
from hub.i18n.catalogues import has_many, languages, messages
from hub.i18n.typography import no_break_signs, whole_text, with_units

PREFIX = "page-"
"""Beginning of the codes; each file says it too, for `tools/catalogues.py`."""


def merged(tables: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Merge tables. Raises ValueError where two have the same key."""
    found: dict[str, str] = {}
    for table in tables:
        twice = found.keys() & table.keys()
        if twice:
            raise ValueError(f"these keys stand twice in the words of the pages: {', '.join(sorted(twice))}")
        found.update(table)
    return found


def _files() -> list[str]:
    """Return the modules of this folder; the texts of options are in their models."""
    return [one.name for one in iter_modules(__path__) if not one.ispkg]


WORDS = merged(import_module(f"{__name__}.{name}").PHRASES for name in _files())
"""Key -> English."""
LANGUAGES = languages()
NAMES = {
    "br": "Brezhoneg", "ca": "Català", "co": "Corsu", "de": "Deutsch", "en": "English", "es": "Español",
    "eu": "Euskara", "fr": "Français", "it": "Italiano", "nl": "Nederlands", "oc": "Occitan", "pt": "Português",
}  # fmt: skip
"""Languages as they call themselves; any other is shown by its code."""


def template(key: str, lang: str) -> str:
    """Return a sentence as the catalogue has it, with its placeholders; in English where it is not translated. Raises
    KeyError."""
    return messages(HUB, lang).get(PREFIX + key) or WORDS[key]


def word(key: str, lang: str, **filled: object) -> str:
    """Return a sentence with its typography; the thousands of a `count` are separated. Raises KeyError."""
    text = with_units(template(key, lang))
    if lang == "fr":
        text = no_break_signs(text)
    count = filled.get("count")
    if isinstance(count, int):
        text = chosen(text, filled, many=lambda count: has_many(count, lang))
        filled["count"] = whole_text(count, lang)
    return text.format(**filled) if filled else text
