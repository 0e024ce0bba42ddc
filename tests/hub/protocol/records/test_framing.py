"""Framing: every intact record is found whatever lies between, and a torn tail is told from a damaged one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.records import framing
from hub.protocol.records.framing import Damage, Head


def record(seq: int, payload: bytes = b"payload", kind: int = framing.BLOCK) -> bytes:
    header = framing.pack_header(kind, len(payload), readings=2, seq=seq, total=2 * seq, commit_s=1000 + seq)
    return framing.pack_record(header, payload, b"s" * 64)


def found(data: bytes) -> list[int]:
    return [item.seq for item in framing.scan(data) if isinstance(item, Head)]


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_records_are_found_in_order(payloads: list[bytes]) -> None:
    data = b"".join(record(seq, payload) for seq, payload in enumerate(payloads, 1))
    assert found(data) == list(range(1, len(payloads) + 1))
    assert not [item for item in framing.scan(data) if isinstance(item, Damage)]


@given(st.data())
@settings(max_examples=300)
def test_a_flipped_bit_costs_one_record(data: st.DataObject) -> None:
    records = [record(seq, bytes([seq]) * (20 * seq)) for seq in range(1, 7)]
    raw = bytearray(b"".join(records))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    hit = next(seq for seq in range(1, 7) if at < sum(map(len, records[:seq])))
    start = sum(map(len, records[: hit - 1]))
    assert found(bytes(raw)) == [seq for seq in range(1, 7) if seq != hit]
    assert [item for item in framing.scan(bytes(raw)) if isinstance(item, Damage)] == [
        Damage(start, start + len(records[hit - 1]))
    ]


@given(st.lists(st.binary(max_size=60) | st.just(framing.MARKER), max_size=6))
def test_junk_between_records_is_skipped(junk: list[bytes]) -> None:
    data = b"".join(piece + record(seq) for seq, piece in enumerate(junk, 1))
    assert found(data) == list(range(1, len(junk) + 1))


@given(st.integers(0, 110))
def test_a_record_cut_short_is_torn(keep: int) -> None:
    data = record(1) + record(2)[: min(keep, len(record(2)) - 1)]
    assert framing.torn(data, len(record(1)))


@given(st.integers(0, 600))
def test_bytes_never_written_are_torn(zeros: int) -> None:
    assert framing.torn(record(1) + bytes(zeros), len(record(1)))


@given(st.integers(0, 500), st.integers(1, 1200))
def test_a_record_whose_last_sectors_read_as_zeros_is_torn_and_one_whose_middle_does_is_not(
    shift: int, zeros: int
) -> None:
    start = len(record(1, bytes(shift)))
    whole = record(1, bytes(shift)) + record(2, b"y" * 1500)
    for end in range((start // framing.SECTOR + 1) * framing.SECTOR, len(whole), framing.SECTOR):
        assert framing.torn(whole[:end] + bytes(zeros), start)
        assert framing.torn(whole[:end] + bytes(len(whole) - end), start)
        if end + framing.SECTOR < len(whole):
            assert not framing.torn(whole[:end] + bytes(framing.SECTOR) + whole[end + framing.SECTOR :], start)


def test_a_whole_record_with_a_flipped_bit_is_not_torn() -> None:
    for at in range(len(record(2))):
        raw = bytearray(record(2))
        raw[at] ^= 4
        torn = framing.torn(record(1) + bytes(raw), len(record(1)))
        # a longer length could be mistaken for a cut; its header checksum says no
        assert not torn, at


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_scan(data: bytes) -> None:
    spans = [
        (item.start, item.end) if isinstance(item, Damage) else (item.offset, item.offset + item.size)
        for item in framing.scan(data)
    ]
    assert [start for start, _ in spans] == [0, *(end for _, end in spans)][: len(spans)]
    assert not spans or spans[-1][1] == len(data)


@given(st.integers(0, 8 * framing.HEADER_SIZE - 1), st.integers(1, 8 * framing.HEADER_SIZE - 1), st.binary(max_size=9))
def test_a_header_says_what_it_said_before_one_bit_of_it_flipped_and_not_before_two(
    bit: int, further: int, before: bytes
) -> None:
    def flipped(raw: bytes, at: int) -> bytes:
        at %= 8 * framing.HEADER_SIZE
        changed = bytearray(raw)
        changed[len(before) + (at >> 3)] ^= 1 << (at & 7)
        return bytes(changed)

    whole = before + record(7)
    told = framing.read_head(whole, len(before))
    once = flipped(whole, bit)
    assert framing.read_head(once, len(before)) is None
    assert framing.mended_head(once, len(before)) == told
    assert framing.mended_head(flipped(once, bit + further), len(before)) is None
    assert framing.mended_head(once[: len(before) + framing.HEADER_SIZE - 1], len(before)) is None


def test_of_headers_that_overlap_none_hides_a_record_behind_what_they_claim() -> None:
    """Nobody writes so, but whoever has the disk: bodies are read DOUBTED times the data, then lengths count."""
    head = framing.pack_header(framing.BLOCK, 30_000, readings=1, seq=9, total=9, commit_s=1)
    forged = head * 400 + bytes(30_000)
    data = record(1) + forged + record(2)
    assert 2 * framing.DOUBTED * len(data) < 400 * 30_000
    assert found(data) == [1, 2]


@given(st.integers(1, 12), st.integers(0, 3))
def test_a_sector_that_a_disk_shows_in_place_of_others_hides_no_record_behind_them(copies: int, further: int) -> None:
    """A header of a long record stands in it: each copy claims what follows, up to the end."""
    long = record(2, b"x" * (framing.SECTOR * (copies + further + 2)))
    raw = bytearray(record(1) + long + record(3) + record(4) + bytes(len(long)))
    for at in range(1, copies + 1):
        raw[at * framing.SECTOR : (at + 1) * framing.SECTOR] = raw[: framing.SECTOR]
    assert [seq for seq in found(bytes(raw)) if seq > 1] == [3, 4]
