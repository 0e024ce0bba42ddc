"""Evidence about a device in quarantine, in the language of the page. Pure.

Integrations give evidence as a small table in English. Its labels are translated, and so are the few words among its
values that `hub.web.words.evidence` lists; text from the device is shown unchanged. An unknown label is shown unchanged
too, as English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from hub.i18n.catalogues import ENGLISH
from hub.i18n.typography import typeset
from hub.web.words import WORDS, template


class EvidenceRow(NamedTuple):
    """A row of evidence. `lang` is the language of both, "" for the page's."""

    name: str
    said: str
    lang: str = ""


_VALUES = {english: key for key, english in WORDS.items() if key.startswith("evidence-value-")}
_PARTS = (
    ("evidence-part-basics-station", re.compile(r"Basics Station from (?P<address>.*)")),
    ("evidence-part-udp", re.compile(r"UDP from (?P<address>.*)")),
    ("evidence-part-reserved", re.compile(r"reserved (?P<code>[0-9a-f]{2})")),
)
_SIZES = (
    ("evidence-part-bits", re.compile(r"\(up to 6 bits\)")),
    ("evidence-part-no-value", re.compile(r"\(no value\)")),
    ("evidence-part-octets", re.compile(r"\((?P<number>\d+) bytes\)")),
)
"""Sizes of KNX telegrams within a list of addresses."""
_OF_THE_DEVICE = ("name", "subject", "uri")
"""Evidence whose value is text of the device."""


def evidence_rows(evidence: Mapping[str, str], lang: str) -> list[EvidenceRow]:
    """Return the rows in the given order."""
    return [_clue(name, str(value), lang) for name, value in evidence.items()]


def _clue(name: str, value: str, lang: str) -> EvidenceRow:
    key = f"evidence-{name.lower()}"
    if key not in WORDS:
        return EvidenceRow(name, value, ENGLISH if lang != ENGLISH else "")
    return EvidenceRow(template(key, lang), value if lang == ENGLISH else _said(name, value, lang))


def _said(name: str, value: str, lang: str) -> str:
    if name == "groups":
        for key, pattern in _SIZES:
            value = pattern.sub(partial(_filled, template(key, lang)), value)
        return value
    if name in _OF_THE_DEVICE:
        return value
    for key, pattern in _PARTS:
        if found := pattern.fullmatch(value):
            return _filled(template(key, lang), found)
    said = template(_VALUES[value], lang) if value in _VALUES else value
    return typeset(said) if lang == "fr" else said


def _filled(text: str, found: re.Match[str]) -> str:
    return text.format(**found.groupdict())
