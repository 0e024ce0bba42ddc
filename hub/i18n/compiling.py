"""A plugin's catalogues: .po files (GNU gettext manual, "PO Files") read, .mo files ("MO Files") written. Pure.

What Îlot's catalogues hold is understood: a context, one message, one translation. Plurals are a mistake here: they
stand in the sentence, as `[device|devices]`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(r'(?:(msgctxt|msgid|msgstr)[ \t]+)?"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = dict(zip('abfnrtv"\\', '\a\b\f\n\r\t\v"\\', strict=True))
MAGIC = 0x950412DE


class Entry(NamedTuple):
    """An entry: its code (msgctxt), the English sentence, and the translation, "" where there is none or an unsure one
    (`fuzzy`). Code and sentence of the head are ""."""

    code: str
    english: str
    translation: str


def parsed(source: str) -> list[Entry]:
    """Return the entries of a .po file. Raises ValueError with the number of the line that is none."""
    entries: list[Entry] = []
    fields: dict[str, str] = {}
    fuzzy, field = False, ""

    def end() -> None:
        nonlocal fields, fuzzy
        if fields:
            translation = "" if fuzzy else fields.get("msgstr", "")
            entries.append(Entry(fields.get("msgctxt", ""), fields.get("msgid", ""), translation))
            fields, fuzzy = {}, False

    for number, line in enumerate(source.removeprefix("\ufeff").split("\n"), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            if "msgstr" in fields:
                end()
            fuzzy |= text.startswith("#,") and "fuzzy" in text
            continue
        found = _LINE.fullmatch(text)
        if found is None or not (found[1] or fields):
            raise ValueError(f'line {number} is no line of a catalogue: msgctxt, msgid or msgstr, and a text in "…"')
        if found[1]:
            if found[1] == "msgctxt" or (found[1] == "msgid" and "msgid" in fields):
                end()
            field = found[1]
            if field in fields:
                raise ValueError(f"line {number}: a second {field} in one entry")
            fields[field] = ""
        fields[field] += _ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[0]), found[2])
    end()
    return entries


def compiled(entries: Iterable[Entry]) -> bytes:
    """Return the .mo file of the entries that have a translation."""
    texts = {f"{one.code}\4{one.english}" if one.code else one.english: one.translation for one in entries}
    pairs = sorted((key.encode(), text.encode()) for key, text in texts.items() if text)
    tables, strings = 28, b""
    begin = tables + 16 * len(pairs)
    index: list[list[bytes]] = [[], []]
    for column in (0, 1):
        for pair in pairs:
            index[column].append(struct.pack("<II", len(pair[column]), begin + len(strings)))
            strings += pair[column] + b"\0"
    head = struct.pack("<7I", MAGIC, 0, len(pairs), tables, tables + 8 * len(pairs), 0, begin)
    return head + b"".join(index[0]) + b"".join(index[1]) + strings
