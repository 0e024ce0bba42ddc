"""What is said of the buffer: how much waits, and since when."""

from __future__ import annotations

from pathlib import Path

from buffer_kit import SMALL, Clock, Party, batch, rows
from msgspec.structs import replace

from hub.protocol.records.rows import READINGS
from hub.store_and_forward.buffer.status import measure

LONG = replace(SMALL, segment_s=1e9, segment_bytes=1 << 20, max_bytes=8 << 20)


def oldest(journal: object, clock: Clock) -> int:
    return measure(journal, journal.acked.durable, pending=0, bound=1, error="", last_commit_s=clock.now()).oldest_s  # type: ignore[attr-defined]


def test_the_oldest_that_waits_at_the_end_of_a_long_segment_is_not_as_old_as_the_segment(
    party: Party, tmp_path: Path
) -> None:
    clock = Clock()
    journal = party.journal(tmp_path, clock=clock, config=LONG)
    began = int(clock.now())
    for number in range(100):
        journal.commit(batch(rows(number, 1)))
        clock.wall += 60
    clock.wall -= 60
    (segment,) = journal.catalog.of(READINGS)
    assert oldest(journal, clock) == began
    records = segment.last - segment.first + 1
    journal.acked.durable.add(READINGS, journal.run, segment.first, segment.last - records // 100)
    assert clock.now() - oldest(journal, clock) <= 2 * 60
    journal.acked.durable.add(READINGS, journal.run, segment.first, segment.last)
    assert oldest(journal, clock) == 0
