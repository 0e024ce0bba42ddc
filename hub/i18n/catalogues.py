"""Translations of phrases: GNU gettext catalogues, one for the hub and one for each plugin, read when first needed.

    hub/locale/fr/LC_MESSAGES/hub.po                     sources, compiled to hub.mo by `make setup` and `make dist`
    integrations/modbus/locale/fr/LC_MESSAGES/modbus.po  those of a plugin, in its own folder

The context of an entry (msgctxt) is the code of a phrase, its msgid the English sentence. A message is found by its
code alone, so that a better English sentence loses no translation. A third language is one more folder under `locale`.
`tools/catalogues.py` extracts, checks and compiles.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Mapping
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.core.catalogue_domain import HUB
from hub.core.text import InSentence, Phrase, chosen
from hub.i18n.typography import typeset, unit_text

if TYPE_CHECKING:
    from hub.i18n.catalogue_file import CatalogueFile

UNIT = "unit"
"""Name of a parameter that is a UCUM unit: it is shown as people of the language write it."""
FRENCH, ENGLISH = "fr", "en"
GROUP = "hub.plugins"
_HUB_FOLDER = Path(__file__).resolve().parent.parent / "locale"
_KEPT = 512
"""Messages of a catalogue that stay in memory, those said last."""
_SPEC = re.compile(r"[-+ ]?#?0?,?(?:\d{1,2})?(?:\.\d{1,2})?[a-zA-Z%]?")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_log = logging.getLogger("hub.i18n")


class Said(NamedTuple):
    """A sentence for a page: `text` in the reader's language, `quoted` after it in English; either may be empty."""

    text: str
    quoted: str = ""


def translate(sentence: str, lang: str) -> str:
    """Return a sentence in a language, "fr" for instance; unchanged where it has no code or no translation."""
    if lang == ENGLISH or not isinstance(sentence, Phrase):
        return sentence
    known = _of(sentence, lang)
    said = None if known is None else _filled(known, sentence.params, lang)
    return sentence if said is None else said


def split(sentence: str, lang: str) -> Said:
    """Return a sentence for a page, with what stays English apart, so that the page can mark it: a sentence without a
    translation, or a `reason` of a library or of another machine at its end."""
    if lang == ENGLISH:
        return Said(sentence)
    if not isinstance(sentence, Phrase) or (known := _of(sentence, lang)) is None:
        return Said("", sentence)
    reason = sentence.params.get("reason")
    if isinstance(reason, str) and reason and known.endswith("{reason}"):
        inner = split(reason, lang)
        said = _filled(known, {**sentence.params, "reason": inner.text}, lang) if inner.quoted else None
        if said is not None:
            return Said(said.rstrip(" :\u00a0("), inner.quoted)
    said = _filled(known, sentence.params, lang)
    return Said("", sentence) if said is None else Said(said)


def is_translated(sentence: str, lang: str) -> bool:
    """Return whether a catalogue has this sentence in a language."""
    return lang == ENGLISH or (isinstance(sentence, Phrase) and _of(sentence, lang) is not None)


def has_many(count: int, lang: str) -> bool:
    """Return whether a count takes the plural: in French 0 and 1 are singular, in English 1 alone (CLDR)."""
    return abs(count) > 1 if lang == "fr" else count != 1


def _of(said: Phrase, lang: str) -> str | None:
    domain = said.code.partition(".")[0] if "." in said.code else HUB
    # Another machine may have sent the code: a domain that nobody has is not looked for, nor remembered.
    known = messages(domain, lang).get(said.code) if domain == HUB or domain in folders() else None
    return _brought.get(said.code) if known is None and lang == FRENCH else known


def _filled(template: str, params: Mapping[str, Any], lang: str) -> str | None:
    """Return a translation with its parameters; None where one of them is not of the kind that it asks for, as in a
    sentence of another version or of another machine."""
    template = chosen(template, params, many=lambda count: has_many(count, lang))
    try:
        filled = template.format_map(_Shown({name: _shown(one, lang, name) for name, one in params.items()}))
    except (ValueError, TypeError, OverflowError):
        return None
    return typeset(filled) if lang == "fr" else filled


class _Shown(dict[str, Any]):
    """Parameters by name; one that a sentence of another version names and this one has not is shown by its name."""

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


class _Decimal(float):
    """A number that is formatted with a decimal comma."""

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace(".", ",")

    def __str__(self) -> str:
        return super().__repr__().replace(".", ",")


class _InFrench(InSentence):
    """A text in a French sentence: `{name!r}` shows it between French quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"« {super().__repr__()[1:-1]} »"


def _shown(value: Any, lang: str, name: str = "") -> Any:
    if isinstance(value, str):
        said = unit_text(value, lang) if name == UNIT else translate(value, lang)
        return _InFrench(said) if lang == "fr" else InSentence(said)
    if isinstance(value, tuple):
        return ", ".join(str(_shown(one, lang)) for one in value)
    if lang == "fr" and isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    return _Decimal(value) if isinstance(value, float) and lang == "fr" else value


@cache
def languages() -> tuple[str, ...]:
    """Return the languages that the hub speaks: French, English, and each other one that `hub/locale` has."""
    found = {path.parent.parent.name for path in _HUB_FOLDER.glob(f"*/LC_MESSAGES/{HUB}.mo")}
    return (FRENCH, ENGLISH, *sorted(one for one in found - {FRENCH, ENGLISH} if _NAME.fullmatch(one)))


class Messages:
    """Translations of one domain in one language, each looked up when it is first said; none without a catalogue."""

    def __init__(self, found: CatalogueFile | None = None) -> None:
        self._found = found
        self.get = lru_cache(maxsize=_KEPT)(self._get)

    def _get(self, code: str) -> str | None:
        """Return a message by its code; None where there is none, or one with placeholders that are not a
        translator's. Never raises: a plugin's catalogue is input like any other."""
        try:
            text = self._found.find(code) if self._found is not None else ""
        except (OSError, ValueError, struct.error):  # of a damaged message; the others count
            return None
        return text if text and problem_with(text) == "" else None


@cache
def messages(domain: str, lang: str) -> Messages:
    """Return the messages of a catalogue; empty where there is none. One that cannot be read is logged once."""
    folder = _HUB_FOLDER if domain == HUB else folders().get(domain)
    if folder is None or not _NAME.fullmatch(lang):
        return Messages()
    path = folder / lang / "LC_MESSAGES" / f"{domain}.mo"
    try:
        from hub.i18n.catalogue_file import (
            CatalogueFile,
        )  # imported late: a hub that everybody reads in English has no use for it

        return Messages(CatalogueFile(path))
    except FileNotFoundError:
        return Messages()
    except (OSError, ValueError, struct.error) as error:
        _log.warning("catalogue %s cannot be read, its messages stay English: %s", path, error)
        return Messages()


def problem_with(template: str) -> str:
    """Return what is wrong with the placeholders of a translation, "" where they are right: a name, and a format of
    bounded width. Attributes and indices of a parameter are none of a translator's."""
    try:
        for _, name, spec, _conversion in Formatter().parse(template):
            if name is not None and not (_NAME.fullmatch(name) and _SPEC.fullmatch(spec or "")):
                return f"{{{name}:{spec}}} is no placeholder: a name, and at most a short format"
    except ValueError as error:
        return str(error)
    return ""


_brought: dict[str, str] = {}


def bring(french: Mapping[str, str]) -> None:
    """Add French by code that a plugin has in its code, as in former versions. Catalogues take precedence."""
    _brought.update({code: text for code, text in french.items() if problem_with(text) == ""})


@cache
def folders() -> Mapping[str, Path]:
    """Return the folder of translations of the hub and of each installed plugin, by domain: the name of the plugin's
    package. Nothing is imported for it."""
    from importlib import metadata
    from importlib.util import find_spec

    found = {HUB: _HUB_FOLDER}
    for entry in metadata.entry_points(group=GROUP):
        top, *rest = entry.module.split(".")
        try:
            spec = find_spec(top)
        except (ImportError, ValueError):
            continue
        for root in (spec.submodule_search_locations or ()) if spec else ():
            path, names = Path(root), [top, *rest]
            for depth in range(len(names)):
                if depth:
                    path /= names[depth]
                if (folder := path / "locale").is_dir():
                    found.setdefault(names[depth], folder)
    return found
