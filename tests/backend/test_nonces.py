"""A nonce asks for a signature made now: one of another process, one that was altered and an old one are none."""

from __future__ import annotations

import pytest

from backend.nonces import GOOD_FOR_S, Nonces
from hub.core.errors import AuthFailed


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_nonce_is_good_for_five_minutes_and_no_longer() -> None:
    clock = Clock()
    nonces = Nonces(clock)
    nonce = nonces.make()
    clock.now += GOOD_FOR_S - 1.0
    nonces.check(nonce)
    clock.now += 1.1
    with pytest.raises(AuthFailed, match="too old"):
        nonces.check(nonce)
    nonces.check(nonces.make())


@pytest.mark.parametrize("at", range(32))
def test_a_nonce_with_one_byte_changed_is_none_of_ours(at: int) -> None:
    nonces = Nonces(Clock())
    nonce = bytearray(nonces.make())
    nonce[at] ^= 1
    with pytest.raises(AuthFailed, match="not one of ours"):
        nonces.check(bytes(nonce))


def test_a_nonce_of_another_process_is_none_of_ours() -> None:
    clock = Clock()
    with pytest.raises(AuthFailed, match="not one of ours"):
        Nonces(clock).check(Nonces(clock).make())
    for length in (0, 16, 31):
        with pytest.raises(AuthFailed, match="not one of ours"):
            Nonces(clock).check(bytes(length))
