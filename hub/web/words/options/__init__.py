"""The options of the configuration, in French. An option's model says its French beside its English
(`hub.core.option_text`). Here are the titles that options of several models share, and the French of options whose model
has none: it is found by the English, and where that is worded otherwise `make check` says so. What has no French is
shown as English.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub.i18n.typography import no_break_signs
from hub.web.words.options.core import TEXTS
from hub.web.words.options.titles import TITLES, UNITS, WITHIN


def title(name: str, lang: str, within: Sequence[str] = (), own: str = "") -> str:
    """What an option is called: by its `own` French title, by what it stands `within`, the path of its section, or by
    its key."""
    if lang == "fr":
        own = own or next((WITHIN[part, name] for part in reversed(within) if (part, name) in WITHIN), "")
        if own or name in TITLES:
            return no_break_signs(own or TITLES[name])
    plain = name.replace("_", " ")
    return plain[:1].upper() + plain[1:]


def unit(text: str, lang: str) -> str:
    """A unit in words; a symbol is the same everywhere."""
    return UNITS.get(text, text) if lang == "fr" else text


def about(text: str, lang: str, own: str = "") -> tuple[str, str]:
    """Return the help of an option, and the language it is in. `own`: the French that its model has for it."""
    french = own or TEXTS.get(text, "")
    if lang == "fr" and french:
        return _closed(no_break_signs(french)), "fr"
    return _closed(text), "en"


def _closed(text: str) -> str:
    return f"{text}." if text and text[-1] not in ".!?…" else text
