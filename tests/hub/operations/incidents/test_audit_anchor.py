"""When the head of the audit chain is told: at once when something happened, else with the readings."""

from __future__ import annotations

import asyncio
from typing import Any

from hub.core.errors import BufferFull
from hub.operations.incidents.audit_anchor import COMMIT_S, EVERY_S, AuditAnchor
from hub.sdk.testing import ManualClock
from hub.store_and_forward.buffer import ALERTS, READINGS, Durable


class Buffer:
    """`hub.store_and_forward.buffer.Buffer`, as much as the witness asks of it: rows of alerts, and whether each is
    deferrable."""

    window_s = 300.0

    def __init__(self) -> None:
        self.rows: list[tuple[tuple[Any, ...], bool]] = []
        self.full = False

    def append(self, row: Any, stream: str, *, deferrable: bool = False) -> None:
        assert stream == ALERTS
        if self.full:
            raise BufferFull("full")
        self.rows.append((row.values, deferrable))


class Chain:
    count = 0

    async def audit_head(self) -> tuple[int, bytes]:
        self.count += 1
        return self.count, bytes([self.count])


class House:
    def __init__(self) -> None:
        self.buffer, self.clock = Buffer(), ManualClock()
        self.witness = AuditAnchor(Chain(), self.buffer, self.clock, lambda: {"replay": 2})  # type: ignore[arg-type]

    def turn(self, seconds: float = 0.0) -> None:
        asyncio.run(self.clock.advance(seconds))
        asyncio.run(self.witness.turn())

    def commit(self, stream: str = READINGS) -> None:
        self.witness.committed(Durable(stream, bytes(16), 1, 1, 4, 100))


def test_the_first_head_is_told_at_once_and_each_later_one_with_the_commit_after_it_is_due() -> None:
    house = House()
    house.turn()
    assert house.buffer.rows == [(("01", "replay=2", 1), False)]
    house.commit()
    house.turn(EVERY_S - 1)
    house.commit()
    assert len(house.buffer.rows) == 1
    house.turn(1)
    house.turn(1)
    house.commit(ALERTS)
    assert len(house.buffer.rows) == 1, "it waits for readings"
    house.commit()
    house.commit()
    assert house.buffer.rows[1:] == [(("02", "replay=2", 2), True)]


def test_a_head_waits_no_longer_than_a_commit_may_take_and_the_next_is_due_by_the_clock() -> None:
    house = House()
    house.turn()
    house.turn(EVERY_S)
    house.turn(Buffer.window_s + COMMIT_S - 1)
    assert len(house.buffer.rows) == 1
    house.turn(1)
    assert house.buffer.rows[1:] == [(("02", "replay=2", 2), True)]
    house.turn(EVERY_S - Buffer.window_s - COMMIT_S)
    house.commit()
    assert house.buffer.rows[2:] == [(("03", "replay=2", 3), True)]


def test_what_happened_meanwhile_is_told_at_once_with_a_newer_head() -> None:
    house = House()
    house.turn()
    house.turn(EVERY_S)
    house.witness.send_soon()
    house.commit()
    assert len(house.buffer.rows) == 1
    house.turn(1)
    assert house.buffer.rows[1:] == [(("03", "replay=2", 3), False)]
    house.commit()
    assert len(house.buffer.rows) == 2


def test_a_head_that_the_buffer_has_no_room_for_is_told_later_and_as_urgently() -> None:
    house = House()
    house.buffer.full = True
    house.turn()
    assert house.buffer.rows == []
    house.buffer.full = False
    house.turn(Buffer.window_s + COMMIT_S)
    assert house.buffer.rows == [(("01", "replay=2", 1), False)]
