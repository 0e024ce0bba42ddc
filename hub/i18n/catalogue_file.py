"""A compiled gettext catalogue, searched where it lies: a catalogue in memory takes twice its file, for sentences of
which few are ever said.

Format (GNU gettext, section "The Format of GNU MO Files"): seven numbers, then two tables of (length, offset), one of
the originals in the order of their bytes, one of the translations. An original is `msgctxt`, EOT, `msgid`; the context
is the code of a phrase, and no code holds a character before EOT: the first original that is not before code and EOT
is the one of that code, or there is none.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

LARGEST = 4 * 1024 * 1024
"""Bytes of a catalogue that is read."""
LONGEST = 64 * 1024
"""Bytes of one original or translation."""
_BEGINNING = 20
_MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}


class _Texts(Sequence[bytes]):
    """The texts of one table of a file; one that lies beyond its end is empty."""

    def __init__(self, file: int, order: str, count: int, at: int) -> None:
        self._file, self._count, self._at, self._row = file, count, at, struct.Struct(f"{order}II")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> bytes:  # type: ignore[override]  # nobody asks for a slice
        row = os.pread(self._file, self._row.size, self._at + number * self._row.size)
        length, offset = self._row.unpack(row)
        return os.pread(self._file, min(length, LONGEST), offset)


class CatalogueFile:
    """A catalogue whose file is open. Raises OSError, and ValueError where the file is none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(self._file).st_size
            if size > LARGEST:
                raise ValueError(f"larger than {LARGEST} bytes")
            beginning = os.pread(self._file, _BEGINNING, 0)
            order = _MAGIC.get(beginning[:4])
            if order is None or len(beginning) < _BEGINNING:
                raise ValueError("no compiled catalogue")
            _, count, originals, translations = struct.unpack(f"{order}4I", beginning[4:])
            if max(originals, translations) + 8 * count > size:
                raise ValueError("shorter than its tables")
        except BaseException:
            os.close(self._file)
            raise
        self._originals = _Texts(self._file, order, count, originals)
        self._translations = _Texts(self._file, order, count, translations)

    def __del__(self) -> None:
        if hasattr(self, "_originals"):
            os.close(self._file)

    def find(self, code: str) -> str:
        """Return the translation of a code, "" where there is none. Raises OSError and ValueError."""
        wanted = code.encode() + b"\4"
        at = bisect_left(self._originals, wanted)
        if at == len(self._originals) or not self._originals[at].startswith(wanted):
            return ""
        return self._translations[at].decode()
