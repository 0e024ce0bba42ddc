"""Sentences of documents, which are made where no page was asked for."""

from __future__ import annotations

from functools import cache

from backend.city.crisis.words import PHRASES
from backend.city.pages import words as page_words
from backend.city.pages.phrases import CityBook


@cache
def _book() -> CityBook:
    return CityBook([page_words.PHRASES, PHRASES])


def word(key: str, lang: str, **filled: object) -> str:
    """Return a sentence in a language. Raises KeyError."""
    return _book().word(key, lang, **filled)
