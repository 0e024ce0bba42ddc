"""Sentences of the hub for a page, in the language of its reader. Pure.

A sentence without a translation is shown in English, marked so; so is the reason of a library at the end of one.
"""

from __future__ import annotations

from hub.i18n.catalogues import Said, split


def message(sentence: str, lang: str) -> Said:
    """Return a sentence of `ilot status`, of a refusal or of an outcome for a page in this language."""
    return split(sentence, lang)
