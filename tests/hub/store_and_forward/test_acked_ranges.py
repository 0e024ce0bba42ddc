from __future__ import annotations

import msgspec

from hub.protocol.ranges import Ranges
from hub.store_and_forward.acked_ranges import ACK_KEY, RunRanges, encode_ranges, range_key, restore_ranges


def test_an_ack_set_keeps_runs_apart() -> None:
    acks = RunRanges()
    acks.add("readings", b"one", 1, 5)
    assert acks.covers("readings", b"one", 2, 5)
    assert not acks.covers("readings", b"two", 2, 5)
    assert not acks.covers("alerts", b"one", 2, 5)
    acks.forget("readings", b"one")
    assert not list(acks)


def test_what_is_kept_of_a_set_makes_the_same_one_and_of_an_empty_one_none() -> None:
    known, back = Ranges((n, n + 1) for n in range(1, 60, 4)), RunRanges()
    for run, ranges in ((b"one", known), (b"two", Ranges())):
        value = msgspec.msgpack.decode(encode_ranges(ranges))
        assert restore_ranges(range_key(ACK_KEY, "readings", run), ACK_KEY, value, back)
    assert list(back) == [("readings", b"one")]
    assert back.of("readings", b"one") == known
