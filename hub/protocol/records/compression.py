"""zstd with a cap: level 3 in, never more than asked for out. RFC 8878."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from hub.core.errors import DecodeError
from hub.core.text import phrase, reason_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 3
"""1.3 % less than level 1 for 4 ns a reading; level 6 would be another 0.7 % for 50 (docs/adr/0061)."""
MAX_BODY = 1 << 20
"""Largest body of any kind in bytes, before compression."""


OWN_BLOCK = 192
"""Bytes from which a piece is worth a block of its own."""


class Squeezer:
    """A reusable compressor: one context, one finished frame a call. Not for two threads at once."""

    def __init__(self) -> None:
        parameter = zstd.CompressionParameter
        self._compressor = zstd.ZstdCompressor(
            options={parameter.compression_level: LEVEL, parameter.checksum_flag: 0, parameter.content_size_flag: 0}
        )

    def __call__(self, body: bytes) -> bytes:
        if len(body) > MAX_BODY:
            raise ValueError(
                phrase("body-too-large", "a body of {count} bytes is beyond {limit}", count=len(body), limit=MAX_BODY)
            )
        return self._compressor.compress(body, mode=zstd.ZstdCompressor.FLUSH_FRAME)


class Joiner:
    """A compressor that makes one frame of several pieces and gives each long one a block, and so symbols, of its own:
    columns of unlike numbers are shorter so. In noise, matches of a few bytes cost more than they spare: it seeks none
    below seven, the most that zstd knows (4 % less of a room's values)."""

    def __init__(self) -> None:
        parameter = zstd.CompressionParameter
        self._compressor = zstd.ZstdCompressor(
            options={
                parameter.compression_level: LEVEL,
                parameter.min_match: 7,
                parameter.checksum_flag: 0,
                parameter.content_size_flag: 0,
            }
        )

    def __call__(self, pieces: Iterable[bytes]) -> bytes:
        """Return the frame. Its size is not bounded here: whoever calls bounds what is in it."""
        compress = self._compressor.compress
        out: list[bytes] = []
        short: list[bytes] = []
        for piece in pieces:
            if len(piece) < OWN_BLOCK:
                short.append(piece)
                continue
            if short:
                out.append(compress(b"".join(short), zstd.ZstdCompressor.FLUSH_BLOCK))
                short.clear()
            out.append(compress(piece, zstd.ZstdCompressor.FLUSH_BLOCK))
        out.append(compress(b"".join(short), zstd.ZstdCompressor.FLUSH_FRAME))
        return b"".join(out)


def expand(data: bytes, cap: int = MAX_BODY) -> bytes:
    """The one frame in `data`. Raises DecodeError when it is none, is cut, has a tail or expands beyond `cap`."""
    reader = zstd.ZstdDecompressor()
    try:
        body = reader.decompress(data, max_length=cap + 1)
    except zstd.ZstdError as error:
        raise DecodeError("bad-zstd", reason_of(error)) from error
    if len(body) > cap:
        raise DecodeError(
            "too-long", phrase("body-expands-too-large", "the body expands beyond {limit} bytes", limit=cap)
        )
    if not reader.eof or reader.unused_data:
        raise DecodeError("bad-zstd", phrase("body-not-one-frame", "not exactly one finished frame"))
    return body
