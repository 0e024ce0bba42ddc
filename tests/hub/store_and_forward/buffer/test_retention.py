"""What was acknowledged stays a while, goes first when room is needed, and is owed again when the backend lost it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from buffer_kit import SMALL, Clock, FaultyDisk, Party, Trust, batch, io_error, no_space, row, rows
from msgspec.structs import replace

from hub.core.errors import StorageError
from hub.protocol.records.rows import ALERTS, READINGS
from hub.store_and_forward.acked_ranges import ACK_KEY, encode_ranges, range_key
from hub.store_and_forward.buffer import retention
from hub.store_and_forward.buffer.batch import BufferConfig
from hub.store_and_forward.buffer.buffer import Buffer
from hub.store_and_forward.buffer.catalog import unsettled
from hub.store_and_forward.buffer.journal import SPARE_BYTES, Journal
from hub.store_and_forward.buffer.segment import SegmentInfo

WEEK = 7 * 86_400.0
KEPT = replace(SMALL, keep_s=WEEK, segment_s=1e9)


class SmallDisk(FaultyDisk):
    """A disk that tells how much room it has."""

    room = 1 << 40

    def free(self, directory: Path) -> int:
        return self.room


def ack(journal: Journal, stream: str, first: int, last: int) -> dict[str, object]:
    """LOCAL as `Buffer.acked` puts it."""
    ranges = journal.acked.durable.of(stream, journal.run).copy()
    ranges.add(first, last)
    return {range_key(ACK_KEY, stream, journal.run): msgspec.msgpack.decode(encode_ranges(ranges))}


def fill(journal: Journal, segments: int, stream: str = READINGS, start: int = 0) -> int:
    """Commit until `stream` has so many closed segments and one open. Returns the next free row number."""
    while len(journal.catalog.of(stream)) <= segments:
        made = rows(start, 500)
        journal.commit(batch(made) if stream == READINGS else batch([], made))
        start += 500
    return start


def numbers(journal: Journal, stream: str = READINGS) -> list[int]:
    return [info.number for info in journal.catalog.of(stream)]


def test_an_acked_segment_stays_its_time_over_restarts_and_no_jump_of_the_clock_shortens_it(
    party: Party, tmp_path: Path
) -> None:
    clock = Clock()
    journal = party.journal(tmp_path, clock=clock, config=KEPT)
    fill(journal, 2)
    first = journal.catalog.of(READINGS)[0]
    journal.commit(batch(rows(90_000, 1), local=ack(journal, READINGS, 1, first.last)))
    assert first.path.exists()
    assert journal.retention.settled_bytes() == first.size
    for day in range(3):
        clock.advance(86_400)
        clock.wall += 40 * 365 * 86_400  # and back: a clock without a battery
        journal.commit(batch(rows(91_000 + day, 1)))
        clock.wall -= 40 * 365 * 86_400
    assert first.path.exists()
    journal.commit(batch(rows(92_000, 1)))
    journal.close()
    clock.mono = 5.0  # another boot
    again = party.journal(tmp_path, clock=clock, config=KEPT)
    for day in range(4):
        assert first.path.exists(), day
        again.commit(batch(rows(93_000 + day, 1)))
        clock.advance(86_400 + 300)
    again.commit(batch(rows(95_000, 1)))
    assert not first.path.exists()
    backend = party.reader()
    backend.drain(again)
    assert backend.gaps == []


def test_room_is_made_by_acked_readings_then_acked_alerts_then_unacked_readings_declared(
    party: Party, tmp_path: Path
) -> None:
    config = replace(KEPT, max_bytes=16 * SMALL.segment_bytes)
    disk = SmallDisk()
    journal = party.journal(tmp_path, disk, config=config)
    fill(journal, 2, ALERTS, 1_000_000)
    fill(journal, 4)
    readings, alerts = journal.catalog.of(READINGS), journal.catalog.of(ALERTS)
    acked = ack(journal, READINGS, readings[1].first, readings[1].last) | ack(journal, ALERTS, 1, alerts[0].last)
    journal.commit(batch([row(80_000)], local=acked))
    assert journal.retention.settled_bytes() == readings[1].size + alerts[0].size
    gone = []
    for _ in range(4):
        before = {(info.stream, info.number) for info in journal.catalog.all()}
        assert journal.evict_oldest(unsent=True)
        gone += before - {(info.stream, info.number) for info in journal.catalog.all()}
    assert gone == [
        (READINGS, readings[1].number), (ALERTS, alerts[0].number), (READINGS, readings[0].number),
        (READINGS, readings[2].number),
    ]  # fmt: skip
    assert journal.evicted == 2
    backend = party.reader()
    backend.drain(journal)
    assert [(gap.stream, gap.first, gap.last, gap.reason) for gap in backend.gaps] == [
        (READINGS, info.first, info.last, "evicted") for info in (readings[0], readings[2])
    ]


def test_unacked_alerts_keep_their_reserve_and_beyond_it_go_last_and_declared(party: Party, tmp_path: Path) -> None:
    config = replace(KEPT, max_bytes=16 * 3 * SMALL.segment_bytes)  # the reserve: three segments
    journal = party.journal(tmp_path, config=config)
    start = fill(journal, 2, ALERTS, 1_000_000)
    fill(journal, 1)
    while journal.evict_oldest(unsent=True):
        pass
    assert numbers(journal, ALERTS) == [1, 2, 3]
    assert len(numbers(journal)) == 1  # the open one
    fill(journal, 5, ALERTS, start)
    held = journal.catalog.of(ALERTS)
    while journal.evict_oldest(unsent=True):
        pass
    left = journal.catalog.of(ALERTS)
    assert journal.catalog.size(ALERTS) >= config.max_bytes // 16
    assert 3 <= len(left) < len(held)
    backend = party.reader()
    backend.drain(journal)
    gone = [(ALERTS, info.first, info.last) for info in held if info.number < left[0].number]
    assert gone == [(gap.stream, gap.first, gap.last) for gap in backend.gaps if gap.stream == ALERTS]


def test_the_cap_leaves_alerts_their_room(party: Party, tmp_path: Path) -> None:
    config = replace(KEPT, max_bytes=16 * SMALL.segment_bytes)
    journal = party.journal(tmp_path, config=config)
    for at in range(60):
        journal.commit(batch(rows(at * 2000, 2000)))
        assert journal.catalog.size(READINGS) <= config.max_bytes * 15 // 16
    assert journal.evicted > 0


def test_what_is_only_kept_leaves_a_disk_that_gets_scarce_and_no_gap_is_told(party: Party, tmp_path: Path) -> None:
    disk = SmallDisk()
    journal = party.journal(tmp_path, disk, config=KEPT)
    fill(journal, 3)
    segments = journal.catalog.of(READINGS)
    journal.commit(batch([row(80_000)], local=ack(journal, READINGS, 1, segments[1].last)))
    journal.commit(batch([row(80_001)]))
    assert all(info.path.exists() for info in segments)
    disk.room = SPARE_BYTES - 1
    journal.commit(batch([row(80_002)]))
    assert [info.path.exists() for info in segments] == [False, False, True, True]
    backend = party.reader()
    backend.drain(journal)
    assert backend.gaps == []


async def test_a_full_disk_takes_what_is_kept_at_once_and_nothing_else(party: Party, tmp_path: Path) -> None:
    disk = SmallDisk()
    config = replace(KEPT, window_s=3600.0)
    buffer = _open(party, tmp_path, config, disk)
    buffer.start(asyncio.get_running_loop())
    try:
        for version in (2, 3, 4):
            buffer.append(row(version))
            await buffer.flush()
            buffer.update_trust(Trust(version, party.trust.recipients))
        buffer.acked(READINGS, buffer.run, [(1, 2)])
        buffer.append(row(10))
        await buffer.flush()
        assert buffer.status().kept > 0
        segments = buffer.status().segments
        disk.fail["write"] = [no_space()] * 2
        buffer.append(row(11))
        await _until_written(buffer)
        assert buffer.status().kept == 0
        assert buffer.status().segments <= segments - 2 + 1
        assert buffer.status().evicted == 0
    finally:
        await buffer.close()


async def test_what_the_backend_lost_is_owed_again_and_not_given_up_without_a_word(
    party: Party, tmp_path: Path
) -> None:
    buffer = _open(party, tmp_path, replace(KEPT, window_s=3600.0, idle_s=0.0))
    buffer.start(asyncio.get_running_loop())
    for version in (2, 3):
        buffer.append(row(version))
        await buffer.flush()
        buffer.update_trust(Trust(version, party.trust.recipients))
    run = buffer.run
    buffer.append(row(9))
    buffer.acked(READINGS, run, [(1, 3)])
    await buffer.flush()
    assert (buffer.status().records, buffer.status().kept > 0) == (1, True)
    buffer.unacked(READINGS, run, [(7, 900), (2, 2), *((n, n) for n in range(1000, 1010))])
    buffer.unacked(READINGS, b"a run not there.", [(1, 5)])
    assert list(buffer.acks.of(READINGS, run)) == [(1, 1)]
    assert buffer.status().records == 2
    await buffer.close()
    again = _open(party, tmp_path, KEPT)
    assert list(again.acks.of(READINGS, run)) == [(1, 1)]
    assert again.status().records == 2
    await again.close()


async def test_that_nothing_is_acked_by_a_new_database_outlives_the_process(party: Party, tmp_path: Path) -> None:
    buffer = _open(party, tmp_path, replace(KEPT, idle_s=0.0))
    buffer.start(asyncio.get_running_loop())
    buffer.append(row(1))
    await buffer.flush()
    buffer.acked(READINGS, buffer.run, [(1, 1)])
    buffer.append(row(2))
    await buffer.flush()
    assert buffer.status().records == 1
    buffer.forget_acks()
    await buffer.flush()
    assert buffer.status().records == 2
    await buffer.close()
    again = _open(party, tmp_path, KEPT)
    assert again.status().records == 2
    assert list(again.acks) == []
    await again.close()


def test_what_the_backend_lost_and_took_again_stays_its_whole_time_from_then_on(party: Party, tmp_path: Path) -> None:
    clock = Clock()
    journal = party.journal(tmp_path, clock=clock, config=KEPT)
    fill(journal, 1)
    first = journal.catalog.of(READINGS)[0]
    acked = ack(journal, READINGS, 1, first.last)
    journal.commit(batch(rows(90_000, 1), local=acked))
    clock.advance(6 * 86_400)
    journal.unacked(READINGS, journal.run, [(1, 1)])
    lacking = {range_key(ACK_KEY, READINGS, journal.run): [[2, first.last]]}
    journal.commit(batch(rows(90_001, 1), local=lacking))
    journal.commit(batch(rows(90_002, 1), local=acked))
    clock.advance(2 * 86_400)
    journal.commit(batch(rows(90_003, 1)))
    assert first.path.exists(), "a week from when it was taken again"
    clock.advance(6 * 86_400)
    journal.commit(batch(rows(90_004, 1)))
    assert not first.path.exists()
    journal.close()


def test_a_line_that_is_removed_while_its_commit_is_tried_again_is_not_told_after_all(
    party: Party, tmp_path: Path
) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path / "b", disk, config=replace(SMALL, keep_s=1e6))
    journal.commit(batch(rows(0, 3)))
    journal.writers[READINGS].close()
    acked = {range_key(ACK_KEY, READINGS, journal.run): [[1, 1]]}
    journal.commit(batch(rows(3, 3), local=acked))
    pending = batch(rows(6, 3))
    disk.fail["sync"] = [io_error()]
    with pytest.raises(StorageError):
        journal.commit(pending)
    lines = {"buffer/held/readings/1", "buffer/kept/readings/1"}
    assert lines <= pending.local.keys()
    assert journal.evict_oldest(unsent=False), "the acked segment goes meanwhile"
    journal.commit(pending)
    assert not lines & journal._durable.keys()
    journal.close()
    again = party.journal(tmp_path / "b", config=replace(SMALL, keep_s=1e6))
    assert again.retention._since.keys() <= {(info.stream, info.number) for info in again.catalog.all()}
    again.close()


def test_small_state_that_was_removed_stays_removed_though_a_new_segment_tells_all_of_it_again(
    party: Party, tmp_path: Path
) -> None:
    journal = party.journal(tmp_path, config=KEPT)
    journal.commit(batch(rows(0, 1), local={"kept": 1, "removed": 2}))
    without = batch(rows(1, 1))
    without.local["removed"] = None
    journal.commit(without)
    journal.writers[READINGS].close()
    journal.commit(batch(rows(2, 1)))
    journal.close()
    again = party.journal(tmp_path, config=KEPT)
    assert again.local == {"kept": 1}
    again.close()


def test_an_ack_set_that_becomes_durable_replaces_the_one_before_also_by_less_or_nothing(
    party: Party, tmp_path: Path
) -> None:
    journal = party.journal(tmp_path, config=KEPT)
    key = range_key(ACK_KEY, READINGS, journal.run)
    for at, told in enumerate(([[1, 3]], [[2, 2]], [[1, 4]])):
        journal.commit(batch(rows(at, 1), local={key: told}))
        assert list(journal.acked.durable.of(READINGS, journal.run)) == [tuple(span) for span in told]
    nothing = batch(rows(9, 1))
    nothing.local[key] = None
    journal.commit(nothing)
    assert not journal.acked.durable.of(READINGS, journal.run)
    journal.close()


def test_what_the_backend_lost_holds_its_segment_before_anything_more_is_committed(
    party: Party, tmp_path: Path
) -> None:
    journal = party.journal(tmp_path, config=KEPT)
    fill(journal, 2)
    first, second = journal.catalog.of(READINGS)[:2]
    journal.commit(batch(rows(90_000, 1), local=ack(journal, READINGS, 1, second.last)))
    journal.unacked(READINGS, journal.run, [(first.last, first.last)])
    assert journal.evict_oldest(unsent=False)
    assert (first.path.exists(), second.path.exists()) == (True, False)
    assert not journal.evict_oldest(unsent=False)
    assert first.path.exists()


def _open(party: Party, directory: Path, config: BufferConfig, disk: FaultyDisk | None = None) -> Buffer:
    return Buffer.open(
        directory,
        keys=party.keys(),
        trust=party.trust,
        clock=Clock(),
        config=config,
        disk=disk,
    )


async def _until_written(buffer: Buffer) -> None:
    async with asyncio.timeout(60):
        while buffer.status().pending_rows or buffer.status().error:
            await asyncio.sleep(0.01)
            if not buffer.status().error:
                try:
                    await buffer.flush()
                except Exception:
                    await asyncio.sleep(0)


def test_a_commit_looks_at_one_kept_segment_however_many_there_are(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = party.journal(tmp_path, config=replace(KEPT, max_bytes=1 << 24))
    for at in range(30):
        journal.commit(batch(rows(at, 1)))
        journal.writers[READINGS].close()
    journal.commit(batch(rows(30, 1), local=ack(journal, READINGS, 1, 30)))
    assert journal.retention.settled_bytes() == sum(info.size for info in journal.catalog.of(READINGS)[:30])
    looked: list[SegmentInfo] = []
    monkeypatch.setattr(retention, "unsettled", lambda info, *sets: looked.append(info) or unsettled(info, *sets))
    journal.commit(batch(rows(31, 1)))
    assert looked == [journal.catalog.of(READINGS)[0]]
    journal.writers[READINGS].close()
    journal.commit(batch(rows(32, 1)))
    assert len(looked) > 30, "a segment was closed: all are looked at once"


def test_an_open_segment_with_its_first_number_lets_the_one_before_go(party: Party, tmp_path: Path) -> None:
    """Until then the one before tells the next run how this one ended, and is not kept to be given up."""
    journal = party.journal(tmp_path, config=KEPT)
    journal.commit(batch(rows(0, 1)))
    journal.writers[READINGS].close()
    journal.commit(batch(local=ack(journal, READINGS, 1, 1)))
    before, now = journal.catalog.of(READINGS)
    assert (now.last < now.first, journal.retention.settled_bytes()) == (True, 0)
    journal.commit(batch(rows(1, 1)))
    assert journal.retention.settled_bytes() == before.size
