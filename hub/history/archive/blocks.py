"""Encoding of raw history files. Pure; the format is specified in `hub.history.archive`."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import sub
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.core.errors import DecodeError
from hub.core.text import phrase, reason_of
from hub.history.memory.pages import Point, points, put_page, span
from hub.protocol.records.integers import Reader, put_packed, put_varint
from hub.protocol.records.seal import AES, CHACHA

MAGIC = b"ilotraw\1"
HEAD = struct.Struct(">8sB16sQQI")
BOUND = HEAD.size - 4
"""Length of the part of the head that is associated data of everything sealed."""
ID_BYTES, SECRET_BYTES, TAG_BYTES = 16, 32, 16
DIRECTORY_LABEL, BLOCK_LABEL = b"ilot/raw-directory/1\0", b"ilot/raw-block/1\0"
CIPHERS = {1: AES, 2: CHACHA}
_AEADS: dict[int, type[AESGCM] | type[ChaCha20Poly1305]] = {1: AESGCM, 2: ChaCha20Poly1305}
_NONCE = bytes(12)
PLAIN, PACKED = 0, 1
MOST_SERIES = 1 << 17
MOST_ROWS = 1 << 21
"""Maximum rows of one block; a file holds far less."""
MOST_BYTES = 8 << 20
"""Maximum size of one block, decompressed."""
END_OF_TIME = 1 << 62
"""A second beyond any reading."""


class Head(NamedTuple):
    """The clear-text head. `raw`: its first BOUND bytes, the associated data; `directory`: bytes of the sealed
    directory."""

    cipher: int
    id: bytes
    first: int
    last: int
    directory: int
    raw: bytes


class Root:
    """The root key of a hub's files, and the keys derived from it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def directory(self, head: Head) -> AESGCM | ChaCha20Poly1305:
        return _AEADS[head.cipher](_derived(self._key, head.id, DIRECTORY_LABEL))

    def block(self, head: Head, number: int, secret: bytes) -> AESGCM | ChaCha20Poly1305:
        info = BLOCK_LABEL + number.to_bytes(4, "big")
        return _AEADS[head.cipher](_derived(self._key + secret, head.id, info))


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


class Series(NamedTuple):
    """A series of a new file: number, secret, and its readings, sorted and not empty."""

    number: int
    secret: bytes
    points: Sequence[Point]


def put_file(root: Root, aead: str, id: bytes, first: int, last: int, series: Iterable[Series]) -> bytes:
    """Encode a file of these series, ordered by number.

    `id` was never used before; `first` and `last` are the Unix seconds of the earliest and latest reading. `series` is
    iterated once, so that one series at a time is in memory.
    """
    cipher = next(number for number, name in CIPHERS.items() if name == aead)
    bound = HEAD.pack(MAGIC, cipher, id, first, last, 0)[:BOUND]
    head = Head(cipher, id, first, last, 0, bound)
    numbers: list[int] = []
    blocks: list[bytes] = []
    for number, secret, said in series:
        pages = put_page(said)
        small = zlib.compress(pages)
        body = bytes([PACKED]) + small if len(small) < len(pages) else bytes([PLAIN]) + pages
        numbers.append(number)
        blocks.append(root.block(head, number, secret).encrypt(_NONCE, body, bound))
    parts: list[bytes] = []
    put_varint(parts, len(numbers))
    if numbers:
        put_packed(parts, list(map(sub, numbers, [0, *numbers])))
        put_packed(parts, [len(block) for block in blocks])
    directory = root.directory(head).encrypt(_NONCE, b"".join(parts), bound)
    return b"".join([bound, len(directory).to_bytes(4, "big"), directory, *blocks])


def get_head(data: bytes) -> Head:
    """Parse the head from the first HEAD.size bytes of a file. Raises DecodeError."""
    if len(data) < HEAD.size:
        raise DecodeError(
            "raw-truncated", phrase("raw-file-ends-in-head", "a file of raw history ends within its head")
        )
    magic, cipher, id, first, last, directory = HEAD.unpack_from(data)
    if magic != MAGIC or cipher not in CIPHERS or first > last:
        raise DecodeError(
            "raw-head", phrase("raw-file-head-damaged", "this is no file of raw history, or its head is damaged")
        )
    return Head(cipher, id, first, last, directory, data[:BOUND])


class Directory(NamedTuple):
    """Number and offset of each series' block, from the start of the file; one more offset marks the end."""

    numbers: list[int]
    offsets: list[int]

    def find(self, number: int) -> tuple[int, int] | None:
        try:
            at = self.numbers.index(number)
        except ValueError:
            return None
        return self.offsets[at], self.offsets[at + 1] - self.offsets[at]


def get_directory(root: Root, head: Head, sealed: bytes) -> Directory:
    """Decrypt and parse the directory. Raises DecodeError."""
    try:
        reader = Reader(root.directory(head).decrypt(_NONCE, sealed, head.raw))
    except InvalidTag:
        raise DecodeError(
            "raw-damaged",
            phrase("raw-directory-damaged", "a directory is damaged, or was written under another key"),
        ) from None
    count = reader.varint()
    if count > MOST_SERIES:
        raise DecodeError("raw-damaged", phrase("too-many-series-in-file", "{count} series in one file", count=count))
    if not count:
        return Directory([], [HEAD.size + head.directory])
    numbers = list(accumulate(reader.packed(count)))
    lengths = reader.packed(count)
    reader.end()
    if min(lengths) < TAG_BYTES + 1:
        raise DecodeError("raw-damaged", phrase("block-shorter-than-tag", "a block shorter than its tag"))
    return Directory(numbers, list(accumulate(lengths, initial=HEAD.size + head.directory)))


def get_block(
    root: Root, head: Head, number: int, secret: bytes, sealed: bytes, begin: int = 0, end: int = END_OF_TIME
) -> list[Point]:
    """Decrypt the readings of a series in [begin, end), sorted. Raises DecodeError."""
    try:
        body = root.block(head, number, secret).decrypt(_NONCE, sealed, head.raw)
    except InvalidTag:
        raise DecodeError(
            "raw-damaged", phrase("block-damaged", "a block is damaged, or was written under another key")
        ) from None
    return get_body(body, begin, end)


def get_body(body: bytes, begin: int = 0, end: int = END_OF_TIME) -> list[Point]:
    """Decode a decrypted block. Raises DecodeError and nothing else, for any input."""
    form, pages = body[:1], body[1:]
    if form == bytes([PACKED]):
        unpacker = zlib.decompressobj()
        try:
            pages = unpacker.decompress(pages, MOST_BYTES)
        except zlib.error as error:
            raise DecodeError(
                "raw-damaged",
                phrase("block-not-unpacked", "a block cannot be unpacked: {reason}", reason=reason_of(error)),
            ) from error
        if not unpacker.eof:
            raise DecodeError("raw-damaged", phrase("block-ends-early", "a block ends early, or is too large"))
    elif form != bytes([PLAIN]):
        raise DecodeError("raw-damaged", phrase("block-of-unknown-form", "a block of an unknown form"))
    if not pages:
        raise DecodeError("raw-damaged", phrase("block-without-readings", "a block without a reading"))
    if span(pages)[0] > MOST_ROWS:
        raise DecodeError("raw-damaged", phrase("block-with-too-many-readings", "a block with too many readings"))
    return sorted(points(pages, 0, begin, end))
