"""The options of the configuration, in French. The English stands in the schema, once, and is what the French hangs on:
where somebody says it otherwise, the French is missing, and a test says so. A plugin that does not ship here keeps its
own words, shown as English.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.i18n.typography import kept_together
from hub.web.words.options import core, devices, integrations, outward
from hub.web.words.options.titles import TITLES, UNITS, WITHIN

TEXTS = {**core.TEXTS, **devices.TEXTS, **integrations.TEXTS, **outward.TEXTS}


def title(name: str, lang: str, within: Sequence[str] = ()) -> str:
    """What an option is called, by its key, and by what it stands `within`: the path of its section."""
    if lang == "fr":
        own = next((WITHIN[part, name] for part in reversed(within) if (part, name) in WITHIN), "")
        if own or name in TITLES:
            return kept_together(own or TITLES[name])
    plain = name.replace("_", " ")
    return plain[:1].upper() + plain[1:]


def unit(text: str, lang: str) -> str:
    """A unit in words; a symbol is the same everywhere."""
    return UNITS.get(text, text) if lang == "fr" else text


def about(text: str, lang: str) -> tuple[str, str]:
    """What an option means, and the language that this is in."""
    if lang == "fr" and text in TEXTS:
        return _closed(kept_together(TEXTS[text])), "fr"
    return _closed(text), "en"


def _closed(text: str) -> str:
    return f"{text}." if text and text[-1] not in ".!?…" else text
