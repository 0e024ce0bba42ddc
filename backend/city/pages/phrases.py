"""Sentences of the city's pages: those of the kit of pages, and the city's own, whose codes begin with `city-`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.core.catalogue_domain import HUB
from hub.i18n.catalogues import messages
from hub.page_kit import words as kit_words
from hub.page_kit.phrasebook import PREFIX as KIT_PREFIX
from hub.page_kit.phrasebook import Phrasebook, merged

PREFIX = "city-"
"""Beginning of the codes of the city's tables of sentences; each file of words says it too."""


class CityBook(Phrasebook):
    """Sentences by their keys. A table of the city may reword a sentence of the kit. Raises ValueError where two tables
    have the same key, or none says what each site of pages says itself."""

    def __init__(self, tables: Iterable[Mapping[str, str]]) -> None:
        self._own = merged(tables)
        self.phrases = {**kit_words.PHRASES, **self._own}
        missing = [key for key in kit_words.SITE_SAYS if key not in self._own]
        if missing:
            raise ValueError(f"the city's pages do not say: {', '.join(missing)}")

    def template(self, key: str, lang: str) -> str:
        """Return a sentence as the catalogue has it, with its placeholders; in English where it is not translated.
        Raises KeyError."""
        prefix = PREFIX if key in self._own else KIT_PREFIX
        return messages(HUB, lang).get(prefix + key) or self.phrases[key]
