"""The index of a segment: every intact record is found by its number, wherever a damaged disk shows it."""

from __future__ import annotations

from pathlib import Path

from hub.protocol.records import framing
from hub.store_and_forward.buffer.reader import SegmentIndex
from hub.store_and_forward.buffer.segment import MAGIC, SegmentInfo


def record(seq: int) -> bytes:
    header = framing.pack_header(framing.BLOCK, 0, readings=1, seq=seq, total=seq, commit_s=1)
    return framing.pack_record(header, b"", b"s" * framing.SIGNATURE_SIZE)


def index(*pieces: bytes, first: int = 1) -> SegmentIndex:
    size = sum(map(len, pieces))
    made = SegmentIndex(SegmentInfo(Path("x"), "data", 1, bytes(16), first, first, 0, 0, size, 0))
    for piece in pieces:
        made.extend(piece)
    return made


def found(made: SegmentIndex) -> list[int]:
    return [seq for seq in range(200) if made.spot(seq)]


def test_a_record_is_found_also_before_its_place_in_the_file() -> None:
    """A disk shows the sector with the last record in place of the first, and nothing of it at its own."""
    shown = [record(40), *(record(seq) for seq in range(2, 40)), bytes(framing.OVERHEAD)]
    assert found(index(MAGIC + b"".join(shown))) == list(range(2, 41))


def test_records_are_found_where_a_copy_of_the_file_left_out_what_could_not_be_read() -> None:
    left = [record(seq) for seq in (1, *range(30, 60))]
    assert found(index(MAGIC + b"".join(left))) == [1, *range(30, 60)]


def test_records_are_found_in_a_segment_that_grows() -> None:
    assert found(index(MAGIC + record(7), record(8), record(9) + record(10), first=7)) == [7, 8, 9, 10]


def test_a_number_that_no_segment_of_this_size_can_hold_makes_no_room() -> None:
    made = index(MAGIC + record(1) + record(65_000) + record((1 << 64) - 1) + record(2))
    assert found(made) == [1, 2]
    assert made.spot(65_000) is None
