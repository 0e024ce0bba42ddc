"""Files of raw history: what is written is read, by us and by a reader of the specification; nothing else is."""

import contextlib
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.history.archive import blocks
from hub.history.archive.blocks import HEAD, Root, Series, get_block, get_body, get_directory, get_head, put_file
from hub.history.memory.pages import put_page
from hub.protocol.records.seal import AES, CHACHA
from tests.hub.history.archive.reader import read

ROOT, SECRET, ID = b"r" * 32, b"s" * 32, bytes(range(16))
START = 1_790_000_000
I64 = (1 << 63) - 1
points = st.lists(
    st.tuples(st.integers(START, START + 90_000), st.integers(-I64, I64)), min_size=1, max_size=80, unique=True
).map(sorted)
several = st.dictionaries(st.integers(1, 1 << 30), points, max_size=6)


def made(said, aead=AES, id=ID):
    ends = [time for one in said.values() for time, _ in one] or [START]
    series = [Series(number, secret(number), said[number]) for number in sorted(said)]
    return put_file(Root(ROOT), aead, id, min(ends), max(ends), series)


def secret(number):
    return number.to_bytes(32, "big")


def opened(data, number, key=None, root=ROOT, **between):
    head = get_head(data[: HEAD.size])
    directory = get_directory(Root(root), head, data[HEAD.size : HEAD.size + head.directory])
    where = directory.find(number)
    if where is None:
        return None
    sealed = data[where[0] : sum(where)]
    return get_block(Root(root), head, number, secret(number) if key is None else key, sealed, **between)


@given(several, st.sampled_from([AES, CHACHA]))
def test_each_series_is_read_again_and_by_a_reader_of_the_specification_too(said, aead):
    data = made(said, aead)
    for number, one in said.items():
        assert opened(data, number) == one
        begin, end = START + 20_000, START + 60_000
        assert opened(data, number, begin=begin, end=end) == [p for p in one if begin <= p[0] < end]
    assert opened(data, 1 << 31) is None
    assert read(data, ROOT, {number: secret(number) for number in said}) == said


@given(points.filter(lambda one: len(one) > 1), st.data())
def test_a_flipped_bit_anywhere_gives_an_error_and_never_a_reading(said, data):
    whole = made({7: said, 9: said})
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    spoilt = bytearray(whole)
    spoilt[at // 8] ^= 1 << at % 8
    told = []
    for number in (7, 9):
        try:
            told.append(opened(bytes(spoilt), number))
        except DecodeError:
            told.append(None)
    assert None in told
    assert all(one in (None, said) for one in told)


@given(points, st.integers(0, 200))
def test_a_file_that_ends_early_gives_an_error(said, cut):
    whole = made({7: said})
    with pytest.raises(DecodeError):
        opened(whole[: max(0, len(whole) - 1 - cut)], 7)


def test_neither_half_of_the_key_opens_a_block_alone_nor_does_another_file_or_series():
    said = [(START, 2150)]
    data = made({7: said})
    assert opened(data, 7) == said
    for wrong in ({"key": b"x" * 32}, {"root": b"x" * 32}):
        with pytest.raises(DecodeError, match="raw-damaged"):
            opened(data, 7, **wrong)
    other = made({7: said}, id=bytes(16))
    size = len(data) - HEAD.size - get_head(data).directory
    with pytest.raises(DecodeError, match="raw-damaged"):
        opened(other[:-size] + data[-size:], 7)  # the block of one file in the other


def test_the_same_readings_in_two_files_have_no_bytes_in_common():
    said = {7: [(START + n, n) for n in range(50)]}
    one, other = made(said), made(said, id=bytes(16))
    assert one[HEAD.size + 8 :] != other[HEAD.size + 8 :]
    assert not {one[n : n + 8] for n in range(HEAD.size, len(one) - 8)} & {
        other[n : n + 8] for n in range(HEAD.size, len(other) - 8)
    }


@given(st.binary(max_size=400))
@example(b"")
@example(b"\x00")
@example(b"\x01" + zlib.compress(b""))
@example(b"\x00\x05\xff\xff\xff\xff\x7f")
def test_whatever_a_block_holds_there_are_readings_or_one_kind_of_error(body):
    for form in (body, b"\x00" + body, b"\x01" + zlib.compress(body), b"\x01" + body):
        with contextlib.suppress(DecodeError):
            assert get_body(form) is not None


@given(st.binary(max_size=120), st.binary(max_size=60))
def test_whatever_a_head_and_a_directory_hold_there_is_one_kind_of_error(head, directory):
    for data in (head, blocks.MAGIC + head, blocks.MAGIC + b"\x01" + bytes(16) + head):
        try:
            found = get_head(data)
        except DecodeError:
            continue
        with pytest.raises(DecodeError):
            get_directory(Root(ROOT), found, directory)


@given(st.binary(max_size=60))
def test_a_directory_that_was_sealed_and_is_nonsense_gives_an_error_or_a_directory(plain):
    head = get_head(made({7: [(START, 1)]}))
    sealed = Root(ROOT).directory(head).encrypt(bytes(12), plain, head.raw)
    try:
        found = get_directory(Root(ROOT), head, sealed)
    except DecodeError:
        return
    assert len(found.offsets) == len(found.numbers) + 1


def test_a_block_that_claims_more_readings_than_any_hub_writes_is_refused_before_it_takes_memory():
    page = put_page([(START, 1), (START + 1, 1)])
    assert get_body(b"\x00" + page) == [(START, 1), (START + 1, 1)]
    # rows − 1 of differences in a column of width 0 take no bytes: varint rows at the second byte
    huge = bytes([len(page) + 7]) + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + page[2:]
    with pytest.raises(DecodeError, match="too many"):
        get_body(b"\x00" + huge)


def test_a_block_that_unpacks_to_more_than_any_hub_writes_is_refused():
    with pytest.raises(DecodeError, match="too large"):
        get_body(b"\x01" + zlib.compress(bytes(blocks.MOST_BYTES + 1)))
