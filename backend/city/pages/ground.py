"""Background of the map: pictures out of a PMTiles file of the operator's own, `ground.pmtiles` in its directory.

PMTiles, specification 3: a header of 127 bytes, a root directory, leaf directories, tiles. Of pictures only: what holds
vectors would have to be drawn by a script of its own. Nothing is asked of another machine.

    header      "PMTiles", version, then as in `_HEADER`: offsets and lengths of root, metadata, leaves and tiles,
                counts, clustered, compression of directories (1 none, 2 gzip) and of tiles, kind of tiles, zooms,
                corners (1e-7°)
    directory   count, then by columns: differences of tile numbers, run lengths, lengths, offsets + 1 (0: after the
                one before), each a varint; a run of 0 is a leaf directory
    tile number tiles of all lower zooms, then along a Hilbert curve
"""

from __future__ import annotations

import json
import logging
import re
import struct
import zlib
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hub.core.nesting import shallow_json
from hub.core.text import phrase

log = logging.getLogger(__name__)

NAME = "ground.pmtiles"
KINDS = {2: "image/png", 3: "image/jpeg", 4: "image/webp", 5: "image/avif"}
_HEADER = struct.Struct("<7sB11Q6B4i")
_SIZE = 127
_GZIP = 2
MOST_DIRECTORY, MOST_TILE, MOST_DEPTH, DEEPEST = 16 << 20, 4 << 20, 4, 22
_TAGS = re.compile(r"<[^>]*>")


class Unfit(Exception):
    """This file is none that can be shown."""


class Entry(NamedTuple):
    """A run of equal tiles from `number` on, or with a run of 0 a leaf directory."""

    number: int
    run: int
    offset: int
    length: int


class Ground:
    """An open file of tiles. Blocking; any thread. Raises Unfit, OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            head = file.read(_SIZE)
        if len(head) < _SIZE or not head.startswith(b"PMTiles\x03"):
            raise Unfit("it is no PMTiles file of version 3")
        _, _, root, root_length, meta, meta_length, self._leaves, _, self._tiles, *_rest = _HEADER.unpack_from(head)
        _, self._packing, tile_packing, kind, self.least, self.most = head[96:102]
        if kind not in KINDS:
            raise Unfit("it holds no pictures")
        if self._packing not in (1, _GZIP) or tile_packing not in (0, 1):
            raise Unfit("it is compressed in a way that is not known here")
        self.kind = KINDS[kind]
        self._directory = lru_cache(64)(self._read_directory)
        self._root = root, root_length
        self._directory(*self._root)
        try:
            about = json.loads(shallow_json(self._plain(meta, meta_length))) if meta_length else {}
        except ValueError:
            about = {}
        by = about.get("attribution", "") if isinstance(about, dict) else ""
        self.by = _TAGS.sub("", by).strip()[:200] if isinstance(by, str) else ""

    def tile(self, zoom: int, x: int, y: int) -> bytes | None:
        """Return a picture; None where there is none."""
        if not (0 <= zoom <= DEEPEST and 0 <= x < 1 << zoom and 0 <= y < 1 << zoom):
            return None
        number, (offset, length) = number_of(zoom, x, y), self._root
        for _ in range(MOST_DEPTH):
            numbers, entries = self._directory(offset, length)
            at = bisect_right(numbers, number) - 1
            if at < 0:
                return None
            one = entries[at]
            if one.run == 0:
                offset, length = self._leaves + one.offset, one.length
            elif number - one.number < one.run and one.length <= MOST_TILE:
                return self._read(self._tiles + one.offset, one.length)
            else:
                return None
        return None

    def _read(self, offset: int, length: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def _plain(self, offset: int, length: int) -> bytes:
        if length > MOST_DIRECTORY:
            raise Unfit("a directory of it is too large")
        data = self._read(offset, length)
        if self._packing != _GZIP:
            return data
        try:
            return zlib.decompressobj(31).decompress(data, MOST_DIRECTORY)
        except zlib.error as error:
            raise Unfit("a directory of it is damaged") from error

    def _read_directory(self, offset: int, length: int) -> tuple[list[int], list[Entry]]:
        data, at = self._plain(offset, length), 0

        def column(count: int) -> list[int]:
            nonlocal at
            found = []
            for _ in range(count):
                value = shift = 0
                while True:
                    if at >= len(data) or shift > 63:
                        raise Unfit("a directory of it is damaged")
                    byte = data[at]
                    at += 1
                    value |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                found.append(value)
            return found

        (count,) = column(1)
        if count > len(data):
            raise Unfit("a directory of it is damaged")
        steps, runs, lengths, offsets = (column(count) for _ in range(4))
        entries, number, after = list[Entry](), 0, 0
        for step, run, size, told in zip(steps, runs, lengths, offsets, strict=True):
            number += step
            start = after if told == 0 else told - 1
            entries.append(Entry(number, run, start, size))
            after = start + size
        return [one.number for one in entries], entries


def number_of(zoom: int, x: int, y: int) -> int:
    """Return the number of a tile."""
    found, size = ((1 << (2 * zoom)) - 1) // 3, 1 << zoom
    half = size >> 1
    while half:
        right, low = int(bool(x & half)), int(bool(y & half))
        found += half * half * ((3 * right) ^ low)
        if not low:
            if right:
                x, y = size - 1 - x, size - 1 - y
            x, y = y, x
        half >>= 1
    return found


class Grounds:
    """The background that an owner's directory has just now, if any. Blocking; any thread."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._known: tuple[tuple[int, int] | None, Ground | None] = None, None

    def open(self) -> Ground | None:
        """Return the background; None without a file that can be shown, which the log tells once."""
        try:
            state = self._path.stat()
        except OSError:
            return None
        mark = state.st_mtime_ns, state.st_size
        if self._known[0] != mark:
            try:
                self._known = mark, Ground(self._path)
            except (Unfit, OSError, struct.error) as error:
                self._known = mark, None
                said = str(error)
                log.warning(
                    phrase("pages-ground-unfit", "{file} is not shown below the map: {reason}", file=NAME, reason=said)
                )
        return self._known[1]
