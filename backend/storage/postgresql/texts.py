"""Texts as PostgreSQL takes them. Hubs and their devices decide what things are called, and a name may hold a NUL,
which no text of PostgreSQL can: a record that named such a device would be refused for ever, and all behind it wait.

A NUL is written as U+10FFFF, a code point that is no character, and read back as a NUL. What is not Unicode at all, a
lone surrogate, is written as a question mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.types.string import StrBinaryDumper, StrDumper, StrDumperUnknown, TextBinaryLoader, TextLoader

NUL = "\U0010ffff"

Rows = TypeVar("Rows")


_ESCAPED = b"\\u0000"
"""A NUL in JSON, or what looks like it behind a backslash."""


def stored(text: str) -> str:
    """Return a text as it is read back, but for its NULs."""
    return _written(text).decode()


def as_json(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as one text, of which `jsonb_array_elements` makes rows again: a driver that dumps each value by
    itself costs more than the server that stores them."""
    given = list(rows)
    try:
        encoded = msgspec.json.encode(given)
    except UnicodeEncodeError:
        encoded = _ESCAPED
    if _ESCAPED in encoded:
        encoded = msgspec.json.encode([[stored(one) if isinstance(one, str) else one for one in row] for row in given])
    return encoded.decode()


def rows_of(data: bytes, form: type[Rows]) -> Rows:
    """Return a JSON array of arrays, in UTF-8, as what it is, with texts as they were told."""
    if NUL.encode() not in data:
        return msgspec.json.decode(data, type=form)
    return msgspec.convert(_told(msgspec.json.decode(data)), type=form)


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(one) for one in value]
    return value.replace(NUL, "\0") if isinstance(value, str) else value


def _written(text: str) -> bytes:
    return text.replace("\0", NUL).encode(errors="replace")


def _read(data: Buffer) -> str:
    text = str(data, "utf-8")
    return text.replace(NUL, "\0") if NUL in text else text


class _Unknown(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        return _written(obj)


class _Text(StrDumper):
    def dump(self, obj: str) -> Buffer | None:
        return _written(obj)


class _BinaryText(StrBinaryDumper):
    def dump(self, obj: str) -> Buffer | None:
        return _written(obj)


class _Loader(TextLoader):
    def load(self, data: Buffer) -> str:
        return _read(data)


class _BinaryLoader(TextBinaryLoader):
    def load(self, data: Buffer) -> str:
        return _read(data)


def adapt(session: Connection[tuple[object, ...]]) -> None:
    """Have a session write and read texts so."""
    for dumper in (_BinaryText, _Text, _Unknown):  # the last one is taken where no type is asked for
        session.adapters.register_dumper(str, dumper)
    for loader in (_Loader, _BinaryLoader):
        session.adapters.register_loader("text", loader)
