"""The delivery against a world that loses, repeats, reorders, delays and forges; and twins of it, each broken in one
way, that the same world catches."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.errors import DecodeError
from hub.protocol.link_messages import Ack, _decode, _open
from hub.protocol.ranges import Range
from hub.store_and_forward.delivery import Acceptance, Delivery, RefusedAck
from tests.hub.store_and_forward.delivery.delivery_kit import Faults, bad_worlds, play


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), bad_worlds)
def test_everything_durable_arrives_and_nothing_unacked_is_ever_deleted(seed: int, faults: Faults) -> None:
    play(seed, faults).check_all_arrived()


class BelievesUnsigned(Acceptance):
    def read(self, blob: bytes) -> tuple[Ack, bytes] | RefusedAck:
        try:
            payload, kid, _ = _open(blob, b"ilot/ack/1\0")
            return _decode(payload, Ack), kid
        except DecodeError as error:
            return RefusedAck("unreadable", str(error))


class BelievesAhead(Acceptance):
    def judge(self, ack: Ack, kid: bytes, ledgers: Any, *, fresh: bool) -> RefusedAck | None:
        refused = super().judge(ack, kid, ledgers, fresh=fresh)
        return None if refused is not None and refused.reason == "ahead" else refused


class BelievesOtherHubs(Acceptance):
    def judge(self, ack: Ack, kid: bytes, ledgers: Any, *, fresh: bool) -> RefusedAck | None:
        return super().judge(msgspec.structs.replace(ack, hub=self.hub), kid, ledgers, fresh=fresh)


class BelievesAnyDatabase(Acceptance):
    """As if every ack answered the state of this moment."""

    def judge(self, ack: Ack, kid: bytes, ledgers: Any, *, fresh: bool) -> RefusedAck | None:
        return super().judge(ack, kid, ledgers, fresh=True)


class DeletesRejected(Acceptance):
    def committed(self, ack: Ack) -> list[Range]:
        return [*super().committed(ack), *ack.rejected]


class KeepsAcksOfAnOldDatabase(Acceptance):
    def accept(self, ack: Ack, kid: bytes) -> bool:
        super().accept(ack, kid)
        return False


class BrokenUnsigned(Delivery):
    judge = BelievesUnsigned


class BrokenAhead(Delivery):
    judge = BelievesAhead


class BrokenOtherHub(Delivery):
    judge = BelievesOtherHubs


class BrokenRejected(Delivery):
    judge = DeletesRejected


class BrokenDatabase(Delivery):
    judge = KeepsAcksOfAnOldDatabase


class BrokenSwitch(Delivery):
    judge = BelievesAnyDatabase


class BrokenLoss(Delivery):
    """Forgets a message that had no answer."""

    def _give_back(self, message: int) -> Any:
        return self._flights.pop(message, None)


class BrokenContext(Delivery):
    """Ignores that the backend lacks an epoch's context."""

    def apply_reply(self, message: int, body: bytes, now: float) -> Any:
        self._context.lost = lambda eid: None  # type: ignore[method-assign]
        self._context.clear = lambda: None  # type: ignore[method-assign]
        return super().apply_reply(message, body, now)


class BrokenRetry(Delivery):
    """Sends again at once, whatever happened."""

    def _back_off(self, via: str, now: float) -> None:
        pass


@pytest.mark.parametrize(
    ("twin", "faults"),
    [
        (BrokenUnsigned, Faults(forged=0.4)),
        (BrokenAhead, Faults(forged=0.4)),
        (BrokenOtherHub, Faults(forged=0.4)),
        (BrokenRejected, Faults(refuse=0.05)),
        (BrokenDatabase, Faults(restore=True)),
        (BrokenSwitch, Faults(restore=True, repeated=0.4, forged=0.2)),
        (BrokenLoss, Faults(lost=0.3)),
        (BrokenContext, Faults(restore=True)),
        (BrokenRetry, Faults(outage_s=590.0, delay_s=0.001)),
    ],
)
def test_a_broken_twin_is_caught_by_the_same_world(twin: type[Delivery], faults: Faults) -> None:
    def survives(seed: int, kind: type[Delivery]) -> bool:
        try:
            play(seed, faults, kind).check_all_arrived()
        except AssertionError:
            return False
        return True

    seeds = range(4)
    assert all(survives(seed, Delivery) for seed in seeds)
    assert not all(survives(seed, twin) for seed in seeds)
