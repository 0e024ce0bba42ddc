"""Fetches a layer's pictures of an area into `ground.pmtiles`, once. What has come is kept when it is stopped.

ground.part     while it runs: a line of JSON that says what is asked for, then for each picture its number and
                length (`_HEAD`) and its bytes; a length of 0: the server has none. The same request goes on where
                it stopped; another one begins anew.
ground.pmtiles  takes the place of the former one when all is there, written by the format's own library
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import aiohttp
from yarl import URL

from backend.city.pages.ground import KINDS, MOST_TILE, NAME, number_of
from backend.city.wmts.capabilities import MOST_BYTES, Layer, Level
from hub.core.errors import ConfigError, NotReady, StorageError, cause
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, system_error

PART = "ground.part"
AT_ONCE, TRIES, WAIT_S, MOST_WAIT_S = 4, 4, 1.0, 60.0
NONE = (204, 400, 404)
"""Answers of servers that have no picture there; 400 is WMTS's TileOutOfRange."""
_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=15)
_HEAD = struct.Struct(">QI")
_MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF"}
_MARGIN_DEG = 0.005
_NORTHEST = 85.051128


class Box(NamedTuple):
    """An area, in degrees."""

    west: float
    south: float
    east: float
    north: float


class Progress(NamedTuple):
    """Pictures that are there, those among them that the server has not, all; bytes."""

    done: int
    absent: int
    total: int
    bytes: int


def around(boxes: Iterable[Box]) -> Box | None:
    """Return the area around all of them with a margin of some 500 m; None without any."""
    found = list(boxes)
    if not found:
        return None
    return Box(
        min(one.west for one in found) - _MARGIN_DEG, min(one.south for one in found) - _MARGIN_DEG,
        max(one.east for one in found) + _MARGIN_DEG, max(one.north for one in found) + _MARGIN_DEG,
    )  # fmt: skip


def count(layer: Layer, box: Box, zooms: range) -> int:
    """Return how many pictures of a layer an area has."""
    spans = (_span(layer.levels[zoom], box, zoom) for zoom in zooms if zoom in layer.levels)
    return sum(max(0, right - left + 1) * max(0, bottom - top + 1) for left, top, right, bottom in spans)


def _tiles(layer: Layer, box: Box, zooms: range) -> Iterator[tuple[int, int, int, int]]:
    """(number, zoom, column, row) of each picture, in the order in which the file has them."""
    for zoom in zooms:
        if zoom in layer.levels:
            left, top, right, bottom = _span(layer.levels[zoom], box, zoom)
            places = ((x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))
            yield from sorted((number_of(zoom, x, y), zoom, x, y) for x, y in places)


def _span(level: Level, box: Box, zoom: int) -> tuple[int, int, int, int]:
    left, top = _place(box.west, box.north, zoom)
    right, bottom = _place(box.east, box.south, zoom)
    return max(left, level.left), max(top, level.top), min(right, level.right), min(bottom, level.bottom)


def _place(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    size, angle = 1 << zoom, math.radians(max(-_NORTHEST, min(_NORTHEST, latitude)))
    x = (longitude + 180) / 360 * size
    y = (1 - math.asinh(math.tan(angle)) / math.pi) / 2 * size
    return max(0, min(size - 1, math.floor(x))), max(0, min(size - 1, math.floor(y)))


async def capabilities(url: str, context: ssl.SSLContext) -> bytes:
    """Return the document at an address, or the capabilities of the service there. Raises ConfigError, NotReady."""
    if URL(url).scheme not in ("http", "https"):
        raise ConfigError(
            phrase("wmts-no-address", "{url} is no address that begins with https:// or http://", url=url)
        )
    given = {name.upper() for name in URL(url).query}
    if not given & {"REQUEST"} and not URL(url).path.endswith(".xml"):
        asked = {"SERVICE": "WMTS", "REQUEST": "GetCapabilities", "VERSION": "1.0.0"}
        url = str(URL(url).update_query({name: value for name, value in asked.items() if name not in given}))
    async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session:
        status, body = await _get(session, context, url, MOST_BYTES)
    if status != 200:
        raise NotReady(phrase("wmts-refuses", "{url} answers {status}", url=url, status=status))
    return body


async def _get(session: aiohttp.ClientSession, context: ssl.SSLContext, url: str, most: int) -> tuple[int, bytes]:
    """Ask, again where the server says that it is busy. Raises NotReady."""
    wait = WAIT_S
    for last in (*[False] * (TRIES - 1), True):
        reason = ""
        try:
            async with session.get(URL(url, encoded=True), ssl=context, allow_redirects=False) as answer:
                if answer.status != 429 and answer.status < 500:
                    return answer.status, await _body(answer, url, most)
                reason = str(answer.status)
                after = answer.headers.get("Retry-After", "")
                wait = max(wait, float(after)) if after.isdecimal() else wait
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, OSError, ValueError) as error:
            reason = system_error(error) if isinstance(error, OSError) else str(error) or type(error).__name__
        if last:
            raise NotReady(phrase("wmts-away", "{url} does not answer: {reason}", url=url, reason=reason))
        await asyncio.sleep(min(wait, MOST_WAIT_S))
        wait *= 2
    raise AssertionError


async def _body(answer: aiohttp.ClientResponse, url: str, most: int) -> bytes:
    found = bytearray()
    async for piece in answer.content.iter_chunked(65_536):
        found += piece
        if len(found) > most:
            raise NotReady(
                phrase("wmts-answer-long", "{url}: an answer is longer than {most} bytes", url=url, most=most)
            )
    return bytes(found)


class Part:
    """Pictures that have come so far. Blocking; one thread."""

    def __init__(self, folder: Path, asked: Mapping[str, object]) -> None:
        """Open what a former call with the same request left, or begin. Raises StorageError."""
        self._path = folder / PART
        self.places: dict[int, tuple[int, int]] = {}
        """Offset and length of each picture, by its number."""
        self.bytes = self.absent = 0
        """Bytes of all pictures; pictures that the server has not."""
        line = json.dumps(asked, sort_keys=True).encode() + b"\n"
        try:
            self._file = self._path.open("r+b" if self._path.exists() else "w+b")
            end = self._recover(line)
            if not end:
                self._file.seek(0)
                self._file.write(line)
                end = len(line)
            self._file.truncate(end)
            self._file.seek(end)
        except OSError as error:
            raise StorageError(file_not_written(self._path, error)) from error

    def _recover(self, line: bytes) -> int:
        """Read what is whole; return its end, 0 where it was another request."""
        if self._file.read(len(line)) != line:
            return 0
        end, size = len(line), os.fstat(self._file.fileno()).st_size
        while len(head := self._file.read(_HEAD.size)) == _HEAD.size:
            number, length = _HEAD.unpack(head)
            if length > MOST_TILE or end + _HEAD.size + length > size:
                break
            self.places[number] = end + _HEAD.size, length
            self._count(length)
            end += _HEAD.size + length
            self._file.seek(end)
        return end

    def add(self, number: int, data: bytes) -> None:
        """Append a picture, or that there is none. Raises StorageError."""
        try:
            self.places[number] = self._file.tell() + _HEAD.size, len(data)
            self._file.write(_HEAD.pack(number, len(data)) + data)
        except OSError as error:
            raise StorageError(file_not_written(self._path, error)) from error
        self._count(len(data))

    def _count(self, length: int) -> None:
        self.bytes += length
        self.absent += not length

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number, picture) in the order of their numbers, without those that there are not."""
        self._file.flush()
        with self._path.open("rb") as file:
            for number in sorted(self.places):
                offset, length = self.places[number]
                if length:
                    file.seek(offset)
                    yield number, file.read(length)

    def close(self) -> None:
        """Keep what has come for the next call."""
        self._file.close()

    def forget(self) -> None:
        """Delete it: the file of tiles has taken its place."""
        self._file.close()
        self._path.unlink(missing_ok=True)


async def fetch(
    part: Part, layer: Layer, box: Box, zooms: range, context: ssl.SSLContext, tell: Callable[[Progress], None]
) -> None:
    """Fetch what is not there yet, four at once. Raises NotReady, StorageError; what has come stays in the part."""
    total = count(layer, box, zooms)
    waiting = (one for one in _tiles(layer, box, zooms) if one[0] not in part.places)

    async def work(session: aiohttp.ClientSession) -> None:
        for number, zoom, x, y in waiting:
            url = layer.url(zoom, x, y)
            status, data = await _get(session, context, url, MOST_TILE)
            if status in NONE:
                data = b""
            elif status != 200 or not data.startswith(_MAGIC.get(layer.format, b"")):
                raise NotReady(
                    phrase(
                        "wmts-no-picture",
                        "{url} answers {status} without a picture: {text}",
                        url=url,
                        status=status,
                        text=data[:200].decode("ascii", "replace"),
                    )
                )
            part.add(number, data)
            tell(Progress(len(part.places), part.absent, total, part.bytes))

    async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(work(session))
        except ExceptionGroup as errors:
            raise cause(errors) from None


def write(part: Part, folder: Path, layer: Layer, box: Box, credit: str) -> Path:
    """Write the file of tiles in the place of the former one, and forget the part. Raises ConfigError, StorageError."""
    try:
        from pmtiles import writer
        from pmtiles.tile import Compression, TileType
    except ImportError:
        raise ConfigError(
            phrase("wmts-library-missing", "pmtiles is not installed, which writes the file: install ilot[map]")
        ) from None
    path, fresh = folder / NAME, folder / f"{NAME}.new"
    header = {
        "tile_type": TileType({kind: number for number, kind in KINDS.items()}[layer.format]),
        "tile_compression": Compression.NONE, "center_zoom": min(layer.levels),
        "min_lon_e7": round(box.west * 1e7), "min_lat_e7": round(box.south * 1e7),
        "max_lon_e7": round(box.east * 1e7), "max_lat_e7": round(box.north * 1e7),
        "center_lon_e7": round((box.west + box.east) * 5e6), "center_lat_e7": round((box.south + box.north) * 5e6),
    }  # fmt: skip
    try:
        with fresh.open("wb") as file:
            _fill(writer.Writer(file), part, folder, header, {"attribution": credit, "name": layer.title})  # type: ignore[no-untyped-call]
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise StorageError(file_not_written(path, error)) from error
    part.forget()
    return path


def _fill(writer: Any, part: Part, folder: Path, header: dict[str, object], about: dict[str, str]) -> None:
    spool: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the writer closes it
    writer.tile_f.close()
    writer.tile_f = spool  # its own lies in /tmp, which may be memory
    for number, data in part.pictures():
        writer.write_tile(number, data)
    writer.finalize(header, about)
