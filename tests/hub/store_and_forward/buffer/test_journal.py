"""Commits, rotation, reading back, acks, eviction, and every failure the disk can hand out."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest
from buffer_kit import (
    SMALL,
    Clock,
    FaultyDisk,
    Party,
    Trust,
    assert_no_nonce_twice,
    batch,
    io_error,
    no_space,
    row,
    rows,
)
from msgspec.structs import replace

from hub.core.errors import StorageError
from hub.protocol.records import bodies, dictionary, framing
from hub.protocol.records.bodies import ClockMark, Gap
from hub.protocol.records.rows import ALERTS, READINGS, Subject
from hub.store_and_forward.acked_ranges import ACK_KEY, LOST_KEY, encode_ranges, range_key
from hub.store_and_forward.buffer.batch import BufferConfig
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.recovery import Scan


def ack(journal: Journal, stream: str, run: bytes, first: int, last: int) -> dict[str, object]:
    """LOCAL as `Buffer.acked` puts it."""
    ranges = journal.acked.durable.of(stream, run).copy()
    ranges.add(first, last)
    import msgspec

    return {range_key(ACK_KEY, stream, run): msgspec.msgpack.decode(encode_ranges(ranges))}


def test_what_was_committed_is_read_back_by_the_recipient(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    done = journal.commit(batch(rows(0, 10), rows(100, 3)))
    assert [(item.stream, item.first, item.last, item.readings) for item in done] == [
        (ALERTS, 1, 1, 6),
        (READINGS, 1, 1, 20),
    ]
    journal.commit(batch(rows(10, 5)))
    backend = party.reader()
    backend.drain(journal)
    assert backend.numbers[READINGS, journal.run, 1] != []
    assert backend.all_numbers == [*range(15), 100, 101, 102]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.seg")) == journal.catalog.size()


def test_numbers_are_gapless_over_segments_and_blocks(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    for at in range(12):
        journal.commit(batch(rows(at * 3000, 3000)))
    segments = journal.catalog.of(READINGS)
    assert len(segments) > 2
    assert all(info.size <= SMALL.segment_bytes for info in segments)
    assert [info.first for info in segments[1:]] == [info.last + 1 for info in segments[:-1]]
    backend = party.reader()
    backend.drain(journal, max_bytes=5000)
    assert backend.all_numbers == list(range(36_000))
    assert sorted(seq for _, _, seq in backend.numbers) == list(range(1, segments[-1].last + 1))
    assert len(backend.openers) == len(segments)


def test_reading_gives_at_least_one_record_and_not_much_more_than_asked(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    for at in range(9):
        journal.commit(batch(rows(at * 10, 10)))
    found = journal.reader.read(READINGS, journal.run, 4, 9, 1)
    assert [(record.kind, record.seq) for record in found] == [
        (framing.EPOCH, 0),
        (framing.TABLE, 0),
        (framing.BLOCK, 4),
    ]
    found = journal.reader.read(READINGS, journal.run, 1, 9, 2 * len(found[-1].raw) + 100)
    assert [record.seq for record in found if record.seq] == [1, 2]
    assert journal.reader.read(READINGS, b"another run 1234", 1, 9, 1000) == []
    assert journal.reader.read(READINGS, journal.run, 10, 20, 1000) == []


def test_a_segment_ends_with_its_day_and_with_its_trust(party: Party, tmp_path: Path) -> None:
    clock = Clock()
    journal = party.journal(tmp_path, clock=clock)
    journal.commit(batch(rows(0, 1)))
    clock.advance(SMALL.segment_s - 1)
    journal.commit(batch(rows(1, 1)))
    assert len(journal.catalog.of(READINGS)) == 1
    clock.advance(1)
    journal.commit(batch(rows(2, 1)))
    assert len(journal.catalog.of(READINGS)) == 2
    journal.trust = Trust(2, (party.ingest,))
    journal.commit(batch(rows(3, 1)))
    assert len(journal.catalog.of(READINGS)) == 3
    backend = party.reader()
    backend.drain(journal)
    assert [opener.epoch.trust_version for opener in backend.openers.values()] == [1, 1, 2]


def test_a_segment_ends_before_it_tells_more_subjects_than_a_reader_takes_from_one(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that change through the day, pseudonyms for instance, are told again and again."""
    assert dictionary.MOST_TOLD + BufferConfig().pending_rows * 5 // 4 < bodies.MAX_ENTRIES
    monkeypatch.setattr(dictionary, "MOST_TOLD", 100)
    monkeypatch.setattr(bodies, "MAX_ENTRIES", 140)
    journal = party.journal(tmp_path)
    for at in range(20):
        journal.commit(
            batch([one._replace(subject=Subject(f"name-{at}-{n}")) for n, one in enumerate(rows(40 * at, 40))])
        )
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == [*range(800)]
    assert len(journal.catalog.of(READINGS)) == 7
    journal.close()


def test_unsure_rows_have_their_own_blocks_and_are_dated_by_a_clock_record(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    made = batch([row(1, sure=False), row(2), row(3, sure=False)])
    made.marks.append(ClockMark(b"boot-id-16-bytes", 1_700_000_000_000, 50, "ntp"))
    journal.commit(made)
    backend = party.reader()
    bodies = [backend.take(record.raw) for record in journal.reader.read(READINGS, journal.run, 1, 9, 1 << 20)]
    kinds = [(opened.kind, getattr(opened.body, "boot", None)) for opened in bodies if opened and opened.seq]
    assert kinds == [(framing.BLOCK, b"boot-id-16-bytes"), (framing.BLOCK, b""), (framing.CLOCK, b"boot-id-16-bytes")]
    assert backend.all_numbers == [1, 2, 3]


def test_a_row_that_cannot_be_stored_is_counted_and_costs_no_other(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    bad = [row(5)._replace(values=(float("nan"), 0.0)), row(6)._replace(values=(1 << 70, 0.0))]
    journal.commit(batch([row(1), bad[0], row(2), bad[1], row(3)]))
    journal.commit(batch(bad))
    journal.commit(batch([row(4)]))
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == [1, 2, 3, 4]
    assert journal.writers[READINGS].refused == {"not-finite": 2, "beyond-64-bit": 2}
    assert backend.gaps == []


def test_local_comes_back_and_is_never_sent(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    journal.commit(batch(rows(0, 1), local={"counter/a": 5, "gone": 1, "big": "x" * 60_000}))
    journal.commit(batch(rows(1, 1), local={"counter/a": 6, "gone": None, "list": [1, {"two": b"3"}]}))
    assert all(record.kind != framing.LOCAL for record in journal.reader.read(READINGS, journal.run, 1, 9, 1 << 20))
    journal.close()
    again = party.journal(tmp_path)
    expected = {"counter/a": 6, "big": "x" * 60_000, "list": [1, {"two": b"3"}]}
    assert again.local == expected
    again.commit(batch(rows(2, 1)))
    again.close()
    assert party.journal(tmp_path).local == expected


def test_readings_and_counters_of_their_frames_are_durable_together_though_the_segment_has_no_room_for_all(
    party: Party, tmp_path: Path
) -> None:
    """Else a frame whose reading is there is accepted again, when the hub is killed before the next segment begins."""
    disk = FaultyDisk()
    journal = party.journal(tmp_path, disk=disk)
    number = 0
    while journal.catalog.size() < SMALL.segment_bytes // 2:
        journal.commit(batch(rows(number, 1000)))
        number += 1000
    assert len(journal.catalog.of(READINGS)) == 1
    disk.fail["create"] = [no_space()] * 3
    made = batch(rows(number, 15_000), local={"counter/a": 5})
    for _ in range(3):
        with pytest.raises(StorageError):
            journal.commit(made)
        found = party.journal(copytree(tmp_path, tmp_path.with_name(f"killed-{len(disk.fail['create'])}")))
        backend = party.reader()
        backend.drain(found)
        there = set(backend.all_numbers) & set(range(number, number + 15_000))
        assert (len(there), found.local.get("counter/a")) == (0, None)
    journal.commit(made)
    journal.close()
    found = party.journal(tmp_path)
    backend = party.reader()
    backend.drain(found)
    assert backend.all_numbers == list(range(number + 15_000))
    assert found.local["counter/a"] == 5


def test_a_segment_that_a_commit_does_not_fit_in_still_gets_its_second_epoch(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    journal.commit(batch(rows(0, 1)))
    journal.commit(batch(rows(1, 30_000)))
    first, last = journal.catalog.of(READINGS)
    kinds = [head.kind for head in Scan.of(first.path.read_bytes()).heads]
    assert kinds.count(framing.EPOCH) == 2
    assert (first.first, first.last, last.first) == (1, 1, 2)
    assert last.size > SMALL.segment_bytes, "what is committed together stays together"
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == list(range(30_001))


def test_a_large_state_spans_records(party: Party, tmp_path: Path) -> None:
    local = {f"state/{at}": "y" * 60_000 for at in range(20)}
    config = replace(SMALL, segment_bytes=4 << 20, max_bytes=1 << 30)
    party.journal(tmp_path, config=config).commit(batch(rows(0, 1), local=local))
    again = party.journal(tmp_path, config=config)
    assert again.local == local
    again.commit(batch(rows(1, 1)))
    assert party.journal(tmp_path, config=config).local == local


def test_local_under_another_store_key_is_said_to_be_unreadable(party: Party, tmp_path: Path) -> None:
    party.journal(tmp_path).commit(batch(rows(0, 1), local={"a": 1}))
    stranger = Party()
    again = stranger.journal(tmp_path)
    assert again.local == {}
    assert "could not be read" in again.errors[0]


def test_a_run_names_the_one_before(party: Party, tmp_path: Path) -> None:
    one = party.journal(tmp_path)
    one.commit(batch(rows(0, 4000)))
    digest = one.catalog.digests[READINGS, one.run]
    one.close()
    party.journal(tmp_path).close()  # a run that wrote nothing is not named
    three = party.journal(tmp_path)
    three.commit(batch(rows(5000, 1)))
    backend = party.reader()
    backend.drain(three)
    epochs = {opener.epoch.run: opener.epoch for opener in backend.openers.values()}
    assert epochs[three.run].previous_run == one.run
    assert epochs[three.run].previous_seq == 2
    assert epochs[three.run].previous_digest == digest == backend.digests[READINGS, one.run, 2]
    assert epochs[one.run].previous_seq == 0
    states = {state.run: state for state in three.catalog.states()}
    assert (states[one.run].first, states[one.run].last, states[one.run].digest) == (1, 2, digest)


def test_wholly_acked_closed_segments_go_once_the_ack_is_durable(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path, disk)
    for at in range(8):
        journal.commit(batch(rows(at * 4000, 4000)))
    segments = journal.catalog.of(READINGS)
    assert len(segments) >= 3
    paths = [info.path for info in segments]
    disk.fail["sync"] = [io_error()]
    acked = ack(journal, READINGS, journal.run, 1, segments[1].last)
    pending = batch(rows(90_000, 1), local=acked)
    with pytest.raises(StorageError):
        journal.commit(pending)
    assert all(path.exists() for path in paths)
    journal.commit(pending)
    assert [path.exists() for path in paths[:3]] == [False, False, True]
    assert journal.catalog.of(READINGS)[0].first == segments[2].first


def test_what_is_acked_of_a_run_is_known_until_the_last_of_its_segments_has_left(party: Party, tmp_path: Path) -> None:
    old = party.journal(tmp_path)
    old.commit(batch(rows(0, 3)))
    old.writers[READINGS].close()
    for at in (1, 2):
        old.commit(batch(rows(3 * at, 3)))
    old.close()
    journal = party.journal(tmp_path)
    journal.commit(batch(rows(9, 3)))
    first, second, _ = journal.catalog.of(READINGS)
    assert (first.run, first.last, second.run, second.last) == (old.run, 1, old.run, 3)
    journal.commit(batch(rows(12, 1), local={range_key(ACK_KEY, READINGS, old.run): [[1, 2]]}))
    assert not first.path.exists()
    assert second.path.exists()
    journal.commit(batch(rows(13, 1)))
    journal.close()
    journal = party.journal(tmp_path)
    assert list(journal.acked.durable.of(READINGS, old.run)) == [(1, 2)]
    key = range_key(ACK_KEY, READINGS, old.run)
    journal.commit(batch(rows(14, 1), local={key: [[1, 3]]}))
    assert not second.path.exists()
    journal.commit(batch(rows(15, 1)))
    assert key not in journal._durable, "then nobody needs it"
    journal.close()


def test_what_a_gap_declares_is_settled_only_when_the_gap_is_durable(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path, disk)
    journal.commit(batch(rows(0, 3)))
    journal.declare(Gap(READINGS, journal.run, 1, 1, 6, 5, 6, "damaged"))
    pending = batch(rows(3, 1), rows(4, 1))
    disk.fail["sync"] = [io_error()]
    with pytest.raises(StorageError):
        journal.commit(pending)
    key = range_key(LOST_KEY, READINGS, journal.run)
    assert not journal.lost.covers(READINGS, journal.run, 1, 1)
    assert key not in journal._pending.keys() | journal._durable.keys() | pending.local.keys()
    journal.commit(pending)
    assert journal.lost.covers(READINGS, journal.run, 1, 1)
    assert key in journal._durable
    journal.declare(Gap(READINGS, journal.run, 2, 2, 2, 5, 6, "damaged"))
    (told,) = journal.commit(batch())[:1]
    assert (told.stream, told.deferrable) == (ALERTS, False), "and it does not wait on a metered line"
    journal.close()


def test_who_comes_too_late_to_a_segment_that_was_acked_and_unlinked_does_not_take_it_for_damage(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = party.journal(tmp_path)
    old.commit(batch(rows(0, 3)))
    old.close()
    journal = party.journal(tmp_path)
    journal.commit(batch(rows(3, 3)))
    seen = journal.catalog.of(READINGS)
    journal.commit(batch(rows(6, 1), local={range_key(ACK_KEY, READINGS, seen[0].run): [[1, 1]]}))
    assert not seen[0].path.exists()
    monkeypatch.setattr(journal.catalog, "of", lambda stream: seen)  # what a reader saw before it went
    assert journal.reader.read(READINGS, seen[0].run, 1, 1, 1 << 20) == []
    assert not journal.has_urgent_rows


def test_the_last_segment_of_a_run_stays_until_the_next_one_has_its_own(party: Party, tmp_path: Path) -> None:
    one = party.journal(tmp_path)
    one.commit(batch(rows(0, 1)))
    last = one.catalog.of(READINGS)[0].path
    one.close()
    two = party.journal(tmp_path)
    two.commit(batch([], rows(1, 1), local=ack(two, READINGS, one.run, 1, 1)))
    assert last.exists()
    two.commit(batch(rows(2, 1)))
    two.commit(batch(rows(3, 1), local={"any": 1}))
    assert not last.exists()
    assert list(two.acked.durable) == []


def test_a_full_buffer_gives_up_its_oldest_readings_and_says_so_first(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    config = replace(SMALL, max_bytes=4 * SMALL.segment_bytes)
    journal = party.journal(tmp_path, disk, config=config)
    journal.commit(batch([], rows(1_000_000, 5)))
    for at in range(40):
        journal.commit(batch(rows(at * 2000, 2000)))
        assert journal.catalog.size() <= config.max_bytes
    journal.commit(batch(rows(80_000, 1)))
    assert journal.evicted > 2
    backend = party.reader()
    backend.drain(journal)
    lost = {seq for gap in backend.gaps for seq in range(gap.first, gap.last + 1)}
    kept = {seq for stream, _, seq in backend.numbers if stream == READINGS}
    assert lost | kept == set(range(1, journal.writers[READINGS].seq + 1))
    assert not lost & kept
    assert {gap.reason for gap in backend.gaps} == {"evicted"}
    assert journal.losses == {"evicted": len(backend.gaps)}
    assert (
        sum(gap.readings for gap in backend.gaps)
        + 2 * sum(len(numbers) for key, numbers in backend.numbers.items() if key[0] == READINGS)
        == 2 * 80_001
    )
    assert set(range(1_000_000, 1_000_005)) <= set(backend.all_numbers)
    first_unlink = disk.calls.index("unlink")
    assert "sync" in disk.calls[first_unlink - 3 : first_unlink]


def test_what_the_batch_in_hand_says_is_acked_is_not_declared_lost_for_want_of_room(
    party: Party, tmp_path: Path
) -> None:
    config = replace(SMALL, max_bytes=4 * SMALL.segment_bytes)
    journal = party.journal(tmp_path, config=config)
    at = 0
    while not journal.retention.exceeds_cap(2000 * 2 * 8):
        journal.commit(batch(rows(at, 2000)))
        at += 2000
    assert journal.evicted == 0
    sent = journal.writers[READINGS].seq
    journal.commit(batch(rows(at, 2000), local=ack(journal, READINGS, journal.run, 1, sent)))
    assert (journal.evicted, journal.losses) == (0, {})
    assert not journal.lost.of(READINGS, journal.run)


def test_pieces_of_a_gap_hold_as_many_readings_as_the_whole_and_a_gap_of_the_clock_alone_is_no_loss(
    party: Party, tmp_path: Path
) -> None:
    journal = party.journal(tmp_path)
    journal.commit(batch(rows(0, 1), local=ack(journal, READINGS, journal.run, 2, 2)))
    journal.declare(Gap(READINGS, journal.run, 1, 4, 3, 5, 6, "damaged"))
    journal.declare(Gap(READINGS, b"p" * 16, 1, 9, 0, 5, 6, "damaged"))
    journal.commit(batch())
    backend = party.reader()
    backend.drain(journal)
    assert [(gap.first, gap.last, gap.readings) for gap in backend.gaps] == [(1, 1, 0), (3, 4, 2), (1, 9, 0)]
    assert journal.losses == {"damaged": 1}


def test_a_gap_that_cannot_be_made_durable_keeps_what_it_would_declare(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    config = replace(SMALL, max_bytes=4 * SMALL.segment_bytes)
    journal = party.journal(tmp_path, disk, config=config)
    at = 0
    while journal.catalog.size() + 2000 * 2 * 8 < config.max_bytes:
        journal.commit(batch(rows(at, 2000)))
        at += 2000
    oldest = journal.catalog.of(READINGS)[0].path
    disk.fail["sync"] = [io_error()]
    pending = batch(rows(at, 2000))
    with pytest.raises(StorageError):
        journal.commit(pending)
    assert oldest.exists()
    journal.commit(pending)
    assert not oldest.exists()


FAULTS = [
    ("create", no_space), ("create", io_error), ("write", no_space), ("write", io_error), ("write", lambda: "short"),
    ("sync", no_space), ("sync", io_error), ("sync_directory", io_error), ("unlink", io_error), ("close", io_error),
]  # fmt: skip


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize(("call", "fault"), FAULTS)
def test_a_fault_at_any_call_loses_nothing_and_promises_nothing(
    party: Party, tmp_path: Path, call: str, fault: object, at: int
) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path, disk)
    disk.fail[call] = [None] * at + [fault()]  # type: ignore[operator]
    promised: set[int] = set()
    for number in range(0, 60, 5):
        made = batch(rows(number, 3), rows(number + 3, 2), local={"n": number})
        try:
            journal.commit(made)
        except StorageError:
            backend = party.reader()
            backend.drain(journal)
            assert promised <= set(backend.all_numbers)
            assert number + 2 not in backend.all_numbers, "delivered before it was durable"
            journal.commit(made)
        promised |= set(range(number, number + 5))
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == list(range(60))
    assert backend.gaps == []
    assert journal.losses == {}, "a write that failed and was repeated is no loss"
    assert_no_nonce_twice(disk.written)
    journal.close()
    again = party.journal(tmp_path)
    backend.drain(again)
    assert backend.all_numbers == list(range(60))
    assert backend.gaps == []
    assert again.local == {"n": 55}


def test_rows_of_a_failed_commit_keep_their_numbers_in_another_epoch(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path, disk)
    journal.commit(batch(rows(0, 3)))
    disk.fail["sync"] = [io_error(), io_error()]
    pending = batch(rows(3, 3))
    for _ in range(2):
        with pytest.raises(StorageError):
            journal.commit(pending)
        assert journal.catalog.last(READINGS, journal.run) == 1
        assert [record.seq for record in journal.reader.read(READINGS, journal.run, 1, 9, 1 << 20) if record.seq] == [1]
    (done,) = journal.commit(pending)
    assert (done.first, done.last) == (2, 2)
    assert journal.writers[READINGS].poisoned == 2
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == list(range(6))
    assert len(backend.openers) == 2
    journal.close()
    # the first segment still holds a record 2 that was never promised; after a restart it must not come back
    first = sorted((tmp_path / READINGS).iterdir())[0].read_bytes()
    assert [
        head.seq for head in framing.scan(first, 8) if isinstance(head, framing.Head) and head.kind == framing.BLOCK
    ] == [
        1,
        2,
    ]
    backend.drain(party.journal(tmp_path))
    assert backend.all_numbers == list(range(6))


def test_the_ballast_is_given_up_when_the_disk_is_full(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    journal = party.journal(tmp_path, disk)
    ballast = tmp_path / "ballast"
    assert ballast.stat().st_size == 1 << 16
    for at in range(8):
        journal.commit(batch(rows(at * 4000, 4000)))
    oldest = journal.catalog.of(READINGS)[0].path
    assert journal.evict_oldest(unsent=True)
    assert not ballast.exists()
    assert not oldest.exists()
    assert journal.lost.of(READINGS, journal.run)
    journal.commit(batch(rows(90_000, 1)))
    assert ballast.exists()


def test_a_segment_that_exists_is_never_written_into(party: Party, tmp_path: Path) -> None:
    journal = party.journal(tmp_path)
    name = f"0000000001-{journal.run.hex()}-000000000001.seg"
    (tmp_path / READINGS / name).write_bytes(b"somebody else's")
    pending = batch(rows(0, 1))
    with pytest.raises(StorageError):
        journal.commit(pending)
    journal.commit(pending)
    assert journal.catalog.of(READINGS)[0].number == 2
    backend = party.reader()
    backend.drain(journal)
    assert backend.all_numbers == [0]


def test_an_unusable_directory_is_a_clear_error(party: Party, tmp_path: Path) -> None:
    (tmp_path / "buffer").write_text("a file")
    with pytest.raises(StorageError, match="buffer"):
        party.journal(tmp_path / "buffer")
