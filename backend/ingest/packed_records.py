"""Lines of the account packed: of 1,024 numbers of a stream, the digests of the records that arrived. Pure.

A line of its own costs 74 bytes with its index, packed it costs 33. Lines are packed once all of
their block are older than a hub keeps what was acknowledged: until then a record may well come again, after that hardly
ever, and is still told from a fork. A block holds

    places   128 bytes: a bit for each number, set when it arrived, the first in the lowest bit of the first byte
    digests  32 bytes each, in the order of the numbers

A stream's number n is in block n // 1,024.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backend.storage.chunks import PackedAccount
from hub.core.errors import DecodeError
from hub.core.text import phrase

BLOCK = 1024
AGE_S = 8 * 86_400.0
"""A hub keeps what was acknowledged for 7 days unless it is set otherwise."""
DIGEST = 32
_BITS = BLOCK // 8


def pack(digests: Mapping[int, bytes]) -> bytes:
    """Pack digests of numbers of one block."""
    there = 0
    for seq in digests:
        there |= 1 << seq % BLOCK
    return there.to_bytes(_BITS, "little") + b"".join(digests[seq] for seq in sorted(digests))


def unpack(data: bytes, block: int) -> dict[int, bytes]:
    """Return the digests of a block by their numbers. Raises DecodeError when it is damaged."""
    there = int.from_bytes(data[:_BITS], "little")
    if len(data) != _BITS + DIGEST * there.bit_count():
        raise DecodeError(
            "bad-pack",
            phrase("packed-lines-damaged", "the packed lines of numbers from {first} are damaged", first=block * BLOCK),
        )
    numbers = [block * BLOCK + at for at in range(BLOCK) if there >> at & 1]
    return {seq: data[_BITS + at * DIGEST :][:DIGEST] for at, seq in enumerate(numbers)}


def find(data: bytes, seq: int) -> bytes | None:
    """Return the digest of a number out of its block; None when it did not arrive. Raises DecodeError."""
    return unpack(data, seq // BLOCK).get(seq)


def pack_old(account: PackedAccount, streams: Iterable[int], now: float, most: int = 64) -> int:
    """Pack the lines of blocks of which all lines are older than AGE_S, at most so many blocks; return how many. Inside
    a transaction."""
    packed = 0
    for stream in streams:
        while packed < most and (first := account.first_line(stream)) is not None:
            block = first // BLOCK
            lines = account.lines(stream, block * BLOCK, block * BLOCK + BLOCK - 1)
            if max(received_at for _, _, received_at in lines) >= now - AGE_S:
                break
            known = account.packed(stream, block)
            digests = {} if known is None else unpack(known, block)
            digests |= {seq: digest for seq, digest, _ in lines}
            account.replace(stream, block, pack(digests), block * BLOCK, block * BLOCK + BLOCK - 1)
            packed += 1
    return packed
