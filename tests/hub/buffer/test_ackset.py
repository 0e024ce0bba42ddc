from __future__ import annotations

from hub.buffer.ackset import AckSet


def test_an_ack_set_keeps_runs_apart() -> None:
    acks = AckSet()
    acks.add("readings", b"one", 1, 5)
    assert acks.covers("readings", b"one", 2, 5)
    assert not acks.covers("readings", b"two", 2, 5)
    assert not acks.covers("alerts", b"one", 2, 5)
    acks.forget("readings", b"one")
    assert not list(acks)
