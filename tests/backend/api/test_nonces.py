"""A nonce asks for a signature made now: one of another backend, one that was altered and an old one are none."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from backend.api.nonces import GOOD_FOR_S, Nonces
from backend.storage.engine import Storage
from hub.core.errors import AuthFailed

KEY = bytes(range(32))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_nonce_is_good_for_five_minutes_and_no_longer() -> None:
    clock = Clock()
    nonces = Nonces(KEY, clock)
    nonce = nonces.make()
    clock.now += GOOD_FOR_S - 1.0
    nonces.check(nonce)
    clock.now += 1.1
    with pytest.raises(AuthFailed, match="too old"):
        nonces.check(nonce)
    nonces.check(nonces.make())


@pytest.mark.parametrize("at", range(32))
def test_a_nonce_with_one_byte_changed_is_none_of_ours(at: int) -> None:
    nonces = Nonces(KEY, Clock())
    nonce = bytearray(nonces.make())
    nonce[at] ^= 1
    with pytest.raises(AuthFailed, match="not one of ours"):
        nonces.check(bytes(nonce))


def test_a_nonce_of_another_backend_is_none_of_ours() -> None:
    clock = Clock()
    with pytest.raises(AuthFailed, match="not one of ours"):
        Nonces(KEY, clock).check(Nonces(bytes(32), clock).make())
    for length in (0, 16, 31):
        with pytest.raises(AuthFailed, match="not one of ours"):
            Nonces(KEY, clock).check(bytes(length))


def test_a_nonce_of_another_process_of_the_same_database_is_good_though_its_clock_is_two_minutes_off(
    opened: Callable[[], Storage],
) -> None:
    ahead, behind = Clock(), Clock()
    ahead.now += 120.0
    keys = []
    for storage in (opened(), opened()):
        with storage.transaction():
            keys.append(storage.processes.challenge_key(secrets.token_bytes(32), ahead.now))
    first, second = Nonces(keys[0], ahead), Nonces(keys[1], behind)
    second.check(first.make())
    first.check(second.make())
    ahead.now += GOOD_FOR_S
    with pytest.raises(AuthFailed):
        second.check(first.make())
