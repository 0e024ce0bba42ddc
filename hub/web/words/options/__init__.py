"""Titles and helps of the configuration's options in the reader's language.

A form has the codes of their texts (`hub.core.option_text`), also for a plugin that the hub does not import; its
catalogue has the translations. What has none is shown in English.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.core.option_text import is_code, plain_title
from hub.core.text import Phrase
from hub.i18n.catalogues import ENGLISH, FRENCH, is_translated, translate
from hub.i18n.typography import no_break_signs
from hub.web.words import WORDS, template


def title(name: str, lang: str, within: Sequence[str] = (), own: str = "") -> str:
    """Return the title of an option: by its `own` code, or French of a former version; by that of all options of its
    name; else its key in words."""
    if own and not is_code(own) and lang == FRENCH:
        return no_break_signs(own)
    english = plain_title(name)
    for code in (f"{own}-title" if is_code(own) else "", f"option-title-{name}"):
        if code and is_translated(said := Phrase(english, code, {}), lang):
            return translate(said, lang)
    return english


def unit(text: str, lang: str) -> str:
    """Return a unit in words; a symbol is the same everywhere."""
    return template(f"unit-{text}", lang) if f"unit-{text}" in WORDS else text


def about(text: str, lang: str, own: str = "") -> tuple[str, str]:
    """Return the help of an option, and the language it is in. `own` is its code, or French of a former version; a
    phrase has its code itself."""
    if own and not is_code(own) and lang == FRENCH:
        return _closed(no_break_signs(own)), lang
    said = text if isinstance(text, Phrase) else Phrase(text, f"{own}-help", {})
    if lang != ENGLISH and is_translated(said, lang):
        return _closed(translate(said, lang)), lang
    return _closed(text), ENGLISH


def _closed(text: str) -> str:
    return f"{text}." if text and text[-1] not in ".!?…" else text
