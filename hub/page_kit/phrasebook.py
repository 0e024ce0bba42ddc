"""Sentences of pages, by their keys: English in tables, other languages in a catalogue of translations.

A table PHRASES is key -> English; `{name}` is filled in, and `[device|devices]` is chosen by `count`. In the catalogue
a sentence has the code `page-<key>`. A language is read when a page is first asked for in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.core.catalogue_domain import HUB
from hub.core.text import chosen
from hub.i18n.catalogues import has_many, languages, messages
from hub.i18n.typography import no_break_signs, whole_text, with_units
from hub.page_kit import words

PREFIX = "page-"
"""Beginning of the codes; each file of words says it too, for `tools/catalogues.py`."""
LANGUAGES = languages()
NAMES = {
    "br": "Brezhoneg", "ca": "Català", "co": "Corsu", "de": "Deutsch", "en": "English", "es": "Español",
    "eu": "Euskara", "fr": "Français", "it": "Italiano", "nl": "Nederlands", "oc": "Occitan", "pt": "Português",
}  # fmt: skip
"""Languages as they call themselves; any other is shown by its code."""


def merged(tables: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Merge tables. Raises ValueError where two have the same key."""
    found: dict[str, str] = {}
    for table in tables:
        twice = found.keys() & table.keys()
        if twice:
            raise ValueError(f"these keys stand twice in the words of the pages: {', '.join(sorted(twice))}")
        found.update(table)
    return found


class Phrasebook:
    """Sentences of the kit, and of a site's tables, which the catalogue of `domain` translates. Raises ValueError
    where two tables have the same key, or a sentence is missing that each site says itself."""

    def __init__(self, domain: str, tables: Iterable[Mapping[str, str]]) -> None:
        self._domain = domain
        self.phrases = merged([words.PHRASES, *tables])
        missing = [key for key in words.SITE_SAYS if key not in self.phrases]
        if missing:
            raise ValueError(f"a site of pages says these itself, and this one does not: {', '.join(missing)}")

    def template(self, key: str, lang: str) -> str:
        """Return a sentence as the catalogue has it, with its placeholders; in English where it is not translated.
        Raises KeyError."""
        domain = HUB if key in words.PHRASES else self._domain
        return messages(domain, lang).get(PREFIX + key) or self.phrases[key]

    def word(self, key: str, lang: str, **filled: object) -> str:
        """Return a sentence with its typography; the thousands of a `count` are separated. Raises KeyError."""
        text = with_units(self.template(key, lang))
        if lang == "fr":
            text = no_break_signs(text)
        count = filled.get("count")
        if isinstance(count, int):
            text = chosen(text, filled, many=lambda count: has_many(count, lang))
            filled["count"] = whole_text(count, lang)
        return text.format(**filled) if filled else text
