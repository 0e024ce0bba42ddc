"""Signed states of the hub, their order and the current nonce. Pure."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET

from hub.protocol.link_messages import MAX_EVERY_S, SPEAKS, State, sign_state
from hub.store_and_forward.delivery.model import StreamState


class Sender(NamedTuple):
    """The hub as its states name it: its id, its identity key, which signs them, and the generation of its local
    store."""

    hub: str
    identity: Ed25519PrivateKey
    generation: int = 0


MOST_RELEASE = 32
"""Characters of a release in a state."""


class StateMaker:
    """Makes one state after the other, each with a new nonce and a higher number. `boot` is 16 bytes, `trust_version`
    that of the trust document in force, `token` draws random bytes; `csr` is the request for a certificate while one is
    due, else empty; `since` the monotonic time at which the last state was made;
    `crisis` is what its people declared of this hub, "" in ordinary times; `release` is that of this program, "" to say
    none."""

    def __init__(
        self,
        sender: Sender,
        *,
        boot: bytes,
        trust_version: int,
        release: str = "",
        token: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.hub, self._identity, self.generation = sender
        self.trust_version, self.csr, self.since = trust_version, b"", 0.0
        self.crisis = ""
        self._release = release[:MOST_RELEASE]
        self._boot, self._token = boot, token
        self._n = 0
        self._nonce = b""

    def use_generation(self, generation: int) -> None:
        self.generation = generation

    def use_trust(self, version: int) -> None:
        self.trust_version = version

    def ask_certificate(self, csr: bytes) -> None:
        self.csr = csr

    def make(self, streams: Sequence[StreamState], heard: float, now: float, every: float) -> bytes:
        """Return a signed state of the streams on disk, oldest first. `heard` is the backend's time in the newest ack
        (Unix seconds); the next state leaves after `every` seconds."""
        self._nonce, self.since = self._token(16), now
        self._n += 1
        held = [s for s in streams if s.first <= s.last]
        state = State(
            hub=self.hub,
            boot=self._boot,
            nonce=self._nonce,
            n=self._n,
            streams={s.stream: (s.run, s.last, s.digest) for s in held},  # oldest first: the newest run stays
            generation=self.generation,
            trust_version=self.trust_version,
            oldest={s.stream: (s.run, s.first) for s in reversed(held)},
            heard=heard,
            csr=self.csr or UNSET,
            speaks=SPEAKS,
            every=min(max(1, math.ceil(every)), MAX_EVERY_S),
            crisis=self.crisis or UNSET,
            release=self._release or UNSET,
        )
        return sign_state(state, self._identity)

    def age(self, nonce: bytes, now: float) -> float | None:
        """Return the seconds since this nonce was stated; None when it is not the current one."""
        return now - self.since if nonce and nonce == self._nonce else None
